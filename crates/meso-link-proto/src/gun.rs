//! The gun's end of the link as a state machine: the reference behaviour for firmware, and what
//! the emulated gun runs.

mod commands;
mod settings;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use meso_units::{Epoch, GunTick, Microseconds, ShotCounter};

use crate::frame::{Decoded, FrameDecoder, LineCounters};
use crate::host::ns;
use crate::message::{
    COUNTER_MAX, CommandResult, Hello, HostHello, Inventory, LeaseLoss, Measured, Message, Range,
    ResultCode, SendFrom, ShotEvent, ShotKey, Status, TimeAnswer, Watermark,
};
use crate::ring::Ring;
use crate::{timing, version};

pub use settings::{FireRefused, GunSettings, Housekeeping};

/// How many answers may wait to be sent; a further one drops the oldest, and the host asks again.
const ANSWERS_MAX: usize = 16;

/// The lease of the host that greeted last.
#[derive(Debug)]
struct Lease {
    session: u32,
    heard_at_us: u64,
    /// The counter that goes out next; `None` until the host asks for shots.
    cursor: Option<u32>,
    status_at_us: u64,
    remembered: VecDeque<CommandResult>,
}

/// The gun's end of the line. It lives as long as the firmware runs; a line that is closed and
/// opened again needs no new one.
#[derive(Debug)]
pub struct GunLink {
    settings: GunSettings,
    housekeeping: Housekeeping,
    epoch: Option<Epoch>,
    ring: Ring,
    lifetime_shots: u32,
    last_trigger: Option<GunTick>,
    decoder: FrameDecoder,
    sequence: u16,
    answers: VecDeque<Message>,
    lease: Option<Lease>,
    greeting_at_us: u64,
    is_inhibited: bool,
    inhibit_number: u32,
}

impl GunLink {
    /// A gun that has just started and cannot prove that a counter continues: its first shot is
    /// number 1 of the epoch that a host assigns.
    pub fn new(settings: GunSettings) -> GunLink {
        GunLink {
            ring: Ring::new(settings.ring_shots_max),
            settings,
            housekeeping: Housekeeping::default(),
            epoch: None,
            lifetime_shots: 0,
            last_trigger: None,
            decoder: FrameDecoder::new(),
            sequence: 0,
            answers: VecDeque::new(),
            lease: None,
            greeting_at_us: 0,
            is_inhibited: false,
            inhibit_number: 0,
        }
    }

    /// The epoch; `None` until a host has assigned one.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// What the ring holds.
    pub fn inventory(&self) -> Inventory {
        self.ring.inventory(self.epoch)
    }

    /// Whether a host holds the lease.
    pub fn has_host(&self) -> bool {
        self.lease.is_some()
    }

    /// Whether the gun is inhibited.
    pub fn is_inhibited(&self) -> bool {
        self.is_inhibited
    }

    /// How much of the line was no frame.
    pub fn counters(&self) -> LineCounters {
        self.decoder.counters()
    }

    /// Sets what the next status says.
    pub fn set_housekeeping(&mut self, housekeeping: Housekeeping) {
        self.housekeeping = housekeeping;
    }

    /// The line was closed or opened: whatever was half received is void, and so is the lease.
    pub fn line_reset(&mut self) {
        self.decoder = FrameDecoder::new();
        self.answers.clear();
        self.lease = None;
        self.greeting_at_us = 0;
    }

    /// Counts and keeps one trigger at `tick`, and returns it as it will be sent. Before a host
    /// has assigned an epoch, the returned key has epoch 0; the shot is sent under the epoch
    /// that comes.
    ///
    /// # Errors
    ///
    /// [`FireRefused`] when inhibited or at the end of the epoch; nothing is counted then.
    pub fn fire(&mut self, measured: Measured, tick: GunTick) -> Result<ShotEvent, FireRefused> {
        if self.is_inhibited {
            return Err(FireRefused::Inhibited);
        }
        if self.ring.newest() >= COUNTER_MAX {
            return Err(FireRefused::CounterExhausted {
                counter_max: COUNTER_MAX,
            });
        }
        let interval = self
            .last_trigger
            .and_then(|last| Microseconds::new(tick.get().saturating_sub(last.get())).ok());
        let shot = ShotEvent {
            key: ShotKey {
                epoch: self.epoch.unwrap_or(Epoch(0)),
                counter: ShotCounter(self.ring.newest() + 1),
            },
            boot: self.settings.boot,
            tick,
            interval,
            measured,
        };
        self.last_trigger = Some(tick);
        self.lifetime_shots = self.lifetime_shots.wrapping_add(1);
        self.ring.push(shot.clone());
        Ok(shot)
    }

