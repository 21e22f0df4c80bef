//! The messages of the link, and their way from and to the payload of a frame.

mod command;
mod hello;
mod reject;
mod settings;
mod shot;
mod status;

use alloc::boxed::Box;
use alloc::vec::Vec;

use meso_units::{Epoch, ShotCounter};

use crate::auth::SealedSession;
use crate::frame::{Frame, encode_frame};
use crate::wire::{Reader, Writer};
use crate::{LinkError, version};

pub use command::{
    AssignEpoch, CommandResult, Inhibit, ResultCode, Resume, SendFrom, TimeAnswer, TimeRequest,
};
pub use hello::{Capabilities, GunLimits, GunText, Hello, HostHello, LeaseLoss};
pub use reject::{RejectReason, Rejection};
pub use settings::{IDENTIFY_SECONDS_MAX, Identify, ReadSettings, SetLimits, SetPoints, Settings};
pub use shot::{
    COUNTER_MAX, Measured, Purpose, ShotEvent, ShotFlags, ShotKey, VOLUME_PER_TRIGGER_NL_MAX,
};
pub use status::{Inventory, Range, Status};

/// The kind bytes of version 1; the high bit says that the host sent it.
pub mod kind {
    /// The gun introduces itself.
    pub const HELLO: u8 = 0x01;
    /// One trigger of the gun.
    pub const SHOT: u8 = 0x02;
    /// The gun's state, once a second.
    pub const STATUS: u8 = 0x03;
    /// Where the stream of shots really begins.
    pub const RANGE: u8 = 0x04;
    /// The gun's half of the four timestamps.
    pub const TIME_ANSWER: u8 = 0x05;
    /// What became of a command.
    pub const RESULT: u8 = 0x06;
    /// What the gun is set to.
    pub const SETTINGS: u8 = 0x07;
    /// The host introduces itself and takes the lease.
    pub const HOST_HELLO: u8 = 0x81;
    /// The host holds everything up to a counter.
    pub const ACKNOWLEDGE: u8 = 0x82;
    /// The host asks for shots from a counter on.
    pub const SEND_FROM: u8 = 0x83;
    /// The host's half of the four timestamps.
    pub const TIME_REQUEST: u8 = 0x84;
    /// The host gives the gun an epoch.
    pub const ASSIGN_EPOCH: u8 = 0x85;
    /// No further shot until resumed.
    pub const INHIBIT: u8 = 0x86;
    /// Shots are allowed again.
    pub const RESUME: u8 = 0x87;
    /// The host is there; repeats the watermark.
    pub const KEEP_ALIVE: u8 = 0x88;
    /// The limits that the gun is to enforce.
    pub const SET_LIMITS: u8 = 0x89;
    /// What is the gun set to?
    pub const READ_SETTINGS: u8 = 0x8A;
    /// Blink or beep, so that somebody finds the gun.
    pub const IDENTIFY: u8 = 0x8B;
}

/// The host's watermark: it holds, durably, every shot of the epoch up to the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The host's session.
    pub session: u32,
    /// The epoch; `None` while the host holds nothing.
    pub epoch: Option<Epoch>,
    /// The last counter held; `None` while the host holds nothing.
    pub counter: Option<ShotCounter>,
}

/// Any message of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Gun → host: who it is and what it holds.
    Hello(Hello),
    /// Gun → host: one trigger.
    Shot(ShotEvent),
    /// Gun → host: its state.
    Status(Status),
    /// Gun → host: where the stream begins; answer to [`Message::SendFrom`].
    Range(Range),
    /// Gun → host: answer to [`Message::TimeRequest`].
    TimeAnswer(TimeAnswer),
    /// Gun → host: answer to a command.
    Result(CommandResult),
    /// Gun → host: what it is set to; answer to [`Message::ReadSettings`].
    Settings(Settings),
    /// Host → gun: who it is; takes the lease.
    HostHello(HostHello),
    /// Host → gun: the watermark has moved.
    Acknowledge(Watermark),
    /// Host → gun: send from this counter on.
    SendFrom(SendFrom),
    /// Host → gun: what is your clock?
    TimeRequest(TimeRequest),
    /// Host → gun: your epoch.
    AssignEpoch(AssignEpoch),
    /// Host → gun: fire no more.
    Inhibit(Inhibit),
    /// Host → gun: fire again.
    Resume(Resume),
    /// Host → gun: I am here; the watermark again.
    KeepAlive(Watermark),
    /// Host → gun: enforce these limits.
    SetLimits(SetLimits),
    /// Host → gun: what are you set to?
    ReadSettings(ReadSettings),
    /// Host → gun: show which gun you are.
    Identify(Identify),
}

