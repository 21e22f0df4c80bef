//! The host's end of the link as a state machine: bytes and time in, events and bytes out.

mod commands;
mod event;
mod greeting;
mod incoming;
mod stream;
mod time_sync;

use alloc::vec::Vec;

use meso_units::{Epoch, GunSerial, ShotCounter};

use crate::auth::{Keys, NONCE_BYTES, NonceSeed, SealedSession};
use crate::clock::{ClockMapping, HostNow};
use crate::frame::{Decoded, FrameDecoder, LineCounters};
use crate::message::{
    AssignEpoch, GunLimits, Hello, IDENTIFY_SECONDS_MAX, Identify, Inhibit, Message, ReadSettings,
    Resume, SetLimits, Watermark,
};
use crate::{LinkError, timing};

use commands::Commands;
pub use commands::{CommandKind, CommandOutcome};
pub use event::{HostEvent, RefuseReason};
use stream::Stream;
pub use stream::StreamPosition;
use time_sync::TimeSync;

/// A gun that has answered this session's greeting.
#[derive(Debug)]
struct AttachedGun {
    hello: Hello,
    stream: Option<Stream>,
    keep_alive_at_ns: u64,
    inhibit_number: u32,
}

/// The host's end of one line; make a new one for each opening of a port.
///
/// Call [`HostLink::receive`] with what was read, [`HostLink::step`] at the latest at
/// [`HostLink::due_ns`], and write [`HostLink::take_output`] after either.
#[derive(Debug)]
pub struct HostLink {
    session: u32,
    sequence: u16,
    decoder: FrameDecoder,
    output: Vec<u8>,
    greeting_at_ns: Option<u64>,
    heard_at_ns: Option<u64>,
    is_silent: bool,
    gun: Option<AttachedGun>,
    refused: Option<(GunSerial, RefuseReason)>,
    time: TimeSync,
    commands: Commands,
    duplicate_count: u64,
    keys: Keys,
    nonce_seed: NonceSeed,
    nonce_number: u64,
    nonce: [u8; NONCE_BYTES],
    nonce_before: Option<[u8; NONCE_BYTES]>,
    /// The random number of the attached gun, if it holds a key.
    gun_nonce: [u8; NONCE_BYTES],
    /// What seals and opens the frames of an authenticated session.
    seal: Option<SealedSession>,
    not_authentic_count: u64,
}

impl HostLink {
    /// A link of a host without keys for a port that was just opened; `session` is a random
    /// number that the caller draws anew each time (0 is taken as 1). A gun that holds a key is
    /// refused.
    pub fn new(session: u32) -> HostLink {
        HostLink::with_keys(session, NonceSeed::default(), Keys::default())
    }

    /// A link of a host that holds keys; `session` and `nonce_seed` are random, drawn anew by the
    /// caller for each opening of the port.
    pub fn with_keys(session: u32, nonce_seed: NonceSeed, keys: Keys) -> HostLink {
        HostLink {
            session: session.max(1),
            sequence: 0,
            decoder: FrameDecoder::new(),
            output: Vec::new(),
            greeting_at_ns: None,
            heard_at_ns: None,
            is_silent: false,
            gun: None,
            refused: None,
            time: TimeSync::default(),
            commands: Commands::default(),
            duplicate_count: 0,
            keys,
            nonce: nonce_seed.nonce(1),
            nonce_number: 1,
            nonce_seed,
            nonce_before: None,
            gun_nonce: [0; NONCE_BYTES],
            seal: None,
            not_authentic_count: 0,
        }
    }

    /// What the gun said at the greeting; `None` while no gun is attached.
    pub fn hello(&self) -> Option<&Hello> {
        self.gun.as_ref().map(|gun| &gun.hello)
    }

    /// Whether the attached gun has proven that it holds its key.
    pub fn is_authentic(&self) -> bool {
        self.gun.is_some() && self.seal.is_some()
    }

    /// How much of the line was no frame, and how many frames were not believed.
    pub fn counters(&self) -> LineCounters {
        LineCounters {
            not_authentic: self.not_authentic_count,
            ..self.decoder.counters()
        }
    }

