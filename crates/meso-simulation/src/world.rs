//! Guns, rooms, broker and server, and the scheduler that lets one of them take a step.

mod faults;

use std::collections::BTreeSet;

use meso_domain::ShotIdentity;
use meso_units::{ClinicId, Epoch, GunSerial, JournalIncarnation, ShotCounter};

use crate::broker::Broker;
use crate::compare::{compare, compare_at_rest};
use crate::dice::Dice;
use crate::error::ensure;
use crate::gun::Gun;
use crate::line::Noise;
use crate::plan::{Fault, FaultSet, Plan, Plant};
use crate::room::{Habits, Room};
use crate::server::{Server, ServerPlants};
use crate::store::StoreModel;
use crate::temper::{Temper, config, temper};
use crate::{SimulationError, room};

/// Steps between two full comparisons.
const COMPARE_EVERY: u64 = 1_000;

/// Rounds in which everything must have come to rest once all faults have ceased: at least half
/// an hour of simulated time.
const REST_ROUNDS_MAX: u64 = 10_000;

/// Keeps the dice of later kinds of fault apart from the others.
const OMEN_SEED: u64 = 0x6f6d_656e;

/// How much rarer than any fault it is that a journal is copied or put back.
const RESTORED_ONE_IN: u64 = 8;

/// What a run was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Shots that the guns fired.
    pub fired: u64,
    /// Shots that are stored.
    pub stored: u64,
    /// Shots that are missing although no fault destroyed their only copy.
    pub lost: u64,
    /// Shots that are missing because a fault destroyed their only copy.
    pub destroyed: u64,
    /// Of those, the ones that nobody can name: the fault has destroyed every trace of their epoch,
    /// too.
    pub unnamed: u64,
    /// Faults that came.
    pub faults: u64,
    /// Messages that the broker dropped after it had acknowledged them.
    pub dropped: u64,
    /// Simulated time, in ms.
    pub simulated_ms: u64,
}

impl Outcome {
    /// Adds another run's.
    pub const fn add(&mut self, other: &Outcome) {
        self.fired += other.fired;
        self.stored += other.stored;
        self.lost += other.lost;
        self.destroyed += other.destroyed;
        self.unnamed += other.unnamed;
        self.faults += other.faults;
        self.dropped += other.dropped;
        self.simulated_ms += other.simulated_ms;
    }
}

/// Runs a plan to its end.
///
/// # Errors
///
/// [`SimulationError::Broken`] naming what did not hold; a panic of a state machine is one, too.
pub fn run(plan: Plan) -> Result<Outcome, SimulationError> {
    let ended = std::panic::catch_unwind(|| run_to_end(plan));
    ended.unwrap_or_else(|panic| Err(SimulationError::panicked(panic.as_ref())))
}

fn run_to_end(plan: Plan) -> Result<Outcome, SimulationError> {
    let mut world = World::new(plan)?;
    for step in 1..=plan.steps {
        world.step()?;
        if step % COMPARE_EVERY == 0 {
            compare(&world.guns, &world.server.store.lock(), &world.put_back)?;
            world.check_conflicts()?;
        }
    }
    world.rest()?;
    world.check_conflicts()?;
    let mut outcome = world.outcome;
    outcome.dropped = world.broker.dropped_count;
    outcome.simulated_ms = world.now_ns / 1_000_000;
    let store = world.server.store.lock();
    compare_at_rest(
        &world.guns,
        &world.rooms,
        &store,
        &world.put_back,
        &mut outcome,
    )?;
    Ok(outcome)
}

struct World {
    dice: Dice,
    /// Decides about faults alone, so that a kind that is left out changes little else.
    fate: Dice,
    /// The same for kinds that came later; see [`Fault::SHARING_COUNT`].
    omen: Dice,
    temper: Temper,
    now_ns: u64,
    guns: Vec<Gun>,
    rooms: Vec<Room>,
    broker: Broker,
    server: Server,
    outcome: Outcome,
    /// Lives of journals that were put back to an older copy while they went on.
    put_back: BTreeSet<JournalIncarnation>,
}

