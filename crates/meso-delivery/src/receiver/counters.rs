//! Which counters of one gun and epoch are held, and what of the rest.

use std::collections::BTreeMap;

use meso_domain::{Custody, Gap, GapReason, GapState, GunPosition};
use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, ShotCounter, Timestamp,
};

use super::ranges::{Range, RangeSet};

/// What a shot meant to the counters of its gun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was not held before.
    New,
    /// It was not held before and lies in a hole that had been declared.
    FillsDeclared,
    /// It is held already.
    Again,
}

/// Whether what is added up to a counter can still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An older counter is awaited: totals are judged again when it comes.
    Provisional,
    /// Every counter up to here is held or declared to be gone.
    Final,
}

/// A run of counters that are not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The first and the last missing counter.
    pub range: Range,
    /// Awaited, or declared.
    pub state: GapState,
    /// Who had the gun then, where that is known: from them an awaited hole is awaited.
    pub holder: Option<Holder>,
}

/// A journal that had a gun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// The clinic that owned the gun's shots then.
    pub clinic: ClinicId,
    /// The driver.
    pub driver: DriverId,
    /// The life of its journal.
    pub incarnation: JournalIncarnation,
}

/// Who had a gun from a counter on, until the next one did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyStart {
    /// The first counter.
    pub first: u64,
    /// How far the gun had counted by then.
    pub newest: u64,
    /// Who.
    pub holder: Holder,
    /// When, by the clock of the driver.
    pub at: Timestamp,
}

/// Who had a gun, from counter to counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyInterval {
    /// The first counter.
    pub first: u64,
    /// The last one; `None` while nobody else has it.
    pub last: Option<u64>,
    /// Who.
    pub holder: Holder,
}

/// The counters of one gun and epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub(super) held: RangeSet,
    pub(super) declared: RangeSet,
    /// From here on nobody can know how many shots were lost: the epoch is over.
    pub(super) open_ended_from: Option<u64>,
    /// The highest counter that the gun is known to have had, held or not.
    pub(super) known_to: u64,
    /// By first counter.
    pub(super) custody: BTreeMap<u64, CustodyStart>,
}

impl Counters {
    /// The most changes of custody per gun and epoch; blocks with further ones are deferred. A gun
    /// that changes rooms ten times a day reaches it after a year and a half in one epoch.
    pub const CUSTODY_COUNT_MAX: usize = 4_096;

    /// Whether the counter is held.
    pub fn holds(&self, counter: ShotCounter) -> bool {
        self.held.contains(counter.get().into())
    }

    /// How many counters are held.
    pub fn held_count(&self) -> u64 {
        self.held.count()
    }

    /// The highest counter held.
    pub fn highest(&self) -> Option<ShotCounter> {
        let highest = u32::try_from(self.held.highest()?).ok()?;
        Some(ShotCounter(highest))
    }

    /// The highest counter that the gun is known to have had; 0 for none.
    pub fn known_to(&self) -> u64 {
        let held = self.held.highest().max(self.declared.highest());
        self.known_to.max(held.unwrap_or(0))
    }

    /// Whether every counter from 1 to this one is held or declared to be gone.
    pub fn settled_to(&self, counter: ShotCounter) -> bool {
        self.is_settled_to(counter.get().into())
    }

    fn is_settled_to(&self, end: u64) -> bool {
        self.held.missing_between(1, end).into_iter().all(|hole| {
            self.declared
                .missing_between(hole.first, hole.last)
                .is_empty()
        })
    }

    /// Whether what is added up to a counter can still change.
    pub fn standing(&self, counter: ShotCounter) -> Standing {
        match self.settled_to(counter) {
            true => Standing::Final,
            false => Standing::Provisional,
        }
    }

    /// Whether everything that the gun can have fired by the end of a session is held or declared:
    /// a gun that was away then has to be seen again, or its epoch to be over.
    pub fn settles_session(&self, position: &GunPosition, ended_at: Timestamp) -> bool {
        let end = position.counter.get().into();
        if !position.is_away {
            return self.is_settled_to(end);
        }
        let is_back = |start: &&CustodyStart| start.at > ended_at;
        let seen_to = self
            .custody
            .values()
            .filter(is_back)
            .map(|s| s.newest)
            .max();
        match seen_to {
            Some(seen_to) => self.is_settled_to(end.max(seen_to)),
            None => self.open_ended_from.is_some() && self.is_settled_to(end),
        }
    }

    /// What is missing below the highest counter that is known, lowest first.
    pub fn holes(&self) -> Vec<Hole> {
        let mut holes = Vec::new();
        for gap in self.held.missing_between(1, self.known_to()) {
            let awaited = self.declared.missing_between(gap.first, gap.last);
            let undeclared: RangeSet = awaited.iter().copied().collect();
            let declared = undeclared.missing_between(gap.first, gap.last);
            for (ranges, state) in [(awaited, GapState::Awaited), (declared, GapState::Declared)] {
                let by_holder = ranges.into_iter().flat_map(|range| self.by_holder(range));
                holes.extend(by_holder.map(|(range, holder)| Hole {
                    range,
                    state,
                    holder,
                }));
            }
        }
        holes.sort_by_key(|hole| hole.range.first);
        holes
    }

