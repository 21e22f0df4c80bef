//! What can stop a commit.

use meso_alerts::AlertError;
use meso_ledger::LedgerError;
use meso_store::{LostBlock, StoreError};
use meso_units::ClinicId;

use super::retire::RetireError;

/// Why a commit was not made; nothing of it may be acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The store refused.
    #[error("the store did not take a commit")]
    Store {
        /// What it says.
        #[source]
        source: StoreError,
    },
    /// The InfluxDB that keeps the shots is away, or refuses.
    #[error("shots cannot be kept, and commits go on by themselves once they can")]
    ShotsElsewhere {
        /// What it says.
        #[source]
        source: StoreError,
    },
    /// The ledger refused.
    #[error("the ledger did not take a commit")]
    Ledger {
        /// What it says.
        #[from]
        source: LedgerError,
    },
    /// A commit has failed and none can go well yet, or the service is going down.
    #[error("nothing can be stored at the moment; /readyz says why, try again when it is green")]
    Closed,
    /// What was asked for cannot be done with this alert.
    #[error("nothing was done with the alert")]
    Alert {
        /// Why not.
        #[from]
        source: AlertError,
    },
    /// The room cannot be retired.
    #[error("the room was not retired")]
    Retire {
        /// Why not.
        #[from]
        source: RetireError,
    },
    /// A time zone that does not exist.
    #[error(
        "clinic {clinic}: {name:?} is no time zone of the IANA database; write one such as \
         Europe/Vienna under [[clinics]]"
    )]
    UnknownTimeZone {
        /// The clinic.
        clinic: ClinicId,
        /// What was asked for.
        name: String,
    },
    /// More blocks than one import may have.
    #[error("an import of {count} blocks is above the limit of {count_max}; split it")]
    ImportTooLarge {
        /// How many were given.
        count: usize,
        /// How many are allowed.
        count_max: usize,
    },
}

impl IngestError {
    /// Whether it is over when an InfluxDB is back, without anybody doing anything here.
    pub(super) const fn passes(&self) -> bool {
        matches!(self, IngestError::ShotsElsewhere { .. })
    }

    /// The blocks that lack shots, where that is what is wrong.
    pub(super) fn lost(&self) -> &[LostBlock] {
        match self {
            IngestError::Store {
                source: StoreError::Missing { lost },
            } => lost,
            _ => &[],
        }
    }
}

impl From<StoreError> for IngestError {
    fn from(source: StoreError) -> IngestError {
        match source {
            StoreError::Influx { .. } => IngestError::ShotsElsewhere { source },
            source => IngestError::Store { source },
        }
    }
}
