//! A clinic on loopback for tests and benchmarks: the real server and the real drivers as
//! processes, with folders of ports between them and emulated guns.
//!
//! Whoever made it ends it: every process here dies with its handle.

mod driver;
mod events;
mod release;
mod server;
mod truth;
mod usage;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

pub use driver::{Driver, DriverOptions};
pub use events::{EventStream, now_ms, since_ms};
pub use release::{PROTOCOL, Release, open_session};
pub use server::{Server, ServerOptions};
pub use truth::{Comparison, Stored, compare};
pub use usage::{CpuTime, Memory, load};
pub use webhook::{Received, Webhook};

/// The clinic of a sandbox.
pub const CLINIC: &str = "example-clinic";
/// Far above anything that happens here; only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where our programs lie.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The programs that lie beside this one, or a folder above it, as cargo puts them.
    ///
    /// # Errors
    ///
    /// They are not there; the message says how to build them.
    pub fn beside_us() -> anyhow::Result<Programs> {
        let ours = std::env::current_exe().context("this program's own path is not known")?;
        for folder in ours.ancestors().skip(1).take(2) {
            let all = ["mesofleet", "mesofleet-driver"];
            if all.iter().all(|name| folder.join(name).is_file()) {
                let folder = folder.to_owned();
                return Ok(Programs { folder });
            }
        }
        bail!(
            "the programs are not beside {}; build them with `cargo build --bins --package \
             mesofleet --package mesofleet-driver` in the same profile",
            ours.display()
        )
    }

    /// As [`Programs::beside_us`], after a build, so that what is tested is what is there.
    ///
    /// # Errors
    ///
    /// The build fails.
    pub fn built() -> anyhow::Result<Programs> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--bins"])
            .args(["--package", "mesofleet", "--package", "mesofleet-driver"])
            .current_dir(crate::root())
            .status()
            .context("cannot start cargo")?;
        if !built.success() {
            bail!("the programs do not build");
        }
        Programs::beside_us()
    }

    /// The path of a program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A program that the kernel kills with the thread that starts it, so that none is left over
    /// where this process is ended by force.
    pub fn command(&self, name: &str) -> Command {
        // Part of every Debian; it becomes the program.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(self.path(name));
        command
    }
}

/// Folders, and a running server. Drivers are started on it, guns are put into its folders.
#[derive(Debug)]
pub struct Sandbox {
    programs: Programs,
    folder: TempDir,
    /// The server.
    pub server: Server,
}

impl Sandbox {
    /// Makes the folders and starts the server.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub fn start(programs: Programs) -> anyhow::Result<Sandbox> {
        Sandbox::start_with(programs, &ServerOptions::default())
    }

    /// As [`Sandbox::start`], on a broker that runs already; `lines` are further lines of the
    /// section `[broker]`. Those of a driver stand first in [`DriverOptions::extra`].
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub fn start_on(
        programs: Programs,
        broker: SocketAddr,
        lines: &str,
    ) -> anyhow::Result<Sandbox> {
        let options = ServerOptions {
            broker: Some((broker, lines.to_owned())),
            ..ServerOptions::default()
        };
        Sandbox::start_with(programs, &options)
    }

    /// As [`Sandbox::start`], with a server that is told more.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub fn start_with(programs: Programs, options: &ServerOptions) -> anyhow::Result<Sandbox> {
        let folder = tempfile::Builder::new()
            .prefix("mesofleet-sandbox-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let server = Server::start(&programs, &folder.path().join("server"), options)?;
        Ok(Sandbox {
            programs,
            folder,
            server,
        })
    }

    /// A folder of this sandbox, made where it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Starts a driver of that name on its folder of ports, `ports-NAME`, and waits until it
    /// answers.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start_driver(&self, name: &str) -> anyhow::Result<Driver> {
        Driver::start(&self.programs, self.driver_options(name)?)
    }

    /// As [`Sandbox::start_driver`], with other options than those of
    /// [`Sandbox::driver_options`].
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start_driver_with(&self, options: DriverOptions) -> anyhow::Result<Driver> {
        Driver::start(&self.programs, options)
    }

    /// What a driver of that name is told: its folder of ports is `ports-NAME`.
    ///
    /// # Errors
    ///
    /// Its folders cannot be made.
    pub fn driver_options(&self, name: &str) -> anyhow::Result<DriverOptions> {
        Ok(DriverOptions {
            name: name.to_owned(),
            data: self.folder(&format!("driver-{name}"))?,
            ports: self.folder(&format!("ports-{name}"))?,
            broker: self.server.broker(),
            clock_trusted_after: "date",
            extra: String::new(),
            environment: Vec::new(),
        })
    }

    /// Starts a server that has ended on what it has stored; it listens elsewhere then.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub fn start_server_again(&mut self, options: &ServerOptions) -> anyhow::Result<()> {
        self.server = Server::start(&self.programs, &self.folder.path().join("server"), options)?;
        Ok(())
    }

    /// The programs that it runs.
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Ends the server and reads what it holds.
    ///
    /// # Errors
    ///
    /// It does not end well, or its store cannot be read.
    pub fn stop_and_read(&mut self) -> anyhow::Result<Stored> {
        self.server.stop()?;
        Stored::read(&self.folder.path().join("server"))
    }
}

/// Looks until `done` says so.
///
/// # Errors
///
/// It takes longer than [`PATIENCE`]; `what` says what was waited for.
pub fn wait_until(what: &str, done: impl FnMut() -> bool) -> anyhow::Result<()> {
    wait_within(PATIENCE, what, done)
}

/// As [`wait_until`], with a patience of its own.
///
/// # Errors
///
/// It takes longer.
pub fn wait_within(
    patience: Duration,
    what: &str,
    mut done: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    while !done() {
        if began.elapsed() > patience {
            bail!("{what}: not within {} s", patience.as_secs());
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    Ok(())
}

/// Asks a process to leave and waits for it; ends it by force when it takes too long.
fn leave(child: &mut Child) -> anyhow::Result<()> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    // It may have left by itself.
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
    let mut status = None;
    let left = wait_until("the program leaves", || {
        status = child.try_wait().ok().flatten();
        status.is_some()
    });
    if left.is_err() {
        child.kill()?;
        child.wait()?;
    }
    left?;
    match status {
        Some(status) if status.success() => Ok(()),
        status => bail!("the program left with {status:?}"),
    }
}

fn end_by_force(child: &mut Child) {
    // Nothing is left to do where it is gone already.
    let _ = child.kill();
    let _ = child.wait();
}
