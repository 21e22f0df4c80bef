//! Every path that README.md and ARCHITECTURE.md name exists.

use std::fs;
use std::path::Path;

use meso_tests::root;

/// The documents whose paths are checked.
const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];

/// First parts of a path in code style that say that it means a path of this checkout.
const TOP_LEVEL: [&str; 7] = [
    "crates",
    "firmware-bridge",
    "dashboards",
    "config",
    "tests",
    ".ci",
    ".cargo",
];

/// The paths that a document names: targets of its links, and code that looks like a path.
fn named_paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(link_targets(line));
            // Every second piece between backticks is code.
            found.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .filter(|code| is_path(code)),
            );
        }
    }
    let mut found: Vec<_> = found.into_iter().map(without_fragment).collect();
    found.sort();
    found.dedup();
    found
}

fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let targets = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#'))
}

fn is_path(code: &str) -> bool {
    let first = code.split('/').next().unwrap_or_default();
    code.contains('/') && !code.contains(' ') && TOP_LEVEL.contains(&first)
}

fn without_fragment(target: &str) -> String {
    target
        .split('#')
        .next()
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_owned()
}

fn missing(paths: &[String], root: &Path) -> Vec<String> {
    paths
        .iter()
        .filter(|path| !root.join(path).exists())
        .cloned()
        .collect()
}

#[test]
fn every_path_named_in_the_documents_exists() {
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let paths = named_paths(&text);
        assert!(paths.len() >= 3, "{document} names only {paths:?}");
        let missing = missing(&paths, &root());
        assert!(
            missing.is_empty(),
            "{document} names what does not exist: {missing:?}"
        );
    }
}

#[test]
fn every_command_of_xtask_that_the_readme_names_exists() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let main = fs::read_to_string(root().join("crates/xtask/src/main.rs")).unwrap();
    let commands: Vec<_> = text
        .split("cargo xtask ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next())
        .collect();
    assert!(commands.len() >= 2, "the README names only {commands:?}");
    for command in commands {
        let (first, rest) = command.split_at(1);
        let variant = format!("Command::{}{rest}", first.to_ascii_uppercase());
        assert!(
            main.contains(&variant),
            "the README names `cargo xtask {command}`"
        );
    }
}

#[test]
fn paths_in_links_and_code_are_seen_and_those_in_blocks_are_not() {
    let text = "[a](docs/a.md#top) `crates/b` `now/then` [web](https://example.org) [x](#x)\n\
                ```\n`crates/not-this`\n```\n`tests/c.rs` and `cargo test -p tests/d`";
    assert_eq!(named_paths(text), ["crates/b", "docs/a.md", "tests/c.rs"]);
    assert_eq!(
        missing(
            &["no-such-file".to_owned(), "Cargo.toml".to_owned()],
            &root()
        )
        .len(),
        1
    );
}
