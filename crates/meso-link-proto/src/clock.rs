//! From the gun's clock to UTC, by four timestamps.
//!
//! The host sends its time t1, the gun notes t2 when the request is in and t3 when the answer
//! goes out, the host notes t4. The gun's tick in the middle of (t2, t3) belongs to the host's
//! time in the middle of (t1, t4), and cannot be off by more than half of the round trip
//! (t4 − t1) − (t3 − t2). Of the last eight samples the one with the shortest round trip counts;
//! the drift comes from the best samples of windows that lie further apart.
//!
//! This module computes; it reads no clock. A step of the host's clock (UTC moves against the
//! monotonic clock) ends a segment, as [`StepWatch`] finds out for all guns of a host at once: the
//! samples of before are dropped.

use alloc::collections::VecDeque;

use meso_units::{BootId, GunTick, Timestamp, Uncertainty};

/// How many samples compete for the shortest round trip; older ones drop out.
pub const WINDOW_SAMPLES_MAX: usize = 8;
/// How many best samples of past windows are kept for the drift; older ones drop out.
pub const ANCHORS_MAX: usize = 16;
/// Drift is computed only over a baseline of at least this, in µs: 10 s.
pub const DRIFT_BASELINE_US_MIN: u64 = 10_000_000;
/// What a gun's crystal may drift before it is measured, in parts per 10⁹: 200 ppm.
pub const DRIFT_ALLOWANCE_PPB: u64 = 200_000;
/// What a measured drift may still be off besides the round trips, in parts per 10⁹: 10 ppm.
pub const DRIFT_RESIDUE_PPB: u64 = 10_000;
/// UTC that moves this far against the monotonic clock between two readings has stepped, in ns.
pub const STEP_NS: u64 = 100_000_000;

/// The host's two clocks, read together by the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostNow {
    /// A clock that never steps, in ns since any moment.
    pub monotonic_ns: u64,
    /// UTC as the host believes it.
    pub utc: Timestamp,
    /// Counts the steps of UTC, see [`StepWatch`].
    pub segment: u32,
}

/// Counts the steps of a host's UTC against its monotonic clock.
///
/// ```
/// use meso_link_proto::clock::StepWatch;
/// use meso_units::Timestamp;
///
/// let mut watch = StepWatch::default();
/// let utc = |ns| Timestamp::from_unix_ns(ns);
/// assert_eq!(watch.read(1_000_000_000, utc(5_000_000_000)?).segment, 0);
/// assert_eq!(watch.read(2_000_000_000, utc(6_000_001_000)?).segment, 0); // a little slewed
/// assert_eq!(watch.read(3_000_000_000, utc(9_000_000_000)?).segment, 1); // set by 2 s
/// # Ok::<(), meso_units::UnitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepWatch {
    segment: u32,
    /// UTC − monotonic at the newest reading, in ns.
    offset_ns: Option<i128>,
}

impl StepWatch {
    /// Takes a reading of both clocks, made at the same moment, and says in which segment it is.
    pub fn read(&mut self, monotonic_ns: u64, utc: Timestamp) -> HostNow {
        let offset_ns = i128::from(utc.unix_ns()) - i128::from(monotonic_ns);
        let has_stepped = self
            .offset_ns
            .is_some_and(|before_ns| (offset_ns - before_ns).unsigned_abs() >= u128::from(STEP_NS));
        if has_stepped {
            self.segment = self.segment.saturating_add(1);
        }
        self.offset_ns = Some(offset_ns);
        HostNow {
            monotonic_ns,
            utc,
            segment: self.segment,
        }
    }
}

/// One exchange of four timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSample {
    /// t1: the host's clocks when the request went out.
    pub host_sent: HostNow,
    /// t2: the gun's clock when it was in.
    pub gun_received: GunTick,
    /// t3: the gun's clock when the answer went out.
    pub gun_sent: GunTick,
    /// t4: the host's clocks when the answer was in.
    pub host_received: HostNow,
}

/// A sample boiled down to one moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    tick_us: u64,
    at_ns: i64,
    rtt_ns: u64,
}

