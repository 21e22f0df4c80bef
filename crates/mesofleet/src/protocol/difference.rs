//! What differs between two releases: which limits a person has to look at before signing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use meso_limits::{Library, Protocol};
use serde_json::json;

use super::DiffArguments;
use super::files::{from_files, read_message};
use super::show::numbers;
use crate::store::command::print_line;

pub(super) fn diff(arguments: &DiffArguments) -> anyhow::Result<ExitCode> {
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let differences = differences(&old, &new);
    for (protocol, key, before, after) in &differences {
        print_line(&match arguments.json {
            true => {
                json!({ "protocol": protocol, "key": key, "old": before, "new": after }).to_string()
            }
            false => format!(
                "{protocol}: {key}: {} -> {}",
                before.as_deref().unwrap_or("nothing"),
                after.as_deref().unwrap_or("nothing")
            ),
        });
    }
    if differences.is_empty() && !arguments.json {
        print_line("no limit differs");
    }
    Ok(match differences.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read(path: &Path) -> anyhow::Result<Library> {
    match path.extension().is_some_and(|end| end == "json") {
        true => Ok(Library::parse(&read_message(path)?.release)?),
        false => from_files(std::iter::once(path)),
    }
}

/// Protocol, key, before, after.
type Difference = (String, String, Option<String>, Option<String>);

fn differences(old: &Library, new: &Library) -> Vec<Difference> {
    let by_id = |library: &Library| -> BTreeMap<String, BTreeMap<String, String>> {
        let protocols = library.protocols().iter();
        protocols
            .map(|protocol| (protocol.id.to_string(), facts(library, protocol)))
            .collect()
    };
    let (old, new) = (by_id(old), by_id(new));
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut all = Vec::new();
    for id in ids {
        let nothing = BTreeMap::new();
        let before = old.get(id).unwrap_or(&nothing);
        let after = new.get(id).unwrap_or(&nothing);
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let (was, is) = (before.get(key).cloned(), after.get(key).cloned());
            if was != is {
                all.push((id.clone(), key.clone(), was, is));
            }
        }
    }
    all
}

/// Everything about a protocol that a verdict depends on, as text by key.
fn facts(library: &Library, protocol: &Protocol) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    facts.insert("zones".to_owned(), protocol.zones.join(", "));
    let techniques = protocol
        .techniques
        .iter()
        .map(|technique| technique.as_str());
    facts.insert(
        "techniques".to_owned(),
        techniques.collect::<Vec<_>>().join(", "),
    );
    facts.insert(
        "product_classes".to_owned(),
        protocol.product_classes.join(", "),
    );
    for (quantity, limits) in &protocol.limits {
        for (key, amount) in numbers(limits, *quantity) {
            facts.insert(format!("{}.{key}", quantity.key()), amount);
        }
        let tolerance = format!("{} %", limits.tolerance_percent);
        facts.insert(format!("{}.tolerance", quantity.key()), tolerance);
    }
    for (rule, check) in &protocol.checks {
        facts.insert(format!("checks.{rule}"), check.breach.to_string());
    }
    let layers = protocol.layers.iter().map(|layer| layer.as_str());
    facts.insert("layers".to_owned(), layers.collect::<Vec<_>>().join(", "));
    for drug in &protocol.drugs {
        for (what, limits) in [
            ("session_dose", &drug.session_dose),
            ("dose_per_kilogram", &drug.dose_per_kilogram),
            ("interval", &drug.interval),
        ] {
            let raw = [
                limits.hard_min,
                limits.soft_min,
                limits.soft_max,
                limits.hard_max,
            ];
            if raw != [None; 4] {
                let key = format!("drugs.{}.{what}", drug.name);
                facts.insert(key, format!("{raw:?}"));
            }
        }
    }
    if let Some(why) = &protocol.deeper_than_10_mm {
        facts.insert("deeper_than_10_mm".to_owned(), why.clone());
    }
    if let Some(course) = library.course_of(protocol) {
        facts.insert("course".to_owned(), course.id.to_string());
    }
    facts
}
