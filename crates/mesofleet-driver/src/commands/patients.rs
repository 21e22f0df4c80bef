//! `mesofleet-driver patients`: the key by which rooms know each other's patients.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use meso_contract::room::RoomStateBody;
use meso_journal::{JournalError, JournalView};
use meso_room::{
    PATIENT_KEY_BYTES, PATIENT_KEY_FILE_NAME, PatientKeys, read_patient_key, read_patient_key_file,
    write_patient_key,
};
use mesofleet_driver::LINK_VALUES;
use serde::Serialize;

use super::room_client::{Asked, RoomClient};
use super::{Failure, FolderArguments, print};

/// What `patients` does.
#[derive(Debug, Subcommand)]
pub(crate) enum PatientsCommand {
    /// Show, carry away or bring in the patients' key.
    #[command(subcommand)]
    Key(KeyCommand),
}

/// What to do with the patients' key.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show the key's fingerprint; the key itself is not shown.
    Show(ShowArguments),
    /// Write the key into a new file, for another room of the organisation.
    Export(ExportArguments),
    /// Take over the key of another room.
    Import(ImportArguments),
}

/// Options of `patients key show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `patients key export`.
#[derive(Args, Debug)]
#[command(
    after_help = "Whoever has the key can try patients' codes against the records of the \
    organisation. Carry the file on a medium of your own, never over a network, and destroy it once \
    it is imported. A file that is there is never written over."
)]
pub(crate) struct ExportArguments {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `patients key import`.
#[derive(Args, Debug)]
#[command(
    after_help = "Stop the driver first. Do it before the room meets its first patient: patients who \
    are known under another key are not found under this one, and begin anew."
)]
pub(crate) struct ImportArguments {
    /// The file that `patients key export` wrote in another room.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Also where patients are known under the present key; it is kept beside the new one.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct KeyAnswer {
    /// Of the key that the data folder has now.
    fingerprint: String,
    /// Where it was written to or read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Where the key that was there before is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl KeyAnswer {
    fn of(key: &[u8; PATIENT_KEY_BYTES]) -> KeyAnswer {
        KeyAnswer {
            fingerprint: PatientKeys::from_key(key).fingerprint().to_owned(),
            file: None,
            before: None,
        }
    }
}

pub(super) fn patients(command: &PatientsCommand) -> Result<ExitCode, Failure> {
    match command {
        PatientsCommand::Key(KeyCommand::Show(arguments)) => show(arguments),
        PatientsCommand::Key(KeyCommand::Export(arguments)) => export(arguments),
        PatientsCommand::Key(KeyCommand::Import(arguments)) => import(arguments),
    }
}

fn key_of(folder: &Path) -> anyhow::Result<[u8; PATIENT_KEY_BYTES]> {
    read_patient_key(folder)?.ok_or_else(|| {
        anyhow!(
            "{} has no patients' key yet: start the driver once, or import another room's",
            folder.display()
        )
    })
}

fn show(arguments: &ShowArguments) -> Result<ExitCode, Failure> {
    let answer = KeyAnswer::of(&key_of(&arguments.folder.folder()?)?);
    print(arguments.json, &answer, || {
        format!(
            "the patients' key has the fingerprint {}",
            answer.fingerprint
        )
    })
}

fn export(arguments: &ExportArguments) -> Result<ExitCode, Failure> {
    let key = key_of(&arguments.folder.folder()?)?;
    let file = &arguments.file;
    if file.exists() {
        let there = anyhow!("{} is there already: name a new file", file.display());
        return Err(Failure::Command(there));
    }
    write_patient_key(file, &key).map_err(anyhow::Error::new)?;
    let answer = KeyAnswer {
        file: Some(file.display().to_string()),
        ..KeyAnswer::of(&key)
    };
    print(arguments.json, &answer, || {
        format!(
            "the patients' key {} is in {}: import it in the other room, then destroy the file",
            answer.fingerprint,
            file.display()
        )
    })
}

fn import(arguments: &ImportArguments) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.folder()?;
    let file = &arguments.file;
    let key = read_patient_key_file(file)
        .map_err(anyhow::Error::new)?
        .ok_or_else(|| anyhow!("there is no file {}", file.display()))?;
    refuse_while_driver_runs(&folder)?;
    let mut answer = KeyAnswer {
        file: Some(file.display().to_string()),
        ..KeyAnswer::of(&key)
    };
    let before = read_patient_key(&folder).map_err(anyhow::Error::new)?;
    if let Some(before) = before.filter(|before| *before != key) {
        let fingerprint = PatientKeys::from_key(&before).fingerprint().to_owned();
        let shelf_count = shelf_count(&folder)?;
        if shelf_count > 0 && !arguments.replace {
            return Err(Failure::Command(anyhow!(
                "patients are known here under the key {fingerprint}, and would not be found under \
                 {}: import that key in the other room, or say --replace",
                answer.fingerprint
            )));
        }
        if shelf_count > 0 {
            let kept = folder.join(format!("{PATIENT_KEY_FILE_NAME}.{fingerprint}"));
            write_patient_key(&kept, &before).map_err(anyhow::Error::new)?;
            answer.before = Some(kept.display().to_string());
        }
    }
    let path = folder.join(PATIENT_KEY_FILE_NAME);
    write_patient_key(&path, &key).map_err(anyhow::Error::new)?;
    print(arguments.json, &answer, || {
        let fingerprint = &answer.fingerprint;
        match &answer.before {
            Some(before) => {
                format!("the patients' key is {fingerprint} now; the one before is in {before}")
            }
            None => format!("the patients' key is {fingerprint} now"),
        }
    })
}

/// A driver holds the key from its start on, and would go on linking patients under the old one.
fn refuse_while_driver_runs(folder: &Path) -> anyhow::Result<()> {
    if let Ok(client) = RoomClient::of(folder)?
        && let Asked::Answered(_) = client.get::<RoomStateBody>("/api/v1/state")?
    {
        return Err(anyhow!(
            "a driver runs with the data folder {}: stop it first",
            folder.display()
        ));
    }
    Ok(())
}

/// How many shelves of links the journal keeps.
fn shelf_count(folder: &Path) -> anyhow::Result<usize> {
    match JournalView::open(folder) {
        Ok(journal) => Ok(journal.values_under(LINK_VALUES)?.len()),
        Err(JournalError::Absent { .. }) => Ok(0),
        Err(error) => Err(error).context("whether patients are known here cannot be read"),
    }
}
