//! The stream of shots: in the order of the counter, each counter once, holes asked for again.
//!
//! Go-back: what comes after a hole is dropped and comes again after the hole is filled, so that
//! nothing needs to be held here. At nine shots a second that costs a few hundred bytes per hole.

use meso_units::{Epoch, ShotCounter};

use super::ns;
use crate::message::{Inventory, Range, SendFrom, ShotKey, Watermark};
use crate::timing;

/// Where the stream of shots stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// The epoch.
    pub epoch: Epoch,
    /// The counter that comes next.
    pub next: ShotCounter,
    /// Everything up to here is acknowledged; `None` while nothing is.
    pub acknowledged: Option<ShotCounter>,
    /// Whether the gun has confirmed the latest request and nothing is missing.
    pub is_settled: bool,
}

/// What a shot's counter says about its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the next one.
    Next,
    /// It has been here before.
    Again,
    /// Something before it is missing.
    TooEarly,
    /// It is of another epoch.
    OtherEpoch,
}

/// What a range message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeVerdict {
    /// It answers nothing that is asked.
    Ignored,
    /// The stream goes on; `lost` counters are gone for good. `confirms` says that it answered
    /// a request, after which the watermark is due.
    Settled {
        lost: Option<(ShotCounter, ShotCounter)>,
        confirms: bool,
    },
    /// The gun has fewer shots than the host holds.
    WentBack { expected: ShotCounter },
}

/// The shots of a broken epoch, read once more to be kept apart from the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Salvage {
    /// The newest counter when the gun was asked; `None` until it has answered.
    until: Option<u32>,
    /// Everything up to here was handed on and told as whole.
    told: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Stream {
    epoch: Epoch,
    salvage: Option<Salvage>,
    next: u32,
    acknowledged: u32,
    /// The number of the latest request; 0 before the first.
    request: u16,
    is_settled: bool,
    /// Whether the gun has ever confirmed that its counter goes on from here.
    is_confirmed: bool,
    begun_at_ns: u64,
    asked_at_ns: Option<u64>,
    progress_at_ns: u64,
}

impl Stream {
    pub(super) fn new(epoch: Epoch, next: ShotCounter, now_ns: u64) -> Stream {
        Stream {
            epoch,
            salvage: None,
            next: next.get(),
            acknowledged: next.get().saturating_sub(1),
            request: 0,
            is_settled: false,
            is_confirmed: false,
            begun_at_ns: now_ns,
            asked_at_ns: None,
            progress_at_ns: now_ns,
        }
    }

    /// A stream of a listener that holds nothing and so acknowledges nothing.
    pub(super) fn listening(epoch: Epoch, next: ShotCounter, now_ns: u64) -> Stream {
        Stream {
            acknowledged: 0,
            ..Stream::new(epoch, next, now_ns)
        }
    }

    /// The stream that reads a broken epoch once more, from the oldest shot that the ring holds.
    pub(super) fn salvaging(epoch: Epoch, now_ns: u64) -> Stream {
        Stream {
            salvage: Some(Salvage::default()),
            // At once: nothing of it is mapped to a time.
            asked_at_ns: Some(now_ns.saturating_sub(ns(timing::SEND_FROM_TIMEOUT))),
            ..Stream::new(epoch, ShotCounter(1), now_ns)
        }
    }

    pub(super) fn is_salvage(&self) -> bool {
        self.salvage.is_some()
    }

    /// What a salvage has told as whole; `None` for the stream of the record.
    pub(super) fn salvaged(&self) -> Option<u32> {
        self.salvage.map(|salvage| salvage.told.unwrap_or(0))
    }

    /// Whether a salvage has just become whole, and up to which counter; 0 where there was no
    /// shot. What the gun fires afterwards makes it whole again.
    pub(super) fn salvage_end(&mut self) -> Option<u32> {
        let salvage = self.salvage.as_mut()?;
        let newest = self.next.saturating_sub(1);
        if newest < salvage.until? || salvage.told == Some(newest) {
            return None;
        }
        salvage.told = Some(newest);
        Some(newest)
    }

    pub(super) fn position(&self) -> StreamPosition {
        StreamPosition {
            epoch: self.epoch,
            next: ShotCounter(self.next),
            acknowledged: (self.acknowledged > 0).then_some(ShotCounter(self.acknowledged)),
            is_settled: self.is_settled,
        }
    }