impl World {
    fn new(plan: Plan) -> Result<World, SimulationError> {
        let mut dice = Dice::new(plan.seed);
        let mut fate = Dice::new(!plan.seed);
        let mut omen = Dice::new(plan.seed.rotate_left(32) ^ OMEN_SEED);
        let temper = temper(plan, &mut dice, &mut fate, &mut omen);
        let clinic = ClinicId::parse("riverside").map_err(SimulationError::setup)?;
        let rooms = (0..dice.between(1, 3)).map(|room| {
            let config = config(room, dice.between(1, 64), dice.between(10, 500))?;
            Ok(Room::new(config, JournalIncarnation(dice.name())))
        });
        let rooms = rooms.collect::<Result<Vec<_>, SimulationError>>()?;
        let gun_count = usize::try_from(dice.between(1, 4)).unwrap_or(1);
        let guns = (0..gun_count)
            .map(|index| {
                let ring_shots_max = usize::try_from(dice.between(4, 96)).unwrap_or(4);
                Gun::new(index, ring_shots_max, &mut dice)
            })
            .collect::<Result<Vec<_>, SimulationError>>()?;
        let overflows = temper.faults.has(Fault::QueueOverflow);
        let queue_max = usize::try_from(dice.between(2, 24)).unwrap_or(2);
        let mut store = StoreModel::default();
        store.is_deduplicating_by_time = plan.plant == Some(Plant::DeduplicateByTime);
        store.is_skipping_ledger = plan.plant == Some(Plant::SkipLedger);
        let plants = ServerPlants {
            watermark_before_ledger: plan.plant == Some(Plant::WatermarkBeforeLedger),
            panics_when_store_fails: plan.plant == Some(Plant::PanicWhenStoreFails),
        };
        let mut world = World {
            broker: Broker::new(if overflows { queue_max } else { 10_000 }),
            server: Server::new(clinic, plants, store),
            dice,
            fate,
            omen,
            temper,
            now_ns: 1_000_000_000,
            guns,
            rooms,
            outcome: Outcome::default(),
            put_back: BTreeSet::new(),
        };
        world.begin()?;
        Ok(world)
    }

    /// Everything is switched on, and every gun plugged in somewhere.
    fn begin(&mut self) -> Result<(), SimulationError> {
        for gun in 0..self.guns.len() {
            self.plug(gun);
        }
        for room in &mut self.rooms {
            room.start(self.now_ns)?;
        }
        self.start_server()
    }

    fn start_server(&mut self) -> Result<(), SimulationError> {
        let now = room::utc(self.now_ns);
        self.server.start(now, self.dice.name(), &mut self.broker)
    }

    fn habits(&self) -> Habits {
        Habits {
            noise: self.temper.noise,
            acknowledges_before_fsync: self.temper.plant == Some(Plant::AcknowledgeBeforeFsync),
            trusts_puback: self.temper.plant == Some(Plant::TrustPuback),
            reuses_epoch: self.temper.plant == Some(Plant::ReuseEpoch),
            trusts_numbers: self.temper.plant == Some(Plant::TrustNumbers),
        }
    }

    fn step(&mut self) -> Result<(), SimulationError> {
        self.pass_time();
        if self.fate.one_in(self.temper.fault_one_in) {
            self.fault()?;
        }
        let restored = self.temper.faults.has(Fault::JournalRestored);
        if restored && self.omen.one_in(self.temper.fault_one_in * RESTORED_ONE_IN) {
            self.put_back_or_copy();
        }
        let fire = self.temper.fire_permille;
        match self.dice.below(1_000) {
            roll if roll < fire => {
                let gun = self.dice.index(self.guns.len());
                self.fire(gun);
                Ok(())
            }
            roll if roll < 450 => {
                let gun = self.dice.index(self.guns.len());
                self.serve_gun(gun)
            }
            roll if roll < 720 => {
                let room = self.dice.index(self.rooms.len());
                self.serve_room(room)
            }
            _ => self.serve_server(),
        }
    }

    fn pass_time(&mut self) {
        let passed_ns = match self.dice.below(1_000) {
            0..700 => self.dice.below(self.temper.short_ns),
            700..970 => self.dice.below(20_000_000),
            970..998 => self.dice.below(400_000_000),
            _ => self.dice.below(8_000_000_000),
        };
        self.now_ns += passed_ns + 1_000;
    }

