//! `mesofleet-driver resume`: a person lets a gun fire again.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use meso_contract::room::{ResumeGunBody, RoomGunBody};
use meso_units::GunSerial;

use super::room_client::{Asked, RoomClient};
use super::{Failure, FolderArguments, print};

/// Options of `resume`.
#[derive(Args, Debug)]
#[command(
    after_help = "Look at the gun and at the patient first. Who resumed a gun, when and why stays \
    in the journal; `journal inspect` shows it."
)]
pub(crate) struct ResumeArguments {
    /// The serial number of the gun.
    #[arg(value_name = "SERIAL")]
    serial: String,
    /// Who lets it fire again.
    #[arg(long, value_name = "ID")]
    operator: String,
    /// Why, in a sentence.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Lets a gun fire again.
pub(super) fn resume(arguments: &ResumeArguments) -> Result<ExitCode, Failure> {
    let serial = GunSerial::parse(&arguments.serial).context("SERIAL cannot be used")?;
    let folder = arguments.folder.folder()?;
    let body = ResumeGunBody {
        operator: arguments.operator.clone(),
        reason: arguments.reason.clone(),
    };
    let asked: Asked<RoomGunBody> = match RoomClient::of(&folder)? {
        Ok(client) => client.post(&format!("/api/v1/guns/{serial}/resume"), &body)?,
        Err(reason) => Asked::NotRunning(reason),
    };
    match asked {
        Asked::Answered(gun) => print(arguments.json, &gun, || {
            let serial = &gun.serial;
            match &gun.interlock {
                Some(interlock) => format!("gun {serial}: {}", interlock.state),
                None => format!("gun {serial} may fire again"),
            }
        }),
        Asked::Refused(message) => Err(Failure::Command(anyhow!(message))),
        Asked::NotRunning(reason) => Err(Failure::Command(anyhow!(
            "no driver runs with the data folder {}: {reason}",
            folder.display()
        ))),
    }
}
