//! Which counters of a gun are accounted for, kept as ranges.

use meso_delivery::{Range, RangeSet};
use meso_units::{Epoch, ShotCounter};
use rusqlite::{Connection, Row};

use crate::JournalError;
use crate::error::During;

/// Why a counter is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A shot was recorded, here or in a part that was pruned since.
    Shot = 1,
    /// A gap names it.
    Gap = 2,
}

/// Adds a range to what is held, joining it with its neighbours.
pub(crate) fn add(
    connection: &Connection,
    stream: i64,
    epoch: Epoch,
    kind: Kind,
    range: Range,
) -> Result<(), JournalError> {
    let epoch = epoch.get().cast_signed();
    let (first, last) = (range.first.cast_signed(), range.last.cast_signed());
    let key = (stream, epoch, kind as i64);
    let (lowest, highest): (Option<i64>, Option<i64>) = connection
        .prepare_cached(
            "SELECT min(first), max(last) FROM held WHERE stream = ?1 AND epoch = ?2
             AND kind = ?3 AND first <= ?4 + 1 AND last >= ?5 - 1",
        )
        .and_then(|mut statement| {
            statement.query_row((key.0, key.1, key.2, last, first), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .during("read what is held")?;
    let joined = (
        lowest.map_or(first, |lowest| lowest.min(first)),
        highest.map_or(last, |highest| highest.max(last)),
    );
    connection
        .prepare_cached(
            "DELETE FROM held WHERE stream = ?1 AND epoch = ?2 AND kind = ?3
             AND first >= ?4 AND last <= ?5",
        )
        .and_then(|mut s| s.execute((key.0, key.1, key.2, joined.0, joined.1)))
        .during("join what is held")?;
    connection
        .prepare_cached(
            "INSERT INTO held (stream, epoch, kind, first, last) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut s| s.execute((key.0, key.1, key.2, joined.0, joined.1)))
        .during("write what is held")?;
    Ok(())
}

/// What is held of one kind; `None` for both kinds together.
pub(crate) fn ranges(
    connection: &Connection,
    stream: i64,
    epoch: Epoch,
    kind: Option<Kind>,
) -> Result<RangeSet, JournalError> {
    connection
        .prepare_cached(
            "SELECT first, last FROM held WHERE stream = ?1 AND epoch = ?2
             AND (?3 IS NULL OR kind = ?3)",
        )
        .and_then(|mut statement| {
            let key = (stream, epoch.get().cast_signed(), kind.map(|k| k as i64));
            statement
                .query_map(key, |row| {
                    Ok(Range {
                        first: row.get::<_, i64>(0)?.cast_unsigned(),
                        last: row.get::<_, i64>(1)?.cast_unsigned(),
                    })
                })?
                .collect()
        })
        .during("read what is held")
}

/// The epochs of which something is held.
pub(crate) fn epochs(connection: &Connection, stream: i64) -> Result<Vec<Epoch>, JournalError> {
    connection
        .prepare_cached("SELECT DISTINCT epoch FROM held WHERE stream = ?1")
        .and_then(|mut statement| {
            let epoch = |row: &Row<'_>| row.get(0).map(|raw: i64| Epoch(raw.cast_unsigned()));
            statement.query_map([stream], epoch)?.collect()
        })
        .during("list the epochs of a gun")
}

/// Everything up to this counter is accounted for; 0 for none.
pub(crate) fn contiguous(
    connection: &Connection,
    stream: i64,
    epoch: Epoch,
) -> Result<ShotCounter, JournalError> {
    let held = ranges(connection, stream, epoch, None)?;
    let to = held.run_from(1).unwrap_or(0);
    Ok(ShotCounter(u32::try_from(to).unwrap_or(u32::MAX)))
}
