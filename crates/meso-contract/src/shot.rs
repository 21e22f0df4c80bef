//! A shot as JSON.

use meso_domain::{
    Purpose, PurposeDecidedBy, Quantity, Shot, ShotFlags, ShotIdentity, Source, Sourced,
};
use meso_units::{
    ClockSegment, Epoch, GaugePascals, GunSerial, GunTick, LibraryVersion, Micrometres,
    Microseconds, Nanolitres, NeedleCount, SegmentId, ShotCounter, ShotsPerMinute, Timestamp,
    Uncertainty,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PayloadError;
use crate::error::word;
use crate::json_id::{hex_u64, parse_u64};

/// One trigger of one gun: every sealed field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShotBody {
    /// Serial number of the gun.
    pub gun: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// Number within the epoch, from 1.
    pub counter: u32,
    /// UTC, nanoseconds since 1970, as decimal text: JavaScript numbers are not that exact.
    pub at_ns: String,
    /// How far `at_ns` may be off, in nanoseconds; absent when unbounded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uncertainty_ns: Option<u64>,
    /// Stretch of the driver's clock.
    pub clock_segment: u32,
    /// The gun's own clock, microseconds since its start.
    pub gun_tick_us: u64,
    /// Needle depth that was set, in µm.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needle_depth_set_um: Option<u32>,
    /// Needle depth that happened, in µm.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needle_depth_um: Option<u32>,
    /// Where `needle_depth_um` came from: `sensed`, `computed: …`, `typed: …`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needle_depth_source: Option<String>,
    /// Volume that was set, in nl.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub volume_set_nl: Option<u64>,
    /// Volume that was delivered, in nl.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub volume_nl: Option<u64>,
    /// Where `volume_nl` came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub volume_source: Option<String>,
    /// Time since the last trigger on the gun's clock, in µs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval_us: Option<u64>,
    /// Shot rate that was set, in shots per minute.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frequency_set_spm: Option<u16>,
    /// Needles that worked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needles_working: Option<u8>,
    /// Where `needles_working` came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needles_working_source: Option<String>,
    /// Vacuum (negative) or pressure at the head, in Pa.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pressure_pa: Option<i32>,
    /// What the gun reported as out of order, as bits.
    pub flags: u16,
    /// What it was fired for.
    pub purpose: String,
    /// Who decided that.
    pub purpose_decided_by: String,
    /// Segment of a session, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub segment: Option<String>,
    /// Release of the protocol library in force in the room.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub library_version: Option<u32>,
}

fn source_of<T>(value: &Option<Sourced<T>>) -> Option<String> {
    value.as_ref().map(|sourced| sourced.source.to_string())
}

fn sourced<T>(
    field: &'static str,
    value: Option<T>,
    source: Option<&str>,
) -> Result<Option<Sourced<T>>, PayloadError> {
    match (value, source) {
        (None, None) => Ok(None),
        (Some(value), Some(text)) => Ok(Some(Sourced {
            value,
            source: word(field, text, Source::parse)?,
        })),
        (_, text) => Err(PayloadError::UnknownWord {
            field,
            value: text.unwrap_or("a value without its source").to_owned(),
        }),
    }
}

impl From<&Shot> for ShotBody {
    fn from(shot: &Shot) -> ShotBody {
        ShotBody {
            gun: shot.identity.gun.to_string(),
            epoch: hex_u64(shot.identity.epoch.get()),
            counter: shot.identity.counter.get(),
            at_ns: shot.at.unix_ns().to_string(),
            uncertainty_ns: match shot.uncertainty {
                Uncertainty::Within(ns) => Some(ns),
                Uncertainty::Unbounded => None,
            },
            clock_segment: shot.clock_segment.0,
            gun_tick_us: shot.gun_tick.get(),
            needle_depth_set_um: shot.needle_depth.set.map(Micrometres::get),
            needle_depth_um: shot.needle_depth.actual_value().map(Micrometres::get),
            needle_depth_source: source_of(&shot.needle_depth.actual),
            volume_set_nl: shot.volume.set.map(Nanolitres::get),
            volume_nl: shot.volume.actual_value().map(Nanolitres::get),
            volume_source: source_of(&shot.volume.actual),
            interval_us: shot.interval.map(Microseconds::get),
            frequency_set_spm: shot.frequency_set.map(ShotsPerMinute::get),
            needles_working: shot
                .needles_working
                .as_ref()
                .map(|needles| needles.value.get()),
            needles_working_source: source_of(&shot.needles_working),
            pressure_pa: shot.pressure.map(GaugePascals::get),
            flags: shot.flags.bits(),
            purpose: shot.purpose.to_string(),
            purpose_decided_by: shot.purpose_decided_by.to_string(),
            segment: shot.segment.map(|segment| segment.to_string()),
            library_version: shot.library.map(LibraryVersion::get),
        }
    }
}

impl TryFrom<&ShotBody> for Shot {
    type Error = PayloadError;

    fn try_from(body: &ShotBody) -> Result<Shot, PayloadError> {
        let depth = body.needle_depth_um.map(Micrometres::new).transpose()?;
        let volume = body.volume_nl.map(Nanolitres::new).transpose()?;
        let needles = body.needles_working.map(NeedleCount::new).transpose()?;
        let shot = Shot {
            identity: ShotIdentity {
                gun: GunSerial::parse(&body.gun)?,
                epoch: Epoch(parse_u64("epoch", &body.epoch)?),
                counter: ShotCounter(body.counter),
            },
            at: parse_at("at_ns", &body.at_ns)?,
            uncertainty: body
                .uncertainty_ns
                .map_or(Uncertainty::Unbounded, Uncertainty::Within),
            clock_segment: ClockSegment(body.clock_segment),
            gun_tick: GunTick::new(body.gun_tick_us)?,
            needle_depth: Quantity {
                set: body.needle_depth_set_um.map(Micrometres::new).transpose()?,
                actual: sourced(
                    "needle_depth_source",
                    depth,
                    body.needle_depth_source.as_deref(),
                )?,
            },
            volume: Quantity {
                set: body.volume_set_nl.map(Nanolitres::new).transpose()?,
                actual: sourced("volume_source", volume, body.volume_source.as_deref())?,
            },
            interval: body.interval_us.map(Microseconds::new).transpose()?,
            frequency_set: body
                .frequency_set_spm
                .map(ShotsPerMinute::new)
                .transpose()?,
            needles_working: sourced(
                "needles_working_source",
                needles,
                body.needles_working_source.as_deref(),
            )?,
            pressure: body.pressure_pa.map(GaugePascals::new).transpose()?,
            flags: ShotFlags::from_bits(body.flags)?,
            purpose: word("purpose", &body.purpose, Purpose::parse)?,
            purpose_decided_by: word(
                "purpose_decided_by",
                &body.purpose_decided_by,
                PurposeDecidedBy::parse,
            )?,
            segment: body.segment.as_deref().map(SegmentId::parse).transpose()?,
            library: body.library_version.map(LibraryVersion),
        };
        shot.check()?;
        Ok(shot)
    }
}

/// Reads nanoseconds since 1970 as decimal text.
pub(crate) fn parse_at(field: &'static str, text: &str) -> Result<Timestamp, PayloadError> {
    let ns: i64 = text.parse().map_err(|_| PayloadError::UnknownWord {
        field,
        value: text.chars().take(64).collect(),
    })?;
    Ok(Timestamp::from_unix_ns(ns)?)
}
