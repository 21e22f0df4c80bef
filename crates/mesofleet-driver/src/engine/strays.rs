//! Patient shots that were fired without a session, until a session claims them.
//!
//! They are kept in memory, since the start of the driver, to be offered on the room's page. Older
//! ones are in the record all the same, as *not under protocol*, and are claimed by their counters.

use std::collections::VecDeque;

use meso_contract::room::StrayShotsBody;
use meso_domain::{Purpose, Shot, ShotClaim};
use meso_units::{Epoch, Timestamp};

/// Runs of counters of one gun, the oldest first; of more than [`StrayShotsBody::COUNT_MAX`] the
/// oldest is forgotten.
#[derive(Debug, Default)]
pub(super) struct Strays(VecDeque<Run>);

/// Counters that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    epoch: Epoch,
    first: u32,
    last: u32,
    from: Timestamp,
    to: Timestamp,
}

impl Strays {
    /// A shot was fired without a session; one that was for no patient is missed by none.
    pub(super) fn note(&mut self, shot: &Shot) {
        if shot.purpose != Purpose::Patient {
            return;
        }
        let (epoch, counter) = (shot.identity.epoch, shot.identity.counter.get());
        if let Some(run) = self.0.back_mut()
            && run.epoch == epoch
            && run.last.checked_add(1) == Some(counter)
            && counter - run.first < ShotClaim::SHOT_COUNT_MAX
        {
            (run.last, run.to) = (counter, shot.at);
            return;
        }
        self.push(Run {
            epoch,
            first: counter,
            last: counter,
            from: shot.at,
            to: shot.at,
        });
    }

    /// A session has claimed some of them.
    pub(super) fn claimed(&mut self, claim: &ShotClaim) {
        let (first, last) = (claim.first.get(), claim.last.get());
        for run in std::mem::take(&mut self.0) {
            let is_met = run.epoch == claim.epoch && run.first <= last && first <= run.last;
            if !is_met {
                self.push(run);
                continue;
            }
            if run.first < first {
                self.push(Run {
                    last: first - 1,
                    ..run
                });
            }
            if last < run.last {
                self.push(Run {
                    first: last + 1,
                    ..run
                });
            }
        }
    }

    fn push(&mut self, run: Run) {
        if self.0.len() >= StrayShotsBody::COUNT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(run);
    }

    /// For the page, the newest first.
    pub(super) fn bodies(&self) -> Vec<StrayShotsBody> {
        let body = |run: &Run| StrayShotsBody {
            epoch: format!("{:016x}", run.epoch.get()),
            first: run.first,
            last: run.last,
            from_ms: run.from.unix_ms(),
            to_ms: run.to.unix_ms(),
        };
        self.0.iter().rev().map(body).collect()
    }
}
