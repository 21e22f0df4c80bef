//! `mesofleet-driver people`: who may sign in at the room's screen.

use std::io::{self, BufRead};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use meso_contract::room::PersonBody;
use meso_room::People;
use serde::Serialize;

use super::{Failure, FolderArguments, print};

/// What `people` does.
#[derive(Debug, Subcommand)]
pub(crate) enum PeopleCommand {
    /// Put somebody on the list, or give somebody a new PIN. The PIN is read from standard input.
    Add(AddArguments),
    /// Show who is on the list.
    List(ListArguments),
    /// Take somebody off the list.
    Remove(RemoveArguments),
}

/// Options of `people add`.
#[derive(Args, Debug)]
#[command(
    after_help = "Reads one line with the PIN, 4 to 12 digits, from standard input, and with \
    --badge a second one with what the reader reads from the badge. Only Argon2id hashes are \
    kept, in people.json in the data folder, for the driver's user alone. A running driver takes \
    the list over at once."
)]
pub(crate) struct AddArguments {
    /// Staff number or alias, as records name the person.
    #[arg(value_name = "ID")]
    id: String,
    /// The name on the screen.
    #[arg(long)]
    name: String,
    /// Also read a badge.
    #[arg(long)]
    badge: bool,
    #[command(flatten)]
    folder: FolderArguments,
}

/// Options of `people list`.
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `people remove`.
#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// Staff number or alias.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    folder: FolderArguments,
}

#[derive(Serialize)]
struct Listed {
    people: Vec<PersonBody>,
}

/// Reads or changes the list.
pub(super) fn people(command: &PeopleCommand) -> Result<ExitCode, Failure> {
    match command {
        PeopleCommand::Add(arguments) => add(arguments),
        PeopleCommand::List(arguments) => {
            let folder = arguments.folder.folder()?;
            let people = People::read(&folder).map_err(anyhow::Error::new)?.list();
            let listed = Listed { people };
            print(arguments.json, &listed, || {
                let lines = listed.people.iter();
                let lines: Vec<_> = lines.map(|it| format!("{}  {}", it.id, it.name)).collect();
                match lines.is_empty() {
                    true => "nobody: put somebody on the list with `people add`".to_owned(),
                    false => lines.join("\n"),
                }
            })
        }
        PeopleCommand::Remove(arguments) => {
            let folder = arguments.folder.folder()?;
            let mut people = People::read(&folder).map_err(anyhow::Error::new)?;
            if !people.remove(&arguments.id) {
                let id = &arguments.id;
                return Err(Failure::Command(anyhow!("{id} is not on the list")));
            }
            people.write(&folder).map_err(anyhow::Error::new)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn add(arguments: &AddArguments) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.folder()?;
    let mut people = People::read(&folder).map_err(anyhow::Error::new)?;
    let pin = line("PIN")?;
    let badge = arguments.badge.then(|| line("badge")).transpose()?;
    let person = PersonBody {
        id: arguments.id.clone(),
        name: arguments.name.clone(),
    };
    let mut random = [[0; 16]; 2];
    for salt in &mut random {
        getrandom::fill(salt).context("the system has no random numbers")?;
    }
    people
        .add(person, pin.trim(), badge.as_deref(), random)
        .map_err(anyhow::Error::new)?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    people.write(&folder).map_err(anyhow::Error::new)?;
    Ok(ExitCode::SUCCESS)
}

/// A line of standard input; on a terminal people are asked for it.
fn line(what: &str) -> Result<String, Failure> {
    eprintln!("{what}:");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    match read.context("standard input cannot be read")? {
        0 => Err(Failure::Command(anyhow!(
            "a line with the {what} is missing"
        ))),
        _ => Ok(line),
    }
}
