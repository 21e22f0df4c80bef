//! What a gun writes down about its own shots: the truth to which the store is compared.
//!
//! One JSON object a line, flushed before the shot can leave the gun.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use meso_domain::Shot;
use meso_link_proto::{Purpose, ShotEvent};
use meso_units::{
    GaugePascals, Micrometres, Microseconds, Nanolitres, NeedleCount, ShotsPerMinute,
};
use serde::{Deserialize, Serialize};

/// One fired shot, with every measured field; absent where the gun did not measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiredShot {
    /// The gun's serial number.
    pub serial: String,
    /// The epoch.
    pub epoch: u64,
    /// The counter within the epoch.
    pub counter: u32,
    /// The start of the firmware.
    pub boot_id: u32,
    /// The gun's clock at the trigger, in µs.
    pub tick_us: u64,
    /// Time since the trigger before, in µs.
    pub interval_us: Option<u64>,
    /// Needle depth set, in µm.
    pub depth_set_um: Option<u32>,
    /// Needle depth sensed, in µm.
    pub depth_sensed_um: Option<u32>,
    /// Volume of the trigger set, in nl.
    pub volume_set_nl: Option<u64>,
    /// Volume of the trigger sensed, in nl.
    pub volume_sensed_nl: Option<u64>,
    /// Shot rate set, in shots per minute.
    pub frequency_set_spm: Option<u16>,
    /// Needles that worked.
    pub needles_working: Option<u8>,
    /// Vacuum or pressure, in Pa.
    pub pressure_pa: Option<i32>,
    /// What it was for: `patient`, `prime`, `test`, `cleaning` or `calibration`.
    pub purpose: Option<String>,
    /// The bits of `ShotFlags`.
    pub flags: u16,
}

impl FiredShot {
    /// The line for a shot of the gun `serial`.
    pub fn new(serial: &str, shot: &ShotEvent) -> FiredShot {
        let measured = &shot.measured;
        FiredShot {
            serial: serial.to_owned(),
            epoch: shot.key.epoch.get(),
            counter: shot.key.counter.get(),
            boot_id: shot.boot.get(),
            tick_us: shot.tick.get(),
            interval_us: shot.interval.map(Microseconds::get),
            depth_set_um: measured.depth_set.map(Micrometres::get),
            depth_sensed_um: measured.depth_sensed.map(Micrometres::get),
            volume_set_nl: measured.volume_set.map(Nanolitres::get),
            volume_sensed_nl: measured.volume_sensed.map(Nanolitres::get),
            frequency_set_spm: measured.frequency_set.map(ShotsPerMinute::get),
            needles_working: measured.needles_working.map(NeedleCount::get),
            pressure_pa: measured.pressure.map(GaugePascals::get),
            purpose: measured
                .purpose
                .map(|purpose| purpose_name(purpose).to_owned()),
            flags: measured.flags.bits(),
        }
    }
}

/// Gun, epoch and counter, by which a shot is found again.
pub type ShotKeyText = (String, u64, u32);

/// By what a stored shot is found again.
pub fn key_of(shot: &Shot) -> ShotKeyText {
    let identity = &shot.identity;
    (
        identity.gun.to_string(),
        identity.epoch.get(),
        identity.counter.get(),
    )
}

impl FiredShot {
    /// By what the shot is found again.
    pub fn key(&self) -> ShotKeyText {
        (self.serial.clone(), self.epoch, self.counter)
    }

    /// The first measured field that a stored shot has otherwise; `None` where it has none.
    pub fn differing_field(&self, stored: &Shot) -> Option<&'static str> {
        let needles = stored.needles_working.as_ref().map(|needles| needles.value);
        let checks = [
            ("gun tick", self.tick_us == stored.gun_tick.get()),
            (
                "interval",
                self.interval_us == stored.interval.map(Microseconds::get),
            ),
            (
                "needle depth set",
                self.depth_set_um == stored.needle_depth.set.map(Micrometres::get),
            ),
            (
                "needle depth",
                self.depth_sensed_um == stored.needle_depth.actual_value().map(Micrometres::get),
            ),
            (
                "volume set",
                self.volume_set_nl == stored.volume.set.map(Nanolitres::get),
            ),
            (
                "volume",
                self.volume_sensed_nl == stored.volume.actual_value().map(Nanolitres::get),
            ),
            (
                "frequency set",
                self.frequency_set_spm == stored.frequency_set.map(ShotsPerMinute::get),
            ),
            (
                "needle count",
                self.needles_working == needles.map(NeedleCount::get),
            ),
            (
                "pressure",
                self.pressure_pa == stored.pressure.map(GaugePascals::get),
            ),
            (
                "purpose",
                self.purpose.is_none() || self.purpose.as_deref() == Some(stored.purpose.as_str()),
            ),
            ("set of flags", self.flags == stored.flags.bits()),
        ];
        let mut different = checks.into_iter().filter(|(_, same)| !same);
        different.next().map(|(field, _)| field)
    }
}

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Patient => "patient",
        Purpose::Prime => "prime",
        Purpose::Test => "test",
        Purpose::Cleaning => "cleaning",
        Purpose::Calibration => "calibration",
    }
}

/// Why a log cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file cannot be opened, written or read.
    #[error("cannot use the gun's log {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not a shot.
    #[error("line {line} of the gun's log {} is not a shot", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Appends shots to a log.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
}

impl LogWriter {
    /// Begins an empty log at `path`.
    ///
    /// # Errors
    ///
    /// [`LogError::File`] when the file cannot be made.
    pub fn create(path: &Path) -> Result<LogWriter, LogError> {
        let failed = |source| LogError::File {
            path: path.to_owned(),
            source,
        };
        Ok(LogWriter {
            path: path.to_owned(),
            file: File::create(path).map_err(failed)?,
        })
    }

    /// Appends one shot; it is with the operating system when this returns.
    ///
    /// # Errors
    ///
    /// [`LogError::File`] when it cannot be written.
    pub fn append(&mut self, shot: &FiredShot) -> Result<(), LogError> {
        let failed = |source| LogError::File {
            path: self.path.clone(),
            source,
        };
        let mut line = serde_json::to_vec(shot).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        // One write a line, so that a reader beside us never sees half of one.
        self.file.write_all(&line).map_err(failed)
    }
}

/// Reads a gun's log, beside the gun that writes it too: a last line without its end is not yet
/// written, and its shot has not left the gun.
///
/// # Errors
///
/// [`LogError`] for a file that cannot be read or a line that is not a shot.
pub fn read_log(path: &Path) -> Result<Vec<FiredShot>, LogError> {
    let failed = |source| LogError::File {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut shots = Vec::new();
    for (place, line) in whole.lines().enumerate() {
        let shot = serde_json::from_str(line).map_err(|source| LogError::Line {
            path: path.to_owned(),
            line: place + 1,
            source,
        })?;
        shots.push(shot);
    }
    Ok(shots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_yet_whole_is_left_for_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let line = r#"{"serial":"G","epoch":1,"counter":1,"boot_id":1,"tick_us":5,"flags":0}"#;
        let both = format!("{line}\n{line}");
        for length in 0..=both.len() {
            std::fs::write(&path, &both[..length]).unwrap();
            let is_whole = length > line.len();
            assert_eq!(read_log(&path).unwrap().len(), usize::from(is_whole));
        }
        std::fs::write(&path, "{}\n").unwrap();
        assert!(matches!(
            read_log(&path),
            Err(LogError::Line { line: 1, .. })
        ));
    }
}
