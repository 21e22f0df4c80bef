//! How far a stream is settled, and by which blocks.

use meso_domain::{BlockHash, BlockPlace};
use meso_units::BlockNumber;

use super::{Range, Receiver, StreamKey, hash_of};
use crate::sender::SettledBlock;

/// How far a stream is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Every block up to this one; 0 for none.
    pub to: u64,
    /// Ranges beyond that, lowest first.
    pub ranges: Vec<Range>,
}

impl Receiver {
    /// How far a stream is settled, with at most `range_count_max` ranges beyond the prefix.
    pub fn settled(&self, key: &StreamKey, range_count_max: usize) -> Settled {
        let Some(state) = self.streams.get(key) else {
            return Settled {
                to: 0,
                ranges: Vec::new(),
            };
        };
        let to = state.settled.run_from(1).unwrap_or(0);
        let beyond = state.settled.ranges().filter(|range| range.first > to);
        Settled {
            to,
            ranges: beyond.take(range_count_max).collect(),
        }
    }

    /// Which blocks are settled: the last block of each run, by its hash. `stored` finds the hash of
    /// a block that is held.
    ///
    /// A run that ends with places which were refused is named by the last block before them, at
    /// most [`Receiver::REFUSED_IN_A_ROW_MAX`] places back; beyond that it is not named.
    ///
    /// # Errors
    ///
    /// Whatever `stored` says.
    pub fn settled_blocks<E>(
        &self,
        key: &StreamKey,
        settled: &Settled,
        mut stored: impl FnMut(&BlockPlace) -> Result<Option<BlockHash>, E>,
    ) -> Result<Vec<SettledBlock>, E> {
        let Some(state) = self.streams.get(key) else {
            return Ok(Vec::new());
        };
        let prefix = Range {
            first: 1,
            last: settled.to,
        };
        let mut blocks = Vec::new();
        for run in std::iter::once(&prefix).chain(&settled.ranges) {
            let numbers = (run.first..=run.last).rev();
            for number in numbers.take(Receiver::REFUSED_IN_A_ROW_MAX) {
                let place = key.place(BlockNumber(number));
                if let Some(hash) = hash_of(state, &place, &mut stored)? {
                    blocks.push(SettledBlock { number, hash });
                    break;
                }
            }
        }
        Ok(blocks)
    }
}
