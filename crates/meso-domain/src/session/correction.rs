//! Which fields of a session's events can be corrected, and what the corrected event is.
//!
//! A correction is an [`crate::Amendment`]: it names the original by its hash and says the value
//! before and after as people see them. The original stays as it is; who sums up takes the corrected
//! event in its place.

use meso_units::Nanolitres;

use crate::canonical::Canonical as _;
use crate::{MaterialFacts, RecordHash, Said, SegmentOpened, SessionDetails, SessionEvent};

/// The fields of points set by hand.
const OF_MANUAL: &str = "points, volume_nl";
/// The fields of a segment. What shots were judged by (zone, technique, needle) is not among them:
/// such a mistake is a new segment and an addendum.
const OF_SEGMENT: &str = "needle_lot, loaded_nl, dead_volume_nl, lot_1 of the first component, \
                          lot_2 of the second and so on";
/// Before the number of a component, counted from 1, in the name of the field of its lot.
const COMPONENT_LOT: &str = "lot_";

/// The fields of what is known of a segment's material; an empty value for "not known".
const OF_MATERIAL: &str = "residual_nl, needle_shots_before, needle_angle_degrees, \
                           consumables_are_new (true or false)";
/// The fields of papers; an empty value for "none".
const OF_DETAILS: &str = "consent, guardian_consent, assessment";
/// The fields of the course so far.
const OF_COURSE: &str = "sessions_before, volume_before_nl";
/// The fields of an adverse event.
const OF_ADVERSE_EVENT: &str = "action, follow_up";

/// Why an event cannot be corrected like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CorrectionError {
    /// Nothing of this kind of event can be corrected.
    #[error("nothing of this event can be corrected: write an addendum instead")]
    NotCorrectable,
    /// The field is none, or is not to be corrected.
    #[error("{field:?} cannot be corrected here: correct one of {allowed}, or write an addendum")]
    UnknownField {
        /// The field.
        field: String,
        /// Those that can be.
        allowed: &'static str,
    },
    /// The value is none of the field.
    #[error(
        "{value:?} is not a value of {field}: write a whole number in its range, true or false, or words that are not too long, as the field wants it"
    )]
    BadValue {
        /// The field.
        field: String,
        /// The value.
        value: String,
    },
    /// The value is the one that is there.
    #[error("{field} is {value:?} already: there is nothing to correct")]
    NothingChanges {
        /// The field.
        field: String,
        /// The value.
        value: String,
    },
}

/// The event with one field corrected, and the value before.
///
/// # Errors
///
/// [`CorrectionError`] naming the field and what can be done.
///
/// ```
/// use meso_domain::{ManualEntry, Said, SessionEvent, Statement, correct};
/// use meso_units::{Nanolitres, SegmentId, SessionId, Timestamp};
///
/// let entry = ManualEntry {
///     segment: SegmentId::from_bytes([2; 16]),
///     number: 1,
///     points: 4,
///     volume: Nanolitres::new(80_000)?,
/// };
/// let event = SessionEvent::Stated(Box::new(Statement {
///     session: SessionId::from_bytes([1; 16]),
///     at: Timestamp::UNIX_EPOCH,
///     by: None,
///     said: Said::Manual(entry),
/// }));
/// let (corrected, before) = correct(&event, "points", "5")?;
/// assert_eq!(before, "4");
/// assert_ne!(corrected, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn correct(
    event: &SessionEvent,
    field: &str,
    new_value: &str,
) -> Result<(SessionEvent, String), CorrectionError> {
    let mut corrected = event.clone();
    let before = match &mut corrected {
        SessionEvent::SegmentOpened(segment) => of_segment(segment, field, new_value)?,
        SessionEvent::Stated(statement) => match &mut statement.said {
            Said::Manual(entry) => match field {
                "points" => replace(&mut entry.points, number(field, new_value)?),
                "volume_nl" => replace(&mut entry.volume, volume(field, new_value)?),
                _ => return Err(unknown(field, OF_MANUAL)),
            },
            Said::Material(material) => of_material(material, field, new_value)?,
            Said::Details(details) => of_details(details, field, new_value)?,
            Said::Course(course) => match field {
                "sessions_before" => {
                    let count = new_value.parse().map_err(|_| bad(field, new_value))?;
                    replace(&mut course.sessions_before, count)
                }
                "volume_before_nl" => replace(&mut course.volume_before, volume(field, new_value)?),
                _ => return Err(unknown(field, OF_COURSE)),
            },
            Said::AdverseEvent(event) => match field {
                "action" => replace(&mut event.action, words(field, new_value)?),
                "follow_up" => replace(&mut event.follow_up, words(field, new_value)?),
                _ => return Err(unknown(field, OF_ADVERSE_EVENT)),
            },
            _ => return Err(CorrectionError::NotCorrectable),
        },
        _ => return Err(CorrectionError::NotCorrectable),
    };
    if corrected == *event {
        return Err(CorrectionError::NothingChanges {
            field: field.to_owned(),
            value: before,
        });
    }
    Ok((corrected, before))
}

