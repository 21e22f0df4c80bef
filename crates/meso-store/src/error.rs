//! What can go wrong between us and the disk.

use std::path::PathBuf;

use meso_domain::CanonicalError;
use meso_ledger::{LedgerError, ReadError};
use meso_units::UnitError;

use crate::LostBlock;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder or file cannot be used.
    #[error("store file {} cannot be used; check that the folder exists and is writable", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process writes to the store.
    #[error(
        "store file {} is in use by another server; end that one, or choose another data folder",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A layout that this program does not know.
    #[error("store layout {found} is not known, only {known}; use the program that wrote it")]
    Layout {
        /// The layout found.
        found: i64,
        /// The layout known.
        known: i64,
    },
    /// A shot of a block is stored under another block already.
    #[error("shot {counter} of block {place} is stored already; nothing of the commit was stored")]
    StoredTwice {
        /// The block.
        place: String,
        /// The counter of the shot.
        counter: u32,
    },
    /// SQLite refused.
    #[error("the store's file refused to {what}; check disk and permissions of the data folder")]
    Database {
        /// What was tried.
        what: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// An InfluxDB did not do what was asked.
    #[error("{what}: {detail}")]
    Influx {
        /// Where it is and what it did not do.
        what: String,
        /// What it said, and what to do.
        detail: String,
    },
    /// There is a store where a new one was to be.
    #[error("there is a store already: {}; name another place", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A copy is not equal to its source.
    #[error("the copy is not equal to its source and was not put in place: {}", wrong.join("; "))]
    CopyDiffers {
        /// The first differences.
        wrong: Vec<String>,
    },
    /// The store keeps its shots elsewhere than it was opened for.
    #[error(
        "the store in {} keeps its shots in {found}, not in {asked}; correct the configuration, or \
         move them with `mesofleet store copy`",
        path.display()
    )]
    OtherShelf {
        /// The file.
        path: PathBuf,
        /// Where they are.
        found: String,
        /// Where they were looked for.
        asked: String,
    },
    /// An InfluxDB does not have shots that it had taken.
    #[error(
        "{}; have them sent again with `mesofleet store repair`",
        lost.first().map(ToString::to_string).unwrap_or_default()
    )]
    Missing {
        /// The blocks that lack shots.
        lost: Vec<LostBlock>,
    },
    /// A row does not hold what was written into it.
    #[error("{what} in the store is damaged: {detail}; restore the store from a backup")]
    Damaged {
        /// The thing.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl StoreError {
    pub(crate) fn damaged(what: &'static str, detail: impl ToString) -> StoreError {
        StoreError::Damaged {
            what,
            detail: detail.to_string(),
        }
    }
}

impl From<CanonicalError> for StoreError {
    fn from(error: CanonicalError) -> StoreError {
        StoreError::damaged("a record", error)
    }
}

impl From<UnitError> for StoreError {
    fn from(error: UnitError) -> StoreError {
        StoreError::damaged("a field", error)
    }
}

impl From<LedgerError> for StoreError {
    fn from(error: LedgerError) -> StoreError {
        StoreError::damaged("the ledger", error)
    }
}

impl From<ReadError<StoreError>> for StoreError {
    fn from(error: ReadError<StoreError>) -> StoreError {
        match error {
            ReadError::Storage { source } => source,
            other => StoreError::damaged("the ledger", other),
        }
    }
}

/// Names what was tried when SQLite refuses.
pub(crate) trait During<T> {
    fn during(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, rusqlite::Error> {
    fn during(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { what, source })
    }
}
