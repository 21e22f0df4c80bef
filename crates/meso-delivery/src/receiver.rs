//! The receiving side: which blocks and which counters the ingest holds.
//!
//! A [`Receiver`] is asked about every block ([`Receiver::check`]), told of those that are stored
//! or refused ([`Receiver::settle`], [`Receiver::settle_quarantined`]) and of their shots and
//! gaps. It can be written down as plain data after every commit ([`Receiver::take_changes`]) and
//! put together again from it; asking never changes it.
//!
//! Exactly-once effect (invariant 3) and "no unnamed hole" (invariant 4) rest on this module.

mod changes;
mod counters;
mod ranges;
mod settled;

use std::collections::{BTreeMap, BTreeSet};

use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, Custody, Gap, GapState, SessionEnded, ShotIdentity, Stream,
};
use meso_units::{BlockNumber, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation};

use crate::inquiry::Doubt;

pub use counters::{Arrival, Counters, CustodyInterval, CustodyStart, Holder, Hole, Standing};
pub use ranges::{Range, RangeSet};
pub use settled::Settled;

/// One line of blocks: a place without its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The driver.
    pub driver: DriverId,
    /// The life of its journal.
    pub incarnation: JournalIncarnation,
    /// The stream.
    pub stream: Stream,
}

impl From<&BlockPlace> for StreamKey {
    fn from(place: &BlockPlace) -> StreamKey {
        StreamKey {
            driver: place.driver.clone(),
            incarnation: place.incarnation,
            stream: place.stream.clone(),
        }
    }
}

impl StreamKey {
    /// The place of block `number` of this line.
    pub fn place(&self, number: BlockNumber) -> BlockPlace {
        BlockPlace {
            driver: self.driver.clone(),
            incarnation: self.incarnation,
            stream: self.stream.clone(),
            number,
        }
    }
}

/// What is known of the block before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is the first of its stream.
    First,
    /// The block before is held and has the hash that this one names.
    Proven,
    /// The block before is not held yet; its hash is checked when it comes.
    Pending,
}

/// What is to be done with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Store it.
    New {
        /// What is known of the block before.
        link: Link,
    },
    /// The same block is held: say the watermark again.
    Duplicate,
    /// Another block is held under this place: quarantine and alert, and say the watermark again,
    /// by whose hashes the driver sees that its journal is an older copy. It is not settled.
    Conflict {
        /// The hash of the block that is held.
        held: BlockHash,
    },
    /// It and a neighbour name different hashes: the same is to be done.
    BrokenLink {
        /// The hash that the neighbour has or names.
        expected: BlockHash,
        /// The hash that was offered in its place.
        found: BlockHash,
    },
    /// A number that no driver can give: quarantine.
    ImpossibleNumber,
    /// One of the limits of this state is reached: neither store nor settle, so that the driver
    /// sends it again when older blocks have closed holes.
    Deferred,
}

/// The state of one stream as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCheckpoint {
    /// The stream.
    pub key: StreamKey,
    /// Settled block numbers.
    pub settled: Vec<Range>,
    /// The highest block whose hash is known.
    pub head: Option<(u64, BlockHash)>,
    /// Hashes that held blocks name for blocks that are not held.
    pub expected: Vec<(u64, BlockHash)>,
}

/// The counters of one gun and epoch as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountersCheckpoint {
    /// The gun.
    pub gun: GunSerial,
    /// The epoch.
    pub epoch: Epoch,
    /// Counters held.
    pub held: Vec<Range>,
    /// Counters declared to be gone, whether or not they arrived later.
    pub declared: Vec<Range>,
    /// From where on the number of lost shots is unknown.
    pub open_ended_from: Option<u64>,
    /// The highest counter that the gun is known to have had.
    pub known_to: u64,
    /// Who had the gun, from which counter on.
    pub custody: Vec<CustodyStart>,
}

/// What changed since the last time somebody asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Streams.
    pub streams: Vec<StreamCheckpoint>,
    /// Counters.
    pub counters: Vec<CountersCheckpoint>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct StreamState {
    settled: RangeSet,
    head: Option<(u64, BlockHash)>,
    /// At most one for each range of `settled` and each place that was refused.
    expected: BTreeMap<u64, BlockHash>,
}

