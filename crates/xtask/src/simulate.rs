//! The simulation of the way of a shot, built with optimisation.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask simulate` takes; `meso-simulation` explains each.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds, after the list of runs that found something once.
    #[arg(long, value_name = "N", conflicts_with = "seed")]
    seeds: Option<u64>,
    /// How many steps of each.
    #[arg(long, value_name = "K")]
    steps: Option<u64>,
    /// Only this seed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// The first seed of many.
    #[arg(long, value_name = "S", conflicts_with = "seed")]
    first: Option<u64>,
    /// Only these kinds of faults, with commas between them, or none.
    #[arg(long, value_name = "NAMES")]
    faults: Option<String>,
    /// Plant a mistake in the delivery path; the command fails when it is seen.
    #[arg(long, value_name = "NAME")]
    plant: Option<String>,
}

impl Arguments {
    /// What the full test run does: a thousand seeds of ten thousand steps.
    pub(crate) fn full() -> Arguments {
        Arguments {
            seeds: Some(1_000),
            steps: Some(10_000),
            ..Arguments::default()
        }
    }
}

/// Builds the simulation and runs it.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let mut simulate = workspace.cargo(&["run", "--profile", "simulation"]);
    simulate.args(["--package", "meso-simulation", "--bin", "simulate", "--"]);
    let numbers = [
        ("--seeds", arguments.seeds),
        ("--steps", arguments.steps),
        ("--seed", arguments.seed),
        ("--first", arguments.first),
    ];
    for (name, number) in numbers {
        simulate.args(
            number
                .into_iter()
                .flat_map(|n| [name.to_owned(), n.to_string()]),
        );
    }
    for (name, text) in [
        ("--faults", &arguments.faults),
        ("--plant", &arguments.plant),
    ] {
        simulate.args(text.iter().flat_map(|text| [name, text.as_str()]));
    }
    process::run(&mut simulate)
}
