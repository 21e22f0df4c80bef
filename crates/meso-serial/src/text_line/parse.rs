//! From bytes to lines, and from a line to what it says.

use meso_config::guns::{Capture, LineKind, TextLineProfile, exact_steps};
use meso_link_proto::message::VOLUME_PER_TRIGGER_NL_MAX;
use meso_link_proto::{Measured, Purpose, ShotFlags};
use meso_units::{
    GaugePascals, GunSerial, Micrometres, Microseconds, Nanolitres, NeedleCount, ShotsPerMinute,
    UnitError,
};
use regex::bytes::Captures;

use crate::LineFault;

/// The longest line, in bytes; what a longer one has beyond it is passed over, and the line is
/// refused.
pub(super) const LINE_BYTES_MAX: usize = 512;

/// A line, or what is there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line without its ending; not empty.
    Line(Vec<u8>),
    /// The first bytes of a line that is too long.
    TooLong(Vec<u8>),
    /// So many bytes that end a line whose beginning nobody has read.
    Headless(usize),
}

/// Cuts bytes into lines.
pub(super) struct Lines {
    ending: &'static [u8],
    buffer: Vec<u8>,
    /// Whether the buffer is cut already, so that the rest of the line is passed over.
    is_too_long: bool,
    /// Whether no ending was seen yet: the port may have been opened within a line, and the rest
    /// of one may look like a whole one.
    is_headless: bool,
    headless_bytes: usize,
}

impl Lines {
    pub(super) const fn new(ending: &'static [u8]) -> Lines {
        Lines {
            ending,
            buffer: Vec::new(),
            is_too_long: false,
            is_headless: true,
            headless_bytes: 0,
        }
    }

    /// Takes bytes and gives the lines that end within them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for byte in bytes {
            self.buffer.push(*byte);
            if self.is_headless {
                self.headless_bytes += 1;
            }
            if self.buffer.ends_with(self.ending) {
                self.buffer.truncate(self.buffer.len() - self.ending.len());
                pieces.extend(self.cut());
            } else if self.buffer.len() > LINE_BYTES_MAX + self.ending.len() {
                if self.is_headless {
                    // Nothing of it is kept; only an ending across the cut must be seen.
                    self.buffer.drain(..LINE_BYTES_MAX);
                } else if !self.is_too_long {
                    self.is_too_long = true;
                    let kept = self.buffer[..LINE_BYTES_MAX].to_vec();
                    pieces.push(Piece::TooLong(kept));
                    self.buffer.drain(..LINE_BYTES_MAX);
                } else {
                    self.buffer.drain(..LINE_BYTES_MAX);
                }
            }
        }
        pieces
    }

    fn cut(&mut self) -> Option<Piece> {
        let line = std::mem::take(&mut self.buffer);
        if std::mem::take(&mut self.is_headless) {
            let count = self.headless_bytes;
            return (count > self.ending.len()).then_some(Piece::Headless(count));
        }
        if std::mem::take(&mut self.is_too_long) || line.is_empty() {
            return None;
        }
        Some(Piece::Line(line))
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: LineKind,
    pub(super) serial: Option<GunSerial>,
    pub(super) model: Option<String>,
    pub(super) firmware: Option<String>,
    pub(super) interval: Option<Microseconds>,
    pub(super) measured: Measured,
}

/// Reads a line by the first pattern that it fits.
///
/// # Errors
///
/// [`LineFault`] where none fits, or where a number is not possible.
pub(super) fn read_line(profile: &TextLineProfile, line: &[u8]) -> Result<Said, LineFault> {
    let (rule, captures) = profile
        .lines
        .iter()
        .find_map(|rule| Some((rule, rule.pattern.captures(line)?)))
        .ok_or(LineFault::NoPattern)?;
    let fields = Fields {
        captures: &captures,
        units: &rule.captures,
        decimal_mark: profile.decimal.character(),
    };
    Ok(Said {
        kind: rule.kind,
        serial: match fields.text(Capture::Serial) {
            None => None,
            Some(text) => Some(possible("serial", GunSerial::parse(&text))?),
        },
        model: fields.text(Capture::Model),
        firmware: fields.text(Capture::Firmware),
        interval: fields.number(Capture::Interval, Microseconds::new)?,
        measured: fields.measured()?,
    })
}

