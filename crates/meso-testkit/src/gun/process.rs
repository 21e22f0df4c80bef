//! The emulated gun as a process of its own: a port in a folder, a log, control lines.
//!
//! Control lines (JSON, one a line) come in on one stream, events go out on another. The end of
//! the control stream ends the gun and takes its port away, so that a demo that dies leaves
//! nothing running.

mod setup;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use meso_link_proto::auth::LinkKey;
use meso_link_proto::{FireRefused, GunLink, Housekeeping, LinkError};
use meso_units::{GunSerial, GunTick, MilliCelsius, Millivolts, UnitError};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};

use setup::{port_place, settings};

use super::fault::{Fault, FaultyLine};
use super::line::{Line, LineChange};
use super::log::{FiredShot, LogError, LogWriter};
use super::plan::{Breach, Habit, Plan, Step};
use super::player::{Action, Player};

/// The ring of the emulated gun: 4 096 shots bridge 7.5 minutes at nine shots a second; at the
/// limit the oldest is overwritten and, unless acknowledged, counted as lost.
pub const RING_SHOTS_MAX: usize = 4_096;
/// A control line longer than this ends the gun: whoever writes it is not a demo.
const CONTROL_LINE_BYTES_MAX: usize = 4_096;
/// The gun's clock when the process starts, in µs: it started two seconds ago.
const START_TICK_US: u64 = 2_000_000;
/// The longest wait of the loop while the port is closed; how soon an opening is seen.
const WAIT_CLOSED: Duration = Duration::from_millis(20);
/// The longest wait of the loop while the port is open; how late a timer may be.
const WAIT_OPEN: Duration = Duration::from_millis(50);
/// The wait of the loop while bytes wait for the wire.
const WAIT_SENDING: Duration = Duration::from_millis(2);

/// What an emulated gun is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GunOptions {
    /// Its serial number; also the name of its port.
    pub serial: GunSerial,
    /// The folder in which its port appears.
    pub ports_folder: PathBuf,
    /// The file into which it writes each fired shot.
    pub log: PathBuf,
    /// What decides everything that scatters.
    pub seed: u64,
    /// How it is used.
    pub habit: Habit,
    /// Which limit it passes once.
    pub breach: Breach,
    /// How much faster its clock runs than the host's, in millionths.
    pub drift_ppm: i32,
}

/// What a gun on a maker's bench does besides; all empty for a gun of the demo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BenchOptions {
    /// Fires this often, in whole µs, with nobody at it, instead of playing a habit.
    pub fire_every: Option<Duration>,
    /// What is broken on purpose.
    pub fault: Option<Fault>,
    /// The key that it holds.
    pub key: Option<LinkKey>,
    /// Exactly where its port appears, instead of under its serial number in the folder.
    pub link: Option<PathBuf>,
}

/// What the gun can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum GunCommand {
    /// The operator has done the step that was asked for.
    Continue,
    /// Pull the trigger once.
    Trigger,
    /// Fire nothing more; the port stays until the control stream ends.
    Stop,
}

/// What the gun tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GunNotice {
    /// The port is there.
    Ready {
        /// The gun's serial number.
        serial: String,
        /// The port's path.
        port: PathBuf,
    },
    /// The operator is to do this; the gun waits for `continue`.
    Operator {
        /// What to do.
        step: Step,
    },
    /// Nothing more will be fired.
    Stopped {
        /// How many shots were fired in all.
        fired: u64,
    },
}