/// Which blocks and counters are held.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    streams: BTreeMap<StreamKey, StreamState>,
    guns: BTreeMap<(GunSerial, Epoch), Counters>,
    changed_streams: BTreeSet<StreamKey>,
    changed_guns: BTreeSet<(GunSerial, Epoch)>,
}

impl Receiver {
    /// The most ranges of settled blocks per stream; a block that would begin one more is
    /// deferred until the driver has closed older holes. 1,024 ranges are 16 KiB.
    pub const STREAM_RANGE_COUNT_MAX: usize = 1_024;

    /// The most ranges of counters per gun and epoch; blocks are deferred beyond it.
    pub const COUNTER_RANGE_COUNT_MAX: usize = 16_384;

    /// The most streams; blocks of further streams are deferred. At about 300 bytes each this is
    /// 20 MB, and ten years of a thousand rooms need a tenth of it.
    pub const STREAM_COUNT_MAX: usize = 65_536;

    /// The most epochs of all guns together; blocks that could begin a further one are deferred, so
    /// they stay with their drivers. At about 400 bytes each this is 100 MB. A thousand guns that lose
    /// their memory every other week begin as many in ten years.
    pub const EPOCH_COUNT_MAX: usize = 262_144;

    /// How far back a run of settled places is searched for a block that is held.
    pub const REFUSED_IN_A_ROW_MAX: usize = 8;

    /// The largest block number: what a signed 64-bit column holds.
    pub const BLOCK_NUMBER_MAX: u64 = i64::MAX as u64;

    /// Puts the state together from what was written down.
    pub fn restore(
        streams: impl IntoIterator<Item = StreamCheckpoint>,
        counters: impl IntoIterator<Item = CountersCheckpoint>,
    ) -> Receiver {
        let streams = streams.into_iter().map(|stream| {
            let state = StreamState {
                settled: stream.settled.into_iter().collect(),
                head: stream.head,
                expected: stream.expected.into_iter().collect(),
            };
            (stream.key, state)
        });
        let guns = counters.into_iter().map(|gun| {
            let state = Counters {
                held: gun.held.into_iter().collect(),
                declared: gun.declared.into_iter().collect(),
                open_ended_from: gun.open_ended_from,
                known_to: gun.known_to,
                custody: gun.custody.into_iter().map(|it| (it.first, it)).collect(),
            };
            ((gun.gun, gun.epoch), state)
        });
        Receiver {
            streams: streams.collect(),
            guns: guns.collect(),
            ..Receiver::default()
        }
    }

    /// Says what is to be done with a block; `stored` finds the hash of a block that is held.
    ///
    /// # Errors
    ///
    /// Whatever `stored` says.
    pub fn check<E>(
        &self,
        header: &BlockHeader,
        hash: BlockHash,
        mut stored: impl FnMut(&BlockPlace) -> Result<Option<BlockHash>, E>,
    ) -> Result<Offer, E> {
        let number = header.place.number.get();
        if number == 0 || number > Receiver::BLOCK_NUMBER_MAX {
            return Ok(Offer::ImpossibleNumber);
        }
        let key = StreamKey::from(&header.place);
        let empty = StreamState::default();
        let state = self.streams.get(&key).unwrap_or(&empty);
        if state.settled.contains(number)
            && let Some(held) = hash_of(state, &header.place, &mut stored)?
        {
            return Ok(match held == hash {
                true => Offer::Duplicate,
                false => Offer::Conflict { held },
            });
        }
        if let Some(expected) = state.expected.get(&number)
            && *expected != hash
        {
            return Ok(Offer::BrokenLink {
                expected: *expected,
                found: hash,
            });
        }
        if self.is_full(&key, state, header) {
            return Ok(Offer::Deferred);
        }
        let Some(previous) = header.previous else {
            return Ok(Offer::New { link: Link::First });
        };
        let before = key.place(BlockNumber(number - 1));
        let held = match state.settled.contains(number - 1) {
            true => hash_of(state, &before, &mut stored)?,
            false => None,
        };
        Ok(match held {
            Some(expected) if expected != previous => Offer::BrokenLink {
                expected,
                found: previous,
            },
            Some(_) => Offer::New { link: Link::Proven },
            None => Offer::New {
                link: Link::Pending,
            },
        })
    }