    /// Takes bytes as they were read.
    pub fn receive(&mut self, bytes: &[u8], now: GunTick) {
        for decoded in self.decoder.push(bytes) {
            // Garbage is counted by the decoder; there is nobody to tell but the host, which
            // repeats what it wants answered.
            if let Decoded::Frame(frame) = decoded
                && let Ok(message) = Message::decode(&frame)
            {
                self.handle(message, now);
            }
        }
    }

    /// The next frame to write, or `None` when there is nothing to say now. Answers first,
    /// shots last. Call it again after each frame, as the line has room.
    pub fn next_frame(&mut self, now: GunTick) -> Option<Vec<u8>> {
        self.run_timers(now);
        let message = self.answers.pop_front().or_else(|| self.next_shot())?;
        let is_greeting = matches!(message, Message::Hello(_));
        let message = match message {
            // t3 is the time when the answer goes out, not when it was thought of.
            Message::TimeAnswer(answer) => Message::TimeAnswer(TimeAnswer {
                sent: now.max(answer.received),
                ..answer
            }),
            other => other,
        };
        let frame = message.encode(self.sequence).ok()?;
        self.sequence = self.sequence.wrapping_add(1);
        if !is_greeting {
            return Some(frame);
        }
        // Whoever has just opened the port may have come in the middle of a frame, or may not
        // have heard any delimiter yet.
        let mut bytes = alloc::vec![crate::frame::DELIMITER];
        bytes.extend_from_slice(&frame);
        Some(bytes)
    }

    fn run_timers(&mut self, now: GunTick) {
        let now_us = now.get();
        let lease_us = us(timing::LEASE);
        if self
            .lease
            .as_ref()
            .is_some_and(|l| now_us.saturating_sub(l.heard_at_us) >= lease_us)
        {
            self.lease = None;
            self.greeting_at_us = now_us;
            if self.settings.lease_loss == LeaseLoss::Inhibit {
                self.begin_inhibition();
            }
        }
        match self.lease.as_mut() {
            None if now_us >= self.greeting_at_us => {
                self.greeting_at_us = now_us.saturating_add(us(timing::GREETING_INTERVAL));
                let hello = self.hello(0, now);
                self.answer(Message::Hello(hello));
            }
            Some(lease) if now_us >= lease.status_at_us => {
                lease.status_at_us = now_us.saturating_add(us(timing::STATUS_INTERVAL));
                let status = self.status(now);
                self.answer(Message::Status(status));
            }
            _ => {}
        }
    }

    /// The shot at the cursor; where the ring has overtaken it, first where it goes on.
    fn next_shot(&mut self) -> Option<Message> {
        let epoch = self.epoch?;
        let lease = self.lease.as_mut()?;
        let cursor = lease.cursor?;
        let oldest = self.ring.oldest();
        if cursor < oldest {
            lease.cursor = Some(oldest);
            return Some(Message::Range(Range {
                session: lease.session,
                request: 0,
                epoch,
                requested: cursor,
                from: oldest,
                newest: Some(ShotCounter(self.ring.newest())),
            }));
        }
        let shot = self.ring.get(cursor)?;
        lease.cursor = Some(cursor + 1);
        let key = ShotKey { epoch, ..shot.key };
        Some(Message::Shot(ShotEvent {
            key,
            ..shot.clone()
        }))
    }

    fn answer(&mut self, message: Message) {
        if self.answers.len() == ANSWERS_MAX {
            self.answers.pop_front();
        }
        self.answers.push_back(message);
    }

    fn handle(&mut self, message: Message, now: GunTick) {
        match message {
            Message::HostHello(hello) => self.on_host_hello(&hello, now),
            Message::TimeRequest(request) => {
                if let Some(lease) = self.lease.as_mut() {
                    lease.heard_at_us = now.get();
                }
                self.answer(Message::TimeAnswer(TimeAnswer {
                    request: request.request,
                    host_sent_ns: request.host_sent_ns,
                    received: now,
                    sent: now,
                }));
            }
            Message::Acknowledge(mark) | Message::KeepAlive(mark) => self.on_watermark(&mark, now),
            Message::SendFrom(request) => self.on_send_from(&request, now),
            Message::AssignEpoch(command) => {
                self.once(command.session, command.command, now, |gun| {
                    gun.assign(&command)
                });
                // The greeting is said anew, so that the host begins from the new epoch.
                if self.epoch == Some(command.epoch) && self.has_host() {
                    let hello = self.hello(command.session, now);
                    self.answer(Message::Hello(hello));
                }
            }
            Message::Inhibit(command) => {
                self.once(command.session, command.command, now, |gun| {
                    gun.begin_inhibition();
                    ResultCode::Done
                });
            }
            Message::Resume(command) => {
                self.once(command.session, command.command, now, |gun| {
                    gun.end_inhibition(command.inhibit_number)
                });
            }
            // The gun's own messages coming back mean a line that echoes; nothing to do.
            _ => {}
        }
    }

