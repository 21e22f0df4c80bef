//! Shots that were fired without a session and that a session claims.

use meso_domain::{ShotClaim, Statement};
use meso_units::SessionId;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::beside::{NOT_UNDER_PROTOCOL, change_tally};
use super::sums::bind_counts;
use crate::StoreError;
use crate::commit::SessionCounts;
use crate::error::During as _;
use crate::shot_row::bits;

/// Writes a claim down; the same claim said again was said when it was said first.
pub(super) fn insert_claim(
    transaction: &Transaction<'_>,
    statement: &Statement,
    claim: &ShotClaim,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO claims VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET at_ns = min(at_ns, excluded.at_ns)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                claim.gun.as_str(),
                bits(claim.epoch.get()),
                statement.session.as_bytes(),
                claim.segment.as_bytes(),
                claim.first.get(),
                claim.last.get(),
                statement.at.unix_ns(),
            ])
        })
        .during("write a claim")?;
    Ok(())
}

/// Replaces what the shots add up to that a session claims.
pub(super) fn replace_claimed(
    transaction: &Transaction<'_>,
    session: SessionId,
    counts: &SessionCounts,
) -> Result<(), StoreError> {
    let before: Option<i64> = transaction
        .prepare_cached("SELECT claimed_patient_shot_count FROM sessions WHERE session = ?1")
        .and_then(|mut select| {
            let id = [session.as_bytes()];
            select.query_row(id, |row| row.get(0)).optional()
        })
        .during("find a session")?;
    let Some(before) = before else {
        return Ok(());
    };
    transaction
        .prepare_cached(
            "UPDATE sessions SET claimed_shot_count = ?2, claimed_patient_shot_count = ?3,
             claimed_volume_nl = ?4, claimed_failed_count = ?5, claimed_soft_count = ?6,
             claimed_hard_count = ?7, claimed_not_checkable_count = ?8 WHERE session = ?1",
        )
        .and_then(|mut update| bind_counts(&mut update, session.as_bytes(), counts))
        .during("sum up what a session claims")?;
    let change = before - bits(counts.patient_shot_count);
    change_tally(transaction, NOT_UNDER_PROTOCOL, change)
}
