//! Set-up, tests and demo of this workspace: `cargo xtask help` lists the commands.
//!
//! Each command says first what it will install and how long it takes, then does all of it. It is
//! **not** part of the product: nothing that a clinic runs depends on it.

mod bench;
mod browser;
mod faults;
mod firmware;
mod fuzz;
mod golden;
mod packages;
mod process;
mod simulate;
mod steps;
mod suite;
mod tools;
mod usb;
mod web;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Set-up, tests and demo of this workspace.
#[derive(Subcommand)]
enum Command {
    /// Build everything and run `mesofleet demo` with the arguments after `--`.
    Demo {
        /// Arguments of `mesofleet demo`, such as `--for 20s --guns 4`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run the quick set of tests, or all of them, or a job that neither has.
    #[command(args_conflicts_with_subcommands = true)]
    Test {
        /// Everything: also docs, licences, end-to-end and browser checks.
        #[arg(long)]
        full: bool,
        #[command(subcommand)]
        job: Option<Job>,
    },
    /// Build the reference firmware for QEMU, beside the programs.
    Firmware,
    /// Build the dashboards into dashboards/web/dist.
    Web {
        /// Only say whether what is built there is current.
        #[arg(long)]
        check: bool,
    },
    /// Install what the other commands need, without running them.
    Setup {
        /// Also what only `test --full` needs.
        #[arg(long)]
        full: bool,
    },
    /// Fuzz the link in C and in Rust; it says what it has tried, and exits 1 after a crash.
    Fuzz {
        /// How many inputs each target is given.
        #[arg(long, default_value_t = fuzz::RUNS_DEFAULT)]
        runs: u64,
        /// One target: c-decoder, c-gun, rust-decoder, rust-gun or rust-host.
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
    },
    /// Measure something with optimised programs.
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Kill the driver at seeded moments, and compare what the guns fired with what is stored.
    KillDriver {
        /// How many moments.
        #[arg(long, default_value_t = 100, value_name = "N")]
        moments: u32,
        /// Decides the moments.
        #[arg(long, default_value_t = 1, value_name = "S")]
        seed: u64,
    },
    /// Do every fault to real programs while guns fire, and compare what was fired with what is
    /// stored.
    Faults(faults::Arguments),
    /// Run the whole way of a shot under a seeded scheduler, with faults.
    Simulate(simulate::Arguments),
    /// Write the golden files anew from what the code gives today.
    Golden,
}

/// Tests that are slower than their use in each run.
#[derive(Subcommand)]
enum Job {
    /// The driver on an emulated computer with a real USB stack: enumeration, unplug, re-plug.
    Usb,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Demo { arguments } => demo(&workspace, &arguments),
        Command::Test {
            job: Some(Job::Usb),
            ..
        } => usb::run(&workspace),
        Command::Test { full, job: None } => suite::run(&workspace, full),
        Command::Web { check: true } => web::check(&workspace).map(|()| ExitCode::SUCCESS),
        Command::Web { check: false } => web::build(&workspace).map(|_| ExitCode::SUCCESS),
        Command::Setup { full } => setup(&workspace, full),
        Command::Firmware => firmware::command(&workspace).map(|()| ExitCode::SUCCESS),
        Command::Fuzz { runs, only } => fuzz::run(&workspace, runs, only.as_deref()),
        Command::Bench { bench } => bench::run(&workspace, bench).map(|()| ExitCode::SUCCESS),
        Command::KillDriver { moments, seed } => {
            bench::kill_driver(&workspace, moments, seed).map(|()| ExitCode::SUCCESS)
        }
        Command::Faults(arguments) => {
            faults::run(&workspace, &arguments).map(|()| ExitCode::SUCCESS)
        }
        Command::Simulate(arguments) => {
            simulate::run(&workspace, &arguments).map(|()| ExitCode::SUCCESS)
        }
        Command::Golden => golden::update(&workspace).map(|()| ExitCode::SUCCESS),
    }
}

/// Builds what the demo needs and becomes the demo.
fn demo(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    println!(
        "cargo xtask demo: installs nothing on the system. It fetches crates and npm packages,\n\
         builds the dashboards and three programs, then starts. The first time takes some\n\
         minutes on two cores, later times seconds. Only `--firmware qemu` installs Debian\n\
         packages, where they are missing: gcc-arm-none-eabi (51 MB) and qemu-system-arm (16 MB)."
    );
    web::build(workspace)?;
    workspace.build_programs()?;
    if firmware::is_wanted(arguments) {
        firmware::command(workspace)?;
        packages::qemu()?;
    }
    let mut demo = std::process::Command::new(workspace.binary("mesofleet")?);
    demo.arg("demo").args(arguments);
    process::become_or_run(&mut demo)
}

/// Installs everything, says what.
fn setup(workspace: &Workspace, full: bool) -> Result<ExitCode> {
    println!(
        "cargo xtask setup: fetches crates and npm packages{}",
        if full {
            ", Chromium, promtool, influxd, mosquitto, libfaketime, cargo-deny, QEMU and a C compiler \
             for Arm."
        } else {
            "."
        }
    );
    process::run(&mut workspace.cargo(&["fetch", "--locked"]))?;
    web::install(workspace)?;
    if full {
        packages::chromium()?;
        tools::promtool(workspace)?;
        tools::influxd(workspace)?;
        tools::mosquitto(workspace)?;
        tools::alertmanager(workspace)?;
        tools::mail_sink(workspace)?;
        tools::libfaketime(workspace)?;
        tools::cargo_deny(workspace)?;
        packages::arm_compiler()?;
        packages::qemu()?;
    }
    Ok(ExitCode::SUCCESS)
}
