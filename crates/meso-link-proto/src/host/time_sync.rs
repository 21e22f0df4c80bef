//! Asks for the time: eight times quickly, then every two seconds, one request at a time.

use meso_units::BootId;

use super::ns;
use crate::clock::{ClockMapper, ClockMapping, ClockSample, HostNow, WINDOW_SAMPLES_MAX};
use crate::message::{TimeAnswer, TimeRequest};
use crate::timing;

#[derive(Debug, Default)]
pub(super) struct TimeSync {
    mapper: ClockMapper,
    number: u32,
    pending: Option<(u32, HostNow)>,
    next_at_ns: u64,
}

impl TimeSync {
    /// Begins anew with a gun that has just started.
    pub(super) fn restart(&mut self) {
        self.mapper.restart();
        self.pending = None;
        self.next_at_ns = 0;
    }

    pub(super) fn mapping(&self) -> Option<ClockMapping> {
        self.mapper.mapping()
    }

    pub(super) fn due_ns(&self) -> u64 {
        self.next_at_ns
    }

    /// The request that is due now, if one is; an answer to an older one is no longer awaited.
    pub(super) fn request(&mut self, now: HostNow) -> Option<TimeRequest> {
        if now.monotonic_ns < self.next_at_ns {
            return None;
        }
        let interval = if self.mapper.sample_count() < WINDOW_SAMPLES_MAX {
            timing::TIME_INTERVAL_FIRST
        } else {
            timing::TIME_INTERVAL
        };
        self.next_at_ns = now.monotonic_ns.saturating_add(ns(interval));
        self.number = self.number.wrapping_add(1);
        self.pending = Some((self.number, now));
        let host_sent_ns = i64::try_from(now.monotonic_ns).unwrap_or(i64::MAX);
        Some(TimeRequest {
            request: self.number,
            host_sent_ns,
        })
    }

    /// Takes the answer to the pending request and returns the new mapping.
    pub(super) fn answer(
        &mut self,
        boot: BootId,
        answer: &TimeAnswer,
        now: HostNow,
    ) -> Option<ClockMapping> {
        let (number, host_sent) = self.pending?;
        let age_ns = now.monotonic_ns.saturating_sub(host_sent.monotonic_ns);
        if answer.request != number || age_ns > ns(timing::TIME_TIMEOUT) {
            return None;
        }
        self.pending = None;
        let sample = ClockSample {
            host_sent,
            gun_received: answer.received,
            gun_sent: answer.sent,
            host_received: now,
        };
        self.mapper.add(boot, &sample)
    }
}
