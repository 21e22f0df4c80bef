//! One `[[protocols]]` table.

use std::collections::BTreeMap;

use meso_domain::{Rule, Severity, Technique};
use meso_units::ProtocolId;
use toml::de::DeValue;

use super::FORMAT_VERSION;
use super::walk::{Section, Value, as_text, as_whole, shown};
use crate::amount;
use crate::judge::general;
use crate::limited::Grammar;
use crate::{Check, Dose, DoseUnit, Drug, Layer, Limited, Limits, Protocol};

/// The most zones, techniques or names of one list; more are a problem.
const LIST_LENGTH_MAX: usize = 64;
/// The most drugs of one protocol; more are a problem. The doses of each are summed per session.
pub(crate) const DRUG_COUNT_MAX: usize = 16;
/// The widest tolerance, in percent; more would hide what the limit is for.
const TOLERANCE_PERCENT_MAX: i64 = 50;
/// The keys of the four limits, hardest minimum first.
const LIMIT_KEYS: [&str; 4] = ["hard_min", "soft_min", "soft_max", "hard_max"];

/// The checks that answer yes or no, by their key.
const CHECKS: [(&str, Rule); 11] = [
    ("zone", Rule::Zone),
    ("technique", Rule::Technique),
    ("certificate", Rule::Certificate),
    ("enrolment", Rule::Enrolment),
    ("calibration", Rule::Calibration),
    ("firmware", Rule::Firmware),
    ("consumables", Rule::Consumables),
    ("lots", Rule::Lots),
    ("preparation", Rule::Preparation),
    ("course_phase", Rule::CoursePhase),
    ("cocktail", Rule::Cocktail),
];

const BREACHES: [(&str, Severity); 2] = [("soft", Severity::Soft), ("hard", Severity::Hard)];

pub(super) fn read(section: &Section<'_>) -> Option<Protocol> {
    check_format(section);
    let id = read_id(section);
    let title = section.text("title");
    let indication = section.text("indication");
    let profile = section.optional_text("profile").unwrap_or_default();
    let zones = section.texts("zones", LIST_LENGTH_MAX);
    let techniques = read_techniques(section);
    let product_classes = section.optional_texts("product_classes", LIST_LENGTH_MAX);
    let notes = section.optional_texts("notes", LIST_LENGTH_MAX);
    let limits = read_quantities(section);
    let (layers, layer_check) = read_layers(section);
    let checks = read_checks(section);
    let drugs: Vec<Drug> = section
        .sections("drugs", DRUG_COUNT_MAX)
        .iter()
        .filter_map(read_drug)
        .collect();
    let course_packs = read_ids(section, "course_packs");
    let deeper_than_10_mm = section.optional_text("deeper_than_10_mm");
    check_general(section, &limits, deeper_than_10_mm.is_some());
    section.note_unknown_keys();
    Some(Protocol {
        id: id?,
        title: title?,
        indication: indication?,
        profile,
        zones: zones?,
        techniques: techniques?,
        product_classes,
        notes,
        limits,
        layers,
        layer_check,
        checks,
        drugs,
        course_packs,
        deeper_than_10_mm,
    })
}

/// The format's version, which may be left out.
pub(super) fn check_format(section: &Section<'_>) {
    let known = section
        .get("format")
        .is_none_or(|value| as_whole(value.get_ref()) == Some(FORMAT_VERSION));
    if !known {
        section.wrong("format", "1, the version of this format");
    }
}

pub(super) fn read_id(section: &Section<'_>) -> Option<ProtocolId> {
    let id = section
        .get("id")
        .and_then(|value| as_text(value.get_ref()))
        .and_then(|id| ProtocolId::parse(id).ok());
    if id.is_none() {
        section.wrong("id", "1 to 64 of a-z, 0-9 and -");
    }
    id
}

fn read_ids(section: &Section<'_>, key: &'static str) -> Vec<ProtocolId> {
    let names = section.optional_texts(key, LIST_LENGTH_MAX);
    let ids: Option<Vec<ProtocolId>> = names
        .iter()
        .map(|name| ProtocolId::parse(name).ok())
        .collect();
    if ids.is_none() {
        section.wrong(key, "ids of 1 to 64 of a-z, 0-9 and -");
    }
    ids.unwrap_or_default()
}

fn read_techniques(section: &Section<'_>) -> Option<Vec<Technique>> {
    let names = section.texts("techniques", LIST_LENGTH_MAX)?;
    let mut techniques = Vec::with_capacity(names.len());
    for name in &names {
        match Technique::parse(name) {
            Some(technique) => techniques.push(technique),
            None => {
                let all: Vec<&str> = Technique::ALL.iter().map(|known| known.as_str()).collect();
                let path = format!("{}techniques", section.path);
                let at = section.get("techniques").map(|value| value.span().start);
                section.notes.add(at, &path, name, &all.join(", "));
            }
        }
    }
    Some(techniques)
}

