//! One `[[packs]]` table.

use std::collections::BTreeMap;

use meso_domain::Rule;

use super::protocol::{check_format, read_id, read_limits};
use super::walk::Section;
use crate::limited::Grammar;
use crate::{Limited, Limits, Pack, PackTopic, Phase, Stance, amount};

/// The most phases of a course; more are a problem.
const PHASE_COUNT_MAX: usize = 8;
/// The most components of a phase; more are a problem.
const COCKTAIL_LENGTH_MAX: usize = 64;

const TOPICS: [(&str, PackTopic); 3] = [
    ("course", PackTopic::Course),
    ("anticoagulants", PackTopic::Anticoagulants),
    ("cancer", PackTopic::Cancer),
];

const STANCES: [(&str, Stance); 3] = [
    ("refuse", Stance::Refuse),
    ("washout", Stance::Washout),
    ("ask physician", Stance::AskPhysician),
];

/// Time since the last dose; longer than 30 days is no washout any more.
const WASHOUT: Grammar = Grammar {
    key: "washout",
    rule: Rule::SessionLength,
    allowed: "a time such as \"96 h\", up to 720 h",
    read: amount::seconds,
    min: 0,
    max: 720 * 3_600,
    is_rate: false,
    is_measured: false,
};

pub(super) fn read(section: &Section<'_>) -> Option<Pack> {
    check_format(section);
    let id = read_id(section);
    let topic = section.optional_word("topic", &TOPICS);
    if section.get("topic").is_none() {
        section.wrong("topic", "course, anticoagulants or cancer");
    }
    let title = section.text("title");
    let source = section.text("source");
    let phases: Vec<Phase> = section
        .sections("phases", PHASE_COUNT_MAX)
        .iter()
        .filter_map(read_phase)
        .collect();
    let stance = section.optional_word("stance", &STANCES);
    let washout = read_washout(section);
    let topic = topic?;
    if (topic == PackTopic::Course) == phases.is_empty() {
        section.wrong("phases", "one or more for a course, none for another topic");
    }
    if (topic == PackTopic::Course) == section.get("stance").is_some() {
        section.wrong(
            "stance",
            "refuse, washout or ask physician; none for a course",
        );
    }
    if (stance == Some(Stance::Washout)) == washout.is_empty() {
        section.wrong(
            "washout",
            "a time for each group of medicines, with stance washout only",
        );
    }
    section.note_unknown_keys();
    Some(Pack {
        id: id?,
        topic,
        title: title?,
        source: source?,
        phases,
        stance,
        washout,
    })
}

fn read_phase(section: &Section<'_>) -> Option<Phase> {
    let goal = section.text("goal");
    let limits = |key: &'static str, quantity: Limited| {
        let table = section.section(key)?;
        let limits = read_limits(&table, quantity.grammar());
        table.note_unknown_keys();
        Some(limits)
    };
    let sessions = limits("sessions", Limited::CourseSessions);
    let interval = limits("interval", Limited::DaysSinceSession);
    if sessions.is_none() && interval.is_none() {
        section.wrong_here("no limit", "sessions or interval");
    }
    let cocktail = section.optional_texts("cocktail", COCKTAIL_LENGTH_MAX);
    section.note_unknown_keys();
    Some(Phase {
        goal: goal?,
        sessions: sessions.unwrap_or_default(),
        interval: interval.unwrap_or_default(),
        cocktail: cocktail.iter().map(|name| name.to_lowercase()).collect(),
    })
}

fn read_washout(section: &Section<'_>) -> BTreeMap<String, Limits> {
    let mut washout = BTreeMap::new();
    let Some(groups) = section.section("washout") else {
        return washout;
    };
    for (group, value) in groups.entries() {
        let path = format!("{}{group}", groups.path);
        let Some(table) = Section::of(section.notes, &path, value, ".") else {
            continue;
        };
        washout.insert(group.to_owned(), read_limits(&table, &WASHOUT));
        table.note_unknown_keys();
    }
    washout
}
