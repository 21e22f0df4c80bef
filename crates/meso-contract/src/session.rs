//! Session events as JSON.

use meso_domain::{
    Amendment, CheckItem, Checklist, Component, Delivery, GunPosition, Needle, RecordHash,
    SegmentOpened, SessionEnded, SessionEvent, SessionOpened, SessionOutcome, SyringeLoad,
    Technique,
};
use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, LibraryVersion, Micrometres, Nanolitres, OperatorId,
    PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PayloadError;
use crate::error::{text, word};
use crate::json_id::{hex_u64, parse_bytes, parse_u64};
use crate::shot::parse_at;

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SessionEventBody {
    /// It began.
    Opened(SessionOpenedBody),
    /// A segment began.
    SegmentOpened(SegmentOpenedBody),
    /// The operator paused.
    Paused {
        /// The session.
        session: String,
        /// When, nanoseconds since 1970 as text.
        at_ns: String,
    },
    /// The operator went on.
    Resumed {
        /// The session.
        session: String,
        /// When, nanoseconds since 1970 as text.
        at_ns: String,
    },
    /// It ended.
    Ended(SessionEndedBody),
}

/// A step of the checklist: done, with a reference or without, or skipped with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CheckItemBody {
    /// Done.
    Done {
        /// Number of a document, never its text.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
    },
    /// Skipped.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// The steps before the first shot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecklistBody {
    /// Contraindications and allergies asked.
    pub screening: CheckItemBody,
    /// Consent given.
    pub consent: CheckItemBody,
    /// Zone disinfected.
    pub asepsis: CheckItemBody,
    /// Emergency kit at hand.
    pub emergency_kit: CheckItemBody,
}

/// A session begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionOpenedBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// The clinic.
    pub clinic: String,
    /// The room, by its driver.
    pub room: String,
    /// IANA name of the time zone.
    pub time_zone: String,
    /// Offset from UTC in seconds.
    pub utc_offset_s: i32,
    /// Commitment to the patient, 64 hexadecimal digits.
    pub patient: String,
    /// Digest of the screening answers, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub screening_digest: Option<String>,
    /// The protocol.
    pub protocol: String,
    /// Release of the library in force.
    pub library_version: u32,
    /// Who treats.
    pub operator: String,
    /// The steps before the first shot.
    pub checklist: ChecklistBody,
    /// Whether this is a demonstration without a patient.
    pub demo: bool,
}

/// One component of a cocktail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentBody {
    /// What it is.
    pub name: String,
    /// Concentration with its unit.
    pub concentration: String,
    /// Product lot.
    pub lot: String,
}

/// What is in the syringe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyringeBody {
    /// The components.
    pub components: Vec<ComponentBody>,
    /// Whether it came ready-made.
    pub ready_made: bool,
    /// Who prepared it.
    pub prepared_by: String,
    /// Loaded volume in nl.
    pub loaded_nl: u64,
    /// Volume that stays in tube and head, in nl.
    pub dead_volume_nl: u64,
}

/// The needle or head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeedleBody {
    /// Length of the tip in µm.
    pub length_um: u32,
    /// Gauge number.
    pub gauge: u8,
    /// Needles on the head.
    pub needle_count: u8,
    /// The lot.
    pub lot: String,
}

/// A segment begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentOpenedBody {
    /// The segment, 32 hexadecimal digits.
    pub segment: String,
    /// Its session.
    pub session: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// Serial number of the gun; absent for a manual syringe.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gun: Option<String>,
    /// The zone.
    pub zone: String,
    /// The technique.
    pub technique: String,
    /// The protocol.
    pub protocol: String,
    /// Release of the library in force.
    pub library_version: u32,
    /// Phase of the course, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course_phase: Option<u8>,
    /// What is in the syringe.
    pub syringe: SyringeBody,
    /// The needle or head.
    pub needle: NeedleBody,
    /// Who treats.
    pub operator: String,
    /// Why the segment before it ended.
    pub reason: String,
}

/// How far a gun had counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GunPositionBody {
    /// The gun.
    pub gun: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// Last counter of the session.
    pub counter: u32,
}

