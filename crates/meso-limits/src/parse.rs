//! The text of a release: TOML, every problem named at once.
//!
//! The table is walked by hand rather than deserialised, because a deserialiser stops at the first
//! problem and a clinician who corrects a release wants to see them all.

use meso_domain::Technique;
use meso_units::{LibraryVersion, Micrometres, Nanolitres, ProtocolId};
use toml::{Table, Value};

use crate::judge::general;
use crate::{Library, Limits, LimitsError, Problem, Protocol};

/// The longest title, zone or source, in bytes; a longer one is a problem.
const TEXT_LENGTH_MAX: usize = 1_024;
/// The most zones or techniques of a protocol; more are a problem.
const LIST_LENGTH_MAX: usize = 64;
/// The most problems that are listed; a text with more has been understood wrongly as a whole.
const PROBLEM_COUNT_MAX: usize = 100;
/// The widest tolerance, in percent; more would hide what the limit is for.
const TOLERANCE_PERCENT_MAX: i64 = 50;

/// Reads a release.
pub(crate) fn parse_library(text: &str) -> Result<Library, LimitsError> {
    let mut problems = Problems::default();
    let library = read_library(text, &mut problems);
    match library {
        Some(library) if problems.list.is_empty() => Ok(library),
        _ => Err(LimitsError::NotALibrary {
            problems: problems.list,
        }),
    }
}

fn read_library(text: &str, problems: &mut Problems) -> Option<Library> {
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => {
            problems.add("the text", error.message(), "TOML");
            return None;
        }
    };
    problems.unknown_keys("", &table, &["version", "demo", "protocols"]);
    let version = match table.get("version") {
        Some(Value::Integer(version)) if *version >= 1 => u32::try_from(*version).ok(),
        _ => None,
    };
    if version.is_none() {
        problems.add_value("version", table.get("version"), "a whole number from 1 on");
    }
    let demo = table.get("demo").and_then(Value::as_bool);
    if demo.is_none() {
        problems.add_value("demo", table.get("demo"), "true or false");
    }
    let protocols = read_protocols(table.get("protocols"), problems);
    Some(Library {
        version: LibraryVersion(version?),
        demo: demo?,
        protocols,
    })
}

fn read_protocols(value: Option<&Value>, problems: &mut Problems) -> Vec<Protocol> {
    let list = match value {
        None => return Vec::new(),
        Some(Value::Array(list)) if list.len() <= Library::PROTOCOL_COUNT_MAX => list,
        other => {
            problems.add_value("protocols", other, "at most 256 [[protocols]] tables");
            return Vec::new();
        }
    };
    let mut protocols: Vec<Protocol> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let Value::Table(table) = value else {
            problems.add_value(&format!("protocols[{index}]"), Some(value), "a table");
            continue;
        };
        let Some(protocol) = read_protocol(index, table, problems) else {
            continue;
        };
        if protocols.iter().any(|known| known.id == protocol.id) {
            problems.add(
                &format!("protocols[{index}].id"),
                protocol.id.as_str(),
                "an id that no other protocol of the release has",
            );
        }
        protocols.push(protocol);
    }
    protocols
}

fn read_protocol(index: usize, table: &Table, problems: &mut Problems) -> Option<Protocol> {
    let name = table
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or("without id");
    let path = format!("protocols[{index}] ({}) ", shorten(name));
    let known: Vec<&str> = ["id", "title", "indication", "zones", "techniques"]
        .into_iter()
        .chain(QUANTITIES.iter().map(|quantity| quantity.key))
        .collect();
    problems.unknown_keys(&path, table, &known);
    let id = ProtocolId::parse(name).ok();
    if id.is_none() {
        problems.add_value(
            &format!("{path}id"),
            table.get("id"),
            "1 to 64 of a-z, 0-9 and -",
        );
    }
    let title = problems.text(&path, table, "title");
    let indication = problems.text(&path, table, "indication");
    let zones = problems.text_list(&path, table, "zones");
    let techniques = read_techniques(&path, table, problems);
    let [
        needle_depth,
        volume_per_point,
        shot_rate,
        session_volume,
        failed_injections,
    ] = QUANTITIES.map(|quantity| read_limits(&path, table, &quantity, problems));
    Some(Protocol {
        id: id?,
        title: title?,
        indication: indication?,
        zones: zones?,
        techniques: techniques?,
        needle_depth,
        volume_per_point,
        shot_rate,
        session_volume,
        failed_injections,
    })
}

