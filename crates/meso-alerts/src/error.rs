//! What can be wrong with a request about an alert.

use crate::AlertId;

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
    /// The text is not an alert id.
    #[error("{text:?} is not an alert id: 16 digits of 0-9 and a-f")]
    NotAnId {
        /// The text that was given, shortened.
        text: String,
    },
}
