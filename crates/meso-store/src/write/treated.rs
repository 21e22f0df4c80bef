//! What sessions amount to for the later ones of their patients.

use meso_domain::canonical::Canonical as _;
use rusqlite::{Transaction, params};

use crate::StoreError;
use crate::commit::TreatedRow;
use crate::error::During as _;

pub(super) fn replace_treated(
    transaction: &Transaction<'_>,
    treated: &TreatedRow,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO treated VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| {
            statement.execute(params![
                treated.earlier.session.as_bytes(),
                treated.clinic.as_str(),
                treated.patient.as_bytes(),
                treated.earlier.canonical_bytes(),
            ])
        })
        .during("write what a session amounts to")?;
    Ok(())
}
