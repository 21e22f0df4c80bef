//! The emulated guns, each a process of its own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use meso_testkit::gun::process::GunCommand;
use meso_units::GunSerial;

use super::driver_process::wait_or_kill;
use crate::cli::{BreachName, DemoOptions, FirmwareName, FirmwareOptions, HabitName};

/// How long a gun process may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// What one gun of the demonstration is.
#[derive(Clone, Debug)]
pub(crate) struct GunPlan {
    pub(crate) serial: GunSerial,
    pub(crate) habit: HabitName,
    pub(crate) breach: BreachName,
    pub(crate) seed: u64,
    pub(crate) drift_ppm: i32,
}

/// Who does what: the first three breach a limit, the last of four or more waits for the page.
///
/// # Errors
///
/// Never in practice: the serial numbers are well formed.
pub(crate) fn plans(options: &DemoOptions) -> anyhow::Result<Vec<GunPlan>> {
    let habits = [
        HabitName::Nappage,
        HabitName::Burst,
        HabitName::PointByPoint,
    ];
    let breaches = [
        BreachName::TooDeep,
        BreachName::TooFast,
        BreachName::TooMuch,
    ];
    (0..options.guns)
        .map(|index| {
            let waits = options.guns > 1 && index + 1 == options.guns;
            let breach = breaches
                .get(usize::from(index))
                .copied()
                .unwrap_or(BreachName::None);
            let injected = options.injects_breaches() && !waits;
            Ok(GunPlan {
                serial: GunSerial::parse(&format!("GUN-{:04}", index + 1))?,
                habit: if waits {
                    HabitName::WaitForTrigger
                } else {
                    habits[usize::from(index) % 3]
                },
                breach: if injected { breach } else { BreachName::None },
                seed: options
                    .seed
                    .wrapping_mul(1_000)
                    .wrapping_add(u64::from(index)),
                drift_ppm: i32::from(index % 9) * 10 - 40,
            })
        })
        .collect()
}

/// The end of a gun to which commands go; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct GunCommands {
    serial: GunSerial,
    // Held only while one line is written, so that lines never mix.
    stdin: Arc<Mutex<Option<ChildStdin>>>,
}

impl GunCommands {
    /// Writes one command.
    ///
    /// # Errors
    ///
    /// The gun process is gone.
    pub(crate) fn send(&self, command: &GunCommand) -> anyhow::Result<()> {
        let line = serde_json::to_string(command)?;
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = stdin
            .as_mut()
            .ok_or_else(|| anyhow!("gun {} has left", self.serial))?;
        writeln!(pipe, "{line}")
            .and_then(|()| pipe.flush())
            .with_context(|| format!("gun {} does not listen any more", self.serial))
    }

    fn close(&self) {
        self.stdin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// A gun process and what it says.
#[derive(Debug)]
pub(crate) struct GunProcess {
    pub(crate) plan: GunPlan,
    pub(crate) log: PathBuf,
    pub(crate) commands: GunCommands,
    child: Option<Child>,
}

impl GunProcess {
    /// Starts the gun; each line that it says comes out of the receiver.
    ///
    /// # Errors
    ///
    /// The process cannot be started.
    pub(crate) fn start(
        plan: GunPlan,
        firmware: &FirmwareOptions,
        ports: &Path,
        logs: &Path,
    ) -> anyhow::Result<(GunProcess, Receiver<String>)> {
        let log = logs.join(format!("{}.jsonl", plan.serial));
        let ours = std::env::current_exe().context("this program's own path is not known")?;
        let mut child = Command::new(ours)
            .args(["gun", "emulate", "--serial", plan.serial.as_str()])
            .arg("--ports")
            .arg(ports)
            .arg("--log")
            .arg(&log)
            .args(["--seed", &plan.seed.to_string()])
            .args(["--habit", &value_name(plan.habit)])
            .args(["--breach", &value_name(plan.breach)])
            .args(firmware_arguments(firmware, &plan))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start an emulated gun")?;
        let stdin = Arc::new(Mutex::new(child.stdin.take()));
        let commands = GunCommands {
            serial: plan.serial.clone(),
            stdin,
        };
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| anyhow!("the gun has no output"))?;
        let (sender, lines) = channel();
        std::thread::Builder::new()
            .name(format!("{}-says", plan.serial))
            .spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            })?;
        Ok((
            GunProcess {
                plan,
                log,
                commands,
                child: Some(child),
            },
            lines,
        ))
    }

    /// Lets the gun leave, by the end of its input.
    ///
    /// # Errors
    ///
    /// The process cannot be waited for.
    pub(crate) fn leave(mut self) -> anyhow::Result<()> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.commands.close();
        match self.child.take() {
            Some(child) => wait_or_kill(child, LEAVE_WITHIN),
            None => Ok(()),
        }
    }
}

impl Drop for GunProcess {
    fn drop(&mut self) {
        // An early exit must leave no gun behind.
        let _ = self.end();
    }
}

/// What tells a gun process what runs in it; only the emulated gun's clock has a drift to choose.
fn firmware_arguments(firmware: &FirmwareOptions, plan: &GunPlan) -> Vec<OsString> {
    match firmware.firmware {
        FirmwareName::Emulated => vec!["--drift-ppm".into(), plan.drift_ppm.to_string().into()],
        FirmwareName::Qemu => {
            let mut arguments = vec!["--firmware".into(), "qemu".into()];
            if let Some(image) = &firmware.firmware_image {
                arguments.extend(["--firmware-image".into(), image.into()]);
            }
            arguments
        }
    }
}

fn value_name(value: impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |possible| possible.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn planned(arguments: &[&str]) -> Vec<GunPlan> {
        let words = [&["mesofleet", "demo"], arguments].concat();
        let Command::Demo(options) = Cli::parse_from(words).command else {
            panic!("not a demo")
        };
        plans(&options).unwrap()
    }

    #[test]
    fn one_gun_is_too_deep_one_too_fast_one_too_much_and_the_last_waits() {
        let four = planned(&["--guns", "4"]);
        let breaches: Vec<BreachName> = four.iter().map(|plan| plan.breach).collect();
        assert_eq!(
            breaches,
            [
                BreachName::TooDeep,
                BreachName::TooFast,
                BreachName::TooMuch,
                BreachName::None
            ]
        );
        assert_eq!(four[3].habit, HabitName::WaitForTrigger);
        assert!(
            planned(&["--guns", "4", "--no-breach"])
                .iter()
                .all(|p| p.breach == BreachName::None)
        );
        assert_eq!(planned(&["--guns", "1"])[0].breach, BreachName::TooDeep);
    }

    #[test]
    fn every_gun_has_a_seed_of_its_own() {
        let mut seeds: Vec<u64> = planned(&["--guns", "32"])
            .iter()
            .map(|plan| plan.seed)
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 32);
    }
}
