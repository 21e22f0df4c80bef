//! The profile of a gun that sends lines of text and takes nothing back.

use std::collections::BTreeMap;
use std::time::Duration;

use meso_units::GunSerial;
use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::reader::Section;

use super::{Quantity, choice};

/// The most bytes that a compiled pattern may take; a larger one is refused. Matching takes time
/// in proportion to the line whatever the pattern.
pub const PATTERN_BYTES_MAX: usize = 256 * 1_024;
/// The most line rules of one profile.
const LINE_RULES_MAX: usize = 32;
/// The longest pattern, in bytes.
const PATTERN_TEXT_MAX: usize = 1_024;
/// The longest question to the gun, in bytes.
const ASK_BYTES_MAX: usize = 64;

/// How a gun's lines are read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextLineProfile {
    /// What ends a line.
    pub ending: LineEnding,
    /// What stands before the decimals.
    pub decimal: DecimalMark,
    /// What the host sends, with the ending, until it knows the gun; not empty.
    pub ask: Option<String>,
    /// How long after its trigger the gun has sent the whole line at the latest; without it the
    /// time of a shot has no bounded uncertainty.
    pub delay_max: Option<Duration>,
    /// What tells the serial number.
    pub serial: SerialFrom,
    /// What lines there are; the first that matches counts.
    pub lines: Vec<LineRule>,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnding {
    /// A line feed.
    LineFeed,
    /// A carriage return and a line feed.
    Both,
    /// A carriage return.
    CarriageReturn,
}

impl LineEnding {
    /// The bytes.
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            LineEnding::LineFeed => b"\n",
            LineEnding::Both => b"\r\n",
            LineEnding::CarriageReturn => b"\r",
        }
    }
}

/// What stands before the decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalMark {
    /// A point.
    Point,
    /// A comma.
    Comma,
}

impl DecimalMark {
    /// The character.
    pub const fn character(self) -> char {
        match self {
            DecimalMark::Point => '.',
            DecimalMark::Comma => ',',
        }
    }
}

/// What tells the serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialFrom {
    /// A line with the capture `serial`.
    Line,
    /// The USB device.
    Usb,
    /// This profile, which is then for one gun alone.
    Fixed(GunSerial),
}

/// One kind of line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineRule {
    /// What it says.
    pub kind: LineKind,
    /// How it looks.
    pub pattern: LinePattern,
    /// What is captured of it, and how many smallest units one unit of it has; 1 where it has no
    /// unit.
    pub captures: BTreeMap<Capture, i64>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// One trigger of the gun.
    Shot,
    /// Something of the gun itself.
    About,
    /// Nothing that is kept.
    Ignore,
}

/// The whole of a line as a regular expression over bytes, without Unicode classes.
#[derive(Clone, Debug)]
pub struct LinePattern(Regex);

impl PartialEq for LinePattern {
    fn eq(&self, other: &LinePattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for LinePattern {}

impl LinePattern {
    /// Compiles a pattern, which must match a whole line; `None` where it is not a regular
    /// expression or too large.
    fn parse(text: &str) -> Option<LinePattern> {
        if text.len() > PATTERN_TEXT_MAX {
            return None;
        }
        RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .unicode(false)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
            .ok()
            .map(LinePattern)
    }

    /// The captures of a line without its ending; `None` where it looks otherwise.
    pub fn captures<'l>(&self, line: &'l [u8]) -> Option<Captures<'l>> {
        self.0.captures(line)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.capture_names().flatten()
    }
}

/// Defines [`Capture`] with the name that a pattern gives it and the quantity that it has.
macro_rules! captures {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $quantity:expr;)*) => {
        /// What a pattern may capture.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Capture {
            $($(#[$doc])* $name,)*
        }

        impl Capture {
            const ALL: &[Capture] = &[$(Capture::$name),*];

            /// Its name in a pattern.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Capture::$name => $text,)*
                }
            }

            /// The quantity; `None` where it is text, or counts by being there.
            pub const fn quantity(self) -> Option<Quantity> {
                match self {
                    $(Capture::$name => $quantity,)*
                }
            }
        }
    };
}

captures! {
    /// Serial number.
    Serial = "serial", None;
    /// Model.
    Model = "model", None;
    /// Firmware version.
    Firmware = "firmware", None;
    /// Needle depth set.
    DepthSet = "depth_set", Some(Quantity::Depth);
    /// Needle depth sensed.
    DepthSensed = "depth_sensed", Some(Quantity::Depth);
    /// Volume of the trigger set.
    VolumeSet = "volume_set", Some(Quantity::Volume);
    /// Volume of the trigger sensed.
    VolumeSensed = "volume_sensed", Some(Quantity::Volume);
    /// Shot rate set.
    FrequencySet = "frequency_set", Some(Quantity::Rate);
    /// Needles that worked.
    Needles = "needles", Some(Quantity::Count);
    /// Vacuum or pressure.
    Pressure = "pressure", Some(Quantity::Pressure);
    /// The time since the trigger before.
    Interval = "interval", Some(Quantity::Duration);
    /// Set where it is there: the injection failed.
    FailedInjection = "failed_injection", None;
    /// Set where it is there: the way was blocked.
    Occlusion = "occlusion", None;
    /// Set where it is there: without product.
    Dry = "dry", None;
    /// Set where it is there: air in the line.
    Air = "air", None;
    /// Set where it is there: the vacuum was outside its window.
    VacuumOutOfWindow = "vacuum_out_of_window", None;
    /// Set where it is there: a needle is blocked.
    NeedleBlocked = "needle_blocked", None;
    /// Where it is there, the shot went into a patient.
    Patient = "patient", None;
    /// Where it is there, the shot filled tube and needle.
    Prime = "prime", None;
    /// Where it is there, the shot was a trial.
    Test = "test", None;
    /// Where it is there, the shot rinsed.
    Cleaning = "cleaning", None;
    /// Where it is there, the shot went onto a scale.
    Calibration = "calibration", None;
}

