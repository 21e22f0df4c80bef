//! Guns that print a line for each shot and take nothing back.
//!
//! Such a gun has no counter, no ring and no clock that a host could check. So the host numbers the
//! shots in the order of their lines, under a new epoch for each opening of the port: what was
//! fired while nobody listened is gone, and nobody can say how much that was.
//! [`CompletenessGrade::NotProvable`] says so, and the driver closes the epoch of the opening
//! before with a gap of unknown length.
//!
//! Lines that come before the driver has given the epoch wait; what is beyond
//! [`SHOTS_WAITING_MAX`] is numbered all the same and told as lost. What still waits when the gun is
//! gone is told as rejected, so that it is kept. An acknowledgement means
//! nothing to such a gun.
//!
//! A shot has the time at which its line ended. Where the profile says how long after its trigger
//! the gun has sent its line at the latest, a clock mapping makes that the uncertainty; else it
//! is unbounded.

mod parse;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use meso_config::guns::{LineKind, SerialFrom, TextLineProfile};
use meso_link_proto::clock::{ClockMapping, HostNow};
use meso_link_proto::frame::LineCounters;
use meso_link_proto::{
    Capabilities, CommandOutcome, GunLimits, GunText, Hello, Inventory, LeaseLoss, ResultCode,
    ShotEvent, ShotKey,
};
use meso_units::{BootId, Epoch, GunSerial, GunTick, ShotCounter, Timestamp};

use crate::foreign::{ForeignCommand, ForeignLine, Standing, Teller, UsbPort, Wanted, reader_end};
use crate::ports::{Line, Shared};
use crate::reader::{ReaderEnd, is_nothing_yet, session_number};
use crate::{CompletenessGrade, DetachReason, GunEvent, LineFault, OpenPort, RejectCause};
use parse::{LINE_BYTES_MAX, Lines, Piece, Said, read_line};

/// How many shots may wait for the driver: at nine shots a second 7.5 minutes. Those beyond it
/// are told as lost.
const SHOTS_WAITING_MAX: usize = 4_096;
/// The longest wait for bytes; how late a stop or an order is noticed.
const READ_PATIENCE: Duration = Duration::from_millis(20);
/// How often an unknown gun is asked who it is, and how often counters are told at most.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// How many refused lines of a second are kept; those beyond it are only counted, because a line
/// at a wrong baud rate would fill the quarantine.
const REJECTED_PER_SECOND_MAX: u32 = 8;
/// What is read at once.
const READ_BYTES: usize = 4_096;

/// What the thread of such a port is given.
pub(crate) struct TextPort {
    pub(crate) name: String,
    pub(crate) profile: TextLineProfile,
    pub(crate) usb_serial: Option<String>,
}

/// Reads the gun until it is gone or the driver stops.
pub(crate) fn read_text(
    shared: &Shared,
    line: &Arc<ForeignLine>,
    port: &TextPort,
    open: OpenPort,
) -> ReaderEnd {
    let entry = Line::Foreign(Arc::clone(line));
    let mut gun = match TextGun::new(shared, &entry, line, port) {
        Ok(gun) => gun,
        Err(problem) => return ReaderEnd::Refused(problem),
    };
    let reason = match gun.serve(open) {
        Ok(never) => match never {},
        Err(reason) => reason,
    };
    gun.give_up_waiting();
    let end = reader_end(&reason, gun.teller.gun.is_some());
    gun.teller.detach(reason);
    end
}

/// What waits for the driver.
enum WaitingShot {
    Fired(Box<ShotEvent>, Timestamp),
    /// So many more came than there was room for.
    Dropped(u32),
}

struct TextGun<'a> {
    shared: &'a Shared,
    teller: Teller<'a>,
    orders: &'a ForeignLine,
    port: &'a TextPort,
    lines: Lines,
    /// Its serial number, where no line tells it.
    known: Option<GunSerial>,
    /// This opening of the port.
    boot: BootId,
    opened_ns: u64,
    model: Option<String>,
    firmware: Option<String>,
    epoch: Option<Epoch>,
    /// How many shots of the epoch the driver was given.
    given: u32,
    is_wanted: bool,
    waiting: VecDeque<WaitingShot>,
    clock_segment: Option<u32>,
    asked: Option<Instant>,
    counters: LineCounters,
    told_counters: LineCounters,
    told_at: Option<Instant>,
    second: (Instant, u32),
}

