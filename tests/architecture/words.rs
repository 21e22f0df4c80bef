//! Words that no file may hold: open ends without a reason, paths of somebody's machine, hosts of
//! package registries.

use std::fs;

use meso_tests::{files_under, relative, root};

/// Kinds of files that people write.
const EXTENSIONS: [&str; 12] = [
    "rs", "toml", "md", "ts", "svelte", "css", "html", "sql", "c", "h", "sh", "json",
];

/// Lines with an open end that gives no reason. The words are put together here, so that this file
/// does not find itself.
fn open_ends(text: &str) -> Vec<usize> {
    let note = concat!("TO", "DO");
    let always = [
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("to", "do!("),
    ];
    let wrong = |line: &str| {
        let unfounded = line
            .match_indices(note)
            .any(|(at, _)| !has_reason(&line[at + note.len()..]));
        unfounded || always.iter().any(|word| line.contains(word))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| wrong(line));
    lines.map(|(index, _)| index + 1).collect()
}

/// Whether what follows the word is `(kind): text (#issue)`.
fn has_reason(rest: &str) -> bool {
    let Some((kind, text)) = rest
        .strip_prefix('(')
        .and_then(|rest| rest.split_once("): "))
    else {
        return false;
    };
    let issue = text.split_once("(#").map(|(_, rest)| rest);
    let numbered = issue.is_some_and(|issue| issue.starts_with(|c: char| c.is_ascii_digit()));
    !kind.is_empty() && numbered
}

/// Places of one machine or one network; put together here, so that this file does not find itself.
const PLACES: [&str; 6] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("index.", "crates.io"),
    concat!("registry.", "npmjs"),
    concat!("deb.", "debian.org"),
];

#[test]
fn no_file_names_a_path_of_a_machine_or_a_host_of_a_registry() {
    let mut found = Vec::new();
    for path in files_under(&root(), &EXTENSIONS).unwrap() {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let places = PLACES.iter().filter(|place| text.contains(**place));
        found.extend(places.map(|place| format!("{}: {place}", relative(&path))));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_open_end_names_its_kind_and_its_issue() {
    let mut found = Vec::new();
    for path in files_under(&root(), &EXTENSIONS).unwrap() {
        let text = fs::read_to_string(&path).unwrap_or_default();
        found.extend(
            open_ends(&text)
                .iter()
                .map(|line| format!("{}:{line}", relative(&path))),
        );
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_open_end_without_reason_is_found() {
    let note = concat!("TO", "DO");
    assert_eq!(open_ends(&format!("a\n// {note} later")), [2]);
    assert_eq!(open_ends(&format!("// {note}(speed): try a map")), [1]);
    assert!(open_ends(&format!("// {note}(speed): try a map (#12)")).is_empty());
    assert_eq!(open_ends(concat!("to", "do!()")), [1]);
}
