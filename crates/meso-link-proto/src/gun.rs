//! The gun's end of the link as a state machine: the reference behaviour for firmware, and what
//! the emulated gun runs.

mod commands;
mod lease;
mod settings;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use meso_units::{BootId, Epoch, GunTick, Microseconds, ShotCounter};

use crate::frame::{Decoded, FrameDecoder, LineCounters};
use crate::host::ns;
use crate::message::{
    COUNTER_MAX, Capabilities, GunLimits, Hello, Inventory, LeaseLoss, Measured, Message, Range,
    SendFrom, SetPoints, ShotEvent, ShotKey, Status, TimeAnswer, Watermark,
};
use crate::ring::Ring;
use crate::{timing, version};

use lease::Lease;
pub use settings::{FireRefused, GunSettings, Housekeeping};

/// How many answers may wait to be sent; a further one drops the oldest, and the host asks again.
const ANSWERS_MAX: usize = 16;

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
    /// The limits in force: the maker's, or tighter ones of a host.
    limits: GunLimits,
    set_points: SetPoints,
    refused_count: u32,
    identifies_until_us: u64,
    nonce_number: u64,
    not_authentic_count: u64,
}

impl GunLink {
    /// A gun that has just started and cannot prove that a counter continues: its first shot is
    /// number 1 of the epoch that a host assigns.
    pub fn new(settings: GunSettings) -> GunLink {
        GunLink {
            ring: Ring::new(settings.ring_shots_max),
            limits: settings.limits,
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
            set_points: SetPoints::default(),
            refused_count: 0,
            identifies_until_us: 0,
            nonce_number: 0,
            not_authentic_count: 0,
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

    /// The limits in force.
    pub fn limits(&self) -> GunLimits {
        self.limits
    }

    /// Whether it is to blink or beep now, so that somebody finds it.
    pub fn is_identifying(&self, now: GunTick) -> bool {
        now.get() < self.identifies_until_us
    }

    /// How much of the line was no frame, and how many frames were not believed.
    pub fn counters(&self) -> LineCounters {
        LineCounters {
            not_authentic: self.not_authentic_count,
            ..self.decoder.counters()
        }
    }

    /// Says what a person has set the gun to; the host may ask for it.
    pub fn dial(&mut self, set_points: SetPoints) {
        self.set_points = set_points;
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

    /// The firmware has started again, and its memory kept ring, epoch, counters and how many
    /// nonces were drawn; all else is as after [`GunLink::new`].
    pub fn restart(&mut self, boot: BootId, boot_count: u32) {
        self.settings.boot = boot;
        self.settings.boot_count = boot_count;
        self.limits = self.settings.limits;
        self.last_trigger = None;
        self.sequence = 0;
        self.is_inhibited = false;
        self.inhibit_number = 0;
        self.set_points = SetPoints::default();
        self.refused_count = 0;
        self.identifies_until_us = 0;
        self.not_authentic_count = 0;
        self.line_reset();
    }

    /// Counts and keeps one trigger at `tick`, and returns it as it will be sent. Before a host
    /// has assigned an epoch, the returned key has epoch 0; the shot is sent under the epoch
    /// that comes.
    ///
    /// # Errors
    ///
    /// [`FireRefused`] when inhibited, when set above a limit in force, or at the end of the
    /// epoch; no shot is counted then.
    pub fn fire(&mut self, measured: Measured, tick: GunTick) -> Result<ShotEvent, FireRefused> {
        if let Err(refused) = self.check_trigger(&measured) {
            self.refused_count = self.refused_count.saturating_add(1);
            return Err(refused);
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
                && let Some(frame) = self.admit(frame, now)
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
        let seal = if self.is_sealed(&message) {
            self.lease.as_mut().and_then(|lease| lease.seal.as_mut())
        } else {
            None
        };
        let frame = match seal {
            Some(seal) => message.encode_sealed(self.sequence, seal).ok()?,
            None => message.encode(self.sequence).ok()?,
        };
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
            self.answers.clear();
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
                let is_of_host = self.once(command.session, command.command, now, |gun| {
                    gun.assign(&command)
                });
                // The greeting is said anew, so that the host begins from the new epoch.
                if is_of_host && self.epoch == Some(command.epoch) {
                    let hello = self.hello(command.session, now);
                    self.answer(Message::Hello(hello));
                }
            }
            Message::Inhibit(command) => {
                self.once(command.session, command.command, now, GunLink::inhibit);
            }
            Message::Resume(command) => {
                self.once(command.session, command.command, now, |gun| {
                    gun.end_inhibition(command.inhibit_number)
                });
            }
            Message::SetLimits(command) => {
                self.once(command.session, command.command, now, |gun| {
                    gun.set_limits(&command.limits)
                });
            }
            Message::ReadSettings(command) => self.on_read_settings(&command, now),
            Message::Identify(command) => {
                self.once(command.session, command.command, now, |gun| {
                    gun.identify(command.seconds, now)
                });
            }
            // The gun's own messages coming back mean a line that echoes; nothing to do.
            _ => {}
        }
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
            capabilities: match settings.key {
                Some(_) => settings.capabilities.union(Capabilities::HOLDS_KEY),
                None => settings.capabilities.without(Capabilities::HOLDS_KEY),
            },
            limits: self.limits,
            lease_ms: lease_ms(),
            lease_loss: settings.lease_loss,
            is_inhibited: self.is_inhibited,
            inhibit_number: self.inhibit_number,
            tick: now,
            nonce: self
                .lease
                .as_ref()
                .filter(|lease| lease.session == session)
                .map_or([0; 16], |lease| lease.gun_nonce),
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
            refused_count: self.refused_count,
        }
    }
}

fn lease_ms() -> u16 {
    u16::try_from(timing::LEASE.as_millis()).unwrap_or(u16::MAX)
}

/// A duration of [`timing`] as microseconds.
fn us(duration: core::time::Duration) -> u64 {
    ns(duration) / 1_000
}