    pub(super) fn watermark(&self, session: u32) -> Watermark {
        // Before the gun has confirmed that its counter goes on, an acknowledgement could cover
        // other shots under the same numbers.
        let counter = self.position().acknowledged.filter(|_| self.is_confirmed);
        Watermark {
            session,
            epoch: Some(self.epoch),
            counter,
        }
    }

    /// Moves the watermark up to what was handed on; says whether the gun is to hear of it.
    pub(super) fn acknowledge(&mut self, counter: ShotCounter) -> bool {
        let held = counter.get().min(self.next.saturating_sub(1));
        let moves = held > self.acknowledged;
        self.acknowledged = self.acknowledged.max(held);
        moves && self.is_confirmed
    }

    pub(super) fn due_ns(&self) -> u64 {
        if self.is_settled {
            return u64::MAX;
        }
        match self.asked_at_ns {
            Some(asked) => asked.saturating_add(ns(timing::SEND_FROM_TIMEOUT)),
            None => self.begun_at_ns.saturating_add(ns(timing::CLOCK_PATIENCE)),
        }
    }

    /// The request that is due now, if one is.
    pub(super) fn request(
        &mut self,
        session: u32,
        has_clock: bool,
        now_ns: u64,
    ) -> Option<SendFrom> {
        if self.is_settled {
            return None;
        }
        let is_due = match self.asked_at_ns {
            None => has_clock || now_ns >= self.due_ns(),
            Some(_) => now_ns >= self.due_ns(),
        };
        if !is_due {
            return None;
        }
        self.asked_at_ns = Some(now_ns);
        self.request = self.request.wrapping_add(1).max(1);
        Some(SendFrom {
            session,
            request: self.request,
            epoch: self.epoch,
            counter: ShotCounter(self.next),
        })
    }

    pub(super) fn judge(&mut self, key: ShotKey, now_ns: u64) -> Turn {
        if key.epoch != self.epoch {
            return Turn::OtherEpoch;
        }
        let counter = key.counter.get();
        if counter == self.next {
            self.next = self.next.saturating_add(1);
            self.progress_at_ns = now_ns;
            return Turn::Next;
        }
        if counter < self.next {
            return Turn::Again;
        }
        self.ask_again(now_ns);
        Turn::TooEarly
    }

    /// The gun says what it holds: a shot that should have come by now was lost on the way.
    pub(super) fn on_inventory(&mut self, inventory: &Inventory, now_ns: u64) {
        let newest = inventory.newest.map_or(0, ShotCounter::get);
        let is_idle = now_ns.saturating_sub(self.progress_at_ns) >= ns(timing::SEND_FROM_TIMEOUT);
        if inventory.epoch == Some(self.epoch) && newest >= self.next && is_idle {
            self.ask_again(now_ns);
        }
    }

    fn ask_again(&mut self, now_ns: u64) {
        if !self.is_settled {
            return;
        }
        let gap_ns = ns(timing::SEND_FROM_GAP);
        let asked_lately = self
            .asked_at_ns
            .is_some_and(|asked| now_ns.saturating_sub(asked) < gap_ns);
        if asked_lately {
            return;
        }
        self.is_settled = false;
        // Due at once: as if the last request had timed out.
        self.asked_at_ns = Some(now_ns.saturating_sub(ns(timing::SEND_FROM_TIMEOUT)));
    }

    pub(super) fn on_range(&mut self, range: &Range) -> RangeVerdict {
        let is_answer = range.request == self.request && self.request != 0;
        let is_overtaking = range.request == 0 && self.is_settled;
        if range.epoch != self.epoch || !(is_answer || is_overtaking) {
            return RangeVerdict::Ignored;
        }
        let newest = range.newest.map_or(0, ShotCounter::get);
        if newest < self.next.saturating_sub(1) {
            return RangeVerdict::WentBack {
                expected: ShotCounter(self.next),
            };
        }
        let confirms = is_answer && !self.is_settled;
        self.is_settled = true;
        self.is_confirmed = true;
        if let Some(salvage) = self.salvage.as_mut() {
            salvage.until.get_or_insert(newest);
        }
        let lost = (range.from > self.next).then(|| {
            let lost = (ShotCounter(self.next), ShotCounter(range.from - 1));
            self.next = range.from;
            lost
        });
        RangeVerdict::Settled { lost, confirms }
    }
}
