//! `mesofleet gun emulate --profile`: an emulated gun that does not speak the meso link.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use meso_config::guns::{GunProfile, ProfileKind};
use meso_testkit::gun::process::{GunCommand, GunNotice, RING_SHOTS_MAX};
use meso_testkit::modbus::{ModbusGun, ModbusGunOptions, RtuPort};
use meso_testkit::text_line::{TextGun, TextGunOptions};
use meso_units::GunSerial;

use crate::cli::EmulateOptions;

/// A gun of either language.
enum Gun {
    Modbus(ModbusGun),
    TextLine(TextGun),
}

impl Gun {
    fn fire(&self) -> std::io::Result<()> {
        match self {
            Gun::Modbus(gun) => gun.fire().map(|_| ()),
            Gun::TextLine(gun) => gun.fire(),
        }
    }

    fn stop_firing(&self) -> u64 {
        match self {
            Gun::Modbus(gun) => gun.stop_firing(),
            Gun::TextLine(gun) => gun.stop_firing(),
        }
    }
}

/// Plays the gun until its standard input ends.
///
/// # Errors
///
/// The profile cannot be used, or port or log cannot be had.
pub(crate) fn run(options: &EmulateOptions, profile: &Path) -> anyhow::Result<ExitCode> {
    let name = profile.display().to_string();
    let text = std::fs::read_to_string(profile).with_context(|| format!("cannot read {name}"))?;
    let profile = GunProfile::parse(&name, &text)?;
    let gun = start(options, profile)?;
    let (folder, name) = options.port();
    let notice = GunNotice::Ready {
        serial: options.serial.clone(),
        port: folder.join(name),
    };
    tell(&notice)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(GunCommand::Trigger) => gun.fire()?,
            Ok(GunCommand::Stop) => {
                let fired = gun.stop_firing();
                tell(&GunNotice::Stopped { fired })?;
            }
            // Nobody asks its operator for anything.
            Ok(GunCommand::Continue) => {}
            Err(error) => bail!("control line {line:?} is not a command: {error}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn start(options: &EmulateOptions, profile: GunProfile) -> anyhow::Result<Gun> {
    let serial = GunSerial::parse(&options.serial)?;
    let (folder, name) = options.port();
    let port = RtuPort { folder, name };
    let fire_every = options
        .fire_every
        .map(|ms| Duration::from_millis(u64::from(ms)));
    Ok(match profile.kind {
        ProfileKind::Modbus(profile) => {
            let options = ModbusGunOptions {
                serial,
                profile: *profile,
                log: options.log.clone(),
                seed: options.seed,
                ring_shots_max: u32::try_from(RING_SHOTS_MAX)?,
                fire_every,
            };
            Gun::Modbus(ModbusGun::start_rtu(options, port)?)
        }
        ProfileKind::TextLine(_) => Gun::TextLine(TextGun::start(TextGunOptions {
            serial,
            port,
            log: options.log.clone(),
            seed: options.seed,
            fire_every,
        })?),
        _ => bail!("a gun of the meso link is emulated without --profile"),
    })
}

fn tell(notice: &GunNotice) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(notice)?)?;
    Ok(output.flush()?)
}
