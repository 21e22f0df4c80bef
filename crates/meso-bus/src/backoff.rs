//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait.
const WAIT_MIN: Duration = Duration::from_millis(50);

/// The longest wait: a broker that comes back is found again within this time.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What a connection was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing was acknowledged over it.
    Useless,
    /// Something was acknowledged over it, or it was alive for a whole keep-alive interval.
    AfterProgress,
    /// Another client uses the same id: both would throw each other out for ever.
    TakenOver,
}

/// Doubles the wait from 50 ms to 5 s, each time between half of it and all of it, so that many
/// rooms do not come back in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    wait: Duration,
    state: u64,
}

impl Backoff {
    /// Begins at the shortest wait; different seeds give different waits.
    pub(crate) fn new(seed: u64) -> Backoff {
        Backoff {
            wait: WAIT_MIN,
            // Xorshift stands still at zero.
            state: seed | 1,
        }
    }

    /// The next wait.
    pub(crate) fn next_wait(&mut self) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let half = self.wait / 2;
        let half_us = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        self.wait = (self.wait * 2).min(WAIT_MAX);
        half + Duration::from_micros(self.state % half_us)
    }

    /// Learns how a connection ended. Only one that carried something begins the waits again: a
    /// broker that takes connections and then throws them out is not asked ever faster.
    pub(crate) fn ended(&mut self, after: Ended) {
        match after {
            Ended::Useless => {}
            Ended::AfterProgress => self.wait = WAIT_MIN,
            Ended::TakenOver => self.wait = WAIT_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_limit_and_begin_again() {
        let mut backoff = Backoff::new(7);
        let first = backoff.next_wait();
        assert!(first >= WAIT_MIN / 2 && first <= WAIT_MIN);
        let last = (0..20).map(|_| backoff.next_wait()).last().unwrap();
        assert!(last >= WAIT_MAX / 2 && last <= WAIT_MAX);
        backoff.ended(Ended::Useless);
        assert!(
            backoff.next_wait() >= WAIT_MAX / 2,
            "a bare connection is no progress"
        );
        backoff.ended(Ended::AfterProgress);
        assert!(backoff.next_wait() <= WAIT_MIN);
        backoff.ended(Ended::TakenOver);
        assert!(backoff.next_wait() >= WAIT_MAX / 2);
    }

    #[test]
    fn two_seeds_wait_differently() {
        assert_ne!(Backoff::new(2).next_wait(), Backoff::new(4).next_wait());
    }
}