fn read_quantities(section: &Section<'_>) -> BTreeMap<Limited, Limits> {
    let mut all = BTreeMap::new();
    for quantity in Limited::ALL {
        let grammar = quantity.grammar();
        let Some(table) = section.section(grammar.key) else {
            continue;
        };
        all.insert(*quantity, read_limits(&table, grammar));
        table.note_unknown_keys();
    }
    all
}

/// The four limits, the tolerance and the sources of one table.
pub(super) fn read_limits(table: &Section<'_>, grammar: &Grammar) -> Limits {
    let general_source = table.optional_text("source");
    let mut limits = Limits::default();
    let mut found = [None; 4];
    for (key, slot) in LIMIT_KEYS.into_iter().zip(&mut found) {
        let Some((value, source)) = read_sourced(table, key, general_source.as_deref()) else {
            continue;
        };
        let amount = as_text(value.get_ref())
            .and_then(grammar.read)
            .filter(|amount| (grammar.min..=grammar.max).contains(amount));
        if amount.is_none() {
            let path = format!("{}{key}", table.path);
            let at = Some(value.span().start);
            let shown = shown(value.get_ref());
            table.notes.add(at, &path, &shown, grammar.allowed);
        }
        *slot = amount;
        limits.sources.insert(key, source);
    }
    [
        limits.hard_min,
        limits.soft_min,
        limits.soft_max,
        limits.hard_max,
    ] = found;
    if grammar.is_rate {
        // The highest rate is the shortest interval.
        std::mem::swap(&mut limits.soft_min, &mut limits.soft_max);
        std::mem::swap(&mut limits.hard_min, &mut limits.hard_max);
    }
    if grammar.is_measured {
        read_tolerance(table, general_source.as_deref(), &mut limits);
    }
    if limits.sources.keys().all(|key| *key == "tolerance") {
        table.wrong_here("no limit", "soft_min, soft_max, hard_min or hard_max");
    }
    check_order(table, &limits);
    limits
}

/// A number alone, or `{ is = …, source = "…" }`; its source is its own or the table's.
fn read_sourced<'n>(
    table: &Section<'n>,
    key: &'static str,
    general_source: Option<&str>,
) -> Option<(&'n Value<'n>, String)> {
    let value = table.get(key)?;
    let no_source = "a source, or source = \"house choice\" where there is none";
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        if general_source.is_none() {
            let path = format!("{}{key}", table.path);
            let at = Some(value.span().start);
            table.notes.add(at, &path, "no source", no_source);
        }
        return Some((value, general_source.unwrap_or_default().to_owned()));
    }
    let path = format!("{}{key}", table.path);
    let own = Section::of(table.notes, &path, value, ".")?;
    let source = match (own.optional_text("source"), general_source) {
        (Some(source), _) => source,
        (None, Some(source)) => source.to_owned(),
        (None, None) => {
            own.wrong("source", no_source);
            String::new()
        }
    };
    let number = own.get("is");
    if number.is_none() {
        own.wrong("is", "the number with its unit");
    }
    own.note_unknown_keys();
    Some((number?, source))
}

fn read_tolerance(table: &Section<'_>, general_source: Option<&str>, limits: &mut Limits) {
    let Some((value, source)) = read_sourced(table, "tolerance", general_source) else {
        return;
    };
    let percent = as_text(value.get_ref())
        .and_then(|text| amount::count(text, &["%"]))
        .filter(|percent| *percent <= TOLERANCE_PERCENT_MAX)
        .and_then(|percent| u8::try_from(percent).ok());
    if percent.is_none() {
        table.wrong("tolerance", "whole percent such as \"10 %\", up to 50 %");
    }
    limits.tolerance_percent = percent.unwrap_or(0);
    limits.sources.insert("tolerance", source);
}

/// Limits must lie in the order hard minimum, soft minimum, soft maximum, hard maximum.
fn check_order(table: &Section<'_>, limits: &Limits) {
    let rising = [
        limits.hard_min,
        limits.soft_min,
        limits.soft_max,
        limits.hard_max,
    ];
    let present: Vec<i64> = rising.into_iter().flatten().collect();
    if !present.is_sorted() {
        table.wrong_here(
            &format!("{present:?}"),
            "the hard limit at or outside the soft limit, minima below maxima",
        );
    }
}

/// No limit of the needle depth may be looser than the general one, unless that is signed off.
fn check_general(section: &Section<'_>, limits: &BTreeMap<Limited, Limits>, is_signed_off: bool) {
    let Some(depth) = limits.get(&Limited::NeedleDepth) else {
        return;
    };
    let deepest = [
        depth.hard_min,
        depth.soft_min,
        depth.soft_max,
        depth.hard_max,
    ];
    let looser = deepest
        .into_iter()
        .flatten()
        .find(|um| *um > general::NEEDLE_DEPTH_MAX_UM);
    if let Some(looser) = looser.filter(|_| !is_signed_off) {
        let at = section.get("needle_depth").map(|table| table.span().start);
        section.notes.add(
            at,
            &format!("{}needle_depth", section.path),
            &looser.to_string(),
            "at most the general hard limit of 10 mm, or deeper_than_10_mm = \"why\"",
        );
    }
}

