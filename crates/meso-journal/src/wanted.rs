//! What a journal has of shots that somebody lacks.

use meso_delivery::{Range, RangeSet};
use meso_domain::Stream;
use meso_units::Epoch;
use rusqlite::Connection;

use crate::JournalError;
use crate::error::During;
use crate::held::{self, Kind};
use crate::schema::known_stream_id;

/// The most blocks that are named in one answer; the rest is asked for again.
const BLOCKS_MAX: usize = 1_024;

/// The most shots that are looked up for one answer, so that no gun waits for it long: about 10 ms.
/// What is beyond them is asked for again.
const ROWS_MAX: usize = 4_096;

/// What the journal has of one gun and epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Shots that are here, or were and are forgotten.
    pub shots: RangeSet,
    /// Counters that gaps name.
    pub gaps: RangeSet,
    /// Of what is wanted: shots that were here and are forgotten, as far as it was looked for them.
    pub forgotten: RangeSet,
    /// Sealed blocks with shots that are wanted, at most 1,024, lowest first.
    pub blocks: Vec<u64>,
}

/// Looks for wanted counters.
pub(crate) fn find(
    connection: &Connection,
    stream: &Stream,
    epoch: Epoch,
    wanted: &[Range],
) -> Result<Found, JournalError> {
    let Some(id) = known_stream_id(connection, stream)? else {
        return Ok(Found::default());
    };
    let shots = held::ranges(connection, id, epoch, Some(Kind::Shot))?;
    let gaps = held::ranges(connection, id, epoch, Some(Kind::Gap))?;
    let mut here = RangeSet::default();
    let mut sequences = RangeSet::default();
    let mut looked = RangeSet::default();
    let mut left = ROWS_MAX;
    for range in wanted {
        let rows = rows_between(connection, id, epoch, *range, left)?;
        left -= rows.len();
        let last = match (left, rows.last()) {
            (0, last) => last.map_or(0, |(counter, _)| *counter),
            _ => range.last,
        };
        looked.insert_range(Range { last, ..*range });
        for (counter, sequence) in rows {
            here.insert(counter);
            sequences.insert(sequence);
        }
        if left == 0 {
            break;
        }
    }
    let wanted_shots = looked.without(&looked.without(&shots));
    Ok(Found {
        forgotten: wanted_shots.without(&here),
        blocks: blocks_with(connection, id, &sequences)?,
        shots,
        gaps,
    })
}

/// Counter and place of the first shots in a range.
fn rows_between(
    connection: &Connection,
    id: i64,
    epoch: Epoch,
    range: Range,
    count_max: usize,
) -> Result<Vec<(u64, u64)>, JournalError> {
    connection
        .prepare_cached(
            "SELECT counter, sequence FROM records WHERE stream = ?1 AND epoch = ?2
             AND counter BETWEEN ?3 AND ?4 ORDER BY counter LIMIT ?5",
        )
        .and_then(|mut statement| {
            let key = (
                id,
                epoch.get().cast_signed(),
                range.first.cast_signed(),
                range.last.cast_signed(),
                i64::try_from(count_max).unwrap_or(i64::MAX),
            );
            statement
                .query_map(key, |row| {
                    let (counter, sequence): (i64, i64) = (row.get(0)?, row.get(1)?);
                    Ok((counter.cast_unsigned(), sequence.cast_unsigned()))
                })?
                .collect()
        })
        .during("look for wanted shots")
}

/// The sealed blocks that hold some of these places of a stream.
fn blocks_with(
    connection: &Connection,
    id: i64,
    sequences: &RangeSet,
) -> Result<Vec<u64>, JournalError> {
    let first = sequences.ranges().next().map(|range| range.first);
    let (Some(first), Some(last)) = (first, sequences.highest()) else {
        return Ok(Vec::new());
    };
    let blocks: Vec<(i64, i64, i64)> = connection
        .prepare_cached(
            "SELECT number, first_sequence, last_sequence FROM blocks
             WHERE stream = ?1 AND last_sequence >= ?2 AND first_sequence <= ?3 ORDER BY number",
        )
        .and_then(|mut statement| {
            let key = (id, first.cast_signed(), last.cast_signed());
            statement.query_map(key, |row| row.try_into())?.collect()
        })
        .during("look for wanted blocks")?;
    let has_some = |first: i64, last: i64| {
        let (first, last) = (first.cast_unsigned(), last.cast_unsigned());
        let missing = sequences.missing_between(first, last);
        missing != [Range { first, last }]
    };
    let with = blocks
        .into_iter()
        .filter(|(_, first, last)| has_some(*first, *last));
    let numbers = with.map(|(number, _, _)| number.cast_unsigned());
    Ok(numbers.take(BLOCKS_MAX).collect())
}
