//! A shot as a point and back. The fields are sealed: a point never changes.
//!
//! Measurement `shot`; tags `clinic`, `gun`, `slot`; whole numbers as integer fields under the
//! names of the registry's columns; `source` fields only where a value was not sensed. The field
//! set is part of the stored data: another one needs another measurement, because a resend after
//! an upgrade must be byte for byte the point that is there.

use meso_domain::{
    Purpose, PurposeDecidedBy, Quantity, Shot, ShotFlags, ShotIdentity, Source, Sourced,
};
use meso_units::{
    ClockSegment, Epoch, GaugePascals, GunTick, LibraryVersion, Micrometres, Microseconds,
    Nanolitres, NeedleCount, SegmentId, ShotCounter, ShotsPerMinute, Timestamp, Uncertainty,
    UnitError,
};

use super::line::{LineError, Lines};
use super::query::Record;
use crate::StoreError;
use crate::shelf::BlockSpan;
use crate::shot_row::{bits, from_bits};

/// The measurement of shots.
pub(crate) const SHOT: &str = "shot";

fn source_of<T>(sourced: Option<&Sourced<T>>) -> Option<String> {
    sourced
        .filter(|sourced| sourced.source != Source::Sensed)
        .map(|sourced| sourced.source.to_string())
}

/// Writes the line of a shot; `slot` is the block's own, plus how many earlier shots of the block
/// have the same nanosecond.
pub(crate) fn write(
    lines: &mut Lines,
    span: &BlockSpan,
    position: usize,
    slot: u32,
    shot: &Shot,
) -> Result<(), LineError> {
    let depth = &shot.needle_depth;
    let volume = &shot.volume;
    let uncertainty = match shot.uncertainty {
        Uncertainty::Within(ns) => Some(bits(ns)),
        Uncertainty::Unbounded => None,
    };
    let nl = |volume: Nanolitres| bits(volume.get());
    let needles = shot.needles_working.as_ref();
    let segment = shot.segment.map(|segment| segment.to_string());
    lines
        .begin(SHOT)
        .tag("clinic", span.clinic.as_str())
        .tag("gun", span.gun.as_str())
        .tag("slot", &slot.to_string())
        .integer("epoch", bits(shot.identity.epoch.get()))
        .integer("counter", shot.identity.counter.get().into())
        .integer("incarnation", bits(span.incarnation))
        .integer("block", bits(span.number))
        .integer("position", i64::try_from(position).unwrap_or(i64::MAX))
        .integer_if("uncertainty_ns", uncertainty)
        .integer("clock_segment", shot.clock_segment.0.into())
        .integer("gun_tick_us", bits(shot.gun_tick.get()))
        .integer_if("needle_depth_set_um", depth.set.map(|um| um.get().into()))
        .integer_if(
            "needle_depth_um",
            depth.actual_value().map(|um| um.get().into()),
        )
        .text_if(
            "needle_depth_source",
            source_of(depth.actual.as_ref()).as_deref(),
        )
        .integer_if("volume_set_nl", volume.set.map(nl))
        .integer_if("volume_nl", volume.actual_value().map(nl))
        .text_if(
            "volume_source",
            source_of(volume.actual.as_ref()).as_deref(),
        )
        .integer_if("interval_us", shot.interval.map(|us| bits(us.get())))
        .integer_if(
            "frequency_set_spm",
            shot.frequency_set.map(|spm| spm.get().into()),
        )
        .integer_if(
            "needles_working_count",
            needles.map(|n| n.value.get().into()),
        )
        .text_if("needles_working_source", source_of(needles).as_deref())
        .integer_if("pressure_pa", shot.pressure.map(|pa| pa.get().into()))
        .integer("flags", shot.flags.bits().into())
        .integer("purpose", shot.purpose.code().into())
        .integer("purpose_decided_by", shot.purpose_decided_by.code().into())
        .text_if("segment", segment.as_deref())
        .integer_if("library", shot.library.map(|version| version.get().into()))
        .at(shot.at.unix_ns())
}

