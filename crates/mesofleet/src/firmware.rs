//! `--firmware qemu`: the reference firmware of `firmware-bridge/firmware` in the place of the
//! emulated gun.

use std::io::{stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use meso_testkit::gun::plan::Plan;
use meso_testkit::qemu::{Page, QemuGun, QemuOptions, check_tools, play_gun};
use meso_units::GunSerial;

use crate::cli::{EmulateOptions, FirmwareName, FirmwareOptions, HabitName};

/// The image's name, as `firmware-bridge/firmware/build.sh` makes it.
const IMAGE: &str = "meso-gun-mps2.bin";

/// Demands that guns can be started.
///
/// # Errors
///
/// The image, QEMU or another program is missing; the message names the next step.
pub(crate) fn check(options: &FirmwareOptions) -> anyhow::Result<()> {
    if options.firmware == FirmwareName::Qemu {
        check_tools(&image(options)?)?;
    }
    Ok(())
}

/// The image that was named, or the one beside this program.
fn image(options: &FirmwareOptions) -> anyhow::Result<PathBuf> {
    match &options.firmware_image {
        Some(image) => Ok(image.clone()),
        None => {
            let ours = std::env::current_exe().context("this program's own path is not known")?;
            Ok(ours.with_file_name(IMAGE))
        }
    }
}

/// Plays the gun until its standard input ends.
///
/// # Errors
///
/// The serial number is not one, an option does not apply, or QEMU cannot be started.
pub(crate) fn emulate(options: &EmulateOptions) -> anyhow::Result<ExitCode> {
    ensure!(
        options.fault.is_none(),
        "--fault breaks the emulated gun and does not apply to --firmware qemu"
    );
    ensure!(
        options.drift_ppm == 0,
        "--drift-ppm is of the emulated gun's clock and does not apply to --firmware qemu"
    );
    let mut page = Page::new(GunSerial::parse(&options.serial)?);
    // Its own sensors scatter by it; what a plan makes them feel comes with each shot.
    page.seed = options.seed as u32;
    page.senses_pressure = options.habit == HabitName::Burst;
    page.period_us = options.fire_every.map_or(0, |ms| ms * 1_000);
    let key = crate::link_key::read(options.key_file.as_deref())?;
    page.key = key.map(|key| *key.expose());
    let (folder, name) = options.port();
    let plan = || Plan::new(options.seed, options.habit.into(), options.breach.into());
    let plan = options.fire_every.is_none().then(plan);
    let mut gun = QemuGun::start(QemuOptions {
        image: image(&options.firmware)?,
        port: folder.join(name),
        log: options.log.clone(),
        page,
    })?;
    play_gun(&mut gun, plan, stdin(), stdout())?;
    Ok(ExitCode::SUCCESS)
}
