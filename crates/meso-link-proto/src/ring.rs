//! The gun's ring of shots: it overwrites the oldest only when it must.

use alloc::collections::VecDeque;

use meso_units::{Epoch, ShotCounter};

use crate::message::{Inventory, ShotEvent};

/// Shots of one epoch, without holes; the newest `capacity` of them.
#[derive(Debug)]
pub(crate) struct Ring {
    shots: VecDeque<ShotEvent>,
    capacity: usize,
    newest: u32,
    acknowledged: u32,
    lost_count: u32,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Ring {
        Ring {
            shots: VecDeque::new(),
            capacity: capacity.max(1),
            newest: 0,
            acknowledged: 0,
            lost_count: 0,
        }
    }

    pub(crate) fn newest(&self) -> u32 {
        self.newest
    }

    /// The oldest counter that can be read; the one after the newest where the ring is empty.
    pub(crate) fn oldest(&self) -> u32 {
        self.shots
            .front()
            .map_or(self.newest + 1, |shot| shot.key.counter.get())
    }

    pub(crate) fn holds_unacknowledged(&self) -> bool {
        self.acknowledged < self.newest
    }

    /// Appends the next shot, whose counter is [`Ring::newest`] + 1.
    pub(crate) fn push(&mut self, shot: ShotEvent) {
        if self.shots.len() == self.capacity
            && let Some(gone) = self.shots.pop_front()
            && gone.key.counter.get() > self.acknowledged
        {
            self.lost_count = self.lost_count.saturating_add(1);
        }
        self.newest = shot.key.counter.get();
        self.shots.push_back(shot);
    }

    pub(crate) fn get(&self, counter: u32) -> Option<&ShotEvent> {
        let place = counter.checked_sub(self.oldest())?;
        self.shots.get(usize::try_from(place).ok()?)
    }

    /// Moves the watermark; never back, and never past the newest shot.
    pub(crate) fn acknowledge(&mut self, counter: u32) {
        self.acknowledged = self.acknowledged.max(counter.min(self.newest));
    }

    /// Begins a new epoch: counters from 1, nothing held.
    pub(crate) fn clear(&mut self) {
        *self = Ring::new(self.capacity);
    }

    pub(crate) fn inventory(&self, epoch: Option<Epoch>) -> Inventory {
        let counter = |raw: u32| (raw != 0).then_some(ShotCounter(raw));
        Inventory {
            epoch,
            oldest: self.shots.front().map(|shot| shot.key.counter),
            newest: counter(self.newest),
            acknowledged: counter(self.acknowledged),
            lost_count: self.lost_count,
        }
    }
}
