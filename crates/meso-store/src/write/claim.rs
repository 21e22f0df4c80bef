//! What a block's shots take up, given to nobody else.

use meso_domain::BlockHeader;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Names, Stored};
use crate::StoreError;
use crate::error::During as _;
use crate::extent::{Extent, Runs, free_slot};
use crate::shot_row::bits;

/// The ids and slots of a block's shots.
pub(super) struct Claim {
    pub(super) first_shot: i64,
    pub(super) last_shot: i64,
    pub(super) epoch: u64,
    pub(super) extent: Extent,
    pub(super) slot: u32,
}

/// Finds room for the shots of a block; `None` where it has none to store.
///
/// The receiver has told apart what is new. That no shot is stored twice is looked at here once
/// more, because nobody after us could tell (INV-3).
pub(super) fn claim(
    transaction: &Transaction<'_>,
    names: &mut Names,
    header: &BlockHeader,
    gun: i64,
    stored: &[Stored<'_>],
) -> Result<Option<Claim>, StoreError> {
    let shots = stored.iter().map(|stored| (stored.position, stored.shot));
    let (Some(extent), Some(first)) = (Extent::of(shots), stored.first()) else {
        return Ok(None);
    };
    let epoch = first.shot.identity.epoch.get();
    refuse_twice(transaction, names, header, gun, epoch, &extent)?;
    let slot = free_slot(
        &slots_nearby(transaction, names, gun, &extent)?,
        extent.slot_count,
    );
    widen(transaction, names, gun, &extent)?;
    let first_shot = match names.next_shot {
        Some(next) => next,
        None => next_shot(transaction)?,
    };
    let next = first_shot + i64::try_from(stored.len()).unwrap_or(0);
    names.next_shot = Some(next);
    Ok(Some(Claim {
        first_shot,
        last_shot: next - 1,
        epoch,
        extent,
        slot,
    }))
}

fn next_shot(transaction: &Transaction<'_>) -> Result<i64, StoreError> {
    // Blocks and shots are numbered in the same order, so the last block has the last shot.
    let sql = "SELECT last_shot + 1 FROM blocks WHERE first_shot IS NOT NULL
        ORDER BY id DESC LIMIT 1";
    let next = transaction
        .query_row(sql, [], |row| row.get(0))
        .optional()
        .during("number the shots")?;
    Ok(next.unwrap_or(1))
}

fn refuse_twice(
    transaction: &Transaction<'_>,
    names: &Names,
    header: &BlockHeader,
    gun: i64,
    epoch: u64,
    extent: &Extent,
) -> Result<(), StoreError> {
    let what = "look for a shot that is stored twice";
    let span = names.spans.get(&gun).map_or(0, |spans| spans.counter_max);
    let reach = i64::from(extent.last_counter).saturating_add(span);
    let mut statement = transaction
        .prepare_cached(
            "SELECT runs FROM blocks WHERE gun = ?1 AND epoch = ?2
             AND last_counter BETWEEN ?3 AND ?4 AND first_counter <= ?5
             AND first_shot IS NOT NULL",
        )
        .during(what)?;
    let values = params![
        gun,
        bits(epoch),
        extent.first_counter,
        reach,
        extent.last_counter
    ];
    let mut rows = statement.query(values).during(what)?;
    while let Some(row) = rows.next().during(what)? {
        let runs = Runs::unpack(&row.get::<_, Vec<u8>>(0).during(what)?)?;
        if let Some(counter) = extent.runs.common(&runs) {
            return Err(StoreError::StoredTwice {
                place: header.place.to_string(),
                counter,
            });
        }
    }
    Ok(())
}

/// The slots of blocks that have a shot in the time of this one.
fn slots_nearby(
    transaction: &Transaction<'_>,
    names: &Names,
    gun: i64,
    extent: &Extent,
) -> Result<Vec<(u32, u32)>, StoreError> {
    let what = "look for shots of the same moment";
    let span = names.spans.get(&gun).map_or(0, |spans| spans.ns_max);
    let reach = extent.to_ns.saturating_add(span);
    let mut statement = transaction
        .prepare_cached(
            "SELECT slot, slot_count FROM blocks WHERE gun = ?1
             AND shots_to_ns BETWEEN ?2 AND ?3 AND shots_from_ns <= ?4
             AND first_shot IS NOT NULL",
        )
        .during(what)?;
    let values = params![gun, extent.from_ns, reach, extent.to_ns];
    let rows = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).during(what)
}

/// Notes that a gun has a wider block than before.
fn widen(
    transaction: &Transaction<'_>,
    names: &mut Names,
    gun: i64,
    extent: &Extent,
) -> Result<(), StoreError> {
    let spans = names.spans.entry(gun).or_default();
    if extent.span_ns() <= spans.ns_max && extent.span_counter() <= spans.counter_max {
        return Ok(());
    }
    spans.ns_max = spans.ns_max.max(extent.span_ns());
    spans.counter_max = spans.counter_max.max(extent.span_counter());
    transaction
        .prepare_cached("UPDATE guns SET span_ns_max = ?2, span_counter_max = ?3 WHERE id = ?1")
        .and_then(|mut statement| statement.execute(params![gun, spans.ns_max, spans.counter_max]))
        .during("note the width of a block")?;
    Ok(())
}
