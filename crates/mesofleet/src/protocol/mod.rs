//! `mesofleet protocol`: protocol files, releases and the people who sign them.

mod arguments;
mod difference;
mod draft;
mod files;
mod keep;
mod key;
mod show;
mod signers;

use std::process::ExitCode;

use meso_limits::{LimitsError, ProtocolFile};
use serde_json::json;

pub use arguments::{
    CheckArguments, DiffArguments, DraftArguments, KeyCommand, ProtocolCommand, ReleaseArguments,
    RetireArguments, ShowArguments, SignArguments, SignersCommand, SourceArguments,
};
pub(crate) use keep::{Kept, body_of};

use crate::store::command::print_line;

/// Runs a command on protocols.
///
/// # Errors
///
/// A file cannot be read or written, or holds what the command cannot use.
pub fn run(command: &ProtocolCommand) -> anyhow::Result<ExitCode> {
    match command {
        ProtocolCommand::List(arguments) => show::list(arguments),
        ProtocolCommand::Show(arguments) => show::show(arguments),
        ProtocolCommand::Check(arguments) => check(arguments),
        ProtocolCommand::Diff(arguments) => difference::diff(arguments),
        ProtocolCommand::Draft(arguments) => draft::draft(arguments),
        ProtocolCommand::Sign(arguments) => draft::sign(arguments),
        ProtocolCommand::Release(arguments) => draft::release(arguments),
        ProtocolCommand::Retire(arguments) => draft::retire(arguments),
        ProtocolCommand::Key(command) => key::run(command),
        ProtocolCommand::Signers(command) => signers::run(command),
    }
}

fn check(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let mut is_good = true;
    for path in &arguments.files {
        let name = path.display();
        let text = files::read_text(path)?;
        let problems: Vec<String> = match ProtocolFile::parse(&text) {
            Ok(_) => Vec::new(),
            Err(LimitsError::NotALibrary { problems }) => {
                problems.iter().map(ToString::to_string).collect()
            }
            Err(error) => vec![error.to_string()],
        };
        is_good &= problems.is_empty();
        if arguments.json {
            print_line(&json!({ "file": path, "problems": problems }).to_string());
            continue;
        }
        match problems.is_empty() {
            true => print_line(&format!("{name}: good")),
            false => print_line(&format!("{name}: {} problem(s)", problems.len())),
        }
        for problem in &problems {
            print_line(&format!("  {problem}"));
        }
    }
    if !arguments.json {
        let count = arguments.files.len();
        print_line(&match is_good {
            true => format!(
                "{count} file(s) are good; every limit is an example to be approved by a clinician"
            ),
            false => "nothing with a problem can be signed".to_owned(),
        });
    }
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
