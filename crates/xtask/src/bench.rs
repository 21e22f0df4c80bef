//! Benchmarks and long runs of fault tests, as a developer starts them.

use std::ffi::OsString;

use anyhow::Result;
use clap::Subcommand;

use crate::workspace::Workspace;
use crate::{process, tools};

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Processor time, memory and latencies of the driver daemon, with emulated guns.
    Driver {
        /// Arguments of the benchmark, such as `--latency` or `--guns 8 --seconds 10`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// From a breach to the event stream, with every rule of a protocol; or an alert storm.
    Alerts {
        /// Arguments of the benchmark, such as `--seconds 10` or `--breach-one-in 1`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Memory of the server while a backlog of thousands of guns arrives over Mosquitto.
    Bus {
        /// Arguments of the benchmark, such as `--guns 3000 --shots 5000000`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The limit engine: shots a second on one core, and bytes of an open session.
    Limits,
    /// The stores: rates as they grow, the start of a full one, a backlog through all programs into
    /// either.
    Store {
        /// Shots to grow to, in millions.
        #[arg(long, default_value_t = 5, value_name = "N")]
        grow_millions: u32,
        /// Shots of the store whose start is measured, in millions.
        #[arg(long, default_value_t = 10, value_name = "N")]
        start_millions: u32,
        /// Shots of the backlog.
        #[arg(long, default_value_t = 1_000_000, value_name = "N")]
        backlog_shots: u32,
    },
}

/// Builds what is measured, optimised, and measures it.
pub(crate) fn run(workspace: &Workspace, bench: Bench) -> Result<()> {
    match bench {
        Bench::Driver { arguments } => driver(workspace, &arguments),
        Bench::Alerts { arguments } => alerts(workspace, &arguments),
        Bench::Bus { arguments } => bus(workspace, &arguments),
        Bench::Limits => limits(workspace),
        Bench::Store {
            grow_millions,
            start_millions,
            backlog_shots,
        } => store(workspace, grow_millions, start_millions, backlog_shots),
    }
}

fn driver(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    println!(
        "cargo xtask bench driver: installs nothing. It builds the programs with optimisation,\n\
         which takes some minutes the first time, and measures for a minute. Leave the computer\n\
         alone meanwhile."
    );
    on_programs(workspace, "bench-driver", arguments)
}

fn alerts(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    println!(
        "cargo xtask bench alerts: installs nothing. It builds the programs with optimisation,\n\
         which takes some minutes the first time, and measures for a minute. Leave the computer\n\
         alone meanwhile."
    );
    on_programs(workspace, "bench-alerts", arguments)
}

fn bus(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    println!(
        "cargo xtask bench bus: unpacks Debian's mosquitto into the cache folder. It builds the\n\
         programs with optimisation, which takes some minutes the first time, and measures for\n\
         some minutes; temporary files take some GB. Leave the computer alone meanwhile."
    );
    tools::mosquitto(workspace)?;
    on_programs(workspace, "bench-bus", arguments)
}

/// Builds the programs and what measures them, optimised, and measures.
fn on_programs(workspace: &Workspace, bench: &str, arguments: &[OsString]) -> Result<()> {
    // One build for all, so that the programs do not differ from those that are tested.
    let mut build = workspace.cargo(&["build", "--release", "--features", "meso-tests/full"]);
    for package in ["mesofleet", "mesofleet-driver", "meso-tests"] {
        build.args(["--package", package]);
    }
    process::run(build.arg("--bins"))?;
    let mut run = workspace.cargo(&["run", "--quiet", "--release", "--package", "meso-tests"]);
    run.args(["--features", "meso-tests/full", "--bin", bench, "--"]);
    process::run(run.args(arguments))
}

fn limits(workspace: &Workspace) -> Result<()> {
    println!(
        "cargo xtask bench limits: installs nothing. It builds one crate with optimisation and\n\
         measures for some seconds; 1 GB of memory. Leave the computer alone meanwhile."
    );
    let bench = ["bench", "--package", "meso-limits", "--bench", "engine"];
    process::run(&mut workspace.cargo(&bench))
}

fn store(workspace: &Workspace, grow: u32, start: u32, backlog: u32) -> Result<()> {
    println!(
        "cargo xtask bench store: unpacks Debian's influxd into the cache folder. It builds with\n\
         optimisation, which takes some minutes the first time, and measures for some minutes;\n\
         temporary files take some GB. Leave the computer alone meanwhile."
    );
    tools::influxd(workspace)?;
    for (case, millions) in [("grow", grow), ("start", start)] {
        let mut bench = workspace.cargo(&["bench", "--package", "meso-store", "--bench", "store"]);
        process::run(bench.args(["--", case, &millions.to_string()]))?;
    }
    let arguments = ["--shots".into(), backlog.to_string().into()];
    on_programs(workspace, "bench-backlog", &arguments)
}

/// Kills the driver at so many seeded moments and compares guns and server afterwards.
pub(crate) fn kill_driver(workspace: &Workspace, moments: u32, seed: u64) -> Result<()> {
    println!("cargo xtask kill-driver: installs nothing; about a second a moment.");
    let mut test = workspace.cargo(&["test", "--package", "meso-tests", "--features", "full"]);
    test.args(["--test", "faults", "--", "--nocapture", "kills::"])
        .env("MESOFLEET_KILL_MOMENTS", moments.to_string())
        .env("MESOFLEET_KILL_SEED", seed.to_string());
    process::run(&mut test)
}
