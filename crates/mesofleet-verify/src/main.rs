//! Checks a report bundle offline: no network, no server, no trust in whoever made it.
//!
//! It is **not** a viewer and changes nothing. Everything it knows of bundles is in `meso-report`;
//! here are only the arguments, the reading of one file, and the words on the screen.
//!
//! Exit status: 0 the bundle is what the log committed to, 1 something is wrong and named, 2 the
//! bundle or the arguments cannot be read.
//!
//! Read first: [`check`], `output.rs`.

mod output;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use meso_ledger::VerifierKey;
use meso_report::{BUNDLE_BYTES_MAX, ReportError, Verdict, verify};

/// The longest key file that is read, in bytes; a key is under 400. A longer file is refused.
const KEY_BYTES_MAX: u64 = 4_096;

/// Checks a Mesofleet report offline and names what was altered, deleted, added or never delivered.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 all is well, 1 something is wrong, 2 unreadable."
)]
struct Arguments {
    /// The report, a ZIP file.
    bundle: PathBuf,
    /// The public key of the log, or a file that holds it. Without it the key in the bundle is
    /// used, whose fingerprint you must then compare with the one that the clinic published.
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let checked = check(&arguments);
    match (&checked, arguments.json) {
        (Ok(verdict), true) => output::json(&output::verdict_json(verdict)),
        (Ok(verdict), false) => output::verdict_text(&arguments.bundle, verdict),
        (Err(error), true) => output::json(&output::error_json(error)),
        (Err(error), false) => eprintln!("error: {}", output::harmless(&format!("{error:#}"))),
    }
    match checked {
        Ok(verdict) if verdict.is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(_) => ExitCode::from(2),
    }
}

/// Reads bundle and key and checks the one with the other.
fn check(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let key = arguments.key.as_deref().map(read_key).transpose()?;
    let bundle = read_file(&arguments.bundle, BUNDLE_BYTES_MAX)?;
    verify(&bundle, key.as_ref()).map_err(|error| {
        let advice = match error {
            ReportError::Archive { .. } => " (cut off, damaged, or no report: get it again)",
            _ => "",
        };
        let path = arguments.bundle.display();
        anyhow::Error::new(error).context(format!("{path} cannot be checked{advice}"))
    })
}

/// A key is told from a file name by its form.
fn read_key(text: &str) -> anyhow::Result<VerifierKey> {
    if let Ok(key) = VerifierKey::parse(text) {
        return Ok(key);
    }
    let path = Path::new(text);
    if !path.exists() {
        bail!("--key {text:?} is neither the public key of a log nor a file that exists");
    }
    let content = read_file(path, KEY_BYTES_MAX)?;
    let content = String::from_utf8(content)
        .with_context(|| format!("{} does not hold the public key of a log", path.display()))?;
    VerifierKey::parse(&content)
        .with_context(|| format!("{} does not hold the public key of a log", path.display()))
}

fn read_file(path: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    let mut content = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut content)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    if content.len() as u64 > bytes_max {
        bail!(
            "{} is longer than the limit of {bytes_max} bytes",
            path.display()
        );
    }
    Ok(content)
}