    /// Shots that came again after they had been handed on.
    pub fn duplicate_count(&self) -> u64 {
        self.duplicate_count
    }

    /// The newest mapping of the gun's clock.
    pub fn mapping(&self) -> Option<ClockMapping> {
        self.time.mapping()
    }

    /// Where the stream of shots stands; `None` before [`HostLink::expect_from`] and in a broken
    /// epoch.
    pub fn position(&self) -> Option<StreamPosition> {
        let stream = self.gun.as_ref()?.stream.as_ref()?;
        (!stream.is_salvage()).then(|| stream.position())
    }

    /// The bytes to write to the port, in order; empty when there are none.
    pub fn take_output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.output)
    }

    /// Takes bytes as they were read.
    pub fn receive(&mut self, bytes: &[u8], now: HostNow) -> Vec<HostEvent> {
        let mut events = Vec::new();
        for decoded in self.decoder.push(bytes) {
            match decoded {
                Decoded::Garbage { reason, bytes } => {
                    events.push(HostEvent::Garbage { reason, bytes });
                }
                Decoded::Frame(frame) => self.on_frame(frame, now, &mut events),
            }
        }
        self.run_timers(now, &mut events);
        events
    }

    /// Lets time pass: greetings, signs of life, requests that were not answered.
    pub fn step(&mut self, now: HostNow) -> Vec<HostEvent> {
        let mut events = Vec::new();
        self.run_timers(now, &mut events);
        events
    }

    /// When [`HostLink::step`] is to be called next, on the monotonic clock, at the latest.
    pub fn due_ns(&self) -> u64 {
        let silence_at = self
            .heard_at_ns
            .filter(|_| !self.is_silent)
            .map_or(u64::MAX, |heard| {
                heard.saturating_add(ns(timing::SILENCE_MAX))
            });
        let Some(gun) = &self.gun else {
            return self.greeting_at_ns.unwrap_or(0).min(silence_at);
        };
        let stream_at = gun.stream.as_ref().map_or(u64::MAX, Stream::due_ns);
        gun.keep_alive_at_ns
            .min(silence_at)
            .min(stream_at)
            .min(self.time.due_ns())
            .min(self.commands.due_ns())
    }

    /// Says what the caller durably holds, so that the stream can begin: `next` is the first
    /// counter of `epoch` that it lacks. Everything before is acknowledged once the gun has
    /// confirmed that its counter goes on from there.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`] without a gun, [`LinkError::OtherEpoch`] for an epoch that is
    /// not the gun's, [`LinkError::Zero`] for a counter of 0.
    pub fn expect_from(
        &mut self,
        epoch: Epoch,
        next: ShotCounter,
        now: HostNow,
    ) -> Result<(), LinkError> {
        self.begin_stream(epoch, next, now, Stream::new)
    }

    /// Listens from counter `next` of `epoch` on, as one who holds nothing: unlike
    /// [`HostLink::expect_from`] it acknowledges nothing that came before.
    ///
    /// # Errors
    ///
    /// As [`HostLink::expect_from`].
    pub fn listen_from(
        &mut self,
        epoch: Epoch,
        next: ShotCounter,
        now: HostNow,
    ) -> Result<(), LinkError> {
        self.begin_stream(epoch, next, now, Stream::listening)
    }

    fn begin_stream(
        &mut self,
        epoch: Epoch,
        next: ShotCounter,
        now: HostNow,
        begin: fn(Epoch, ShotCounter, u64) -> Stream,
    ) -> Result<(), LinkError> {
        let gun = self.gun.as_mut().ok_or(LinkError::NotAttached)?;
        check_epoch(epoch, gun.hello.epoch())?;
        if next.get() == 0 {
            return Err(LinkError::Zero { what: "counter" });
        }
        gun.stream = Some(begin(epoch, next, now.monotonic_ns));
        self.run_stream(now);
        Ok(())
    }

    /// Moves the watermark: the caller durably holds every shot of `epoch` up to `counter`. It
    /// never moves back, and never past what was handed to the caller. In a broken epoch it covers
    /// what [`HostEvent::SalvageEnded`] has named, and no more.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`] without a gun or before [`HostLink::expect_from`],
    /// [`LinkError::OtherEpoch`] for an epoch that is not the gun's, [`LinkError::NotSalvaged`] for
    /// a counter of a broken epoch that was not salvaged yet.
    pub fn acknowledge(&mut self, epoch: Epoch, counter: ShotCounter) -> Result<(), LinkError> {
        let gun = self.gun.as_mut().ok_or(LinkError::NotAttached)?;
        check_epoch(epoch, gun.hello.epoch())?;
        let stream = gun.stream.as_mut().ok_or(LinkError::NotAttached)?;
        // A late acknowledgement of the record must not cover other shots under the same numbers.
        if let Some(salvaged) = stream
            .salvaged()
            .filter(|salvaged| counter.get() > *salvaged)
        {
            return Err(LinkError::NotSalvaged {
                counter: counter.get(),
                salvaged,
            });
        }
        if stream.acknowledge(counter) {
            let mark = stream.watermark(self.session);
            self.send(&Message::Acknowledge(mark));
        }
        Ok(())
    }

    /// Gives the gun an epoch, a random number that the caller has drawn; the answer is a
    /// [`HostEvent::Command`], and then the gun greets anew with its epoch.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`], [`LinkError::Zero`] or [`LinkError::TooManyCommands`].
    pub fn assign_epoch(&mut self, epoch: Epoch, now: HostNow) -> Result<u16, LinkError> {
        if epoch.get() == 0 {
            return Err(LinkError::Zero { what: "epoch" });
        }
        let replaces = self
            .gun
            .as_ref()
            .ok_or(LinkError::NotAttached)?
            .hello
            .epoch();
        let session = self.session;
        self.command(CommandKind::AssignEpoch, now, |command| {
            Message::AssignEpoch(AssignEpoch {
                session,
                command,
                replaces,
                epoch,
            })
        })
    }

    /// Asks the gun to fire no further shot; `reason` is a code that it may show.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`] or [`LinkError::TooManyCommands`].
    pub fn inhibit(&mut self, reason: u8, now: HostNow) -> Result<u16, LinkError> {
        let session = self.session;
        self.command(CommandKind::Inhibit, now, |command| {
            Message::Inhibit(Inhibit {
                session,
                command,
                reason,
            })
        })
    }

    /// Asks the gun to fire again; ends the inhibition that was last heard of.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`] or [`LinkError::TooManyCommands`].
    pub fn resume(&mut self, now: HostNow) -> Result<u16, LinkError> {
        let session = self.session;
        let inhibit_number = self
            .gun
            .as_ref()
            .ok_or(LinkError::NotAttached)?
            .inhibit_number;
        self.command(CommandKind::Resume, now, |command| {
            Message::Resume(Resume {
                session,
                command,
                inhibit_number,
            })
        })
    }

    /// Asks the gun to enforce these limits; an absent one goes back to what the maker built in.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`] or [`LinkError::TooManyCommands`].
    pub fn set_limits(&mut self, limits: GunLimits, now: HostNow) -> Result<u16, LinkError> {
        let session = self.session;
        self.command(CommandKind::SetLimits, now, |command| {
            Message::SetLimits(SetLimits {
                session,
                command,
                limits,
            })
        })
    }

    /// Asks the gun what it is set to; the answer is a [`HostEvent::Settings`].
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`] or [`LinkError::TooManyCommands`].
    pub fn read_settings(&mut self, now: HostNow) -> Result<u16, LinkError> {
        let session = self.session;
        self.command(CommandKind::ReadSettings, now, |command| {
            Message::ReadSettings(ReadSettings { session, command })
        })
    }

    /// Asks the gun to blink or beep for `seconds`, 0 to 60; 0 stops it. More is taken as 60.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotAttached`] or [`LinkError::TooManyCommands`].
    pub fn identify(&mut self, seconds: u8, now: HostNow) -> Result<u16, LinkError> {
        let session = self.session;
        let seconds = seconds.min(IDENTIFY_SECONDS_MAX);
        self.command(CommandKind::Identify, now, |command| {
            Message::Identify(Identify {
                session,
                command,
                seconds,
            })
        })
    }

    fn command(
        &mut self,
        kind: CommandKind,
        now: HostNow,
        message: impl FnOnce(u16) -> Message,
    ) -> Result<u16, LinkError> {
        if self.gun.is_none() {
            return Err(LinkError::NotAttached);
        }
        let (number, message) = self.commands.begin(kind, now.monotonic_ns, message)?;
        self.send(&message);
        Ok(number)
    }

    /// Sends a message, sealed where the gun holds a key. A session that is used up sends nothing
    /// more: the gun then takes its lease back, and the next greeting begins a new one.
    fn send(&mut self, message: &Message) {
        let Some(seal) = self.seal.as_mut() else {
            return self.send_plain(message);
        };
        if let Ok(bytes) = message.encode_sealed(self.sequence, seal) {
            self.sequence = self.sequence.wrapping_add(1);
            self.output.extend_from_slice(&bytes);
        }
    }

    fn send_plain(&mut self, message: &Message) {
        // No layout of version 1 is longer than a frame (a test says so), so nothing is dropped.
        if let Ok(bytes) = message.encode(self.sequence) {
            self.sequence = self.sequence.wrapping_add(1);
            self.output.extend_from_slice(&bytes);
        }
    }

    fn run_timers(&mut self, now: HostNow, events: &mut Vec<HostEvent>) {
        let now_ns = now.monotonic_ns;
        let heard_at = *self.heard_at_ns.get_or_insert(now_ns);
        if !self.is_silent && now_ns.saturating_sub(heard_at) >= ns(timing::SILENCE_MAX) {
            self.is_silent = true;
            events.push(HostEvent::Silent);
        }
        if self.gun.is_none() {
            if self.greeting_at_ns.is_none_or(|at| now_ns >= at) {
                self.greet(now_ns);
            }
            return;
        }
        if let Some(request) = self.time.request(now) {
            self.send(&Message::TimeRequest(request));
        }
        self.run_stream(now);
        self.keep_alive(now_ns);
        for (message, is_last) in self.commands.overdue(now_ns) {
            match is_last {
                None => self.send(&message),
                Some((command, kind)) => {
                    let outcome = CommandOutcome::Unknown;
                    events.push(HostEvent::Command {
                        command,
                        kind,
                        outcome,
                    });
                }
            }
        }
    }

    fn run_stream(&mut self, now: HostNow) {
        let has_clock = self.time.mapping().is_some();
        let Some(stream) = self.gun.as_mut().and_then(|gun| gun.stream.as_mut()) else {
            return;
        };
        if let Some(request) = stream.request(self.session, has_clock, now.monotonic_ns) {
            self.send(&Message::SendFrom(request));
        }
    }

    fn keep_alive(&mut self, now_ns: u64) {
        let Some(gun) = self
            .gun
            .as_mut()
            .filter(|gun| now_ns >= gun.keep_alive_at_ns)
        else {
            return;
        };
        gun.keep_alive_at_ns = now_ns.saturating_add(ns(timing::KEEP_ALIVE_INTERVAL));
        let nothing_yet = Watermark {
            session: self.session,
            epoch: None,
            counter: None,
        };
        let mark = gun
            .stream
            .as_ref()
            .map_or(nothing_yet, |s| s.watermark(self.session));
        self.send(&Message::KeepAlive(mark));
    }
}

fn check_epoch(given: Epoch, attached: Option<Epoch>) -> Result<(), LinkError> {
    if attached == Some(given) {
        return Ok(());
    }
    Err(LinkError::OtherEpoch {
        given: given.get(),
        attached: attached.map_or(0, Epoch::get),
    })
}

/// A duration of [`timing`] as nanoseconds; all of them are far below the end of the range.
pub(crate) fn ns(duration: core::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
