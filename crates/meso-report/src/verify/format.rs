//! How a record is written on one line, and read back from it.

use meso_domain::Record;

use super::evidence::{Evidence, Slot};
use crate::columns::{
    Cells, RowError, cells_of, csv_line, json_line, names, parse_csv_line, parse_json_line, shot_of,
};
use crate::events::record_line;

/// How the lines of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `shots.csv`
    CsvShots,
    /// `shots.json`
    JsonShots,
    /// `sessions.json` and `gaps.json`
    Events,
}

impl Format {
    /// Reads the record of a line.
    pub(super) fn read(self, line: &str) -> Result<Record, RowError> {
        match self {
            Format::CsvShots => shot_of(&parse_csv_line(line)?).map(Record::Shot),
            Format::JsonShots => shot_of(&parse_json_line(line)?).map(Record::Shot),
            Format::Events => read_event(line),
        }
    }

    /// The fields of a line by name, as far as they can be read.
    pub(super) fn fields(self, line: &str) -> Vec<(String, String)> {
        let named = |cells: Cells| {
            names()
                .map(str::to_owned)
                .zip(cells)
                .collect::<Vec<(String, String)>>()
        };
        match self {
            Format::CsvShots => named(line.split(',').map(str::to_owned).collect()),
            Format::JsonShots => parse_json_line(line).map(named).unwrap_or_default(),
            Format::Events => event_fields(line),
        }
    }

    /// Writes a record as the only right line; `None` for a kind that the file does not hold.
    pub(super) fn write(self, record: &Record, slot: &Slot, evidence: &Evidence) -> Option<String> {
        let place = evidence.place(slot);
        match (self, record) {
            (Format::CsvShots, Record::Shot(shot)) => Some(csv_line(&cells_of(shot, &place))),
            (Format::JsonShots, Record::Shot(shot)) => Some(json_line(&cells_of(shot, &place))),
            (Format::Events, record) => record_line(record, &place).ok(),
            _ => None,
        }
    }
}

/// The value of a field by name.
pub(super) fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// The first field that differs, with both values; the hash column only repeats what another did.
pub(super) fn first_difference(
    mine: &[(String, String)],
    theirs: &[(String, String)],
) -> Option<(String, String, String)> {
    let differs = mine.iter().filter_map(|(name, value)| {
        let other = field(theirs, name).unwrap_or_default();
        (other != value).then(|| (name.clone(), value.clone(), other.to_owned()))
    });
    differs.min_by_key(|(name, ..)| name == "record_hash" || name == "canonical")
}

fn read_event(line: &str) -> Result<Record, RowError> {
    #[derive(serde::Deserialize)]
    struct Sealed {
        canonical: String,
    }
    let wrong = |detail: String| RowError {
        field: Some("canonical"),
        detail,
    };
    let sealed: Sealed = serde_json::from_str(line).map_err(|error| RowError {
        field: None,
        detail: format!("not JSON, or without canonical bytes: {error}"),
    })?;
    let bytes =
        hex::decode(&sealed.canonical).map_err(|_| wrong("it is not hexadecimal".to_owned()))?;
    Record::from_canonical(&bytes).map_err(|error| wrong(error.to_string()))
}

/// The fields of an event row; those of the details under their own names.
fn event_fields(line: &str) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line) else {
        return Vec::new();
    };
    let mut fields = Vec::new();
    for (name, value) in object {
        match value {
            serde_json::Value::Object(inner) => {
                fields.extend(inner.into_iter().map(|(name, value)| (name, plain(&value))));
            }
            value => fields.push((name, plain(&value))),
        }
    }
    fields
}

fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
