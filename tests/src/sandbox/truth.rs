//! The guns' own logs against what the server holds: shot by shot, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use meso_domain::{Gap, PatientMerged, Record, Shot};
use meso_store::{BlockSelection, LoadedRecord, Store};
use meso_testkit::gun::log::{FiredShot, ShotKeyText, key_of};

/// Blocks that are read back; a run of an hour has not so many.
const BLOCKS_MAX: u32 = 1_000_000;
/// Differences that are spelt out; more of them would only hide the first.
const DIFFERENCES_SHOWN_MAX: usize = 10;

/// What the server holds.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Every stored shot, in the order of arrival.
    pub shots: Vec<Shot>,
    /// Shots that came in a second block, of which the first copy is kept.
    pub other_copy_count: u64,
    /// Every gap that a driver has named.
    pub gaps: Vec<Gap>,
    /// Every two ids that a driver has said to be one patient's.
    pub merged: Vec<PatientMerged>,
    /// What was refused by the ingest.
    pub quarantined_count: u64,
    /// Blocks.
    pub block_count: u64,
}

impl Stored {
    /// Reads the store of a server that has ended.
    ///
    /// # Errors
    ///
    /// It cannot be opened or read.
    pub fn read(data: &Path) -> anyhow::Result<Stored> {
        let path = data.join("fleet.sqlite");
        let store = Store::open(&path, 1).with_context(|| path.display().to_string())?;
        let mut stored = Stored::default();
        store.readers.with(|reader| {
            stored.quarantined_count = reader.totals()?.quarantined_count;
            for block in reader.select_blocks(&BlockSelection::default(), BLOCKS_MAX)? {
                stored.block_count += 1;
                for (_, record) in reader.load_block(block)?.records {
                    match record {
                        LoadedRecord::OtherCopy(_) => stored.other_copy_count += 1,
                        LoadedRecord::Lost(_) => {}
                        LoadedRecord::Stored(record) => stored.take(*record),
                    }
                }
            }
            Ok::<(), meso_store::StoreError>(())
        })?;
        Ok(stored)
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Shot(shot) => self.shots.push(shot),
            Record::Gap(gap) => self.gaps.push(gap),
            Record::Patient(merged) => self.merged.push(merged),
            Record::Session(_)
            | Record::Amendment(_)
            | Record::Custody(_)
            | Record::Interlock(_) => {}
        }
    }
}

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Shots in the guns' logs.
    pub fired: u64,
    /// Of these, stored with every field the same.
    pub stored: u64,
    /// Of these, not stored.
    pub missing: Vec<ShotKeyText>,
    /// Shots stored more than once, or stored and never fired.
    pub too_many: u64,
    /// Shots that came in a second block, of which the first copy is kept: those that two drivers
    /// have read from one gun, and no others.
    pub other_copies: u64,
    /// The first differences, in words.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether every fired shot is stored once and as it was fired, and nothing else is.
    pub fn is_whole(&self) -> bool {
        self.holds_every_shot() && self.other_copies == 0
    }

    /// As [`Comparison::is_whole`], where two drivers may have read the same shots.
    pub fn holds_every_shot(&self) -> bool {
        self.fired == self.stored && self.too_many == 0 && self.differences.is_empty()
    }

    fn note(&mut self, difference: String) {
        if self.differences.len() < DIFFERENCES_SHOWN_MAX {
            self.differences.push(difference);
        }
    }
}

/// Compares what guns fired with what the server holds, and counts doubles before any key hides
/// them.
pub fn compare(fired: &[FiredShot], stored: &Stored) -> Comparison {
    let mut found = Comparison {
        fired: fired.len() as u64,
        other_copies: stored.other_copy_count,
        ..Comparison::default()
    };
    let mut held: BTreeMap<ShotKeyText, Vec<&Shot>> = BTreeMap::new();
    for shot in &stored.shots {
        held.entry(key_of(shot)).or_default().push(shot);
    }
    let mut known = BTreeSet::new();
    for shot in fired {
        let key = shot.key();
        let copies = held.get(&key).map_or(&[][..], Vec::as_slice);
        match copies {
            [] => found.missing.push(key.clone()),
            [one] => match shot.differing_field(one) {
                None => found.stored += 1,
                Some(field) => found.note(format!("{key:?} is stored with another {field}")),
            },
            several => {
                found.too_many += several.len() as u64 - 1;
                found.note(format!("{key:?} is stored {} times", several.len()));
            }
        }
        if !known.insert(key.clone()) {
            found.note(format!("{key:?} was fired twice"));
        }
    }
    for key in held.keys().filter(|key| !known.contains(key)) {
        found.too_many += 1;
        found.note(format!("{key:?} is stored and was not fired"));
    }
    found
}