/// A session ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionEndedBody {
    /// The session.
    pub session: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// How.
    pub outcome: String,
    /// Last counter of each gun.
    pub last_counters: Vec<GunPositionBody>,
}

/// A correction that points at its original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendmentBody {
    /// Hash of the record that is corrected, 64 hexadecimal digits.
    pub original: String,
    /// Who.
    pub by: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// Why.
    pub reason: String,
    /// The field.
    pub field: String,
    /// Value before.
    pub old_value: String,
    /// Value after.
    pub new_value: String,
    /// Ed25519 signature, 128 hexadecimal digits.
    pub signature: String,
}

impl From<&SessionEvent> for SessionEventBody {
    fn from(event: &SessionEvent) -> SessionEventBody {
        match event {
            SessionEvent::Opened(opened) => SessionEventBody::Opened(opened.into()),
            SessionEvent::SegmentOpened(segment) => SessionEventBody::SegmentOpened(segment.into()),
            SessionEvent::Paused { session, at } => SessionEventBody::Paused {
                session: session.to_string(),
                at_ns: at.unix_ns().to_string(),
            },
            SessionEvent::Resumed { session, at } => SessionEventBody::Resumed {
                session: session.to_string(),
                at_ns: at.unix_ns().to_string(),
            },
            SessionEvent::Ended(ended) => SessionEventBody::Ended(ended.into()),
        }
    }
}

impl TryFrom<&SessionEventBody> for SessionEvent {
    type Error = PayloadError;

    fn try_from(body: &SessionEventBody) -> Result<SessionEvent, PayloadError> {
        Ok(match body {
            SessionEventBody::Opened(opened) => SessionEvent::Opened(opened.try_into()?),
            SessionEventBody::SegmentOpened(segment) => {
                SessionEvent::SegmentOpened(segment.try_into()?)
            }
            SessionEventBody::Paused { session, at_ns } => SessionEvent::Paused {
                session: SessionId::parse(session)?,
                at: parse_at("at_ns", at_ns)?,
            },
            SessionEventBody::Resumed { session, at_ns } => SessionEvent::Resumed {
                session: SessionId::parse(session)?,
                at: parse_at("at_ns", at_ns)?,
            },
            SessionEventBody::Ended(ended) => SessionEvent::Ended(ended.try_into()?),
        })
    }
}

impl From<&CheckItem> for CheckItemBody {
    fn from(item: &CheckItem) -> CheckItemBody {
        match item {
            CheckItem::Done(reference) => CheckItemBody::Done {
                reference: reference.clone(),
            },
            CheckItem::Skipped(reason) => CheckItemBody::Skipped {
                reason: reason.clone(),
            },
        }
    }
}

impl TryFrom<&CheckItemBody> for CheckItem {
    type Error = PayloadError;

    fn try_from(body: &CheckItemBody) -> Result<CheckItem, PayloadError> {
        Ok(match body {
            CheckItemBody::Done { reference } => CheckItem::Done(
                reference
                    .as_deref()
                    .map(|t| text("reference", t))
                    .transpose()?,
            ),
            CheckItemBody::Skipped { reason } => CheckItem::Skipped(text("reason", reason)?),
        })
    }
}

impl From<&Checklist> for ChecklistBody {
    fn from(checklist: &Checklist) -> ChecklistBody {
        ChecklistBody {
            screening: (&checklist.screening).into(),
            consent: (&checklist.consent).into(),
            asepsis: (&checklist.asepsis).into(),
            emergency_kit: (&checklist.emergency_kit).into(),
        }
    }
}

impl TryFrom<&ChecklistBody> for Checklist {
    type Error = PayloadError;

    fn try_from(body: &ChecklistBody) -> Result<Checklist, PayloadError> {
        Ok(Checklist {
            screening: (&body.screening).try_into()?,
            consent: (&body.consent).try_into()?,
            asepsis: (&body.asepsis).try_into()?,
            emergency_kit: (&body.emergency_kit).try_into()?,
        })
    }
}

