//! Questionnaire, papers, course and material of a session, from the command line.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use meso_contract::room::{
    AnswerBody, CourseStepBody, DetailsStepBody, MaterialStepBody, QuestionnaireBody, RoomStepBody,
    ScreeningAnswersBody, ScreeningReasonBody, ScreeningStepBody,
};
use meso_contract::{
    AnaestheticBody, CheckItemBody, CombinedTreatmentBody, CourseBody, DetailsBody, LastDayBody,
    LotBody, MaterialBody,
};
use meso_units::Nanolitres;

use super::said::{SaidArguments, day, truth};
use super::{Asker, StateArguments};
use crate::commands::{Failure, print};

/// Options of `session screening`.
#[derive(Args, Debug)]
#[command(
    after_help = "`session questions` shows what is asked. The answers stay in this room; the \
    record carries their digest. An answer of yes or unknown wants the prescriber's decision; \
    nothing here advises to treat, nor to stop a medicine."
)]
pub(crate) struct ScreeningArguments {
    /// An answer: no, yes or unknown, with a note and the hours since the last dose where asked for.
    #[arg(long = "answer", value_name = "QUESTION=ANSWER[;NOTE[;HOURS]]")]
    answers: Vec<String>,
    /// What was answered to every question that --answer does not name.
    #[arg(long, value_name = "ANSWER")]
    otherwise: Option<String>,
    /// For a returning patient: digest of the full questionnaire; only allergy and changes are
    /// asked then.
    #[arg(long, value_name = "DIGEST")]
    confirms: Option<String>,
    /// The prescriber's decision: treat, "do not treat" or postponed.
    #[arg(long, value_name = "OUTCOME", requires_all = ["decided_by", "because"])]
    decision: Option<String>,
    /// The prescriber.
    #[arg(long, value_name = "ID")]
    decided_by: Option<String>,
    /// The reason of the decision; it stays in the room.
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn screening(arguments: &ScreeningArguments) -> Result<ExitCode, Failure> {
    arguments.said.take(|asker, session, operator| {
        let asked: QuestionnaireBody = asker.get("/api/v1/questionnaire")?;
        let questions = match arguments.confirms {
            None => asked.full,
            Some(_) => asked.returning,
        };
        let ids = questions.into_iter().map(|question| question.id);
        let answers = answers(arguments, ids.collect())?;
        let decision = arguments
            .decision
            .as_ref()
            .map(|outcome| ScreeningReasonBody {
                outcome: outcome.clone(),
                by: arguments.decided_by.clone().unwrap_or_default(),
                reason: arguments.because.clone().unwrap_or_default(),
            });
        Ok(RoomStepBody::Screening(ScreeningStepBody {
            session,
            screening: ScreeningAnswersBody {
                asked_by: operator,
                confirms: arguments.confirms.clone(),
                answers,
                decision,
            },
        }))
    })
}

/// The answers that are named, then the others where they were answered alike.
fn answers(arguments: &ScreeningArguments, ids: Vec<String>) -> anyhow::Result<Vec<AnswerBody>> {
    let mut answers = Vec::new();
    for text in &arguments.answers {
        let (question, said) = text
            .split_once('=')
            .with_context(|| format!("{text} is not QUESTION=ANSWER"))?;
        let mut parts = said.splitn(3, ';').map(str::trim);
        let answer = parts.next().unwrap_or_default().to_owned();
        let note = parts.next().unwrap_or_default().to_owned();
        let hours = parts.next().map(str::parse).transpose();
        answers.push(AnswerBody {
            question: question.trim().to_owned(),
            answer,
            note,
            last_dose_hours: hours.with_context(|| format!("{text}: HOURS is no whole number"))?,
        });
    }
    if let Some(answer) = &arguments.otherwise {
        let is_open = |id: &String| answers.iter().all(|one: &AnswerBody| one.question != *id);
        let others: Vec<String> = ids.into_iter().filter(is_open).collect();
        answers.extend(others.into_iter().map(|question| AnswerBody {
            question,
            answer: answer.clone(),
            note: String::new(),
            last_dose_hours: None,
        }));
    }
    Ok(answers)
}

/// Shows what is to be asked before a session.
pub(super) fn questions(arguments: &StateArguments) -> Result<ExitCode, Failure> {
    let asker = Asker::of(&arguments.folder)?;
    let asked: QuestionnaireBody = asker.get("/api/v1/questionnaire")?;
    print(arguments.json, &asked, || {
        let lines = asked.full.iter().map(|it| {
            let kind = &it.kind;
            format!("{} ({kind}): {}", it.id, it.text)
        });
        let returning: Vec<&str> = asked.returning.iter().map(|it| it.id.as_str()).collect();
        let last = format!("a returning patient: {} only", returning.join(", "));
        lines.chain([last]).collect::<Vec<_>>().join("\n")
    })
}

/// Options of `session details`.
#[derive(Args, Debug)]
#[command(after_help = "What is said here takes the place of what was said before.")]
pub(crate) struct DetailsArguments {
    /// Number of the patient's consent.
    #[arg(long, value_name = "NUMBER")]
    consent: Option<String>,
    /// Number of a guardian's consent.
    #[arg(long, value_name = "NUMBER")]
    guardian_consent: Option<String>,
    /// Number of the examination before.
    #[arg(long, value_name = "NUMBER")]
    assessment: Option<String>,
    /// An anaesthetic beside the syringes.
    #[arg(long = "anaesthetic", value_name = "PRODUCT;DRUG;DOSE")]
    anaesthetics: Vec<String>,
    /// There is no anaesthetic beside the syringes.
    #[arg(long, conflicts_with = "anaesthetics")]
    no_anaesthetic: bool,
    /// Another treatment of the same concern.
    #[arg(long = "combined", value_name = "NAME;DAY")]
    combined: Vec<String>,
    /// The sheet for after the treatment was given.
    #[arg(long)]
    after_care: bool,
    /// It was not given, and why.
    #[arg(long, value_name = "REASON", conflicts_with = "after_care")]
    no_after_care: Option<String>,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn details(arguments: &DetailsArguments) -> Result<ExitCode, Failure> {
    let anaesthetics = arguments.anaesthetics.iter().map(|text| {
        let parts: Vec<&str> = text.split(';').map(str::trim).collect();
        match parts[..] {
            [product, drug, dose] => Ok(AnaestheticBody {
                product: product.to_owned(),
                drug: drug.to_owned(),
                dose: dose.to_owned(),
            }),
            _ => Err(anyhow!("{text} is not PRODUCT;DRUG;DOSE")),
        }
    });
    let anaesthetics = anaesthetics.collect::<anyhow::Result<Vec<_>>>()?;
    let combined = arguments.combined.iter().map(|text| {
        let (name, on) = text
            .split_once(';')
            .with_context(|| format!("{text} is not NAME;DAY"))?;
        Ok(CombinedTreatmentBody {
            name: name.trim().to_owned(),
            day: day("--combined", on.trim())?,
        })
    });
    let skipped = arguments.no_after_care.clone();
    let details = DetailsBody {
        consent: arguments.consent.clone(),
        guardian_consent: arguments.guardian_consent.clone(),
        assessment: arguments.assessment.clone(),
        anaesthetics: (arguments.no_anaesthetic || !anaesthetics.is_empty())
            .then_some(anaesthetics),
        combined: combined.collect::<Result<_, Failure>>()?,
        after_care: match (arguments.after_care, skipped) {
            (true, _) => Some(CheckItemBody::Done { reference: None }),
            (false, reason) => reason.map(|reason| CheckItemBody::Skipped { reason }),
        },
    };
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::Details(DetailsStepBody {
            session,
            operator,
            details,
        }))
    })
}

