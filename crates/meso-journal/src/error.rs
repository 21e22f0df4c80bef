//! What can go wrong with the journal.

use std::path::PathBuf;
use std::sync::Arc;

use meso_domain::{BlockError, CanonicalError, Stream};
use meso_units::UnitError;

/// Why the journal could not do something. Nothing of the request is on the disk then.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The folder or file cannot be used.
    #[error(
        "cannot use the journal in {}: {detail}; check that the folder can be written",
        path.display()
    )]
    Folder {
        /// The path.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// Another driver process has the journal open.
    #[error(
        "the journal in {} is in use by another driver; end that one, or give this driver a data \
         folder of its own",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There is no journal to look at.
    #[error("there is no journal at {}; name the data folder of a driver that has run", path.display())]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// The journal belongs to another driver or clinic.
    #[error(
        "the journal belongs to driver {found} and not to {wanted}; give this driver a data folder \
         of its own"
    )]
    Stranger {
        /// Clinic and driver in the journal.
        found: String,
        /// Clinic and driver of the configuration.
        wanted: String,
    },
    /// The journal was written by a newer program.
    #[error("the journal has format {found}, this program knows {known}; update the program")]
    Format {
        /// The format found.
        found: i64,
        /// The format known.
        known: i64,
    },
    /// SQLite refused an operation, for instance because the disk is full.
    #[error("the journal cannot {operation}")]
    Sqlite {
        /// What was tried.
        operation: &'static str,
        /// What SQLite says.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// Records on the disk do not decode.
    #[error("a record in the journal does not decode")]
    Record {
        /// What is wrong with it.
        #[source]
        source: CanonicalError,
    },
    /// An identifier on the disk does not decode.
    #[error("an identifier in the journal does not decode")]
    Identifier {
        /// What is wrong with it.
        #[source]
        source: UnitError,
    },
    /// Records cannot be sealed into one block.
    #[error("records of {stream} cannot be sealed into one block")]
    Block {
        /// The stream.
        stream: Stream,
        /// Why.
        #[source]
        source: BlockError,
    },
    /// Records of different sessions cannot be sealed into one block.
    #[error("records of {stream} belong to different sessions and so to different blocks")]
    Sessions {
        /// The stream.
        stream: Stream,
    },
    /// The writing thread has ended.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Whether the disk is full: the request may be repeated when there is room again.
    pub fn is_disk_full(&self) -> bool {
        match self {
            JournalError::Sqlite { source, .. } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            _ => false,
        }
    }
}

impl JournalError {
    /// Whether what is in the journal is wrong, so that another try ends the same.
    pub fn is_of_content(&self) -> bool {
        matches!(
            self,
            JournalError::Record { .. }
                | JournalError::Identifier { .. }
                | JournalError::Block { .. }
                | JournalError::Sessions { .. }
        )
    }
}

impl From<CanonicalError> for JournalError {
    fn from(source: CanonicalError) -> JournalError {
        JournalError::Record { source }
    }
}

impl From<UnitError> for JournalError {
    fn from(source: UnitError) -> JournalError {
        JournalError::Identifier { source }
    }
}

/// Stamps the operation onto a bare SQLite error.
pub(crate) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, JournalError>;
}

impl<T> During<T> for Result<T, rusqlite::Error> {
    fn during(self, operation: &'static str) -> Result<T, JournalError> {
        self.map_err(|source| JournalError::Sqlite {
            operation,
            source: Arc::new(source),
        })
    }
}
