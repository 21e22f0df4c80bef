//! What lies beside the records: alerts, ledger entries, the quarantine.

use rusqlite::{Transaction, params};

use super::QUARANTINE_BYTES_ROWS_MAX;
use crate::StoreError;
use crate::commit::{AlertRow, NewEntry, Quarantined, TrackRow};
use crate::error::During as _;

pub(super) fn upsert_alert(
    transaction: &Transaction<'_>,
    alert: &AlertRow,
) -> Result<(), StoreError> {
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
                alert.gun.as_str(),
                alert.session.as_ref().map(|id| id.as_bytes().as_slice()),
                alert.opened_at.unix_ns(),
                alert.body,
            ])
        })
        .during("write an alert")?;
    Ok(())
}

pub(super) fn replace_track(
    transaction: &Transaction<'_>,
    track: &TrackRow,
) -> Result<(), StoreError> {
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

pub(super) fn insert_entry(
    transaction: &Transaction<'_>,
    entry: &NewEntry,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT INTO entries (kind, digest, bytes) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![entry.kind.code(), entry.digest, entry.bytes]))
        .during("write a ledger entry")?;
    Ok(())
}

pub(super) fn insert_quarantined(
    transaction: &Transaction<'_>,
    quarantined: &Quarantined,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO quarantine (digest, source, reason, bytes, first_at_ns, seen_count)
             VALUES (?1, ?2, ?3,
               CASE WHEN (SELECT count(*) FROM quarantine) < ?6 THEN ?4 END, ?5, 1)
             ON CONFLICT (digest) DO UPDATE SET seen_count = seen_count + 1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                quarantined.digest,
                quarantined.source,
                quarantined.reason,
                quarantined.bytes,
                quarantined.at.unix_ns(),
                QUARANTINE_BYTES_ROWS_MAX,
            ])
        })
        .during("write into quarantine")?;
    Ok(())
}