impl From<&SessionOpened> for SessionOpenedBody {
    fn from(opened: &SessionOpened) -> SessionOpenedBody {
        SessionOpenedBody {
            session: opened.session.to_string(),
            at_ns: opened.at.unix_ns().to_string(),
            clinic: opened.clinic.to_string(),
            room: opened.room.to_string(),
            time_zone: opened.time_zone.clone(),
            utc_offset_s: opened.utc_offset_s,
            patient: opened.patient.to_string(),
            screening_digest: opened.screening_digest.map(hex::encode),
            protocol: opened.protocol.to_string(),
            library_version: opened.library.get(),
            operator: opened.operator.to_string(),
            checklist: (&opened.checklist).into(),
            demo: opened.demo,
        }
    }
}

impl TryFrom<&SessionOpenedBody> for SessionOpened {
    type Error = PayloadError;

    fn try_from(body: &SessionOpenedBody) -> Result<SessionOpened, PayloadError> {
        Ok(SessionOpened {
            session: SessionId::parse(&body.session)?,
            at: parse_at("at_ns", &body.at_ns)?,
            clinic: ClinicId::parse(&body.clinic)?,
            room: DriverId::parse(&body.room)?,
            time_zone: text("time_zone", &body.time_zone)?,
            utc_offset_s: body.utc_offset_s,
            patient: PatientCommitment::parse(&body.patient)?,
            screening_digest: body
                .screening_digest
                .as_deref()
                .map(|t| parse_bytes("screening_digest", t))
                .transpose()?,
            protocol: ProtocolId::parse(&body.protocol)?,
            library: LibraryVersion(body.library_version),
            operator: OperatorId::parse(&body.operator)?,
            checklist: (&body.checklist).try_into()?,
            demo: body.demo,
        })
    }
}

impl From<&SyringeLoad> for SyringeBody {
    fn from(load: &SyringeLoad) -> SyringeBody {
        SyringeBody {
            components: load
                .components
                .iter()
                .map(|component| ComponentBody {
                    name: component.name.clone(),
                    concentration: component.concentration.clone(),
                    lot: component.lot.clone(),
                })
                .collect(),
            ready_made: load.ready_made,
            prepared_by: load.prepared_by.to_string(),
            loaded_nl: load.loaded.get(),
            dead_volume_nl: load.dead_volume.get(),
        }
    }
}

impl TryFrom<&SyringeBody> for SyringeLoad {
    type Error = PayloadError;

    fn try_from(body: &SyringeBody) -> Result<SyringeLoad, PayloadError> {
        let component = |component: &ComponentBody| {
            Ok::<_, PayloadError>(Component {
                name: text("component", &component.name)?,
                concentration: text("concentration", &component.concentration)?,
                lot: text("lot", &component.lot)?,
            })
        };
        Ok(SyringeLoad {
            components: body
                .components
                .iter()
                .map(component)
                .collect::<Result<_, _>>()?,
            ready_made: body.ready_made,
            prepared_by: OperatorId::parse(&body.prepared_by)?,
            loaded: Nanolitres::new(body.loaded_nl)?,
            dead_volume: Nanolitres::new(body.dead_volume_nl)?,
        })
    }
}

impl From<&Needle> for NeedleBody {
    fn from(needle: &Needle) -> NeedleBody {
        NeedleBody {
            length_um: needle.length.get(),
            gauge: needle.gauge,
            needle_count: needle.count,
            lot: needle.lot.clone(),
        }
    }
}

impl TryFrom<&NeedleBody> for Needle {
    type Error = PayloadError;

    fn try_from(body: &NeedleBody) -> Result<Needle, PayloadError> {
        Ok(Needle {
            length: Micrometres::new(body.length_um)?,
            gauge: body.gauge,
            count: body.needle_count,
            lot: text("needle lot", &body.lot)?,
        })
    }
}

