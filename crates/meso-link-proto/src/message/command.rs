//! What the host asks of the gun, and the gun's answers.

use meso_units::{Epoch, GunTick, ShotCounter};

use super::{GunLimits, RejectReason, flag, host_session, not_zero, optional_epoch};
use crate::wire::{Reader, Writer};

/// Send the shots of an epoch from this counter on, then go on with the new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendFrom {
    /// The host's session.
    pub session: u32,
    /// A number that the answering [`super::Range`] repeats; never 0.
    pub request: u16,
    /// The epoch.
    pub epoch: Epoch,
    /// The first counter that the host lacks.
    pub counter: ShotCounter,
}

impl SendFrom {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .u32(self.session)
            .u16(self.request)
            .u64(self.epoch.get())
            .u32(self.counter.get())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<SendFrom, RejectReason> {
        Ok(SendFrom {
            session: host_session(reader)?,
            request: not_zero("request", reader.u16()?)?,
            epoch: Epoch(reader.u64()?),
            counter: ShotCounter(not_zero("counter", reader.u32()?)?),
        })
    }
}

/// The host's half of the four timestamps; as long as its answer, so that both ways take the
/// same time on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRequest {
    /// A number that the answer repeats.
    pub request: u32,
    /// The host's monotonic clock when it sent this, in ns; the gun only repeats it.
    pub host_sent_ns: i64,
}

/// The padding that makes a [`TimeRequest`] as long as a [`TimeAnswer`].
const TIME_PADDING: [u8; 16] = [0; 16];

impl TimeRequest {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .u32(self.request)
            .i64(self.host_sent_ns)
            .raw(&TIME_PADDING)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<TimeRequest, RejectReason> {
        let request = TimeRequest {
            request: reader.u32()?,
            host_sent_ns: reader.i64()?,
        };
        reader.array::<16>()?;
        Ok(request)
    }
}

/// The gun's half of the four timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeAnswer {
    /// The request's number.
    pub request: u32,
    /// The request's time, repeated.
    pub host_sent_ns: i64,
    /// The gun's clock when the request had come in.
    pub received: GunTick,
    /// The gun's clock when this answer went out.
    pub sent: GunTick,
}

impl TimeAnswer {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .u32(self.request)
            .i64(self.host_sent_ns)
            .u64(self.received.get())
            .u64(self.sent.get())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<TimeAnswer, RejectReason> {
        let tick = |field, us| {
            GunTick::new(us).map_err(|source| RejectReason::Impossible { field, source })
        };
        Ok(TimeAnswer {
            request: reader.u32()?,
            host_sent_ns: reader.i64()?,
            received: tick("gun_received_us", reader.u64()?)?,
            sent: tick("gun_sent_us", reader.u64()?)?,
        })
    }
}

/// The gun's epoch from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignEpoch {
    /// The host's session.
    pub session: u32,
    /// The command's number.
    pub command: u16,
    /// The epoch that it takes the place of; `None` where the gun has none.
    pub replaces: Option<Epoch>,
    /// The new epoch.
    pub epoch: Epoch,
}

impl AssignEpoch {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .u32(self.session)
            .u16(self.command)
            .u64(self.replaces.map_or(0, Epoch::get))
            .u64(self.epoch.get())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<AssignEpoch, RejectReason> {
        Ok(AssignEpoch {
            session: host_session(reader)?,
            command: reader.u16()?,
            replaces: optional_epoch(reader.u64()?),
            epoch: Epoch(not_zero("epoch", reader.u64()?)?),
        })
    }
}

/// Fire no further shot; acts between shots, with the needle retracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inhibit {
    /// The host's session.
    pub session: u32,
    /// The command's number.
    pub command: u16,
    /// Why, as a code that the gun may show; 0 says nothing.
    pub reason: u8,
}

impl Inhibit {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer.u32(self.session).u16(self.command).u8(self.reason)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Inhibit, RejectReason> {
        Ok(Inhibit {
            session: host_session(reader)?,
            command: reader.u16()?,
            reason: reader.u8()?,
        })
    }
}

/// Fire again; names the inhibition that it ends, so that an old frame ends no newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The host's session.
    pub session: u32,
    /// The command's number.
    pub command: u16,
    /// The inhibition to end.
    pub inhibit_number: u32,
}

impl Resume {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .u32(self.session)
            .u16(self.command)
            .u32(self.inhibit_number)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Resume, RejectReason> {
        Ok(Resume {
            session: host_session(reader)?,
            command: reader.u16()?,
            inhibit_number: reader.u32()?,
        })
    }
}

/// What became of a command; a code without a name here stays a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultCode {
    /// Done, now or already before.
    Done,
    /// The gun has another epoch than the one to replace.
    OtherEpoch,
    /// The ring still holds shots of the old epoch that nobody has acknowledged.
    HoldsUnacknowledged,
    /// The inhibition to end is not the latest.
    OtherInhibition,
    /// The gun cannot do this.
    Unsupported,
    /// The limits are outside of what the gun can enforce; nothing has changed.
    NotEnforceable,
    /// A code of a newer gun.
    Unknown(u8),
}

impl ResultCode {
    fn code(self) -> u8 {
        match self {
            ResultCode::Done => 0,
            ResultCode::OtherEpoch => 1,
            ResultCode::HoldsUnacknowledged => 2,
            ResultCode::OtherInhibition => 3,
            ResultCode::Unsupported => 4,
            ResultCode::NotEnforceable => 5,
            ResultCode::Unknown(code) => code,
        }
    }

    fn from_code(code: u8) -> ResultCode {
        match code {
            0 => ResultCode::Done,
            1 => ResultCode::OtherEpoch,
            2 => ResultCode::HoldsUnacknowledged,
            3 => ResultCode::OtherInhibition,
            4 => ResultCode::Unsupported,
            5 => ResultCode::NotEnforceable,
            other => ResultCode::Unknown(other),
        }
    }
}

/// The gun's answer to a command: what became of it, and the state after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// The host session of the command.
    pub session: u32,
    /// The command's number.
    pub command: u16,
    /// What became of it.
    pub result: ResultCode,
    /// Whether the gun is inhibited after it.
    pub is_inhibited: bool,
    /// The number of the latest inhibition after it.
    pub inhibit_number: u32,
    /// The gun's epoch after it.
    pub epoch: Option<Epoch>,
    /// The limits that the gun enforces after it.
    pub limits: GunLimits,
}

impl CommandResult {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let writer = writer
            .u32(self.session)
            .u16(self.command)
            .u8(self.result.code())
            .u8(u8::from(self.is_inhibited))
            .u32(self.inhibit_number)
            .u64(self.epoch.map_or(0, Epoch::get));
        self.limits.write(writer)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<CommandResult, RejectReason> {
        Ok(CommandResult {
            session: reader.u32()?,
            command: reader.u16()?,
            result: ResultCode::from_code(reader.u8()?),
            is_inhibited: flag("inhibited", reader.u8()?)?,
            inhibit_number: reader.u32()?,
            epoch: optional_epoch(reader.u64()?),
            limits: GunLimits::read(reader)?,
        })
    }
}
