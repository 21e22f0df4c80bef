//! The steps, from the command line.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use meso_contract::room::{
    OpenStepBody, PatientBody, PatientCodeBody, RoomStepBody, SegmentStepBody,
};
use meso_contract::{CheckItemBody, ChecklistBody, ComponentBody, NeedleBody, SyringeBody};
use meso_units::{Micrometres, Nanolitres};

use super::{answered, client, session_of, take};
use crate::commands::{Failure, FolderArguments};

/// The items of the checklist.
const ITEMS: [&str; 4] = ["screening", "consent", "asepsis", "emergency-kit"];

/// Options of `session open`.
#[derive(Args, Debug)]
#[command(
    after_help = "Every item of the checklist - screening, consent, asepsis, emergency-kit - is \
    either done or skipped with a reason. The patient's code becomes a commitment in this room and \
    is kept nowhere."
)]
pub(crate) struct OpenArguments {
    /// The protocol, as the library in force names it.
    #[arg(long, value_name = "ID")]
    protocol: String,
    /// The patient's code.
    #[arg(long, value_name = "CODE")]
    patient: String,
    /// Who treats.
    #[arg(long, value_name = "ID")]
    operator: String,
    /// An item that is done, with the number of a document where there is one.
    #[arg(long, value_name = "ITEM[=REFERENCE]")]
    done: Vec<String>,
    /// An item that is skipped, and why.
    #[arg(long, value_name = "ITEM=REASON")]
    skip: Vec<String>,
    /// A demonstration without a patient.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `session segment`.
#[derive(Args, Debug)]
pub(crate) struct SegmentArguments {
    /// The session; may be left out while only one is open.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The gun; left out for a manual syringe.
    #[arg(long, value_name = "SERIAL")]
    gun: Option<String>,
    /// The zone, such as cheek.
    #[arg(long)]
    zone: String,
    /// The technique, such as nappage.
    #[arg(long)]
    technique: String,
    /// The phase of the course, counted from 1, where the protocol has phases.
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
    /// What is in the syringe: name, concentration and lot. Once for each component.
    #[arg(
        long = "component",
        value_name = "NAME;CONCENTRATION;LOT",
        required = true
    )]
    components: Vec<String>,
    /// Whether the product came ready-made; otherwise somebody compounded it.
    #[arg(long)]
    ready_made: bool,
    /// Who prepared the syringe; the operator where left out.
    #[arg(long, value_name = "ID")]
    prepared_by: Option<String>,
    /// The loaded volume, such as "5 ml".
    #[arg(long, value_name = "VOLUME")]
    loaded: String,
    /// What stays in tube and head, such as "0.1 ml".
    #[arg(long, value_name = "VOLUME", default_value = "0 ml")]
    dead_volume: String,
    /// Length of the needle, such as "4 mm".
    #[arg(long, value_name = "LENGTH")]
    needle_length: String,
    /// Its gauge, such as 30.
    #[arg(long)]
    gauge: u8,
    /// Needles on the head.
    #[arg(long, default_value_t = 1)]
    needles: u8,
    /// Lot of the needle.
    #[arg(long, value_name = "LOT")]
    needle_lot: String,
    /// Who treats.
    #[arg(long, value_name = "ID")]
    operator: String,
    /// Why the segment before this one ended; needed for all but the first.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `session pause`.
#[derive(Args, Debug)]
pub(crate) struct PauseArguments {
    /// Why.
    #[arg(long, value_name = "TEXT", requires = "operator")]
    reason: Option<String>,
    /// Who pauses.
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
    #[command(flatten)]
    step: StepArguments,
}

