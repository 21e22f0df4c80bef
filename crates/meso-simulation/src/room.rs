//! A treatment room: its computer's clock and disk, and the daemon while it runs.
//!
//! What the daemon decides is decided by the real engine; this is the loop around it, cut into its
//! effects, so that the power can fail between any two of them.

mod daemon;
mod messages;

use std::collections::{BTreeMap, VecDeque};

use meso_config::DriverConfig;
use meso_delivery::{Effect, SenderEvent};
use meso_domain::BlockPlace;
use meso_journal::Identity;
use meso_link_proto::clock::StepWatch;
use meso_serial::DetachReason;
use meso_units::{GunSerial, JournalIncarnation, Timestamp};
use mesofleet_driver::simulation::{Decisions, OUTBOX_MAX, Pending, Reading, Started};

use crate::SimulationError;
use crate::broker::{Broker, Message};
use crate::dice::Dice;
use crate::journal::JournalModel;
use crate::line::{Line, Noise};
use daemon::{Daemon, Stage};

/// 2026-01-01, or so, when every simulation begins.
const START_NS: i64 = 1_767_000_000_000_000_000;

/// Events of guns that wait for the daemon; while there are more, no port is read.
const INBOX_MAX: usize = 256;

/// How long a port whose gun fell silent is left alone, in ns.
const REOPEN_NS: u64 = 1_000_000_000;

/// What is planted in the daemon, or left to chance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) noise: Noise,
    pub(crate) acknowledges_before_fsync: bool,
    pub(crate) trusts_puback: bool,
    pub(crate) reuses_epoch: bool,
    pub(crate) trusts_numbers: bool,
}

/// A room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) config: DriverConfig,
    pub(crate) journal: JournalModel,
    pub(crate) daemon: Option<Daemon>,
    /// How far its UTC is off, in ns.
    pub(crate) utc_offset_ns: i64,
    /// The newest copy that somebody made of the disk.
    backup: Option<Box<JournalModel>>,
    /// With a planted fault: the disk before the writes that have not reached it.
    unsynced: Option<Box<JournalModel>>,
}

impl Room {
    pub(crate) fn new(config: DriverConfig, incarnation: JournalIncarnation) -> Room {
        Room {
            journal: JournalModel::new(identity(&config), incarnation),
            config,
            daemon: None,
            utc_offset_ns: 0,
            backup: None,
            unsynced: None,
        }
    }

    pub(crate) fn utc(&self, now_ns: u64) -> Timestamp {
        utc(now_ns).saturating_add_ns(self.utc_offset_ns)
    }

    fn reading(&self, daemon: &Daemon, now_ns: u64) -> Reading {
        Reading {
            utc: self.utc(now_ns),
            monotonic_ms: now_ns.saturating_sub(daemon.started_at_ns) / 1_000_000,
        }
    }

    /// Starts the daemon.
    pub(crate) fn start(&mut self, now_ns: u64) -> Result<(), SimulationError> {
        let Started {
            decisions,
            batch,
            seals,
        } = Decisions::recover(self.config.clone(), &self.journal.open())
            .map_err(SimulationError::setup)?;
        self.journal.append(&batch);
        self.daemon = Some(Daemon {
            decisions,
            started_at_ns: now_ns,
            steps: StepWatch::default(),
            lines: BTreeMap::new(),
            closed_until_ns: BTreeMap::new(),
            inbox: VecDeque::new(),
            stage: Stage::Idle,
            heard: Pending::default(),
            orders: seals.into(),
            outbox: VecDeque::new(),
            sender_wake_ms: None,
            is_connected: false,
            is_older_copy: false,
        });
        Ok(())
    }

    /// The daemon is killed, or the power fails: what was being written is on the disk or not.
    pub(crate) fn crash(&mut self, dice: &mut Dice) {
        let Some(daemon) = self.daemon.take() else {
            return;
        };
        if let Some(durable) = self.unsynced.take() {
            self.journal = *durable;
            return;
        }
        if let Stage::Writing(pending) = daemon.stage
            && dice.one_in(2)
        {
            self.journal.append(pending.batch());
        }
    }

    /// The disk is dead, and another computer takes over under the same name.
    pub(crate) fn replace(&mut self, incarnation: JournalIncarnation) {
        self.daemon = None;
        self.unsynced = None;
        self.backup = None;
        self.journal = JournalModel::new(identity(&self.config), incarnation);
    }

    /// Somebody copies the disk.
    pub(crate) fn back_up(&mut self) {
        self.backup = Some(Box::new(self.durable().clone()));
    }

    /// The disk is put back to its newest copy, if there is one; says which life of the journal goes
    /// on from an older state.
    pub(crate) fn put_back(&mut self) -> Option<JournalIncarnation> {
        let copy = self.backup.as_deref()?;
        self.journal = copy.clone();
        self.daemon = None;
        self.unsynced = None;
        Some(self.journal.incarnation())
    }

    /// Whether the ingest holds other blocks under numbers of this journal.
    pub(crate) fn is_older_copy(&self) -> bool {
        let daemon = self.daemon.as_ref();
        daemon.is_some_and(|daemon| daemon.is_older_copy)
    }