struct Fields<'c> {
    captures: &'c Captures<'c>,
    units: &'c std::collections::BTreeMap<Capture, i64>,
    decimal_mark: char,
}

impl Fields<'_> {
    /// The text of a capture that took part in the match and is not empty.
    fn text(&self, capture: Capture) -> Option<String> {
        let bytes = self.captures.name(capture.name())?.as_bytes();
        let text = String::from_utf8_lossy(bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    fn number<R: TryFrom<i64>, T>(
        &self,
        capture: Capture,
        check: impl FnOnce(R) -> Result<T, UnitError>,
    ) -> Result<Option<T>, LineFault> {
        let Some(text) = self.text(capture) else {
            return Ok(None);
        };
        let per_unit = self.units.get(&capture).copied().unwrap_or(1);
        let raw = exact_steps(&text, self.decimal_mark, per_unit)
            .and_then(|steps| R::try_from(steps).ok())
            .ok_or(LineFault::NotANumber {
                field: capture.name(),
                text,
            })?;
        possible(capture.name(), check(raw)).map(Some)
    }

    fn measured(&self) -> Result<Measured, LineFault> {
        Ok(Measured {
            depth_set: self.number(Capture::DepthSet, Micrometres::new)?,
            depth_sensed: self.number(Capture::DepthSensed, Micrometres::new)?,
            volume_set: self.number(Capture::VolumeSet, volume_per_trigger)?,
            volume_sensed: self.number(Capture::VolumeSensed, volume_per_trigger)?,
            frequency_set: self.number(Capture::FrequencySet, ShotsPerMinute::new)?,
            needles_working: self.number(Capture::Needles, NeedleCount::new)?,
            pressure: self.number(Capture::Pressure, GaugePascals::new)?,
            purpose: self.purpose()?,
            flags: self.flags(),
        })
    }

    fn purpose(&self) -> Result<Option<Purpose>, LineFault> {
        let named = [
            (Capture::Patient, Purpose::Patient),
            (Capture::Prime, Purpose::Prime),
            (Capture::Test, Purpose::Test),
            (Capture::Cleaning, Purpose::Cleaning),
            (Capture::Calibration, Purpose::Calibration),
        ];
        let mut found = named
            .into_iter()
            .filter(|(capture, _)| self.text(*capture).is_some())
            .map(|(_, purpose)| purpose);
        let purpose = found.next();
        match found.next() {
            Some(_) => Err(LineFault::TwoPurposes),
            None => Ok(purpose),
        }
    }

    fn flags(&self) -> ShotFlags {
        let named = [
            (Capture::FailedInjection, ShotFlags::FAILED_INJECTION),
            (Capture::Occlusion, ShotFlags::OCCLUSION),
            (Capture::Dry, ShotFlags::DRY),
            (Capture::Air, ShotFlags::AIR),
            (Capture::VacuumOutOfWindow, ShotFlags::VACUUM_OUT_OF_WINDOW),
            (Capture::NeedleBlocked, ShotFlags::NEEDLE_BLOCKED),
        ];
        named
            .into_iter()
            .filter(|(capture, _)| self.text(*capture).is_some())
            .fold(ShotFlags::default(), |flags, (_, flag)| flags.union(flag))
    }
}

fn possible<T>(field: &'static str, value: Result<T, UnitError>) -> Result<T, LineFault> {
    value.map_err(|source| LineFault::Impossible { field, source })
}

fn volume_per_trigger(nl: u64) -> Result<Nanolitres, UnitError> {
    if nl > VOLUME_PER_TRIGGER_NL_MAX {
        return Err(UnitError::OutOfRange {
            quantity: "volume of one trigger in nl",
            value: i64::try_from(nl).unwrap_or(i64::MAX),
            min: 0,
            max: i64::try_from(VOLUME_PER_TRIGGER_NL_MAX).unwrap_or(i64::MAX),
        });
    }
    Nanolitres::new(nl)
}

#[cfg(test)]
mod tests {
    use meso_config::guns::{GunProfile, ProfileKind};

    use super::*;

    const EXAMPLE: &str = include_str!("../../../../config/guns/example-text-line.toml");

    fn example() -> TextLineProfile {
        let profile = GunProfile::parse("example-text-line.toml", EXAMPLE).unwrap();
        let ProfileKind::TextLine(profile) = profile.kind else {
            panic!("not a text-line profile");
        };
        *profile
    }

    fn lines(ending: &'static [u8]) -> Lines {
        let mut lines = Lines::new(ending);
        assert_eq!(lines.take(ending), [], "the port was opened between lines");
        lines
    }

    #[test]
    fn a_decimal_comma_is_read_exactly() {
        let said = read_line(&example(), b"S;1,25;0,02;7;OCC").unwrap();
        assert_eq!(said.kind, LineKind::Shot);
        assert_eq!(said.measured.depth_set, Micrometres::new(1_250).ok());
        assert_eq!(said.measured.volume_sensed, Nanolitres::new(20_000).ok());
        assert_eq!(said.measured.frequency_set, ShotsPerMinute::new(420).ok());
        assert_eq!(said.measured.flags, ShotFlags::OCCLUSION);
        assert_eq!(said.measured.purpose, None);
        let prime = read_line(&example(), b"S;1,25;0,02;7;P").unwrap();
        assert_eq!(prime.measured.purpose, Some(Purpose::Prime));
    }

    #[test]
    fn a_line_with_something_around_it_fits_no_pattern() {
        for line in [
            &b"xS;1,25;0,02;7"[..],
            b"S;1,25;0,02;7x",
            b"S;1.25;0.02;7",
            b"\xFF\x00",
        ] {
            assert_eq!(read_line(&example(), line), Err(LineFault::NoPattern));
        }
    }

    #[test]
    fn a_number_between_two_steps_or_out_of_range_is_refused() {
        let not_a_number = read_line(&example(), b"S;1,2345;0,02;7");
        assert!(matches!(
            not_a_number,
            Err(LineFault::NotANumber {
                field: "depth_set",
                ..
            })
        ));
        let too_deep = read_line(&example(), b"S;99,0;0,02;7");
        assert!(matches!(
            too_deep,
            Err(LineFault::Impossible {
                field: "depth_set",
                ..
            })
        ));
        let too_much = read_line(&example(), b"S;1,0;99,0;7");
        assert!(matches!(
            too_much,
            Err(LineFault::Impossible {
                field: "volume_sensed",
                ..
            })
        ));
    }

    #[test]
    fn lines_are_cut_wherever_the_bytes_are() {
        let text = b"one\r\n\r\ntwo\rstill two\r\nthr";
        for cut in 0..text.len() {
            let mut lines = lines(b"\r\n");
            let mut pieces = lines.take(&text[..cut]);
            pieces.extend(lines.take(&text[cut..]));
            let expected = [
                Piece::Line(b"one".to_vec()),
                Piece::Line(b"two\rstill two".to_vec()),
            ];
            assert_eq!(pieces, expected, "cut at {cut}");
        }
    }

    #[test]
    fn the_rest_of_a_line_is_never_taken_for_a_whole_one() {
        let mut lines = Lines::new(b"\n");
        assert_eq!(lines.take(b"2;34\n"), [Piece::Headless(5)]);
        assert_eq!(lines.take(b"12;34\n"), [Piece::Line(b"12;34".to_vec())]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_the_next_one_is_read() {
        let mut lines = lines(b"\r\n");
        let mut pieces = Vec::new();
        for _ in 0..10 {
            pieces.extend(lines.take(&[b'x'; LINE_BYTES_MAX]));
            assert!(lines.buffer.len() <= LINE_BYTES_MAX + 2);
        }
        assert_eq!(pieces, [Piece::TooLong(vec![b'x'; LINE_BYTES_MAX])]);
        let after = lines.take(b"\r\nnext\r\n");
        assert_eq!(after, [Piece::Line(b"next".to_vec())]);
    }

    #[test]
    fn the_longest_line_is_read() {
        let mut lines = lines(b"\r\n");
        let mut bytes = vec![b'x'; LINE_BYTES_MAX];
        bytes.extend(b"\r\n");
        assert_eq!(
            lines.take(&bytes),
            [Piece::Line(vec![b'x'; LINE_BYTES_MAX])]
        );
    }
}
