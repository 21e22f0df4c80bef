//! `mesofleet-driver run`: the daemon itself.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use mesofleet_driver::{DriverError, Settings, Supervisor, run, terminated};
use tokio::sync::watch;
use tracing::Level;

use super::{ConfigArguments, Failure};

/// What an interrupt from the keyboard ends with.
const EXIT_INTERRUPTED: u8 = 130;

/// Options of `run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The least important messages to show: error, warn, info, debug or trace.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: Level,
    /// Also stop when standard input ends, so that a supervisor that dies leaves nothing behind.
    #[arg(long)]
    stop_when_stdin_closes: bool,
}

/// Runs the daemon until it is told to stop.
pub(super) fn run_daemon(arguments: RunArguments) -> Result<ExitCode, Failure> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(arguments.log)
        // A file of the log on a full disk is no reason to panic.
        .log_internal_errors(false)
        .init();
    let settings = arguments.config.settings()?;
    Ok(match start(settings, arguments.stop_when_stdin_closes)? {
        true => ExitCode::from(EXIT_INTERRUPTED),
        false => ExitCode::SUCCESS,
    })
}

/// Runs the daemon; says whether an interrupt from the keyboard ended it.
fn start(settings: Settings, stop_when_stdin_closes: bool) -> Result<bool, Failure> {
    // One thread: the work is waiting, and every further thread costs memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let (interrupted, mut was_interrupted) = watch::channel(false);
        let stop = async {
            tokio::select! {
                () = signal(interrupted) => {}
                () = stdin_closed(stop_when_stdin_closes) => {}
            }
        };
        run(settings, Supervisor::from_environment(), stop)
            .await
            .map_err(failure_of)?;
        Ok(*was_interrupted.borrow_and_update())
    })
}

fn failure_of(error: DriverError) -> Failure {
    match error {
        DriverError::Replaced { .. } => Failure::Replaced(error.into()),
        DriverError::Keys { .. } | DriverError::Profiles { .. } => {
            Failure::Configuration(error.into())
        }
        other => Failure::Command(other.into()),
    }
}

/// Waits for a request to stop.
async fn signal(interrupted: watch::Sender<bool>) {
    tokio::select! {
        () = terminated() => {}
        pressed = tokio::signal::ctrl_c() => {
            if let Err(error) = pressed {
                tracing::warn!(%error, "interrupts from the keyboard are not heard");
                std::future::pending::<()>().await;
            }
            let _ = interrupted.send(true);
        }
    }
}

/// Waits for the end of standard input; for ever where nobody asked to.
async fn stdin_closed(is_watched: bool) {
    if !is_watched {
        return std::future::pending().await;
    }
    let (closed, is_closed) = tokio::sync::oneshot::channel();
    // A thread of its own: a blocking read of tokio's would keep the runtime from ending.
    std::thread::spawn(move || {
        // Whatever comes in is of no interest, and an error is an end too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    // The thread is never gone without having said so.
    let _ = is_closed.await;
}
