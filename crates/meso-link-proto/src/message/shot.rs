//! One trigger of the gun.

use meso_units::{
    BootId, Epoch, GaugePascals, GunTick, Micrometres, Microseconds, Nanolitres, NeedleCount,
    ShotCounter, ShotsPerMinute, UnitError,
};

use super::RejectReason;
use crate::wire::{Reader, Writer};

/// The most that one trigger can deliver, in nl: 10 ml, the largest syringe in use. More is not
/// believed.
pub const VOLUME_PER_TRIGGER_NL_MAX: u64 = 10_000_000;

/// The last counter of an epoch. A gun that has reached it gives up its epoch and asks for a new
/// one; at nine shots a second that is after fifteen years.
pub const COUNTER_MAX: u32 = u32::MAX - 1;

/// Which shot of a gun: the epoch and the counter within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShotKey {
    /// The epoch.
    pub epoch: Epoch,
    /// The counter; the first of an epoch is 1.
    pub counter: ShotCounter,
}

/// What the shot was for, as the gun knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Into a patient.
    Patient,
    /// To fill tube and needle.
    Prime,
    /// A trial of the gun.
    Test,
    /// Rinsing.
    Cleaning,
    /// Against a scale.
    Calibration,
}

impl Purpose {
    /// The code of a purpose in a SHOT; 0 where the gun does not know it.
    pub const fn code(purpose: Option<Purpose>) -> u8 {
        match purpose {
            None => 0,
            Some(Purpose::Patient) => 1,
            Some(Purpose::Prime) => 2,
            Some(Purpose::Test) => 3,
            Some(Purpose::Cleaning) => 4,
            Some(Purpose::Calibration) => 5,
        }
    }

    pub(super) fn from_code(code: u8) -> Result<Option<Purpose>, RejectReason> {
        Ok(match code {
            0 => None,
            1 => Some(Purpose::Patient),
            2 => Some(Purpose::Prime),
            3 => Some(Purpose::Test),
            4 => Some(Purpose::Cleaning),
            5 => Some(Purpose::Calibration),
            other => {
                return Err(RejectReason::UnknownCode {
                    field: "purpose",
                    code: u32::from(other),
                });
            }
        })
    }
}

/// What the gun noticed about the shot; a bit without a name here makes the shot a rejected one,
/// because a new flag is a new version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShotFlags(pub u16);

impl ShotFlags {
    /// The injection failed: the needle moved, and not what was set came out.
    pub const FAILED_INJECTION: ShotFlags = ShotFlags(1 << 0);
    /// The way was blocked.
    pub const OCCLUSION: ShotFlags = ShotFlags(1 << 1);
    /// The needle moved without product, as set.
    pub const DRY: ShotFlags = ShotFlags(1 << 2);
    /// Air in the line.
    pub const AIR: ShotFlags = ShotFlags(1 << 3);
    /// The vacuum of the head was outside its window.
    pub const VACUUM_OUT_OF_WINDOW: ShotFlags = ShotFlags(1 << 4);
    /// At least one needle of the head is blocked.
    pub const NEEDLE_BLOCKED: ShotFlags = ShotFlags(1 << 5);

    /// Every bit that has a name.
    pub const ALL: ShotFlags = ShotFlags((1 << 6) - 1);

    /// The raw bits.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: ShotFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of bits together.
    pub const fn union(self, other: ShotFlags) -> ShotFlags {
        ShotFlags(self.0 | other.0)
    }
}

/// What the gun was set to and what it sensed; absent where the gun cannot say, never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// The needle depth that the gun was set to.
    pub depth_set: Option<Micrometres>,
    /// The needle depth that the gun sensed.
    pub depth_sensed: Option<Micrometres>,
    /// The volume of this trigger that the gun was set to, all needles together.
    pub volume_set: Option<Nanolitres>,
    /// The volume of this trigger that the gun sensed, all needles together.
    pub volume_sensed: Option<Nanolitres>,
    /// The shot rate that the gun was set to.
    pub frequency_set: Option<ShotsPerMinute>,
    /// The needles of the head that worked.
    pub needles_working: Option<NeedleCount>,
    /// Vacuum (negative) or injection pressure, against the air around.
    pub pressure: Option<GaugePascals>,
    /// What the shot was for, if the gun knows.
    pub purpose: Option<Purpose>,
    /// What the gun noticed.
    pub flags: ShotFlags,
}

