//! The columns of `shots.csv` and `shots.json`: the same names and texts in both.
//!
//! Sealed columns hold every field of the shot's canonical bytes, so either file alone gives back
//! what was hashed. The others say the same in words that people read, or where the proof is; a
//! verifier writes them anew and compares.
//!
//! An absent value is an empty cell in CSV and `null` in JSON; no value is ever an empty text.
//! Numbers that do not fit the integers of JSON readers (2^53) are texts. No text holds a comma, a
//! quote or a line feed, so a line is a row and one damaged row cannot swallow the next.

use meso_domain::{
    BlockHeader, Derivation, Judgement, Purpose, PurposeDecidedBy, Quantity, Shot, ShotFlags,
    ShotIdentity, Source, Sourced,
};
use meso_units::{
    ClockSegment, Epoch, GaugePascals, GunSerial, GunTick, LibraryVersion, Micrometres,
    Microseconds, Nanolitres, NeedleCount, OperatorId, SegmentId, ShotCounter, ShotsPerMinute,
    Timestamp, Uncertainty,
};

use crate::text::{decimal, findings, rfc3339, verdict};

/// Where a shot is proven, and what else a row says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) header: &'a BlockHeader,
    pub(crate) index: usize,
    pub(crate) judgement: Option<&'a Judgement>,
}

/// How JSON writes a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
}

struct Column {
    name: &'static str,
    kind: Kind,
    write: fn(&Shot, &Place<'_>) -> String,
}

const fn number(name: &'static str, write: fn(&Shot, &Place<'_>) -> String) -> Column {
    Column {
        name,
        kind: Kind::Number,
        write,
    }
}

const fn text(name: &'static str, write: fn(&Shot, &Place<'_>) -> String) -> Column {
    Column {
        name,
        kind: Kind::Text,
        write,
    }
}

/// A value or an empty cell.
fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// 64 bits as 16 hexadecimal digits.
pub(crate) fn hex64(value: u64) -> String {
    format!("{value:016x}")
}

/// The columns in their order; format version 1.
const COLUMNS: [Column; 38] = [
    text("gun", |s, _| s.identity.gun.to_string()),
    text("epoch", |s, _| hex64(s.identity.epoch.get())),
    number("counter", |s, _| s.identity.counter.to_string()),
    text("at", |s, _| rfc3339(s.at)),
    text("session", |_, p| cell(p.header.session)),
    text("segment", |s, _| cell(s.segment)),
    text("purpose", |s, _| s.purpose.to_string()),
    text("purpose_decided_by", |s, _| {
        s.purpose_decided_by.to_string()
    }),
    text("needle_depth_mm", |s, _| {
        cell(
            s.needle_depth
                .actual_value()
                .map(|depth| decimal(depth.get().into(), 3)),
        )
    }),
    text("volume_ml", |s, _| {
        cell(s.volume.actual_value().map(|v| decimal(v.get(), 6)))
    }),
    text("rate_hz", |s, _| {
        cell(
            s.interval
                .and_then(Microseconds::rate_mhz)
                .map(|rate| decimal(rate, 3)),
        )
    }),
    number("points", |s, _| s.points().to_string()),
    text("flag_names", |s, _| {
        s.flags.names().collect::<Vec<_>>().join("; ")
    }),
    text("edge_verdict", |_, p| {
        p.judgement.map_or("", verdict).to_owned()
    }),
    text("edge_findings", |_, p| {
        p.judgement.map_or_else(String::new, findings)
    }),
    text("at_ns", |s, _| s.at.unix_ns().to_string()),
    text("uncertainty_ns", |s, _| match s.uncertainty {
        Uncertainty::Within(ns) => ns.to_string(),
        Uncertainty::Unbounded => String::new(),
    }),
    number("clock_segment", |s, _| s.clock_segment.0.to_string()),
    number("gun_tick_us", |s, _| s.gun_tick.get().to_string()),
    number("needle_depth_set_um", |s, _| {
        cell(s.needle_depth.set.map(Micrometres::get))
    }),
    number("needle_depth_um", |s, _| {
        cell(s.needle_depth.actual_value().map(Micrometres::get))
    }),
    text("needle_depth_source", |s, _| {
        source_of(s.needle_depth.actual.as_ref())
    }),
    number("volume_set_nl", |s, _| {
        cell(s.volume.set.map(Nanolitres::get))
    }),
    number("volume_nl", |s, _| {
        cell(s.volume.actual_value().map(Nanolitres::get))
    }),
    text("volume_source", |s, _| source_of(s.volume.actual.as_ref())),
    number("interval_us", |s, _| {
        cell(s.interval.map(Microseconds::get))
    }),
    number("frequency_set_spm", |s, _| {
        cell(s.frequency_set.map(ShotsPerMinute::get))
    }),
    number("needles_working_count", |s, _| {
        cell(
            s.needles_working
                .as_ref()
                .map(|needles| needles.value.get()),
        )
    }),
    text("needles_working_source", |s, _| {
        source_of(s.needles_working.as_ref())
    }),
    number("pressure_pa", |s, _| {
        cell(s.pressure.map(GaugePascals::get))
    }),
    number("flags", |s, _| s.flags.bits().to_string()),
    number("library", |s, _| cell(s.library)),
    text("clinic", |_, p| p.header.clinic.to_string()),
    text("driver", |_, p| p.header.place.driver.to_string()),
    text("incarnation", |_, p| {
        hex64(p.header.place.incarnation.get())
    }),
    number("block", |_, p| p.header.place.number.to_string()),
    number("index", |_, p| p.index.to_string()),
    text("record_hash", |s, _| {
        use meso_domain::canonical::Canonical as _;
        s.record_hash().to_string()
    }),
];

