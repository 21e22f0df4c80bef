//! The tests of the workspace: the quick set, and everything.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::steps::{Counts, Outcome, Steps};
use crate::workspace::Workspace;
use crate::{browser, faults, firmware, packages, process, simulate, tools, web};

/// The feature of `tests/` that its slow targets require.
const FULL_FEATURE: &str = "full";

/// Runs the quick set of tests or all of them.
pub(crate) fn run(workspace: &Workspace, full: bool) -> Result<ExitCode> {
    announce(full);
    let mut steps = Steps::start();
    steps.step("format", |_| {
        process::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
        Ok(Outcome::Done)
    });
    steps.step("dashboards", |counts| dashboards(workspace, full, counts));
    steps.step("clippy", |_| {
        let mut clippy = workspace.cargo(&["clippy", "--workspace", "--all-targets"]);
        // The slow tests are checked here too, so that they cannot rot between full runs.
        clippy.args(["--features", "meso-tests/usb", "--", "-D", "warnings"]);
        process::run(&mut clippy)?;
        Ok(Outcome::Done)
    });
    steps.step("tests", |counts| {
        cargo_test(
            workspace.cargo(&["test", "--workspace", "--tests", "--no-fail-fast"]),
            counts,
        )
    });
    if full {
        full_steps(workspace, &mut steps);
    }
    Ok(steps.finish())
}

fn announce(full: bool) {
    if full {
        println!(
            "cargo xtask test --full: fetches crates and npm packages; installs Debian's chromium,\n\
             gcc-arm-none-eabi and qemu-system-arm where they are missing; unpacks promtool, influxd,\n\
             mosquitto, Alertmanager, aiosmtpd and libfaketime and builds cargo-deny into the cache folder. From nothing it takes some tens of minutes\n\
             on two cores, later some minutes."
        );
    } else {
        println!(
            "cargo xtask test: installs nothing on the system; fetches crates and npm packages.\n\
             The first time takes some minutes on two cores, later times a few."
        );
    }
}

fn full_steps(workspace: &Workspace, steps: &mut Steps) {
    steps.step("docs", |_| {
        let mut doc = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
        process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
        Ok(Outcome::Done)
    });
    steps.step("doctests", |counts| {
        cargo_test(
            workspace.cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]),
            counts,
        )
    });
    steps.step("licences", |_| tools::check_licences(workspace));
    steps.step("advisories", |_| tools::check_advisories(workspace));
    steps.step("simulation", |_| {
        simulate::run(workspace, &simulate::Arguments::full())?;
        Ok(Outcome::Done)
    });
    steps.step("end to end", |counts| end_to_end(workspace, counts));
    steps.step("faults", |_| {
        faults::run(workspace, &faults::Arguments::default())?;
        Ok(Outcome::Done)
    });
    steps.step("browser", |counts| browser::check(workspace, counts));
}

fn dashboards(workspace: &Workspace, full: bool, counts: &mut Counts) -> Result<Outcome> {
    if !full && !web::npm_is_there() {
        let note = "node or npm is missing: the dashboards were NOT checked";
        return Ok(Outcome::Note(note.to_owned()));
    }
    let built = web::build(workspace)?;
    if !built {
        // A build has checked already.
        web::script(workspace, "check", &[], counts)?;
    }
    if web::script(workspace, "test", &[], counts)? {
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Note(
        "the dashboards declare no unit tests".to_owned(),
    ))
}

pub(crate) fn cargo_test(mut command: Command, counts: &mut Counts) -> Result<Outcome> {
    process::run_watched(&mut command, |line| counts.add_line(line))?;
    Ok(Outcome::Done)
}

/// The targets of `tests/` that only the full set runs, with the programs that they start.
fn end_to_end(workspace: &Workspace, counts: &mut Counts) -> Result<Outcome> {
    let targets = full_targets(workspace)?;
    if targets.is_empty() {
        return Ok(Outcome::Note(
            "tests/ declares no target with the feature full".to_owned(),
        ));
    }
    workspace.build_programs()?;
    tools::influxd(workspace)?;
    tools::mosquitto(workspace)?;
    tools::alertmanager(workspace)?;
    tools::mail_sink(workspace)?;
    firmware::command(workspace)?;
    packages::qemu()?;
    let mut test = workspace.cargo(&["test", "--workspace", "--no-fail-fast", "--features"]);
    test.arg(format!("meso-tests/{FULL_FEATURE}"));
    for target in &targets {
        test.args(["--test", target]);
    }
    test.env("PATH", process::path_with(&tools::promtool(workspace)?)?);
    cargo_test(test, counts)
}

/// The names of the test targets of `tests/` that require the feature `full`.
fn full_targets(workspace: &Workspace) -> Result<Vec<String>> {
    let mut metadata = workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&process::output(&mut metadata)?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let package = packages
        .iter()
        .find(|package| package["name"] == "meso-tests")
        .context("the workspace has no package meso-tests")?;
    let targets = package["targets"]
        .as_array()
        .context("meso-tests has no targets")?;
    let is_full = |target: &&serde_json::Value| {
        let has = |key: &str, word: &str| {
            let words = target[key].as_array();
            words.is_some_and(|words| words.iter().any(|it| it == word))
        };
        has("kind", "test") && has("required-features", FULL_FEATURE)
    };
    let names = targets
        .iter()
        .filter(is_full)
        .filter_map(|target| target["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}