impl From<&SegmentOpened> for SegmentOpenedBody {
    fn from(segment: &SegmentOpened) -> SegmentOpenedBody {
        SegmentOpenedBody {
            segment: segment.segment.to_string(),
            session: segment.session.to_string(),
            at_ns: segment.at.unix_ns().to_string(),
            gun: match &segment.delivery {
                Delivery::Gun(gun) => Some(gun.to_string()),
                Delivery::ManualSyringe => None,
            },
            zone: segment.zone.clone(),
            technique: segment.technique.to_string(),
            protocol: segment.protocol.to_string(),
            library_version: segment.library.get(),
            course_phase: segment.course_phase,
            syringe: (&segment.syringe).into(),
            needle: (&segment.needle).into(),
            operator: segment.operator.to_string(),
            reason: segment.reason.clone(),
        }
    }
}

impl TryFrom<&SegmentOpenedBody> for SegmentOpened {
    type Error = PayloadError;

    fn try_from(body: &SegmentOpenedBody) -> Result<SegmentOpened, PayloadError> {
        Ok(SegmentOpened {
            segment: SegmentId::parse(&body.segment)?,
            session: SessionId::parse(&body.session)?,
            at: parse_at("at_ns", &body.at_ns)?,
            delivery: match body.gun.as_deref() {
                Some(gun) => Delivery::Gun(GunSerial::parse(gun)?),
                None => Delivery::ManualSyringe,
            },
            zone: text("zone", &body.zone)?,
            technique: word("technique", &body.technique, Technique::parse)?,
            protocol: ProtocolId::parse(&body.protocol)?,
            library: LibraryVersion(body.library_version),
            course_phase: body.course_phase,
            syringe: (&body.syringe).try_into()?,
            needle: (&body.needle).try_into()?,
            operator: OperatorId::parse(&body.operator)?,
            reason: text("reason", &body.reason)?,
        })
    }
}

impl From<&SessionEnded> for SessionEndedBody {
    fn from(ended: &SessionEnded) -> SessionEndedBody {
        SessionEndedBody {
            session: ended.session.to_string(),
            at_ns: ended.at.unix_ns().to_string(),
            outcome: ended.outcome.to_string(),
            last_counters: ended
                .last_counters
                .iter()
                .map(|position| GunPositionBody {
                    gun: position.gun.to_string(),
                    epoch: hex_u64(position.epoch.get()),
                    counter: position.counter.get(),
                })
                .collect(),
        }
    }
}

impl TryFrom<&SessionEndedBody> for SessionEnded {
    type Error = PayloadError;

    fn try_from(body: &SessionEndedBody) -> Result<SessionEnded, PayloadError> {
        let position = |position: &GunPositionBody| {
            Ok::<_, PayloadError>(GunPosition {
                gun: GunSerial::parse(&position.gun)?,
                epoch: Epoch(parse_u64("epoch", &position.epoch)?),
                counter: ShotCounter(position.counter),
            })
        };
        Ok(SessionEnded {
            session: SessionId::parse(&body.session)?,
            at: parse_at("at_ns", &body.at_ns)?,
            outcome: word("outcome", &body.outcome, SessionOutcome::parse)?,
            last_counters: body
                .last_counters
                .iter()
                .map(position)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Amendment> for AmendmentBody {
    fn from(amendment: &Amendment) -> AmendmentBody {
        AmendmentBody {
            original: amendment.original.to_string(),
            by: amendment.by.to_string(),
            at_ns: amendment.at.unix_ns().to_string(),
            reason: amendment.reason.clone(),
            field: amendment.field.clone(),
            old_value: amendment.old_value.clone(),
            new_value: amendment.new_value.clone(),
            signature: hex::encode(amendment.signature),
        }
    }
}

impl TryFrom<&AmendmentBody> for Amendment {
    type Error = PayloadError;

    fn try_from(body: &AmendmentBody) -> Result<Amendment, PayloadError> {
        Ok(Amendment {
            original: RecordHash(parse_bytes("original", &body.original)?),
            by: OperatorId::parse(&body.by)?,
            at: parse_at("at_ns", &body.at_ns)?,
            reason: text("reason", &body.reason)?,
            field: text("field", &body.field)?,
            old_value: text("old_value", &body.old_value)?,
            new_value: text("new_value", &body.new_value)?,
            signature: parse_bytes("signature", &body.signature)?,
        })
    }
}
