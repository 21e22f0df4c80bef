//! Which lines of a body a server refuses, found by halving.
//!
//! A 2.x server stores nothing of a body with one line that it cannot read; 1.x and 3 Core store
//! the others. Sending a point again as it was changes nothing on any of them, so halves are sent
//! until the lines that are refused stand alone.

use std::ops::Range;

/// A line that the server refuses for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedLine {
    /// Which of the lines.
    pub(crate) index: usize,
    /// What the server said.
    pub(crate) reason: String,
}

/// The ranges that have yet to be taken.
#[derive(Debug)]
pub(crate) struct Bisection {
    open: Vec<Range<usize>>,
    refused: Vec<RefusedLine>,
}

impl Bisection {
    pub(crate) fn new(lines: Range<usize>) -> Bisection {
        Bisection {
            open: if lines.is_empty() {
                Vec::new()
            } else {
                vec![lines]
            },
            refused: Vec::new(),
        }
    }

    /// What is sent next; the same again until it is answered.
    pub(crate) fn next(&self) -> Option<Range<usize>> {
        self.open.last().cloned()
    }

    /// The server has taken all of it.
    pub(crate) fn taken(&mut self) {
        self.open.pop();
    }

    /// The server refuses some of it.
    pub(crate) fn refused(&mut self, reason: &str) {
        let Some(range) = self.open.pop() else { return };
        if range.len() == 1 {
            self.refused.push(RefusedLine {
                index: range.start,
                reason: reason.to_owned(),
            });
            return;
        }
        let middle = range.start + range.len() / 2;
        self.open.push(middle..range.end);
        self.open.push(range.start..middle);
    }

    pub(crate) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    pub(crate) fn into_refused(self) -> Vec<RefusedLine> {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_good_line_is_stored_and_every_bad_one_named_whatever_the_server_keeps(
            line_count in 0_usize..300,
            bad in proptest::collection::btree_set(0_usize..300, 0..9),
            stores_the_good_part in any::<bool>(),
        ) {
            let mut stored = BTreeSet::new();
            let mut requests = 0_usize;
            let mut bisection = Bisection::new(0..line_count);
            while let Some(range) = bisection.next() {
                requests += 1;
                let good: Vec<usize> = range.clone().filter(|line| !bad.contains(line)).collect();
                if good.len() == range.len() {
                    stored.extend(good);
                    bisection.taken();
                } else {
                    if stores_the_good_part {
                        stored.extend(good);
                    }
                    bisection.refused("bad");
                }
            }
            let refused: BTreeSet<usize> =
                bisection.into_refused().into_iter().map(|line| line.index).collect();
            let expected: BTreeSet<usize> = bad.into_iter().filter(|n| *n < line_count).collect();
            prop_assert_eq!(&refused, &expected);
            prop_assert_eq!(stored.len(), line_count - refused.len());
            prop_assert!(requests <= 1 + 2 * 9 * refused.len());
        }
    }
}
