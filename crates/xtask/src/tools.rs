//! Tools that only the full tests use; kept in the cache folder, never in the checkout.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::steps::Outcome;
use crate::workspace::Workspace;
use crate::{packages, process};

/// The cargo-deny that is used; pinned, so that a new release cannot turn the tests red.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// How long a look at a tool's version may take.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// How long fetching the advisory database may take before it counts as out of reach.
const ADVISORIES_LIMIT: Duration = Duration::from_secs(120);

/// promtool, from the search path or unpacked from Debian's package `prometheus`, whose service
/// nobody wants started for a test.
pub(crate) fn promtool(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(path) = process::find(&["promtool"]) {
        return Ok(path);
    }
    let folder = workspace.cache()?.join("tools/prometheus");
    let path = folder.join("usr/bin/promtool");
    let works = || process::succeeds_within(Command::new(&path).arg("--version"), VERSION_LIMIT);
    if !path.is_file() || !works()? {
        packages::unpack("prometheus", &folder)?;
    }
    if !works()? {
        bail!("{} does not run", path.display());
    }
    Ok(path)
}

/// influxd 1.6.7, unpacked from Debian's package `influxdb`, whose service listens on every
/// interface. The tests find it in the cache folder.
pub(crate) fn influxd(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(path) = process::find(&["influxd"]) {
        return Ok(path);
    }
    let folder = workspace.cache()?.join("tools/influxdb");
    let path = folder.join("usr/bin/influxd");
    let works = || process::succeeds_within(Command::new(&path).arg("version"), VERSION_LIMIT);
    if !path.is_file() || !works()? {
        packages::unpack("influxdb", &folder)?;
    }
    if !works()? {
        bail!("{} does not run", path.display());
    }
    Ok(path)
}

/// cargo-deny, built into the cache folder if it is not there.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    let tools = workspace.cache()?.join("tools");
    let path = tools.join(format!("bin/cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() {
        let version = process::output(Command::new(&path).arg("--version"))?;
        if version.trim().ends_with(CARGO_DENY_VERSION) {
            return Ok(path);
        }
    }
    println!(
        "building cargo-deny {CARGO_DENY_VERSION} into {}, once",
        tools.display()
    );
    let build = tools.join("build");
    // A debug build without debug information: half the price, and the check takes seconds anyway.
    let mut install = workspace.cargo(&["install", "cargo-deny", "--locked", "--debug", "--force"]);
    install
        .args([
            "--version",
            CARGO_DENY_VERSION,
            "--no-default-features",
            "--root",
        ])
        .arg(&tools);
    install
        .env("CARGO_TARGET_DIR", &build)
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    process::run(&mut install)?;
    std::fs::remove_dir_all(&build)?;
    Ok(path)
}

/// Checks licences, banned crates and sources against deny.toml.
pub(crate) fn check_licences(workspace: &Workspace) -> Result<Outcome> {
    let mut check = Command::new(cargo_deny(workspace)?);
    check.current_dir(workspace.root());
    process::run(check.args(["check", "licenses", "bans", "sources"]))?;
    Ok(Outcome::Done)
}

/// Checks the crates against the public advisories, where their database can be had.
pub(crate) fn check_advisories(workspace: &Workspace) -> Result<Outcome> {
    let deny = cargo_deny(workspace)?;
    let mut fetch = Command::new(&deny);
    fetch.current_dir(workspace.root()).args(["fetch", "db"]);
    if !process::succeeds_within(&mut fetch, ADVISORIES_LIMIT)? {
        let note = "the advisory database cannot be fetched here: advisories were NOT checked";
        return Ok(Outcome::Note(note.to_owned()));
    }
    let mut check = Command::new(&deny);
    check.current_dir(workspace.root());
    process::run(check.args(["check", "--disable-fetch", "advisories"]))?;
    Ok(Outcome::Done)
}
