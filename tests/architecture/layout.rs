//! The top level, the manifests, and that no test lies where nothing runs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use meso_tests::{files_under, relative, root};

use crate::crates::workspace;

/// Everything that may lie at the top level.
const TOP_LEVEL: [&str; 22] = [
    ".cargo",
    ".ci",
    ".editorconfig",
    ".git",
    ".gitattributes",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    ".clippy.toml",
    "config",
    "crates",
    "dashboards",
    "deny.toml",
    "firmware-bridge",
    ".rustfmt.toml",
    // Where cargo builds unless it is told otherwise; git ignores it.
    "target",
    "tests",
];

fn strangers(names: &BTreeSet<String>) -> Vec<&String> {
    names
        .iter()
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .collect()
}

#[test]
fn the_top_level_holds_nothing_unexpected() {
    let names: BTreeSet<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let strangers = strangers(&names);
    assert!(
        strangers.is_empty(),
        "these do not belong at the top level: {strangers:?}"
    );
}

#[test]
fn a_stranger_at_the_top_level_is_found() {
    let names = BTreeSet::from(["crates".to_owned(), "notes.txt".to_owned()]);
    assert_eq!(strangers(&names), ["notes.txt"]);
}

/// Whether a manifest takes its lints from the workspace.
fn takes_workspace_lints(manifest: &str) -> bool {
    let after = manifest.split_once("\n[lints]\n").map(|(_, rest)| rest);
    after.is_some_and(|rest| rest.trim_start().starts_with("workspace = true"))
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for package in workspace().packages {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            takes_workspace_lints(&manifest),
            "{} has its own lints",
            package.name
        );
    }
    assert!(!takes_workspace_lints("[package]\nname = \"a\"\n"));
    assert!(!takes_workspace_lints(
        "[package]\n\n[lints]\nrust = {}\nworkspace = true\n"
    ));
}

/// The Rust files that look like tests and that no target of the workspace begins with or holds.
fn unrun_tests(files: &[PathBuf], targets: &BTreeSet<PathBuf>) -> Vec<String> {
    let runs = |file: &Path| {
        let folder_of_target = |target: &PathBuf| {
            target.ends_with("main.rs")
                && target
                    .parent()
                    .is_some_and(|folder| file.starts_with(folder))
        };
        targets.contains(file) || targets.iter().any(folder_of_target)
    };
    files
        .iter()
        .filter(|file| !runs(file))
        .map(|file| relative(file))
        .collect()
}

/// Whether a file lies in a folder `tests` that is not a module of a crate.
fn is_test_file(path: &Path) -> bool {
    let parts: Vec<_> = path.strip_prefix(root()).unwrap_or(path).iter().collect();
    let tests = parts.iter().position(|part| *part == "tests");
    tests.is_some_and(|tests| !parts[..=tests].iter().any(|part| *part == "src"))
        && !parts.iter().any(|part| *part == "src")
}

#[test]
fn every_test_file_belongs_to_a_target_that_cargo_runs() {
    let targets: BTreeSet<_> = workspace()
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| target.is_test())
        .map(|target| target.src_path.clone().into_std_path_buf())
        .collect();
    let files: Vec<_> = files_under(&root(), &["rs"])
        .unwrap()
        .into_iter()
        .filter(|path| is_test_file(path))
        .collect();
    assert!(files.len() >= 3, "only {files:?} look like tests");
    let unrun = unrun_tests(&files, &targets);
    assert!(unrun.is_empty(), "cargo runs none of these: {unrun:?}");
}

#[test]
fn a_test_that_no_target_runs_is_found() {
    let targets = BTreeSet::from([root().join("tests/a/main.rs")]);
    let files = [
        "tests/a/main.rs",
        "tests/a/one.rs",
        "tests/b/main.rs",
        "tests/loose.rs",
    ];
    let files = files.map(|file| root().join(file));
    assert_eq!(
        unrun_tests(&files, &targets),
        ["tests/b/main.rs", "tests/loose.rs"]
    );
    assert!(is_test_file(&root().join("tests/b/main.rs")));
    assert!(!is_test_file(&root().join("crates/a/src/b/tests/c.rs")));
}