    fn on_host_hello(&mut self, host: &HostHello, now: GunTick) {
        let ours = (version::MIN, version::CURRENT);
        let is_spoken = version::common(ours, (host.protocol_min, host.protocol_max)).is_some()
            && host.schema == version::schema();
        // The answer goes out in any case, so that the host can show whom it cannot speak with.
        let hello = self.hello(host.session, now);
        self.answer(Message::Hello(hello));
        if !is_spoken {
            return;
        }
        let is_known = self
            .lease
            .as_ref()
            .is_some_and(|lease| lease.session == host.session);
        if !is_known {
            self.lease = Some(Lease {
                session: host.session,
                heard_at_us: now.get(),
                cursor: None,
                status_at_us: now.get().saturating_add(us(timing::STATUS_INTERVAL)),
                remembered: VecDeque::new(),
            });
        }
    }

    /// Renews the lease if the session is the one that holds it; else says who this gun is, so
    /// that the host greets it.
    fn is_of_host(&mut self, session: u32, now: GunTick) -> bool {
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.session == session) {
            lease.heard_at_us = now.get();
            return true;
        }
        if self.lease.is_none() {
            self.greeting_at_us = self.greeting_at_us.min(now.get());
        }
        false
    }

    fn on_watermark(&mut self, mark: &Watermark, now: GunTick) {
        if !self.is_of_host(mark.session, now) {
            return;
        }
        if let (Some(epoch), Some(counter)) = (mark.epoch, mark.counter)
            && self.epoch == Some(epoch)
        {
            self.ring.acknowledge(counter.get());
        }
    }

    fn on_send_from(&mut self, request: &SendFrom, now: GunTick) {
        if !self.is_of_host(request.session, now) {
            return;
        }
        let Some(lease) = self.lease.as_mut() else {
            return;
        };
        if self.epoch != Some(request.epoch) {
            return;
        }
        let requested = request.counter.get();
        let from = requested.max(self.ring.oldest());
        // A counter beyond the next shot is answered as asked; the host compares with `newest`.
        lease.cursor = Some(from.min(self.ring.newest().saturating_add(1)));
        let range = Range {
            session: lease.session,
            request: request.request,
            epoch: request.epoch,
            requested,
            from,
            newest: (self.ring.newest() != 0).then_some(ShotCounter(self.ring.newest())),
        };
        self.answer(Message::Range(range));
    }

    fn hello(&self, session: u32, now: GunTick) -> Hello {
        let settings = &self.settings;
        Hello {
            protocol_min: version::MIN,
            protocol_max: version::CURRENT,
            schema: version::schema(),
            session,
            serial: settings.serial.clone(),
            model: settings.model.clone(),
            firmware: settings.firmware.clone(),
            firmware_hash: settings.firmware_hash,
            boot: settings.boot,
            boot_count: settings.boot_count,
            inventory: self.inventory(),
            capabilities: settings.capabilities,
            limits: settings.limits,
            lease_ms: u16::try_from(timing::LEASE.as_millis()).unwrap_or(u16::MAX),
            lease_loss: settings.lease_loss,
            is_inhibited: self.is_inhibited,
            inhibit_number: self.inhibit_number,
            tick: now,
        }
    }

    fn status(&self, now: GunTick) -> Status {
        Status {
            tick: now,
            inventory: self.inventory(),
            battery: self.housekeeping.battery,
            temperature: self.housekeeping.temperature,
            vacuum: self.housekeeping.vacuum,
            shots_on_needle: self.housekeeping.shots_on_needle,
            lifetime_shots: Some(self.lifetime_shots),
            faults: 0,
            is_inhibited: self.is_inhibited,
            inhibit_number: self.inhibit_number,
        }
    }
}

/// A duration of [`timing`] as microseconds.
fn us(duration: core::time::Duration) -> u64 {
    ns(duration) / 1_000
}
