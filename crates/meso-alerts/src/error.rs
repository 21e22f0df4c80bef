//! What can be wrong with a request about an alert.

use crate::{AlertId, Alerts, Reason};

/// Why a request about an alert cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// No such alert is remembered.
    #[error("alert {id} is not known here: it may be resolved since long, read the list again")]
    Unknown {
        /// The alert.
        id: AlertId,
    },
    /// The alert is part of another one since.
    #[error("alert {id} is part of alert {into} since late shots came: do it with that one")]
    Merged {
        /// The alert that was named.
        id: AlertId,
        /// The one that goes on for it.
        into: AlertId,
    },
    /// Nothing is left to silence.
    #[error("alert {id} is resolved: there is nothing to silence")]
    Resolved {
        /// The alert.
        id: AlertId,
    },
    /// A silence is too long or over already.
    #[error(
        "a silence of {seconds} s is not allowed: it lasts 1 s to {} s, and can be renewed",
        Alerts::SILENCE_NS_MAX / 1_000_000_000
    )]
    SilenceLength {
        /// How long it would last.
        seconds: i64,
    },
    /// The text is not an alert id.
    #[error("{text:?} is not an alert id: 16 digits of 0-9 and a-f")]
    NotAnId {
        /// The text that was given, shortened.
        text: String,
    },
    /// The text is not a reason.
    #[error(
        "a reason of {length} characters is not allowed: 1 to {} characters on one line",
        Reason::LENGTH_MAX
    )]
    NotAReason {
        /// Its length in characters.
        length: usize,
    },
}
