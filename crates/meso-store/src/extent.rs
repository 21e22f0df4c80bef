//! Where the shots of a block lie: their places, counters and moments.

use std::collections::BTreeMap;

use meso_domain::Shot;

use crate::StoreError;

/// Bytes of one run: first position, first counter, how many.
const RUN_BYTES: usize = 8;

/// Stored shots at neighbouring positions with neighbouring counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    position: u16,
    counter: u32,
    count: u16,
}

/// The stored shots of a block by position and counter, in the order of their positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs(Vec<Run>);

impl Runs {
    /// Gathers shots by position and counter, in the order of their positions.
    pub(crate) fn of(shots: impl IntoIterator<Item = (usize, u32)>) -> Runs {
        let mut runs = Runs::default();
        for (position, counter) in shots {
            runs.push(position, counter);
        }
        runs
    }

    fn push(&mut self, position: usize, counter: u32) {
        // A block has at most 64 records.
        let position = u16::try_from(position).unwrap_or(u16::MAX);
        if let Some(last) = self.0.last_mut() {
            let follows = last.position + last.count == position
                && last.counter.checked_add(last.count.into()) == Some(counter);
            if follows {
                last.count += 1;
                return;
            }
        }
        self.0.push(Run {
            position,
            counter,
            count: 1,
        });
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * RUN_BYTES);
        for run in &self.0 {
            bytes.extend_from_slice(&run.position.to_le_bytes());
            bytes.extend_from_slice(&run.counter.to_le_bytes());
            bytes.extend_from_slice(&run.count.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Runs, StoreError> {
        let (runs, rest) = bytes.as_chunks::<RUN_BYTES>();
        if !rest.is_empty() {
            return Err(StoreError::damaged(
                "a block",
                "its list of shots ends in the middle",
            ));
        }
        let run = |[p0, p1, c0, c1, c2, c3, n0, n1]: &[u8; RUN_BYTES]| Run {
            position: u16::from_le_bytes([*p0, *p1]),
            counter: u32::from_le_bytes([*c0, *c1, *c2, *c3]),
            count: u16::from_le_bytes([*n0, *n1]),
        };
        Ok(Runs(runs.iter().map(run).collect()))
    }

    /// Position and counter of each shot.
    pub(crate) fn shots(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.0.iter().flat_map(|run| {
            (0..run.count).map(|n| {
                let counter = run.counter.wrapping_add(n.into());
                (usize::from(run.position) + usize::from(n), counter)
            })
        })
    }

    /// A counter that both have.
    pub(crate) fn common(&self, other: &Runs) -> Option<u32> {
        let ends = |run: &Run| {
            let first = u64::from(run.counter);
            (first, first + u64::from(run.count))
        };
        for (first, end) in self.0.iter().map(ends) {
            for (other_first, other_end) in other.0.iter().map(ends) {
                let start = first.max(other_first);
                if start < end.min(other_end) {
                    return u32::try_from(start).ok();
                }
            }
        }
        None
    }
}

/// The longest stretch of time of one question: well under the 72 h that 3 Core allows.
pub(crate) const STRETCH_NS_MAX: i64 = 24 * 3_600 * 1_000_000_000;

/// Bytes of one stretch: first and last moment.
const STRETCH_BYTES: usize = 16;

/// When a block has shots: its moments in stretches of at most [`STRETCH_NS_MAX`], of which there are
/// never more than the block has shots, however far apart these are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stretches(Vec<(i64, i64)>);

impl Stretches {
    /// Gathers moments that come in their order.
    fn of(moments: impl Iterator<Item = i64>) -> Stretches {
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        for moment in moments {
            match stretches.last_mut() {
                Some((from, to)) if moment.saturating_sub(*from) <= STRETCH_NS_MAX => *to = moment,
                _ => stretches.push((moment, moment)),
            }
        }
        Stretches(stretches)
    }

    /// For blocks of which no store kept the moments: all the time between the first and the last.
    pub(crate) fn between(from_ns: i64, to_ns: i64) -> Stretches {
        let mut stretches = Vec::new();
        let mut from = from_ns;
        while from <= to_ns {
            let to = from.saturating_add(STRETCH_NS_MAX).min(to_ns);
            stretches.push((from, to));
            let Some(next) = to.checked_add(1) else { break };
            from = next;
        }
        Stretches(stretches)
    }

    /// First and last moment of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0.iter().copied()
    }

    /// As bytes, where there are several; the others follow from first and last moment.
    pub(crate) fn pack(&self) -> Option<Vec<u8>> {
        let ends = self.iter().flat_map(|(from, to)| [from, to]);
        (self.0.len() > 1).then(|| ends.flat_map(i64::to_le_bytes).collect())
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Stretches, StoreError> {
        let (stretches, rest) = bytes.as_chunks::<STRETCH_BYTES>();
        if !rest.is_empty() {
            return Err(StoreError::damaged(
                "a block",
                "its list of moments ends in the middle",
            ));
        }
        let number = |bytes: &[u8]| {
            let mut number = [0; 8];
            number.copy_from_slice(bytes);
            i64::from_le_bytes(number)
        };
        let stretch = |bytes: &[u8; STRETCH_BYTES]| (number(&bytes[..8]), number(&bytes[8..]));
        Ok(Stretches(stretches.iter().map(stretch).collect()))
    }
}

/// What the shots of a block take up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) runs: Runs,
    pub(crate) first_counter: u32,
    pub(crate) last_counter: u32,
    pub(crate) from_ns: i64,
    pub(crate) to_ns: i64,
    pub(crate) stretches: Stretches,
    /// How many shots share the busiest nanosecond: so many neighbouring slots the block needs.
    pub(crate) slot_count: u32,
}

impl Extent {
    /// What shots, each with its position, take up; `None` without any.
    pub(crate) fn of<'s>(shots: impl Iterator<Item = (usize, &'s Shot)> + Clone) -> Option<Extent> {
        let mut runs = Runs::default();
        let mut on_one_nanosecond: BTreeMap<i64, u32> = BTreeMap::new();
        for (position, shot) in shots.clone() {
            runs.push(position, shot.identity.counter.get());
            *on_one_nanosecond.entry(shot.at.unix_ns()).or_default() += 1;
        }
        let counters = || shots.clone().map(|(_, shot)| shot.identity.counter.get());
        Some(Extent {
            first_counter: counters().min()?,
            last_counter: counters().max()?,
            from_ns: *on_one_nanosecond.keys().next()?,
            to_ns: *on_one_nanosecond.keys().next_back()?,
            stretches: Stretches::of(on_one_nanosecond.keys().copied()),
            slot_count: on_one_nanosecond.values().copied().max()?,
            runs,
        })
    }

    pub(crate) fn span_ns(&self) -> i64 {
        self.to_ns.saturating_sub(self.from_ns)
    }

    pub(crate) fn span_counter(&self) -> i64 {
        i64::from(self.last_counter) - i64::from(self.first_counter)
    }
}

