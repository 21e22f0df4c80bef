//! The `mesofleet` program: demonstration, service and emulated guns.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use mesofleet::cli::{Cli, Command, GunCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mesofleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(options) => mesofleet::demo::run(&options),
        Command::Serve(arguments) => mesofleet::serve::run(&arguments.config),
        Command::Broker(command) => mesofleet::broker::run(&command),
        Command::Store(command) => mesofleet::store::run(&command),
        Command::Protocol(command) => mesofleet::protocol::run(&command),
        Command::Alert(command) => mesofleet::alert::run(&command),
        Command::Room(command) => mesofleet::room::run(&command),
        Command::Quarantine(command) => mesofleet::quarantine::run(&command),
        Command::Gun(GunCommand::Emulate(options)) => mesofleet::emulate::run(&options),
        Command::Gun(GunCommand::Conform(options)) => mesofleet::conform::run(&options),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mesofleet", &mut script);
            // A reader that has seen enough, such as `head`, is no error.
            let _ = std::io::stdout().write_all(&script);
            Ok(ExitCode::SUCCESS)
        }
    }
}
