//! The guns' own logs against everything that arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meso_contract::BlockMessage;
use meso_delivery::{Counters, Receiver};
use meso_domain::canonical::Canonical as _;
use meso_domain::{BlockHash, CommitEntry, GapState, Record, RecordHash, Shot};
use meso_store::{BlockSelection, LoadedRecord, Reader, Readers, StoreError};
use meso_testkit::gun::log::{FiredShot, ShotKeyText, key_of};
use meso_units::{Epoch, GunSerial, ShotCounter, Uncertainty};

/// Blocks that are read back; no round has so many.
pub(super) const BLOCKS_MAX: u32 = 1_000_000;
/// Things in quarantine that are read back.
const QUARANTINED_MAX: u32 = 10_000;
/// What is spelt out of a round; more would only hide the first.
const NOTES_MAX: usize = 12;

/// 2020: no clock that was set shows less.
const NEVER_SET_BELOW_NS: i64 = 1_577_836_800_000_000_000;

/// What one round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// See [`super::Row`].
    pub fired: u64,
    /// See [`super::Row`].
    pub stored: u64,
    /// See [`super::Row`].
    pub lost: u64,
    /// See [`super::Row`].
    pub duplicated: u64,
    /// See [`super::Row`].
    pub declared: u64,
    /// See [`super::Row`].
    pub unexplained: u64,
    /// From the end of the fault until everything that had been fired by then was stored.
    pub recovery: Duration,
    /// The first findings in words.
    pub notes: Vec<String>,
}

impl Count {
    /// Takes note of something that is not as it has to be.
    pub fn unexplained(&mut self, note: String) {
        self.unexplained += 1;
        self.note(note);
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }

    /// Whether nothing was found.
    pub const fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.unexplained == 0
    }
}

/// What a fault may have done.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Shots of which it destroyed the sole copy.
    pub missing: BTreeSet<ShotKeyText>,
    /// Whether more than one journal may have read a shot from its gun: then all but one of them
    /// keep its hash only.
    pub several_readers: bool,
    /// How many things belong into quarantine.
    pub quarantined: u64,
    /// Whether a journal gave numbers of blocks a second time: then sound blocks belong into
    /// quarantine, too, as many as there are.
    pub second_blocks: bool,
}

/// The journal that a block came from.
type Journal = (String, u64);

/// Everything that a store holds, before any key hides anything.
#[derive(Debug, Default)]
struct Arrived {
    /// Every stored shot with the driver that gave it its time.
    shots: Vec<(String, Shot)>,
    /// Of each shot the journals whose blocks have it, with repetitions.
    readers: BTreeMap<ShotKeyText, Vec<Journal>>,
    blocks: BTreeMap<BlockHash, u64>,
    /// Why, how often, and whether it is a sound block.
    quarantined: Vec<(String, u64, bool)>,
}

/// Reads a store and compares it with what was fired.
///
/// # Errors
///
/// The store cannot be read.
pub(super) fn count(
    readers: &Readers,
    fired: &[FiredShot],
    allowed: &Allowed,
) -> Result<Count, StoreError> {
    let (arrived, receiver, logged) = readers
        .with(|reader| Ok::<_, StoreError>((read(reader)?, reader.receiver()?, logged(reader)?)))?;
    Ok(judge(fired, &arrived, &receiver, &logged, allowed))
}

fn judge(
    fired: &[FiredShot],
    arrived: &Arrived,
    receiver: &Receiver,
    logged: &BTreeMap<BlockHash, u64>,
    allowed: &Allowed,
) -> Count {
    let mut count = Count::default();
    compare_shots(&mut count, fired, arrived, receiver, allowed);
    count_readers(&mut count, arrived, allowed);
    check_gaps(&mut count, fired, receiver, allowed);
    check_times(&mut count, arrived);
    check_ledger(&mut count, arrived, logged);
    let belongs = |is_block: bool| allowed.second_blocks && is_block;
    let others = arrived.quarantined.iter();
    let others = others.filter(|(_, _, is_block)| !belongs(*is_block));
    let quarantined = others.count() as u64;
    if quarantined != allowed.quarantined {
        count.unexplained += quarantined.abs_diff(allowed.quarantined);
        let found = &arrived.quarantined;
        let wanted = allowed.quarantined;
        count.note(format!(
            "{quarantined} in quarantine, not {wanted}: {found:?}"
        ));
    }
    count
}