impl ClockSample {
    fn moment(&self) -> Moment {
        let (t2, t3) = (self.gun_received.get(), self.gun_sent.get());
        let gun_ns = t3.saturating_sub(t2).saturating_mul(1_000);
        let host_ns = self
            .host_received
            .monotonic_ns
            .saturating_sub(self.host_sent.monotonic_ns);
        let tick_us = t2 + t3.saturating_sub(t2) / 2;
        // Half of the way back from t4 and not the mean of two UTC readings, so that a step of
        // UTC between the two cannot halve itself into the sample.
        let half_ns = i64::try_from(host_ns / 2).unwrap_or(i64::MAX);
        Moment {
            tick_us,
            at_ns: self.host_received.utc.unix_ns().saturating_sub(half_ns),
            // A gun that claims to have taken longer than the whole trip is not believed to
            // the nanosecond: the whole trip is the uncertainty then.
            rtt_ns: host_ns.checked_sub(gun_ns).unwrap_or(host_ns),
        }
    }
}

/// A line from gun ticks to UTC, as plain integers so that it can be kept and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockMapping {
    /// The gun's start that the ticks count from.
    pub boot_id: u32,
    /// The host's clock segment in which this holds.
    pub segment: u32,
    /// The gun's clock at the reference moment, in µs.
    pub reference_tick_us: u64,
    /// UTC at the reference moment, in ns since 1970.
    pub reference_at_ns: i64,
    /// How much faster UTC runs than the gun's clock, in parts per 10⁹; negative is slower.
    pub drift_ppb: i64,
    /// How far the drift may be off, in parts per 10⁹.
    pub drift_allowance_ppb: u64,
    /// The round trip of the reference sample, in ns.
    pub rtt_ns: u64,
}

impl ClockMapping {
    /// UTC of a tick of the gun's start `boot`, and how far it may be off; `None` for a tick of
    /// another start, whose zero is not known.
    ///
    /// ```
    /// use meso_link_proto::clock::ClockMapping;
    /// use meso_units::{BootId, GunTick, Uncertainty};
    ///
    /// let mapping = ClockMapping {
    ///     boot_id: 7,
    ///     segment: 0,
    ///     reference_tick_us: 1_000_000,
    ///     reference_at_ns: 1_700_000_000_000_000_000,
    ///     drift_ppb: 0,
    ///     drift_allowance_ppb: 200_000,
    ///     rtt_ns: 2_000_000,
    /// };
    /// let (at, uncertainty) = mapping.map(BootId(7), GunTick::new(2_000_000)?).unwrap();
    /// assert_eq!(at.unix_ns(), 1_700_000_001_000_000_000);
    /// assert_eq!(uncertainty, Uncertainty::Within(1_200_000)); // 1 ms and 200 ppm of 1 s
    /// assert!(mapping.map(BootId(8), GunTick::new(2_000_000)?).is_none());
    /// # Ok::<(), meso_units::UnitError>(())
    /// ```
    pub fn map(&self, boot: BootId, tick: GunTick) -> Option<(Timestamp, Uncertainty)> {
        if boot.get() != self.boot_id {
            return None;
        }
        let gun_ns = (i128::from(tick.get()) - i128::from(self.reference_tick_us)) * 1_000;
        let drift_ns = gun_ns * i128::from(self.drift_ppb) / 1_000_000_000;
        let at_ns = i64::try_from(i128::from(self.reference_at_ns) + gun_ns + drift_ns).ok()?;
        let allowance_ns =
            gun_ns.unsigned_abs() * u128::from(self.drift_allowance_ppb) / 1_000_000_000;
        let within_ns = u64::try_from(allowance_ns)
            .ok()?
            .checked_add(self.rtt_ns / 2)?;
        Some((
            Timestamp::from_unix_ns(at_ns).ok()?,
            Uncertainty::Within(within_ns),
        ))
    }
}