/// The event of this hash with every correction among the events, in their order; `None` where no
/// event has the hash.
pub fn corrected<'a>(
    events: impl Iterator<Item = &'a SessionEvent> + Clone,
    original: RecordHash,
) -> Option<SessionEvent> {
    let event = events
        .clone()
        .find(|event| event.record_hash() == original)?;
    Some(with_corrections(event, original, events))
}

/// An event, whose hash is `original`, with every correction of it among the events, in their order.
pub fn with_corrections<'a>(
    event: &SessionEvent,
    original: RecordHash,
    events: impl Iterator<Item = &'a SessionEvent>,
) -> SessionEvent {
    let mut event = event.clone();
    for statement in events {
        if let SessionEvent::Stated(statement) = statement
            && let Said::Amended(amendment) = &statement.said
            && amendment.original == original
            && let Ok((right, _)) = correct(&event, &amendment.field, &amendment.new_value)
        {
            event = right;
        }
    }
    event
}

fn of_segment(
    segment: &mut SegmentOpened,
    field: &str,
    new_value: &str,
) -> Result<String, CorrectionError> {
    Ok(match field {
        "needle_lot" => replace(&mut segment.needle.lot, words(field, new_value)?),
        "loaded_nl" => replace(&mut segment.syringe.loaded, volume(field, new_value)?),
        "dead_volume_nl" => replace(&mut segment.syringe.dead_volume, volume(field, new_value)?),
        _ => {
            let components = &mut segment.syringe.components;
            let place = component_of(field).and_then(|at| components.get_mut(at));
            let component = place.ok_or_else(|| unknown(field, OF_SEGMENT))?;
            replace(&mut component.lot, words(field, new_value)?)
        }
    })
}

/// Which component of the syringe a field is about, counted from 0.
fn component_of(field: &str) -> Option<usize> {
    let digits = field.strip_prefix(COMPONENT_LOT)?;
    // One name for each: `parse` alone would also take a sign and leading zeros.
    let is_plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: usize = digits.parse().ok().filter(|_| is_plain)?;
    number.checked_sub(1)
}

fn of_material(
    material: &mut MaterialFacts,
    field: &str,
    new_value: &str,
) -> Result<String, CorrectionError> {
    Ok(match field {
        "residual_nl" => {
            let residual = known(new_value, |value| volume(field, value))?;
            replace(&mut material.residual, residual)
        }
        "needle_shots_before" => {
            let shots = known(new_value, |value| number(field, value))?;
            replace(&mut material.needle_shots_before, shots)
        }
        "needle_angle_degrees" => {
            let angle = known(new_value, |value| match value.parse() {
                Ok(angle @ 1..=90) => Ok(angle),
                _ => Err(bad(field, value)),
            })?;
            replace(&mut material.needle_angle_degrees, angle)
        }
        "consumables_are_new" => {
            let are_new = known(new_value, |value| {
                value.parse().map_err(|_| bad(field, value))
            })?;
            replace(&mut material.consumables_are_new, are_new)
        }
        _ => return Err(unknown(field, OF_MATERIAL)),
    })
}

fn of_details(
    details: &mut SessionDetails,
    field: &str,
    new_value: &str,
) -> Result<String, CorrectionError> {
    let place = match field {
        "consent" => &mut details.consent,
        "guardian_consent" => &mut details.guardian_consent,
        "assessment" => &mut details.assessment,
        _ => return Err(unknown(field, OF_DETAILS)),
    };
    let number = known(new_value, |value| words(field, value))?;
    Ok(replace(place, number))
}

/// Empty for what is not known.
fn known<T>(
    value: &str,
    read: impl FnOnce(&str) -> Result<T, CorrectionError>,
) -> Result<Option<T>, CorrectionError> {
    (!value.is_empty()).then(|| read(value)).transpose()
}

fn words(field: &str, value: &str) -> Result<String, CorrectionError> {
    match value.len() <= crate::canonical::TEXT_LENGTH_MAX {
        true => Ok(value.to_owned()),
        false => Err(bad(field, value)),
    }
}

fn replace<T: Shown>(place: &mut T, new: T) -> String {
    core::mem::replace(place, new).shown()
}

/// A value as amendments write it.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u16 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u8 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for String {
    fn shown(&self) -> String {
        self.clone()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(String::new, Shown::shown)
    }
}

impl Shown for Nanolitres {
    fn shown(&self) -> String {
        self.get().to_string()
    }
}

fn number(field: &str, value: &str) -> Result<u32, CorrectionError> {
    value.parse().map_err(|_| bad(field, value))
}

fn volume(field: &str, value: &str) -> Result<Nanolitres, CorrectionError> {
    let raw: u64 = value.parse().map_err(|_| bad(field, value))?;
    Nanolitres::new(raw).map_err(|_| bad(field, value))
}

fn bad(field: &str, value: &str) -> CorrectionError {
    CorrectionError::BadValue {
        field: field.to_owned(),
        value: value.chars().take(64).collect(),
    }
}

fn unknown(field: &str, allowed: &'static str) -> CorrectionError {
    CorrectionError::UnknownField {
        field: field.chars().take(64).collect(),
        allowed,
    }
}