impl Message {
    /// The kind byte.
    pub fn kind(&self) -> u8 {
        match self {
            Message::Hello(_) => kind::HELLO,
            Message::Shot(_) => kind::SHOT,
            Message::Status(_) => kind::STATUS,
            Message::Range(_) => kind::RANGE,
            Message::TimeAnswer(_) => kind::TIME_ANSWER,
            Message::Result(_) => kind::RESULT,
            Message::HostHello(_) => kind::HOST_HELLO,
            Message::Acknowledge(_) => kind::ACKNOWLEDGE,
            Message::SendFrom(_) => kind::SEND_FROM,
            Message::TimeRequest(_) => kind::TIME_REQUEST,
            Message::AssignEpoch(_) => kind::ASSIGN_EPOCH,
            Message::Inhibit(_) => kind::INHIBIT,
            Message::Resume(_) => kind::RESUME,
            Message::KeepAlive(_) => kind::KEEP_ALIVE,
            Message::Settings(_) => kind::SETTINGS,
            Message::SetLimits(_) => kind::SET_LIMITS,
            Message::ReadSettings(_) => kind::READ_SETTINGS,
            Message::Identify(_) => kind::IDENTIFY,
        }
    }

    /// The fields in wire order.
    fn payload(&self) -> Vec<u8> {
        let writer = Writer::default();
        match self {
            Message::Hello(hello) => hello.write(writer),
            Message::Shot(shot) => shot.write(writer),
            Message::Status(status) => status.write(writer),
            Message::Range(range) => range.write(writer),
            Message::TimeAnswer(answer) => answer.write(writer),
            Message::Result(result) => result.write(writer),
            Message::HostHello(hello) => hello.write(writer),
            Message::Acknowledge(mark) | Message::KeepAlive(mark) => mark.write(writer),
            Message::SendFrom(request) => request.write(writer),
            Message::TimeRequest(request) => request.write(writer),
            Message::AssignEpoch(command) => command.write(writer),
            Message::Inhibit(command) => command.write(writer),
            Message::Resume(command) => command.write(writer),
            Message::Settings(settings) => settings.write(writer),
            Message::SetLimits(command) => command.write(writer),
            Message::ReadSettings(command) => command.write(writer),
            Message::Identify(command) => command.write(writer),
        }
        .finish()
    }

    /// The whole frame as it goes onto the wire, delimiter included.
    ///
    /// # Errors
    ///
    /// [`LinkError::PayloadTooLong`]; cannot happen for the layouts of version 1, whose longest
    /// payload is checked by a test.
    pub fn encode(&self, sequence: u16) -> Result<Vec<u8>, LinkError> {
        encode_frame(self.kind(), sequence, &self.payload())
    }

    /// The whole frame with the seal of an authenticated session.
    ///
    /// # Errors
    ///
    /// As [`SealedSession::seal`].
    pub fn encode_sealed(
        &self,
        sequence: u16,
        session: &mut SealedSession,
    ) -> Result<Vec<u8>, LinkError> {
        session.seal(self.kind(), sequence, &self.payload())
    }

    /// The session that a message of the host names, HOST_HELLO's and TIME_REQUEST's apart.
    pub(crate) fn lease_session(&self) -> Option<u32> {
        match self {
            Message::Acknowledge(mark) | Message::KeepAlive(mark) => Some(mark.session),
            Message::SendFrom(request) => Some(request.session),
            Message::AssignEpoch(command) => Some(command.session),
            Message::Inhibit(command) => Some(command.session),
            Message::Resume(command) => Some(command.session),
            Message::SetLimits(command) => Some(command.session),
            Message::ReadSettings(command) => Some(command.session),
            Message::Identify(command) => Some(command.session),
            _ => None,
        }
    }

