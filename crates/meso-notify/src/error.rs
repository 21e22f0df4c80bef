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
    /// A mail server did not take a letter.
    #[error("the mail server {server} did not take a letter")]
    MailRefused {
        /// The server.
        server: String,
        /// What it says, or what kept us from it.
        #[source]
        source: lettre::transport::smtp::Error,
    },
    /// A letter cannot be written as e-mail; no known letter is so.
    #[error("a letter cannot be written as e-mail")]
    MailUnwritable {
        /// What the writer says.
        #[source]
        source: lettre::error::Error,
    },
    /// The certificates for a mail server cannot be used.
    #[error("the certificates for the mail server {server} cannot be used; see ca_file")]
    MailUnusable {
        /// The server.
        server: String,
        /// Why not.
        #[source]
        source: Box<lettre::transport::smtp::Error>,
    },
    /// No mail address.
    #[error("{address:?} is no mail address; write one such as duty@example.org")]
    NotAnAddress {
        /// What was given.
        address: String,
    },
    /// No certificate where one must be.
    #[error("there is no certificate in it; it must hold one or more, PEM")]
    NoCertificate,
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
