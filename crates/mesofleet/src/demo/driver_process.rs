//! The driver as a process of its own, started again whenever it dies.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};

/// How often the supervisor looks whether the driver still lives.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a driver may take to leave when it is asked to.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// Starts after which the demonstration gives up: a driver that dies so often is broken.
const START_COUNT_MAX: u32 = 100;

/// Keeps one driver process alive until it is told to stop.
#[derive(Debug)]
pub(crate) struct DriverProcess {
    stop: Sender<()>,
    supervisor: Option<JoinHandle<anyhow::Result<()>>>,
}

impl DriverProcess {
    /// Starts `mesofleet-driver run --config CONFIG` and watches over it.
    ///
    /// # Errors
    ///
    /// The program is not there, or cannot be started.
    pub(crate) fn start(config: &Path, log: &Path) -> anyhow::Result<DriverProcess> {
        let program = program_beside_us("mesofleet-driver")?;
        let start = Start {
            program,
            config: config.to_owned(),
            log: log.to_owned(),
        };
        let first = start.spawn()?;
        let (stop, stopped) = channel();
        let supervisor = std::thread::Builder::new()
            .name("driver-supervisor".into())
            .spawn(move || supervise(&start, first, &stopped))?;
        Ok(DriverProcess {
            stop,
            supervisor: Some(supervisor),
        })
    }

    /// Asks the driver to leave and waits for it.
    ///
    /// # Errors
    ///
    /// The driver could not be kept alive, or did not leave in time.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.join()
    }

    fn join(&mut self) -> anyhow::Result<()> {
        // The supervisor may have given up already; its result says so.
        let _ = self.stop.send(());
        match self.supervisor.take() {
            Some(supervisor) => supervisor
                .join()
                .map_err(|_| anyhow!("the driver's supervisor panicked"))?,
            None => Ok(()),
        }
    }
}

impl Drop for DriverProcess {
    fn drop(&mut self) {
        // An early exit must leave no driver behind; its error has been reported by then.
        let _ = self.join();
    }
}

/// A program of ours that lies beside this one.
///
/// # Errors
///
/// It is not there; the message says how to build it.
pub(crate) fn program_beside_us(name: &str) -> anyhow::Result<PathBuf> {
    let ours = std::env::current_exe().context("this program's own path is not known")?;
    let program = ours.with_file_name(name);
    if !program.exists() {
        return Err(anyhow!(
            "{} is not there: build it with `cargo build --package {name}`",
            program.display()
        ));
    }
    Ok(program)
}

struct Start {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

impl Start {
    fn spawn(&self) -> anyhow::Result<Child> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        // A process group of its own: Ctrl-C reaches only us, and we end the sessions first.
        Command::new(&self.program)
            .arg("run")
            .arg("--config")
            .arg(&self.config)
            .arg("--stop-when-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))
    }
}

fn supervise(start: &Start, mut child: Child, stopped: &Receiver<()>) -> anyhow::Result<()> {
    let mut starts = 1;
    loop {
        match stopped.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return leave(child),
        }
        if let Some(status) = child.try_wait()? {
            if starts == START_COUNT_MAX {
                return Err(anyhow!(
                    "the driver died {starts} times, the last time with {status}: see {}",
                    start.log.display()
                ));
            }
            tracing::warn!(%status, "driver died, starting it again");
            child = start.spawn()?;
            starts += 1;
        }
    }
}

/// Closes the driver's standard input, which asks it to seal and leave.
fn leave(mut child: Child) -> anyhow::Result<()> {
    drop(child.stdin.take());
    wait_or_kill(child, LEAVE_WITHIN)
}

/// Waits for a process that was asked to leave; ends it by force when it takes too long.
///
/// # Errors
///
/// The process cannot be waited for.
pub(crate) fn wait_or_kill(mut child: Child, within: Duration) -> anyhow::Result<()> {
    let (done, left) = channel();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    let waiter = std::thread::spawn(move || {
        let status = child.wait();
        // The receiver is gone only after the deadline, and then nobody asks.
        let _ = done.send(());
        status
    });
    if left.recv_timeout(within).is_err() {
        // It may have left in this very moment.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    waiter
        .join()
        .map_err(|_| anyhow!("waiting for a process panicked"))??;
    Ok(())
}
