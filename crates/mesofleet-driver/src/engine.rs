//! The decisions of the daemon: events and the time in, batches for the journal and calls out.
//!
//! The engine opens nothing and reads no clock. What it decides takes effect in two halves: it
//! hands out [`Work`] to be written, and only [`Engine::after_commit`] says what may follow. So a
//! crash between the two leaves a journal and guns that agree.

mod attach;
mod clock;
mod courses;
mod gun;
mod interlock;
mod lane;
mod links;
mod live;
mod recovery;
mod resume;
mod room;
mod screening;
mod shot;
mod status;
mod stop;
mod strays;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use meso_config::DriverConfig;
use meso_delivery::{
    CutContext, CutLimits, Effect, Haste, Sender, SenderEvent, StreamPosition, Watermark,
};
use meso_domain::Stream;
use meso_journal::{Batch, Committed, NewRecord, Outcome, SealedBlock};
use meso_limits::Judge;
use meso_serial::{GunEvent, PortEvent};
use meso_sessions::Sessions;
use meso_units::{ClockSegment, Epoch, GunSerial, JournalIncarnation, ShotCounter};

use crate::machine::Now;
use courses::Courses;
use gun::{Gun, gun_of};
use lane::Lane;
use links::Links;
use screening::Screenings;

use crate::outbox::{Undeliverable, WhyNot};
pub(crate) use links::DrawnLink;
pub use links::LINK_VALUES;
pub use recovery::JournalContents;
pub(crate) use recovery::Recovered;
pub use resume::{RESUME_VALUES, Resumed};
pub(crate) use room::{Drawn, StepTaken};
pub use stop::{STOP_VALUES, Stopped};
pub(crate) use wanted::WantedAnswer;

/// The time that a stretch of this daemon's clock is known by in the journal.
const CLOCK_SEGMENT_VALUE: &str = "clock_segment";

/// A verdict and what must hold of its block.
#[derive(Clone, Debug)]
struct Note {
    stream: Stream,
    context: CutContext,
    haste: Haste,
}

/// A gun of a broken epoch all of whose shots have come.
#[derive(Clone, Debug)]
struct Salvaged {
    gun: GunSerial,
    epoch: Epoch,
    /// The last counter that came; 0 for none.
    newest: ShotCounter,
    new_epoch: Epoch,
}

/// What is to be written, and what is to follow.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// For the journal.
    pub(crate) batch: Batch,
    /// One for each record of the batch.
    notes: Vec<Note>,
    /// Guns that wait to be told where to go on, once the batch is written.
    expecting: Vec<(GunSerial, Epoch)>,
    /// Guns that wait for an epoch.
    assigning: Vec<(GunSerial, Epoch)>,
    /// Guns whose broken epoch ends once the batch is written.
    salvaged: Vec<Salvaged>,
    /// What guns are told before anything is written: to fire no more.
    pub(crate) first: Vec<Call>,
    /// What guns are told after all else.
    last: Vec<Call>,
}

impl Work {
    /// Whether there is nothing to write and nothing to follow.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.records.is_empty()
            && self.batch.quarantined.is_empty()
            && self.batch.values.is_empty()
            && self.expecting.is_empty()
            && self.assigning.is_empty()
            && self.salvaged.is_empty()
            && self.last.is_empty()
    }

    /// What the next commit is to keep under a name; the newest counts.
    fn keep(&mut self, name: String, value: Vec<u8>) {
        self.batch.values.retain(|(known, _)| *known != name);
        self.batch.values.push((name, value));
    }

    fn push(&mut self, record: NewRecord, epoch: Option<Epoch>, haste: Haste) {
        self.notes.push(Note {
            stream: record.stream.clone(),
            context: CutContext {
                epoch,
                session: record.session,
            },
            haste,
        });
        self.batch.records.push(record);
    }
}

/// What to tell a gun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// The journal holds everything up to this counter.
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

/// Seal every record of a stream up to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealOrder {
    pub(crate) stream: Stream,
    pub(crate) last_sequence: u64,
}