    /// The daemon ends, and begins again with a new life of its journal.
    pub(crate) fn begin_anew(
        &mut self,
        incarnation: JournalIncarnation,
        now_ns: u64,
        dice: &mut Dice,
    ) -> Result<(), SimulationError> {
        self.crash(dice);
        let sealed_at = self.utc(now_ns);
        self.journal
            .begin_anew(incarnation, sealed_at)
            .map_err(SimulationError::setup)?;
        self.start(now_ns)
    }

    /// Writes to the disk; with the planted fault it gets there later.
    fn disk(&mut self, habits: Habits) -> &mut JournalModel {
        if habits.acknowledges_before_fsync && self.unsynced.is_none() {
            self.unsynced = Some(Box::new(self.journal.clone()));
        }
        &mut self.journal
    }

    /// With the planted fault: what was written reaches the disk at last.
    pub(crate) fn sync(&mut self) {
        self.unsynced = None;
    }

    /// The journal as it would be found after a power cut.
    pub(crate) fn durable(&self) -> &JournalModel {
        self.unsynced.as_deref().unwrap_or(&self.journal)
    }

    /// Opens the port of a gun, unless it is left alone for now.
    pub(crate) fn open_port(
        &mut self,
        gun: usize,
        serial: &GunSerial,
        now_ns: u64,
        dice: &mut Dice,
    ) {
        let Some(daemon) = self.daemon.as_mut() else {
            return;
        };
        let closed_until_ns = daemon.closed_until_ns.get(&gun).copied().unwrap_or(0);
        if !daemon.lines.contains_key(&gun) && now_ns >= closed_until_ns {
            let session = u32::try_from(dice.number() >> 32).unwrap_or(1);
            let line = Line::open(serial.as_str(), session);
            daemon.lines.insert(gun, line);
        }
    }

    /// The cable is pulled.
    pub(crate) fn unplug(&mut self, gun: usize) {
        let Some(daemon) = self.daemon.as_mut() else {
            return;
        };
        if let Some(line) = daemon.lines.remove(&gun) {
            daemon.inbox.extend(line.close(DetachReason::HungUp));
        }
    }

    /// Reads a port, or lets its timers run.
    pub(crate) fn poll_port(&mut self, gun: usize, now_ns: u64, noise: Noise, dice: &mut Dice) {
        let utc = self.utc(now_ns);
        let Some(daemon) = self.daemon.as_mut() else {
            return;
        };
        if daemon.inbox.len() >= INBOX_MAX {
            return;
        }
        let now = daemon.host_now(utc, now_ns);
        let Some(line) = daemon.lines.get_mut(&gun) else {
            return;
        };
        let events = match line.has_bytes_for_host() {
            true => line.read(now, noise, dice),
            false => line.step(now, noise, dice),
        };
        let is_silent = events.iter().any(|told| {
            let detached = meso_serial::GunEvent::Detached {
                reason: DetachReason::Silent,
            };
            told.event == detached
        });
        let named = events.into_iter().filter(|told| told.gun.is_some());
        daemon.inbox.extend(named);
        if is_silent {
            daemon.lines.remove(&gun);
            daemon.closed_until_ns.insert(gun, now_ns + REOPEN_NS);
        }
    }