impl TextLineProfile {
    pub(super) fn read(root: &Section<'_>) -> Option<TextLineProfile> {
        let text = root.section("text", TextSettings::read);
        let serial = root.section("serial", read_serial);
        let lines = root.list("lines", 1..=LINE_RULES_MAX, LineRule::read);
        let (text, serial, lines) = (text?, serial?, lines?);
        if !lines.iter().any(|rule| rule.kind == LineKind::Shot) {
            let allowed = r#"one section or more with kind = "shot""#;
            root.note_not_allowed("lines", "no line that is a shot".to_owned(), allowed);
            return None;
        }
        let tells_serial = |rule: &LineRule| rule.captures.contains_key(&Capture::Serial);
        if serial == SerialFrom::Line && !lines.iter().any(tells_serial) {
            let allowed = r#"a pattern with (?P<serial>…), because serial.from = "line""#;
            root.note_not_allowed("lines", "no line that tells the gun".to_owned(), allowed);
            return None;
        }
        Some(TextLineProfile {
            ending: text.ending,
            decimal: text.decimal,
            ask: text.ask,
            delay_max: text.delay_max,
            serial,
            lines,
        })
    }
}

/// The section `[text]`.
struct TextSettings {
    ending: LineEnding,
    decimal: DecimalMark,
    ask: Option<String>,
    delay_max: Option<Duration>,
}

impl TextSettings {
    fn read(section: &Section<'_>) -> Option<TextSettings> {
        let ending = choice(
            section,
            "ending",
            &[
                ("lf", LineEnding::LineFeed),
                ("crlf", LineEnding::Both),
                ("cr", LineEnding::CarriageReturn),
            ],
            Some(LineEnding::Both),
        );
        let decimal = choice(
            section,
            "decimal",
            &[("point", DecimalMark::Point), ("comma", DecimalMark::Comma)],
            Some(DecimalMark::Point),
        );
        let allowed = "1 to 64 bytes of printable ASCII, sent until the gun is known";
        let ask = section.optional_text("ask", allowed, |text| {
            let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
            let fits = (1..=ASK_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_printable);
            fits.then(|| text.to_owned())
        });
        let delay_ms_max = section.optional_number("delay_ms_max", 1..=10_000);
        Some(TextSettings {
            ending: ending?,
            decimal: decimal?,
            ask: ask?,
            delay_max: delay_ms_max?.map(|ms| Duration::from_millis(ms.into())),
        })
    }
}

fn read_serial(section: &Section<'_>) -> Option<SerialFrom> {
    #[derive(Clone, Copy)]
    enum From {
        Line,
        Usb,
        Fixed,
    }
    let words = [
        ("line", From::Line),
        ("usb", From::Usb),
        ("fixed", From::Fixed),
    ];
    let from = choice(section, "from", &words, None)?;
    if !matches!(from, From::Fixed) {
        section.forbid("number", r#"only beside from = "fixed""#);
    }
    match from {
        From::Line => Some(SerialFrom::Line),
        From::Usb => Some(SerialFrom::Usb),
        From::Fixed => {
            let allowed = "the gun's serial number, 1 to 16 of A-Z, 0-9 and -";
            let serial = section.text("number", allowed, None, |text| GunSerial::parse(text).ok());
            serial.map(SerialFrom::Fixed)
        }
    }
}

impl LineRule {
    fn read(section: &Section<'_>) -> Option<LineRule> {
        let kind = choice(
            section,
            "kind",
            &[
                ("shot", LineKind::Shot),
                ("about", LineKind::About),
                ("ignore", LineKind::Ignore),
            ],
            None,
        );
        let allowed = "a regular expression of at most 1024 bytes for the whole line, without \
                       back-references and Unicode classes";
        let pattern = section.text("pattern", allowed, None, LinePattern::parse);
        let captures = pattern
            .as_ref()
            .map(|pattern| section.section("units", |units| captures(section, units, pattern)));
        Some(LineRule {
            kind: kind?,
            pattern: pattern?,
            captures: captures??,
        })
    }
}

fn captures(
    rule: &Section<'_>,
    units: &Section<'_>,
    pattern: &LinePattern,
) -> Option<BTreeMap<Capture, i64>> {
    let mut captures = BTreeMap::new();
    let mut is_sound = true;
    for name in pattern.names() {
        let Some(capture) = Capture::ALL.iter().find(|known| known.name() == name) else {
            let names: Vec<&str> = Capture::ALL.iter().map(|known| known.name()).collect();
            let allowed = format!("captures of {}", names.join(", "));
            rule.note_not_allowed("pattern", format!("(?P<{name}>…)"), &allowed);
            is_sound = false;
            continue;
        };
        let per_unit = match capture.quantity() {
            None | Some(Quantity::Count) => Some(1),
            Some(quantity) => {
                let allowed = format!("one of {}", quantity.unit_names());
                units.text(capture.name(), &allowed, None, |unit| {
                    quantity.per_unit(unit)
                })
            }
        };
        is_sound &= per_unit.is_some();
        captures.extend(per_unit.map(|per_unit| (*capture, per_unit)));
    }
    is_sound.then_some(captures)
}
