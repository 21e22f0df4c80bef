//! What the gun holds and how it is.

use meso_units::{Epoch, GaugePascals, GunTick, MilliCelsius, Millivolts, ShotCounter};

use super::{RejectReason, flag, not_zero, optional_counter, optional_epoch};
use crate::wire::{Reader, Writer};

/// What the gun's ring holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The epoch of its counters; `None` asks the host for one.
    pub epoch: Option<Epoch>,
    /// The oldest shot that can still be read; `None` where the ring is empty.
    pub oldest: Option<ShotCounter>,
    /// The newest shot; `None` before the first of the epoch.
    pub newest: Option<ShotCounter>,
    /// Everything up to here is acknowledged; `None` before the first acknowledgement.
    pub acknowledged: Option<ShotCounter>,
    /// How many shots of this epoch were overwritten before they were acknowledged.
    pub lost_count: u32,
}

impl Inventory {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let counter = |counter: Option<ShotCounter>| counter.map_or(0, ShotCounter::get);
        writer
            .u64(self.epoch.map_or(0, Epoch::get))
            .u32(counter(self.oldest))
            .u32(counter(self.newest))
            .u32(counter(self.acknowledged))
            .u32(self.lost_count)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Inventory, RejectReason> {
        Ok(Inventory {
            epoch: optional_epoch(reader.u64()?),
            oldest: optional_counter(reader.u32()?),
            newest: optional_counter(reader.u32()?),
            acknowledged: optional_counter(reader.u32()?),
            lost_count: reader.u32()?,
        })
    }
}

/// The gun's state, sent once a second; also its sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its clock when it sent this.
    pub tick: GunTick,
    /// What its ring holds.
    pub inventory: Inventory,
    /// Battery or supply voltage.
    pub battery: Option<Millivolts>,
    /// Temperature of its motor or board.
    pub temperature: Option<MilliCelsius>,
    /// Vacuum at the head.
    pub vacuum: Option<GaugePascals>,
    /// Shots since the needle was changed.
    pub shots_on_needle: Option<u32>,
    /// Shots in the gun's life, wrapping.
    pub lifetime_shots: Option<u32>,
    /// Fault bits of the maker; 0 is none.
    pub faults: u32,
    /// Whether it is inhibited.
    pub is_inhibited: bool,
    /// The number of its latest inhibition.
    pub inhibit_number: u32,
    /// Triggers since its start that fired no shot, because it was inhibited or its setting was
    /// above a limit in force; stays at the largest number.
    pub refused_count: u32,
}

mod present {
    pub(super) const BATTERY: u8 = 1 << 0;
    pub(super) const TEMPERATURE: u8 = 1 << 1;
    pub(super) const VACUUM: u8 = 1 << 2;
    pub(super) const SHOTS_ON_NEEDLE: u8 = 1 << 3;
    pub(super) const LIFETIME_SHOTS: u8 = 1 << 4;
}

impl Status {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let bit = |is_present: bool, bit: u8| if is_present { bit } else { 0 };
        let present = bit(self.battery.is_some(), present::BATTERY)
            | bit(self.temperature.is_some(), present::TEMPERATURE)
            | bit(self.vacuum.is_some(), present::VACUUM)
            | bit(self.shots_on_needle.is_some(), present::SHOTS_ON_NEEDLE)
            | bit(self.lifetime_shots.is_some(), present::LIFETIME_SHOTS);
        self.inventory
            .write(writer.u64(self.tick.get()))
            .u32(self.battery.map_or(0, Millivolts::get))
            .i32(self.temperature.map_or(0, MilliCelsius::get))
            .i32(self.vacuum.map_or(0, GaugePascals::get))
            .u32(self.shots_on_needle.unwrap_or(0))
            .u32(self.lifetime_shots.unwrap_or(0))
            .u32(self.faults)
            .u8(u8::from(self.is_inhibited))
            .u8(present)
            .u32(self.inhibit_number)
            .u32(self.refused_count)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Status, RejectReason> {
        let impossible = |field| move |source| RejectReason::Impossible { field, source };
        let tick = GunTick::new(reader.u64()?).map_err(impossible("tick_us"))?;
        let inventory = Inventory::read(reader)?;
        let battery_mv = reader.u32()?;
        let temperature_mc = reader.i32()?;
        let vacuum_pa = reader.i32()?;
        let shots_on_needle = reader.u32()?;
        let lifetime_shots = reader.u32()?;
        let faults = reader.u32()?;
        let is_inhibited = flag("inhibited", reader.u8()?)?;
        let present = reader.u8()?;
        let is = |bit: u8| present & bit != 0;
        Ok(Status {
            tick,
            inventory,
            battery: is(present::BATTERY)
                .then(|| Millivolts::new(battery_mv))
                .transpose()
                .map_err(impossible("battery_mv"))?,
            temperature: is(present::TEMPERATURE)
                .then(|| MilliCelsius::new(temperature_mc))
                .transpose()
                .map_err(impossible("temperature_mc"))?,
            vacuum: is(present::VACUUM)
                .then(|| GaugePascals::new(vacuum_pa))
                .transpose()
                .map_err(impossible("vacuum_pa"))?,
            shots_on_needle: is(present::SHOTS_ON_NEEDLE).then_some(shots_on_needle),
            lifetime_shots: is(present::LIFETIME_SHOTS).then_some(lifetime_shots),
            faults,
            is_inhibited,
            inhibit_number: reader.u32()?,
            refused_count: reader.u32()?,
        })
    }
}

/// Where the stream of shots really begins.
///
/// A `from` above `requested` means that the shots between are gone from the ring for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The host session that asked.
    pub session: u32,
    /// The request that it answers; 0 where the ring overtook the stream by itself.
    pub request: u16,
    /// The epoch.
    pub epoch: Epoch,
    /// The counter that was asked for, or that would have been next.
    pub requested: u32,
    /// The counter that comes next.
    pub from: u32,
    /// The newest shot; `None` before the first of the epoch.
    pub newest: Option<ShotCounter>,
}

impl Range {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .u32(self.session)
            .u16(self.request)
            .u64(self.epoch.get())
            .u32(self.requested)
            .u32(self.from)
            .u32(self.newest.map_or(0, ShotCounter::get))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Range, RejectReason> {
        Ok(Range {
            session: reader.u32()?,
            request: reader.u16()?,
            epoch: Epoch(reader.u64()?),
            requested: not_zero("requested", reader.u32()?)?,
            from: not_zero("from", reader.u32()?)?,
            newest: optional_counter(reader.u32()?),
        })
    }
}
