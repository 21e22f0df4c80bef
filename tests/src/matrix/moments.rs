//! When things happen, from a seed alone.

use std::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// The random part of one round. What the operating system does between two moments is not in it:
/// a seed repeats what is done, not what comes of it.
#[derive(Debug)]
pub struct Moments {
    random: Pcg64,
}

impl Moments {
    /// Of one seed and fault.
    pub fn new(seed: u64, fault: &str) -> Moments {
        // FNV-1a, so that two faults of one seed do not march in step.
        let hash = fault.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Moments {
            random: Pcg64::seed_from_u64(seed ^ hash),
        }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.next_u64() % (high - low + 1)
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.between(0, 1) == 1
    }

    /// Lets so many milliseconds pass.
    pub fn rest(&mut self, low_ms: u64, high_ms: u64) {
        let time = Duration::from_millis(self.between(low_ms, high_ms));
        std::thread::sleep(time);
    }
}