impl<'a> TextGun<'a> {
    fn new(
        shared: &'a Shared,
        line: &'a Line,
        orders: &'a ForeignLine,
        port: &'a TextPort,
    ) -> Result<TextGun<'a>, String> {
        let known = match &port.profile.serial {
            SerialFrom::Line => None,
            SerialFrom::Fixed(serial) => Some(serial.clone()),
            SerialFrom::Usb => Some(usb_serial(port.usb_serial.as_deref())?),
        };
        Ok(TextGun {
            shared,
            teller: Teller::new(shared, line),
            orders,
            port,
            lines: Lines::new(port.profile.ending.bytes()),
            known,
            boot: BootId(session_number()),
            opened_ns: shared.clocks.now().monotonic_ns,
            model: None,
            firmware: None,
            epoch: None,
            given: 0,
            is_wanted: false,
            waiting: VecDeque::new(),
            clock_segment: None,
            asked: None,
            counters: LineCounters::default(),
            told_counters: LineCounters::default(),
            told_at: None,
            second: (Instant::now(), 0),
        })
    }

    fn serve(&mut self, mut open: OpenPort) -> Result<std::convert::Infallible, DetachReason> {
        if let Some(serial) = self.known.take() {
            self.attach(serial)?;
        }
        let mut buffer = [0_u8; READ_BYTES];
        loop {
            if self.shared.is_stopping.load(Ordering::Relaxed) {
                return Err(DetachReason::Stopped);
            }
            self.ask(&mut open)?;
            let count = match open.reader.read(&mut buffer, READ_PATIENCE) {
                Ok(0) => return Err(DetachReason::HungUp),
                Ok(count) => count,
                Err(error) if is_nothing_yet(&error) => 0,
                Err(_) => return Err(DetachReason::HungUp),
            };
            self.teller.read_ns = self.shared.clocks.elapsed_ns();
            let now = self.shared.clocks.now();
            for piece in self.lines.take(&buffer[..count]) {
                self.take_piece(piece, now)?;
            }
            self.obey()?;
            self.give()?;
            self.tell_counters()?;
        }
    }

    /// Asks an unknown gun who it is.
    fn ask(&mut self, open: &mut OpenPort) -> Result<(), DetachReason> {
        let Some(question) = &self.port.profile.ask else {
            return Ok(());
        };
        let is_due = self
            .asked
            .is_none_or(|asked| asked.elapsed() >= ASK_INTERVAL);
        if self.teller.gun.is_some() || !is_due {
            return Ok(());
        }
        self.asked = Some(Instant::now());
        let mut bytes = question.as_bytes().to_vec();
        bytes.extend(self.port.profile.ending.bytes());
        let written = open.writer.write_all(&bytes);
        written.map_err(|_| DetachReason::CannotWrite)
    }

    fn take_piece(&mut self, piece: Piece, now: HostNow) -> Result<(), DetachReason> {
        match piece {
            Piece::Headless(count) => {
                self.counters.skipped_bytes += count as u64;
                Ok(())
            }
            Piece::TooLong(bytes) => {
                self.counters.oversize += 1;
                let length_max = LINE_BYTES_MAX;
                self.reject(LineFault::TooLong { length_max }, bytes)
            }
            Piece::Line(bytes) => match read_line(&self.port.profile, &bytes) {
                Ok(said) => {
                    self.counters.frames += 1;
                    self.take_line(said, now)
                }
                Err(fault) => self.reject(fault, bytes),
            },
        }
    }

    fn take_line(&mut self, said: Said, now: HostNow) -> Result<(), DetachReason> {
        self.model = said.model.or(self.model.take());
        self.firmware = said.firmware.or(self.firmware.take());
        if let Some(serial) = said.serial
            && self.teller.gun.as_ref() != Some(&serial)
        {
            self.attach(serial)?;
        }
        if said.kind == LineKind::Shot {
            self.tell_clock(now)?;
            self.keep(
                Box::new(ShotEvent {
                    // Numbered when it is handed on.
                    key: ShotKey {
                        epoch: Epoch(0),
                        counter: ShotCounter(0),
                    },
                    boot: self.boot,
                    tick: self.tick(now),
                    interval: said.interval,
                    measured: said.measured,
                }),
                now.utc,
            );
        }
        Ok(())
    }

    fn keep(&mut self, shot: Box<ShotEvent>, received_at: Timestamp) {
        if self.waiting.len() < SHOTS_WAITING_MAX {
            self.waiting
                .push_back(WaitingShot::Fired(shot, received_at));
            return;
        }
        match self.waiting.back_mut() {
            Some(WaitingShot::Dropped(count)) => *count = count.saturating_add(1),
            _ => {
                // Takes the place of the newest one, so that the limit holds.
                self.waiting.pop_back();
                self.waiting.push_back(WaitingShot::Dropped(2));
            }
        }
    }

    /// Microseconds since this opening of the port.
    fn tick(&self, now: HostNow) -> GunTick {
        let us = now.monotonic_ns.saturating_sub(self.opened_ns) / 1_000;
        GunTick::new(us).unwrap_or(GunTick::MAX)
    }

    /// The mapping from [`TextGun::tick`] to UTC, once for each stretch of this computer's clock.
    fn tell_clock(&mut self, now: HostNow) -> Result<(), DetachReason> {
        let Some(delay_max) = self.port.profile.delay_max else {
            return Ok(());
        };
        if self.teller.gun.is_none() || self.clock_segment == Some(now.segment) {
            return Ok(());
        }
        self.clock_segment = Some(now.segment);
        // The trigger was at some time within the delay: its middle, and half of it either way.
        let delay_ns = u64::try_from(delay_max.as_nanos()).unwrap_or(u64::MAX);
        let half_ns = i64::try_from(delay_ns / 2).unwrap_or(i64::MAX);
        self.teller.tell(GunEvent::Clock(ClockMapping {
            boot_id: self.boot.get(),
            segment: now.segment,
            reference_tick_us: self.tick(now).get(),
            reference_at_ns: now.utc.unix_ns().saturating_sub(half_ns),
            drift_ppb: 0,
            drift_allowance_ppb: 0,
            rtt_ns: delay_ns,
        }))
    }

    /// Tells of the gun, as one without an epoch.
    fn attach(&mut self, serial: GunSerial) -> Result<(), DetachReason> {
        if self.teller.gun.is_some() {
            self.give_up_waiting();
        }
        let usb = UsbPort::Port(self.port.usb_serial.clone());
        self.teller.attach_without_proof(&serial, usb)?;
        self.epoch = None;
        self.clock_segment = None;
        self.greet(serial)?;
        self.tell_clock(self.shared.clocks.now())
    }

    fn greet(&mut self, serial: GunSerial) -> Result<(), DetachReason> {
        self.is_wanted = false;
        self.given = 0;
        self.orders.stand(Standing {
            epoch: self.epoch,
            can_inhibit: false,
        });
        let hello = self.hello(serial)?;
        self.teller
            .tell_attached(Box::new(hello), CompletenessGrade::NotProvable)
    }

    fn hello(&self, serial: GunSerial) -> Result<Hello, DetachReason> {
        let label = |told: &Option<String>, otherwise: &str| {
            let told = told.as_deref().unwrap_or_default();
            GunText::new("model", told)
                .or_else(|_| GunText::new("model", otherwise))
                .map_err(|error| DetachReason::WrongAnswer {
                    problem: error.to_string(),
                })
        };
        Ok(Hello {
            // It speaks no version of the meso link.
            protocol_min: 0,
            protocol_max: 0,
            schema: 0,
            session: 0,
            serial,
            model: label(&self.model, &self.port.name)?,
            firmware: label(&self.firmware, "unknown")?,
            firmware_hash: [0; 8],
            boot: self.boot,
            boot_count: 0,
            inventory: Inventory {
                epoch: self.epoch,
                ..Inventory::default()
            },
            capabilities: Capabilities::default(),
            limits: GunLimits::default(),
            lease_ms: 0,
            lease_loss: LeaseLoss::Continue,
            is_inhibited: false,
            inhibit_number: 0,
            tick: self.tick(self.shared.clocks.now()),
            nonce: [0; 16],
        })
    }

    /// Does what the driver has ordered.
    fn obey(&mut self) -> Result<(), DetachReason> {
        while let Some(waiting) = self.orders.take_command() {
            let result = match waiting.command {
                ForeignCommand::AssignEpoch(epoch) => {
                    self.epoch = Some(epoch);
                    ResultCode::Done
                }
                ForeignCommand::Inhibit | ForeignCommand::Resume => ResultCode::Unsupported,
            };
            self.teller.tell(GunEvent::Command {
                command: waiting.number,
                kind: waiting.command.kind(),
                outcome: CommandOutcome::Answered {
                    result,
                    is_inhibited: false,
                    limits: GunLimits::default(),
                },
            })?;
            if result == ResultCode::Done
                && let Some(serial) = self.teller.gun.clone()
            {
                self.greet(serial)?;
            }
        }
        // Nothing is kept by the gun, so nothing is let go.
        let _ = self.orders.take_acknowledged();
        match self.orders.take_wanted() {
            Some(wanted) => self.begin(wanted),
            None => Ok(()),
        }
    }

    fn begin(&mut self, wanted: Wanted) -> Result<(), DetachReason> {
        if self.epoch != Some(wanted.epoch) {
            return Ok(());
        }
        let next = wanted.next.get();
        if next > self.given.saturating_add(1) {
            let epoch = wanted.epoch;
            self.teller.tell(GunEvent::CounterWentBack {
                epoch,
                newest: self.given,
                expected: wanted.next,
            })?;
            // There is no ring to read anything from.
            let newest = 0;
            return self.teller.tell(GunEvent::SalvageEnded { epoch, newest });
        }
        self.is_wanted = true;
        if next <= self.given {
            let last = ShotCounter(self.given);
            return self.lost(wanted.epoch, wanted.next, last);
        }
        Ok(())
    }

    fn lost(
        &self,
        epoch: Epoch,
        first: ShotCounter,
        last: ShotCounter,
    ) -> Result<(), DetachReason> {
        self.teller.tell(GunEvent::Lost { epoch, first, last })
    }

    /// Hands on what waits.
    fn give(&mut self) -> Result<(), DetachReason> {
        let Some(epoch) = self.epoch.filter(|_| self.is_wanted) else {
            return Ok(());
        };
        while let Some(waiting) = self.waiting.pop_front() {
            let first = ShotCounter(self.given.saturating_add(1));
            match waiting {
                WaitingShot::Fired(mut shot, received_at) => {
                    self.given = first.get();
                    shot.key = ShotKey {
                        epoch,
                        counter: first,
                    };
                    self.teller.tell(GunEvent::Shot { shot, received_at })?;
                }
                WaitingShot::Dropped(count) => {
                    self.given = self.given.saturating_add(count);
                    self.lost(epoch, first, ShotCounter(self.given))?;
                }
            }
        }
        Ok(())
    }

    /// The gun is gone, and nobody will number what waits: it is kept apart.
    fn give_up_waiting(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            let (reason, bytes) = match waiting {
                WaitingShot::Fired(shot, _) => (LineFault::NeverNumbered, shot.encode_payload()),
                WaitingShot::Dropped(count) => (LineFault::NoRoom { count }, Vec::new()),
            };
            let reason = RejectCause::Line(reason);
            let identity = None;
            // Where nobody listens any more, the driver stops.
            let _ = self.teller.tell(GunEvent::Rejected {
                reason,
                bytes,
                identity,
            });
        }
    }

    fn reject(&mut self, fault: LineFault, bytes: Vec<u8>) -> Result<(), DetachReason> {
        if self.second.0.elapsed() >= Duration::from_secs(1) {
            self.second = (Instant::now(), 0);
        }
        self.second.1 += 1;
        if self.second.1 > REJECTED_PER_SECOND_MAX {
            self.counters.skipped_bytes += bytes.len() as u64;
            return Ok(());
        }
        self.teller.tell(GunEvent::Rejected {
            reason: RejectCause::Line(fault),
            bytes,
            identity: None,
        })
    }

    fn tell_counters(&mut self) -> Result<(), DetachReason> {
        let news = LineCounters {
            frames: self.told_counters.frames,
            ..self.counters
        };
        let is_due = self
            .told_at
            .is_none_or(|told| told.elapsed() >= ASK_INTERVAL);
        if news == self.told_counters || !is_due {
            return Ok(());
        }
        self.told_counters = self.counters;
        self.told_at = Some(Instant::now());
        self.teller.tell(GunEvent::Counters(self.counters))
    }
}

/// The serial number of the USB device as that of the gun.
fn usb_serial(told: Option<&str>) -> Result<GunSerial, String> {
    let told =
        told.ok_or("the profile takes the serial number from the USB device, and it has none")?;
    GunSerial::parse(told.trim()).map_err(|error| error.to_string())
}
