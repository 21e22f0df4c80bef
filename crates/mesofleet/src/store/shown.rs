//! How a long piece of work goes, and whether it is to be done.

use std::io::{BufRead as _, IsTerminal as _};

use meso_store::Progress;
use serde_json::json;

use super::command::print_line;

/// Asks a person; where none can be asked the answer is no.
pub(super) fn is_confirmed(question: &str) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        eprintln!("mesofleet: {question} Nobody can be asked here; say it with --yes");
        return Ok(false);
    }
    eprint!("{question} Type yes to go on: ");
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// How far a long piece of work is, on the terminal or as JSON.
pub(super) struct Shown {
    json: bool,
    is_terminal: bool,
    last_percent: Option<(&'static str, u64)>,
}

impl Shown {
    pub(super) fn new(json: bool) -> Shown {
        Shown {
            json,
            is_terminal: std::io::stderr().is_terminal(),
            last_percent: None,
        }
    }

    pub(super) fn progress(&mut self, progress: Progress) {
        let Progress { step, done, total } = progress;
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        if self.last_percent == Some((step, percent)) {
            return;
        }
        self.last_percent = Some((step, percent));
        if self.json {
            print_line(&json!({ "step": step, "done": done, "total": total }).to_string());
        } else if self.is_terminal {
            eprint!("\r{step}: {done} of {total} blocks, {percent} %   ");
        }
    }

    pub(super) fn end(&self) {
        if !self.json && self.is_terminal && self.last_percent.is_some() {
            eprintln!();
        }
    }
}
