//! What can go wrong with the journal.

use core::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meso_domain::{BlockError, CanonicalError, Stream};
use meso_units::UnitError;
use rusqlite::ErrorCode;

use crate::guard;

/// Why the journal cannot be written for now. What it holds stays, and guns keep what it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unwritable {
    /// There is no room. The journal stays open, and the same request may be repeated.
    DiskFull,
    /// The system takes no writes, as it does after it has found errors on the disk.
    ReadOnly,
    /// Reading or writing fails.
    DiskFails,
    /// Where its disk was mounted there is no journal: writes would go to another disk.
    DiskGone,
}

impl Unwritable {
    /// The word for it in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unwritable::DiskFull => "disk full",
            Unwritable::ReadOnly => "disk read-only",
            Unwritable::DiskFails => "disk fails",
            Unwritable::DiskGone => "disk gone",
        }
    }

    /// What a person does about it.
    pub const fn next_step(self) -> &'static str {
        match self {
            Unwritable::DiskFull => "make room",
            Unwritable::ReadOnly => {
                "see in the system's log why, check the disk, and mount it for writing"
            }
            Unwritable::DiskFails => "see in the system's log why, and check the disk",
            Unwritable::DiskGone => {
                "mount it again; to begin with an empty journal, restart the driver"
            }
        }
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unwritable::DiskFull => "the disk is full",
            Unwritable::ReadOnly => "the disk is read-only",
            Unwritable::DiskFails => "the disk fails",
            Unwritable::DiskGone => "the disk is gone",
        })
    }
}

/// Why the journal could not do something. Nothing of the request counts as done then; where a disk
/// fails in the middle of a commit, the next opening shows whether it has it.
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
    /// It cannot be written for now.
    #[error(
        "the journal in {} cannot be written: {cause} ({detail}); {}",
        folder.display(),
        cause.next_step()
    )]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        cause: Unwritable,
        /// What SQLite or the system says.
        detail: String,
    },
    /// SQLite refused an operation, for instance because the file is damaged.
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
    /// Why the journal cannot be written, where that may pass.
    pub const fn unwritable(&self) -> Option<Unwritable> {
        match self {
            JournalError::Unwritable { cause, .. } => Some(*cause),
            _ => None,
        }
    }

    /// What is left of the journal in `folder` after this: where the disk is to blame, that is said.
    pub(crate) fn in_folder(self, folder: &Path) -> JournalError {
        let JournalError::Sqlite { operation, source } = &self else {
            return self;
        };
        let cause = match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Some(Unwritable::DiskFull),
            Some(ErrorCode::ReadOnly) => Some(Unwritable::ReadOnly),
            // SQLite does not say why.
            Some(ErrorCode::SystemIoFailure) => {
                Some(guard::why_unwritable(folder).unwrap_or(Unwritable::DiskFails))
            }
            Some(ErrorCode::CannotOpen) => guard::why_unwritable(folder),
            _ => None,
        };
        match cause {
            Some(cause) => JournalError::Unwritable {
                folder: folder.to_owned(),
                cause,
                detail: format!("cannot {operation}: {source}"),
            },
            None => self,
        }
    }

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
