//! What a caller can do wrong. Bad input from the line is data, not an error: see
//! [`crate::Rejection`].

use alloc::string::String;

/// Why a call on the link was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A payload does not fit a frame.
    #[error(
        "payload of message {kind:#04x} has {length} bytes, more than the {length_max} of a frame"
    )]
    PayloadTooLong {
        /// The message kind.
        kind: u8,
        /// The bytes that it has.
        length: usize,
        /// The bytes that fit.
        length_max: usize,
    },
    /// A text of the greeting does not fit its field.
    #[error("{field} {text:?} is not 1 to {length_max} bytes of printable ASCII")]
    TextUnfit {
        /// The field.
        field: &'static str,
        /// The text that was given.
        text: String,
        /// The bytes that fit.
        length_max: usize,
    },
    /// There is no gun on the line, or it has not answered the greeting.
    #[error("no gun is attached to this line: wait until it has answered the greeting")]
    NotAttached,
    /// The named epoch is not the one of the attached gun.
    #[error("epoch {given:#018x} is not the epoch {attached:#018x} of the attached gun")]
    OtherEpoch {
        /// The epoch of the call.
        given: u64,
        /// The epoch of the gun; 0 where it has none.
        attached: u64,
    },
    /// An epoch or a counter of zero names nothing.
    #[error("{what} 0 names nothing: use 1 or more")]
    Zero {
        /// What was zero.
        what: &'static str,
    },
    /// A text is no key; the text itself is not told.
    #[error("a link key is 64 hexadecimal digits, and this text of {length} characters is not")]
    KeyUnfit {
        /// How long the text is.
        length: usize,
    },
    /// The counter of an authenticated session is at its end; a new session begins by itself.
    #[error("the session has sent 4294967295 frames, as many as it can")]
    SessionUsedUp,
    /// The epoch was broken, and the shots to acknowledge are not among those that were salvaged.
    #[error(
        "cannot acknowledge shot {counter} of a broken epoch: salvaged up to {salvaged} so far"
    )]
    NotSalvaged {
        /// The counter of the call.
        counter: u32,
        /// What [`crate::HostEvent::SalvageEnded`] named last; 0 before the first.
        salvaged: u32,
    },
    /// Too many commands wait for their answer.
    #[error("{waiting} commands wait for the gun's answer, as many as the limit of {waiting_max}")]
    TooManyCommands {
        /// How many wait.
        waiting: usize,
        /// How many may wait.
        waiting_max: usize,
    },
}
