//! The decisions of the daemon without the machine, for a simulation of the whole way.
//!
//! [`Decisions`] is the engine itself: what the daemon does around it, with ports, files and a
//! broker, the simulation does with models, and may stop between any two of these calls. The
//! daemon does not use this module, and nothing but a simulation should.

use jiff::tz::TimeZone;
use meso_config::DriverConfig;
use meso_contract::HeldMessage;
use meso_delivery::{Effect, Range, SenderEvent, Watermark};
use meso_domain::Stream;
use meso_journal::{Batch, Committed, ForgottenShots, Found, JournalError, SealedBlock};
use meso_serial::PortEvent;
use meso_units::{BlockNumber, Epoch, GunSerial, JournalIncarnation, ShotCounter, Timestamp};

pub use crate::engine::JournalContents;
use crate::engine::{AfterCommit, Call, Engine, Recovered, SealOrder, WantedAnswer, Work};
use crate::machine::Now;
use crate::outbox::{Undeliverable, WhyNot};

/// The most blocks and messages that wait to be sent; a further block waits for its time-out.
pub const OUTBOX_MAX: usize = crate::outbox::JOBS_WAITING_MAX;

/// One reading of a simulated computer's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time as people know it; it may step.
    pub utc: Timestamp,
    /// Milliseconds since the start of the daemon; never steps.
    pub monotonic_ms: u64,
}

impl From<Reading> for Now {
    fn from(reading: Reading) -> Now {
        Now {
            utc: reading.utc,
            monotonic_ms: reading.monotonic_ms,
        }
    }
}

/// What a gun is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The journal holds everything of this epoch up to this counter.
    Acknowledge(GunSerial, Epoch, ShotCounter),
    /// Shots are wanted from this counter on.
    ExpectFrom(GunSerial, Epoch, ShotCounter),
    /// Its counter begins anew under this epoch.
    AssignEpoch(GunSerial, Epoch),
    /// It is to fire no further shot, for this reason.
    Inhibit(GunSerial, u8),
    /// It may fire again.
    Resume(GunSerial),
}

impl Told {
    /// The gun.
    pub const fn gun(&self) -> &GunSerial {
        match self {
            Told::Acknowledge(gun, ..)
            | Told::ExpectFrom(gun, ..)
            | Told::AssignEpoch(gun, _)
            | Told::Inhibit(gun, _)
            | Told::Resume(gun) => gun,
        }
    }
}

impl From<Call> for Told {
    fn from(call: Call) -> Told {
        match call {
            Call::Acknowledge(gun, epoch, counter) => Told::Acknowledge(gun, epoch, counter),
            Call::ExpectFrom(gun, epoch, next) => Told::ExpectFrom(gun, epoch, next),
            Call::AssignEpoch(gun, epoch) => Told::AssignEpoch(gun, epoch),
            Call::Inhibit(gun, reason) => Told::Inhibit(gun, reason),
            Call::Resume(gun) => Told::Resume(gun),
        }
    }
}

impl From<Told> for Call {
    fn from(told: Told) -> Call {
        match told {
            Told::Acknowledge(gun, epoch, counter) => Call::Acknowledge(gun, epoch, counter),
            Told::ExpectFrom(gun, epoch, next) => Call::ExpectFrom(gun, epoch, next),
            Told::AssignEpoch(gun, epoch) => Call::AssignEpoch(gun, epoch),
            Told::Inhibit(gun, reason) => Call::Inhibit(gun, reason),
            Told::Resume(gun) => Call::Resume(gun),
        }
    }
}

/// Seal every record of a stream up to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The stream.
    pub stream: Stream,
    /// Its last record.
    pub last_sequence: u64,
}

impl From<SealOrder> for Order {
    fn from(order: SealOrder) -> Order {
        Order {
            stream: order.stream,
            last_sequence: order.last_sequence,
        }
    }
}

fn orders(seals: Vec<SealOrder>) -> Vec<Order> {
    seals.into_iter().map(Order::from).collect()
}

/// Something that takes effect once it is written.
#[derive(Debug, Default)]
pub struct Pending {
    work: Work,
}

impl Pending {
    /// What is to be written.
    pub fn batch(&self) -> &Batch {
        &self.work.batch
    }

    /// Whether there is nothing to write and nothing to follow.
    pub fn is_empty(&self) -> bool {
        self.work.is_empty()
    }
}

/// The decisions after a start, and what is to be done before anything else.
#[derive(Debug)]
pub struct Started {
    /// The decisions.
    pub decisions: Decisions,
    /// To be written.
    pub batch: Batch,
    /// Then to be sealed.
    pub seals: Vec<Order>,
}

