//! `mesofleet-driver status`: how the running driver is.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use meso_contract::room::{PatientLinksBody, RoomGunBody, RoomStateBody};
use meso_room::PATIENT_KEY_FILE_NAME;
use serde::Serialize;

use super::room_client::{Asked, RoomClient};
use super::table::table;
use super::{Failure, FolderArguments, print};

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
    let (address, asked) = ask(&folder)?;
    match asked {
        Asked::Answered(state) => {
            status.running = true;
            status.address = address.map(|address| address.to_string());
            let address = status.address.as_deref().unwrap_or_default();
            let shown = text(&status.data_dir, address, &state);
            status.state = Some(state);
            print(arguments.json, &status, || shown)
        }
        Asked::NotRunning(reason) | Asked::Refused(reason) => {
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

fn ask(folder: &Path) -> anyhow::Result<(Option<SocketAddr>, Asked<RoomStateBody>)> {
    Ok(match RoomClient::of(folder)? {
        Ok(client) => (Some(client.address), client.get("/api/v1/state")?),
        Err(reason) => (None, Asked::NotRunning(reason)),
    })
}

fn text(folder: &str, address: &str, state: &RoomStateBody) -> String {
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
    let interlock = match state.interlock_enabled {
        true => "on: a shot beyond a hard limit stops its gun",
        false => "off",
    };
    let mut text = format!(
        "a driver runs with {folder}, its room's interface on {address}\n\
         \x20 broker    {broker}\n\
         \x20 library   {library}\n\
         \x20 sessions  {sessions}\n\
         \x20 interlock {interlock}\n\
         \x20 backlog   {} record blocks not settled, {} records in no block yet\n",
        state.unsettled_block_count, state.unsealed_record_count,
    );
    if let Some(problem) = &state.journal_problem {
        text.push_str(&format!("  ALARM     {problem}\n"));
    }
    if !state.clock_trusted {
        text.push_str("  ALARM     nothing has set this computer's clock: times have no bound and no rule about time is judged; look at `timedatectl` and at clock.trusted_after\n");
    }
    if state.unsendable_block_count > 0 {
        text.push_str(&format!(
            "  ALARM     {} record blocks cannot be sent; they stay in the journal: see the log\n",
            state.unsendable_block_count
        ));
    }
    text.push_str(&links_text(&state.patient_links));
    if state.refused_watermark_count > 0 {
        text.push_str(&format!(
            "  ALARM     {} watermarks were not signed by the ingest of `ingest.key`: see the log\n",
            state.refused_watermark_count
        ));
    }
    for latency in state.latencies.iter().filter(|latency| latency.count > 0) {
        text.push_str(&format!(
            "  latency   {}: half within {} µs, 99 in 100 within {} µs, longest {} µs, of {}\n",
            latency.name, latency.p50_us, latency.p99_us, latency.max_us, latency.count
        ));
    }
    for (port, problem) in &state.port_problems {
        text.push_str(&format!("  port      {port} cannot be used: {problem}\n"));
    }
    if state.guns.is_empty() {
        text.push_str("  guns      none seen since the start\n");
        return text;
    }
    text.push('\n');
    text.push_str(&guns_table(&state.guns));
    state
        .guns
        .iter()
        .for_each(|gun| text.push_str(&remarks_on(gun)));
    text
}

fn links_text(links: &PatientLinksBody) -> String {
    let mut text = match (&links.key, &links.problem) {
        (Some(key), _) => format!(
            "  patients  {} known under the key {key}, {} of them met here first, {} merged\n",
            links.known_count, links.made_here_count, links.merged_count
        ),
        (None, problem) => format!(
            "  ALARM     no patient's code can be taken: {}\n",
            problem.as_deref().unwrap_or_default()
        ),
    };
    for driver in &links.other_keys {
        text.push_str(&format!(
            "  ALARM     links of {driver} are under another key: import the key of one room in the other\n"
        ));
    }
    for driver in &links.damaged {
        text.push_str(&format!(
            "  ALARM     links of {driver} are damaged: see the log\n"
        ));
    }
    if links.unreadable_shelf_count > 0 {
        text.push_str(&format!(
            "  ALARM     {} shelves of patients' links cannot be read: bring back {}\n",
            links.unreadable_shelf_count, PATIENT_KEY_FILE_NAME
        ));
    }
    if links.refused_count > 0 {
        text.push_str(&format!(
            "  ALARM     {} patients' links were refused: see the log\n",
            links.refused_count
        ));
    }
    text
}

fn guns_table(guns: &[RoomGunBody]) -> String {
    let row = |gun: &RoomGunBody| {
        [
            gun.serial.clone(),
            if gun.attached { "yes" } else { "no" }.to_owned(),
            if gun.authentic { "yes" } else { "no" }.to_owned(),
            gun.epoch.clone().unwrap_or_else(|| "–".to_owned()),
            gun.newest_counter.to_string(),
            gun.journalled_counter.to_string(),
        ]
    };
    let rows: Vec<_> = guns.iter().map(row).collect();
    let headings = [
        "GUN",
        "PLUGGED IN",
        "AUTHENTIC",
        "EPOCH",
        "NEWEST SHOT",
        "JOURNALLED",
    ];
    table(headings, &rows)
}

/// What does not fit into the table: the gun's clock, and whatever a person should know.
fn remarks_on(gun: &RoomGunBody) -> String {
    let mut remarks = Vec::new();
    if let Some(reason) = &gun.refused {
        remarks.push(format!("refused: {reason}"));
    }
    if let Some(usb) = &gun.usb_serial {
        remarks.push(format!("its USB device says {usb}: is it the right gun?"));
    }
    if let Some(grade) = &gun.grade {
        remarks.push(format!("grade: {grade}"));
    }
    if let Some(interlock) = &gun.interlock {
        let alarm = if interlock.state == "failed" {
            "ALARM: "
        } else {
            ""
        };
        let problem = interlock.problem.as_ref();
        let problem = problem.map_or(String::new(), |problem| format!(" ({problem})"));
        remarks.push(format!(
            "{alarm}{}{problem}: {}",
            interlock.state, interlock.cause
        ));
    } else if gun.inhibited {
        remarks.push("inhibited, and not by this driver".to_owned());
    }
    if gun.quarantined_frames > 0 {
        remarks.push(format!("{} frames in quarantine", gun.quarantined_frames));
    }
    if gun.salvaged_shots > 0 {
        remarks.push(format!(
            "{} shots in quarantine after its counter went back",
            gun.salvaged_shots
        ));
    }
    if let Some(clock) = &gun.clock {
        remarks.push(format!(
            "clock: tick 0 at {}, drift {} ppb, within {} µs, segment {}",
            moment(clock.offset_ns),
            clock.drift_ppb,
            clock.uncertainty_ns / 1_000,
            clock.segment
        ));
    }
    remarks
        .into_iter()
        .map(|remark| format!("{}  {remark}\n", gun.serial))
        .collect()
}

fn moment(at_ns: i64) -> String {
    let moment = jiff::Timestamp::from_nanosecond(at_ns.into());
    moment.map_or_else(|_| at_ns.to_string(), |moment| moment.to_string())
}
