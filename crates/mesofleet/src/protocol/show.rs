//! Protocols for people and for machines.

use std::process::ExitCode;

use anyhow::Context;
use meso_limits::{Library, Limited, Limits, Protocol};
use meso_units::ProtocolId;
use serde_json::{Value, json};

use super::files::library;
use super::{ShowArguments, SourceArguments};
use crate::store::command::print_line;

/// Under every protocol that is shown.
const APPROVAL: &str = "every limit is an example to be approved by a clinician";

pub(super) fn list(source: &SourceArguments) -> anyhow::Result<ExitCode> {
    let library = library(source)?;
    if source.json {
        let all: Vec<Value> = library
            .protocols()
            .iter()
            .map(|protocol| json!({
                "id": protocol.id.as_str(),
                "title": protocol.title,
                "indication": protocol.indication,
                "profile": protocol.profile,
                "zones": protocol.zones,
                "limited": protocol.limits.keys().map(|quantity| quantity.key()).collect::<Vec<_>>(),
            }))
            .collect();
        print_line(&Value::from(all).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for protocol in library.protocols() {
        print_line(&format!(
            "{:<28} {:<10} {} ({} zones, {} quantities limited)",
            protocol.id.as_str(),
            protocol.profile,
            protocol.title,
            protocol.zones.len(),
            protocol.limits.len()
        ));
    }
    print_line(&format!(
        "{} protocols; {APPROVAL}",
        library.protocols().len()
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let library = library(&arguments.source)?;
    let id = ProtocolId::parse(&arguments.id)?;
    let protocol = library
        .protocol(&id)
        .with_context(|| format!("there is no protocol {id}; see `mesofleet protocol list`"))?;
    match arguments.source.json {
        true => print_line(&as_json(protocol).to_string()),
        false => {
            let rows = rows(&library, protocol);
            rows.iter().for_each(|row| print_line(row));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The four limits of a quantity with their words, the strictest outside.
pub(super) fn numbers(limits: &Limits, quantity: Limited) -> Vec<(&'static str, String)> {
    let rule = quantity.rule();
    // The highest rate is kept as the shortest interval, so its words are the other way round.
    let is_rate = quantity == Limited::ShotRate;
    let swap = |key: &'static str| match (is_rate, key) {
        (true, "hard_min") => "hard_max",
        (true, "soft_min") => "soft_max",
        (true, "soft_max") => "soft_min",
        (true, "hard_max") => "hard_min",
        (_, key) => key,
    };
    [
        ("hard_min", limits.hard_min),
        ("soft_min", limits.soft_min),
        ("soft_max", limits.soft_max),
        ("hard_max", limits.hard_max),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((swap(key), rule.amount(value?).to_string())))
    .collect()
}

fn rows(library: &Library, protocol: &Protocol) -> Vec<String> {
    let mut rows = vec![
        format!("{}: {}", protocol.id, protocol.title),
        format!("  for {}, {}", protocol.indication, protocol.profile),
        format!("  zones: {}", protocol.zones.join(", ")),
        format!(
            "  techniques: {}",
            protocol
                .techniques
                .iter()
                .map(|technique| technique.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    ];
    rows.extend(protocol.notes.iter().map(|note| format!("  note: {note}")));
    for (quantity, limits) in &protocol.limits {
        rows.push(format!("  {}", quantity.key()));
        for (key, amount) in numbers(limits, *quantity) {
            let source = limits.sources.get(key).map_or("", String::as_str);
            rows.push(format!("    {key:<10} {amount:<16} {source}"));
        }
        if limits.tolerance_percent > 0 {
            let source = limits.sources.get("tolerance").map_or("", String::as_str);
            let percent = format!("{} %", limits.tolerance_percent);
            rows.push(format!("    {:<10} {percent:<16} {source}", "tolerance"));
        }
    }
    for (rule, check) in &protocol.checks {
        let source = &check.source;
        rows.push(format!("  {rule}: {} breach; {source}", check.breach));
    }
    for drug in &protocol.drugs {
        rows.push(format!("  drug {} ({})", drug.name, drug.class));
        for limits in [&drug.session_dose, &drug.dose_per_kilogram, &drug.interval] {
            for (key, source) in &limits.sources {
                rows.push(format!("    {key:<10} {source}"));
            }
        }
    }
    let course = library.course_of(protocol).map(|pack| pack.title.as_str());
    let packs: Vec<&str> = protocol.course_packs.iter().map(|id| id.as_str()).collect();
    rows.push(format!(
        "  course: {} (of {})",
        course.unwrap_or("none chosen"),
        packs.join(", ")
    ));
    rows.push(format!("  {APPROVAL}"));
    rows
}

fn as_json(protocol: &Protocol) -> Value {
    let limits: serde_json::Map<String, Value> = protocol
        .limits
        .iter()
        .map(|(quantity, limits)| {
            let numbers: serde_json::Map<String, Value> = numbers(limits, *quantity)
                .into_iter()
                .map(|(key, amount)| {
                    let source = limits.sources.get(key);
                    (key.to_owned(), json!({ "is": amount, "source": source }))
                })
                .collect();
            let value = json!({
                "unit": quantity.rule().unit(),
                "numbers": numbers,
                "tolerance_percent": limits.tolerance_percent,
            });
            (quantity.key().to_owned(), value)
        })
        .collect();
    json!({
        "id": protocol.id.as_str(),
        "title": protocol.title,
        "indication": protocol.indication,
        "profile": protocol.profile,
        "zones": protocol.zones,
        "techniques": protocol.techniques.iter().map(|t| t.as_str()).collect::<Vec<_>>(),
        "notes": protocol.notes,
        "limits": limits,
        "course_packs": protocol.course_packs.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        "approval": APPROVAL,
    })
}
