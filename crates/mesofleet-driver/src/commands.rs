//! The commands, one file each.
//!
//! Each ends with 0 where it did what was asked, 1 where it could not, 2 where the command line
//! or the configuration is wrong, 3 where another computer has taken this one's place, and 130
//! where the keyboard interrupted it. What a program would
//! read goes to standard output, everything else to standard error.

mod check_config;
mod gun;
mod journal;
mod key;
mod list_ports;
mod monitor;
mod patients;
mod people;
mod replace;
mod resume;
mod room_client;
mod run;
mod session;
mod status;
mod table;

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand};
use mesofleet_driver::{Overrides, Settings};
use serde::Serialize;

/// What a wrong configuration ends with; clap ends a wrong command line with the same.
const EXIT_CONFIG: u8 = 2;

/// What a driver ends with whose place another computer has taken: it is not to be started again.
const EXIT_REPLACED: u8 = 3;

/// Takes the shots of a treatment room's guns and brings them to the server.
#[derive(Debug, Parser)]
#[command(name = "mesofleet-driver", version, arg_required_else_help = true)]
#[command(
    after_help = "Ends with 0 where it did what was asked, 1 where it could not, 2 where \
    command line or configuration is wrong, 3 where another computer has taken this one's place."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until it is told to stop.
    Run(run::RunArguments),
    /// Check a configuration and say what would be in force; start nothing.
    CheckConfig(check_config::CheckConfigArguments),
    /// List the serial ports that a driver would try, without opening one.
    ListPorts(list_ports::ListPortsArguments),
    /// Ask the running driver how its guns, sessions and backlog are.
    Status(status::StatusArguments),
    /// Let a gun that was inhibited fire again; asks the running driver.
    Resume(resume::ResumeArguments),
    /// Stop a gun; asks the running driver.
    #[command(subcommand)]
    Gun(gun::GunCommand),
    /// Take the steps of a treatment; asks the running driver.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Say who may sign in at the room's screen.
    #[command(subcommand)]
    People(people::PeopleCommand),
    /// Carry the key by which rooms know each other's patients from one room to another.
    #[command(subcommand)]
    Patients(patients::PatientsCommand),
    /// Make keys with which guns prove who they are.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Show a gun's shots as it fires them; takes the port and acknowledges nothing.
    Monitor(monitor::MonitorArguments),
    /// Let a new computer take the place of an old one; changes nothing there.
    Replace(replace::ReplaceArguments),
    /// Look into the journal or carry blocks away, also while a driver runs.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Why a command ends with something else than 0.
#[derive(Debug)]
enum Failure {
    /// The configuration is wrong: 2. The text names the file itself.
    Configuration(anyhow::Error),
    /// Another computer has taken this one's place: 3.
    Replaced(anyhow::Error),
    /// Something else: 1.
    Command(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Command(error)
    }
}

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run::run_daemon(arguments),
        Command::CheckConfig(arguments) => check_config::check_config(arguments),
        Command::ListPorts(arguments) => list_ports::list_ports(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Resume(arguments) => resume::resume(&arguments),
        Command::Gun(command) => gun::gun(&command),
        Command::Session(command) => session::session(&command),
        Command::People(command) => people::people(&command),
        Command::Patients(command) => patients::patients(&command),
        Command::Key(command) => key::key(command),
        Command::Monitor(arguments) => monitor::monitor(&arguments),
        Command::Replace(arguments) => replace::replace(arguments),
        Command::Journal(command) => journal::journal(&command),
        Command::Completions { shell } => completions(shell),
    };
    let (error, code) = match done {
        Ok(code) => return code,
        Err(Failure::Configuration(error)) => (error, EXIT_CONFIG),
        Err(Failure::Replaced(error)) => (error, EXIT_REPLACED),
        Err(Failure::Command(error)) => (error, 1),
    };
    eprintln!("mesofleet-driver: {error:#}");
    ExitCode::from(code)
}

/// A configuration, and what the command line puts over it.
#[derive(Args, Debug)]
struct ConfigArguments {
    /// The configuration; config/driver.toml shows every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The folder of the journal, in place of the configuration's.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The folder of links to serial ports, in place of the configuration's.
    #[arg(long, value_name = "DIR")]
    ports_dir: Option<PathBuf>,
    /// Host and port of the broker, in place of the configuration's.
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
}

impl ConfigArguments {
    fn settings(self) -> Result<Settings, Failure> {
        let overrides = Overrides {
            data_dir: self.data_dir,
            ports_dir: self.ports_dir,
            broker: self.broker,
        };
        settings(&self.config, overrides)
    }
}

/// The data folder of a driver, by its configuration or by its name.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct FolderArguments {
    /// The configuration of the driver.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder of the driver; goes before the configuration's.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl FolderArguments {
    fn folder(&self) -> Result<PathBuf, Failure> {
        let overrides = Overrides {
            data_dir: self.data_dir.clone(),
            ..Overrides::default()
        };
        match (&self.config, &self.data_dir) {
            // A configuration that is named is checked, even where the folder is named too.
            (Some(config), _) => Ok(settings(config, overrides)?.config().data_dir.clone()),
            (None, Some(folder)) => Ok(folder.clone()),
            (None, None) => Err(Failure::Command(anyhow::anyhow!(
                "name --config or --data-dir"
            ))),
        }
    }
}

fn settings(path: &std::path::Path, overrides: Overrides) -> Result<Settings, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {name} cannot be read"))
        .map_err(Failure::Configuration)?;
    Settings::from_text(&name, &text, overrides)
        .map_err(|error| Failure::Configuration(error.into()))
}

fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let name = "mesofleet-driver";
    clap_complete::generate(shell, &mut Arguments::command(), name, &mut script);
    print_bytes(&script)
}

/// Prints an answer for people, or for programs.
fn print(
    as_json: bool,
    answer: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<ExitCode, Failure> {
    let mut shown = if as_json {
        serde_json::to_string_pretty(answer).context("the answer has no JSON form")?
    } else {
        text()
    };
    if !shown.ends_with('\n') {
        shown.push('\n');
    }
    print_bytes(shown.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::Command(
            anyhow::Error::new(error).context("cannot write to standard output"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_in_order() {
        Arguments::command().debug_assert();
    }
}
