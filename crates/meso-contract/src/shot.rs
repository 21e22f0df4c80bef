//! A shot as JSON.

use std::borrow::Cow;

use meso_domain::{
    Purpose, PurposeDecidedBy, Quantity, Shot, ShotFlags, ShotIdentity, Source, Sourced,
};
use meso_units::{
    ClockSegment, Epoch, GaugePascals, GunSerial, GunTick, LibraryVersion, Micrometres,
    Microseconds, Nanolitres, NeedleCount, SegmentId, ShotCounter, ShotsPerMinute, Timestamp,
    Uncertainty,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::PayloadError;
use crate::error::word;
use crate::json_id::{hex_u64, parse_u64};

// Its texts are those of the shot or of the message that it comes from, as far as they can be: a
// backlog has a million of them.
/// One trigger of one gun: every sealed field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShotBody<'a> {
    /// Serial number of the gun.
    #[serde(borrow)]
    pub gun: Cow<'a, str>,
    /// Epoch, 16 hexadecimal digits.
    #[serde(borrow)]
    pub epoch: Cow<'a, str>,
    /// Number within the epoch, from 1.
    pub counter: u32,
    /// UTC, nanoseconds since 1970, as decimal text: JavaScript numbers are not that exact.
    #[serde(borrow)]
    pub at_ns: Cow<'a, str>,
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
    #[serde(borrow, deserialize_with = "text_if")]
    pub needle_depth_source: Option<Cow<'a, str>>,
    /// Volume that was set, in nl.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub volume_set_nl: Option<u64>,
    /// Volume that was delivered, in nl.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub volume_nl: Option<u64>,
    /// Where `volume_nl` came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[serde(borrow, deserialize_with = "text_if")]
    pub volume_source: Option<Cow<'a, str>>,
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
    #[serde(borrow, deserialize_with = "text_if")]
    pub needles_working_source: Option<Cow<'a, str>>,
    /// Vacuum (negative) or pressure at the head, in Pa.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pressure_pa: Option<i32>,
    /// What the gun reported as out of order, as bits.
    pub flags: u16,
    /// What it was fired for.
    #[serde(borrow)]
    pub purpose: Cow<'a, str>,
    /// Who decided that.
    #[serde(borrow)]
    pub purpose_decided_by: Cow<'a, str>,
    /// Segment of a session, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[serde(borrow, deserialize_with = "text_if")]
    pub segment: Option<Cow<'a, str>>,
    /// Release of the protocol library in force in the room.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub library_version: Option<u32>,
}

/// Reads a text that need not be there; `serde` alone would copy it.
fn text_if<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text: Option<Text<'a>> = Option::deserialize(from)?;
    Ok(text.map(|text| text.0))
}

fn source_of<T>(value: &Option<Sourced<T>>) -> Option<Cow<'static, str>> {
    value.as_ref().map(|sourced| match sourced.source {
        Source::Sensed => Cow::Borrowed("sensed"),
        ref other => Cow::Owned(other.to_string()),
    })
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

impl<'a> From<&'a Shot> for ShotBody<'a> {
    fn from(shot: &'a Shot) -> ShotBody<'a> {
        ShotBody {
            gun: shot.identity.gun.as_str().into(),
            epoch: hex_u64(shot.identity.epoch.get()).into(),
            counter: shot.identity.counter.get(),
            at_ns: shot.at.unix_ns().to_string().into(),
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
            purpose: shot.purpose.as_str().into(),
            purpose_decided_by: shot.purpose_decided_by.as_str().into(),
            segment: shot.segment.map(|segment| segment.to_string().into()),
            library_version: shot.library.map(LibraryVersion::get),
        }
    }
}

impl TryFrom<&ShotBody<'_>> for Shot {
    type Error = PayloadError;

    fn try_from(body: &ShotBody<'_>) -> Result<Shot, PayloadError> {
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
