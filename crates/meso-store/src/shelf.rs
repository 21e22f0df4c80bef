//! Where stored shots come to rest.

use std::collections::BTreeSet;
use std::fmt;

use meso_domain::canonical::Canonical as _;
use meso_domain::{Severity, Shot};
use meso_units::{ClinicId, GunSerial};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::error::During as _;
use crate::extent::{Runs, Stretches};
use crate::shot_row::{self, COLUMN_COUNT, COLUMNS, from_bits};
use crate::{LostBlock, StoreError};

/// A shot of a block as a shelf gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShelvedShot {
    /// Counts arrivals.
    pub(crate) arrival: i64,
    /// Its place in the block.
    pub(crate) position: usize,
    pub(crate) shot: Shot,
}

/// A block with shots, and where they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockSpan {
    pub(crate) row: i64,
    pub(crate) clinic: ClinicId,
    pub(crate) gun: GunSerial,
    pub(crate) incarnation: u64,
    pub(crate) number: u64,
    pub(crate) epoch: u64,
    pub(crate) first_shot: i64,
    pub(crate) runs: Runs,
    pub(crate) from_ns: i64,
    pub(crate) to_ns: i64,
    pub(crate) stretches: Stretches,
    pub(crate) slot: u32,
    /// How far the clinic's clock was ahead of UTC.
    pub(crate) utc_offset_s: i64,
    /// Whether it is known that some of its shots are gone.
    pub(crate) is_lost: bool,
}

impl BlockSpan {
    /// What [`BlockSpan::read`] wants, from `blocks b JOIN streams t ON t.id = b.stream JOIN guns g
    /// ON g.id = b.gun`.
    pub(crate) const COLUMNS: &'static str = "b.id, t.clinic, g.serial, t.incarnation, b.number,
        b.epoch, b.first_shot, b.runs, b.shots_from_ns, b.shots_to_ns, b.slot,
        b.utc_offset_s, b.stretches,
        EXISTS (SELECT 1 FROM lost l WHERE l.block = b.id AND NOT l.is_back)";

    /// The tables of [`BlockSpan::COLUMNS`]; a block without a shot is left out.
    pub(crate) const TABLES: &'static str = "blocks b JOIN streams t ON t.id = b.stream
        JOIN guns g ON g.id = b.gun AND b.first_shot IS NOT NULL";

    pub(crate) fn read(row: &Row<'_>) -> Result<BlockSpan, StoreError> {
        let what = "read where shots lie";
        let runs: Vec<u8> = row.get(7).during(what)?;
        let (from_ns, to_ns) = (row.get(8).during(what)?, row.get(9).during(what)?);
        let stretches: Option<Vec<u8>> = row.get(12).during(what)?;
        let stretches = stretches.as_deref().map(Stretches::unpack).transpose()?;
        Ok(BlockSpan {
            row: row.get(0).during(what)?,
            clinic: ClinicId::parse(&row.get::<_, String>(1).during(what)?)?,
            gun: GunSerial::parse(&row.get::<_, String>(2).during(what)?)?,
            incarnation: from_bits(row.get(3).during(what)?),
            number: from_bits(row.get(4).during(what)?),
            epoch: from_bits(row.get(5).during(what)?),
            first_shot: row.get(6).during(what)?,
            runs: Runs::unpack(&runs)?,
            from_ns,
            to_ns,
            stretches: stretches.unwrap_or_else(|| Stretches::between(from_ns, to_ns)),
            slot: row.get(10).during(what)?,
            utc_offset_s: row.get(11).during(what)?,
            is_lost: row.get(13).during(what)?,
        })
    }

    pub(crate) fn shot_count(&self) -> usize {
        self.runs.shots().count()
    }

    /// The arrival number of the last shot.
    pub(crate) fn arrival_last(&self) -> i64 {
        self.first_shot + i64::try_from(self.shot_count()).unwrap_or(0) - 1
    }
}

/// A block whose shots were noted just now as such that have yet to go where the store keeps them.
#[derive(Debug)]
pub(crate) struct FreshBlock<'c> {
    pub(crate) row: i64,
    pub(crate) shots: Vec<FreshShot<'c>>,
}

/// One of its shots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FreshShot<'c> {
    /// Its place in the block.
    pub(crate) position: usize,
    pub(crate) shot: &'c Shot,
    /// The severest finding on it.
    pub(crate) worst: Option<Severity>,
}

