//! Every rule by scenario: given a session and shots, the verdict that is expected.
//!
//! Each rule has a file in `tests/scenarios`, whose cases are data. A case says which question of
//! the table it answers (`case`), what is given, and the verdict on the session. The test prints
//! the table of rules and cases, and fails where a rule has no file or a file lacks a case.

mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use meso_domain::{Rule, Severity};
use meso_limits::{Limited, SessionVerdict};
use serde::Deserialize;

use given::{Given, verdict_of};

/// The questions that a rule with limits must answer, in the order of the table.
const QUESTIONS: [&str; 7] = [
    "below soft",
    "at soft",
    "beyond soft",
    "in tolerance",
    "at hard",
    "beyond hard",
    "not checkable",
];

/// The file of one rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    rule: String,
    /// Why a question cannot be asked of this rule, by the question.
    #[serde(default)]
    without: BTreeMap<String, String>,
    /// The tables of the protocol that the cases run under.
    protocol: String,
    /// Packs and choices of the release, where the rule needs some.
    #[serde(default)]
    release: String,
    /// What every case begins with.
    #[serde(default)]
    given: Given,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The question that it answers, or any other text for one beyond the table.
    case: String,
    /// Other tables of the protocol for this case.
    protocol: Option<String>,
    #[serde(default)]
    given: Given,
    /// `pass`, `soft`, `hard`, or `not checkable: why`.
    expect: String,
}

fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.into_iter().map(read).collect()
}

fn said(verdict: &SessionVerdict, rule: Rule) -> String {
    let Some(found) = verdict.rule(rule) else {
        return "does not apply".to_owned();
    };
    match found.worst {
        None => "pass".to_owned(),
        Some(finding) => match (finding.severity, finding.reason) {
            (Severity::NotCheckable, Some(reason)) => format!("not checkable: {reason}"),
            (severity, _) => severity.to_string(),
        },
    }
}

/// Rules that answer yes or no have no limit to be at, and counts have no tolerance.
fn is_asked(rule: Rule, question: &str) -> bool {
    let of_check = ["below soft", "beyond soft", "beyond hard", "not checkable"];
    if rule.is_check() {
        return of_check.contains(&question);
    }
    let is_measured = Limited::ALL
        .iter()
        .any(|quantity| quantity.rule() == rule && quantity.takes_tolerance());
    let is_dose = matches!(rule, Rule::DrugMass | Rule::DrugUnits);
    question != "in tolerance" || is_measured || is_dose
}

#[test]
fn every_rule_says_what_its_scenarios_expect() {
    let mut table: BTreeMap<Rule, BTreeMap<String, String>> = BTreeMap::new();
    let mut excused: BTreeMap<(Rule, String), String> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut count = 0;
    for scenario in scenarios() {
        let rule = Rule::parse(&scenario.rule).expect("the name of a rule");
        for (question, why) in &scenario.without {
            excused.insert((rule, question.clone()), why.clone());
        }
        for case in &scenario.cases {
            let protocol = case.protocol.as_ref().unwrap_or(&scenario.protocol);
            let given = case.given.over(&scenario.given);
            let verdict = verdict_of(protocol, &scenario.release, &given);
            let found = said(&verdict, rule);
            count += 1;
            if found != case.expect {
                wrong.push(format!(
                    "{rule}, {}: expected {}, found {found}: {:?}",
                    case.case,
                    case.expect,
                    verdict.rule(rule)
                ));
            }
            let short = found.split(':').next().unwrap_or_default().to_owned();
            let cells = table.entry(rule).or_default();
            cells.entry(case.case.clone()).or_insert(short);
        }
    }
    print(&table, &excused, count);
    let missing = missing_of(&table, &excused);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn missing_of(
    table: &BTreeMap<Rule, BTreeMap<String, String>>,
    excused: &BTreeMap<(Rule, String), String>,
) -> Vec<String> {
    let mut missing = Vec::new();
    for rule in Rule::ALL {
        for question in QUESTIONS {
            let is_there = table
                .get(rule)
                .is_some_and(|cells| cells.contains_key(question));
            let is_excused = excused.contains_key(&(*rule, question.to_owned()));
            if is_asked(*rule, question) && !is_there && !is_excused {
                missing.push(format!("{rule} has no case {question:?}"));
            }
        }
    }
    missing
}

/// Past the capture of the test harness, so that every run shows the table.
fn print(
    table: &BTreeMap<Rule, BTreeMap<String, String>>,
    excused: &BTreeMap<(Rule, String), String>,
    count: usize,
) {
    let mut text = format!("\n{:<40}", "rule");
    for question in QUESTIONS {
        text.push_str(&format!("{question:<15}"));
    }
    text.push_str("more\n");
    let known: BTreeSet<&str> = QUESTIONS.into_iter().collect();
    for rule in Rule::ALL {
        text.push_str(&format!("{:<40}", rule.as_str()));
        let cells = table.get(rule);
        for question in QUESTIONS {
            let cell = cells.and_then(|cells| cells.get(question));
            let is_excused = excused.contains_key(&(*rule, question.to_owned()));
            let cell = match cell {
                Some(cell) => cell.as_str(),
                None if is_excused || !is_asked(*rule, question) => "-",
                None => "MISSING",
            };
            text.push_str(&format!("{cell:<15}"));
        }
        let more = cells.map_or(0, |cells| {
            cells
                .keys()
                .filter(|case| !known.contains(case.as_str()))
                .count()
        });
        text.push_str(&format!("{more}\n"));
    }
    text.push_str(&format!(
        "{} rules, {count} cases; - is a question that the rule does not have\n",
        Rule::ALL.len()
    ));
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}