fn read_techniques(path: &str, table: &Table, problems: &mut Problems) -> Option<Vec<Technique>> {
    let names = problems.text_list(path, table, "techniques")?;
    let mut techniques = Vec::with_capacity(names.len());
    for name in &names {
        match Technique::parse(name) {
            Some(technique) => techniques.push(technique),
            None => {
                let all: Vec<&str> = Technique::ALL.iter().map(|known| known.as_str()).collect();
                problems.add(&format!("{path}techniques"), name, &all.join(", "));
            }
        }
    }
    Some(techniques)
}

/// How the limits of one quantity are written.
#[derive(Clone, Copy)]
struct QuantityKind {
    key: &'static str,
    limits: &'static [&'static str],
    amount: &'static str,
    read: fn(&str) -> Option<i64>,
    /// A rate is kept as its interval, so its upper limit becomes a lower one.
    is_rate: bool,
    general: Option<(i64, &'static str)>,
}

const QUANTITIES: [QuantityKind; 5] = [
    QuantityKind {
        key: "needle_depth",
        limits: &["soft_min", "soft_max", "hard_min", "hard_max"],
        amount: "a depth such as \"4 mm\", up to 13 mm",
        read: |text| {
            Micrometres::parse(text)
                .ok()
                .map(|depth| depth.get().into())
        },
        is_rate: false,
        general: Some((
            general::NEEDLE_DEPTH_MAX_UM,
            "at most the general hard limit of 10 mm",
        )),
    },
    QuantityKind {
        key: "volume_per_point",
        limits: &["soft_min", "soft_max", "hard_min", "hard_max"],
        amount: "a volume such as \"0.02 ml\"",
        read: read_volume,
        is_rate: false,
        general: None,
    },
    QuantityKind {
        key: "shot_rate",
        limits: &["soft_max", "hard_max"],
        amount: "a rate such as \"9 per second\" or \"60 per minute\"",
        read: read_rate_as_interval,
        is_rate: true,
        general: Some((
            general::INTERVAL_MIN_US,
            "at most the general hard limit of 9 per second",
        )),
    },
    QuantityKind {
        key: "session_volume",
        limits: &["soft_max", "hard_max"],
        amount: "a volume such as \"10 ml\"",
        read: read_volume,
        is_rate: false,
        general: None,
    },
    QuantityKind {
        key: "failed_injections",
        limits: &["soft_max"],
        amount: "a count such as \"3 in a row\"",
        read: |text| read_whole(text.strip_suffix("in a row")?),
        is_rate: false,
        general: None,
    },
];

fn read_limits(
    path: &str,
    table: &Table,
    quantity: &QuantityKind,
    problems: &mut Problems,
) -> Option<Limits> {
    let value = table.get(quantity.key)?;
    let path = format!("{path}{}", quantity.key);
    let Value::Table(table) = value else {
        problems.add_value(&path, Some(value), "a table of limits");
        return None;
    };
    let path = format!("{path}.");
    let known: Vec<&str> = ["source", "tolerance_percent"]
        .into_iter()
        .chain(quantity.limits.iter().copied())
        .collect();
    problems.unknown_keys(&path, table, &known);
    let mut read = |key: &str| {
        let value = table.get(key).filter(|_| quantity.limits.contains(&key))?;
        let amount = value.as_str().and_then(quantity.read);
        if amount.is_none() {
            problems.add_value(&format!("{path}{key}"), Some(value), quantity.amount);
        }
        amount
    };
    let mut limits = Limits {
        soft_min: read("soft_min"),
        soft_max: read("soft_max"),
        hard_min: read("hard_min"),
        hard_max: read("hard_max"),
        ..Limits::default()
    };
    if quantity.is_rate {
        (limits.soft_min, limits.hard_min) = (limits.soft_max.take(), limits.hard_max.take());
    }
    limits.tolerance_percent = read_tolerance(&path, table, problems);
    limits.source = problems.text(&path, table, "source").unwrap_or_default();
    if !quantity.limits.iter().any(|key| table.contains_key(*key)) {
        problems.add(&path, "no limit", &quantity.limits.join(", "));
    }
    check_order(&path, &limits, quantity, problems);
    Some(limits)
}

