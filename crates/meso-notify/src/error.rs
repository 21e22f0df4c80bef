//! Why a letter did not arrive.

/// Why a letter did not arrive; the outbox sends it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// Nobody answered, or not in time.
    #[error("{url} does not answer; see whether it runs and listens there")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system says.
        #[source]
        source: ureq::Error,
    },
    /// It was answered with something else than success.
    #[error("{url} answers {status}: {said:?}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of the answer.
        said: String,
    },
    /// The letter cannot be written; no known letter is so.
    #[error("a letter cannot be written as JSON")]
    Unwritable {
        /// What the writer says.
        #[from]
        source: serde_json::Error,
    },
    /// The secret is empty, so that everybody could sign.
    #[error(
        "the secret is empty; write one of at least {} bytes into its file",
        crate::Secret::LENGTH_MIN
    )]
    SecretTooShort,
}
