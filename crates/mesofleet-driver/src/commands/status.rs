//! `mesofleet-driver status`: how the running driver is.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use meso_contract::room::{ROOM_ACCESS_FILE_NAME, RoomAccessFile, RoomStateBody};
use serde::Serialize;

use super::table::table;
use super::{Failure, FolderArguments, print};

/// How long the driver may take to answer: longer than it takes it to write for everybody else.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Options of `status`.
#[derive(Args, Debug)]
#[command(after_help = "Ends with 1 where no driver runs with that data folder.")]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON; also where no driver runs.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Status {
    data_dir: String,
    running: bool,
    /// Why it is taken as not running.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Where the room's interface listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RoomStateBody>,
}

/// What became of the question.
enum Asked {
    /// The driver answered.
    Answered(SocketAddr, RoomStateBody),
    /// There is none, because …
    NotRunning(String),
}

/// Asks the running driver how it is.
pub(super) fn status(arguments: &StatusArguments) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.folder()?;
    let mut status = Status {
        data_dir: folder.display().to_string(),
        running: false,
        reason: None,
        address: None,
        state: None,
    };
    match ask(&folder)? {
        Asked::Answered(address, state) => {
            status.running = true;
            status.address = Some(address.to_string());
            let shown = text(&status.data_dir, address, &state);
            status.state = Some(state);
            print(arguments.json, &status, || shown)
        }
        Asked::NotRunning(reason) => {
            let failed = anyhow!(
                "no driver runs with the data folder {}: {reason}",
                status.data_dir
            );
            status.reason = Some(reason);
            if arguments.json {
                print(true, &status, String::new)?;
            }
            Err(Failure::Command(failed))
        }
    }
}

fn ask(folder: &Path) -> anyhow::Result<Asked> {
    let path = folder.join(ROOM_ACCESS_FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let reason = format!("there is no {}", path.display());
            return Ok(Asked::NotRunning(reason));
        }
        Err(error) => {
            let name = path.display();
            return Err(anyhow::Error::new(error).context(format!(
                "cannot read {name}; ask as the user who runs the driver"
            )));
        }
    };
    let access: RoomAccessFile = serde_json::from_str(&text)
        .with_context(|| format!("{} is no access file", path.display()))?;
    let address: SocketAddr = access
        .address
        .parse()
        .with_context(|| format!("{} names no address", path.display()))?;
    if !address.ip().is_loopback() {
        return Err(anyhow!(
            "{} names {address}, which is not this computer: the token is not sent there",
            path.display()
        ));
    }
    state(address, &access.token)
}

fn state(address: SocketAddr, token: &str) -> anyhow::Result<Asked> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_WITHIN))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let asked = agent
        .get(format!("http://{address}/api/v1/state"))
        .header("authorization", format!("Bearer {token}"))
        .call();
    let response = match asked {
        Ok(response) => response,
        Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            let reason = format!("nobody listens on {address}, where the last one did");
            return Ok(Asked::NotRunning(reason));
        }
        Err(error) => {
            return Err(anyhow::Error::new(error)
                .context(format!("the driver at {address} does not answer")));
        }
    };
    match response.status().as_u16() {
        200 => {
            let state = response.into_body().read_json();
            let state = state.with_context(|| format!("{address} answers something else"))?;
            Ok(Asked::Answered(address, state))
        }
        401 | 404 => {
            let reason = format!("another program listens on {address}, where the last one did");
            Ok(Asked::NotRunning(reason))
        }
        status => Err(anyhow!(
            "the driver at {address} answers {status}; ask again"
        )),
    }
}

fn text(folder: &str, address: SocketAddr, state: &RoomStateBody) -> String {
    let library = match state.library_version {
        Some(version) => format!("release {version} in force"),
        None => "none in force: limits are not checkable".to_owned(),
    };
    let broker = match state.broker_connected {
        true => "connected",
        false => "not connected: everything waits in the journal",
    };
    let sessions = match state.open_sessions.len() {
        0 => "none open".to_owned(),
        count => format!("{count} open: {}", state.open_sessions.join(", ")),
    };
    let mut text = format!(
        "a driver runs with {folder}, its room's interface on {address}\n\
         \x20 broker    {broker}\n\
         \x20 library   {library}\n\
         \x20 sessions  {sessions}\n\
         \x20 backlog   {} record blocks not settled, {} records in no block yet\n",
        state.unsettled_block_count, state.unsealed_record_count,
    );
    if state.guns.is_empty() {
        text.push_str("  guns      none seen since the start\n");
        return text;
    }
    let rows: Vec<_> = state
        .guns
        .iter()
        .map(|gun| {
            [
                gun.serial.clone(),
                if gun.attached { "yes" } else { "no" }.to_owned(),
                gun.epoch.clone().unwrap_or_else(|| "–".to_owned()),
                gun.newest_counter.to_string(),
                gun.journalled_counter.to_string(),
            ]
        })
        .collect();
    text.push('\n');
    text.push_str(&table(
        ["GUN", "PLUGGED IN", "EPOCH", "NEWEST SHOT", "JOURNALLED"],
        &rows,
    ));
    text
}
