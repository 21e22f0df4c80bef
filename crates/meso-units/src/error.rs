//! What can be wrong with a number or a name.

use alloc::string::String;

/// Why a value is not a quantity or an identifier of this fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// The number is outside the range that is physically possible.
    #[error("{quantity} {value} is outside {min} to {max}")]
    OutOfRange {
        /// The quantity, with its unit.
        quantity: &'static str,
        /// The value that was given.
        value: i64,
        /// The smallest allowed value.
        min: i64,
        /// The largest allowed value.
        max: i64,
    },
    /// The text is not a number followed by a unit of this quantity.
    #[error("{text:?} is not a {quantity}: write a number and a unit, one of {units}")]
    NotAQuantity {
        /// The quantity that was expected.
        quantity: &'static str,
        /// The text that was given.
        text: String,
        /// The units that are understood.
        units: &'static str,
    },
    /// The text has more digits than the unit can hold as a whole number.
    #[error("{text:?} has more digits than a {quantity} keeps: the smallest step is 1 {step}")]
    TooFine {
        /// The quantity that was expected.
        quantity: &'static str,
        /// The text that was given.
        text: String,
        /// The smallest step.
        step: &'static str,
    },
    /// The text is not an identifier of this kind.
    #[error("{text:?} is not a {kind}: {rule}")]
    NotAnIdentifier {
        /// The kind of identifier.
        kind: &'static str,
        /// The text that was given.
        text: String,
        /// What such an identifier looks like.
        rule: &'static str,
    },
    /// A sum or difference left the range of its type.
    #[error("{quantity}: the sum of {left} and {right} is out of range")]
    Overflow {
        /// The quantity, with its unit.
        quantity: &'static str,
        /// The left operand.
        left: i64,
        /// The right operand.
        right: i64,
    },
}
