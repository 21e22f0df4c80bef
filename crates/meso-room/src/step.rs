//! From a request body to a step.

mod said;
mod screening;

use meso_contract::PayloadError;
use meso_contract::room::{HandOverStepBody, OpenStepBody, RoomStepBody, SegmentStepBody};
use meso_domain::{
    Checklist, Delivery, GunPosition, Needle, Said, SessionOutcome, SyringeLoad, Technique,
};
use meso_limits::{Judge, Library};
use meso_sessions::{
    ChecklistAnswers, EndStep, HandOverStep, OpenStep, SamePatientStep, SegmentStep, Step,
};
use meso_units::{
    ClinicId, DriverId, GunSerial, OperatorId, PatientCommitment, ProtocolId, SegmentId, SessionId,
    Timestamp,
};
pub use screening::{answers_of, questionnaire};

use crate::StepFailure;

/// What the driver adds to a step.
#[derive(Clone, Debug)]
pub struct StepContext<'a> {
    /// A new random session id, used when a session begins.
    pub new_session: SessionId,
    /// A new random segment id, used when a segment begins.
    pub new_segment: SegmentId,
    /// Two lots of new random bytes: for the answers of a questionnaire, for age and weight.
    pub salts: [[u8; 32]; 2],
    /// What time it is.
    pub now: Timestamp,
    /// The limit engine, whose verdicts can be overridden.
    pub judge: Option<&'a Judge>,
    /// The clinic.
    pub clinic: &'a ClinicId,
    /// The room.
    pub room: &'a DriverId,
    /// IANA name of the clinic's time zone.
    pub time_zone: &'a str,
    /// Its offset from UTC now, in seconds.
    pub utc_offset_s: i32,
    /// The protocol library in force, if any.
    pub library: Option<&'a Library>,
    /// How far every gun is journalled.
    pub positions: Vec<GunPosition>,
}

/// Checks the values of a body and makes a step of it.
///
/// # Errors
///
/// [`StepFailure::BadValue`] for a value that is none; [`StepFailure::StepMissing`] where a
/// session would begin without a protocol in force.
pub fn to_step(body: &RoomStepBody, context: StepContext<'_>) -> Result<Step, StepFailure> {
    Ok(match body {
        RoomStepBody::Open(open) => Step::Open(open_step(open, &context)?),
        RoomStepBody::Segment(segment) => Step::Segment(segment_step(segment, &context)?),
        RoomStepBody::HandOver(body) => Step::HandOver(hand_over_step(body, &context)?),
        RoomStepBody::Screening(body) => said::screening(body, &context)?,
        RoomStepBody::Patient(body) => said::patient(body, &context)?,
        RoomStepBody::Details(body) => said::details(body)?,
        RoomStepBody::Course(body) => said::course(body)?,
        RoomStepBody::Material(body) => said::material(body)?,
        RoomStepBody::Manual(body) => said::manual(body)?,
        RoomStepBody::Override(body) => said::limit_override(body, &context)?,
        RoomStepBody::AdverseEvent(body) => said::adverse_event(body)?,
        RoomStepBody::Addendum(body) => said::addendum(body)?,
        RoomStepBody::Amend(body) => said::amend(body)?,
        RoomStepBody::Claim(body) => said::claim(body)?,
        RoomStepBody::Pause {
            session,
            reason,
            operator: by,
        } => Step::Pause {
            session: session_id(session)?,
            reason: pause_reason(by.as_deref(), reason.as_deref())?,
        },
        RoomStepBody::Resume { session } => Step::Resume {
            session: session_id(session)?,
        },
        RoomStepBody::SamePatient(body) => Step::SamePatient(SamePatientStep {
            session: session_id(&body.session)?,
            by: operator(&body.operator)?,
            is_same: body.is_same,
            last_counters: context.positions,
        }),
        RoomStepBody::End { session, outcome } => Step::End(EndStep {
            session: session_id(session)?,
            outcome: word("outcome", outcome, SessionOutcome::parse)?,
            last_counters: context.positions,
        }),
    })
}