/// Options of `session course`.
#[derive(Args, Debug)]
#[command(after_help = "What is said here takes the place of what was said before.")]
pub(crate) struct CourseArguments {
    /// Sessions of the course before this one.
    #[arg(long, value_name = "N")]
    sessions_before: u16,
    /// Their volume, such as "7 ml".
    #[arg(long, value_name = "VOLUME", default_value = "0 ml")]
    volume_before: String,
    /// The last session in a zone.
    #[arg(long = "last-in-zone", value_name = "ZONE=DAY")]
    zones: Vec<String>,
    /// When a drug was last given.
    #[arg(long = "last-of-drug", value_name = "DRUG=DAY")]
    drugs: Vec<String>,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn course(arguments: &CourseArguments) -> Result<ExitCode, Failure> {
    let volume = Nanolitres::parse(&arguments.volume_before);
    let course = CourseBody {
        source: "typed".to_owned(),
        sessions_before: arguments.sessions_before,
        volume_before_nl: volume.context("--volume-before cannot be used")?.get(),
        last_in_zone: last_days("--last-in-zone", &arguments.zones)?,
        last_of_drug: last_days("--last-of-drug", &arguments.drugs)?,
    };
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::Course(CourseStepBody {
            session,
            operator,
            course,
        }))
    })
}

fn last_days(name: &str, texts: &[String]) -> Result<Vec<LastDayBody>, Failure> {
    let last = texts.iter().map(|text| {
        let (of, on) = text
            .split_once('=')
            .with_context(|| format!("{name} {text} is not NAME=DAY"))?;
        Ok(LastDayBody {
            name: of.trim().to_lowercase(),
            day: day(name, on.trim())?,
        })
    });
    last.collect()
}