    fn fire(&mut self, gun: usize) {
        let overwritten = self.guns[gun].fire(self.now_ns, &mut self.dice);
        if let Some(counter) = overwritten {
            self.destroy(gun, (counter, counter));
        }
    }

    /// The ring of a gun has no longer these counters of the present run.
    fn destroy(&mut self, gun: usize, counters: (u32, u32)) {
        let serial = self.guns[gun].serial.clone();
        let run = self.guns[gun].runs.len() - 1;
        let (rooms, server) = (&self.rooms, &self.server);
        let is_safe = |epoch, counter| is_kept(rooms, server, &serial, epoch, counter);
        self.guns[gun].destroy(run, counters, is_safe);
    }

    /// The gun writes and reads, and the port at its other end too.
    fn serve_gun(&mut self, gun: usize) -> Result<(), SimulationError> {
        let Some(room) = self.guns[gun].room else {
            return Ok(());
        };
        let serial = self.guns[gun].serial.clone();
        self.rooms[room].open_port(gun, &serial, self.now_ns, &mut self.dice);
        let tick = self.guns[gun].tick(self.now_ns);
        let frames = self.dice.between(0, 6);
        for _ in 0..frames {
            let Some(bytes) = self.guns[gun].link.next_frame(tick) else {
                break;
            };
            if let Some(line) = self.line(room, gun) {
                line.carry(&bytes);
            }
        }
        let noise = self.temper.noise;
        self.rooms[room].poll_port(gun, self.now_ns, noise, &mut self.dice);
        if let Some(line) = self.line(room, gun) {
            let bytes = std::mem::take(&mut line.to_gun);
            self.guns[gun].link.receive(&bytes, tick);
        }
        self.guns[gun].note_epoch();
        self.check_acknowledged(gun)
    }

    fn line(&mut self, room: usize, gun: usize) -> Option<&mut crate::line::Line> {
        self.rooms[room].daemon.as_mut()?.lines.get_mut(&gun)
    }

    /// What a gun takes for acknowledged is on a disk (INV-2).
    fn check_acknowledged(&mut self, gun: usize) -> Result<(), SimulationError> {
        let inventory = self.guns[gun].link.inventory();
        let Some(epoch) = inventory.epoch else {
            return Ok(());
        };
        let acknowledged = inventory.acknowledged.map_or(0, |counter| counter.get());
        let (known, checked) = self.guns[gun].checked;
        let checked = if known == Some(epoch) { checked } else { 0 };
        let serial = &self.guns[gun].serial;
        for counter in checked + 1..=acknowledged {
            let mut rooms = self.rooms.iter();
            ensure(
                rooms.any(|room| room.durable().accounts_for(serial, epoch, counter)),
                "INV-2: a shot is acknowledged to its gun only when a journal has it on the disk",
                || format!("shot {counter} of gun {serial}"),
            )?;
        }
        self.guns[gun].checked = (Some(epoch), acknowledged.max(checked));
        Ok(())
    }

    /// No shot came again with other values (INV-1).
    fn check_conflicts(&self) -> Result<(), SimulationError> {
        let conflicts = self.rooms.iter().map(|room| room.journal.conflict_count());
        let count: u64 = conflicts.sum();
        ensure(count == 0, "INV-1: an identity names one shot", || {
            format!("{count} shots came again with other values")
        })
    }

    fn serve_room(&mut self, index: usize) -> Result<(), SimulationError> {
        let habits = self.habits();
        let effects = self.dice.between(1, 6);
        let now_ns = self.now_ns;
        let room = &mut self.rooms[index];
        if room.is_older_copy() {
            let incarnation = JournalIncarnation(self.omen.name());
            return room.begin_anew(incarnation, now_ns, &mut self.omen);
        }
        if room.daemon.is_none() {
            return match self.dice.one_in(4) {
                true => room.start(self.now_ns),
                false => Ok(()),
            };
        }
        let is_connected = room
            .daemon
            .as_ref()
            .is_some_and(|daemon| daemon.is_connected);
        if !is_connected && self.dice.one_in(4) {
            room.set_connection(true, self.now_ns, &mut self.broker, &mut self.dice);
        }
        for _ in 0..effects {
            room.advance(self.now_ns, habits, &mut self.broker, &mut self.dice)?;
        }
        if is_connected && let Some(message) = self.broker.take_for(&room.config.driver_id) {
            let (broker, dice) = (&mut self.broker, &mut self.dice);
            room.take(message, self.now_ns, habits, broker, dice)?;
        }
        if habits.acknowledges_before_fsync && self.dice.one_in(8) {
            room.sync();
        }
        Ok(())
    }

