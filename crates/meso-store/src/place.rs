//! Where a store is.

use std::path::{Path, PathBuf};

use crate::{InfluxOptions, Store, StoreError};

/// Where a store is: its file, and where it keeps its shots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// Everything is in the file.
    Embedded {
        /// The file.
        path: PathBuf,
    },
    /// The shots are in an InfluxDB, everything else is in the file.
    Influx {
        /// The file.
        path: PathBuf,
        /// The InfluxDB.
        options: Box<InfluxOptions>,
    },
}

impl StorePlace {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            StorePlace::Embedded { path } | StorePlace::Influx { path, .. } => path,
        }
    }

    /// The same, with another file.
    pub(crate) fn at(&self, path: PathBuf) -> StorePlace {
        match self {
            StorePlace::Embedded { .. } => StorePlace::Embedded { path },
            StorePlace::Influx { options, .. } => StorePlace::Influx {
                path,
                options: options.clone(),
            },
        }
    }

    /// Opens the store, or makes a new one whose incarnation is `new_incarnation`.
    ///
    /// # Errors
    ///
    /// As [`Store::open`] and [`Store::open_on_influx`].
    pub fn open(&self, new_incarnation: u64) -> Result<Store, StoreError> {
        match self {
            StorePlace::Embedded { path } => Store::open(path, new_incarnation),
            StorePlace::Influx { path, options } => {
                Store::open_on_influx(path, new_incarnation, options)
            }
        }
    }
}