/// What follows a commit, in this order: first the calls, then the blocks.
#[derive(Debug, Default)]
pub(crate) struct AfterCommit {
    pub(crate) calls: Vec<Call>,
    pub(crate) seals: Vec<SealOrder>,
}

/// The state of the daemon.
#[derive(Debug)]
pub(crate) struct Engine {
    config: DriverConfig,
    time_zone: TimeZone,
    sessions: Sessions,
    judge: Judge,
    /// The newest signer list that vouched for a library here; 0 before the first.
    signer_list_version: u32,
    guns: BTreeMap<GunSerial, Gun>,
    lanes: BTreeMap<Stream, Lane>,
    sender: Sender,
    /// The first clock segment of this start; each gun's own steps count on from it.
    clock_segment_base: u32,
    /// The present one, as far as a mapping has told of it.
    clock_segment: ClockSegment,
    /// The highest clock segment that the journal knows of.
    clock_segment_top: u32,
    /// Whether a time service has yet to set this computer's clock.
    awaits_time_service: bool,
    /// Blocks that no message can carry.
    unsendable_block_count: u64,
    /// Watermarks that the ingest has not signed.
    refused_watermark_count: u64,
    /// Questionnaires that a returning patient may confirm.
    screenings: Screenings,
    /// Earlier sessions of the room's patients.
    courses: Courses,
    /// From codes to patients.
    links: Links,
    /// Guns that were unplugged since sessions were last looked at.
    unplugged: BTreeSet<GunSerial>,
    /// When sessions were last looked at for idleness.
    idle_looked_at: Option<Now>,
    /// How often a person has resumed a gun.
    resume_count: u64,
    /// How often a person has stopped a gun.
    stop_count: u64,
    /// Ports that cannot be used, and why.
    port_problems: BTreeMap<String, String>,
}

impl Engine {
    fn new(
        config: DriverConfig,
        time_zone: TimeZone,
        incarnation: JournalIncarnation,
        clock_segment_base: u32,
    ) -> Engine {
        let sender = Sender::new(config.driver_id.clone(), incarnation);
        Engine {
            config,
            time_zone,
            sessions: Sessions::default(),
            judge: Judge::default(),
            signer_list_version: 0,
            guns: BTreeMap::new(),
            lanes: BTreeMap::new(),
            sender,
            clock_segment_base,
            clock_segment: ClockSegment(clock_segment_base),
            clock_segment_top: clock_segment_base,
            awaits_time_service: false,
            unsendable_block_count: 0,
            refused_watermark_count: 0,
            screenings: Screenings::default(),
            courses: Courses::default(),
            links: Links::default(),
            unplugged: BTreeSet::new(),
            idle_looked_at: None,
            resume_count: 0,
            stop_count: 0,
            port_problems: BTreeMap::new(),
        }
    }

