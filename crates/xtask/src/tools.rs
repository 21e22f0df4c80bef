//! Tools that only the full tests use; kept in the cache folder, never in the checkout.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
    unpacked(workspace, "promtool", &["prometheus"], "usr/bin", |path| {
        process::succeeds_within(Command::new(path).arg("--version"), VERSION_LIMIT)
    })
}

/// influxd 1.6.7, unpacked from Debian's package `influxdb`, whose service listens on every
/// interface. The tests find it in the cache folder.
pub(crate) fn influxd(workspace: &Workspace) -> Result<PathBuf> {
    unpacked(workspace, "influxd", &["influxdb"], "usr/bin", |path| {
        process::succeeds_within(Command::new(path).arg("version"), VERSION_LIMIT)
    })
}

/// Debian's mosquitto, unpacked with the libraries that a system may lack, so that its service does
/// not start. The tests find it in the cache folder.
pub(crate) fn mosquitto(workspace: &Workspace) -> Result<PathBuf> {
    let packages = [
        "mosquitto",
        "libcjson1",
        "libdlt2",
        "libnsl2",
        "libtirpc3",
        "libwrap0",
    ];
    unpacked(workspace, "mosquitto", &packages, "usr/sbin", |path| {
        // usr/sbin/mosquitto lies three levels below where everything was unpacked.
        let root = path.ancestors().nth(3).unwrap_or(path);
        let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = ["usr/lib", "lib"].map(|below| root.join(below).join(&architecture));
        let mut command = Command::new(path);
        command
            .arg("-h")
            .env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Its usage text ends with 3; a missing library with 127.
        Ok(command.status()?.code() == Some(3))
    })
}

/// Debian's Alertmanager, unpacked, since its service listens on every interface. The tests find it
/// in the cache folder.
pub(crate) fn alertmanager(workspace: &Workspace) -> Result<PathBuf> {
    let program = "prometheus-alertmanager";
    unpacked(workspace, program, &[program], "usr/bin", |path| {
        process::succeeds_within(Command::new(path).arg("--version"), VERSION_LIMIT)
    })
}

/// Debian's aiosmtpd, a mail server in Python, unpacked with the modules that it needs. The tests
/// find it in the cache folder.
pub(crate) fn mail_sink(workspace: &Workspace) -> Result<()> {
    let packages = ["python3-aiosmtpd", "python3-attr", "python3-public"];
    let folder = workspace.cache()?.join("tools").join(packages[0]);
    let modules = folder.join("usr/lib/python3/dist-packages");
    let works = || {
        let mut command = Command::new("python3");
        command
            .args(["-c", "import aiosmtpd.smtp"])
            .env("PYTHONPATH", &modules)
            .stderr(Stdio::null());
        process::succeeds_within(&mut command, VERSION_LIMIT)
    };
    if !modules.is_dir() || !works()? {
        packages::unpack(&packages, &folder)?;
    }
    if !works()? {
        bail!("python3 does not find aiosmtpd in {}", modules.display());
    }
    Ok(())
}

/// Debian's libfaketime, which gives a process a clock that can be set. The tests find it in the
/// cache folder.
pub(crate) fn libfaketime(workspace: &Workspace) -> Result<PathBuf> {
    let below = format!("usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    let library = "libfaketimeMT.so.1";
    unpacked(workspace, library, &["libfaketime"], &below, |path| {
        let mut command = Command::new("date");
        command
            .arg("+%Y")
            .env("LD_PRELOAD", path)
            .env("FAKETIME", "2001-02-03 04:05:06");
        Ok(process::output(&mut command)?.trim() == "2001")
    })
}

/// A program from the search path, or else unpacked from Debian's packages into the cache folder,
/// where it lies in the folder `below`; `works` says whether it runs.
fn unpacked(
    workspace: &Workspace,
    program: &str,
    packages: &[&str],
    below: &str,
    works: impl Fn(&Path) -> Result<bool>,
) -> Result<PathBuf> {
    if let Some(path) = process::find(&[program]) {
        return Ok(path);
    }
    let package = packages.first().copied().unwrap_or(program);
    let folder = workspace.cache()?.join("tools").join(package);
    let path = folder.join(below).join(program);
    if !path.is_file() || !works(&path)? {
        packages::unpack(packages, &folder)?;
    }
    if !works(&path)? {
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
