//! One stream: what of it is settled, what is on its way, what goes next.

use std::collections::BTreeMap;

use meso_domain::BlockHash;
use meso_units::Timestamp;

use super::passed::PassedOver;
use super::{Sender, SettledBlock, UnsettledBlock, Watermark};
use crate::receiver::{Range, RangeSet};

#[derive(Clone, Debug, Default)]
pub(super) struct StreamState {
    pub(super) newest: u64,
    pub(super) settled: RangeSet,
    /// Hash and time of blocks that are not settled.
    pub(super) waiting: BTreeMap<u64, (BlockHash, Timestamp)>,
    pub(super) lives: Option<Lives>,
    /// Blocks that were sent and are not settled.
    pub(super) on_the_way: BTreeMap<u64, Sent>,
    /// The turn of the last block that was settled while it was on its way: one that was sent before
    /// it and is not settled was passed over.
    pub(super) answered_turn: u64,
    /// Settled blocks that somebody asked for and that were not sent yet: a watermark covers them all
    /// the while.
    pub(super) wanted: RangeSet,
    /// What the ingest has passed over.
    pub(super) passed: PassedOver,
    /// Blocks from here on were sealed since somebody was there to take them: over the present
    /// connection, since the present ingest began, since the time-outs ended.
    pub(super) live_from: u64,
    /// Time-outs in a row.
    pub(super) timeouts: u32,
    /// When the first block was sent of which nobody spoke in time, in this row of time-outs.
    pub(super) unanswered_from_ms: Option<u64>,
    /// Whether one of them was over the present connection.
    pub(super) is_overdue: bool,
    /// From then on the newest block is sent although it counts as settled, until there is an
    /// answer: an ingest has begun that has not spoken of this stream.
    pub(super) doubted_from_ms: Option<u64>,
}

/// A block on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When it was sent.
    pub(super) at_ms: u64,
    /// When it counts as lost.
    pub(super) due_ms: u64,
    /// Which one it was of all that were ever sent.
    pub(super) turn: u64,
}

/// The life of a store and of an ingest.
pub(super) type Lives = (u64, u64);

impl StreamState {
    pub(super) fn remember(&mut self, block: UnsettledBlock) {
        if self.waiting.len() < Sender::WAITING_MAX {
            self.waiting
                .insert(block.number, (block.hash, block.sealed_at));
        }
    }

    /// When a block was sealed; `None` of one that is not remembered, which goes ahead of others.
    pub(super) fn sealed_at(&self, number: u64) -> Option<Timestamp> {
        self.waiting.get(&number).map(|(_, sealed_at)| *sealed_at)
    }

    /// Whether this may be the block that the journal has sealed under its number: of those that
    /// were settled once, that was asked then.
    pub(super) fn may_have(&self, block: &SettledBlock) -> bool {
        let own = self.waiting.get(&block.number);
        block.number <= self.newest && own.is_none_or(|(hash, _)| *hash == block.hash)
    }

    /// Sends a block again that counts as settled.
    pub(super) fn want(&mut self, number: u64) {
        if self.settled.contains(number) {
            self.settled.remove(number);
            self.wanted.insert(number);
        }
    }

    /// Takes a watermark over; says whether it said anything new.
    pub(super) fn apply(&mut self, watermark: &Watermark) -> bool {
        let lives = watermark.lives();
        let before = (self.settled.clone(), self.lives);
        // Another process may have opened a store that was put back from a backup, and a backup
        // keeps the life of its store: only what this watermark covers is known to be held. What
        // was on its way to the last process may be lost.
        if self.lives.is_some_and(|known| known != lives) {
            self.settled = RangeSet::default();
            self.begin_live();
            self.passed = PassedOver::default();
        }
        self.lives = Some(lives);
        let prefix = Range {
            first: 1,
            last: watermark.to,
        };
        for range in std::iter::once(&prefix).chain(&watermark.ranges) {
            // What this journal never sealed cannot be settled: were it taken over, a block that
            // is sealed later would be forgotten unsent.
            let (first, last) = (range.first.max(1), range.last.min(self.newest));
            for settled in self.wanted.missing_between(first, last) {
                self.settled.insert_range(settled);
            }
        }
        let (settled, answered_turn) = (&self.settled, &mut self.answered_turn);
        self.on_the_way.retain(|number, sent| {
            let is_settled = settled.contains(*number);
            if is_settled {
                *answered_turn = sent.turn.max(*answered_turn);
            }
            !is_settled
        });
        self.passed.settle(settled);
        for range in settled.ranges() {
            forget(&mut self.waiting, range);
        }
        before != (self.settled.clone(), self.lives)
    }

