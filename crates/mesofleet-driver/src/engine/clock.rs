//! What is known of a gun's clock, also of its earlier starts.
//!
//! A gun that restarts counts its ticks anew and may still hold shots of before. The mappings of
//! its last starts are kept, in the journal too, so that such a shot gets the time at which it was
//! fired and not the one at which it was read.

use std::collections::VecDeque;

use meso_link_proto::clock::ClockMapping;
use meso_units::{BootId, ClockSegment, GunSerial, GunTick, Timestamp, Uncertainty};

use super::Engine;
use crate::machine::Now;

/// Under this and its serial number the journal keeps the mappings of a gun.
pub(super) const CLOCK_VALUES: &str = "clock/";

/// Starts of a gun whose mapping is kept; of more the oldest is forgotten, and a shot of it gets
/// the time of its arrival without a bound.
const STARTS_MAX: usize = 4;

/// The length of a mapping in the journal.
const MAPPING_BYTES: usize = 52;

/// In a mapping's round trip in the journal: the computer's clock was not trusted when it was made.
/// No round trip is that long.
const UNTRUSTED: u64 = 1 << 63;

impl Engine {
    /// Whether what this computer's clock shows counts.
    pub(super) fn trusts_clock(&self, now: Now) -> bool {
        !self.awaits_time_service && now.utc >= Timestamp::PLAUSIBLE_FROM
    }

    /// From now on the computer's clock counts only once a time service has set it.
    pub(crate) const fn await_time_service(&mut self) {
        self.awaits_time_service = true;
    }

    /// A time service has set the computer's clock: what guns tell of theirs from now on has a bound.
    pub(crate) fn clock_was_set(&mut self) {
        self.awaits_time_service = false;
        self.all_statuses_due();
    }

    /// Takes note of a new mapping of a gun's clock.
    pub(super) fn learn_clock(&mut self, serial: &GunSerial, mapping: ClockMapping) {
        let segment = ClockSegment(self.clock_segment_base.saturating_add(mapping.segment));
        self.clock_segment = self.clock_segment.max(segment);
        let is_trusted = !self.awaits_time_service;
        self.gun(serial).clock.learn(mapping, segment, is_trusted);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    mapping: ClockMapping,
    /// The stretch of the driver's clock; the mapping's own number counts from the driver's start.
    segment: ClockSegment,
    /// Whether a time service had set the computer's clock by then, where one is waited for.
    is_trusted: bool,
}

/// The clock of one gun.
#[derive(Clone, Debug, Default)]
pub(super) struct GunClock {
    /// The newest start last.
    starts: VecDeque<Start>,
    /// Whether the journal lacks something of it.
    is_new: bool,
}

impl GunClock {
    pub(super) fn learn(&mut self, mapping: ClockMapping, segment: ClockSegment, is_trusted: bool) {
        self.starts
            .retain(|start| start.mapping.boot_id != mapping.boot_id);
        if self.starts.len() == STARTS_MAX {
            self.starts.pop_front();
        }
        self.starts.push_back(Start {
            mapping,
            segment,
            is_trusted,
        });
        self.is_new = true;
    }

    /// When a shot was fired, by the mapping of its start; without a bound where that was made with a
    /// clock that nothing had set.
    pub(super) fn time_of(
        &self,
        boot: BootId,
        tick: GunTick,
    ) -> Option<(Timestamp, Uncertainty, ClockSegment)> {
        self.starts.iter().rev().find_map(|start| {
            let (at, within) = start.mapping.map(boot, tick)?;
            let uncertainty = match start.is_trusted {
                true => within,
                false => Uncertainty::Unbounded,
            };
            Some((at, uncertainty, start.segment))
        })
    }

    /// The newest mapping and its stretch.
    pub(super) fn newest(&self) -> Option<(ClockMapping, ClockSegment)> {
        let start = self.starts.back()?;
        Some((start.mapping, start.segment))
    }

    /// What the journal is to keep, where it has something else.
    pub(super) fn take_value(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.is_new).then(|| self.starts.iter().flat_map(bytes_of).collect())
    }

