//! The driver daemon of a treatment-room PC.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use mesofleet_driver::{Overrides, Settings, run};
use tokio::sync::watch;
use tracing::Level;

/// Takes the shots of a treatment room's guns and brings them to the server.
#[derive(Parser)]
#[command(name = "mesofleet-driver", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until it is told to stop.
    Run {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
        /// The folder of the journal, in place of the configuration's.
        #[arg(long)]
        data_dir: Option<PathBuf>,
        /// The folder of links to serial ports, in place of the configuration's.
        #[arg(long)]
        ports_dir: Option<PathBuf>,
        /// Host and port of the broker, in place of the configuration's.
        #[arg(long, value_name = "HOST:PORT")]
        broker: Option<String>,
        /// The least important messages to show: error, warn, info, debug or trace.
        #[arg(long, default_value = "info", value_name = "LEVEL")]
        log: Level,
        /// Also stop when standard input ends, so that a supervisor that dies leaves nothing behind.
        #[arg(long)]
        stop_when_stdin_closes: bool,
    },
}

/// What a wrong configuration ends with.
const EXIT_CONFIG: u8 = 2;

/// What an interrupt from the keyboard ends with.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let Command::Run {
        config,
        data_dir,
        ports_dir,
        broker,
        log,
        stop_when_stdin_closes,
    } = Arguments::parse().command;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(log)
        .init();
    let overrides = Overrides {
        data_dir,
        ports_dir,
        broker,
    };
    let settings = match settings(&config, overrides) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match start(settings, stop_when_stdin_closes) {
        Ok(true) => ExitCode::from(EXIT_INTERRUPTED),
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesofleet-driver: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn settings(path: &std::path::Path, overrides: Overrides) -> anyhow::Result<Settings> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {name} cannot be read"))?;
    Ok(Settings::from_text(&name, &text, overrides)?)
}

/// Runs the daemon; says whether an interrupt from the keyboard ended it.
fn start(settings: Settings, stop_when_stdin_closes: bool) -> anyhow::Result<bool> {
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
        run(settings, stop).await?;
        Ok(*was_interrupted.borrow_and_update())
    })
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

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "requests to terminate are not heard");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending::<()>().await;
}
