//! The values of a step: complete, not too long, in range.

use meso_domain::{CheckItem, Checklist, SegmentOpened, SessionOpened};
use meso_units::{NeedleCount, Timestamp};

use super::Sessions;
use crate::{ChecklistAnswers, OpenStep, Refusal, RequiredCheck, SegmentStep};

/// The widest offset from UTC that is believed, in seconds: 18 hours.
const UTC_OFFSET_S_MAX: i32 = 18 * 3_600;

pub(super) fn opened(at: Timestamp, step: OpenStep) -> Result<SessionOpened, Refusal> {
    length("time zone", &step.time_zone, 1)?;
    range(
        "offset from UTC in s",
        step.utc_offset_s.into(),
        (-UTC_OFFSET_S_MAX).into(),
        UTC_OFFSET_S_MAX.into(),
    )?;
    Ok(SessionOpened {
        session: step.session,
        at,
        clinic: step.clinic,
        room: step.room,
        time_zone: step.time_zone,
        utc_offset_s: step.utc_offset_s,
        patient: step.patient,
        screening_digest: step.screening_digest,
        protocol: step.protocol,
        library: step.library,
        operator: step.operator,
        checklist: checklist(step.checklist)?,
        demo: step.demo,
    })
}

fn checklist(answers: ChecklistAnswers) -> Result<Checklist, Refusal> {
    let mut missing = Vec::new();
    let mut take = |check: RequiredCheck, answer: Option<CheckItem>| {
        let given = answer.filter(|item| match item {
            CheckItem::Done(_) => true,
            CheckItem::Skipped(reason) => !reason.trim().is_empty(),
        });
        if given.is_none() {
            missing.push(check);
        }
        given
    };
    let screening = take(RequiredCheck::Screening, answers.screening);
    let consent = take(RequiredCheck::Consent, answers.consent);
    let asepsis = take(RequiredCheck::Asepsis, answers.asepsis);
    let emergency_kit = take(RequiredCheck::EmergencyKit, answers.emergency_kit);
    let (Some(screening), Some(consent), Some(asepsis), Some(emergency_kit)) =
        (screening, consent, asepsis, emergency_kit)
    else {
        return Err(Refusal::ChecklistIncomplete { missing });
    };
    for item in [&screening, &consent, &asepsis, &emergency_kit] {
        match item {
            CheckItem::Done(None) => {}
            CheckItem::Done(Some(reference)) => length("reference of a check", reference, 1)?,
            CheckItem::Skipped(reason) => length("reason for a skipped check", reason, 1)?,
        }
    }
    Ok(Checklist {
        screening,
        consent,
        asepsis,
        emergency_kit,
    })
}

pub(super) fn segment(
    at: Timestamp,
    step: SegmentStep,
    session: &SessionOpened,
) -> Result<SegmentOpened, Refusal> {
    length("zone", &step.zone, 1)?;
    length("reason", &step.reason, 0)?;
    length("lot of the needle", &step.needle.lot, 0)?;
    range(
        "needle count",
        step.needle.count.into(),
        NeedleCount::MIN.get().into(),
        NeedleCount::MAX.get().into(),
    )?;
    if step.syringe.components.len() > Sessions::COMPONENT_COUNT_MAX {
        let count = Sessions::COMPONENT_COUNT_MAX;
        return Err(Refusal::TooMany {
            what: "components of a syringe",
            count,
            next: "name the mixture instead",
        });
    }
    for component in &step.syringe.components {
        length("name of a component", &component.name, 1)?;
        length("concentration of a component", &component.concentration, 0)?;
        length("lot of a component", &component.lot, 0)?;
    }
    Ok(SegmentOpened {
        segment: step.segment,
        session: step.session,
        at,
        delivery: step.delivery,
        zone: step.zone,
        technique: step.technique,
        protocol: session.protocol.clone(),
        library: session.library,
        course_phase: step.course_phase,
        syringe: step.syringe,
        needle: step.needle,
        operator: step.operator,
        reason: step.reason,
    })
}

fn length(field: &'static str, text: &str, length_min: usize) -> Result<(), Refusal> {
    if (length_min..=Sessions::TEXT_LENGTH_MAX).contains(&text.len()) {
        return Ok(());
    }
    let length_max = Sessions::TEXT_LENGTH_MAX;
    Err(Refusal::WrongLength {
        field,
        length: text.len(),
        length_max,
    })
}

fn range(field: &'static str, value: i64, min: i64, max: i64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Refusal::OutOfRange {
        field,
        value,
        min,
        max,
    })
}
