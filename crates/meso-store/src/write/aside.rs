//! The quarantine: what was refused, and how much more of it can be kept.

use rusqlite::{Connection, Transaction, params};

use super::beside::add_tally;
use crate::StoreError;
use crate::commit::{QuarantineRoom, Quarantined};
use crate::error::During as _;

/// Things in quarantine; of further ones only the tally `quarantine_full` counts.
pub const QUARANTINE_ROWS_MAX: i64 = 100_000;

/// Things in quarantine above [`QUARANTINE_SMALL_BYTES_MAX`] whose bytes are kept, at most 256 KiB
/// each; of further ones only the digest, the reason and the count are kept. What is let out makes
/// room.
pub const QUARANTINE_BYTES_ROWS_MAX: i64 = 1_000;

/// The most bytes of what is kept whatever else is, such as one shot or one verdict.
pub const QUARANTINE_SMALL_BYTES_MAX: usize = 1_024;

/// Rows that are not promised to anybody, since a write that is on its way may take them: twice what
/// the shots of one commit of refused points come to.
const ROWS_SPARE: i64 = 1_024;

/// How much more can be kept.
pub(crate) fn quarantine_room(connection: &Connection) -> Result<QuarantineRoom, StoreError> {
    // Rows are never removed, so the highest number is how many there are.
    let count = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(values, |row| row.get::<_, i64>(0)))
            .during("count the quarantine")
    };
    let rows = count("SELECT coalesce(max(id), 0) FROM quarantine", &[])?;
    let kept = match rows < QUARANTINE_BYTES_ROWS_MAX {
        // Nearly always: then nobody has to look at each.
        true => rows,
        false => count(
            "SELECT count(*) FROM quarantine WHERE length(bytes) > ?1",
            &[&(QUARANTINE_SMALL_BYTES_MAX as i64)],
        )?,
    };
    let left = |max: i64, taken: i64| u64::try_from(max - taken).unwrap_or(0);
    Ok(QuarantineRoom {
        rows: left(QUARANTINE_ROWS_MAX - ROWS_SPARE, rows),
        large: left(QUARANTINE_BYTES_ROWS_MAX, kept),
    })
}

pub(crate) fn insert_quarantined(
    transaction: &Transaction<'_>,
    quarantined: &Quarantined,
) -> Result<(), StoreError> {
    let is_small = quarantined.bytes.len() <= QUARANTINE_SMALL_BYTES_MAX;
    let has_room = is_small || quarantine_room(transaction)?.large > 0;
    let bytes = has_room.then_some(&quarantined.bytes);
    // There may have been no room for the bytes when they were seen first. What was let out lies
    // where it belongs.
    let seen_before = transaction
        .prepare_cached(
            "UPDATE quarantine SET seen_count = seen_count + 1,
             bytes = CASE WHEN released_at_ns IS NULL THEN coalesce(bytes, ?2) ELSE bytes END
             WHERE digest = ?1",
        )
        .and_then(|mut statement| statement.execute(params![quarantined.digest, bytes]))
        .during("count in quarantine")?;
    if seen_before > 0 {
        return Ok(());
    }
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO quarantine (digest, source, reason, bytes, first_at_ns, seen_count)
             SELECT ?1, ?2, ?3, ?4, ?5, 1
             WHERE (SELECT coalesce(max(id), 0) FROM quarantine) < ?6",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                quarantined.digest,
                quarantined.source,
                quarantined.reason,
                bytes,
                quarantined.at.unix_ns(),
                QUARANTINE_ROWS_MAX,
            ])
        })
        .during("write into quarantine")?;
    match inserted {
        0 => add_tally(transaction, "quarantine_full", 1),
        _ => Ok(()),
    }
}