/// The engine of one running daemon.
#[derive(Debug)]
pub struct Decisions {
    engine: Engine,
}

impl Decisions {
    /// Begins with what a journal holds; the room's calendar is that of UTC.
    ///
    /// # Errors
    ///
    /// [`JournalError`] where the journal cannot be read.
    pub fn recover(
        config: DriverConfig,
        journal: &impl JournalContents,
    ) -> Result<Started, JournalError> {
        let no_patients = Err("a simulation has no patients".to_owned());
        let Recovered {
            engine,
            batch,
            seals,
        } = Engine::recover(config, TimeZone::UTC, None, no_patients, journal)?;
        Ok(Started {
            decisions: Decisions { engine },
            batch,
            seals: orders(seals),
        })
    }

    /// Takes what a port says, to be written with the rest of `pending`; gives what is to be told
    /// at once, before that.
    pub fn hear(
        &mut self,
        now: Reading,
        event: PortEvent,
        mut new_epoch: impl FnMut() -> u64,
        pending: &mut Pending,
    ) -> Vec<Told> {
        let work = &mut pending.work;
        self.engine
            .take_gun_event(now.into(), event, &mut new_epoch, work);
        let first = std::mem::take(&mut work.first);
        first.into_iter().map(Told::from).collect()
    }

    /// A gun could not be told.
    pub fn not_told(&mut self, told: Told) {
        self.engine.not_told(&told.into());
    }

    /// What follows now that the journal has it: first the guns are told, then blocks are sealed.
    pub fn written(
        &mut self,
        now: Reading,
        pending: Pending,
        committed: &Committed,
    ) -> (Vec<Told>, Vec<Order>) {
        let AfterCommit { calls, seals } =
            self.engine
                .after_commit(now.into(), pending.work, committed);
        (calls.into_iter().map(Told::from).collect(), orders(seals))
    }

    /// The blocks whose time has come.
    pub fn due_seals(&mut self, now: Reading) -> Vec<Order> {
        orders(self.engine.due_seals(now.into()))
    }

    /// When [`Decisions::due_seals`] has something, in monotonic ms.
    pub fn next_seal_ms(&self) -> Option<u64> {
        self.engine.next_seal_ms()
    }

    /// A block is on the disk.
    pub fn sealed(&mut self, now: Reading, jitter: u16, block: SealedBlock) -> Vec<Effect> {
        self.engine.sealed(now.into(), jitter, block)
    }

    /// Something happened on the way to the ingest.
    pub fn delivery(&mut self, now: Reading, jitter: u16, event: SenderEvent) -> Vec<Effect> {
        self.engine.delivery(now.into(), jitter, event)
    }

    /// The ingest has settled blocks.
    pub fn settled(&mut self, stream: &Stream, watermark: &Watermark) {
        self.engine.settled(stream, watermark);
    }

    /// Names shots that the journal has forgotten and the store has lost, to be written before
    /// [`Decisions::undeliverable`].
    pub fn declare_forgotten(
        &self,
        now: Reading,
        stream: &Stream,
        forgotten: &[ForgottenShots],
    ) -> Pending {
        let work = self.engine.declare_forgotten(now.into(), stream, forgotten);
        Pending { work }
    }

    /// Answers what this room has of a gun and epoch, by what its journal has found: first what is
    /// to be written, then blocks that go out again, then the answer.
    pub fn wanted(
        &mut self,
        now: Reading,
        gun: &GunSerial,
        epoch: Epoch,
        wanted: &[Range],
        found: &Found,
    ) -> (Pending, SenderEvent, HeldMessage) {
        let WantedAnswer {
            work,
            resend,
            answer,
        } = self
            .engine
            .take_wanted(now.into(), gun, epoch, wanted, found);
        (Pending { work }, resend, answer)
    }

    /// The journal does not have a block any more.
    pub fn undeliverable(
        &mut self,
        now: Reading,
        stream: Stream,
        number: BlockNumber,
    ) -> Vec<Effect> {
        let block = Undeliverable {
            stream,
            number,
            why: WhyNot::Forgotten,
        };
        self.engine.undeliverable(now.into(), block)
    }

    /// The life of the journal that block numbers belong to.
    pub fn incarnation(&self) -> JournalIncarnation {
        self.engine.incarnation()
    }

    /// How many sealed blocks the ingest does not have yet.
    pub fn unsettled_block_count(&self) -> u64 {
        self.engine.unsettled_block_count()
    }
}
