//! `mesofleet broker`: what a broker must be told that is not ours.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Subcommand;
use meso_contract::permissions::mosquitto_acl;
use meso_units::{ClinicId, DriverId};

/// What a broker must be told that is not ours.
#[derive(Debug, Subcommand)]
pub enum BrokerCommand {
    /// Print Mosquitto's file of permissions: the ingest and these drivers, nobody else.
    Acl {
        /// A driver, as CLINIC/DRIVER; once for each.
        #[arg(long, value_name = "CLINIC/DRIVER", value_parser = driver_of_clinic)]
        driver: Vec<(ClinicId, DriverId)>,
    },
}

/// Runs it.
///
/// # Errors
///
/// None so far.
pub fn run(command: &BrokerCommand) -> anyhow::Result<ExitCode> {
    let BrokerCommand::Acl { driver } = command;
    // A reader that has seen enough, such as `head`, is no error.
    let _ = std::io::stdout().write_all(mosquitto_acl(driver).as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn driver_of_clinic(text: &str) -> Result<(ClinicId, DriverId), String> {
    let (clinic, driver) = text
        .split_once('/')
        .ok_or("write CLINIC/DRIVER, such as example-clinic/room-1")?;
    let clinic = ClinicId::parse(clinic).map_err(|error| error.to_string())?;
    let driver = DriverId::parse(driver).map_err(|error| error.to_string())?;
    Ok((clinic, driver))
}