    /// Takes what the ports say, one after the other. `new_epoch` gives random numbers.
    ///
    /// What [`Work::first`] then holds is to be told at once, before the rest is written.
    pub(crate) fn take_gun_event(
        &mut self,
        now: Now,
        event: PortEvent,
        new_epoch: &mut impl FnMut() -> u64,
        work: &mut Work,
    ) {
        let PortEvent {
            port, gun, event, ..
        } = event;
        let Some(serial) = gun_of(gun, &event) else {
            self.take_port_event(port.as_str(), &event);
            return;
        };
        match event {
            GunEvent::Attached(hello) => {
                self.port_problems.remove(port.as_str());
                self.gun(&serial).port = Some(port);
                self.take_attached(now, &hello, new_epoch, work);
                self.reconcile(now.utc, &serial, work);
            }
            GunEvent::Shot { shot, received_at } => {
                self.take_shot(&serial, *shot, received_at, work);
            }
            GunEvent::Rejected {
                reason,
                bytes,
                identity,
            } => self.take_rejected(now, &serial, &reason.to_string(), bytes, identity, work),
            GunEvent::Lost { epoch, first, last } => {
                self.take_lost(now, &serial, epoch, first, last, work);
            }
            GunEvent::CounterWentBack { epoch, newest, .. } => {
                tracing::warn!(gun = %serial, newest, "the gun's counter went back");
                self.close_epoch(now, &serial, epoch, work);
            }
            GunEvent::Salvaged { shot, .. } => self.take_salvaged(now, &serial, &shot, work),
            GunEvent::SalvageEnded { epoch, newest } => {
                work.salvaged.push(Salvaged {
                    gun: serial,
                    epoch,
                    newest: ShotCounter(newest),
                    new_epoch: Epoch(new_epoch()),
                });
            }
            // Another port has the gun by now, and its word overtook this one's.
            GunEvent::Detached { .. } if self.gun(&serial).port != Some(port.clone()) => {
                tracing::debug!(gun = %serial, %port, "a port lost a gun that another one has");
            }
            GunEvent::Clock(mapping) => self.learn_clock(&serial, mapping),
            GunEvent::Command { kind, outcome, .. } => {
                if self.gun(&serial).needs_another_try(kind, outcome) {
                    work.assigning.push((serial.clone(), Epoch(new_epoch())));
                }
                self.note_command(now.utc, &serial, kind, outcome, work);
            }
            other => {
                if let GunEvent::Detached { reason } = &other {
                    // A gun that only fell silent is in the same hand still.
                    if *reason == meso_serial::DetachReason::HungUp {
                        self.unplugged.insert(serial.clone());
                    }
                    self.take_detached(now, &serial, work);
                }
                self.gun(&serial).note(&serial, other);
                self.reconcile(now.utc, &serial, work);
            }
        }
    }

    /// Something about a port on which no gun has answered.
    fn take_port_event(&mut self, port: &str, event: &GunEvent) {
        match event {
            GunEvent::Unavailable { problem } => {
                tracing::warn!(port, problem, "a port cannot be used");
                self.note_port(port, problem);
            }
            GunEvent::Rejected { reason, bytes, .. } => {
                tracing::warn!(port, %reason, length = bytes.len(), "a frame of no known gun was refused");
            }
            _ => {}
        }
    }

    /// The state of a gun, made where it is new.
    fn gun(&mut self, serial: &GunSerial) -> &mut Gun {
        self.guns.entry(serial.clone()).or_default()
    }

    /// Keeps the number of a stretch of clock before a shot carries it into the open.
    fn note_clock_segment(&mut self, segment: ClockSegment, work: &mut Work) {
        if segment.0 > self.clock_segment_top {
            self.clock_segment_top = segment.0;
            let (name, value) = clock_segment_value(segment.0);
            work.keep(name, value);
        }
    }

    /// What follows now that the journal has it.
    pub(crate) fn after_commit(
        &mut self,
        now: Now,
        work: Work,
        committed: &Committed,
    ) -> AfterCommit {
        let mut after = AfterCommit::default();
        for position in &committed.positions {
            let gun = self.gun(&position.gun);
            gun.held.insert(position.epoch, position.contiguous);
            gun.is_changed = true;
            if gun.epoch == Some(position.epoch) && position.contiguous.get() > 0 {
                let call =
                    Call::Acknowledge(position.gun.clone(), position.epoch, position.contiguous);
                after.calls.push(call);
            }
        }
        for (gun, epoch) in work.expecting {
            let next = self.gun(&gun).next_counter(epoch);
            after.calls.push(Call::ExpectFrom(gun, epoch, next));
        }
        for (gun, epoch) in work.assigning {
            after.calls.push(Call::AssignEpoch(gun, epoch));
        }
        for salvaged in work.salvaged {
            let Salvaged {
                gun, epoch, newest, ..
            } = salvaged;
            if newest.get() > 0 {
                let call = Call::Acknowledge(gun.clone(), epoch, newest);
                after.calls.push(call);
            }
            after.calls.push(Call::AssignEpoch(gun, salvaged.new_epoch));
        }
        after.calls.extend(work.last);
        for (note, outcome) in work.notes.into_iter().zip(&committed.outcomes) {
            match outcome {
                Outcome::Recorded { sequence } => {
                    let lane = self.lane(&note.stream);
                    let seals =
                        lane.recorded(now.monotonic_ms, *sequence, note.context, note.haste);
                    after
                        .seals
                        .extend(seals.into_iter().map(|last_sequence| SealOrder {
                            stream: note.stream.clone(),
                            last_sequence,
                        }));
                }
                Outcome::Known => {}
                Outcome::Conflict => {
                    tracing::error!(stream = %note.stream, "a shot came again with other values");
                    if let Stream::Gun(gun) = &note.stream {
                        self.gun(gun).quarantined_frames += 1;
                    }
                }
            }
        }
        after
    }