/// Keeps the shots of stored blocks.
///
/// The registry's file takes every shot first, in the transaction of its block, so that it is
/// durable from then on. A shelf then takes what is pending there: when [`Shelf::settle`] returns
/// `Ok`, it survives a power cut on the shelf, too, and taking it again after one leaves it as it
/// was.
pub(crate) trait Shelf: fmt::Debug + Send + Sync {
    /// Whether shots leave the registry's file.
    fn is_elsewhere(&self) -> bool;

    /// Begins to take what is pending, and waits for what earlier calls began where that is too much.
    /// On an error all that is not taken stays pending.
    ///
    /// What is in memory of it, by ascending rows, need not be read back.
    fn advance(&self, registry: &Connection, fresh: &[FreshBlock<'_>]) -> Result<(), StoreError>;

    /// Takes some of what is pending, without a long wait for a shelf that does not answer; says
    /// whether anything is on its way there, then. On an error the rest stays pending.
    fn settle_some(&self, _registry: &Connection) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Takes what is pending; on an error the rest stays pending.
    fn settle(&self, registry: &Connection) -> Result<(), StoreError>;

    /// How many writes to the shelf are begun and not answered, those included for which nobody
    /// waits any more.
    fn under_way_count(&self) -> usize;

    /// Takes note that blocks lack shots, by their rows, for [`Shelf::lacking_count`].
    fn note_lacking(&self, _rows: &mut dyn Iterator<Item = i64>) {}

    /// How many blocks were found to lack shots since the start, each counted once.
    fn lacking_count(&self) -> u64 {
        0
    }

    /// The shots of blocks that the registry's file does not have, in any order.
    fn fetch(&self, spans: &[&BlockSpan]) -> Result<Vec<(i64, ShelvedShot)>, StoreError>;
}

/// The registry's file itself: nothing is ever pending.
#[derive(Debug)]
pub(crate) struct Embedded;

impl Shelf for Embedded {
    fn is_elsewhere(&self) -> bool {
        false
    }

    fn advance(&self, _: &Connection, _: &[FreshBlock<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    fn settle(&self, _: &Connection) -> Result<(), StoreError> {
        Ok(())
    }

    fn under_way_count(&self) -> usize {
        0
    }

    fn fetch(&self, _: &[&BlockSpan]) -> Result<Vec<(i64, ShelvedShot)>, StoreError> {
        Ok(Vec::new())
    }
}

/// The stored shots of blocks, each block's in the order of their positions, whether they lie in
/// the registry's file or elsewhere.
pub(crate) fn take(
    registry: &Connection,
    shelf: &dyn Shelf,
    spans: &[BlockSpan],
) -> Result<Vec<Vec<ShelvedShot>>, StoreError> {
    let mut taken = Vec::with_capacity(spans.len());
    let mut absent = Vec::new();
    for (index, span) in spans.iter().enumerate() {
        let here = in_registry(registry, span)?;
        if here.len() < span.shot_count() {
            absent.push(index);
        }
        taken.push(here);
    }
    if !absent.is_empty() && shelf.is_elsewhere() {
        let wanted: Vec<&BlockSpan> = absent.iter().map(|index| &spans[*index]).collect();
        let by_row: std::collections::BTreeMap<i64, usize> = absent
            .iter()
            .map(|index| (spans[*index].row, *index))
            .collect();
        for (row, shot) in shelf.fetch(&wanted)? {
            let Some(block) = by_row.get(&row).and_then(|index| taken.get_mut(*index)) else {
                continue;
            };
            // A shot that the shelf refused and took later after all may lie in both places.
            if !block.iter().any(|other| other.position == shot.position) {
                block.push(shot);
            }
        }
    }
    let mut lost = Vec::new();
    for (block, span) in taken.iter_mut().zip(spans) {
        block.sort_unstable_by_key(|shot| shot.position);
        let found = |shot: &ShelvedShot| (shot.position, shot.shot.identity.counter.get());
        if block.iter().map(found).eq(span.runs.shots()) {
            continue;
        }
        let here: BTreeSet<(usize, u32)> = block.iter().map(found).collect();
        let is_here = |shot: &(usize, u32)| here.contains(shot);
        let missing: Vec<(usize, u32)> = span.runs.shots().filter(|it| !is_here(it)).collect();
        let is_lacking = shelf.is_elsewhere() && !missing.is_empty();
        if is_lacking && here.len() == block.len() {
            if !span.is_lost {
                lost.push(LostBlock::of(span, missing));
            }
            continue;
        }
        let detail = format!(
            "block {} of gun {} has {} of its {} shots",
            span.number,
            span.gun,
            block.len(),
            span.shot_count()
        );
        return Err(StoreError::damaged("a block", detail));
    }
    if lost.is_empty() {
        return Ok(taken);
    }
    shelf.note_lacking(&mut lost.iter().map(LostBlock::row));
    Err(StoreError::Missing { lost })
}

/// The shots of a block that lie in the registry's file, whether to stay or to go.
pub(crate) fn in_registry(
    registry: &Connection,
    span: &BlockSpan,
) -> Result<Vec<ShelvedShot>, StoreError> {
    let mut shots = kept(registry, span)?;
    if shots.len() < span.shot_count() {
        shots.extend(staged(registry, span)?);
    }
    Ok(shots)
}

/// The shots of a block that lie in the registry's file to stay.
pub(crate) fn kept(
    registry: &Connection,
    span: &BlockSpan,
) -> Result<Vec<ShelvedShot>, StoreError> {
    let what = "read shots of a block";
    let sql = format!(
        "SELECT {COLUMNS}, s.id, s.position FROM shots s JOIN guns g ON g.id = s.gun
         WHERE s.id BETWEEN ?1 AND ?2"
    );
    let mut statement = registry.prepare_cached(&sql).during(what)?;
    let mut rows = statement
        .query([span.first_shot, span.arrival_last()])
        .during(what)?;
    let mut shots = Vec::new();
    while let Some(row) = rows.next().during(what)? {
        let position: u16 = row.get(COLUMN_COUNT + 1).during(what)?;
        shots.push(ShelvedShot {
            arrival: row.get(COLUMN_COUNT).during(what)?,
            position: position.into(),
            shot: shot_row::read(row)?,
        });
    }
    Ok(shots)
}

/// The shots of a block that have yet to go where the store keeps them.
pub(crate) fn staged(
    registry: &Connection,
    span: &BlockSpan,
) -> Result<Vec<ShelvedShot>, StoreError> {
    let what = "read what is to be sent";
    let bytes: Option<Vec<u8>> = registry
        .prepare_cached("SELECT shots FROM pending WHERE block = ?1")
        .and_then(|mut statement| statement.query_row([span.row], |row| row.get(0)).optional())
        .during(what)?;
    let damaged = || StoreError::damaged("a block", "a shot that is to be sent ends in the middle");
    let mut shots = Vec::new();
    let mut rest = bytes.as_deref().unwrap_or_default();
    while !rest.is_empty() {
        let (&[p0, p1, l0, l1], later) = rest.split_first_chunk().ok_or_else(damaged)?;
        let position = usize::from(u16::from_le_bytes([p0, p1]));
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        let (shot, later) = later.split_at_checked(length).ok_or_else(damaged)?;
        let index = span.runs.shots().position(|(other, _)| other == position);
        let index = index
            .and_then(|index| i64::try_from(index).ok())
            .ok_or_else(damaged)?;
        shots.push(ShelvedShot {
            arrival: span.first_shot + index,
            position,
            shot: Shot::from_canonical(shot)?,
        });
        rest = later;
    }
    Ok(shots)
}

/// The row of the gun of a block.
pub(crate) fn gun_of(registry: &Connection, block: i64) -> Result<i64, StoreError> {
    registry
        .prepare_cached("SELECT gun FROM blocks WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([block], |row| row.get(0)))
        .during("find a gun")
}

/// Notes shots of a block as such that have yet to go where the store keeps them.
pub(crate) fn stage<'s>(
    transaction: &Connection,
    block: i64,
    shots: impl Iterator<Item = (usize, &'s Shot)>,
) -> Result<(), StoreError> {
    let mut bytes = Vec::with_capacity(8 * 1024);
    for (position, shot) in shots {
        let shot = shot.canonical_bytes();
        // A block has at most 64 records, and a shot well under a thousand bytes.
        let narrow = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes();
        bytes.extend_from_slice(&narrow(position));
        bytes.extend_from_slice(&narrow(shot.len()));
        bytes.extend_from_slice(&shot);
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO pending VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![block, bytes]))
        .during("note what is to be sent")?;
    Ok(())
}

/// Notes shots of a block that lie in the registry's file to stay as such that are to go after all.
pub(crate) fn stage_kept(transaction: &Connection, span: &BlockSpan) -> Result<(), StoreError> {
    let shots = kept(transaction, span)?;
    let placed = shots
        .iter()
        .map(|shelved| (shelved.position, &shelved.shot));
    stage(transaction, span.row, placed)?;
    transaction
        .prepare_cached("DELETE FROM shots WHERE id BETWEEN ?1 AND ?2")
        .and_then(|mut statement| statement.execute([span.first_shot, span.arrival_last()]))
        .during("note what is to be sent")?;
    Ok(())
}