/// Options of `session material`.
#[derive(Args, Debug)]
#[command(
    after_help = "What is said here takes the place of what was said before of the segment. What \
    is left out is not known."
)]
pub(crate) struct MaterialArguments {
    /// The segment; the newest one where left out.
    #[arg(long, value_name = "ID")]
    segment: Option<String>,
    /// The last day of the operator's certificate.
    #[arg(long, value_name = "DAY")]
    certificate_until: Option<String>,
    /// Whether the gun is enrolled here.
    #[arg(long, value_name = "TRUE|FALSE")]
    gun_enrolled: Option<String>,
    /// The last day of the gun's calibration.
    #[arg(long, value_name = "DAY")]
    calibrated_until: Option<String>,
    /// Whether the gun's firmware is on the allow-list.
    #[arg(long, value_name = "TRUE|FALSE")]
    firmware_allowed: Option<String>,
    /// The class of the product, as protocols name it.
    #[arg(long, value_name = "CLASS")]
    product_class: Option<String>,
    /// A lot of the cocktail with its last day of use, and whether it was recalled.
    #[arg(long = "lot", value_name = "LOT[;DAY[;TRUE|FALSE]]")]
    lots: Vec<String>,
    /// Whether needle, syringe and tube are new for this patient.
    #[arg(long, value_name = "TRUE|FALSE")]
    consumables_new: Option<String>,
    /// Shots that the needle had fired before this segment.
    #[arg(long, value_name = "N")]
    needle_shots_before: Option<u32>,
    /// The angle of the needle to the skin in degrees.
    #[arg(long, value_name = "DEGREES")]
    needle_angle: Option<u8>,
    /// What was left in the syringe at the end, such as "0.2 ml".
    #[arg(long, value_name = "VOLUME")]
    residual: Option<String>,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn material(arguments: &MaterialArguments) -> Result<ExitCode, Failure> {
    let optional_day = |name: &str, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| day(name, text)).transpose()
    };
    let optional_truth = |name: &str, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| truth(name, text)).transpose()
    };
    let residual = arguments.residual.as_deref().map(Nanolitres::parse);
    let residual = residual.transpose().context("--residual cannot be used")?;
    let lots: Vec<LotBody> = arguments
        .lots
        .iter()
        .map(|text| lot(text))
        .collect::<Result<_, Failure>>()?;
    let material = MaterialBody {
        segment: String::new(),
        certificate_until_day: optional_day("--certificate-until", &arguments.certificate_until)?,
        gun_is_enrolled: optional_truth("--gun-enrolled", &arguments.gun_enrolled)?,
        calibrated_until_day: optional_day("--calibrated-until", &arguments.calibrated_until)?,
        firmware_is_allowed: optional_truth("--firmware-allowed", &arguments.firmware_allowed)?,
        product_class: arguments.product_class.clone(),
        lots: (!lots.is_empty()).then_some(lots),
        consumables_are_new: optional_truth("--consumables-new", &arguments.consumables_new)?,
        needle_shots_before: arguments.needle_shots_before,
        needle_angle_degrees: arguments.needle_angle,
        residual_nl: residual.map(Nanolitres::get),
    };
    arguments.said.take(|asker, session, operator| {
        let segment = match &arguments.segment {
            Some(segment) => segment.clone(),
            None => {
                let newest = asker.known(&session)?.segments.pop();
                let newest = newest.map(|segment| segment.segment);
                newest.ok_or_else(|| anyhow!("the session has no segment: begin one first"))?
            }
        };
        Ok(RoomStepBody::Material(MaterialStepBody {
            session,
            operator,
            material: MaterialBody {
                segment,
                ..material
            },
        }))
    })
}

fn lot(text: &str) -> Result<LotBody, Failure> {
    let mut parts = text.splitn(3, ';').map(str::trim);
    let lot = parts.next().unwrap_or_default().to_owned();
    let until = parts.next().filter(|text| !text.is_empty());
    let recalled = parts.next();
    Ok(LotBody {
        lot,
        usable_until_day: until.map(|text| day("--lot", text)).transpose()?,
        is_recalled: recalled.map(|text| truth("--lot", text)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_has_a_day_and_a_recall_where_they_are_known() {
        let whole = lot("HA-1; 2026-01-31; true").unwrap();
        assert_eq!(whole.lot, "HA-1");
        assert_eq!(
            (whole.usable_until_day, whole.is_recalled),
            (Some(20_484), Some(true))
        );
        let bare = lot("HA-1").unwrap();
        assert_eq!((bare.usable_until_day, bare.is_recalled), (None, None));
        assert!(lot("HA-1;soon").is_err());
    }
}
