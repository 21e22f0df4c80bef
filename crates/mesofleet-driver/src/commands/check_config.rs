//! `mesofleet-driver check-config`: what would be in force.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use meso_config::guns::GunMatch;
use meso_config::{DriverConfig, PortSource};
use meso_serial::ProfileRule;
use mesofleet_driver::{DriverError, Settings, broker_of};
use serde::Serialize;

use super::{ConfigArguments, Failure, print};

/// Options of `check-config`.
#[derive(Args, Debug)]
pub(crate) struct CheckConfigArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What would be in force.
#[derive(Debug, Serialize)]
struct InForce {
    config: String,
    driver: String,
    clinic: String,
    time_zone: String,
    data_dir: String,
    data_dir_exists: bool,
    ports_source: &'static str,
    ports_dir: Option<String>,
    ports_rescan_ms: u128,
    broker: String,
    room_http: String,
    block_shots_max: u16,
    block_open_ms_max: u128,
    journal_settled_bytes_max: i64,
    journal_settled_hours_min: u64,
    interlock_enabled: bool,
    interlock_until_session: bool,
    keys_folder: String,
    key_count: usize,
    only_authentic: bool,
    /// Which ports speak something else than the meso link.
    guns: Vec<String>,
    library_signers: Vec<String>,
    library_signatures_needed: u16,
    /// What is allowed and may surprise.
    remarks: Vec<String>,
}

/// Checks a configuration and prints what would be in force.
pub(super) fn check_config(arguments: CheckConfigArguments) -> Result<ExitCode, Failure> {
    let name = arguments.config.config.display().to_string();
    let settings = arguments.config.settings()?;
    let keys = settings.keys().map_err(|problems| {
        let error = DriverError::Keys { problems };
        Failure::Configuration(error.into())
    })?;
    broker_of(settings.config()).map_err(|error| Failure::Configuration(error.into()))?;
    let profiles = settings.profiles().map_err(|problems| {
        let error = DriverError::Profiles { problems };
        Failure::Configuration(error.into())
    })?;
    let found = InForce {
        guns: profiles.iter().map(gun_rule).collect(),
        ..in_force(name, &settings, keys.count())
    };
    print(arguments.json, &found, || text(&found))
}

fn in_force(name: String, settings: &Settings, key_count: usize) -> InForce {
    let config = settings.config();
    let (ports_source, ports_dir) = match &config.ports.source {
        PortSource::Folder(folder) => ("folder", Some(folder.as_path())),
        _ => ("enumerate", None),
    };
    InForce {
        config: name,
        driver: config.driver_id.to_string(),
        clinic: config.clinic_id.to_string(),
        time_zone: config.time_zone.to_string(),
        data_dir: absolute(&config.data_dir),
        data_dir_exists: config.data_dir.is_dir(),
        ports_source,
        ports_dir: ports_dir.map(absolute),
        ports_rescan_ms: config.ports.rescan.as_millis(),
        broker: config.broker.to_string(),
        room_http: config.room_http.to_string(),
        block_shots_max: config.blocks.shots_max,
        block_open_ms_max: config.blocks.open_max.as_millis(),
        journal_settled_bytes_max: meso_journal::SETTLED_BYTES_MAX,
        journal_settled_hours_min: config.journal.settled_min.as_secs() / 3_600,
        interlock_enabled: config.interlock.enabled,
        interlock_until_session: config.interlock.until_session,
        keys_folder: absolute(&settings.keys_folder()),
        key_count,
        only_authentic: config.link.only_authentic,
        guns: Vec::new(),
        library_signers: config
            .library
            .signers
            .iter()
            .map(ToString::to_string)
            .collect(),
        library_signatures_needed: config.library.signatures_needed,
        remarks: remarks(config, ports_dir),
    }
}

/// A rule in one line.
fn gun_rule(rule: &ProfileRule) -> String {
    let ports = match &rule.matches {
        GunMatch::Usb {
            vendor_id,
            product_id,
        } => format!("USB {vendor_id:04x}:{product_id:04x}"),
        GunMatch::Port(pattern) => format!("ports {pattern}"),
        GunMatch::Tcp(address) => format!("Modbus/TCP {address}"),
        _ => "other ports".to_owned(),
    };
    format!("{ports} by profile {}", rule.profile.name)
}

fn remarks(config: &DriverConfig, ports_dir: Option<&Path>) -> Vec<String> {
    let mut remarks = Vec::new();
    if config.data_dir.is_relative() {
        let remark = "driver.data_dir is relative: it depends on the folder in which the driver \
                      is started";
        remarks.push(remark.to_owned());
    }
    if config.data_dir.exists() && !config.data_dir.is_dir() {
        let folder = config.data_dir.display();
        remarks.push(format!(
            "{folder} is there and is no folder: the driver cannot start"
        ));
    }
    if let Some(folder) = ports_dir.filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        remarks.push(format!(
            "{folder} is not there now: no gun is found before it is"
        ));
    }
    if config.library.signers.is_empty() {
        let remark = "library.signers is empty: no protocol library comes into force, and its \
                      limits are not checkable";
        remarks.push(remark.to_owned());
    }
    remarks
}

fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    absolute.display().to_string()
}

fn text(it: &InForce) -> String {
    let ports = match &it.ports_dir {
        Some(folder) => format!("every link in {folder}"),
        None => "every USB serial port of this computer".to_owned(),
    };
    let signers = match it.library_signers.len() {
        0 => "none".to_owned(),
        count => format!(
            "{count}, of whom {} must sign",
            it.library_signatures_needed
        ),
    };
    let room = match it.room_http.rsplit_once(':') {
        Some((host, "0")) => format!("{host}, any free port"),
        _ => it.room_http.clone(),
    };
    let new = if it.data_dir_exists {
        ""
    } else {
        ", made at the first start"
    };
    let interlock = match (it.interlock_enabled, it.interlock_until_session) {
        (false, _) => "off",
        (true, false) => "on: a shot beyond a hard limit stops its gun",
        (true, true) => "on: a shot beyond a hard limit stops its gun, and so does no session",
    };
    let only = match it.only_authentic {
        true => "; guns without a key are refused",
        false => "",
    };
    let mut text = format!(
        "{} is in order. In force:\n\
         \x20 driver     {} of clinic {}, days of {}\n\
         \x20 data       {}{new}\n\
         \x20 ports      {ports}, looked at every {} ms\n\
         \x20 broker     {}\n\
         \x20 room       {room}\n\
         \x20 blocks     sealed at {} records or after {} ms\n\
         \x20 journal    forgets settled blocks above {} MiB after {} h, unsettled ones never\n\
         \x20 interlock  {interlock}\n\
         \x20 keys       {} in {}{only}\n\
         \x20 signers    {signers}\n",
        it.config,
        it.driver,
        it.clinic,
        it.time_zone,
        it.data_dir,
        it.ports_rescan_ms,
        it.broker,
        it.block_shots_max,
        it.block_open_ms_max,
        it.journal_settled_bytes_max / (1024 * 1024),
        it.journal_settled_hours_min,
        it.key_count,
        it.keys_folder,
    );
    for signer in &it.library_signers {
        text.push_str(&format!("             {signer}\n"));
    }
    for rule in &it.guns {
        text.push_str(&format!("  guns       {rule}\n"));
    }
    for remark in &it.remarks {
        text.push_str(&format!("note: {remark}\n"));
    }
    text
}