fn pause_reason(
    by: Option<&str>,
    reason: Option<&str>,
) -> Result<Option<(OperatorId, String)>, StepFailure> {
    match (by, reason) {
        (Some(by), Some(reason)) => Ok(Some((operator(by)?, reason.to_owned()))),
        (None, Some(_)) => Err(StepFailure::BadValue {
            code: "bad_value",
            message: "a pause with a reason needs its operator: say who pauses".to_owned(),
        }),
        (_, None) => Ok(None),
    }
}

fn open_step(body: &OpenStepBody, context: &StepContext<'_>) -> Result<OpenStep, StepFailure> {
    let protocol = ProtocolId::parse(&body.protocol).map_err(PayloadError::from)?;
    let Some(library) = context.library else {
        return Err(StepFailure::StepMissing {
            code: "library_missing",
            message: "no protocol library is in force here: connect the room to its server, or \
                      publish a signed release"
                .to_owned(),
        });
    };
    if library.protocol(&protocol).is_none() {
        return Err(StepFailure::StepMissing {
            code: "protocol_unknown",
            message: format!(
                "protocol {protocol} is not in release {} of the library: choose one of it",
                library.version()
            ),
        });
    }
    let checklist = Checklist::try_from(&body.checklist)?;
    let said = said::at_open(body, context)?;
    Ok(OpenStep {
        session: context.new_session,
        clinic: context.clinic.clone(),
        room: context.room.clone(),
        time_zone: context.time_zone.to_owned(),
        utc_offset_s: context.utc_offset_s,
        patient: PatientCommitment::parse(&body.patient).map_err(PayloadError::from)?,
        screening_digest: said.iter().find_map(|(_, said)| match said {
            Said::Screening(screening) => Some(screening.digest),
            _ => None,
        }),
        protocol,
        library: library.version(),
        operator: operator(&body.operator)?,
        checklist: ChecklistAnswers {
            screening: Some(checklist.screening),
            consent: Some(checklist.consent),
            asepsis: Some(checklist.asepsis),
            emergency_kit: Some(checklist.emergency_kit),
        },
        demo: body.demo,
        said,
    })
}

fn segment_step(
    body: &SegmentStepBody,
    context: &StepContext<'_>,
) -> Result<SegmentStep, StepFailure> {
    let delivery = delivery(body.gun.as_deref())?;
    Ok(SegmentStep {
        segment: context.new_segment,
        session: session_id(&body.session)?,
        delivery,
        zone: body.zone.clone(),
        technique: word("technique", &body.technique, Technique::parse)?,
        course_phase: body.course_phase,
        syringe: SyringeLoad::try_from(&body.syringe)?,
        needle: Needle::try_from(&body.needle)?,
        operator: operator(&body.operator)?,
        reason: body.reason.clone(),
    })
}

fn hand_over_step(
    body: &HandOverStepBody,
    context: &StepContext<'_>,
) -> Result<HandOverStep, StepFailure> {
    Ok(HandOverStep {
        session: session_id(&body.session)?,
        segment: context.new_segment,
        delivery: delivery(body.gun.as_deref())?,
        operator: operator(&body.operator)?,
        reason: body.reason.clone(),
    })
}

fn delivery(gun: Option<&str>) -> Result<Delivery, StepFailure> {
    Ok(match gun {
        Some(serial) => Delivery::Gun(GunSerial::parse(serial).map_err(PayloadError::from)?),
        None => Delivery::ManualSyringe,
    })
}

/// Bytes in hexadecimal digits.
fn bytes_of<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], StepFailure> {
    Ok(meso_contract::parse_bytes(field, text)?)
}

fn session_id(text: &str) -> Result<SessionId, StepFailure> {
    Ok(SessionId::parse(text).map_err(PayloadError::from)?)
}

fn operator(text: &str) -> Result<OperatorId, StepFailure> {
    Ok(OperatorId::parse(text).map_err(PayloadError::from)?)
}

fn word<T>(
    field: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StepFailure> {
    parse(text).ok_or_else(|| {
        StepFailure::from(PayloadError::UnknownWord {
            field,
            value: text.chars().take(64).collect(),
        })
    })
}