/// One trigger of the gun, as it came over the wire and in range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotEvent {
    /// Epoch and counter.
    pub key: ShotKey,
    /// The start of the firmware that the tick counts from.
    pub boot: BootId,
    /// The gun's clock at the trigger.
    pub tick: GunTick,
    /// The time since the trigger before; absent for the first after a start.
    pub interval: Option<Microseconds>,
    /// Set points, measurements and flags.
    pub measured: Measured,
}

mod present {
    pub(super) const INTERVAL: u16 = 1 << 0;
    pub(super) const DEPTH_SET: u16 = 1 << 1;
    pub(super) const DEPTH_SENSED: u16 = 1 << 2;
    pub(super) const VOLUME_SET: u16 = 1 << 3;
    pub(super) const VOLUME_SENSED: u16 = 1 << 4;
    pub(super) const FREQUENCY_SET: u16 = 1 << 5;
    pub(super) const NEEDLES: u16 = 1 << 6;
    pub(super) const PRESSURE: u16 = 1 << 7;
    pub(super) const ALL: u16 = 0x00FF;
}

/// A volume of one trigger as the `u32` of the wire; saturates, and the reader refuses that.
pub(super) fn wire_volume(volume: Option<Nanolitres>) -> u32 {
    volume.map_or(0, |volume| u32::try_from(volume.get()).unwrap_or(u32::MAX))
}

impl ShotEvent {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let measured = &self.measured;
        let bit = |is_present: bool, bit: u16| if is_present { bit } else { 0 };
        let present = bit(self.interval.is_some(), present::INTERVAL)
            | bit(measured.depth_set.is_some(), present::DEPTH_SET)
            | bit(measured.depth_sensed.is_some(), present::DEPTH_SENSED)
            | bit(measured.volume_set.is_some(), present::VOLUME_SET)
            | bit(measured.volume_sensed.is_some(), present::VOLUME_SENSED)
            | bit(measured.frequency_set.is_some(), present::FREQUENCY_SET)
            | bit(measured.needles_working.is_some(), present::NEEDLES)
            | bit(measured.pressure.is_some(), present::PRESSURE);
        writer
            .u64(self.key.epoch.get())
            .u32(self.key.counter.get())
            .u32(self.boot.get())
            .u64(self.tick.get())
            .u64(self.interval.map_or(0, Microseconds::get))
            .u32(measured.depth_set.map_or(0, Micrometres::get))
            .u32(measured.depth_sensed.map_or(0, Micrometres::get))
            .u32(wire_volume(measured.volume_set))
            .u32(wire_volume(measured.volume_sensed))
            .u16(measured.frequency_set.map_or(0, ShotsPerMinute::get))
            .u8(measured.needles_working.map_or(0, NeedleCount::get))
            .u8(Purpose::code(measured.purpose))
            .i32(measured.pressure.map_or(0, GaugePascals::get))
            .u16(measured.flags.bits())
            .u16(present)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<ShotEvent, RejectReason> {
        let raw = RawShot::read(reader)?;
        if raw.present & !present::ALL != 0 {
            let code = u32::from(raw.present);
            return Err(RejectReason::UnknownCode {
                field: "present",
                code,
            });
        }
        if !ShotFlags::ALL.contains(ShotFlags(raw.flags)) {
            return Err(RejectReason::UnknownCode {
                field: "flags",
                code: u32::from(raw.flags),
            });
        }
        let is = |bit: u16| raw.present & bit != 0;
        let key = checked_key(raw.epoch, raw.counter)?;
        Ok(ShotEvent {
            key,
            boot: BootId(raw.boot_id),
            tick: in_range("tick_us", GunTick::new(raw.tick_us))?,
            interval: when(is(present::INTERVAL), "interval_us", || {
                Microseconds::new(raw.interval_us)
            })?,
            measured: Measured {
                depth_set: when(is(present::DEPTH_SET), "depth_set_um", || {
                    Micrometres::new(raw.depth_set_um)
                })?,
                depth_sensed: when(is(present::DEPTH_SENSED), "depth_sensed_um", || {
                    Micrometres::new(raw.depth_sensed_um)
                })?,
                volume_set: when(is(present::VOLUME_SET), "volume_set_nl", || {
                    volume_per_trigger(raw.volume_set_nl)
                })?,
                volume_sensed: when(is(present::VOLUME_SENSED), "volume_sensed_nl", || {
                    volume_per_trigger(raw.volume_sensed_nl)
                })?,
                frequency_set: when(is(present::FREQUENCY_SET), "frequency_set_spm", || {
                    ShotsPerMinute::new(raw.frequency_set_spm)
                })?,
                needles_working: when(is(present::NEEDLES), "needles", || {
                    NeedleCount::new(raw.needles)
                })?,
                pressure: when(is(present::PRESSURE), "pressure_pa", || {
                    GaugePascals::new(raw.pressure_pa)
                })?,
                purpose: Purpose::from_code(raw.purpose)?,
                flags: ShotFlags(raw.flags),
            },
        })
    }
}

