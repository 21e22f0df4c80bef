//! The daemon while it runs: what it has heard, and what it is at.

use std::collections::{BTreeMap, VecDeque};

use meso_domain::BlockPlace;
use meso_journal::Committed;
use meso_link_proto::clock::{HostNow, StepWatch};
use meso_serial::PortEvent;
use meso_units::Timestamp;
use mesofleet_driver::simulation::{Decisions, Order, Pending, Reading, Told};

use super::Habits;
use crate::dice::Dice;
use crate::line::{Line, Noise};

/// The most events of one commit.
const COMMIT_EVENTS_MAX: u64 = 64;

/// What the daemon is at.
#[derive(Debug)]
pub(super) enum Stage {
    Idle,
    Writing(Pending),
    Telling(VecDeque<Told>),
}

/// A daemon that runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(super) decisions: Decisions,
    pub(super) started_at_ns: u64,
    pub(super) steps: StepWatch,
    /// Open ports, by gun.
    pub(crate) lines: BTreeMap<usize, Line>,
    /// Ports that are left alone until then.
    pub(super) closed_until_ns: BTreeMap<usize, u64>,
    pub(super) inbox: VecDeque<PortEvent>,
    pub(super) stage: Stage,
    /// What the guns have said and nobody has begun to write yet.
    pub(super) heard: Pending,
    pub(super) orders: VecDeque<Order>,
    pub(super) outbox: VecDeque<BlockPlace>,
    pub(super) sender_wake_ms: Option<u64>,
    pub(crate) is_connected: bool,
    /// The ingest holds other blocks under numbers of the journal.
    pub(super) is_older_copy: bool,
}

impl Daemon {
    pub(super) fn host_now(&mut self, utc: Timestamp, now_ns: u64) -> HostNow {
        let monotonic_ns = now_ns.saturating_sub(self.started_at_ns);
        self.steps.read(monotonic_ns, utc)
    }

    /// Takes some of what the guns have said, and begins to write it; says whether there was any.
    pub(super) fn collect(
        &mut self,
        now: Reading,
        now_ns: u64,
        habits: Habits,
        dice: &mut Dice,
    ) -> bool {
        if self.inbox.is_empty() && self.heard.is_empty() {
            return false;
        }
        for _ in 0..dice.between(0, COMMIT_EVENTS_MAX) {
            self.hear(now, now_ns, habits, dice);
        }
        let pending = std::mem::take(&mut self.heard);
        if !pending.is_empty() {
            self.stage = Stage::Writing(pending);
        }
        true
    }

    /// Looks at one event, and tells its gun at once what cannot wait for the disk.
    pub(super) fn hear(&mut self, now: Reading, now_ns: u64, habits: Habits, dice: &mut Dice) {
        let Some(event) = self.inbox.pop_front() else {
            return;
        };
        let new_epoch = || match habits.reuses_epoch {
            true => 77,
            false => dice.name(),
        };
        let heard = &mut self.heard;
        for call in self.decisions.hear(now, event, new_epoch, heard) {
            self.tell(call, now, now_ns, habits.noise, dice);
        }
    }

    pub(super) fn take_commit(&mut self, now: Reading, pending: Pending, committed: &Committed) {
        let (calls, orders) = self.decisions.written(now, pending, committed);
        self.orders.extend(orders);
        self.stage = Stage::Telling(calls.into());
    }

    pub(super) fn tell(
        &mut self,
        call: Told,
        now: Reading,
        now_ns: u64,
        noise: Noise,
        dice: &mut Dice,
    ) {
        let now = self.host_now(now.utc, now_ns);
        let gun = call.gun();
        let is_its = |line: &&mut Line| line.link.hello().is_some_and(|hello| hello.serial == *gun);
        let Some(line) = self.lines.values_mut().find(is_its) else {
            self.decisions.not_told(call);
            return;
        };
        let told = match &call {
            Told::Acknowledge(_, epoch, counter) => line.link.acknowledge(*epoch, *counter),
            Told::ExpectFrom(_, epoch, next) => line.link.expect_from(*epoch, *next, now),
            Told::AssignEpoch(_, epoch) => line.link.assign_epoch(*epoch, now).map(|_| ()),
            Told::Inhibit(_, reason) => line.link.inhibit(*reason, now).map(|_| ()),
            Told::Resume(_) => line.link.resume(now).map(|_| ()),
        };
        line.collect_output(noise, dice);
        if told.is_err() {
            // A gun that went away greets anew, and is told then.
            self.decisions.not_told(call);
        }
    }
}