    fn is_full(&self, key: &StreamKey, state: &StreamState, header: &BlockHeader) -> bool {
        let number = header.place.number.get();
        let stream_full = state.settled.range_count() >= Receiver::STREAM_RANGE_COUNT_MAX
            && state.settled.would_add_range(number);
        let streams_full =
            self.streams.len() >= Receiver::STREAM_COUNT_MAX && !self.streams.contains_key(key);
        // One block adds at most as many ranges as it has records.
        let gun_full = match (&header.place.stream, header.epoch) {
            (Stream::Gun(gun), Some(epoch)) => self.counters(gun, epoch).is_some_and(|counters| {
                let added = usize::from(header.record_count);
                counters.held.range_count() + added > Receiver::COUNTER_RANGE_COUNT_MAX
                    || counters.custody.len() + added > Counters::CUSTODY_COUNT_MAX
            }),
            _ => false,
        };
        stream_full || streams_full || gun_full || self.epochs_are_full(header)
    }

    /// Whether a block could begin more epochs than may be.
    fn epochs_are_full(&self, header: &BlockHeader) -> bool {
        let begun = match (&header.place.stream, header.epoch) {
            (Stream::Gun(gun), Some(epoch)) => usize::from(self.counters(gun, epoch).is_none()),
            (Stream::Gun(_), None) => usize::from(header.record_count),
            (Stream::Room, _) => 0,
        };
        begun > 0 && self.guns.len() + begun > Receiver::EPOCH_COUNT_MAX
    }

    /// Takes note that a block is held.
    pub fn settle(&mut self, header: &BlockHeader, hash: BlockHash) {
        let number = header.place.number.get();
        let key = StreamKey::from(&header.place);
        let state = self.streams.entry(key.clone()).or_default();
        state.settled.insert(number);
        state.expected.remove(&number);
        if let Some(previous) = header.previous
            && !state.settled.contains(number - 1)
        {
            state.expected.insert(number - 1, previous);
        }
        if state.head.is_none_or(|(highest, _)| highest < number) {
            state.head = Some((number, hash));
        }
        self.changed_streams.insert(key);
    }

    /// Takes note that a place is settled by quarantine: the driver need not send it again.
    ///
    /// Nothing is held there: a sound block that comes for this place after all is still new.
    pub fn settle_quarantined(&mut self, place: &BlockPlace) {
        let number = place.number.get();
        if number == 0 || number > Receiver::BLOCK_NUMBER_MAX {
            return;
        }
        let key = StreamKey::from(place);
        let state = self.streams.entry(key.clone()).or_default();
        if state.settled.insert(number) {
            self.changed_streams.insert(key);
        }
    }

    /// Takes note of a shot.
    pub fn record_shot(&mut self, identity: &ShotIdentity) -> Arrival {
        let key = (identity.gun.clone(), identity.epoch);
        let arrival = self
            .guns
            .entry(key.clone())
            .or_default()
            .record_shot(identity.counter);
        self.changed_guns.insert(key);
        arrival
    }

    /// Takes note that a shot which was held is gone from where it was kept: it is missing from now
    /// on, as if it had never come.
    pub fn forget_shot(&mut self, identity: &ShotIdentity) {
        let key = (identity.gun.clone(), identity.epoch);
        if let Some(counters) = self.guns.get_mut(&key)
            && counters.forget_shot(identity.counter)
        {
            self.changed_guns.insert(key);
        }
    }

    /// Takes note of a gap that a driver names.
    pub fn record_gap(&mut self, gap: &Gap) {
        let key = (gap.gun.clone(), gap.epoch);
        self.guns.entry(key.clone()).or_default().record_gap(gap);
        self.changed_guns.insert(key);
    }

    /// Takes note that the driver of a block has a gun.
    pub fn record_custody(&mut self, header: &BlockHeader, custody: &Custody) {
        let key = (custody.gun.clone(), custody.epoch);
        let holder = Holder {
            clinic: header.clinic.clone(),
            driver: header.place.driver.clone(),
            incarnation: header.place.incarnation,
        };
        self.guns
            .entry(key.clone())
            .or_default()
            .record_custody(custody, holder);
        self.changed_guns.insert(key);
    }