/// The fields of a shot as they are on the wire, before anything is believed.
struct RawShot {
    epoch: u64,
    counter: u32,
    boot_id: u32,
    tick_us: u64,
    interval_us: u64,
    depth_set_um: u32,
    depth_sensed_um: u32,
    volume_set_nl: u32,
    volume_sensed_nl: u32,
    frequency_set_spm: u16,
    needles: u8,
    purpose: u8,
    pressure_pa: i32,
    flags: u16,
    present: u16,
}

impl RawShot {
    fn read(reader: &mut Reader<'_>) -> Result<RawShot, RejectReason> {
        Ok(RawShot {
            epoch: reader.u64()?,
            counter: reader.u32()?,
            boot_id: reader.u32()?,
            tick_us: reader.u64()?,
            interval_us: reader.u64()?,
            depth_set_um: reader.u32()?,
            depth_sensed_um: reader.u32()?,
            volume_set_nl: reader.u32()?,
            volume_sensed_nl: reader.u32()?,
            frequency_set_spm: reader.u16()?,
            needles: reader.u8()?,
            purpose: reader.u8()?,
            pressure_pa: reader.i32()?,
            flags: reader.u16()?,
            present: reader.u16()?,
        })
    }
}

fn in_range<T>(field: &'static str, checked: Result<T, UnitError>) -> Result<T, RejectReason> {
    checked.map_err(|source| RejectReason::Impossible { field, source })
}

/// The checked value of a field that is present, `None` for one that is not.
pub(super) fn when<T>(
    is_present: bool,
    field: &'static str,
    check: impl FnOnce() -> Result<T, UnitError>,
) -> Result<Option<T>, RejectReason> {
    if is_present {
        in_range(field, check()).map(Some)
    } else {
        Ok(None)
    }
}

pub(super) fn volume_per_trigger(raw_nl: u32) -> Result<Nanolitres, UnitError> {
    if u64::from(raw_nl) > VOLUME_PER_TRIGGER_NL_MAX {
        return Err(UnitError::OutOfRange {
            quantity: "volume of one trigger in nl",
            value: i64::from(raw_nl),
            min: 0,
            max: VOLUME_PER_TRIGGER_NL_MAX as i64,
        });
    }
    Nanolitres::new(u64::from(raw_nl))
}

fn checked_key(epoch: u64, counter: u32) -> Result<ShotKey, RejectReason> {
    if epoch == 0 {
        return Err(RejectReason::NoIdentity {
            field: "epoch",
            value: epoch,
        });
    }
    if counter == 0 || counter > COUNTER_MAX {
        return Err(RejectReason::NoIdentity {
            field: "counter",
            value: u64::from(counter),
        });
    }
    Ok(ShotKey {
        epoch: Epoch(epoch),
        counter: ShotCounter(counter),
    })
}

/// The identity of a shot whose other fields may be nonsense.
pub(super) fn peek_key(payload: &[u8]) -> Option<ShotKey> {
    let mut reader = Reader::new(payload);
    let epoch = reader.u64().ok()?;
    let counter = reader.u32().ok()?;
    checked_key(epoch, counter).ok()
}

impl ShotEvent {
    /// The shot's fields as they are on the wire, for the quarantine.
    pub fn encode_payload(&self) -> alloc::vec::Vec<u8> {
        self.write(Writer::default()).finish()
    }
}
