//! A shot as columns and back; its canonical bytes come out of the columns unchanged.

use meso_domain::{
    Purpose, PurposeDecidedBy, Quantity, Shot, ShotFlags, ShotIdentity, Source, Sourced,
};
use meso_units::{
    ClockSegment, Epoch, GaugePascals, GunSerial, GunTick, LibraryVersion, Micrometres,
    Microseconds, Nanolitres, NeedleCount, SegmentId, ShotCounter, ShotsPerMinute, Timestamp,
    Uncertainty,
};
use rusqlite::{Row, Statement, params};

use crate::StoreError;
use crate::error::During as _;

/// Writes the columns of [`INSERT`].
pub(crate) const INSERT: &str = "INSERT INTO shots (id, block, position, gun, epoch, counter, at_ns,
 uncertainty_ns, clock_segment, gun_tick_us, needle_depth_set_um, needle_depth_um,
 needle_depth_source, volume_set_nl, volume_nl, volume_source, interval_us, frequency_set_spm,
 needles_working_count, needles_working_source, pressure_pa, flags, purpose, purpose_decided_by,
 segment, library)
 VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26)";

/// The columns that [`read`] wants, from `shots s JOIN guns g ON g.id = s.gun`.
pub(crate) const COLUMNS: &str = "g.serial, s.epoch, s.counter, s.at_ns, s.uncertainty_ns,
 s.clock_segment, s.gun_tick_us, s.needle_depth_set_um, s.needle_depth_um, s.needle_depth_source,
 s.volume_set_nl, s.volume_nl, s.volume_source, s.interval_us, s.frequency_set_spm,
 s.needles_working_count, s.needles_working_source, s.pressure_pa, s.flags, s.purpose,
 s.purpose_decided_by, s.segment, s.library";

/// How many columns [`COLUMNS`] names; a query may put its own behind them.
pub(crate) const COLUMN_COUNT: usize = 23;

/// Where a shot stands.
pub(crate) struct Place {
    pub(crate) id: i64,
    pub(crate) block: i64,
    pub(crate) position: usize,
    pub(crate) gun: i64,
}

/// The signed number with the same bits.
pub(crate) const fn bits(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

/// The unsigned number with the same bits.
pub(crate) const fn from_bits(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}

fn source_text<T>(sourced: Option<&Sourced<T>>) -> Option<String> {
    sourced.map(|sourced| sourced.source.to_string())
}

/// Inserts a shot with a prepared [`INSERT`].
pub(crate) fn insert(
    statement: &mut Statement<'_>,
    place: &Place,
    shot: &Shot,
) -> Result<(), StoreError> {
    let depth = &shot.needle_depth;
    let volume = &shot.volume;
    let uncertainty = match shot.uncertainty {
        Uncertainty::Within(ns) => Some(bits(ns)),
        Uncertainty::Unbounded => None,
    };
    let volume_bits = |v: Nanolitres| bits(v.get());
    let needles = shot.needles_working.as_ref();
    statement
        .execute(params![
            place.id,
            place.block,
            place.position as i64,
            place.gun,
            bits(shot.identity.epoch.get()),
            shot.identity.counter.get(),
            shot.at.unix_ns(),
            uncertainty,
            shot.clock_segment.0,
            bits(shot.gun_tick.get()),
            depth.set.map(Micrometres::get),
            depth.actual_value().map(Micrometres::get),
            source_text(depth.actual.as_ref()),
            volume.set.map(volume_bits),
            volume.actual_value().map(volume_bits),
            source_text(volume.actual.as_ref()),
            shot.interval.map(|v| bits(v.get())),
            shot.frequency_set.map(ShotsPerMinute::get),
            needles.map(|n| n.value.get()),
            source_text(needles),
            shot.pressure.map(GaugePascals::get),
            shot.flags.bits(),
            shot.purpose.code(),
            shot.purpose_decided_by.code(),
            shot.segment.as_ref().map(|s| s.as_bytes().as_slice()),
            shot.library.map(LibraryVersion::get),
        ])
        .during("write a shot")?;
    Ok(())
}

/// Reads the shot in the first [`COLUMN_COUNT`] columns of a row.
pub(crate) fn read(row: &Row<'_>) -> Result<Shot, StoreError> {
    let cells = Cells { row };
    let identity = ShotIdentity {
        gun: GunSerial::parse(&cells.get::<String>(0)?)?,
        epoch: Epoch(from_bits(cells.get(1)?)),
        counter: ShotCounter(cells.get(2)?),
    };
    let uncertainty = match cells.get::<Option<i64>>(4)? {
        Some(ns) => Uncertainty::Within(from_bits(ns)),
        None => Uncertainty::Unbounded,
    };
    Ok(Shot {
        identity,
        at: Timestamp::from_unix_ns(cells.get(3)?)?,
        uncertainty,
        clock_segment: ClockSegment(cells.get(5)?),
        gun_tick: GunTick::new(from_bits(cells.get(6)?))?,
        needle_depth: Quantity {
            set: cells.checked(7, |um: u32| Micrometres::new(um))?,
            actual: cells.sourced(8, |um: u32| Micrometres::new(um))?,
        },
        volume: Quantity {
            set: cells.checked(10, |nl: i64| Nanolitres::new(from_bits(nl)))?,
            actual: cells.sourced(11, |nl: i64| Nanolitres::new(from_bits(nl)))?,
        },
        interval: cells.checked(13, |us: i64| Microseconds::new(from_bits(us)))?,
        frequency_set: cells.checked(14, |spm: u16| ShotsPerMinute::new(spm))?,
        needles_working: cells.sourced(15, |n: u8| NeedleCount::new(n))?,
        pressure: cells.checked(17, |pa: i32| GaugePascals::new(pa))?,
        flags: ShotFlags::from_bits(cells.get(18)?)?,
        purpose: Purpose::from_code(cells.get(19)?)?,
        purpose_decided_by: PurposeDecidedBy::from_code(cells.get(20)?)?,
        segment: cells
            .get::<Option<[u8; 16]>>(21)?
            .map(SegmentId::from_bytes),
        library: cells.get::<Option<u32>>(22)?.map(LibraryVersion),
    })
}

struct Cells<'a, 'row> {
    row: &'a Row<'row>,
}

impl Cells<'_, '_> {
    fn get<T: rusqlite::types::FromSql>(&self, index: usize) -> Result<T, StoreError> {
        self.row.get(index).during("read a shot")
    }

    fn checked<R: rusqlite::types::FromSql, T>(
        &self,
        index: usize,
        check: impl FnOnce(R) -> Result<T, meso_units::UnitError>,
    ) -> Result<Option<T>, StoreError> {
        let raw: Option<R> = self.get(index)?;
        Ok(raw.map(check).transpose()?)
    }

    /// A value at `index` and its source behind it.
    fn sourced<R: rusqlite::types::FromSql, T>(
        &self,
        index: usize,
        check: impl FnOnce(R) -> Result<T, meso_units::UnitError>,
    ) -> Result<Option<Sourced<T>>, StoreError> {
        let Some(value) = self.checked(index, check)? else {
            return Ok(None);
        };
        let text: String = self.get(index + 1)?;
        let source = Source::parse(&text)
            .ok_or_else(|| StoreError::damaged("the source of a value", &text))?;
        Ok(Some(Sourced { value, source }))
    }
}
