//! The test rig's port: what the firmware says that it fired, and how it is told to.
//!
//! `firmware-bridge/firmware/rig.h` lists the lines.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use meso_link_proto::{Measured, Purpose};
use meso_units::{GaugePascals, GunSerial, Micrometres, Nanolitres, NeedleCount, ShotsPerMinute};

use super::error::{QemuError, failed};
use crate::gun::log::{FiredShot, LogError, LogWriter};

/// How long the firmware may take to answer the rig; under load a machine stands still for long.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What came of a shot that the rig asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was fired.
    Fired,
    /// It was not: inhibited, above a limit, or without an epoch. A number of `meso_error`.
    Refused(i32),
}

/// What the rig knows of its gun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RigState {
    /// Starts of the firmware that the rig has seen.
    pub starts: u32,
    /// The random number of this start.
    pub boot_id: u32,
    /// Starts since the machine got power, this one included.
    pub boot_count: u32,
    /// Whether this start found its retained memory whole.
    pub continues: bool,
    /// The epoch; 0 = none yet.
    pub epoch: u64,
    /// Whether it is inhibited.
    pub is_inhibited: bool,
    /// Shots in the log.
    pub fired: u64,
    /// Shots that wait for the gun's first epoch and are not in the log yet.
    pub without_epoch: usize,
    /// Shots that waited so when the memory that held them was lost; they are in no log.
    pub destroyed: u64,
    /// Triggers that fired nothing.
    pub refused: u64,
    /// What the newest of those was answered.
    pub refusal: i32,
    echoed: u64,
    /// Why the rig listens no more: the first line that nobody understands, or the end.
    pub ended: Option<String>,
}

