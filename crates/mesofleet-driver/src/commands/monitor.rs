//! `mesofleet-driver monitor`: a gun's shots as it fires them.

mod plot;

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use meso_link_proto::auth::Keys;
use meso_link_proto::{Hello, ShotEvent};
use meso_serial::{GunEvent, GunPorts, PathSource, PortEvent, SerialConfig};
use meso_units::{GunSerial, ShotCounter, Timestamp};
use mesofleet_driver::{DriverError, read_keys};

use super::Failure;
use plot::{Scale, line};

/// Events that wait for the terminal; beyond that the port is read no further, and the gun keeps
/// its shots.
const EVENTS_WAITING_MAX: usize = 256;

/// How long nobody may answer before that is said.
const NOBODY_AFTER: Duration = Duration::from_secs(3);

/// Options of `monitor`.
#[derive(Args, Debug)]
#[command(
    after_help = "It takes the port: stop the driver first, or plug the gun into a computer \
    without one. It keeps nothing, acknowledges nothing and gives the gun no commands, so that the \
    next driver gets every shot; but a gun whose ring runs full meanwhile overwrites the oldest. \
    Leave with Ctrl-C."
)]
pub(crate) struct MonitorArguments {
    /// The port, such as /dev/ttyUSB0 or COM3; list-ports names those that are there.
    #[arg(value_name = "PORT")]
    port: String,
    /// Only this gun: another one on the port ends it with 1.
    #[arg(long, value_name = "SERIAL", value_parser = GunSerial::parse)]
    gun: Option<GunSerial>,
    /// Leave after this many shots.
    #[arg(long, value_name = "N")]
    shots: Option<u64>,
    /// The folder of the guns' keys: a gun with a key is only heard by who knows it.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

/// Whether there is more to show.
enum Next {
    GoOn,
    Leave,
}

struct Monitor<'a> {
    arguments: &'a MonitorArguments,
    ports: GunPorts,
    scale: Scale,
    shown: u64,
    has_answered: bool,
}

/// Shows live shots until it is interrupted.
pub(super) fn monitor(arguments: &MonitorArguments) -> Result<ExitCode, Failure> {
    let port = &arguments.port;
    // A port of Windows is no path, so only what looks like one is looked for.
    if port.contains('/') && !Path::new(port).exists() {
        return Err(anyhow!("there is no port {port}; list-ports names those that are").into());
    }
    let (events, heard) = sync_channel(EVENTS_WAITING_MAX);
    let config = SerialConfig {
        keys: keys(arguments)?,
        ..SerialConfig::default()
    };
    let ports = GunPorts::start(PathSource::new(port), config, events)
        .context("the port cannot be watched")?;
    eprintln!("taking {port}; nothing is acknowledged, and the next driver gets every shot");
    let mut monitor = Monitor {
        arguments,
        ports,
        scale: Scale::default(),
        shown: 0,
        has_answered: false,
    };
    let done = monitor.show(&heard);
    monitor.ports.stop();
    done?;
    Ok(ExitCode::SUCCESS)
}

/// The keys of the guns; none where no folder is named.
fn keys(arguments: &MonitorArguments) -> anyhow::Result<Keys> {
    let Some(folder) = &arguments.keys else {
        return Ok(Keys::default());
    };
    let read = read_keys(folder).map_err(|problems| DriverError::Keys { problems })?;
    Ok(Keys::new(read.into_iter().collect(), false))
}

impl Monitor<'_> {
    fn show(&mut self, heard: &Receiver<PortEvent>) -> anyhow::Result<()> {
        let mut patience = NOBODY_AFTER;
        loop {
            let event = match heard.recv_timeout(patience) {
                Ok(event) => event.event,
                Err(RecvTimeoutError::Timeout) => {
                    if !self.has_answered {
                        eprintln!("no gun answers on {} yet", self.arguments.port);
                    }
                    patience = Duration::from_secs(60);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            match self.take(event) {
                Ok(Next::GoOn) => {}
                Ok(Next::Leave) => return Ok(()),
                Err(error) if is_broken_pipe(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, event: GunEvent) -> anyhow::Result<Next> {
        match event {
            GunEvent::Attached(hello) => self.greet(&hello)?,
            GunEvent::Shot { shot, received_at } => return self.shot(&shot, received_at),
            GunEvent::Refused { hello, reason } => {
                bail!("gun {} is refused: {reason}", hello.serial)
            }
            GunEvent::Unavailable { problem } if !self.has_answered => bail!("{problem}"),
            GunEvent::Unavailable { problem } => eprintln!("{problem}"),
            GunEvent::Rejected { reason, bytes, .. } => {
                say(&format!("refused: {reason}: {}", hex::encode(bytes)))?;
            }
            GunEvent::Lost { first, last, .. } => {
                say(&format!("shots {first} to {last} are no longer in the gun"))?;
            }
            GunEvent::CounterWentBack { newest, .. } => {
                say(&format!("the gun's counter went back to {newest}"))?;
            }
            GunEvent::Detached { reason } => eprintln!("gun gone: {reason}; waiting for it"),
            GunEvent::UsbSerialDiffers { usb } => {
                eprintln!("its USB device has the serial number {usb}: is it the right gun?");
            }
            GunEvent::Clock(_)
            | GunEvent::Grade(_)
            | GunEvent::Status(_)
            | GunEvent::Command { .. }
            | GunEvent::Settings(_)
            | GunEvent::Salvaged { .. }
            | GunEvent::SalvageEnded { .. }
            | GunEvent::Counters(_) => {}
        }
        Ok(Next::GoOn)
    }

    fn greet(&mut self, hello: &Hello) -> anyhow::Result<()> {
        let serial = &hello.serial;
        if let Some(wanted) = self
            .arguments
            .gun
            .as_ref()
            .filter(|wanted| *wanted != serial)
        {
            bail!("gun {serial} is on {}, not {wanted}", self.arguments.port);
        }
        self.has_answered = true;
        self.scale = Scale::default();
        let newest = hello.inventory.newest.map_or(0, ShotCounter::get);
        eprintln!(
            "gun {serial}, {} with firmware {}, newest shot {newest}",
            hello.model, hello.firmware
        );
        let Some(epoch) = hello.epoch() else {
            eprintln!("it has no epoch yet and sends no shots: a driver must greet it first");
            return Ok(());
        };
        let next = ShotCounter(newest.saturating_add(1));
        if let Err(error) = self.ports.listen_from(serial, epoch, next) {
            // It went away again, and greets when it is back.
            eprintln!("{error}");
        }
        Ok(())
    }

    fn shot(&mut self, shot: &ShotEvent, received_at: Timestamp) -> anyhow::Result<Next> {
        say(&line(shot, received_at, &mut self.scale))?;
        self.shown += 1;
        Ok(match self.arguments.shots {
            Some(shots) if self.shown >= shots => Next::Leave,
            _ => Next::GoOn,
        })
    }
}

/// Prints a line at once.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Whether nobody reads any more.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