    /// Takes note of how far the guns of a session had counted when it ended.
    pub fn record_session_end(&mut self, ended: &SessionEnded) {
        for position in &ended.last_counters {
            let key = (position.gun.clone(), position.epoch);
            // The shots of an epoch beyond the limit are with their driver, which is shown.
            let is_full = self.guns.len() >= Receiver::EPOCH_COUNT_MAX;
            if is_full && !self.guns.contains_key(&key) {
                continue;
            }
            let counters = self.guns.entry(key.clone()).or_default();
            counters.record_known(position.counter.get().into());
            self.changed_guns.insert(key);
        }
    }

    /// What of a gun and epoch somebody has to be asked about; `None` where all is known.
    pub fn doubt(&self, gun: &GunSerial, epoch: Epoch) -> Option<Doubt> {
        let counters = self.counters(gun, epoch)?;
        // Of several epochs all but one are over; which one, nobody can tell from here.
        let has_others = self.epochs_of(gun).nth(1).is_some();
        let may_be_over = counters.open_ended_from.is_none() && has_others;
        let missing = counters.awaited();
        if missing.is_empty() && !may_be_over {
            return None;
        }
        let custody = self.epochs_of(gun).flat_map(|(_, c)| c.custody.values());
        Some(Doubt {
            missing,
            known_to: counters.known_to(),
            may_be_over,
            holders: custody.map(|start| start.holder.clone()).collect(),
        })
    }

    /// What is awaited from the journals of a driver: what is missing and not declared of the time in
    /// which it had the gun.
    pub fn awaited_from<'r>(
        &'r self,
        driver: &'r DriverId,
    ) -> impl Iterator<Item = (&'r GunSerial, Epoch, Range)> {
        self.all_counters().flat_map(move |(gun, epoch, counters)| {
            let holes = counters.holes().into_iter();
            let awaited = holes.filter(|hole| {
                let holder = hole.holder.as_ref();
                hole.state == GapState::Awaited && holder.is_some_and(|it| it.driver == *driver)
            });
            awaited.map(move |hole| (gun, epoch, hole.range))
        })
    }

    /// Every life of a driver's journal that had a gun, and its clinic.
    pub fn journals_of(&self, driver: &DriverId) -> BTreeSet<(ClinicId, JournalIncarnation)> {
        let custody = self.guns.values().flat_map(|it| it.custody.values());
        let of_driver = custody.map(|start| &start.holder);
        let of_driver = of_driver.filter(|holder| holder.driver == *driver);
        let journals = of_driver.map(|holder| (holder.clinic.clone(), holder.incarnation));
        journals.collect()
    }

    /// The epochs of a gun.
    pub fn epochs_of(&self, gun: &GunSerial) -> impl Iterator<Item = (Epoch, &Counters)> {
        let first = (gun.clone(), Epoch(0));
        let last = (gun.clone(), Epoch(u64::MAX));
        self.guns
            .range(first..=last)
            .map(|((_, epoch), counters)| (*epoch, counters))
    }

    /// Whether a shot is held.
    pub fn holds(&self, identity: &ShotIdentity) -> bool {
        self.counters(&identity.gun, identity.epoch)
            .is_some_and(|counters| counters.holds(identity.counter))
    }

    /// The counters of a gun and epoch.
    pub fn counters(&self, gun: &GunSerial, epoch: Epoch) -> Option<&Counters> {
        self.guns.get(&(gun.clone(), epoch))
    }

    /// The counters of every gun and epoch.
    pub fn all_counters(&self) -> impl Iterator<Item = (&GunSerial, Epoch, &Counters)> {
        self.guns
            .iter()
            .map(|((gun, epoch), counters)| (gun, *epoch, counters))
    }

    /// Every stream that is known.
    pub fn streams(&self) -> impl Iterator<Item = &StreamKey> {
        self.streams.keys()
    }
}

fn hash_of<E>(
    state: &StreamState,
    place: &BlockPlace,
    stored: &mut impl FnMut(&BlockPlace) -> Result<Option<BlockHash>, E>,
) -> Result<Option<BlockHash>, E> {
    match state.head {
        Some((number, hash)) if number == place.number.get() => Ok(Some(hash)),
        _ => stored(place),
    }
}

impl PartialEq for Receiver {
    /// Equal where they answer equally; what changed since the last checkpoint does not count.
    fn eq(&self, other: &Receiver) -> bool {
        self.streams == other.streams && self.guns == other.guns
    }
}

#[cfg(test)]
mod tests;
