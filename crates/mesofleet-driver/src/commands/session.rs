//! `mesofleet-driver session`: the steps of a treatment, through the running driver.

mod state;
mod steps;

use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use meso_contract::room::{LiveBody, RoomStepBody, StepTakenBody};

use super::room_client::{Asked, RoomClient};
use super::{Failure, FolderArguments, print};

/// What `session` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Begin a session.
    Open(Box<steps::OpenArguments>),
    /// Begin a segment: the first one, or after any change of zone, syringe, needle or operator.
    Segment(Box<steps::SegmentArguments>),
    /// Pause.
    Pause(steps::StepArguments),
    /// Go on.
    Resume(steps::StepArguments),
    /// End the session.
    End(steps::EndArguments),
    /// Show the open sessions and the guns against their limits.
    State(StateArguments),
}

/// Options of `session state`.
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
