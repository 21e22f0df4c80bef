//! The values of a step: complete, not too long, in range.

use meso_domain::{
    CheckItem, Checklist, PatientFacts, Said, SegmentOpened, SessionDetails, SessionOpened,
    ShotClaim,
};
use meso_limits::Dose;
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

/// The length of a text.
pub(super) fn text(field: &'static str, text: &str, length_min: usize) -> Result<(), Refusal> {
    length(field, text, length_min)
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

/// The last day that is believed: 31 December 9999.
const DAY_MAX: i64 = 2_932_896;

/// The values of a statement.
pub(super) fn said(said: &Said) -> Result<(), Refusal> {
    match said {
        Said::Patient(facts) => patient(facts),
        Said::Details(details) => session_details(details),
        Said::Course(course) => {
            let days = course.last_in_zone.iter().chain(&course.last_of_drug);
            count("zones and drugs of a course", days.clone().count())?;
            days.into_iter().try_for_each(|last| {
                length("zone or drug", &last.name, 1)?;
                day("day of a session", last.day)
            })
        }
        Said::Material(material) => {
            let angle = material.needle_angle_degrees.unwrap_or(1);
            range("needle angle in degrees", angle.into(), 1, 90)?;
            let class = material.product_class.as_deref().unwrap_or(" ");
            length("product class", class, 1)?;
            let lots = material.lots.iter().flatten();
            count("lots", lots.clone().count())?;
            let days = lots.clone().filter_map(|lot| lot.usable_until);
            let until = [material.certificate_until, material.calibrated_until];
            days.chain(until.into_iter().flatten())
                .try_for_each(|last| day("last day of validity", last))?;
            lots.into_iter()
                .try_for_each(|lot| length("lot", &lot.lot, 1))
        }
        Said::Override(limit) => length("reason of an override", &limit.text, 1),
        Said::AdverseEvent(event) => {
            length("action", &event.action, 1)?;
            length("follow-up", &event.follow_up, 0)
        }
        Said::Addendum(words) => length("addendum", words, 1),
        Said::Claim(claim) => shot_claim(claim),
        Said::Screening(_) | Said::Manual(_) => Ok(()),
        Said::PauseReason(_)
        | Said::SamePatientAsked(_)
        | Said::SamePatientAnswered(_)
        | Said::Amended(_) => Err(Refusal::OwnStep),
    }
}

fn patient(facts: &PatientFacts) -> Result<(), Refusal> {
    if let Some(age) = facts.age_years {
        range(
            "age in years",
            age.into(),
            0,
            PatientFacts::AGE_YEARS_MAX.into(),
        )?;
    }
    facts.weight_g.map_or(Ok(()), |weight| {
        let (min, max) = (PatientFacts::WEIGHT_G_MIN, PatientFacts::WEIGHT_G_MAX);
        range("weight in g", weight.into(), min.into(), max.into())
    })
}

fn session_details(details: &SessionDetails) -> Result<(), Refusal> {
    let papers = [
        &details.consent,
        &details.guardian_consent,
        &details.assessment,
    ];
    papers
        .into_iter()
        .flatten()
        .try_for_each(|number| length("number of a document", number, 1))?;
    let anaesthetics = details.anaesthetics.iter().flatten();
    count("anaesthetics", anaesthetics.clone().count())?;
    for one in anaesthetics {
        length("product", &one.product, 1)?;
        length("drug", &one.drug, 1)?;
        length("dose", &one.dose, 1)?;
        if Dose::parse(&one.dose).is_none() {
            return Err(Refusal::NotADose {
                dose: one.dose.chars().take(64).collect(),
            });
        }
    }
    count("combined treatments", details.combined.len())?;
    for one in &details.combined {
        length("combined treatment", &one.name, 1)?;
        day("day of a combined treatment", one.day)?;
    }
    match &details.after_care {
        Some(CheckItem::Done(Some(number))) => length("number of a sheet", number, 1),
        Some(CheckItem::Skipped(reason)) => length("reason for no sheet", reason, 1),
        Some(CheckItem::Done(None)) | None => Ok(()),
    }
}

fn shot_claim(claim: &ShotClaim) -> Result<(), Refusal> {
    length("reason of a claim", &claim.reason, 1)?;
    let (first, last) = (i64::from(claim.first.get()), i64::from(claim.last.get()));
    range("first counter", first, 1, u32::MAX.into())?;
    let most = first + i64::from(ShotClaim::SHOT_COUNT_MAX) - 1;
    range("last counter", last, first, most)
}

fn day(field: &'static str, day: i64) -> Result<(), Refusal> {
    range(field, day, 0, DAY_MAX)
}

fn count(what: &'static str, count: usize) -> Result<(), Refusal> {
    match count <= Sessions::LIST_LENGTH_MAX {
        true => Ok(()),
        false => Err(Refusal::TooMany {
            what,
            count: Sessions::LIST_LENGTH_MAX,
            next: "say the rest in an addendum",
        }),
    }
}
