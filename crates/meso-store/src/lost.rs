//! Blocks of which shots are gone from the InfluxDB that keeps them: it was put back to an older copy,
//! lets old points expire, or somebody deleted from it or wrote over it.
//!
//! The registry's file has the hashes of these shots, not the shots. So their counters are taken out of
//! what the receiver holds: rooms are asked for them as for whatever else is missing, and a shot that
//! comes again with the same hash, in whatever block, is written to where it was, point for point.

use std::collections::BTreeMap;
use std::fmt;

use meso_domain::{Record, RecordHash, ShotIdentity};
use meso_units::{Epoch, GunSerial, ShotCounter};

use crate::copy::{BLOCKS_PER_GO, Progress};
use crate::extent::Runs;
use crate::read::Reader;
use crate::shelf::{BlockSpan, ShelvedShot};
use crate::{Readers, StoreError};

/// A block that lacks shots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostBlock {
    row: i64,
    number: u64,
    gun: GunSerial,
    epoch: Epoch,
    shot_count: usize,
    missing: Runs,
}

impl LostBlock {
    /// The most that one search gives, at up to 600 bytes each; a further one gives further ones, once
    /// these are noted.
    pub const COUNT_MAX: usize = 100_000;

    /// `missing` says position and counter of each shot, in the order of the positions.
    pub(crate) fn of(
        span: &BlockSpan,
        missing: impl IntoIterator<Item = (usize, u32)>,
    ) -> LostBlock {
        LostBlock {
            row: span.row,
            number: span.number,
            gun: span.gun.clone(),
            epoch: Epoch(span.epoch),
            shot_count: span.shot_count(),
            missing: Runs::of(missing),
        }
    }

    pub(crate) const fn row(&self) -> i64 {
        self.row
    }

    pub(crate) const fn runs(&self) -> &Runs {
        &self.missing
    }

    /// How many shots it lacks.
    pub fn missing_count(&self) -> usize {
        self.missing.shots().count()
    }

    /// The shots that it lacks.
    pub fn missing(&self) -> impl Iterator<Item = ShotIdentity> + '_ {
        self.missing.shots().map(|(_, counter)| ShotIdentity {
            gun: self.gun.clone(),
            epoch: self.epoch,
            counter: ShotCounter(counter),
        })
    }
}

impl fmt::Display for LostBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "block {} of gun {} lacks {} of its {} shots",
            self.number,
            self.gun,
            self.missing_count(),
            self.shot_count
        )
    }
}

/// Looks through a store for blocks that lack shots, or have one that is not what its hash says, and
/// of which that is not noted yet; gives [`LostBlock::COUNT_MAX`] at most. What else is damaged is not
/// for this, and is left out: [`crate::inspect`] names it.
///
/// # Errors
///
/// [`StoreError`] when the store cannot be read at all.
pub fn find_lost(
    readers: &Readers,
    mut tell: impl FnMut(Progress),
) -> Result<Vec<LostBlock>, StoreError> {
    let total = readers.with(|reader| reader.totals())?.block_count;
    let last = i64::try_from(total).unwrap_or(i64::MAX);
    let (mut first, mut lost) = (1, Vec::new());
    while first <= last && lost.len() < LostBlock::COUNT_MAX {
        let end = first
            .saturating_add(BLOCKS_PER_GO)
            .min(last.saturating_add(1));
        lost.extend(readers.with(|reader| lost_between(reader, first, end))?);
        first = end;
        tell(Progress {
            step: "searching",
            done: u64::try_from(first - 1).unwrap_or(0),
            total,
        });
    }
    lost.truncate(LostBlock::COUNT_MAX);
    Ok(lost)
}

fn lost_between(reader: &Reader<'_>, first: i64, end: i64) -> Result<Vec<LostBlock>, StoreError> {
    let mut spans = reader.spans_between(first, end)?;
    spans.retain(|span| !span.is_lost);
    let hashes = reader.record_hashes_between(first, end)?;
    match reader.take(&spans) {
        Ok(taken) => Ok(altered(&spans, taken, &hashes)),
        Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => {
            let mut lost = Vec::new();
            for span in spans {
                let span = [span];
                match reader.take(&span) {
                    Ok(taken) => lost.extend(altered(&span, taken, &hashes)),
                    Err(StoreError::Missing { lost: found }) => lost.extend(found),
                    Err(StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(lost)
        }
        Err(error) => Err(error),
    }
}

/// Blocks with shots that are not what their hashes say.
fn altered(
    spans: &[BlockSpan],
    taken: Vec<Vec<ShelvedShot>>,
    hashes: &BTreeMap<i64, Vec<RecordHash>>,
) -> Vec<LostBlock> {
    let blocks = spans.iter().zip(taken).filter_map(|(span, shots)| {
        let hashes = hashes.get(&span.row)?;
        let wrong = shots.into_iter().filter_map(|shelved| {
            let place = (shelved.position, shelved.shot.identity.counter.get());
            let hash = Record::Shot(shelved.shot).hash();
            (hashes.get(shelved.position) != Some(&hash)).then_some(place)
        });
        let wrong: Vec<(usize, u32)> = wrong.collect();
        (!wrong.is_empty()).then(|| LostBlock::of(span, wrong))
    });
    blocks.collect()
}
