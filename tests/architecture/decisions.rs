//! Decision records have unique numbers and say what a record must say.

use std::collections::BTreeMap;
use std::fs;

use meso_tests::{files_under, root};

/// The parts of a decision record, each at the beginning of a line.
const PARTS: [&str; 6] = [
    "Date:",
    "Status:",
    "## Context",
    "## Options",
    "## Choice",
    "## What we give up",
];

/// Whether a name is `NNNN-words-with-hyphens.md`; gives its number.
fn number_of(name: &str) -> Option<&str> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let words = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = number.len() == 4
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !title.is_empty()
        && title.bytes().all(words);
    fits.then_some(number)
}

fn problems(records: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut names = BTreeMap::new();
    for (name, text) in records {
        let Some(number) = number_of(name) else {
            found.push(format!("{name} is not NNNN-title.md"));
            continue;
        };
        if let Some(other) = names.insert(number, name) {
            found.push(format!("{name} has the number of {other}"));
        }
        for part in PARTS {
            if !text.lines().any(|line| line.starts_with(part)) {
                found.push(format!("{name} lacks {part:?}"));
            }
        }
    }
    found
}

#[test]
fn decision_records_are_numbered_once_and_complete() {
    let files = files_under(&root().join("crates/docs/decisions"), &["md"]).unwrap();
    let records: Vec<_> = files
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(!records.is_empty(), "there are no decision records");
    let found = problems(&records);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_number_used_twice_a_wrong_name_and_a_missing_part_are_found() {
    let whole = PARTS.join("\n");
    let record = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert!(problems(&[record("0001-a.md", &whole), record("0002-b.md", &whole)]).is_empty());
    assert_eq!(
        problems(&[record("0001-a.md", &whole), record("0001-b.md", &whole)]).len(),
        1
    );
    assert_eq!(problems(&[record("1-a.md", &whole)]).len(), 1);
    assert_eq!(
        problems(&[record("0001-a.md", &whole.replace("Date:", "On"))]).len(),
        1
    );
}