/// Why an emulated gun ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GunError {
    /// The port cannot be made or used.
    #[error("cannot use the gun's port in {}", folder.display())]
    Port {
        /// The folder of ports.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The control stream or the event stream broke.
    #[error("the gun's control streams broke")]
    Control {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A control line is not a command.
    #[error("control line {line:?} is not a command: write one of do = continue, trigger, stop")]
    NotACommand {
        /// The line.
        line: String,
    },
    /// The system gives no random numbers.
    #[error("cannot start the gun: the system gives no random numbers")]
    Random {
        /// Why.
        #[source]
        source: getrandom::Error,
    },
    /// The log cannot be written.
    #[error("the gun's log broke")]
    Log(#[from] LogError),
    /// The plan or the settings have an impossible number.
    #[error("the gun's plan has an impossible number")]
    Number(#[from] UnitError),
    /// A text of the settings does not fit the link.
    #[error("the gun's settings do not fit the link")]
    Settings(#[from] LinkError),
}

/// Plays the emulated gun until `input` ends.
///
/// # Errors
///
/// [`GunError`] for whatever ends it before that.
pub fn run_gun<I, O>(options: &GunOptions, input: I, output: O) -> Result<(), GunError>
where
    I: AsFd,
    O: Write,
{
    run_bench_gun(options, &BenchOptions::default(), input, output)
}

/// As [`run_gun`], for a maker's bench.
///
/// # Errors
///
/// [`GunError`] for whatever ends it before that.
pub fn run_bench_gun<I, O>(
    options: &GunOptions,
    bench: &BenchOptions,
    input: I,
    output: O,
) -> Result<(), GunError>
where
    I: AsFd,
    O: Write,
{
    Gun::start(options, bench, input, output)?.run()
}

/// The gun's own clock: microseconds since its start, a little fast or slow.
struct GunClock {
    started: Instant,
    drift_ppm: i32,
}

impl GunClock {
    fn now(&self) -> Result<GunTick, UnitError> {
        let us = self.started.elapsed().as_micros();
        let scale = 1_000_000_u128.saturating_add_signed(i128::from(self.drift_ppm));
        let ticks = u64::try_from(us * scale / 1_000_000).unwrap_or(u64::MAX);
        GunTick::new(ticks.saturating_add(START_TICK_US))
    }
}

struct Gun<I, O> {
    serial: String,
    ports_folder: PathBuf,
    clock: GunClock,
    line: Line,
    link: GunLink,
    faulty: Option<FaultyLine>,
    player: Player,
    log: LogWriter,
    input: I,
    output: O,
    control: Vec<u8>,
    fired: u64,
    shots_on_needle: u32,
}

impl<I: AsFd, O: Write> Gun<I, O> {
    fn start(
        options: &GunOptions,
        bench: &BenchOptions,
        input: I,
        output: O,
    ) -> Result<Gun<I, O>, GunError> {
        let clock = GunClock {
            started: Instant::now(),
            drift_ppm: options.drift_ppm,
        };
        let (ports_folder, name) = port_place(options, bench)?;
        let line = Line::expose(&ports_folder, &name).map_err(|source| GunError::Port {
            folder: ports_folder.clone(),
            source,
        })?;
        let plan = match bench.fire_every {
            Some(gap) => {
                let gap_us = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX);
                Plan::on_bench(options.seed, gap_us)
            }
            None => Plan::new(options.seed, options.habit, options.breach),
        };
        let settings = settings(options, bench)?;
        let mut gun = Gun {
            serial: options.serial.to_string(),
            player: Player::new(plan, clock.now()?),
            clock,
            line,
            link: GunLink::new(settings.clone()),
            faulty: bench.fault.map(|fault| FaultyLine::new(fault, settings)),
            log: LogWriter::create(&options.log)?,
            input,
            output,
            control: Vec::new(),
            fired: 0,
            shots_on_needle: 0,
            ports_folder,
        };
        let ready = GunNotice::Ready {
            serial: gun.serial.clone(),
            port: gun.ports_folder.join(&name),
        };
        gun.tell(&ready)?;
        Ok(gun)
    }

    fn run(mut self) -> Result<(), GunError> {
        loop {
            if !self.wait()? {
                return Ok(());
            }
            self.play()?;
            self.talk().map_err(|source| GunError::Port {
                folder: self.ports_folder.clone(),
                source,
            })?;
        }
    }

    fn tell(&mut self, notice: &GunNotice) -> Result<(), GunError> {
        let broke = |source| GunError::Control { source };
        let mut line = serde_json::to_vec(notice).map_err(|error| broke(error.into()))?;
        line.push(b'\n');
        self.output.write_all(&line).map_err(broke)?;
        self.output.flush().map_err(broke)
    }

    /// Waits until something is due or came in, and reads control lines; false at their end.
    fn wait(&mut self) -> Result<bool, GunError> {
        let timeout = self.patience()?;
        let has_input = {
            let mut fds = vec![PollFd::new(self.input.as_fd(), PollFlags::POLLIN)];
            fds.extend(
                self.line
                    .readable_fd()
                    .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
            );
            let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
            match poll(&mut fds, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => {
                    return Err(GunError::Control {
                        source: error.into(),
                    });
                }
            }
            fds[0].revents().is_some_and(|events| !events.is_empty())
        };
        if has_input {
            self.read_control()
        } else {
            Ok(true)
        }
    }

    fn patience(&self) -> Result<Duration, GunError> {
        let longest = if self.line.is_open() {
            WAIT_OPEN
        } else {
            WAIT_CLOSED
        };
        if self.line.is_open() && self.line.has_unsent() {
            return Ok(WAIT_SENDING);
        }
        let now_us = self.clock.now()?.get();
        let until_due = match self.player.due_us() {
            // Without an epoch, and while inhibited, nothing is fired, so nothing is due.
            Some(due_us) if self.link.epoch().is_some() && !self.link.is_inhibited() => {
                Duration::from_micros(due_us.saturating_sub(now_us))
            }
            _ => longest,
        };
        Ok(longest.min(until_due.max(Duration::from_millis(1))))
    }

    fn read_control(&mut self) -> Result<bool, GunError> {
        let mut bytes = [0_u8; 256];
        // Straight from the descriptor: a buffered reader could hold lines that no poll sees.
        let count = match nix::unistd::read(&self.input, &mut bytes) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(Errno::EINTR | Errno::EAGAIN) => 0,
            Err(error) => {
                return Err(GunError::Control {
                    source: error.into(),
                });
            }
        };
        self.control.extend_from_slice(&bytes[..count]);
        while let Some(end) = self.control.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.control.drain(..=end).collect();
            self.obey(&String::from_utf8_lossy(&line))?;
        }
        if self.control.len() > CONTROL_LINE_BYTES_MAX {
            let line = String::from_utf8_lossy(&self.control[..64]).into_owned();
            return Err(GunError::NotACommand { line });
        }
        Ok(true)
    }

    fn obey(&mut self, line: &str) -> Result<(), GunError> {
        let line = line.trim();
        let command = serde_json::from_str(line).map_err(|_| GunError::NotACommand {
            line: line.to_owned(),
        })?;
        match command {
            GunCommand::Continue => self.player.go_on(self.clock.now()?),
            GunCommand::Trigger => self.player.trigger(),
            GunCommand::Stop => {
                if !self.player.is_stopped() {
                    self.player.stop();
                    self.tell(&GunNotice::Stopped { fired: self.fired })?;
                }
            }
        }
        Ok(())
    }

    /// Does what the plan has due.
    fn play(&mut self) -> Result<(), GunError> {
        loop {
            let now = self.clock.now()?;
            if self.player.is_shot_due(now)
                && (self.link.epoch().is_none() || self.link.is_inhibited())
            {
                self.player.hold(now);
                return Ok(());
            }
            let action = self.player.next(now)?;
            if let Some(set_points) = self.player.set_points() {
                self.link.dial(set_points);
            }
            match action {
                None => return Ok(()),
                Some(Action::Ask(step)) => {
                    if step == Step::ChangeNeedle {
                        self.shots_on_needle = 0;
                    }
                    self.tell(&GunNotice::Operator { step })?;
                }
                Some(Action::Fire { measured, tick }) => match self.link.fire(*measured, tick) {
                    Ok(shot) => {
                        self.log.append(&FiredShot::new(&self.serial, &shot))?;
                        self.fired += 1;
                        self.shots_on_needle += 1;
                    }
                    // The trigger was pulled in vain; the link has counted it.
                    Err(FireRefused::AboveLimit { .. }) => {}
                    // Cannot happen: the shot was held back above, and an epoch lasts years.
                    Err(FireRefused::Inhibited | _) => return Ok(()),
                },
            }
        }
    }

    /// Moves bytes between the port and the link.
    fn talk(&mut self) -> io::Result<()> {
        match self.line.check()? {
            Some(LineChange::Opened | LineChange::Closed) => self.link.line_reset(),
            None => {}
        }
        if !self.line.is_open() {
            return Ok(());
        }
        let bytes = self.line.read()?;
        // Read after the bytes: a time before they came would claim a shorter way than there was.
        let now = self.clock.now().map_err(io::Error::other)?;
        match self.faulty.as_mut() {
            Some(faulty) => faulty.receive(&mut self.link, &bytes, now),
            None => self.link.receive(&bytes, now),
        }
        self.link.set_housekeeping(Housekeeping {
            battery: Millivolts::new(3_900).ok(),
            temperature: MilliCelsius::new(31_500).ok(),
            vacuum: None,
            shots_on_needle: Some(self.shots_on_needle),
        });
        self.line.flush()?;
        while self.line.may_send(now.get()) {
            let now = self.clock.now().map_err(io::Error::other)?;
            let frame = match self.faulty.as_mut() {
                Some(faulty) => faulty.next_frame(&mut self.link, now),
                None => self.link.next_frame(now),
            };
            match frame {
                Some(frame) => self.line.send(&frame)?,
                None => break,
            }
        }
        Ok(())
    }
}
