//! `mesofleet-driver key`: the keys with which guns prove who they are.

use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use meso_units::GunSerial;
use mesofleet_driver::write_new_key;
use serde::Serialize;

use super::{ConfigArguments, Failure, print};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Write a new random key for a gun, and say where; the key itself is not shown.
    New(NewArguments),
}

/// Options of `key new`.
#[derive(Args, Debug)]
#[command(
    after_help = "Bring the key into the gun with its maker's tool, then start the driver again. \
    From then on the driver refuses a gun of this serial number that does not prove the key. A key \
    that is there is never written over: remove its file first."
)]
pub(crate) struct NewArguments {
    /// The serial number of the gun.
    #[arg(value_name = "SERIAL")]
    serial: String,
    #[command(flatten)]
    config: ConfigArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct NewKey {
    gun: String,
    path: String,
}

pub(super) fn key(command: KeyCommand) -> Result<ExitCode, Failure> {
    match command {
        KeyCommand::New(arguments) => new_key(arguments),
    }
}

fn new_key(arguments: NewArguments) -> Result<ExitCode, Failure> {
    let serial = GunSerial::parse(&arguments.serial).context("SERIAL cannot be used")?;
    let folder = arguments.config.settings()?.keys_folder();
    let path = write_new_key(&folder, &serial).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow!(
            "gun {serial} has a key in {}; remove its file first if the gun gets a new one",
            folder.display()
        ),
        _ => anyhow::Error::new(error).context(format!("no key in {}", folder.display())),
    })?;
    let answer = NewKey {
        gun: serial.to_string(),
        path: path.display().to_string(),
    };
    print(arguments.json, &answer, || {
        format!("a new key of gun {} is in {}", answer.gun, answer.path)
    })
}
