//! Patient shots that were fired without a session, until a session claims them.
//!
//! They are kept to be offered on the room's page, in the journal too, which forgets the shots
//! themselves once the server has them. Older ones are in the record all the same, as *not under
//! protocol*, and are claimed by their counters.

use std::collections::VecDeque;

use meso_contract::room::StrayShotsBody;
use meso_domain::{Purpose, Said, SessionEvent, Shot, ShotClaim};
use meso_units::{Epoch, Timestamp};

use super::{Engine, Work};

/// Under this and a serial number the journal keeps a gun's shots without a session.
pub(super) const STRAY_VALUES: &str = "strays/";

/// How long after the shot before a further one begins another run: 2 minutes. It may be for another
/// patient, so a person is to choose between them.
const PAUSE_NS: i64 = 120_000_000_000;

/// What a run takes in the journal.
const RUN_BYTES: usize = 44;

/// Runs of counters of one gun, the oldest first; of more than [`StrayShotsBody::COUNT_MAX`] the
/// oldest is forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Strays(VecDeque<Run>);

/// Counters that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    epoch: Epoch,
    first: u32,
    last: u32,
    from: Timestamp,
    to: Timestamp,
    /// As far as it is known.
    volume_nl: u64,
    unknown_volume_count: u32,
}

impl Strays {
    /// A shot was fired without a session; one that was for no patient is missed by none. Says whether
    /// anything changed.
    pub(super) fn note(&mut self, shot: &Shot) -> bool {
        if shot.purpose != Purpose::Patient {
            return false;
        }
        let volume = shot.volume.actual_value().or(shot.volume.set);
        let (epoch, counter) = (shot.identity.epoch, shot.identity.counter.get());
        let one = Run {
            epoch,
            first: counter,
            last: counter,
            from: shot.at,
            to: shot.at,
            volume_nl: volume.map_or(0, |volume| volume.get()),
            unknown_volume_count: u32::from(volume.is_none()),
        };
        match self.0.back_mut() {
            Some(run) if run.goes_on_with(&one) => run.take(&one),
            _ => self.push(one),
        }
        true
    }

    /// A session has claimed some of them.
    fn claimed(&mut self, claim: &ShotClaim) {
        let (first, last) = (claim.first.get(), claim.last.get());
        for run in std::mem::take(&mut self.0) {
            let is_met = run.epoch == claim.epoch && run.first <= last && first <= run.last;
            if !is_met {
                self.push(run);
                continue;
            }
            if run.first < first {
                self.push(run.part(run.first, first - 1));
            }
            if last < run.last {
                self.push(run.part(last + 1, run.last));
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
            volume_nl: run.volume_nl,
            unknown_volume_count: run.unknown_volume_count,
        };
        self.0.iter().rev().map(body).collect()
    }

    /// What the journal is to keep.
    pub(super) fn value(&self) -> Vec<u8> {
        self.0.iter().flat_map(|run| run.bytes()).collect()
    }

    /// Takes over what the journal has kept; what is no run is left out, and its shots are claimed by
    /// their counters.
    pub(super) fn restore(&mut self, bytes: &[u8]) {
        if !bytes.len().is_multiple_of(RUN_BYTES) {
            tracing::warn!(
                length = bytes.len(),
                "shots without a session do not decode"
            );
        }
        let runs = bytes.chunks_exact(RUN_BYTES).filter_map(Run::from_bytes);
        self.0.clear();
        runs.for_each(|run| self.push(run));
    }
}

impl Run {
    fn goes_on_with(&self, one: &Run) -> bool {
        self.epoch == one.epoch
            && self.last.checked_add(1) == Some(one.first)
            && one.first - self.first < ShotClaim::SHOT_COUNT_MAX
            && one.from.since_ns(self.to) <= PAUSE_NS
    }

    fn take(&mut self, one: &Run) {
        (self.last, self.to) = (one.last, one.to);
        self.volume_nl = self.volume_nl.saturating_add(one.volume_nl);
        self.unknown_volume_count += one.unknown_volume_count;
    }

    /// A part of it. What each single shot gave is not kept, and when it was is known no better than of
    /// the whole.
    const fn part(&self, first: u32, last: u32) -> Run {
        Run {
            first,
            last,
            volume_nl: 0,
            unknown_volume_count: last - first + 1,
            ..*self
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RUN_BYTES);
        bytes.extend(self.epoch.get().to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(self.last.to_le_bytes());
        bytes.extend(self.from.unix_ns().to_le_bytes());
        bytes.extend(self.to.unix_ns().to_le_bytes());
        bytes.extend(self.volume_nl.to_le_bytes());
        bytes.extend(self.unknown_volume_count.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Run> {
        let four = |at: usize| bytes.get(at..at + 4)?.try_into().ok();
        let eight = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
        let run = Run {
            epoch: Epoch(u64::from_le_bytes(eight(0)?)),
            first: u32::from_le_bytes(four(8)?),
            last: u32::from_le_bytes(four(12)?),
            from: Timestamp::from_unix_ns(i64::from_le_bytes(eight(16)?)).ok()?,
            to: Timestamp::from_unix_ns(i64::from_le_bytes(eight(24)?)).ok()?,
            volume_nl: u64::from_le_bytes(eight(32)?),
            unknown_volume_count: u32::from_le_bytes(four(40)?),
        };
        let is_run = run.first <= run.last && run.last - run.first < ShotClaim::SHOT_COUNT_MAX;
        is_run.then_some(run)
    }
}

impl Engine {
    /// What the journal keeps of shots without a session with the events that claim some.
    pub(super) fn keep_claimed(&self, events: &[SessionEvent], work: &mut Work) {
        for claim in events.iter().filter_map(claim_of) {
            if let Some(gun) = self.guns.get(&claim.gun) {
                let mut strays = gun.strays.clone();
                strays.claimed(claim);
                work.keep(format!("{STRAY_VALUES}{}", claim.gun), strays.value());
            }
        }
    }

    /// A session has claimed shots.
    pub(super) fn note_claimed(&mut self, claim: &ShotClaim) {
        self.gun(&claim.gun).strays.claimed(claim);
    }
}

fn claim_of(event: &SessionEvent) -> Option<&ShotClaim> {
    let SessionEvent::Stated(statement) = event else {
        return None;
    };
    match &statement.said {
        Said::Claim(claim) => Some(claim),
        _ => None,
    }
}
