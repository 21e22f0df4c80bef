//! How long guns wait for their answers, measured where it counts: from the return of the read
//! that brought a shot to the return of the write that answers it.

use std::collections::{BTreeMap, VecDeque};

use meso_contract::room::{LatencyBody, LatencyBucketBody};
use meso_serial::{GunEvent, PortEvent};
use meso_units::{Epoch, GunSerial, ShotCounter};

/// Steps of a histogram per doubling: a quantile is at most 6 % too high.
const STEPS_PER_OCTAVE: usize = 16;

/// Doublings of a microsecond that a histogram tells apart: up to 16.8 s, then one step for all.
const OCTAVES: usize = 24;

/// Shots of one gun that wait for their acknowledgement; of more, the oldest are not measured.
const WAITING_MAX: usize = 4_096;

/// Times that something took, in steps that grow with them.
#[derive(Clone, Debug)]
struct Histogram {
    counts: Box<[u64; OCTAVES * STEPS_PER_OCTAVE]>,
    count: u64,
    max_us: u64,
}

impl Histogram {
    fn new() -> Histogram {
        Histogram {
            counts: Box::new([0; OCTAVES * STEPS_PER_OCTAVE]),
            count: 0,
            max_us: 0,
        }
    }

    fn record(&mut self, us: u64) {
        if let Some(count) = self.counts.get_mut(step_of(us)) {
            *count += 1;
        }
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// The upper end of the step within which `per_mille` of all lie, and never above the longest.
    fn quantile_us(&self, per_mille: u64) -> u64 {
        let wanted = (self.count * per_mille).div_ceil(1_000);
        let mut below = 0;
        for (step, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= wanted && below > 0 {
                return end_of(step).min(self.max_us);
            }
        }
        self.max_us
    }

    fn body(&self, name: &str) -> LatencyBody {
        let counts = self.counts.iter().enumerate();
        let buckets = counts.filter(|(_, count)| **count > 0);
        LatencyBody {
            name: name.to_owned(),
            count: self.count,
            p50_us: self.quantile_us(500),
            p99_us: self.quantile_us(990),
            p999_us: self.quantile_us(999),
            max_us: self.max_us,
            buckets: buckets
                .map(|(step, count)| LatencyBucketBody {
                    up_to_us: end_of(step),
                    count: *count,
                })
                .collect(),
        }
    }
}

/// The step that a time belongs to: the octave, and its highest bits below the leading one.
fn step_of(us: u64) -> usize {
    let us = us.max(1);
    let octave = us.ilog2();
    let above = us - (1 << octave);
    let within = match octave {
        0..4 => above << (4 - octave),
        _ => above >> (octave - 4),
    };
    let step = octave as usize * STEPS_PER_OCTAVE + within as usize;
    step.min(OCTAVES * STEPS_PER_OCTAVE - 1)
}

/// The longest time of a step, in µs.
fn end_of(step: usize) -> u64 {
    let (octave, within) = (step / STEPS_PER_OCTAVE, (step % STEPS_PER_OCTAVE) as u64);
    let start = 1_u64 << octave;
    match octave {
        0..4 => start + (within >> (4 - octave)),
        _ => start + ((within + 1) << (octave - 4)) - 1,
    }
}

/// A shot that is not acknowledged yet.
#[derive(Debug)]
struct Waiting {
    epoch: Epoch,
    counter: ShotCounter,
    read_ns: u64,
}

/// The daemon's measurements since its start.
#[derive(Debug)]
pub(crate) struct Latency {
    acknowledgement: Histogram,
    inhibition: Histogram,
    waiting: BTreeMap<GunSerial, VecDeque<Waiting>>,
}

impl Latency {
    /// Nothing measured yet.
    pub(crate) fn new() -> Latency {
        Latency {
            acknowledgement: Histogram::new(),
            inhibition: Histogram::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// An event has come out of the ports; only shots are measured.
    pub(crate) fn heard(&mut self, event: &PortEvent) {
        let (Some(gun), GunEvent::Shot { shot, .. }) = (&event.gun, &event.event) else {
            return;
        };
        let queue = match self.waiting.get_mut(gun) {
            Some(queue) => queue,
            None => self.waiting.entry(gun.clone()).or_default(),
        };
        if queue.len() == WAITING_MAX {
            queue.pop_front();
        }
        queue.push_back(Waiting {
            epoch: shot.key.epoch,
            counter: shot.key.counter,
            read_ns: event.read_ns,
        });
    }

    /// The acknowledgement of every shot up to this one has been written to the port.
    pub(crate) fn acknowledged(
        &mut self,
        gun: &GunSerial,
        epoch: Epoch,
        counter: ShotCounter,
        now_ns: u64,
    ) {
        let Some(queue) = self.waiting.get_mut(gun) else {
            return;
        };
        while let Some(shot) = queue.front()
            && (shot.epoch != epoch || shot.counter <= counter)
        {
            // A shot of an epoch that has ended is acknowledged by nobody.
            if shot.epoch == epoch {
                let us = now_ns.saturating_sub(shot.read_ns) / 1_000;
                self.acknowledgement.record(us);
            }
            queue.pop_front();
        }
    }

    /// INHIBIT has been written to the port because of a shot that was read at `read_ns`.
    pub(crate) fn inhibited(&mut self, read_ns: u64, now_ns: u64) {
        let us = now_ns.saturating_sub(read_ns) / 1_000;
        self.inhibition.record(us);
    }

    /// For those who ask.
    pub(crate) fn bodies(&self) -> Vec<LatencyBody> {
        vec![
            self.acknowledgement.body("shot_to_acknowledgement"),
            self.inhibition.body("breach_to_inhibit"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_the_step_that_ends_at_or_closely_above_it() {
        let times = (1..5_000_u64).chain([65_535, 65_536, 1_000_000, 15_999_999]);
        for us in times {
            let end = end_of(step_of(us));
            assert!(end >= us, "{us} lies above {end}");
            assert!(end <= us + us / 15, "{us} lies far below {end}");
        }
    }

    #[test]
    fn steps_grow_with_the_time_and_the_last_takes_all_else() {
        let steps: Vec<usize> = (0..40).map(|bits| step_of(1 << bits)).collect();
        assert!(steps.is_sorted(), "{steps:?}");
        assert_eq!(step_of(u64::MAX), OCTAVES * STEPS_PER_OCTAVE - 1);
    }

    #[test]
    fn a_quantile_is_the_end_of_its_step_and_never_above_the_longest() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_us(990), 0, "nothing measured");
        (1..=1_000).for_each(|us| histogram.record(us));
        assert!((500..=531).contains(&histogram.quantile_us(500)));
        assert!((990..=1_000).contains(&histogram.quantile_us(990)));
        assert_eq!(histogram.quantile_us(1_000), 1_000);
        assert_eq!(
            histogram
                .body("x")
                .buckets
                .iter()
                .map(|b| b.count)
                .sum::<u64>(),
            1_000
        );
    }

    #[test]
    fn a_shot_is_measured_once_when_an_acknowledgement_covers_it() {
        let gun = GunSerial::parse("GUN-0001").unwrap();
        let mut latency = Latency::new();
        let queue = latency.waiting.entry(gun.clone()).or_default();
        for (epoch, counter, read_ns) in [(1, 9, 0), (2, 1, 1_000_000), (2, 2, 3_000_000)] {
            queue.push_back(Waiting {
                epoch: Epoch(epoch),
                counter: ShotCounter(counter),
                read_ns,
            });
        }
        latency.acknowledged(&gun, Epoch(2), ShotCounter(1), 5_000_000);
        assert_eq!(
            latency.acknowledgement.count, 1,
            "the old epoch is not measured"
        );
        assert_eq!(latency.acknowledgement.max_us, 4_000);
        latency.acknowledged(&gun, Epoch(2), ShotCounter(2), 5_000_000);
        latency.acknowledged(&gun, Epoch(2), ShotCounter(2), 9_000_000);
        assert_eq!(latency.acknowledgement.count, 2);
    }
}
