//! `mesofleet-driver journal`: looking into the journal, and carrying blocks away.

mod export;
mod import;
mod inspect;
mod settled;

use std::process::ExitCode;

use clap::Subcommand;

use super::Failure;

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Say what is in the journal, what is settled, missing and in quarantine; change nothing.
    Inspect(inspect::InspectArguments),
    /// Write sealed blocks into a file, for a way without a network; settle nothing.
    Export(export::ExportArguments),
    /// Send the blocks of such a file to a server, and wait until it has settled them.
    Import(import::ImportArguments),
}

pub(super) fn journal(command: &JournalCommand) -> Result<ExitCode, Failure> {
    match command {
        JournalCommand::Inspect(arguments) => inspect::inspect(arguments),
        JournalCommand::Export(arguments) => export::export(arguments),
        JournalCommand::Import(arguments) => import::import(arguments),
    }
}
