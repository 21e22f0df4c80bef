//! Everything that is left to chance, from one seed.

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// Chance; the same seed falls the same way.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    random: Pcg64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice {
            random: Pcg64::seed_from_u64(seed),
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// A number below `end`; 0 where `end` is.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// An index of a list of this length; 0 where it is empty.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// A number that is not zero.
    pub(crate) fn name(&mut self) -> u64 {
        self.number().max(1)
    }

    /// From 0 to 1000.
    pub(crate) fn permille(&mut self) -> u16 {
        u16::try_from(self.below(1_001)).unwrap_or(0)
    }
}
