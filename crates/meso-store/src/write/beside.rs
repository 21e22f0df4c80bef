//! What lies beside the records: alerts, ledger entries, what waits to be told.

use meso_domain::LateVerdict;
use meso_domain::canonical::Canonical as _;
use meso_units::GunSerial;
use rusqlite::{Transaction, params};

use super::aside::insert_quarantined;
use super::claimed::replace_claimed;
use super::merges::insert_merge;
use super::treated::replace_treated;
use crate::StoreError;
use crate::commit::{AlertRow, Commit, NewEntry, OutboxRow, TrackRow};
use crate::error::During as _;
use crate::shot_row::bits;

/// Writes everything of a commit that is no block.
pub(super) fn write_beside(
    transaction: &Transaction<'_>,
    commit: &Commit,
) -> Result<(), StoreError> {
    for alert in &commit.alerts {
        upsert_alert(transaction, alert)?;
    }
    for track in &commit.tracks {
        replace_track(transaction, track)?;
    }
    for outbox in &commit.outbox {
        replace_outbox(transaction, outbox)?;
    }
    for late in &commit.late {
        insert_late(transaction, late)?;
    }
    for (session, counts) in &commit.claimed {
        replace_claimed(transaction, *session, counts)?;
    }
    for treated in &commit.treated {
        replace_treated(transaction, treated)?;
    }
    for (clinic, merged) in &commit.merges {
        insert_merge(transaction, clinic, merged)?;
    }
    for entry in &commit.entries {
        insert_entry(transaction, entry)?;
    }
    for quarantined in &commit.quarantined {
        insert_quarantined(transaction, quarantined)?;
    }
    add_tally(transaction, "blocks_again", commit.blocks_again_count)?;
    add_tally(transaction, "shots_again", commit.shots_again_count)
}

fn upsert_alert(transaction: &Transaction<'_>, alert: &AlertRow) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO alerts (id, state, severity, gun, session, opened_at_ns, body)
             VALUES (?1,?2,?3,?4,?5,?6,?7)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, severity = excluded.severity,
             body = excluded.body",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                alert.id,
                alert.state,
                alert.severity.code(),
                alert.gun.as_ref().map_or("", GunSerial::as_str),
                alert.session.as_ref().map(|id| id.as_bytes().as_slice()),
                alert.opened_at.unix_ns(),
                alert.body,
            ])
        })
        .during("write an alert")?;
    Ok(())
}

fn replace_track(transaction: &Transaction<'_>, track: &TrackRow) -> Result<(), StoreError> {
    let session: &[u8] = match &track.session {
        Some(session) => session.as_bytes(),
        None => &[],
    };
    transaction
        .prepare_cached("INSERT OR REPLACE INTO alert_tracks VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| {
            let at_ns = track.active_at.unix_ns();
            statement.execute(params![track.gun.as_str(), session, at_ns, track.body])
        })
        .during("write what is remembered of alerts")?;
    Ok(())
}

fn replace_outbox(transaction: &Transaction<'_>, outbox: &OutboxRow) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO outbox VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![outbox.channel, outbox.body]))
        .during("write what waits to be told")?;
    Ok(())
}

fn insert_late(transaction: &Transaction<'_>, late: &LateVerdict) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT INTO late_findings (session, body) VALUES (?1, ?2)")
        .and_then(|mut statement| {
            statement.execute(params![late.session.as_bytes(), late.canonical_bytes()])
        })
        .during("write a late finding")?;
    Ok(())
}

pub(crate) fn insert_entry(
    transaction: &Transaction<'_>,
    entry: &NewEntry,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT INTO entries (kind, digest, bytes) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![entry.kind.code(), entry.digest, entry.bytes]))
        .during("write a ledger entry")?;
    Ok(())
}

/// The tally of patient shots that belong to no session and that none has claimed.
pub(super) const NOT_UNDER_PROTOCOL: &str = "not_under_protocol";

/// Counts up, or down, under a name.
pub(super) fn change_tally(
    transaction: &Transaction<'_>,
    name: &str,
    change: i64,
) -> Result<(), StoreError> {
    if change == 0 {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT INTO tallies VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        )
        .and_then(|mut statement| statement.execute(params![name, change]))
        .during("count")?;
    Ok(())
}

/// Counts under a name.
pub(super) fn add_tally(
    transaction: &Transaction<'_>,
    name: &str,
    count: u64,
) -> Result<(), StoreError> {
    change_tally(transaction, name, bits(count))
}
