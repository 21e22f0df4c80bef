//! `mesofleet room`: rooms that never come back.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use meso_contract::http::{RetireRoomBody, RetiredRoomView, RetirementView};
use meso_units::DriverId;

use crate::serve::retired_view;
use crate::server_client::ServerClient;
use crate::store::command::{place_of, print_line, read_config};

/// Guns that the preview names; of more, their number.
const GUNS_SHOWN_MAX: usize = 50;

/// Rooms that never come back.
#[derive(Debug, Subcommand)]
pub enum RoomCommand {
    /// Say that a room's computer never comes back: shots that are awaited from it are declared gone,
    /// under your name, in the ledger. What comes after all fills the gap.
    Retire(RetireArguments),
    /// List the rooms that were retired, oldest first; may run beside the server.
    Retired(RetiredArguments),
}

/// Options of `room retire`; the server must be running.
#[derive(Args, Debug)]
pub struct RetireArguments {
    /// The room, by the id of its driver.
    #[arg(value_name = "ROOM", value_parser = DriverId::parse)]
    pub room: DriverId,
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Your staff number or alias, never a name: 1 to 32 of a-z, 0-9 and -.
    #[arg(long, value_name = "WHO")]
    pub by: String,
    /// Why, 1 to 200 characters on one line; it must name no patient.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do what was shown without asking for the room's name.
    #[arg(long)]
    pub yes: bool,
    /// Print JSON on one line: without --yes what would be declared, and nothing is done.
    #[arg(long)]
    pub json: bool,
}

/// Options of `room retired`.
#[derive(Args, Debug)]
pub struct RetiredArguments {
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The most rooms that are listed: the newest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Runs a command on rooms.
///
/// # Errors
///
/// The store cannot be read, the server is not there, or it refuses.
pub fn run(command: &RoomCommand) -> anyhow::Result<ExitCode> {
    match command {
        RoomCommand::Retire(arguments) => retire(arguments),
        RoomCommand::Retired(arguments) => retired(arguments),
    }
}

fn retire(arguments: &RetireArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let server = ServerClient::of(&config, &arguments.config)?;
    let path = format!("/api/v1/rooms/{}/retirement", arguments.room);
    let preview: RetirementView = server.get(&path)?;
    match (arguments.json, arguments.yes) {
        (true, false) => {
            print_line(&serde_json::to_string(&preview)?);
            return Ok(ExitCode::SUCCESS);
        }
        (true, true) => {}
        (false, _) => show(&preview),
    }
    if !arguments.yes && !is_confirmed(&arguments.room)? {
        print_line("nothing was declared");
        return Ok(ExitCode::FAILURE);
    }
    let body = RetireRoomBody {
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        gap_count: preview.gap_count,
        shot_count: preview.shot_count,
    };
    let done: RetiredRoomView = server.post(&path, &body)?;
    print_line(&match arguments.json {
        true => serde_json::to_string(&done)?,
        false => one_line(&done),
    });
    if preview.left_count > 0 && !arguments.json {
        let left = preview.left_count;
        print_line(&format!("{left} gaps are left: retire the room once more"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What would be declared, gun by gun.
fn show(preview: &RetirementView) {
    let RetirementView {
        room,
        clinic,
        gap_count,
        shot_count,
        ..
    } = preview;
    if *gap_count == 0 {
        print_line(&format!(
            "nothing is awaited from room {room} of {clinic}; nobody would wait for it any more"
        ));
        return;
    }
    print_line(&format!(
        "{shot_count} shots in {gap_count} gaps are awaited from room {room} of {clinic}, and would \
         be declared gone:"
    ));
    let mut of_guns: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for gap in &preview.gaps {
        let counters = match gap.first == gap.last {
            true => gap.first.to_string(),
            false => format!("{} to {}", gap.first, gap.last),
        };
        let of_gun = of_guns.entry((&gap.gun, &gap.epoch)).or_default();
        of_gun.push(counters);
    }
    for ((gun, epoch), counters) in of_guns.iter().take(GUNS_SHOWN_MAX) {
        print_line(&format!("  {gun} epoch {epoch}: {}", counters.join(", ")));
    }
    if let Some(more) = of_guns.len().checked_sub(GUNS_SHOWN_MAX + 1) {
        print_line(&format!("  and {} guns more; --json names all", more + 1));
    }
    if preview.left_count > 0 {
        let left = preview.left_count;
        print_line(&format!("{left} further gaps are left to another call"));
    }
}

/// Asks for the name of the room; where nobody can be asked the answer is no.
fn is_confirmed(room: &DriverId) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        eprintln!("mesofleet: nobody can be asked here; say it with --yes");
        return Ok(false);
    }
    eprint!("Type the name of the room to declare them gone: ");
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(answer.trim() == room.as_str())
}

fn one_line(retired: &RetiredRoomView) -> String {
    let RetiredRoomView {
        room,
        clinic,
        by,
        reason,
        gap_count,
        shot_count,
        ..
    } = retired;
    format!(
        "room {room} of {clinic}: {shot_count} shots in {gap_count} gaps declared gone, room retired \
         by {by}: {reason}"
    )
}

fn retired(arguments: &RetiredArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let readers = place_of(&config)?.read()?;
    let rooms = readers.with(|reader| reader.retired_rooms(arguments.limit))?;
    for room in &rooms {
        let view = retired_view(room);
        print_line(&match arguments.json {
            true => serde_json::to_string(&view)?,
            false => format!("{}  {}", room.at, one_line(&view)),
        });
    }
    if rooms.is_empty() && !arguments.json {
        print_line("no room was retired");
    }
    Ok(ExitCode::SUCCESS)
}