/// Reads a shot of a gun.
pub(crate) fn read(record: &Record<'_>, span: &BlockSpan) -> Result<Shot, StoreError> {
    let cells = Cells { record };
    let uncertainty = match cells.integer("uncertainty_ns")? {
        Some(ns) => Uncertainty::Within(from_bits(ns)),
        None => Uncertainty::Unbounded,
    };
    Ok(Shot {
        identity: ShotIdentity {
            gun: span.gun.clone(),
            epoch: Epoch(from_bits(cells.number("epoch")?)),
            counter: ShotCounter(cells.number("counter")?),
        },
        at: Timestamp::from_unix_ns(cells.number("time")?)?,
        uncertainty,
        clock_segment: ClockSegment(cells.number("clock_segment")?),
        gun_tick: GunTick::new(from_bits(cells.number("gun_tick_us")?))?,
        needle_depth: Quantity {
            set: cells.checked("needle_depth_set_um", |um: u32| Micrometres::new(um))?,
            actual: cells.sourced("needle_depth_um", "needle_depth_source", |um: u32| {
                Micrometres::new(um)
            })?,
        },
        volume: Quantity {
            set: cells.checked("volume_set_nl", |nl: i64| Nanolitres::new(from_bits(nl)))?,
            actual: cells.sourced("volume_nl", "volume_source", |nl: i64| {
                Nanolitres::new(from_bits(nl))
            })?,
        },
        interval: cells.checked("interval_us", |us: i64| Microseconds::new(from_bits(us)))?,
        frequency_set: cells.checked("frequency_set_spm", |spm: u16| ShotsPerMinute::new(spm))?,
        needles_working: cells.sourced(
            "needles_working_count",
            "needles_working_source",
            |n: u8| NeedleCount::new(n),
        )?,
        pressure: cells.checked("pressure_pa", |pa: i32| GaugePascals::new(pa))?,
        flags: ShotFlags::from_bits(cells.number("flags")?)?,
        purpose: Purpose::from_code(cells.number("purpose")?)?,
        purpose_decided_by: PurposeDecidedBy::from_code(cells.number("purpose_decided_by")?)?,
        segment: record.text("segment").map(SegmentId::parse).transpose()?,
        library: cells.checked("library", |version: u32| Ok(LibraryVersion(version)))?,
    })
}

struct Cells<'a, 'r> {
    record: &'a Record<'r>,
}

impl Cells<'_, '_> {
    fn integer(&self, name: &'static str) -> Result<Option<i64>, StoreError> {
        self.record.integer(name)
    }

    fn narrow<T: TryFrom<i64>>(&self, name: &'static str) -> Result<Option<T>, StoreError> {
        let Some(raw) = self.integer(name)? else {
            return Ok(None);
        };
        let narrow = T::try_from(raw);
        let narrow = narrow.map_err(|_| StoreError::damaged("a point", format!("{name} is {raw}")));
        narrow.map(Some)
    }

    fn number<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, StoreError> {
        let number = self.narrow(name)?;
        number.ok_or_else(|| StoreError::damaged("a point", format!("{name} is missing")))
    }

    fn checked<R: TryFrom<i64>, T>(
        &self,
        name: &'static str,
        check: impl FnOnce(R) -> Result<T, UnitError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.narrow(name)?.map(check).transpose()?)
    }

    fn sourced<R: TryFrom<i64>, T>(
        &self,
        name: &'static str,
        source: &'static str,
        check: impl FnOnce(R) -> Result<T, UnitError>,
    ) -> Result<Option<Sourced<T>>, StoreError> {
        let Some(value) = self.checked(name, check)? else {
            return Ok(None);
        };
        let source = match self.record.text(source) {
            None => Source::Sensed,
            Some(text) => Source::parse(text)
                .ok_or_else(|| StoreError::damaged("the source of a value", text))?,
        };
        Ok(Some(Sourced { value, source }))
    }
}