/// The cells of one row, in the order of the columns.
pub(crate) type Cells = Vec<String>;

/// The cells of a shot.
pub(crate) fn cells_of(shot: &Shot, place: &Place<'_>) -> Cells {
    COLUMNS
        .iter()
        .map(|column| (column.write)(shot, place))
        .collect()
}

/// The header line of the CSV file, without its line feed.
pub(crate) fn csv_header() -> String {
    names().collect::<Vec<_>>().join(",")
}

/// One CSV line, without its line feed.
pub(crate) fn csv_line(cells: &[String]) -> String {
    cells.join(",")
}

/// One JSON object, on one line.
pub(crate) fn json_line(cells: &[String]) -> String {
    let mut line = String::from("{");
    for (column, cell) in COLUMNS.iter().zip(cells) {
        if line.len() > 1 {
            line.push(',');
        }
        line.push('"');
        line.push_str(column.name);
        line.push_str("\":");
        match column.kind {
            _ if cell.is_empty() => line.push_str("null"),
            Kind::Number => line.push_str(cell),
            Kind::Text => {
                line.push('"');
                line.push_str(cell);
                line.push('"');
            }
        }
    }
    line.push('}');
    line
}

/// Why a line is not a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowError {
    pub(crate) field: Option<&'static str>,
    pub(crate) detail: String,
}

impl RowError {
    fn line(detail: String) -> RowError {
        RowError {
            field: None,
            detail,
        }
    }
}

/// Splits a CSV line.
pub(crate) fn parse_csv_line(line: &str) -> Result<Cells, RowError> {
    let cells: Cells = line.split(',').map(str::to_owned).collect();
    if cells.len() != COLUMNS.len() {
        return Err(RowError::line(format!(
            "{} cells, not {}",
            cells.len(),
            COLUMNS.len()
        )));
    }
    Ok(cells)
}

/// Reads a JSON object on one line.
pub(crate) fn parse_json_line(line: &str) -> Result<Cells, RowError> {
    let object: std::collections::BTreeMap<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|error| RowError::line(format!("not JSON: {error}")))?;
    let cells = COLUMNS.iter().map(|column| {
        let wrong = |detail| RowError {
            field: Some(column.name),
            detail,
        };
        match object.get(column.name) {
            Some(serde_json::Value::Null) => Ok(String::new()),
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(serde_json::Value::Number(number)) => Ok(number.to_string()),
            Some(_) => Err(wrong("neither text, number nor null".to_owned())),
            None => Err(wrong("the field is missing".to_owned())),
        }
    });
    cells.collect()
}

/// The names of the columns, in their order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|column| column.name)
}

/// One cell by the name of its column; empty for a row that is too short.
fn cell_of<'a>(cells: &'a [String], name: &str) -> &'a str {
    let at = COLUMNS.iter().position(|column| column.name == name);
    at.and_then(|at| cells.get(at)).map_or("", String::as_str)
}