/// Options of `session resume`.
#[derive(Args, Debug)]
pub(crate) struct StepArguments {
    /// The session; may be left out while only one is open.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `session end`.
#[derive(Args, Debug)]
pub(crate) struct EndArguments {
    /// How it ended: completed, stopped, emergency, "consent withdrawn" or "not treated".
    #[arg(long, value_name = "OUTCOME")]
    outcome: String,
    #[command(flatten)]
    step: StepArguments,
}

pub(super) fn open(arguments: &OpenArguments) -> Result<ExitCode, Failure> {
    let checklist = checklist(&arguments.done, &arguments.skip).map_err(Failure::Command)?;
    let folder = arguments.folder.folder()?;
    let client = client(&folder)?;
    let code = PatientCodeBody {
        code: arguments.patient.clone(),
        protocol: None,
    };
    let patient: PatientBody = answered(client.post("/api/v1/patients", &code)?, &folder)?;
    let step = RoomStepBody::Open(Box::new(OpenStepBody {
        patient: patient.patient,
        protocol: arguments.protocol.clone(),
        operator: arguments.operator.clone(),
        checklist,
        demo: arguments.demo,
        screening: None,
        age_years: None,
        weight_g: None,
        details: None,
        course: None,
    }));
    take(&client, &folder, &step, arguments.json)
}

fn checklist(done: &[String], skip: &[String]) -> anyhow::Result<ChecklistBody> {
    let mut answers: [Option<CheckItemBody>; 4] = [None, None, None, None];
    let mut put = |item: &str, answer: CheckItemBody| {
        let at = ITEMS.iter().position(|known| *known == item);
        let at = at.ok_or_else(|| anyhow!("{item} is no item of {}", ITEMS.join(", ")))?;
        match answers[at].replace(answer) {
            None => Ok(()),
            Some(_) => Err(anyhow!("{item} has two answers")),
        }
    };
    for text in done {
        let (item, reference) = match text.split_once('=') {
            Some((item, reference)) => (item, Some(reference.to_owned())),
            None => (text.as_str(), None),
        };
        put(item, CheckItemBody::Done { reference })?;
    }
    for text in skip {
        let (item, reason) = text
            .split_once('=')
            .with_context(|| format!("say why {text} is skipped: --skip {text}=REASON"))?;
        let reason = reason.to_owned();
        put(item, CheckItemBody::Skipped { reason })?;
    }
    let open = ITEMS.iter().zip(&answers);
    let open = open.filter(|(_, answer)| answer.is_none());
    let open: Vec<&str> = open.map(|(item, _)| *item).collect();
    match answers {
        [
            Some(screening),
            Some(consent),
            Some(asepsis),
            Some(emergency_kit),
        ] => Ok(ChecklistBody {
            screening,
            consent,
            asepsis,
            emergency_kit,
        }),
        _ => Err(anyhow!(
            "the checklist lacks {}: --done ITEM, or --skip ITEM=REASON",
            open.join(", ")
        )),
    }
}

pub(super) fn segment(arguments: &SegmentArguments) -> Result<ExitCode, Failure> {
    let body = segment_body(arguments).map_err(Failure::Command)?;
    let folder = arguments.folder.folder()?;
    let client = client(&folder)?;
    let session = session_of(arguments.session.as_ref(), &client, &folder)?;
    let step = RoomStepBody::Segment(SegmentStepBody { session, ..body });
    take(&client, &folder, &step, arguments.json)
}

fn segment_body(arguments: &SegmentArguments) -> anyhow::Result<SegmentStepBody> {
    let components = arguments.components.iter().map(|text| {
        let parts: Vec<&str> = text.split(';').map(str::trim).collect();
        match parts[..] {
            [name, concentration, lot] => Ok(ComponentBody {
                name: name.to_owned(),
                concentration: concentration.to_owned(),
                lot: lot.to_owned(),
            }),
            _ => Err(anyhow!("{text} is not NAME;CONCENTRATION;LOT")),
        }
    });
    let volume = |name: &str, text: &str| {
        Nanolitres::parse(text)
            .map(Nanolitres::get)
            .with_context(|| format!("{name} cannot be used"))
    };
    let length = Micrometres::parse(&arguments.needle_length);
    Ok(SegmentStepBody {
        session: String::new(),
        gun: arguments.gun.clone(),
        zone: arguments.zone.clone(),
        technique: arguments.technique.clone(),
        course_phase: arguments.phase,
        syringe: SyringeBody {
            components: components.collect::<anyhow::Result<_>>()?,
            ready_made: arguments.ready_made,
            prepared_by: arguments
                .prepared_by
                .as_ref()
                .unwrap_or(&arguments.operator)
                .clone(),
            loaded_nl: volume("--loaded", &arguments.loaded)?,
            dead_volume_nl: volume("--dead-volume", &arguments.dead_volume)?,
        },
        needle: NeedleBody {
            length_um: length.context("--needle-length cannot be used")?.get(),
            gauge: arguments.gauge,
            needle_count: arguments.needles,
            lot: arguments.needle_lot.clone(),
        },
        operator: arguments.operator.clone(),
        reason: arguments.reason.clone(),
    })
}

pub(super) fn pause(arguments: &PauseArguments) -> Result<ExitCode, Failure> {
    plain(&arguments.step, |session| RoomStepBody::Pause {
        session,
        reason: arguments.reason.clone(),
        operator: arguments.operator.clone(),
    })
}

pub(super) fn resume(arguments: &StepArguments) -> Result<ExitCode, Failure> {
    plain(arguments, |session| RoomStepBody::Resume { session })
}

pub(super) fn end(arguments: &EndArguments) -> Result<ExitCode, Failure> {
    let outcome = arguments.outcome.clone();
    plain(&arguments.step, |session| RoomStepBody::End {
        session,
        outcome,
    })
}

fn plain(
    arguments: &StepArguments,
    step: impl FnOnce(String) -> RoomStepBody,
) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.folder()?;
    let client = client(&folder)?;
    let session = session_of(arguments.session.as_ref(), &client, &folder)?;
    take(&client, &folder, &step(session), arguments.json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn every_item_is_done_or_skipped_with_a_reason() {
        let done = texts(&["screening", "consent=C-7", "emergency-kit"]);
        let list = checklist(&done, &texts(&["asepsis=already prepared"])).unwrap();
        let reason = "already prepared".to_owned();
        assert_eq!(list.asepsis, CheckItemBody::Skipped { reason });
        let reference = Some("C-7".to_owned());
        assert_eq!(list.consent, CheckItemBody::Done { reference });
        let said =
            |done: &[String], skip: &[&str]| checklist(done, &texts(skip)).unwrap_err().to_string();
        assert!(said(&done, &[]).contains("lacks asepsis"));
        assert!(said(&done, &["asepsis"]).contains("say why"));
        assert!(said(&done, &["consent=x"]).contains("two answers"));
        assert!(said(&done, &["tea=x"]).contains("no item"));
    }
}
