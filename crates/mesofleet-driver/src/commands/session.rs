//! `mesofleet-driver session`: the steps of a treatment, through the running driver.

mod facts;
mod history;
mod said;
mod state;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use meso_contract::room::{LiveBody, RoomSessionBody, RoomStepBody, StepTakenBody};
use serde::de::DeserializeOwned;

use super::room_client::{Asked, RoomClient};
use super::{Failure, FolderArguments, print};

/// What `session` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Begin a session.
    Open(Box<steps::OpenArguments>),
    /// Begin a segment: the first one, or after any change of zone, syringe, needle or operator.
    Segment(Box<steps::SegmentArguments>),
    /// Another person goes on with the same zone, syringe and needle.
    HandOver(said::HandOverArguments),
    /// Show what is to be asked before a session.
    Questions(StateArguments),
    /// Record the answers of the questionnaire.
    Screening(Box<facts::ScreeningArguments>),
    /// Record age and weight, erasably.
    Patient(said::PatientArguments),
    /// Record papers, anaesthetics and other treatments.
    Details(facts::DetailsArguments),
    /// Record the course so far.
    Course(facts::CourseArguments),
    /// Record what is known of the material of a segment.
    Material(Box<facts::MaterialArguments>),
    /// Record points set with a syringe in the hand.
    Manual(said::ManualArguments),
    /// Go on beyond a soft limit.
    Override(said::OverrideArguments),
    /// Answer whether this is still the same patient.
    SamePatient(said::SamePatientArguments),
    /// Record that something unwanted happened to the patient.
    AdverseEvent(said::AdverseEventArguments),
    /// Add words to the record.
    Addendum(said::AddendumArguments),
    /// Correct a field of an event; the original stays.
    Amend(said::AmendArguments),
    /// Count shots that were fired without a session into one.
    Claim(said::ClaimArguments),
    /// Show what was said of the sessions that something may still be said of.
    History(StateArguments),
    /// Pause.
    Pause(steps::PauseArguments),
    /// Go on.
    Resume(steps::StepArguments),
    /// End the session.
    End(steps::EndArguments),
    /// Show the open sessions and the guns against their limits.
    State(StateArguments),
}

/// Options of commands that only show something.
#[derive(Args, Debug)]
pub(crate) struct StateArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Takes a step, or shows how things are.
pub(super) fn session(command: &SessionCommand) -> Result<ExitCode, Failure> {
    match command {
        SessionCommand::Open(arguments) => steps::open(arguments),
        SessionCommand::Segment(arguments) => steps::segment(arguments),
        SessionCommand::HandOver(arguments) => said::hand_over(arguments),
        SessionCommand::Questions(arguments) => facts::questions(arguments),
        SessionCommand::Screening(arguments) => facts::screening(arguments),
        SessionCommand::Patient(arguments) => said::patient(arguments),
        SessionCommand::Details(arguments) => facts::details(arguments),
        SessionCommand::Course(arguments) => facts::course(arguments),
        SessionCommand::Material(arguments) => facts::material(arguments),
        SessionCommand::Manual(arguments) => said::manual(arguments),
        SessionCommand::Override(arguments) => said::limit_override(arguments),
        SessionCommand::SamePatient(arguments) => said::same_patient(arguments),
        SessionCommand::AdverseEvent(arguments) => said::adverse_event(arguments),
        SessionCommand::Addendum(arguments) => said::addendum(arguments),
        SessionCommand::Amend(arguments) => said::amend(arguments),
        SessionCommand::Claim(arguments) => said::claim(arguments),
        SessionCommand::History(arguments) => history::history(arguments),
        SessionCommand::Pause(arguments) => steps::pause(arguments),
        SessionCommand::Resume(arguments) => steps::resume(arguments),
        SessionCommand::End(arguments) => steps::end(arguments),
        SessionCommand::State(arguments) => {
            let folder = arguments.folder.folder()?;
            let live = live(&client(&folder)?, &folder)?;
            print(arguments.json, &live, || state::text(&live))
        }
    }
}

/// The driver of a data folder.
pub(super) fn client(folder: &Path) -> Result<RoomClient, Failure> {
    RoomClient::of(folder)?.map_err(|reason| not_running(folder, &reason))
}

/// The answer, or why there is none.
pub(super) fn answered<T>(asked: Asked<T>, folder: &Path) -> Result<T, Failure> {
    match asked {
        Asked::Answered(answer) => Ok(answer),
        Asked::Refused(message) => Err(Failure::Command(anyhow!(message))),
        Asked::NotRunning(reason) => Err(not_running(folder, &reason)),
    }
}

fn not_running(folder: &Path, reason: &str) -> Failure {
    Failure::Command(anyhow!(
        "no driver runs with the data folder {}: {reason}",
        folder.display()
    ))
}

fn live(client: &RoomClient, folder: &Path) -> Result<LiveBody, Failure> {
    answered(client.get("/api/v1/live")?, folder)
}

/// The driver of a data folder, to be asked several things.
struct Asker {
    client: RoomClient,
    folder: PathBuf,
}

impl Asker {
    fn of(folder: &FolderArguments) -> Result<Asker, Failure> {
        let folder = folder.folder()?;
        Ok(Asker {
            client: client(&folder)?,
            folder,
        })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        answered(self.client.get(path)?, &self.folder)
    }

    fn session_of(&self, named: Option<&String>) -> Result<String, Failure> {
        session_of(named, &self.client, &self.folder)
    }

    /// What is known of an open session.
    fn known(&self, session: &str) -> Result<RoomSessionBody, Failure> {
        let open = live(&self.client, &self.folder)?.room.sessions;
        let known = open.into_iter().find(|it| it.session == session);
        known.ok_or_else(|| Failure::Command(anyhow!("session {session} is not open")))
    }

    /// The present epoch of a gun.
    fn epoch_of(&self, gun: &str) -> Result<String, Failure> {
        let guns = live(&self.client, &self.folder)?.guns;
        let gun = guns.into_iter().find(|it| it.gun.serial == gun);
        let epoch = gun.and_then(|it| it.gun.epoch);
        epoch.ok_or_else(|| Failure::Command(anyhow!("the gun has no epoch here: name --epoch")))
    }
}

/// The session that is meant: the one named, or the only one that is open.
fn session_of(
    named: Option<&String>,
    client: &RoomClient,
    folder: &Path,
) -> Result<String, Failure> {
    if let Some(session) = named {
        return Ok(session.clone());
    }
    let sessions = live(client, folder)?.sessions;
    match &sessions[..] {
        [only] => Ok(only.session.clone()),
        [] => Err(Failure::Command(anyhow!(
            "no session is open: begin one with `session open`"
        ))),
        several => Err(Failure::Command(anyhow!(
            "{} sessions are open: name one with --session; `session state` shows them",
            several.len()
        ))),
    }
}

fn take(
    client: &RoomClient,
    folder: &Path,
    step: &RoomStepBody,
    json: bool,
) -> Result<ExitCode, Failure> {
    let taken: StepTakenBody = answered(client.post("/api/v1/steps", step)?, folder)?;
    print(json, &taken, || match &taken.segment {
        Some(segment) => format!("session {}, segment {segment}", taken.session),
        None => format!("session {}", taken.session),
    })
}