fn read(reader: &Reader<'_>) -> Result<Arrived, StoreError> {
    let mut arrived = Arrived::default();
    for block in reader.select_blocks(&BlockSelection::default(), BLOCKS_MAX)? {
        let loaded = reader.load_block(block)?;
        let header = &loaded.header;
        let journal = (
            header.place.driver.to_string(),
            header.place.incarnation.get(),
        );
        let hashes: Vec<RecordHash> = loaded.records.iter().map(|(hash, _)| *hash).collect();
        *arrived
            .blocks
            .entry(header.block_hash(&hashes))
            .or_default() += 1;
        let stream = header.place.stream.to_string();
        let epoch = header.epoch.map_or(0, Epoch::get);
        for (_, record) in loaded.records {
            let key = match record {
                // A stream of a gun is named after it.
                LoadedRecord::OtherCopy(counter) => (stream.clone(), epoch, counter.get()),
                // Whether it is named as missing, the receiver says.
                LoadedRecord::Lost(_) => continue,
                LoadedRecord::Stored(record) => match *record {
                    Record::Shot(shot) => {
                        let key = key_of(&shot);
                        arrived.shots.push((journal.0.clone(), shot));
                        key
                    }
                    Record::Gap(_)
                    | Record::Session(_)
                    | Record::Amendment(_)
                    | Record::Custody(_)
                    | Record::Interlock(_)
                    | Record::Patient(_) => continue,
                },
            };
            arrived
                .readers
                .entry(key)
                .or_default()
                .push(journal.clone());
        }
    }
    for (quarantined, seen_count) in reader.quarantined(QUARANTINED_MAX)? {
        let is_block = BlockMessage::decode(&quarantined.bytes).is_ok();
        let (reason, seen) = (quarantined.reason, seen_count);
        arrived.quarantined.push((reason, seen, is_block));
    }
    Ok(arrived)
}

/// How often each block is in the ledger.
fn logged(reader: &Reader<'_>) -> Result<BTreeMap<BlockHash, u64>, StoreError> {
    let mut logged = BTreeMap::new();
    for leaf in 0..reader.leaf_count()? {
        let bytes = reader.leaf(leaf)?.unwrap_or_default();
        for block in CommitEntry::from_canonical(&bytes)?.blocks {
            *logged.entry(block).or_default() += 1;
        }
    }
    Ok(logged)
}

fn compare_shots(
    count: &mut Count,
    fired: &[FiredShot],
    arrived: &Arrived,
    receiver: &Receiver,
    allowed: &Allowed,
) {
    let mut held: BTreeMap<ShotKeyText, Vec<&Shot>> = BTreeMap::new();
    for (_, shot) in &arrived.shots {
        held.entry(key_of(shot)).or_default().push(shot);
    }
    count.fired = fired.len() as u64;
    for shot in fired {
        let key = shot.key();
        match held.remove(&key).unwrap_or_default()[..] {
            [] => compare_missing(count, &key, receiver, allowed),
            [one] => match shot.differing_field(one) {
                None => count.stored += 1,
                Some(field) => count.unexplained(format!("{key:?} has another {field}")),
            },
            ref several => {
                count.stored += 1;
                count.duplicated += several.len() as u64 - 1;
                count.note(format!("{key:?} is stored {} times", several.len()));
            }
        }
    }
    for key in held.keys() {
        count.unexplained(format!("{key:?} is stored, and no gun fired it"));
    }
}

fn compare_missing(count: &mut Count, key: &ShotKeyText, receiver: &Receiver, allowed: &Allowed) {
    match (is_declared(receiver, key), allowed.missing.contains(key)) {
        (false, _) => {
            count.lost += 1;
            count.note(format!("{key:?} is lost, and nothing says so"));
        }
        (true, true) => count.declared += 1,
        (true, false) => {
            count.declared += 1;
            count.unexplained(format!("{key:?} is given up, and no fault destroyed it"));
        }
    }
}

/// One journal reads a shot once.
fn count_readers(count: &mut Count, arrived: &Arrived, allowed: &Allowed) {
    for (key, journals) in &arrived.readers {
        let distinct: BTreeSet<&Journal> = journals.iter().collect();
        let again = (journals.len() - distinct.len()) as u64;
        let others = match allowed.several_readers {
            true => 0,
            false => distinct.len() as u64 - 1,
        };
        if again + others > 0 {
            count.duplicated += again + others;
            count.note(format!("{key:?} came in the blocks of {journals:?}"));
        }
    }
}

