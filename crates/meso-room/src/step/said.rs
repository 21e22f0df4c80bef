//! What people say of a session, from a request body to a statement.

use meso_contract::PayloadError;
use meso_contract::room::{
    AddendumStepBody, AmendStepBody, ClaimStepBody, CourseStepBody, DetailsStepBody, EventStepBody,
    ManualStepBody, MaterialStepBody, OpenStepBody, OverrideStepBody, PatientStepBody,
    ScreeningStepBody,
};
use meso_domain::{
    AdverseEvent, CourseFacts, LimitOverride, ManualEntry, MaterialFacts, OverrideCode,
    PatientFacts, RecordHash, Rule, Said, SessionDetails, ShotClaim,
};
use meso_limits::ENGINE_VERSION;
use meso_sessions::{AmendStep, Refusal, SayStep, Step};
use meso_units::{Epoch, GunSerial, Nanolitres, OperatorId, SegmentId, ShotCounter};

use super::{bytes_of, operator, screening, session_id, word};
use crate::{StepContext, StepFailure};

/// What is known from the start of a session, and who says it.
pub(super) fn at_open(
    body: &OpenStepBody,
    context: &StepContext<'_>,
) -> Result<Vec<(OperatorId, Said)>, StepFailure> {
    let by = operator(&body.operator)?;
    let mut said = Vec::new();
    if let Some(answers) = &body.screening {
        let asked_by = operator(&answers.asked_by)?;
        said.push((asked_by, screening::said(answers, context)?));
    }
    if body.age_years.is_some() || body.weight_g.is_some() {
        let facts = patient_facts(context, body.age_years, body.weight_g);
        said.push((by.clone(), facts));
    }
    if let Some(details) = &body.details {
        let details = SessionDetails::try_from(details)?;
        said.push((by.clone(), Said::Details(details)));
    }
    if let Some(course) = &body.course {
        said.push((by, Said::Course(CourseFacts::try_from(course)?)));
    }
    Ok(said)
}

const fn patient_facts(
    context: &StepContext<'_>,
    age_years: Option<u16>,
    weight_g: Option<u32>,
) -> Said {
    Said::Patient(PatientFacts {
        salt: context.salts[1],
        age_years,
        weight_g,
    })
}

fn say(session: &str, by: &str, said: Said) -> Result<Step, StepFailure> {
    Ok(Step::Say(SayStep {
        session: session_id(session)?,
        by: operator(by)?,
        said,
    }))
}

pub(super) fn screening(
    body: &ScreeningStepBody,
    context: &StepContext<'_>,
) -> Result<Step, StepFailure> {
    let said = screening::said(&body.screening, context)?;
    say(&body.session, &body.screening.asked_by, said)
}

pub(super) fn patient(
    body: &PatientStepBody,
    context: &StepContext<'_>,
) -> Result<Step, StepFailure> {
    let said = patient_facts(context, body.age_years, body.weight_g);
    say(&body.session, &body.operator, said)
}

pub(super) fn details(body: &DetailsStepBody) -> Result<Step, StepFailure> {
    let said = Said::Details(SessionDetails::try_from(&body.details)?);
    say(&body.session, &body.operator, said)
}

pub(super) fn course(body: &CourseStepBody) -> Result<Step, StepFailure> {
    let said = Said::Course(CourseFacts::try_from(&body.course)?);
    say(&body.session, &body.operator, said)
}

pub(super) fn material(body: &MaterialStepBody) -> Result<Step, StepFailure> {
    let said = Said::Material(MaterialFacts::try_from(&body.material)?);
    say(&body.session, &body.operator, said)
}

pub(super) fn adverse_event(body: &EventStepBody) -> Result<Step, StepFailure> {
    let said = Said::AdverseEvent(AdverseEvent::try_from(&body.event)?);
    say(&body.session, &body.operator, said)
}

pub(super) fn addendum(body: &AddendumStepBody) -> Result<Step, StepFailure> {
    let said = Said::Addendum(body.text.clone());
    say(&body.session, &body.operator, said)
}

pub(super) fn manual(body: &ManualStepBody) -> Result<Step, StepFailure> {
    let entry = ManualEntry {
        segment: segment_id(&body.segment)?,
        number: body.number,
        points: body.points,
        volume: Nanolitres::new(body.volume_nl).map_err(PayloadError::from)?,
    };
    say(&body.session, &body.operator, Said::Manual(entry))
}

/// The verdict that is overridden is the engine's, not the caller's.
pub(super) fn limit_override(
    body: &OverrideStepBody,
    context: &StepContext<'_>,
) -> Result<Step, StepFailure> {
    let session = session_id(&body.session)?;
    let rule = word("rule", &body.rule, Rule::parse)?;
    let verdict = context.judge.and_then(|judge| judge.verdict(session));
    let found = verdict.and_then(|verdict| verdict.rule(rule)?.worst);
    let limit = LimitOverride {
        finding: found.ok_or(Refusal::NothingToOverride { rule })?,
        library: context.library.map(meso_limits::Library::version),
        engine: ENGINE_VERSION,
        code: word("code", &body.code, OverrideCode::parse)?,
        text: body.text.clone(),
    };
    say(&body.session, &body.operator, Said::Override(limit))
}

pub(super) fn amend(body: &AmendStepBody) -> Result<Step, StepFailure> {
    Ok(Step::Amend(AmendStep {
        session: session_id(&body.session)?,
        by: operator(&body.operator)?,
        original: RecordHash(bytes_of("original", &body.original)?),
        field: body.field.clone(),
        new_value: body.new_value.clone(),
        reason: body.reason.clone(),
    }))
}

pub(super) fn claim(body: &ClaimStepBody) -> Result<Step, StepFailure> {
    let claim = ShotClaim {
        segment: segment_id(&body.segment)?,
        gun: GunSerial::parse(&body.gun).map_err(PayloadError::from)?,
        epoch: Epoch(u64::from_be_bytes(bytes_of("epoch", &body.epoch)?)),
        first: ShotCounter(body.first),
        last: ShotCounter(body.last),
        reason: body.reason.clone(),
    };
    say(&body.session, &body.operator, Said::Claim(claim))
}

fn segment_id(text: &str) -> Result<SegmentId, StepFailure> {
    Ok(SegmentId::parse(text).map_err(PayloadError::from)?)
}
