//! A set of whole numbers, kept as inclusive ranges.

use std::collections::BTreeMap;

/// An inclusive range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The first number.
    pub first: u64,
    /// The last number; never below the first.
    pub last: u64,
}

/// A set of numbers that come mostly in order, so that it is mostly one range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// First number of a range to its last; ranges neither touch nor overlap.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// Whether the number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        self.range_at(number).is_some()
    }

    /// Adds a number; says whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        let new = !self.contains(number);
        if new {
            self.insert_range(Range {
                first: number,
                last: number,
            });
        }
        new
    }

    /// Adds a range; one whose last number is below its first adds nothing.
    pub fn insert_range(&mut self, range: Range) {
        if range.last < range.first {
            return;
        }
        let mut joined = range;
        let touching: Vec<u64> = self
            .ranges
            .range(..=range.last.saturating_add(1))
            .rev()
            .take_while(|(_, last)| last.saturating_add(1) >= range.first)
            .map(|(first, _)| *first)
            .collect();
        for first in touching {
            if let Some(last) = self.ranges.remove(&first) {
                joined.first = joined.first.min(first);
                joined.last = joined.last.max(last);
            }
        }
        self.ranges.insert(joined.first, joined.last);
    }

    /// Takes a number out.
    pub fn remove(&mut self, number: u64) {
        let Some(range) = self.range_at(number) else {
            return;
        };
        self.ranges.remove(&range.first);
        if range.first < number {
            self.ranges.insert(range.first, number - 1);
        }
        if number < range.last {
            self.ranges.insert(number + 1, range.last);
        }
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn without(&self, other: &RangeSet) -> RangeSet {
        self.ranges()
            .flat_map(|range| other.missing_between(range.first, range.last))
            .collect()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, lowest first.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.ranges.iter().map(|(first, last)| Range {
            first: *first,
            last: *last,
        })
    }

    /// How many ranges there are.
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.ranges()
            .map(|range| (range.last - range.first).saturating_add(1))
            .fold(0, u64::saturating_add)
    }

    /// The highest number.
    pub fn highest(&self) -> Option<u64> {
        self.ranges.last_key_value().map(|(_, last)| *last)
    }

    /// The lowest number that is not below `start`.
    pub fn first_from(&self, start: u64) -> Option<u64> {
        if self.contains(start) {
            return Some(start);
        }
        self.ranges.range(start..).next().map(|(first, _)| *first)
    }

    /// The last number of the unbroken run that begins with `start`; `None` without `start`.
    pub fn run_from(&self, start: u64) -> Option<u64> {
        self.range_at(start).map(|range| range.last)
    }

    /// What is missing between `start` and `end`, both included, lowest first.
    pub fn missing_between(&self, start: u64, end: u64) -> Vec<Range> {
        let mut missing = Vec::new();
        let mut next = start;
        let from = self.range_at(start).map_or(start, |range| range.first);
        for (first, last) in self.ranges.range(from..) {
            let range = Range {
                first: *first,
                last: *last,
            };
            if range.first > end {
                break;
            }
            if range.first > next {
                missing.push(Range {
                    first: next,
                    last: range.first - 1,
                });
            }
            next = range.last.saturating_add(1);
        }
        if next <= end && next >= start {
            missing.push(Range {
                first: next,
                last: end,
            });
        }
        missing
    }

    /// Whether adding `number` would begin a range of its own.
    pub fn would_add_range(&self, number: u64) -> bool {
        let touches = |n: u64| self.contains(n);
        !touches(number)
            && !number.checked_sub(1).is_some_and(touches)
            && !number.checked_add(1).is_some_and(touches)
    }

    fn range_at(&self, number: u64) -> Option<Range> {
        let (first, last) = self.ranges.range(..=number).next_back()?;
        (*last >= number).then_some(Range {
            first: *first,
            last: *last,
        })
    }
}

impl Extend<Range> for RangeSet {
    fn extend<I: IntoIterator<Item = Range>>(&mut self, ranges: I) {
        for range in ranges {
            self.insert_range(range);
        }
    }
}

impl FromIterator<Range> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> RangeSet {
        let mut set = RangeSet::default();
        set.extend(ranges);
        set
    }
}
