//! What can be wrong with what a gun says, whichever language it speaks.

use meso_link_proto::RejectReason;
use meso_units::UnitError;

/// What can be told of holes among the shots of a gun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CompletenessGrade {
    /// The gun does not count, or nobody can check how: completeness is not provable.
    NotProvable,
    /// The gun counts its shots, so that each missing one is seen.
    Counter,
    /// The gun counts its shots, and every frame of it is authenticated.
    AuthenticatedCounter,
}

/// Why something of a gun went into the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectCause {
    /// A frame of the meso link.
    #[error(transparent)]
    Frame(#[from] RejectReason),
    /// A record that was read by Modbus.
    #[error(transparent)]
    Record(#[from] RecordFault),
    /// A line of text.
    #[error(transparent)]
    Line(#[from] LineFault),
}

/// What is wrong with a record of Modbus registers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// Its checksum is wrong, however often it is read.
    #[error("the checksum of record {counter} is wrong after {tries} tries")]
    Checksum {
        /// The counter whose place it has.
        counter: u32,
        /// How often it was read.
        tries: u32,
    },
    /// It has another counter than its place, however often it is read.
    #[error("the record in the place of {counter} says {found} after {tries} tries")]
    OtherCounter {
        /// The counter whose place it has.
        counter: u32,
        /// What it says.
        found: u32,
        /// How often it was read.
        tries: u32,
    },
    /// A number is outside of what is physically possible.
    #[error("{field}: {source}")]
    Impossible {
        /// The field of the profile.
        field: &'static str,
        /// The value and its range.
        #[source]
        source: UnitError,
    },
    /// A number that no quantity can have.
    #[error("{field} is {value}, which no gun can mean")]
    TooLarge {
        /// The field of the profile.
        field: &'static str,
        /// The number, in our smallest units.
        value: i128,
    },
    /// A code has no meaning.
    #[error("{field} code {code} is not known")]
    UnknownCode {
        /// The field of the profile.
        field: &'static str,
        /// The code.
        code: u64,
    },
    /// A field of the profile lies outside of the record.
    #[error("{field} lies outside of the record")]
    Outside {
        /// The field of the profile.
        field: &'static str,
    },
}

/// What is wrong with a line of text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineFault {
    /// No pattern of the profile is the line.
    #[error("no pattern of the profile fits the line")]
    NoPattern,
    /// It goes on beyond any line.
    #[error("the line is longer than {length_max} bytes")]
    TooLong {
        /// The longest line, in bytes.
        length_max: usize,
    },
    /// A captured text is no number of its unit, or lies between two steps of ours.
    #[error("{field} {text:?} is not a whole number of our smallest units")]
    NotANumber {
        /// The capture.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// A number is outside of what is physically possible.
    #[error("{field}: {source}")]
    Impossible {
        /// The capture.
        field: &'static str,
        /// The value and its range.
        #[source]
        source: UnitError,
    },
    /// More than one purpose is captured.
    #[error("the line names more than one purpose")]
    TwoPurposes,
    /// A shot that waited for an epoch until its gun was gone; its bytes are those of a SHOT.
    #[error("its gun was gone before the shot had an epoch")]
    NeverNumbered,
    /// As many more as there was no room for.
    #[error("{count} more shots had no room to wait for an epoch")]
    NoRoom {
        /// How many.
        count: u32,
    },
}