    /// What is missing and not declared.
    pub(crate) fn awaited(&self) -> RangeSet {
        let missing = self.held.missing_between(1, self.known_to());
        let undeclared = missing
            .into_iter()
            .flat_map(|gap| self.declared.missing_between(gap.first, gap.last));
        undeclared.collect()
    }

    /// Cuts a range where the gun changed hands.
    fn by_holder(&self, range: Range) -> Vec<(Range, Option<Holder>)> {
        let mut parts = Vec::new();
        let mut first = range.first;
        let starts = self.custody.range(range.first..=range.last);
        let ends = starts.filter(|(start, _)| **start > range.first);
        for last in ends.map(|(start, _)| start - 1).chain([range.last]) {
            parts.push((Range { first, last }, self.holder_at(first).cloned()));
            first = last + 1;
        }
        parts
    }

    /// Who had the gun when it counted this; `None` where nobody said so.
    pub fn holder_at(&self, counter: u64) -> Option<&Holder> {
        let (_, start) = self.custody.range(..=counter).next_back()?;
        Some(&start.holder)
    }

    /// Who had the gun, from counter to counter, oldest first.
    pub fn custody(&self) -> Vec<CustodyInterval> {
        let mut intervals: Vec<CustodyInterval> = Vec::new();
        for (first, start) in &self.custody {
            match intervals.last_mut() {
                Some(last) if last.holder == start.holder => continue,
                Some(last) => last.last = Some(first - 1),
                None => {}
            }
            intervals.push(CustodyInterval {
                first: *first,
                last: None,
                holder: start.holder.clone(),
            });
        }
        intervals
    }

    /// How many shots are missing for good, as far as that can be counted.
    pub fn declared_missing_count(&self) -> u64 {
        self.declared.count() - self.filled_later_count()
    }

    /// How many shots arrived although they had been declared to be gone.
    pub fn filled_later_count(&self) -> u64 {
        self.declared
            .ranges()
            .map(|range| {
                let missing = self.held.missing_between(range.first, range.last);
                let missing_count: u64 = missing.iter().map(|m| m.last - m.first + 1).sum();
                range.last - range.first + 1 - missing_count
            })
            .sum()
    }

    /// From where on the number of lost shots is unknown, where the epoch is over.
    pub const fn open_ended_from(&self) -> Option<u64> {
        self.open_ended_from
    }

    /// The holes that nobody has declared, as gaps that are awaited since `at`.
    pub fn awaited_gaps(&self, gun: &GunSerial, epoch: Epoch, at: Timestamp) -> Vec<Gap> {
        let gap = |range: Range| Gap {
            gun: gun.clone(),
            epoch,
            first: narrow(range.first),
            last: Some(narrow(range.last)),
            state: GapState::Awaited,
            reason: GapReason::Unknown,
            at,
        };
        self.awaited().ranges().map(gap).collect()
    }

    pub(super) fn record_shot(&mut self, counter: ShotCounter) -> Arrival {
        let number = counter.get().into();
        if !self.held.insert(number) {
            return Arrival::Again;
        }
        if self.declared.contains(number) {
            return Arrival::FillsDeclared;
        }
        Arrival::New
    }

    /// Says whether it was held.
    pub(super) fn forget_shot(&mut self, counter: ShotCounter) -> bool {
        let number = counter.get().into();
        let was_held = self.held.contains(number);
        if was_held {
            // The gun has fired it all the same, also where none of the held ones is above it.
            self.record_known(number);
            self.held.remove(number);
        }
        was_held
    }

    pub(super) fn record_gap(&mut self, gap: &Gap) {
        let first = u64::from(gap.first.get()).max(1);
        let last = gap.last.map(|last| u64::from(last.get()));
        match (gap.state, last) {
            // Whoever awaits them from another knows that the gun has fired them.
            (GapState::Awaited, Some(last)) => self.record_known(last),
            (GapState::Awaited, None) => self.record_known(first - 1),
            (_, Some(last)) => self.declared.insert_range(Range { first, last }),
            // What lies before an open end was counted, whether or not it has arrived.
            (_, None) => {
                self.record_known(first - 1);
                let lowest = self.open_ended_from.map_or(first, |known| known.min(first));
                self.open_ended_from = Some(lowest);
            }
        }
    }

    pub(super) fn record_custody(&mut self, custody: &Custody, holder: Holder) {
        let first = u64::from(custody.first.get()).max(1);
        let newest = custody.newest.get().into();
        self.record_known(newest);
        self.record_known(first - 1);
        let start = CustodyStart {
            first,
            newest,
            holder,
            at: custody.at,
        };
        // Of two who had the gun while it fired nothing the later counts, whichever arrives first.
        let is_newer = self.custody.get(&first).is_none_or(|known| {
            (known.at, &known.holder, known.newest) < (start.at, &start.holder, start.newest)
        });
        if is_newer {
            self.custody.insert(first, start);
        }
    }

    /// Takes note that the gun has counted that far.
    pub(super) fn record_known(&mut self, counter: u64) {
        self.known_to = self.known_to.max(counter);
    }
}

fn narrow(number: u64) -> ShotCounter {
    ShotCounter(u32::try_from(number).unwrap_or(u32::MAX))
}
