//! One record of the window.

use meso_config::guns::{NumberField, RecordLayout, WordOrder};
use meso_link_proto::message::VOLUME_PER_TRIGGER_NL_MAX;
use meso_link_proto::{Measured, Purpose, ShotFlags};
use meso_units::{
    GaugePascals, GunTick, Micrometres, Microseconds, Nanolitres, NeedleCount, ShotsPerMinute,
    UnitError,
};

use super::status::number;
use crate::RecordFault;

/// The CRC-16 of Modbus.
const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_MODBUS);

/// What a record says of its shot, apart from its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The gun's clock at the trigger, in µs; `None` where the record has none.
    pub(super) tick: Option<GunTick>,
    /// The start that the tick counts from, where the record says it.
    pub(super) boot_id: Option<u32>,
    pub(super) interval: Option<Microseconds>,
    pub(super) measured: Measured,
}

/// The counter of a record whose checksum is right; `None` where it is not.
pub(super) fn counter(layout: &RecordLayout, order: WordOrder, words: &[u16]) -> Option<u32> {
    let crc_word = usize::from(layout.crc_word);
    let others = words
        .iter()
        .enumerate()
        .filter(|(place, _)| *place != crc_word)
        .flat_map(|(_, word)| word.to_be_bytes());
    let mut digest = CRC.digest();
    others.for_each(|byte| digest.update(&[byte]));
    if words.get(crc_word) != Some(&digest.finalize()) {
        return None;
    }
    let first = usize::from(layout.counter_word);
    let counter = number(words.get(first..first + 2)?, order);
    u32::try_from(counter).ok()
}

/// A record as bytes, the high byte of each word first.
pub(super) fn bytes(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Reads the fields of a record whose checksum is right.
///
/// # Errors
///
/// [`RecordFault`] for a number that is not possible.
pub(super) fn decode(
    layout: &RecordLayout,
    order: WordOrder,
    words: &[u16],
) -> Result<Told, RecordFault> {
    let fields = Fields { words, order };
    let volume = |field, name| match fields.unsigned(field, name)? {
        Some(nl) if nl > VOLUME_PER_TRIGGER_NL_MAX => Err(RecordFault::Impossible {
            field: name,
            source: UnitError::OutOfRange {
                quantity: "volume of one trigger in nl",
                value: i64::try_from(nl).unwrap_or(i64::MAX),
                min: 0,
                max: i64::try_from(VOLUME_PER_TRIGGER_NL_MAX).unwrap_or(i64::MAX),
            },
        }),
        Some(nl) => checked(name, Nanolitres::new(nl)).map(Some),
        None => Ok(None),
    };
    let depth = |field, name| fields.checked(field, name, Micrometres::new);
    Ok(Told {
        tick: fields.checked(layout.tick, "tick", GunTick::new)?,
        boot_id: fields.checked(layout.boot_id, "boot_id", Ok::<u32, UnitError>)?,
        interval: fields.checked(layout.interval, "interval", Microseconds::new)?,
        measured: Measured {
            depth_set: depth(layout.depth_set, "depth_set")?,
            depth_sensed: depth(layout.depth_sensed, "depth_sensed")?,
            volume_set: volume(layout.volume_set, "volume_set")?,
            volume_sensed: volume(layout.volume_sensed, "volume_sensed")?,
            frequency_set: fields.checked(
                layout.frequency_set,
                "frequency_set",
                ShotsPerMinute::new,
            )?,
            needles_working: fields.checked(layout.needles, "needles", NeedleCount::new)?,
            pressure: fields.checked(layout.pressure, "pressure", GaugePascals::new)?,
            purpose: purpose(fields.unsigned(layout.purpose, "purpose")?)?,
            flags: flags(fields.unsigned(layout.flags, "flags")?)?,
        },
    })
}

struct Fields<'w> {
    words: &'w [u16],
    order: WordOrder,
}

impl Fields<'_> {
    /// The number of a field in our smallest units; `None` where the gun does not tell it.
    fn steps(
        &self,
        field: Option<NumberField>,
        name: &'static str,
    ) -> Result<Option<i128>, RecordFault> {
        let Some(field) = field else { return Ok(None) };
        let first = usize::from(field.word);
        let words = self.words.get(first..first + usize::from(field.words));
        let words = words.ok_or(RecordFault::Outside { field: name })?;
        let raw = number(words, self.order);
        let bits = 16 * u32::from(field.words);
        let raw = if field.is_signed && raw >> (bits - 1) == 1 {
            i128::from(raw) - (1_i128 << bits)
        } else {
            i128::from(raw)
        };
        if field.missing.map(i128::from) == Some(raw) {
            return Ok(None);
        }
        Ok(Some(raw * i128::from(field.step)))
    }

    fn unsigned(
        &self,
        field: Option<NumberField>,
        name: &'static str,
    ) -> Result<Option<u64>, RecordFault> {
        self.checked(field, name, Ok)
    }

    fn checked<R: TryFrom<i128>, T>(
        &self,
        field: Option<NumberField>,
        name: &'static str,
        check: impl FnOnce(R) -> Result<T, UnitError>,
    ) -> Result<Option<T>, RecordFault> {
        let Some(steps) = self.steps(field, name)? else {
            return Ok(None);
        };
        // A number that its type cannot hold is refused like one out of range.
        let raw = R::try_from(steps).map_err(|_| RecordFault::TooLarge {
            field: name,
            value: steps,
        })?;
        checked(name, check(raw)).map(Some)
    }
}

fn checked<T>(field: &'static str, value: Result<T, UnitError>) -> Result<T, RecordFault> {
    value.map_err(|source| RecordFault::Impossible { field, source })
}

fn purpose(code: Option<u64>) -> Result<Option<Purpose>, RecordFault> {
    Ok(match code {
        None | Some(0) => None,
        Some(1) => Some(Purpose::Patient),
        Some(2) => Some(Purpose::Prime),
        Some(3) => Some(Purpose::Test),
        Some(4) => Some(Purpose::Cleaning),
        Some(5) => Some(Purpose::Calibration),
        Some(code) => {
            return Err(RecordFault::UnknownCode {
                field: "purpose",
                code,
            });
        }
    })
}

fn flags(bits: Option<u64>) -> Result<ShotFlags, RecordFault> {
    let bits = bits.unwrap_or(0);
    u16::try_from(bits)
        .ok()
        .map(ShotFlags)
        .filter(|flags| ShotFlags::ALL.contains(*flags))
        .ok_or(RecordFault::UnknownCode {
            field: "flags",
            code: bits,
        })
}