struct Shared {
    state: Mutex<RigState>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, RigState> {
        // A panic elsewhere leaves it whole: every change to it is one assignment after another.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rig at one gun, through all its power cuts.
pub struct Rig {
    serial: String,
    shared: Arc<Shared>,
    log: Arc<Mutex<LogWriter>>,
    port: Option<UnixStream>,
    reader: Option<JoinHandle<()>>,
    echoes: u64,
}

impl Rig {
    /// A rig that writes what is fired into `log`.
    pub(super) fn new(serial: &GunSerial, log: &Path) -> Result<Rig, LogError> {
        Ok(Rig {
            serial: serial.to_string(),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
            log: Arc::new(Mutex::new(LogWriter::create(log)?)),
            port: None,
            reader: None,
            echoes: 0,
        })
    }

    /// Listens on the port of a machine that has just got power.
    pub(super) fn listen(&mut self, port: UnixStream) -> Result<(), QemuError> {
        self.hear_out();
        let stream = port
            .try_clone()
            .map_err(failed("share the port of the test rig"))?;
        self.port = Some(port);
        let mut listener = Listener {
            serial: self.serial.clone(),
            shared: Arc::clone(&self.shared),
            log: Arc::clone(&self.log),
            waiting: Vec::new(),
            last: None,
        };
        listener.shared.lock().ended = None;
        let reader = std::thread::Builder::new()
            .name(format!("{}-rig", self.serial))
            .spawn(move || listener.run(stream))
            .map_err(failed("start a thread for the test rig"))?;
        self.reader = Some(reader);
        Ok(())
    }

    /// Waits until everything that a dead machine has said is in the log.
    pub(super) fn hear_out(&mut self) {
        if let Some(reader) = self.reader.take() {
            // Its panic has been printed; the log then lacks shots, and who compares finds out.
            let _ = reader.join();
        }
    }

    /// What is known now.
    pub fn state(&self) -> RigState {
        self.shared.lock().clone()
    }

    /// Waits until `is_so`, and gives the state in which it was.
    ///
    /// # Errors
    ///
    /// [`QemuError::TooLong`] after 20 s; [`QemuError::Line`] when the rig listens no more.
    pub fn wait_until(
        &self,
        what: &'static str,
        is_so: impl Fn(&RigState) -> bool,
    ) -> Result<RigState, QemuError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut state = self.shared.lock();
        loop {
            if is_so(&state) {
                return Ok(state.clone());
            }
            if let Some(line) = &state.ended {
                return Err(QemuError::Line { line: line.clone() });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(QemuError::TooLong {
                    what,
                    limit_ms: ANSWER_WITHIN.as_millis() as u64,
                });
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets the gun fire as its page says, or holds it; when this returns it does.
    ///
    /// # Errors
    ///
    /// [`QemuError`] when the machine is gone or does not answer; so for all others here.
    pub fn set_firing(&mut self, fires: bool) -> Result<(), QemuError> {
        self.say(if fires { "go" } else { "hold" })?;
        self.catch_up()
    }

    /// Puts on a new needle.
    ///
    /// # Errors
    ///
    /// As [`Rig::set_firing`].
    pub fn change_needle(&mut self) -> Result<(), QemuError> {
        self.say("needle")
    }

    /// Sets the gun, pulls its trigger, and lets its sensors feel this.
    ///
    /// # Errors
    ///
    /// As [`Rig::set_firing`].
    pub fn fire(&mut self, measured: &Measured) -> Result<Answer, QemuError> {
        let before = self.state();
        let told = |state: &RigState| state.fired + state.without_epoch as u64;
        self.say(&fire_line(measured))?;
        let after = self.wait_until("a shot of the firmware", |now| {
            told(now) != told(&before) || now.refused != before.refused
        })?;
        Ok(if after.refused == before.refused {
            Answer::Fired
        } else {
            Answer::Refused(after.refusal)
        })
    }

    /// Waits until all that was asked for is done and told.
    ///
    /// # Errors
    ///
    /// As [`Rig::set_firing`].
    pub fn catch_up(&mut self) -> Result<(), QemuError> {
        self.echoes += 1;
        let number = self.echoes;
        self.say(&format!("echo {number}"))?;
        self.wait_until("the firmware's echo", |state| state.echoed >= number)
            .map(drop)
    }

    fn say(&mut self, line: &str) -> Result<(), QemuError> {
        let port = self.port.as_mut().ok_or(QemuError::Ended {
            said: "it has no power".to_owned(),
        })?;
        port.write_all(format!("{line}\n").as_bytes())
            .map_err(failed("talk to the firmware"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(port) = &self.port {
            // Ends the listener; a machine that is gone has ended it already.
            let _ = port.shutdown(std::net::Shutdown::Both);
        }
        self.hear_out();
    }
}

/// Reads the firmware's lines to their end.
struct Listener {
    serial: String,
    shared: Arc<Shared>,
    log: Arc<Mutex<LogWriter>>,
    /// Shots without an epoch, until the gun has one.
    waiting: Vec<FiredShot>,
    last: Option<FiredShot>,
}

impl Listener {
    fn run(&mut self, port: UnixStream) {
        let mut ended = "nothing any more".to_owned();
        for line in BufReader::new(port).lines().map_while(Result::ok) {
            if let Err(problem) = self.hear(&line) {
                ended = problem;
                break;
            }
        }
        let mut state = self.shared.lock();
        state.destroyed += self.waiting.len() as u64;
        state.without_epoch = 0;
        state.ended = Some(ended);
        self.shared.changed.notify_all();
    }

    fn hear(&mut self, line: &str) -> Result<(), String> {
        let Some(fields) = whole_line(line) else {
            return Ok(());
        };
        let number = |place: usize| -> Option<u64> { fields.get(place)?.parse().ok() };
        let problem = || line.to_owned();
        match fields.first().copied() {
            Some("shot") => return self.hear_shot(&fields, line),
            Some("epoch") => return self.hear_epoch(number(1).ok_or_else(problem)?),
            _ => {}
        }
        let mut state = self.shared.lock();
        match (fields.first().copied(), number(1)) {
            (Some("boot"), Some(id)) => {
                state.starts += 1;
                state.boot_id = id as u32;
                state.boot_count = number(2).ok_or_else(problem)? as u32;
                state.continues = number(3) == Some(1);
                if !state.continues {
                    state.destroyed += self.waiting.len() as u64;
                    self.waiting.clear();
                    state.without_epoch = 0;
                }
            }
            (Some("inhibited"), Some(value)) => state.is_inhibited = value != 0,
            (Some("echo"), Some(value)) => state.echoed = value,
            (Some("refused"), _) => {
                state.refused += 1;
                state.refusal = fields
                    .get(1)
                    .and_then(|word| word.parse().ok())
                    .ok_or_else(problem)?;
            }
            // It may be a shot, and then the log would not be the truth.
            _ => return Err(problem()),
        }
        self.shared.changed.notify_all();
        Ok(())
    }

    fn hear_shot(&mut self, fields: &[&str], line: &str) -> Result<(), String> {
        let shot = read_shot(&self.serial, fields).ok_or_else(|| line.to_owned())?;
        // A reset between a shot's telling and the note that it was told has it told twice.
        if self.last.as_ref() == Some(&shot) {
            return Ok(());
        }
        self.last = Some(shot.clone());
        if shot.epoch == 0 {
            self.waiting.push(shot);
            self.shared.lock().without_epoch = self.waiting.len();
        } else {
            self.keep(&shot)?;
        }
        self.shared.changed.notify_all();
        Ok(())
    }

    fn hear_epoch(&mut self, epoch: u64) -> Result<(), String> {
        if epoch != 0 {
            for shot in std::mem::take(&mut self.waiting) {
                self.keep(&FiredShot { epoch, ..shot })?;
            }
        }
        let mut state = self.shared.lock();
        state.without_epoch = self.waiting.len();
        state.epoch = epoch;
        self.shared.changed.notify_all();
        Ok(())
    }

    fn keep(&mut self, shot: &FiredShot) -> Result<(), String> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.append(shot).map_err(|error| error.to_string())?;
        self.shared.lock().fired += 1;
        Ok(())
    }
}

/// The words of a line; `None` where a reset cut it off. What it cut off the firmware says again:
/// state at its start, and a shot that was not told whole.
fn whole_line(line: &str) -> Option<Vec<&str>> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    (words.pop() == Some(".")).then_some(words)
}

/// Reads `shot` and its fourteen fields.
fn read_shot(serial: &str, fields: &[&str]) -> Option<FiredShot> {
    if fields.len() != 15 {
        return None;
    }
    fn whole<T: std::str::FromStr>(word: &str) -> Option<T> {
        word.parse().ok()
    }
    fn maybe<T: std::str::FromStr>(word: &str) -> Option<Option<T>> {
        match word {
            "-" => Some(None),
            word => word.parse().ok().map(Some),
        }
    }
    Some(FiredShot {
        serial: serial.to_owned(),
        epoch: whole(fields[1])?,
        counter: whole(fields[2])?,
        boot_id: whole(fields[3])?,
        tick_us: whole(fields[4])?,
        interval_us: maybe(fields[5])?,
        depth_set_um: maybe(fields[6])?,
        depth_sensed_um: maybe(fields[7])?,
        volume_set_nl: maybe(fields[8])?,
        volume_sensed_nl: maybe(fields[9])?,
        frequency_set_spm: maybe(fields[10])?,
        needles_working: maybe(fields[11])?,
        purpose: purpose_word(whole(fields[12])?)?,
        pressure_pa: maybe(fields[13])?,
        flags: whole(fields[14])?,
    })
}

/// The word of the log for a purpose of the link; absent for one that the gun does not know.
fn purpose_word(code: u8) -> Option<Option<String>> {
    let word = match code {
        0 => return Some(None),
        1 => "patient",
        2 => "prime",
        3 => "test",
        4 => "cleaning",
        5 => "calibration",
        _ => return None,
    };
    Some(Some(word.to_owned()))
}

fn fire_line(measured: &Measured) -> String {
    fn field<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(|| "-".to_owned(), |value| value.to_string())
    }
    let purpose = Purpose::code(measured.purpose);
    format!(
        "fire {} {} {} {} {} {} {purpose} {} {}",
        field(measured.depth_set.map(Micrometres::get)),
        field(measured.depth_sensed.map(Micrometres::get)),
        field(measured.volume_set.map(Nanolitres::get)),
        field(measured.volume_sensed.map(Nanolitres::get)),
        field(measured.frequency_set.map(ShotsPerMinute::get)),
        field(measured.needles_working.map(NeedleCount::get)),
        field(measured.pressure.map(GaugePascals::get)),
        measured.flags.bits(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_reset_cut_off_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogWriter::create(&folder.path().join("log")).unwrap();
        let mut listener = Listener {
            serial: "GUN-0001".to_owned(),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
            log: Arc::new(Mutex::new(log)),
            waiting: Vec::new(),
            last: None,
        };
        listener.hear("epoch 1234 .").unwrap();
        for cut in [
            "",
            "e",
            "epoch",
            "epoch 12",
            "boot 7",
            "shot 1234 1 7",
            "refused -",
        ] {
            listener.hear(cut).unwrap();
        }
        let state = listener.shared.lock().clone();
        assert_eq!((state.epoch, state.starts, state.refused), (1_234, 0, 0));
        assert_eq!(listener.hear("shots 1 ."), Err("shots 1 .".to_owned()));
    }
}
