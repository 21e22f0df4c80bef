//! Which shots were seen, as ranges of counters: bounded, and rather forgetful than deaf.

use meso_units::{Epoch, ShotCounter};

/// The counters of one gun that were seen, as disjoint ranges in rising order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeenShots {
    ranges: Vec<(Epoch, ShotCounter, ShotCounter)>,
}

impl SeenShots {
    /// The most ranges that are kept. Beyond it the lowest is forgotten: a shot of it that came
    /// again would be counted again, which is better than a breach that nobody hears of. Shots
    /// arrive nearly in order, so that one or two ranges are the rule.
    pub const RANGE_COUNT_MAX: usize = 64;

    /// Rebuilds from ranges as [`SeenShots::ranges`] gave them.
    pub fn from_ranges(ranges: &[(Epoch, ShotCounter, ShotCounter)]) -> SeenShots {
        let mut ranges: Vec<_> = ranges
            .iter()
            .copied()
            .filter(|(_, first, last)| first <= last)
            .collect();
        ranges.sort_unstable();
        ranges.drain(..ranges.len().saturating_sub(SeenShots::RANGE_COUNT_MAX));
        SeenShots { ranges }
    }

    /// The ranges: epoch, first and last counter.
    pub fn ranges(&self) -> &[(Epoch, ShotCounter, ShotCounter)] {
        &self.ranges
    }

    /// Notes a shot; `false` where it was seen before.
    pub fn insert(&mut self, epoch: Epoch, counter: ShotCounter) -> bool {
        // The first range that begins behind the shot; the one before it may hold the shot.
        let behind = self
            .ranges
            .partition_point(|(known, first, _)| (*known, *first) <= (epoch, counter));
        let before = behind
            .checked_sub(1)
            .filter(|index| self.ranges[*index].0 == epoch);
        if let Some(index) = before {
            let last = self.ranges[index].2;
            if counter <= last {
                return false;
            }
            if last.next() == Some(counter) {
                self.ranges[index].2 = counter;
                self.join(index);
                return true;
            }
        }
        let next = self.ranges.get(behind).copied();
        if next.is_some_and(|(known, first, _)| known == epoch && counter.next() == Some(first)) {
            self.ranges[behind].1 = counter;
            return true;
        }
        self.ranges.insert(behind, (epoch, counter, counter));
        if self.ranges.len() > SeenShots::RANGE_COUNT_MAX {
            self.ranges.remove(0);
        }
        true
    }

    /// Joins a range that has just grown with the one behind it where they touch.
    fn join(&mut self, index: usize) {
        let (epoch, _, last) = self.ranges[index];
        if let Some((next_epoch, next_first, next_last)) = self.ranges.get(index + 1).copied()
            && next_epoch == epoch
            && last.next() == Some(next_first)
        {
            self.ranges[index].2 = next_last;
            self.ranges.remove(index + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_shot_seen_twice_is_new_once() {
        let mut seen = SeenShots::default();
        assert!(seen.insert(Epoch(1), ShotCounter(5)));
        assert!(!seen.insert(Epoch(1), ShotCounter(5)));
        assert!(
            seen.insert(Epoch(2), ShotCounter(5)),
            "another epoch is another shot"
        );
    }

    #[test]
    fn beyond_the_limit_the_lowest_range_is_forgotten() {
        let mut seen = SeenShots::default();
        let count = u32::try_from(SeenShots::RANGE_COUNT_MAX).unwrap();
        for index in 0..=count {
            assert!(seen.insert(Epoch(1), ShotCounter(1 + index * 2)));
        }
        assert_eq!(seen.ranges().len(), SeenShots::RANGE_COUNT_MAX);
        assert!(
            seen.insert(Epoch(1), ShotCounter(1)),
            "the lowest was forgotten"
        );
    }

    proptest! {
        #[test]
        fn ranges_agree_with_a_set(shots in prop::collection::vec((0_u64..3, 1_u32..40), 0..200)) {
            let mut seen = SeenShots::default();
            let mut model = BTreeSet::new();
            for (epoch, counter) in shots {
                prop_assert_eq!(
                    seen.insert(Epoch(epoch), ShotCounter(counter)),
                    model.insert((epoch, counter))
                );
            }
            let held: u32 = seen.ranges().iter().map(|(_, a, b)| b.get() - a.get() + 1).sum();
            prop_assert_eq!(held as usize, model.len());
            prop_assert_eq!(SeenShots::from_ranges(seen.ranges()), seen);
        }
    }
}
