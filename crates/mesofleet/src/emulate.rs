//! `mesofleet gun emulate`: one emulated gun behind a pseudo-terminal.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use meso_testkit::gun::plan::{Breach, Habit};
use meso_testkit::gun::process::{BenchOptions, GunOptions, run_bench_gun};
use meso_units::GunSerial;

use crate::cli::{BreachName, EmulateOptions, FirmwareName, HabitName};

impl From<HabitName> for Habit {
    fn from(name: HabitName) -> Habit {
        match name {
            HabitName::Nappage => Habit::Nappage,
            HabitName::PointByPoint => Habit::PointByPoint,
            HabitName::Burst => Habit::Burst,
            HabitName::WaitForTrigger => Habit::WaitForTrigger,
        }
    }
}

impl From<BreachName> for Breach {
    fn from(name: BreachName) -> Breach {
        match name {
            BreachName::None => Breach::None,
            BreachName::TooDeep => Breach::TooDeep,
            BreachName::TooFast => Breach::TooFast,
            BreachName::TooMuch => Breach::TooMuch,
        }
    }
}

/// Plays the gun until its standard input ends.
///
/// # Errors
///
/// The serial number is not one, or the port or the log cannot be used.
pub fn run(options: &EmulateOptions) -> anyhow::Result<ExitCode> {
    if let Some(profile) = &options.profile {
        return crate::emulate_profile::run(options, profile);
    }
    if options.firmware.firmware == FirmwareName::Qemu {
        return crate::firmware::emulate(options);
    }
    if let Some(fault) = options.fault.filter(|fault| fault.needs_key()) {
        ensure!(
            options.key_file.is_some(),
            "--fault {} breaks only a gun that holds a key: add --key-file FILE",
            fault.name()
        );
    }
    let bench = BenchOptions {
        fire_every: options
            .fire_every
            .map(|ms| Duration::from_millis(u64::from(ms))),
        fault: options.fault,
        key: crate::link_key::read(options.key_file.as_deref())?,
        link: options.link.clone(),
    };
    let options = GunOptions {
        serial: GunSerial::parse(&options.serial)?,
        ports_folder: options.port().0,
        log: options.log.clone(),
        seed: options.seed,
        habit: options.habit.into(),
        breach: options.breach.into(),
        drift_ppm: options.drift_ppm,
    };
    run_bench_gun(&options, &bench, std::io::stdin(), std::io::stdout())?;
    Ok(ExitCode::SUCCESS)
}