/// The lowest slot from which on `wanted` neighbouring ones are free, where `taken` are pairs of
/// first slot and count.
pub(crate) fn free_slot(taken: &[(u32, u32)], wanted: u32) -> u32 {
    let mut taken = taken.to_vec();
    taken.sort_unstable();
    let mut free = 0;
    for (first, count) in taken {
        if free + wanted <= first {
            break;
        }
        free = free.max(first + count);
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(shots: &[(usize, u32)]) -> Runs {
        let mut runs = Runs::default();
        for (position, counter) in shots {
            runs.push(*position, *counter);
        }
        runs
    }

    #[test]
    fn neighbours_make_one_run_and_come_back_as_they_were() {
        let shots = [(0, 7), (1, 8), (2, 9), (4, 10), (5, 20), (6, u32::MAX)];
        let packed = runs(&shots).pack();
        assert_eq!(packed.len(), 4 * RUN_BYTES);
        let read: Vec<_> = Runs::unpack(&packed).unwrap().shots().collect();
        assert_eq!(read, shots);
        assert!(Runs::unpack(&packed[1..]).is_err());
    }

    #[test]
    fn a_common_counter_is_found_and_interleaved_ones_are_none() {
        let odd = runs(&[(0, 1), (1, 3), (2, 5)]);
        let even = runs(&[(0, 2), (1, 4)]);
        assert_eq!(odd.common(&even), None);
        assert_eq!(odd.common(&runs(&[(0, 4), (1, 5)])), Some(5));
    }

    #[test]
    fn moments_far_apart_make_stretches_no_longer_than_a_question_may_be() {
        let day = STRETCH_NS_MAX;
        let stretches = Stretches::of([0, 5, day, day + 1, 400 * day].into_iter());
        let expected = [(0, day), (day + 1, day + 1), (400 * day, 400 * day)];
        assert!(stretches.iter().eq(expected), "{stretches:?}");
        let packed = stretches.pack().unwrap();
        assert_eq!(Stretches::unpack(&packed).unwrap(), stretches);
        assert!(Stretches::unpack(&packed[1..]).is_err());
        assert_eq!(Stretches::of([0, day].into_iter()).pack(), None);
    }

    #[test]
    fn all_the_time_of_a_block_is_asked_for_where_its_moments_are_not_known() {
        let day = STRETCH_NS_MAX;
        let stretches = Stretches::between(-3, 2 * day);
        let expected = [
            (-3, day - 3),
            (day - 2, 2 * day - 2),
            (2 * day - 1, 2 * day),
        ];
        assert!(stretches.iter().eq(expected), "{stretches:?}");
        assert!(Stretches::between(7, 7).iter().eq([(7, 7)]));
        let end = Stretches::between(i64::MAX - 1, i64::MAX);
        assert!(end.iter().eq([(i64::MAX - 1, i64::MAX)]));
    }

    #[test]
    fn a_slot_is_the_lowest_that_has_room() {
        assert_eq!(free_slot(&[], 1), 0);
        assert_eq!(free_slot(&[(0, 1), (2, 1)], 1), 1);
        assert_eq!(free_slot(&[(0, 1), (2, 1)], 2), 3);
        assert_eq!(free_slot(&[(1, 3), (0, 2)], 1), 4);
    }
}
