//! Ids of patients that turned out to be one patient's.

use meso_domain::PatientMerged;
use meso_units::ClinicId;
use rusqlite::{Transaction, params};

use crate::StoreError;
use crate::error::During as _;

/// Writes a merge; one that is known stays as it was said first.
pub(super) fn insert_merge(
    transaction: &Transaction<'_>,
    clinic: &ClinicId,
    merged: &PatientMerged,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO patient_merges (clinic, gives_way, stays, at_ns)
             VALUES (?1, ?2, ?3, ?4)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                clinic.as_str(),
                merged.from.as_bytes(),
                merged.into.as_bytes(),
                merged.at.unix_ns(),
            ])
        })
        .during("write that two ids are one patient's")?;
    Ok(())
}