fn read_tolerance(path: &str, table: &Table, problems: &mut Problems) -> u8 {
    match table.get("tolerance_percent") {
        None => 0,
        Some(Value::Integer(percent)) if (0..=TOLERANCE_PERCENT_MAX).contains(percent) => {
            u8::try_from(*percent).unwrap_or(0)
        }
        other => {
            let key = format!("{path}tolerance_percent");
            problems.add_value(&key, other, "a whole number from 0 to 50");
            0
        }
    }
}

/// Limits must lie in the order hard minimum, soft minimum, soft maximum, hard maximum, and none
/// may be looser than the general limit.
fn check_order(path: &str, limits: &Limits, quantity: &QuantityKind, problems: &mut Problems) {
    let rising = [
        limits.hard_min,
        limits.soft_min,
        limits.soft_max,
        limits.hard_max,
    ];
    let present: Vec<i64> = rising.into_iter().flatten().collect();
    if !present.is_sorted() {
        let found = format!("{present:?}");
        let allowed = "the hard limit at or outside the soft limit, minima below maxima";
        problems.add(path, &found, allowed);
    }
    let Some((limit, allowed)) = quantity.general else {
        return;
    };
    let is_looser = |value: i64| {
        if quantity.is_rate {
            value < limit
        } else {
            value > limit
        }
    };
    if let Some(looser) = present.into_iter().find(|value| is_looser(*value)) {
        problems.add(path, &looser.to_string(), allowed);
    }
}

fn read_volume(text: &str) -> Option<i64> {
    i64::try_from(Nanolitres::parse(text).ok()?.get()).ok()
}

fn read_rate_as_interval(text: &str) -> Option<i64> {
    if let Some(count) = text.strip_suffix("per second") {
        return 1_000_000_i64
            .checked_div(read_whole(count)?)
            .filter(|us| *us > 0);
    }
    let count = read_whole(text.strip_suffix("per minute")?)?;
    60_000_000_i64.checked_div(count).filter(|us| *us > 0)
}

fn read_whole(text: &str) -> Option<i64> {
    text.trim().parse::<u32>().ok().map(i64::from)
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The problems found so far.
#[derive(Default)]
struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, key: &str, found: &str, allowed: &str) {
        if self.list.len() < PROBLEM_COUNT_MAX {
            self.list.push(Problem {
                key: key.trim_end_matches('.').to_owned(),
                found: shorten(found),
                allowed: allowed.to_owned(),
            });
        }
    }

    fn add_value(&mut self, key: &str, found: Option<&Value>, allowed: &str) {
        let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
        self.add(key, &found, allowed);
    }

    fn unknown_keys(&mut self, path: &str, table: &Table, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            self.add(
                &format!("{path}{}", shorten(key)),
                "an unknown key",
                &known.join(", "),
            );
        }
    }

    fn text(&mut self, path: &str, table: &Table, key: &str) -> Option<String> {
        let value = table.get(key);
        match value.and_then(Value::as_str) {
            Some(text) if is_good_text(text) => Some(text.to_owned()),
            _ => {
                self.add_value(&format!("{path}{key}"), value, "text of 1 to 1024 bytes");
                None
            }
        }
    }

    fn text_list(&mut self, path: &str, table: &Table, key: &str) -> Option<Vec<String>> {
        let value = table.get(key);
        let texts: Option<Vec<String>> = value.and_then(Value::as_array).and_then(|list| {
            let text = |item: &Value| {
                item.as_str()
                    .filter(|text| is_good_text(text))
                    .map(str::to_owned)
            };
            list.iter().map(text).collect()
        });
        match texts {
            Some(texts) if (1..=LIST_LENGTH_MAX).contains(&texts.len()) => Some(texts),
            _ => {
                self.add_value(&format!("{path}{key}"), value, "a list of 1 to 64 texts");
                None
            }
        }
    }
}

fn is_good_text(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= TEXT_LENGTH_MAX
}