    /// Reads a frame whose checksum was right. A sealed one is opened first, by
    /// [`SealedSession::open`].
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with the reason, the payload's bytes and, for a shot, the identity where
    /// it can be read. Never panics, whatever the bytes.
    pub fn decode(frame: &Frame) -> Result<Message, Box<Rejection>> {
        decode_fields(frame).map_err(|reason| {
            Box::new(Rejection {
                identity: (frame.kind == kind::SHOT)
                    .then(|| shot::peek_key(&frame.payload))
                    .flatten(),
                reason,
                kind: frame.kind,
                bytes: frame.payload.clone(),
            })
        })
    }
}

fn decode_fields(frame: &Frame) -> Result<Message, RejectReason> {
    if frame.flags != 0 {
        return Err(RejectReason::UnknownFlags { flags: frame.flags });
    }
    // The greeting keeps its envelope for ever, so that two versions can at least refuse each
    // other by name; everything else must be of a version that this crate speaks.
    let greets = matches!(frame.kind, kind::HELLO | kind::HOST_HELLO);
    if !greets && !(version::MIN..=version::CURRENT).contains(&frame.version) {
        return Err(RejectReason::UnknownVersion {
            version: frame.version,
        });
    }
    let mut reader = Reader::new(&frame.payload);
    let message = match frame.kind {
        kind::HELLO => Message::Hello(Hello::read(&mut reader)?),
        kind::SHOT => Message::Shot(ShotEvent::read(&mut reader)?),
        kind::STATUS => Message::Status(Status::read(&mut reader)?),
        kind::RANGE => Message::Range(Range::read(&mut reader)?),
        kind::TIME_ANSWER => Message::TimeAnswer(TimeAnswer::read(&mut reader)?),
        kind::RESULT => Message::Result(CommandResult::read(&mut reader)?),
        kind::HOST_HELLO => Message::HostHello(HostHello::read(&mut reader)?),
        kind::ACKNOWLEDGE => Message::Acknowledge(Watermark::read(&mut reader)?),
        kind::SEND_FROM => Message::SendFrom(SendFrom::read(&mut reader)?),
        kind::TIME_REQUEST => Message::TimeRequest(TimeRequest::read(&mut reader)?),
        kind::ASSIGN_EPOCH => Message::AssignEpoch(AssignEpoch::read(&mut reader)?),
        kind::INHIBIT => Message::Inhibit(Inhibit::read(&mut reader)?),
        kind::RESUME => Message::Resume(Resume::read(&mut reader)?),
        kind::KEEP_ALIVE => Message::KeepAlive(Watermark::read(&mut reader)?),
        kind::SETTINGS => Message::Settings(Settings::read(&mut reader)?),
        kind::SET_LIMITS => Message::SetLimits(SetLimits::read(&mut reader)?),
        kind::READ_SETTINGS => Message::ReadSettings(ReadSettings::read(&mut reader)?),
        kind::IDENTIFY => Message::Identify(Identify::read(&mut reader)?),
        other => return Err(RejectReason::UnknownKind { kind: other }),
    };
    reader.finish()?;
    Ok(message)
}

impl Watermark {
    fn write(&self, writer: Writer) -> Writer {
        writer
            .u32(self.session)
            .u64(self.epoch.map_or(0, Epoch::get))
            .u32(self.counter.map_or(0, ShotCounter::get))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Watermark, RejectReason> {
        Ok(Watermark {
            session: host_session(reader)?,
            epoch: optional_epoch(reader.u64()?),
            counter: optional_counter(reader.u32()?),
        })
    }
}

/// The session of a host's frame, which is never 0.
fn host_session(reader: &mut Reader<'_>) -> Result<u32, RejectReason> {
    not_zero("session", reader.u32()?)
}

/// A number that names something, so that 0 is none.
fn not_zero<T: Copy + Into<u64>>(field: &'static str, raw: T) -> Result<T, RejectReason> {
    match raw.into() {
        0 => Err(RejectReason::NoIdentity { field, value: 0 }),
        _ => Ok(raw),
    }
}

/// Zero on the wire means that there is no epoch.
fn optional_epoch(raw: u64) -> Option<Epoch> {
    (raw != 0).then_some(Epoch(raw))
}

/// Zero on the wire means that there is no counter.
fn optional_counter(raw: u32) -> Option<ShotCounter> {
    (raw != 0).then_some(ShotCounter(raw))
}

/// A flag byte: 0 or 1, nothing else.
fn flag(field: &'static str, raw: u8) -> Result<bool, RejectReason> {
    match raw {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(RejectReason::UnknownCode {
            field,
            code: u32::from(other),
        }),
    }
}