    fn serve_server(&mut self) -> Result<(), SimulationError> {
        if !self.server.is_up() {
            return match self.dice.one_in(4) {
                true => self.start_server(),
                false => Ok(()),
            };
        }
        if self.dice.one_in(4) {
            let (now, jitter) = (room::utc(self.now_ns), self.dice.permille());
            self.server.ask(now, jitter, &mut self.broker);
        }
        let effects = self.dice.between(1, 4);
        for _ in 0..effects {
            self.advance_server()?;
        }
        Ok(())
    }

    fn advance_server(&mut self) -> Result<bool, SimulationError> {
        let now = room::utc(self.now_ns);
        let dice = &mut self.dice;
        let keeps_order = !self.temper.faults.has(Fault::Reordered);
        let count = usize::try_from(dice.between(1, self.temper.commit_max)).unwrap_or(1);
        let batch = |broker: &mut Broker| broker.take(count, keeps_order, dice);
        self.server.advance(now, batch, &mut self.broker)
    }

    fn plug(&mut self, gun: usize) {
        let room = self.dice.index(self.rooms.len());
        self.guns[gun].room = Some(room);
    }

    fn unplug(&mut self, gun: usize) {
        if let Some(room) = self.guns[gun].room.take() {
            self.rooms[room].unplug(gun);
            self.guns[gun].link.line_reset();
        }
    }

    /// All faults cease, everything is switched on: within a while all must be at rest.
    fn rest(&mut self) -> Result<(), SimulationError> {
        self.temper.noise = Noise::default();
        self.temper.faults = FaultSet::NONE;
        self.broker.queue_max = usize::MAX;
        self.server.store.lock().fault = None;
        // What the broker retains comes to whoever lost it.
        self.broker.ingest_connects();
        for gun in 0..self.guns.len() {
            if self.guns[gun].room.is_none() {
                self.plug(gun);
            }
        }
        for round in 0..REST_ROUNDS_MAX {
            let mut is_busy = false;
            for gun in 0..self.guns.len() {
                self.serve_gun(gun)?;
            }
            for room in 0..self.rooms.len() {
                self.rooms[room].sync();
                self.serve_room(room)?;
                is_busy |= !self.rooms[room].is_quiet()
                    || self
                        .broker
                        .has_message_for(&self.rooms[room].config.driver_id);
            }
            self.serve_server()?;
            is_busy |= !self.server.is_quiet() || self.broker.waiting_count() > 0;
            is_busy |= self.guns.iter().any(Gun::waits);
            let is_asking = self.server.inquiry_count() > 0;
            if !is_busy && !is_asking {
                return Ok(());
            }
            // Fast at first, then as one who waits for time-outs or answers.
            self.now_ns += match is_busy && round < 2_000 {
                true => 20_000_000,
                false => 200_000_000,
            };
        }
        ensure(
            false,
            "everything comes to rest once all faults have ceased",
            || self.unrest(),
        )
    }

    fn unrest(&self) -> String {
        let rooms: Vec<bool> = self.rooms.iter().map(Room::is_quiet).collect();
        let guns: Vec<bool> = self.guns.iter().map(Gun::waits).collect();
        format!(
            "rooms at rest {rooms:?}, guns that wait {guns:?}, server at rest {}, in doubt {}, messages {}",
            self.server.is_quiet(),
            self.server.inquiry_count(),
            self.broker.waiting_count()
        )
    }
}

/// Whether a journal or the store has a shot.
fn is_kept(rooms: &[Room], server: &Server, gun: &GunSerial, epoch: Epoch, counter: u32) -> bool {
    let mut journals = rooms.iter().map(Room::durable);
    journals.any(|journal| journal.has_shot(gun, epoch, counter))
        || server.store.lock().has_shot(&ShotIdentity {
            gun: gun.clone(),
            epoch,
            counter: ShotCounter(counter),
        })
}
