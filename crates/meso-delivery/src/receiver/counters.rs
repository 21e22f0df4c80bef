//! Which counters of one gun and epoch are held, and what of the rest.

use meso_domain::{Gap, GapReason, GapState};
use meso_units::{Epoch, GunSerial, ShotCounter, Timestamp};

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

/// A run of counters that are not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The first and the last missing counter.
    pub range: Range,
    /// Awaited, or declared.
    pub state: GapState,
}

/// The counters of one gun and epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub(super) held: RangeSet,
    pub(super) declared: RangeSet,
    /// From here on the driver says that nobody can know how many shots were lost.
    pub(super) open_ended_from: Option<u64>,
}

impl Counters {
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

    /// Whether every counter from 1 to this one is held or declared to be gone.
    pub fn settled_to(&self, counter: ShotCounter) -> bool {
        let end = counter.get().into();
        self.held.missing_between(1, end).into_iter().all(|hole| {
            self.declared
                .missing_between(hole.first, hole.last)
                .is_empty()
        })
    }

    /// What is missing below the highest counter held, lowest first.
    pub fn holes(&self) -> Vec<Hole> {
        let mut holes = Vec::new();
        let end = self.held.highest().max(self.declared.highest());
        for gap in self.held.missing_between(1, end.unwrap_or(0)) {
            let awaited = self.declared.missing_between(gap.first, gap.last);
            let undeclared: RangeSet = awaited.iter().copied().collect();
            let declared = undeclared.missing_between(gap.first, gap.last);
            let named = |state| move |range| Hole { range, state };
            holes.extend(awaited.into_iter().map(named(GapState::Awaited)));
            holes.extend(declared.into_iter().map(named(GapState::Declared)));
        }
        holes.sort_by_key(|hole| hole.range.first);
        holes
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

    /// From where on the number of lost shots is unknown, where a driver said so.
    pub const fn open_ended_from(&self) -> Option<u64> {
        self.open_ended_from
    }

    /// The holes that nobody has declared, as gaps that are awaited since `at`.
    pub fn awaited_gaps(&self, gun: &GunSerial, epoch: Epoch, at: Timestamp) -> Vec<Gap> {
        let narrow = |n: u64| ShotCounter(u32::try_from(n).unwrap_or(u32::MAX));
        self.holes()
            .into_iter()
            .filter(|hole| hole.state == GapState::Awaited)
            .map(|hole| Gap {
                gun: gun.clone(),
                epoch,
                first: narrow(hole.range.first),
                last: Some(narrow(hole.range.last)),
                state: GapState::Awaited,
                reason: GapReason::Unknown,
                at,
            })
            .collect()
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

    pub(super) fn record_gap(&mut self, gap: &Gap) {
        if gap.state == GapState::Awaited {
            return;
        }
        let first = u64::from(gap.first.get()).max(1);
        match gap.last {
            Some(last) => self.declared.insert_range(Range {
                first,
                last: last.get().into(),
            }),
            None => {
                let lowest = self.open_ended_from.map_or(first, |known| known.min(first));
                self.open_ended_from = Some(lowest);
            }
        }
    }
}