    /// Takes over what the journal has kept; what does not decode is left out, and its shots get
    /// the time of their arrival.
    pub(super) fn restore(&mut self, bytes: &[u8]) {
        let starts = bytes.chunks_exact(MAPPING_BYTES).filter_map(start_of);
        self.starts = starts.take(STARTS_MAX).collect();
    }
}

fn bytes_of(start: &Start) -> Vec<u8> {
    let mapping = &start.mapping;
    let mut bytes = Vec::with_capacity(MAPPING_BYTES);
    bytes.extend(mapping.boot_id.to_le_bytes());
    bytes.extend(start.segment.0.to_le_bytes());
    bytes.extend(mapping.segment.to_le_bytes());
    bytes.extend(mapping.reference_tick_us.to_le_bytes());
    bytes.extend(mapping.reference_at_ns.to_le_bytes());
    bytes.extend(mapping.drift_ppb.to_le_bytes());
    bytes.extend(mapping.drift_allowance_ppb.to_le_bytes());
    let untrusted = if start.is_trusted { 0 } else { UNTRUSTED };
    bytes.extend((mapping.rtt_ns | untrusted).to_le_bytes());
    bytes
}

fn start_of(bytes: &[u8]) -> Option<Start> {
    let four = |at: usize| bytes.get(at..at + 4)?.try_into().ok();
    let eight = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
    let rtt_ns = u64::from_le_bytes(eight(44)?);
    Some(Start {
        is_trusted: rtt_ns & UNTRUSTED == 0,
        segment: ClockSegment(u32::from_le_bytes(four(4)?)),
        mapping: ClockMapping {
            boot_id: u32::from_le_bytes(four(0)?),
            segment: u32::from_le_bytes(four(8)?),
            reference_tick_us: u64::from_le_bytes(eight(12)?),
            reference_at_ns: i64::from_le_bytes(eight(20)?),
            drift_ppb: i64::from_le_bytes(eight(28)?),
            drift_allowance_ppb: u64::from_le_bytes(eight(36)?),
            rtt_ns: rtt_ns & !UNTRUSTED,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(boot_id: u32) -> ClockMapping {
        ClockMapping {
            boot_id,
            segment: 3,
            reference_tick_us: 1_000 + u64::from(boot_id),
            reference_at_ns: Timestamp::PLAUSIBLE_FROM.unix_ns() - 5,
            drift_ppb: -40_000,
            drift_allowance_ppb: 200_000,
            rtt_ns: 900_000,
        }
    }

    #[test]
    fn the_last_starts_are_kept_as_they_were_and_the_oldest_is_forgotten() {
        let mut clock = GunClock::default();
        (1..=6).for_each(|boot| clock.learn(mapping(boot), ClockSegment(40 + boot), boot != 3));
        let bytes = clock.take_value().unwrap();
        assert_eq!(clock.take_value(), None, "the journal has it");
        let mut restored = GunClock::default();
        restored.restore(&bytes);
        assert_eq!(restored.starts, clock.starts);
        assert_eq!(restored.starts.len(), STARTS_MAX);
        let tick = GunTick::new(5_000).unwrap();
        assert_eq!(restored.time_of(BootId(2), tick), None);
        let (_, uncertainty, segment) = restored.time_of(BootId(3), tick).unwrap();
        assert_eq!(segment, ClockSegment(43));
        assert_eq!(
            uncertainty,
            Uncertainty::Unbounded,
            "nothing had set the clock"
        );
        let (_, uncertainty, _) = restored.time_of(BootId(4), tick).unwrap();
        assert!(matches!(uncertainty, Uncertainty::Within(_)));
    }

    #[test]
    fn bytes_that_are_no_mappings_are_left_out() {
        let mut clock = GunClock::default();
        clock.restore(&[1; MAPPING_BYTES + 7]);
        assert_eq!(clock.starts.len(), 1);
        clock.restore(&[]);
        assert!(clock.starts.is_empty());
    }
}
