//! Blocks that the ingest passes over: later ones of their stream are settled, they are not.
//!
//! It cannot read them yet, because the driver is newer than the server, or it has no room for what
//! it refuses. They are kept and tried again, one at a time, beside the others and not before them.

use std::collections::BTreeMap;

use super::stream::Sent;
use super::{Sender, timeout_ms};
use crate::receiver::{Range, RangeSet};

#[derive(Clone, Debug, Default)]
pub(super) struct PassedOver {
    numbers: RangeSet,
    /// The one to be tried next, or the first after it.
    next: u64,
    /// When.
    from_ms: u64,
    /// Tries in a row since the last one joined.
    tries: u32,
}

impl PassedOver {
    /// The one to try now, where none is on its way.
    pub(super) fn due(&self, now_ms: u64, on_the_way: &BTreeMap<u64, Sent>) -> Option<u64> {
        self.wake_ms(on_the_way)
            .filter(|from_ms| *from_ms <= now_ms)?;
        let next = self.numbers.first_from(self.next);
        next.or_else(|| self.numbers.first_from(0))
    }

    /// When one is to be tried; `None` where there is none, or one is on its way.
    pub(super) fn wake_ms(&self, on_the_way: &BTreeMap<u64, Sent>) -> Option<u64> {
        let is_passed = |number: &u64| self.numbers.contains(*number);
        let is_busy = self.numbers.is_empty() || on_the_way.keys().any(is_passed);
        (!is_busy).then_some(self.from_ms)
    }

    /// Takes note that a block was not settled in time, `is_late` where one that was sent after it was;
    /// says whether it counts as passed over.
    pub(super) fn expire(
        &mut self,
        number: u64,
        is_late: bool,
        now_ms: u64,
        jitter_permille: u16,
    ) -> bool {
        if self.numbers.contains(number) {
            self.tries = self.tries.saturating_add(1);
            self.next = number.saturating_add(1);
            self.from_ms = now_ms.saturating_add(timeout_ms(self.tries, jitter_permille));
            return true;
        }
        let has_room = self.numbers.range_count() < Sender::PASSED_RANGES_MAX
            || !self.numbers.would_add_range(number);
        if !is_late || !has_room {
            return false;
        }
        // It may have been damaged on the way alone.
        self.numbers.insert(number);
        (self.next, self.from_ms, self.tries) = (number, now_ms, 0);
        true
    }

    /// Takes note of what is settled. Where one of these is, the others may be, too: they go the
    /// way of any other block again.
    pub(super) fn settle(&mut self, settled: &RangeSet) {
        let is_touched = |range: Range| settled.missing_between(range.first, range.last) != [range];
        if self.numbers.ranges().any(is_touched) {
            *self = PassedOver::default();
        }
    }

    /// Takes one out that the journal no longer has.
    pub(super) fn remove(&mut self, number: u64) {
        self.numbers.remove(number);
    }

    /// What of a range was not passed over.
    pub(super) fn others(&self, range: Range) -> Vec<Range> {
        self.numbers.missing_between(range.first, range.last)
    }
}