/// Reads the sealed fields of a row back into the shot.
pub(crate) fn shot_of(cells: &[String]) -> Result<Shot, RowError> {
    let row = Row { cells };
    let shot = Shot {
        identity: identity_of(cells)?,
        at: row.with("at_ns", |t| Timestamp::from_unix_ns(t.parse().ok()?).ok())?,
        uncertainty: row
            .optional("uncertainty_ns", |t| t.parse().ok())?
            .map_or(Uncertainty::Unbounded, Uncertainty::Within),
        clock_segment: row.with("clock_segment", |t| t.parse().ok().map(ClockSegment))?,
        gun_tick: row.with("gun_tick_us", |t| GunTick::new(t.parse().ok()?).ok())?,
        needle_depth: Quantity {
            set: row.optional("needle_depth_set_um", micrometres)?,
            actual: row.sourced("needle_depth_um", "needle_depth_source", micrometres)?,
        },
        volume: Quantity {
            set: row.optional("volume_set_nl", nanolitres)?,
            actual: row.sourced("volume_nl", "volume_source", nanolitres)?,
        },
        interval: row.optional("interval_us", |t| Microseconds::new(t.parse().ok()?).ok())?,
        frequency_set: row.optional("frequency_set_spm", |t| {
            ShotsPerMinute::new(t.parse().ok()?).ok()
        })?,
        needles_working: row.sourced("needles_working_count", "needles_working_source", |t| {
            NeedleCount::new(t.parse().ok()?).ok()
        })?,
        pressure: row.optional("pressure_pa", |t| GaugePascals::new(t.parse().ok()?).ok())?,
        flags: row.with("flags", |t| ShotFlags::from_bits(t.parse().ok()?).ok())?,
        purpose: row.with("purpose", Purpose::parse)?,
        purpose_decided_by: row.with("purpose_decided_by", PurposeDecidedBy::parse)?,
        segment: row.optional("segment", |t| SegmentId::parse(t).ok())?,
        library: row.optional("library", |t| t.parse().ok().map(LibraryVersion))?,
    };
    shot.check()
        .map_err(|error| RowError::line(error.to_string()))?;
    Ok(shot)
}

/// Reads who a row says it is.
fn identity_of(cells: &[String]) -> Result<ShotIdentity, RowError> {
    let row = Row { cells };
    Ok(ShotIdentity {
        gun: row.with("gun", |t| GunSerial::parse(t).ok())?,
        epoch: row.with("epoch", |t| u64::from_str_radix(t, 16).ok().map(Epoch))?,
        counter: row.with("counter", |t| t.parse().ok().map(ShotCounter))?,
    })
}

fn micrometres(text: &str) -> Option<Micrometres> {
    Micrometres::new(text.parse().ok()?).ok()
}

fn nanolitres(text: &str) -> Option<Nanolitres> {
    Nanolitres::new(text.parse().ok()?).ok()
}

struct Row<'a> {
    cells: &'a [String],
}

impl Row<'_> {
    fn with<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RowError> {
        let cell = cell_of(self.cells, name);
        read(cell).ok_or_else(|| {
            let shown: String = cell.chars().take(64).collect();
            RowError {
                field: Some(name),
                detail: format!("{shown:?} cannot be read"),
            }
        })
    }

    fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, RowError> {
        if cell_of(self.cells, name).is_empty() {
            return Ok(None);
        }
        self.with(name, read).map(Some)
    }

    fn sourced<T>(
        &self,
        value: &'static str,
        source: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<Sourced<T>>, RowError> {
        let value = self.optional(value, read)?;
        let origin = self.optional(source, parse_source)?;
        match (value, origin) {
            (Some(value), Some(source)) => Ok(Some(Sourced { value, source })),
            (None, None) => Ok(None),
            _ => Err(RowError {
                field: Some(source),
                detail: "a value has a source and a source has a value".to_owned(),
            }),
        }
    }
}

fn source_of<T>(sourced: Option<&Sourced<T>>) -> String {
    sourced.map_or_else(String::new, |sourced| match &sourced.source {
        Source::Sensed => "sensed".to_owned(),
        Source::Computed(derivation) => format!("computed: {derivation}"),
        Source::Typed(operator) => format!("typed: {operator}"),
    })
}

fn parse_source(text: &str) -> Option<Source> {
    if text == "sensed" {
        return Some(Source::Sensed);
    }
    if let Some(derivation) = text.strip_prefix("computed: ") {
        return Derivation::parse(derivation).map(Source::Computed);
    }
    let operator = text.strip_prefix("typed: ")?;
    OperatorId::parse(operator).ok().map(Source::Typed)
}
