//! The shots of one gun's epoch within one session: which are known, and failures in a row.
//!
//! Counters order the shots of a gun. The newest [`WINDOW`] counters are kept as bits, so that a
//! shot may come in any order among them, or twice; what slides out is folded into a run length.

use meso_units::{Epoch, GunSerial};

/// The name of a gun where it takes no further look into memory to compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name {
    bytes: [u8; GunSerial::LENGTH_MAX],
}

impl Name {
    fn of(gun: &GunSerial) -> Name {
        let mut bytes = [0; GunSerial::LENGTH_MAX];
        for (byte, letter) in bytes.iter_mut().zip(gun.as_str().bytes()) {
            *byte = letter;
        }
        Name { bytes }
    }
}

/// How many counters, up to the newest, may come in any order. An older one that was not seen is
/// late: its session must be judged again from the store. 128 are 14 seconds at 9 shots a second,
/// and two record blocks.
pub(crate) const WINDOW: u32 = 128;

/// How a shot came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// For the first time.
    New,
    /// Once more; it counts for nothing.
    Again,
    /// Behind the window: whether it was counted is not known here.
    Late,
    /// Of no session.
    Unplaced,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    gun: Name,
    epoch: Epoch,
    newest: u32,
    /// Bit i is the counter `newest - i`.
    seen: u128,
    /// Patient shots.
    patient: u128,
    /// Patient shots that failed.
    failed: u128,
    /// Failures in a row up to the oldest counter of the window.
    run: u32,
    /// The longest run of what has left the window.
    longest: u32,
}

impl Lane {
    pub(super) fn new(gun: &GunSerial, epoch: Epoch, counter: u32) -> Lane {
        Lane {
            gun: Name::of(gun),
            epoch,
            newest: counter,
            seen: 0,
            patient: 0,
            failed: 0,
            run: 0,
            longest: 0,
        }
    }

    pub(super) fn is_of(&self, gun: &GunSerial, epoch: Epoch) -> bool {
        self.epoch == epoch && self.gun == Name::of(gun)
    }

    pub(super) fn take(&mut self, counter: u32, is_patient: bool, is_failed: bool) -> Arrival {
        if counter > self.newest {
            self.slide(counter - self.newest);
            self.newest = counter;
        }
        let behind = self.newest - counter;
        if behind >= WINDOW {
            return Arrival::Late;
        }
        let bit = 1_u128 << behind;
        if self.seen & bit != 0 {
            return Arrival::Again;
        }
        self.seen |= bit;
        if is_patient {
            self.patient |= bit;
            if is_failed {
                self.failed |= bit;
            }
        }
        Arrival::New
    }

    fn slide(&mut self, by: u32) {
        let leaving = by.min(WINDOW);
        for age in (WINDOW - leaving..WINDOW).rev() {
            let bit = 1_u128 << age;
            if self.patient & bit != 0 {
                self.run = match self.failed & bit {
                    0 => 0,
                    _ => self.run.saturating_add(1),
                };
                self.longest = self.longest.max(self.run);
            }
        }
        let shifted = |bits: u128| bits.checked_shl(by).unwrap_or(0);
        self.seen = shifted(self.seen);
        self.patient = shifted(self.patient);
        self.failed = shifted(self.failed);
    }

    /// Failures in a row up to and with this counter; 0 where it did not fail.
    pub(super) fn run_at(&self, counter: u32) -> u32 {
        let behind = self.newest.saturating_sub(counter);
        if behind >= WINDOW || self.failed & (1_u128 << behind) == 0 {
            return 0;
        }
        let sound = (self.patient & !self.failed) >> behind;
        let failed = self.failed >> behind;
        match sound.trailing_zeros() {
            128 => self.run.saturating_add(failed.count_ones()),
            back => (failed & ((1_u128 << back) - 1)).count_ones(),
        }
    }

    /// The longest run of all that came.
    pub(super) fn longest_run(&self) -> u32 {
        let mut all = self.clone();
        all.slide(WINDOW);
        all.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(counter: u32) -> Lane {
        Lane::new(&GunSerial::parse("GUN-0001").unwrap(), Epoch(1), counter)
    }

    #[test]
    fn a_counter_is_new_once_and_late_behind_the_window() {
        let mut lane = lane(200);
        assert_eq!(lane.take(200, true, false), Arrival::New);
        assert_eq!(lane.take(200, true, false), Arrival::Again);
        assert_eq!(lane.take(73, true, false), Arrival::New, "the oldest place");
        assert_eq!(lane.take(72, true, false), Arrival::Late);
        assert_eq!(lane.take(201, true, false), Arrival::New);
        assert_eq!(lane.take(73, true, false), Arrival::Late);
    }

    #[test]
    fn a_run_is_the_same_whichever_way_its_shots_come() {
        let failed = [true, true, false, true, true, true, false];
        for backwards in [false, true] {
            let mut order: Vec<u32> = (1..=7).collect();
            if backwards {
                order.reverse();
            }
            let mut lane = lane(order[0]);
            for counter in order {
                lane.take(counter, true, failed[counter as usize - 1]);
            }
            assert_eq!(lane.longest_run(), 3);
            assert_eq!((lane.run_at(2), lane.run_at(3), lane.run_at(6)), (2, 0, 3));
        }
    }

    #[test]
    fn a_run_goes_on_across_the_window_and_over_primes() {
        let mut lane = lane(1);
        for counter in 1..=300 {
            let is_prime = counter % 10 == 0;
            lane.take(counter, !is_prime, !is_prime);
        }
        assert_eq!(lane.run_at(299), 270);
        lane.take(1_000, true, true);
        assert_eq!(
            lane.run_at(1_000),
            271,
            "what is missing between breaks no run"
        );
        assert_eq!(lane.longest_run(), 271);
    }
}