    pub(super) fn unsettled_count(&self) -> u64 {
        self.newest.saturating_sub(self.settled.count())
    }

    /// The block to send next: a live one while the backlog has its share, else the oldest; where
    /// there is neither and the stream is in doubt, the newest.
    ///
    /// Blocks of the backlog that were sealed at `room` or later wait for the room's stream.
    pub(super) fn next_to_send(&self, now_ms: u64, room: Option<Option<Timestamp>>) -> Option<u64> {
        if self.on_the_way.len() >= Sender::STREAM_WINDOW_MAX {
            return None;
        }
        if let Some(passed) = self.passed.due(now_ms, &self.on_the_way) {
            return Some(passed);
        }
        let waits = |number: &u64| room.is_some_and(|room| self.sealed_at(*number) >= room);
        let backlog = self.backlog_waiting().filter(|number| !waits(number));
        let live = self.first_waiting(self.live_from, self.newest);
        let backlog_count = self.on_the_way.range(..self.live_from).count();
        match (backlog, live) {
            (Some(backlog), Some(_)) if backlog_count < Sender::BACKLOG_SHARE => Some(backlog),
            (_, Some(live)) => Some(live),
            // What is left of the window may all be used by the backlog: a live block that comes
            // waits for one settled block at most.
            (Some(backlog), None) => Some(backlog),
            (None, None) => self.question(now_ms),
        }
    }

    /// The newest block, where nothing that is on its way will tell what the ingest holds.
    fn question(&self, now_ms: u64) -> Option<u64> {
        let is_due = self
            .doubted_from_ms
            .is_some_and(|from_ms| from_ms <= now_ms);
        (is_due && self.on_the_way.is_empty()).then_some(self.newest)
    }

    /// What is on its way may be lost, and what was sealed meanwhile is a backlog, which live blocks
    /// pass.
    pub(super) fn begin_connection(&mut self) {
        self.on_the_way.clear();
        self.live_from = self.newest + 1;
        self.is_overdue = false;
    }

    /// The same, and somebody is there again.
    pub(super) fn begin_live(&mut self) {
        self.begin_connection();
        self.end_timeouts();
    }

    /// Blocks are settled again.
    pub(super) fn end_timeouts(&mut self) {
        if self.timeouts > 0 {
            self.live_from = self.newest + 1;
        }
        self.timeouts = 0;
        self.is_overdue = false;
        self.unanswered_from_ms = None;
    }

    /// Takes back what has been on its way for too long; says whether nobody has answered, and not
    /// only passed some of it over.
    pub(super) fn expire(&mut self, now_ms: u64, jitter_permille: u16) -> bool {
        let mut is_unanswered = false;
        let (passed, answered_turn) = (&mut self.passed, self.answered_turn);
        let unanswered_from_ms = &mut self.unanswered_from_ms;
        self.on_the_way.retain(|number, sent| {
            if sent.due_ms > now_ms {
                return true;
            }
            let is_late = sent.turn < answered_turn;
            if !passed.expire(*number, is_late, now_ms, jitter_permille) {
                is_unanswered = true;
                unanswered_from_ms.get_or_insert(sent.at_ms);
            }
            false
        });
        self.is_overdue |= is_unanswered;
        self.timeouts = self.timeouts.saturating_add(u32::from(is_unanswered));
        is_unanswered
    }

    /// The oldest block of the backlog that is not on its way.
    pub(super) fn backlog_waiting(&self) -> Option<u64> {
        self.first_waiting(1, self.live_from.saturating_sub(1))
    }

    fn first_waiting(&self, first: u64, last: u64) -> Option<u64> {
        self.settled
            .missing_between(first.max(1), last)
            .into_iter()
            .flat_map(|range| self.passed.others(range))
            .flat_map(|range| range.first..=range.last)
            .find(|number| !self.on_the_way.contains_key(number))
    }
}

/// Takes a range out: what is left of a long backlog costs nothing.
fn forget<V>(waiting: &mut BTreeMap<u64, V>, range: Range) {
    while let Some((&number, _)) = waiting.range(range.first..=range.last).next() {
        waiting.remove(&number);
    }
}