fn read_layers(section: &Section<'_>) -> (Vec<Layer>, Option<Check>) {
    let Some(table) = section.section("layers") else {
        return (Vec::new(), None);
    };
    let names = table.texts("allowed", Layer::ALL.len()).unwrap_or_default();
    let layers: Option<Vec<Layer>> = names
        .iter()
        .map(|name| Layer::ALL.into_iter().find(|layer| layer.as_str() == name))
        .collect();
    if layers.is_none() {
        table.wrong("allowed", "epidermal, intradermal, hypodermal");
    }
    let check = read_check(&table);
    table.note_unknown_keys();
    (layers.unwrap_or_default(), check)
}

fn read_check(table: &Section<'_>) -> Option<Check> {
    let breach = table.optional_word("breach", &BREACHES);
    if breach.is_none() && table.get("breach").is_none() {
        table.wrong("breach", "soft or hard");
    }
    let source = table.text("source");
    Some(Check {
        breach: breach?,
        source: source?,
    })
}

fn read_checks(section: &Section<'_>) -> BTreeMap<Rule, Check> {
    let mut checks = BTreeMap::new();
    let Some(tables) = section.section("checks") else {
        return checks;
    };
    for (key, rule) in CHECKS {
        let Some(table) = tables.section(key) else {
            continue;
        };
        checks.extend(read_check(&table).map(|check| (rule, check)));
        table.note_unknown_keys();
    }
    tables.note_unknown_keys();
    checks
}

const MASS: Grammar = Grammar {
    key: "session_dose",
    rule: Rule::DrugMass,
    allowed: "a mass such as \"300 mg\"",
    read: |text| nano_of(Dose::parse(text), DoseUnit::Milligram),
    min: 0,
    max: 1_000_000_000_000_000,
    is_rate: false,
    is_measured: true,
};
const UNITS: Grammar = Grammar {
    rule: Rule::DrugUnits,
    allowed: "units of the brand such as \"50 U\"",
    read: |text| nano_of(Dose::parse(text), DoseUnit::BrandUnit),
    ..MASS
};
const MASS_PER_KILOGRAM: Grammar = Grammar {
    allowed: "a mass for each kilogram of body weight such as \"4.5 mg/kg\"",
    read: |text| nano_of(Dose::parse_per_kilogram(text), DoseUnit::Milligram),
    ..MASS
};
const UNITS_PER_KILOGRAM: Grammar = Grammar {
    rule: Rule::DrugUnits,
    allowed: "units for each kilogram of body weight such as \"2 U/kg\"",
    read: |text| nano_of(Dose::parse_per_kilogram(text), DoseUnit::BrandUnit),
    ..MASS
};

fn nano_of(dose: Option<Dose>, unit: DoseUnit) -> Option<i64> {
    dose.filter(|dose| dose.unit == unit).map(|dose| dose.nano)
}

fn read_drug(section: &Section<'_>) -> Option<Drug> {
    let name = section.text("name");
    let also = section.optional_texts("also", LIST_LENGTH_MAX);
    let class = section.text("class");
    let brand = section.optional_text("brand");
    let unit = match brand {
        Some(_) => DoseUnit::BrandUnit,
        None => DoseUnit::Milligram,
    };
    let (dose, per_kilogram) = match unit {
        DoseUnit::Milligram => (&MASS, &MASS_PER_KILOGRAM),
        DoseUnit::BrandUnit => (&UNITS, &UNITS_PER_KILOGRAM),
    };
    let limits = |key: &'static str, grammar: &Grammar| {
        let table = section.section(key)?;
        let limits = read_limits(&table, grammar);
        table.note_unknown_keys();
        Some(limits)
    };
    let session_dose = limits("session_dose", dose);
    let dose_per_kilogram = limits("dose_per_kilogram", per_kilogram);
    let interval = limits("interval", Limited::DaysSinceSession.grammar());
    if session_dose.is_none() && dose_per_kilogram.is_none() && interval.is_none() {
        section.wrong_here("no limit", "session_dose, dose_per_kilogram or interval");
    }
    section.note_unknown_keys();
    Some(Drug {
        name: name?.to_lowercase(),
        also: also.iter().map(|name| name.to_lowercase()).collect(),
        class: class?,
        unit,
        brand,
        session_dose: session_dose.unwrap_or_default(),
        dose_per_kilogram: dose_per_kilogram.unwrap_or_default(),
        interval: interval.unwrap_or_default(),
    })
}
