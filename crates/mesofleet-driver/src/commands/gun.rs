//! `mesofleet-driver gun stop`: a person stops a gun.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use meso_contract::room::{InhibitGunBody, RoomGunBody};
use meso_units::GunSerial;

use super::session::{answered, client};
use super::{Failure, FolderArguments, print};

/// What `gun` does.
#[derive(Debug, Subcommand)]
pub(crate) enum GunCommand {
    /// Stop a gun now: it fires no further shot until a person resumes it.
    Stop(StopArguments),
}

/// Options of `gun stop`.
#[derive(Args, Debug)]
#[command(
    after_help = "It stops the next shot, never this one, and works whether the interlock is on or \
    not. `mesofleet-driver resume` lets the gun fire again."
)]
pub(crate) struct StopArguments {
    /// The serial number of the gun.
    #[arg(value_name = "SERIAL")]
    serial: String,
    /// Who stops it.
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Stops a gun.
pub(super) fn gun(command: &GunCommand) -> Result<ExitCode, Failure> {
    let GunCommand::Stop(arguments) = command;
    let serial = GunSerial::parse(&arguments.serial).context("SERIAL cannot be used")?;
    let folder = arguments.folder.folder()?;
    let body = InhibitGunBody {
        operator: arguments.operator.clone(),
        reason: arguments.reason.clone(),
    };
    let path = format!("/api/v1/guns/{serial}/inhibit");
    let gun: RoomGunBody = answered(client(&folder)?.post(&path, &body)?, &folder)?;
    print(arguments.json, &gun, || {
        let state = gun.interlock.as_ref().map(|it| it.state.as_str());
        format!("gun {}: {}", gun.serial, state.unwrap_or("told to stop"))
    })
}
