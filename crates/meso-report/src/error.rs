//! Why a bundle could not be made or opened.

use meso_domain::{BlockPlace, CanonicalError, ShotIdentity};
use meso_ledger::LedgerError;

/// Why facts do not make a bundle, or bytes are not one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The selection is too large for one bundle.
    #[error("{count} {what} are above the limit of {max} for one report: narrow the selection")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes are longer than any bundle.
    #[error("{name} has {length} bytes, above the limit of {max}: it is not read")]
    TooLong {
        /// The file.
        name: String,
        /// Its length in bytes, or the number of bytes read when the limit was passed.
        length: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// The bytes are not a ZIP archive, or a file in it is damaged.
    #[error("the report is not a readable ZIP archive")]
    Archive {
        /// What the ZIP library says.
        #[source]
        source: zip::result::ZipError,
    },
    /// The archive is made in a way that different programs read differently.
    #[error("the report is not a sound ZIP archive: {rule}")]
    UnsoundArchive {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// No commit that was given lists the block.
    #[error("{place} is in no commit of the log that was given: export after the ledger has it")]
    BlockNotCommitted {
        /// The block.
        place: BlockPlace,
    },
    /// A block says another number of records than it has.
    #[error("{place} says {said} records and has {found}")]
    RecordCount {
        /// The block.
        place: BlockPlace,
        /// What its header says.
        said: u16,
        /// What was given.
        found: usize,
    },
    /// The same shot is included twice.
    #[error("{identity} is in two blocks: withhold the copy that was not stored")]
    SameShotTwice {
        /// The shot.
        identity: ShotIdentity,
    },
    /// A leaf is not a commit entry.
    #[error("leaf {leaf} of the log is not a commit entry")]
    NotACommit {
        /// The leaf.
        leaf: u64,
        /// What is wrong with its bytes.
        #[source]
        source: CanonicalError,
    },
    /// A commit entry, a checkpoint or a proof does not fit the log.
    #[error("the evidence of the log does not fit together")]
    Evidence {
        /// What the ledger says.
        #[source]
        source: LedgerError,
    },
    /// A record cannot be written as JSON.
    #[error("a record cannot be written as JSON")]
    Json {
        /// What the JSON library says.
        #[source]
        source: serde_json::Error,
    },
}

impl From<LedgerError> for ReportError {
    fn from(source: LedgerError) -> ReportError {
        ReportError::Evidence { source }
    }
}

impl From<zip::result::ZipError> for ReportError {
    fn from(source: zip::result::ZipError) -> ReportError {
        ReportError::Archive { source }
    }
}

impl From<serde_json::Error> for ReportError {
    fn from(source: serde_json::Error) -> ReportError {
        ReportError::Json { source }
    }
}