/// Collects samples of one gun and makes a [`ClockMapping`] of them.
#[derive(Clone, Debug, Default)]
pub struct ClockMapper {
    /// The gun's start and the host's clock segment that all samples are of.
    origin: Option<(BootId, u32)>,
    window: VecDeque<Moment>,
    anchors: VecDeque<Moment>,
    since_anchor: usize,
}

impl ClockMapper {
    /// A mapper without samples.
    pub fn new() -> ClockMapper {
        ClockMapper::default()
    }

    /// How many samples the window holds.
    pub fn sample_count(&self) -> usize {
        self.window.len()
    }

    /// Takes a sample of the gun's start `boot` and returns the new mapping; `None` for a sample
    /// that a step of the host's clock has spoiled.
    pub fn add(&mut self, boot: BootId, sample: &ClockSample) -> Option<ClockMapping> {
        let segment = sample.host_received.segment;
        if sample.host_sent.segment != segment {
            return None; // the clock was set while the question was under way
        }
        if self.origin != Some((boot, segment)) {
            self.forget_samples();
            self.origin = Some((boot, segment));
        }
        if self.window.len() == WINDOW_SAMPLES_MAX {
            self.window.pop_front();
        }
        self.window.push_back(sample.moment());
        self.since_anchor += 1;
        if self.since_anchor >= WINDOW_SAMPLES_MAX {
            self.since_anchor = 0;
            if self.anchors.len() == ANCHORS_MAX {
                self.anchors.pop_front();
            }
            self.anchors.extend(self.best());
        }
        self.mapping()
    }

    /// The newest mapping; `None` before the first sample.
    pub fn mapping(&self) -> Option<ClockMapping> {
        let (boot, segment) = self.origin?;
        let best = self.best()?;
        let (drift_ppb, drift_allowance_ppb) = self.drift(best).unwrap_or((0, DRIFT_ALLOWANCE_PPB));
        Some(ClockMapping {
            boot_id: boot.get(),
            segment,
            reference_tick_us: best.tick_us,
            reference_at_ns: best.at_ns,
            drift_ppb,
            drift_allowance_ppb,
            rtt_ns: best.rtt_ns,
        })
    }

    /// Forgets all samples, as after a restart of the gun.
    pub fn restart(&mut self) {
        self.origin = None;
        self.forget_samples();
    }

    fn forget_samples(&mut self) {
        self.window.clear();
        self.anchors.clear();
        self.since_anchor = 0;
    }

    /// The sample of the window with the shortest round trip; the newer of two equal ones.
    fn best(&self) -> Option<Moment> {
        self.window
            .iter()
            .rev()
            .min_by_key(|moment| moment.rtt_ns)
            .copied()
    }