/// Whether a gap says that a shot is gone.
pub(super) fn is_declared(receiver: &Receiver, (gun, epoch, counter): &ShotKeyText) -> bool {
    let Ok(gun) = GunSerial::parse(gun) else {
        return false;
    };
    let Some(counters) = receiver.counters(&gun, Epoch(*epoch)) else {
        return false;
    };
    let number = u64::from(*counter);
    let is_open_ended = counters
        .open_ended_from()
        .is_some_and(|from| from <= number);
    let mut holes = counters.holes().into_iter();
    let is_named = holes.any(|hole| {
        hole.state == GapState::Declared && (hole.range.first..=hole.range.last).contains(&number)
    });
    is_open_ended || is_named
}

/// Whether a shot is stored.
pub(super) fn is_held(receiver: &Receiver, (gun, epoch, counter): &ShotKeyText) -> bool {
    let gun = GunSerial::parse(gun).ok();
    let counters = gun.and_then(|gun| receiver.counters(&gun, Epoch(*epoch)));
    counters.is_some_and(|counters: &Counters| counters.holds(ShotCounter(*counter)))
}

/// No gap may name what was never fired, and none may be named where nothing was destroyed.
fn check_gaps(count: &mut Count, fired: &[FiredShot], receiver: &Receiver, allowed: &Allowed) {
    let mut last_of: BTreeMap<(String, u64), u64> = BTreeMap::new();
    for shot in fired {
        let last = last_of
            .entry((shot.serial.clone(), shot.epoch))
            .or_default();
        *last = (*last).max(shot.counter.into());
    }
    for (gun, epoch, counters) in receiver.all_counters() {
        let key = (gun.to_string(), epoch.get());
        let last = last_of.get(&key).copied().unwrap_or(0);
        for hole in counters.holes() {
            if hole.range.last > last {
                count.unexplained(format!("{key:?} fired {last}, and {hole:?} is missing"));
            }
        }
        if counters.filled_later_count() > 0 && allowed.missing.is_empty() {
            let filled = counters.filled_later_count();
            count.unexplained(format!("{key:?}: {filled} were given up and came"));
        }
        if let Some(from) = counters.open_ended_from()
            && allowed.missing.is_empty()
        {
            count.unexplained(format!("{key:?} is given up from {from} on"));
        }
    }
}

/// Within one stretch of one driver's clock later shots have later times, and a time of a clock
/// that was never set has no bound.
fn check_times(count: &mut Count, arrived: &Arrived) {
    let mut by_stretch: BTreeMap<_, Vec<(u32, i64)>> = BTreeMap::new();
    for (driver, shot) in &arrived.shots {
        let is_trusted = shot.uncertainty != Uncertainty::Unbounded;
        if is_trusted && shot.at.unix_ns() < NEVER_SET_BELOW_NS {
            let key = key_of(shot);
            count.unexplained(format!("{key:?} has a bounded time of a clock never set"));
        }
        let identity = &shot.identity;
        let stretch = (
            driver.clone(),
            identity.gun.to_string(),
            identity.epoch.get(),
            shot.clock_segment.0,
        );
        let moments = by_stretch.entry(stretch).or_default();
        moments.push((identity.counter.get(), shot.at.unix_ns()));
    }
    for (stretch, mut moments) in by_stretch {
        moments.sort_unstable();
        let mut pairs = moments.windows(2);
        if let Some(pair) = pairs.find(|pair| pair[0].1 >= pair[1].1) {
            count.unexplained(format!("time goes back in {stretch:?}: {pair:?}"));
        }
    }
}

/// Every block is in the ledger once, and nothing else is.
fn check_ledger(count: &mut Count, arrived: &Arrived, logged: &BTreeMap<BlockHash, u64>) {
    for (block, times) in &arrived.blocks {
        if *times > 1 {
            count.duplicated += times - 1;
            count.note(format!("block {block} is stored {times} times"));
        }
        match logged.get(block).copied().unwrap_or(0) {
            1 => {}
            0 => count.unexplained(format!("block {block} is stored and not in the ledger")),
            times => {
                count.duplicated += times - 1;
                count.note(format!("block {block} is in the ledger {times} times"));
            }
        }
    }
    let unknown = logged
        .keys()
        .filter(|block| !arrived.blocks.contains_key(block));
    for block in unknown {
        count.unexplained(format!("block {block} is in the ledger and not stored"));
    }
}

#[cfg(test)]
mod tests;
