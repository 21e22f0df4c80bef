//! `mesofleet-driver journal`: looking into the journal, and carrying blocks away.

mod export;
mod inspect;

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
}

pub(super) fn journal(command: &JournalCommand) -> Result<ExitCode, Failure> {
    match command {
        JournalCommand::Inspect(arguments) => inspect::inspect(arguments),
        JournalCommand::Export(arguments) => export::export(arguments),
    }
}