    /// Drift and its allowance between the oldest anchor and the best sample.
    fn drift(&self, best: Moment) -> Option<(i64, u64)> {
        let anchor = self.anchors.front()?;
        let baseline_us = best.tick_us.checked_sub(anchor.tick_us)?;
        if baseline_us < DRIFT_BASELINE_US_MIN {
            return None;
        }
        let gun_ns = i128::from(baseline_us) * 1_000;
        let host_ns = i128::from(best.at_ns) - i128::from(anchor.at_ns);
        let drift_ppb = i64::try_from((host_ns - gun_ns) * 1_000_000_000 / gun_ns).ok()?;
        let error_ns = i128::from(anchor.rtt_ns / 2) + i128::from(best.rtt_ns / 2);
        let error_ppb = u64::try_from(error_ns * 1_000_000_000 / gun_ns).ok()?;
        Some((drift_ppb, error_ppb.saturating_add(DRIFT_RESIDUE_PPB)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC_NS: i64 = 1_700_000_000_000_000_000;

    fn host(monotonic_ns: u64, step_ns: i64) -> HostNow {
        let utc_ns = UTC_NS + i64::try_from(monotonic_ns).unwrap() + step_ns;
        HostNow {
            monotonic_ns,
            utc: Timestamp::from_unix_ns(utc_ns).unwrap(),
            segment: u32::from(step_ns != 0),
        }
    }

    /// A sample at `at_ns` of a gun whose clock runs `ppm` fast, over ways of these lengths.
    fn sample(at_ns: u64, there_ns: u64, back_ns: u64, ppm: u64, step_ns: i64) -> ClockSample {
        let tick = |ns: u64| {
            let ns = u128::from(ns) * u128::from(1_000_000 + ppm) / 1_000_000;
            GunTick::new(u64::try_from(ns / 1_000).unwrap()).unwrap()
        };
        ClockSample {
            host_sent: host(at_ns, step_ns),
            gun_received: tick(at_ns + there_ns),
            gun_sent: tick(at_ns + there_ns + 50_000),
            host_received: host(at_ns + there_ns + 50_000 + back_ns, step_ns),
        }
    }

    #[test]
    fn there_is_no_mapping_before_the_first_sample() {
        assert_eq!(ClockMapper::new().mapping(), None);
    }

    #[test]
    fn the_sample_with_the_shortest_round_trip_counts() {
        let mut mapper = ClockMapper::new();
        mapper.add(
            BootId(1),
            &sample(1_000_000_000, 9_000_000, 1_000_000, 0, 0),
        );
        mapper.add(BootId(1), &sample(1_100_000_000, 500_000, 500_000, 0, 0));
        let mapping = mapper
            .add(
                BootId(1),
                &sample(1_200_000_000, 2_000_000, 9_000_000, 0, 0),
            )
            .unwrap();
        assert_eq!(mapping.rtt_ns, 1_000_000);
        let (at, _) = mapping
            .map(BootId(1), GunTick::new(1_000_000).unwrap())
            .unwrap();
        assert!(
            at.since_ns(host(1_000_000_000, 0).utc).abs() <= 1_000,
            "{at}"
        );
    }

    #[test]
    fn the_truth_lies_within_the_uncertainty_for_a_drifting_gun() {
        let mut mapper = ClockMapper::new();
        for step in 0..60_u64 {
            let (there, back) = if step % 3 == 0 {
                (400_000, 600_000)
            } else {
                (3_000_000, 100_000)
            };
            let at_ns = 1_000_000_000 + step * 2_000_000_000;
            let mapping = mapper
                .add(BootId(1), &sample(at_ns, there, back, 120, 0))
                .unwrap();
            let truth = sample(at_ns + 5_000_000_000, 0, 0, 120, 0);
            let (at, within) = mapping.map(BootId(1), truth.gun_received).unwrap();
            let Uncertainty::Within(within_ns) = within else {
                panic!("bounded")
            };
            let error_ns = at.since_ns(truth.host_sent.utc).unsigned_abs();
            assert!(
                error_ns <= within_ns + 2_000,
                "step {step}: {error_ns} > {within_ns}"
            );
        }
        let drift_ppb = mapper.mapping().unwrap().drift_ppb;
        assert!((-140_000..=-100_000).contains(&drift_ppb), "{drift_ppb}");
    }

    #[test]
    fn a_step_of_the_host_clock_begins_a_segment_and_forgets_the_samples() {
        let mut mapper = ClockMapper::new();
        mapper.add(BootId(1), &sample(1_000_000_000, 100_000, 100_000, 0, 0));
        let stepped = sample(3_000_000_000, 900_000, 900_000, 0, 3_600_000_000_000);
        let mapping = mapper.add(BootId(1), &stepped).unwrap();
        assert_eq!(mapping.segment, 1);
        assert_eq!(mapper.sample_count(), 1);
        let (at, _) = mapping.map(BootId(1), stepped.gun_received).unwrap();
        assert!(at.since_ns(stepped.host_sent.utc).abs() < 1_000_000_000);
    }

    #[test]
    fn ticks_of_another_start_are_not_mapped() {
        let mut mapper = ClockMapper::new();
        let mapping = mapper
            .add(BootId(1), &sample(1_000_000_000, 1, 1, 0, 0))
            .unwrap();
        assert_eq!(mapping.map(BootId(2), GunTick::new(5).unwrap()), None);
        mapper.add(BootId(2), &sample(9_000_000_000, 1, 1, 0, 0));
        assert_eq!(
            mapper.sample_count(),
            1,
            "the samples of the old start are gone"
        );
    }
}
