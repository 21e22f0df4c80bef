//! What the gun is set to, and what the host asks about its settings.

use meso_units::{Micrometres, Nanolitres, NeedleCount, ShotsPerMinute};

use super::shot::{volume_per_trigger, when, wire_volume};
use super::{GunLimits, LeaseLoss, Purpose, RejectReason, host_session};
use crate::wire::{Reader, Writer};

/// The longest that a gun blinks or beeps for one request, in seconds; more is refused.
pub const IDENTIFY_SECONDS_MAX: u8 = 60;

/// What a person has set the gun to; absent where the gun cannot say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetPoints {
    /// The needle depth.
    pub depth: Option<Micrometres>,
    /// The volume of one trigger, all needles together.
    pub volume: Option<Nanolitres>,
    /// The shot rate.
    pub frequency: Option<ShotsPerMinute>,
    /// The needles of the head.
    pub needles: Option<NeedleCount>,
    /// What the next shot is for, if the gun knows.
    pub purpose: Option<Purpose>,
}

/// The answer to [`ReadSettings`], read freshly each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host session of the command.
    pub session: u32,
    /// The command's number.
    pub command: u16,
    /// What the gun is set to.
    pub set: SetPoints,
    /// The limits in force.
    pub limits: GunLimits,
    /// How long it waits for its host, in milliseconds.
    pub lease_ms: u16,
    /// What it does then.
    pub lease_loss: LeaseLoss,
}

mod present {
    pub(super) const DEPTH: u8 = 1 << 0;
    pub(super) const VOLUME: u8 = 1 << 1;
    pub(super) const FREQUENCY: u8 = 1 << 2;
    pub(super) const NEEDLES: u8 = 1 << 3;
    pub(super) const ALL: u8 = 0x0F;
}

impl Settings {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let set = &self.set;
        let bit = |is_present: bool, bit: u8| if is_present { bit } else { 0 };
        let present = bit(set.depth.is_some(), present::DEPTH)
            | bit(set.volume.is_some(), present::VOLUME)
            | bit(set.frequency.is_some(), present::FREQUENCY)
            | bit(set.needles.is_some(), present::NEEDLES);
        let writer = writer
            .u32(self.session)
            .u16(self.command)
            .u32(set.depth.map_or(0, Micrometres::get))
            .u32(wire_volume(set.volume))
            .u16(set.frequency.map_or(0, ShotsPerMinute::get))
            .u8(set.needles.map_or(0, NeedleCount::get))
            .u8(Purpose::code(set.purpose));
        self.limits
            .write(writer)
            .u16(self.lease_ms)
            .u8(self.lease_loss.code())
            .u8(present)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Settings, RejectReason> {
        let (session, command) = (reader.u32()?, reader.u16()?);
        let (depth_um, volume_nl) = (reader.u32()?, reader.u32()?);
        let (frequency_spm, needles) = (reader.u16()?, reader.u8()?);
        let purpose = Purpose::from_code(reader.u8()?)?;
        let limits = GunLimits::read(reader)?;
        let lease_ms = reader.u16()?;
        let lease_loss = LeaseLoss::read(reader)?;
        let present = reader.u8()?;
        if present & !present::ALL != 0 {
            return Err(RejectReason::UnknownCode {
                field: "present",
                code: u32::from(present),
            });
        }
        let is = |bit: u8| present & bit != 0;
        Ok(Settings {
            session,
            command,
            set: SetPoints {
                depth: when(is(present::DEPTH), "depth_set_um", || {
                    Micrometres::new(depth_um)
                })?,
                volume: when(is(present::VOLUME), "volume_set_nl", || {
                    volume_per_trigger(volume_nl)
                })?,
                frequency: when(is(present::FREQUENCY), "frequency_set_spm", || {
                    ShotsPerMinute::new(frequency_spm)
                })?,
                needles: when(is(present::NEEDLES), "needles", || {
                    NeedleCount::new(needles)
                })?,
                purpose,
            },
            limits,
            lease_ms,
            lease_loss,
        })
    }
}

/// Enforce these limits from now on; an absent one goes back to what the maker built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimits {
    /// The host's session.
    pub session: u32,
    /// The command's number.
    pub command: u16,
    /// The limits.
    pub limits: GunLimits,
}

impl SetLimits {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        self.limits
            .write(writer.u32(self.session).u16(self.command))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<SetLimits, RejectReason> {
        Ok(SetLimits {
            session: host_session(reader)?,
            command: reader.u16()?,
            limits: GunLimits::read(reader)?,
        })
    }
}

/// Say what you are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadSettings {
    /// The host's session.
    pub session: u32,
    /// The command's number.
    pub command: u16,
}

impl ReadSettings {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer.u32(self.session).u16(self.command)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<ReadSettings, RejectReason> {
        Ok(ReadSettings {
            session: host_session(reader)?,
            command: reader.u16()?,
        })
    }
}

/// Blink or beep, so that a person finds this gun among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identify {
    /// The host's session.
    pub session: u32,
    /// The command's number.
    pub command: u16,
    /// How long, in seconds, at most [`IDENTIFY_SECONDS_MAX`]; 0 stops it.
    pub seconds: u8,
}

impl Identify {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer.u32(self.session).u16(self.command).u8(self.seconds)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Identify, RejectReason> {
        let command = Identify {
            session: host_session(reader)?,
            command: reader.u16()?,
            seconds: reader.u8()?,
        };
        if command.seconds > IDENTIFY_SECONDS_MAX {
            return Err(RejectReason::UnknownCode {
                field: "seconds",
                code: u32::from(command.seconds),
            });
        }
        Ok(command)
    }
}
