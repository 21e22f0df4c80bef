//! The fault matrix: real programs, a real broker and a real database, and what is done to them.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{process, tools};

/// What `cargo xtask faults` takes; the program explains each.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// How many rounds of each fault. [default: 1]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// The seed of the first round; each further round has the next one. [default: 1]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Only these faults, with commas between them.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Rounds that run at once. [default: 6]
    #[arg(long, value_name = "N")]
    at_once: Option<usize>,
    /// Also write the table as JSON into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Say which faults there are, and what each does.
    #[arg(long)]
    list: bool,
}

/// Builds the programs of the tests' profile and runs the matrix.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    eprintln!(
        "cargo xtask faults: unpacks Debian's mosquitto, influxd and libfaketime into the cache\n\
         folder. It needs the right to mount small disks, and about 15 s a round, of which six\n\
         run at once."
    );
    tools::mosquitto(workspace)?;
    tools::influxd(workspace)?;
    tools::libfaketime(workspace)?;
    let mut build = workspace.cargo(&["build", "--quiet", "--features", "meso-tests/full"]);
    for package in ["mesofleet", "mesofleet-driver", "meso-tests"] {
        build.args(["--package", package]);
    }
    process::run(build.arg("--bins"))?;
    let mut matrix = workspace.cargo(&["run", "--quiet", "--package", "meso-tests"]);
    matrix.args([
        "--features",
        "meso-tests/full",
        "--bin",
        "fault-matrix",
        "--",
    ]);
    for (name, value) in [
        ("--rounds", arguments.rounds.map(|it| it.to_string())),
        ("--seed", arguments.seed.map(|it| it.to_string())),
        ("--only", arguments.only.clone()),
        ("--at-once", arguments.at_once.map(|it| it.to_string())),
    ] {
        matrix.args(value.iter().flat_map(|value| [name, value.as_str()]));
    }
    if let Some(file) = &arguments.json {
        matrix.arg("--json").arg(file);
    }
    if arguments.list {
        matrix.arg("--list");
    }
    process::run(&mut matrix)
}