    /// Does the next thing that the daemon has to do; says whether there was one.
    pub(crate) fn advance(
        &mut self,
        now_ns: u64,
        habits: Habits,
        broker: &mut Broker,
        dice: &mut Dice,
    ) -> Result<bool, SimulationError> {
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(false);
        };
        let outcome = self.advance_daemon(&mut daemon, now_ns, habits, broker, dice);
        self.daemon = Some(daemon);
        outcome
    }

    fn advance_daemon(
        &mut self,
        daemon: &mut Daemon,
        now_ns: u64,
        habits: Habits,
        broker: &mut Broker,
        dice: &mut Dice,
    ) -> Result<bool, SimulationError> {
        let now = self.reading(daemon, now_ns);
        match std::mem::replace(&mut daemon.stage, Stage::Idle) {
            // What the guns say while the disk is busy is heard, and waits for the next commit.
            Stage::Writing(pending) if !daemon.inbox.is_empty() && dice.one_in(3) => {
                daemon.stage = Stage::Writing(pending);
                daemon.hear(now, now_ns, habits, dice);
                return Ok(true);
            }
            Stage::Writing(pending) => {
                let committed = self.disk(habits).append(pending.batch());
                daemon.take_commit(now, pending, &committed);
                return Ok(true);
            }
            Stage::Telling(mut calls) => {
                if let Some(call) = calls.pop_front() {
                    daemon.tell(call, now, now_ns, habits.noise, dice);
                    daemon.stage = Stage::Telling(calls);
                    return Ok(true);
                }
            }
            Stage::Idle => {}
        }
        if let Some(order) = daemon.orders.pop_front() {
            let sealed = self
                .disk(habits)
                .seal(&order.stream, order.last_sequence, now.utc)
                .map_err(|error| SimulationError::Broken {
                    promise: "a block that is due can be sealed",
                    detail: format!("{order:?}: {error}"),
                })?;
            if let Some(block) = sealed {
                let effects = daemon.decisions.sealed(now, dice.permille(), block);
                self.apply(daemon, effects);
            }
            return Ok(true);
        }
        if dice.one_in(2) && daemon.collect(now, now_ns, habits, dice) {
            return Ok(true);
        }
        if daemon
            .sender_wake_ms
            .is_some_and(|due_ms| due_ms <= now.monotonic_ms)
        {
            let effects = daemon
                .decisions
                .delivery(now, dice.permille(), SenderEvent::Tick);
            self.apply(daemon, effects);
            return Ok(true);
        }
        let due = daemon.decisions.due_seals(now);
        if !due.is_empty() {
            daemon.orders.extend(due);
            return Ok(true);
        }
        if let Some(place) = daemon.outbox.pop_front() {
            self.send(daemon, now, place, habits, broker, dice);
            return Ok(true);
        }
        Ok(daemon.collect(now, now_ns, habits, dice))
    }

    fn apply(&mut self, daemon: &mut Daemon, effects: Vec<Effect>) {
        daemon.sender_wake_ms = None;
        for effect in effects {
            match effect {
                Effect::Publish(place) => {
                    if daemon.outbox.len() < OUTBOX_MAX {
                        daemon.outbox.push_back(place);
                    }
                }
                Effect::Persist(stream, watermark) => {
                    daemon.decisions.settled(&stream, &watermark);
                    self.journal.settle(&stream, watermark);
                }
                Effect::BeginAnew(_) => daemon.is_older_copy = true,
                Effect::WakeAt(due_ms) => daemon.sender_wake_ms = Some(due_ms),
            }
        }
    }

    /// Hands one block to the broker.
    fn send(
        &mut self,
        daemon: &mut Daemon,
        now: Reading,
        place: BlockPlace,
        habits: Habits,
        broker: &mut Broker,
        dice: &mut Dice,
    ) {
        let Some(block) = self.journal.load(&place.stream, place.number) else {
            self.give_up(daemon, now, place, habits);
            return;
        };
        if !daemon.is_connected {
            return;
        }
        broker.publish(Message::Block(block));
        if habits.trusts_puback {
            self.journal.forget(&place.stream, place.number);
            // To the sender, "there is nothing to wait for" is what this mistake looks like.
            let event = SenderEvent::Unavailable {
                stream: place.stream,
                number: place.number,
            };
            let effects = daemon.decisions.delivery(now, dice.permille(), event);
            self.apply(daemon, effects);
        }
    }

    /// A block cannot be sent: what is lost with it gets a name first.
    fn give_up(&mut self, daemon: &mut Daemon, now: Reading, place: BlockPlace, habits: Habits) {
        let shots = self.journal.forgotten(&place.stream, place.number);
        let pending = daemon
            .decisions
            .declare_forgotten(now, &place.stream, &shots);
        let committed = self.disk(habits).append(pending.batch());
        let (_, orders) = daemon.decisions.written(now, pending, &committed);
        daemon.orders.extend(orders);
        let effects = daemon
            .decisions
            .undeliverable(now, place.stream, place.number);
        self.apply(daemon, effects);
    }

    /// The connection to the broker comes up or goes down.
    pub(crate) fn set_connection(
        &mut self,
        is_up: bool,
        now_ns: u64,
        broker: &mut Broker,
        dice: &mut Dice,
    ) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        let now = self.reading(&daemon, now_ns);
        if is_up != daemon.is_connected {
            daemon.is_connected = is_up;
            let event = match is_up {
                true => SenderEvent::Connected,
                false => SenderEvent::Disconnected,
            };
            if is_up {
                let driver = self.config.driver_id.clone();
                broker.publish(Message::Birth(driver, daemon.decisions.incarnation()));
                broker.driver_connects(&self.config.driver_id);
            }
            let effects = daemon.decisions.delivery(now, dice.permille(), event);
            self.apply(&mut daemon, effects);
        }
        self.daemon = Some(daemon);
    }

    /// Whether the daemon has nothing to do and nothing to wait for but new shots.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_quiet = |daemon: &Daemon| {
            daemon.inbox.is_empty()
                && daemon.heard.is_empty()
                && daemon.orders.is_empty()
                && daemon.outbox.is_empty()
                && matches!(&daemon.stage, Stage::Idle)
                && !daemon.is_older_copy
                && daemon.sender_wake_ms.is_none()
                && daemon.decisions.unsettled_block_count() == 0
        };
        self.daemon.as_ref().is_some_and(is_quiet) && self.journal.unsealed_count() == 0
    }
}

/// UTC of a clock that is right.
pub(crate) fn utc(now_ns: u64) -> Timestamp {
    let now_ns = i64::try_from(now_ns).unwrap_or(i64::MAX);
    Timestamp::from_unix_ns(START_NS.saturating_add(now_ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn identity(config: &DriverConfig) -> Identity {
    Identity {
        clinic: config.clinic_id.clone(),
        driver: config.driver_id.clone(),
    }
}
