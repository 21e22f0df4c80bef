//! Which cores processes run on.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Serialize;

/// How often it is tried: a thread that ends meanwhile makes it fail.
const TRIES_MAX: u32 = 20;

/// The cores of everything but the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cores {
    /// The first two, with the database.
    #[default]
    Both,
    /// The second.
    Second,
    /// The first.
    First,
}

impl Cores {
    /// The cores of the database, where everything else has these.
    pub(crate) const fn of_the_database(self) -> Cores {
        match self {
            Cores::Second => Cores::First,
            other => other,
        }
    }

    pub(crate) const fn says(self) -> &'static str {
        match self {
            Cores::Both => "all on two cores",
            Cores::Second => "influxd on one core, all else on the other",
            Cores::First => "on the first core",
        }
    }

    /// Holds a process, and what it starts from now on, to these cores.
    pub(crate) fn hold(self, process: u32) -> anyhow::Result<()> {
        let list = match self {
            Cores::Both => "0,1",
            Cores::Second => "1",
            Cores::First => "0",
        };
        for _ in 0..TRIES_MAX {
            let held = Command::new("taskset")
                .args(["--all-tasks", "--cpu-list", "--pid", list])
                .arg(process.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .context("cannot start taskset (Debian: util-linux)")?;
            if held.success() {
                return Ok(());
            }
        }
        bail!("process {process} cannot be held to cores {list}: two are needed")
    }
}