    fn lane(&mut self, stream: &Stream) -> &mut Lane {
        let limits = CutLimits {
            records_max: self.config.blocks.shots_max.into(),
            open_ms_max: u64::try_from(self.config.blocks.open_max.as_millis()).unwrap_or(u64::MAX),
        };
        self.lanes
            .entry(stream.clone())
            .or_insert_with(|| Lane::new(limits))
    }

    /// The blocks whose time has come.
    pub(crate) fn due_seals(&mut self, now: Now) -> Vec<SealOrder> {
        self.seals_where(|due_ms| due_ms <= now.monotonic_ms)
    }

    /// Every open block, for a farewell.
    pub(crate) fn all_seals(&mut self) -> Vec<SealOrder> {
        self.seals_where(|_| true)
    }

    fn seals_where(&mut self, is_due: impl Fn(u64) -> bool) -> Vec<SealOrder> {
        let due = self.lanes.iter_mut().filter_map(|(stream, lane)| {
            let last_sequence = lane.seal_if(&is_due)?;
            Some(SealOrder {
                stream: stream.clone(),
                last_sequence,
            })
        });
        due.collect()
    }

    /// When [`Engine::due_seals`] has something, in monotonic ms.
    pub(crate) fn next_seal_ms(&self) -> Option<u64> {
        self.lanes.values().filter_map(Lane::due_ms).min()
    }

    /// A block is on the disk.
    pub(crate) fn sealed(&mut self, now: Now, jitter: u16, block: SealedBlock) -> Vec<Effect> {
        self.lane(&block.stream).sealed(&block);
        let event = SenderEvent::Sealed {
            stream: block.stream,
            number: block.number,
            hash: block.hash,
            sealed_at: block.sealed_at,
        };
        self.sender.step(now.monotonic_ms, jitter, event)
    }

    /// Something happened on the way to the ingest.
    pub(crate) fn delivery(&mut self, now: Now, jitter: u16, event: SenderEvent) -> Vec<Effect> {
        self.sender.step(now.monotonic_ms, jitter, event)
    }

    /// The ingest has settled blocks.
    pub(crate) fn settled(&mut self, stream: &Stream, watermark: &Watermark) {
        self.lane(stream).settled(watermark.to);
        if let Stream::Gun(gun) = stream {
            self.gun(gun).is_changed = true;
        }
    }

    /// A watermark came that the ingest has not signed.
    pub(crate) const fn watermark_refused(&mut self) {
        self.refused_watermark_count += 1;
    }

    /// The life of the journal that block numbers belong to.
    pub(crate) const fn incarnation(&self) -> JournalIncarnation {
        self.sender.incarnation()
    }

    /// How many sealed blocks the ingest does not have yet.
    pub(crate) fn unsettled_block_count(&self) -> u64 {
        self.sender.unsettled_count()
    }

    fn restore_stream(&mut self, position: StreamPosition) {
        self.sender.restore(position);
    }

    /// A block cannot be sent: to try it again would be of no use before the next start.
    pub(crate) fn undeliverable(&mut self, now: Now, block: Undeliverable) -> Vec<Effect> {
        let Undeliverable {
            stream,
            number,
            why,
        } = block;
        if why == WhyNot::NoMessage {
            self.unsendable_block_count += 1;
        }
        self.delivery(now, 0, SenderEvent::Unavailable { stream, number })
    }
}

fn clock_segment_value(segment: u32) -> (String, Vec<u8>) {
    (
        CLOCK_SEGMENT_VALUE.to_owned(),
        segment.to_le_bytes().to_vec(),
    )
}

#[cfg(test)]
mod tests;
