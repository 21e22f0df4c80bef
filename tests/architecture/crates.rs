//! The crate table of ARCHITECTURE.md against what cargo says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use meso_tests::root;

/// What the table says of one crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) layer: String,
    /// The crates of ours that it may depend on; `None` for any.
    pub(crate) allowed: Option<BTreeSet<String>>,
}

/// The layers from the top of the table to its bottom; a layer may use itself and those before.
const LAYERS: [&str; 5] = ["core", "contract", "adapter", "app", "support"];

pub(crate) fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap()
}

pub(crate) fn table() -> BTreeMap<String, Row> {
    parse_table(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap())
}

fn parse_table(text: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [layer, name, _, allowed] = cells[..] else {
            continue;
        };
        if !LAYERS.contains(&layer) {
            continue;
        }
        let row = Row {
            layer: layer.to_owned(),
            allowed: parse_allowed(allowed),
        };
        let twice = rows.insert(name.trim_matches('`').to_owned(), row);
        assert!(twice.is_none(), "{name} stands in the table twice");
    }
    rows
}

fn parse_allowed(cell: &str) -> Option<BTreeSet<String>> {
    match cell {
        "any" => None,
        "–" => Some(BTreeSet::new()),
        list => Some(
            list.split(", ")
                .map(|short| format!("meso-{short}"))
                .collect(),
        ),
    }
}

/// The crates of ours that a package is built with, those of its tests left out.
fn own_dependencies(package: &Package, ours: &BTreeSet<String>) -> BTreeSet<String> {
    let built_with = |kind| matches!(kind, DependencyKind::Normal | DependencyKind::Build);
    package
        .dependencies
        .iter()
        .filter(|dependency| built_with(dependency.kind))
        .map(|dependency| dependency.name.clone())
        .filter(|name| ours.contains(name))
        .collect()
}

/// What is wrong with one crate's dependencies.
fn violations(
    name: &str,
    dependencies: &BTreeSet<String>,
    table: &BTreeMap<String, Row>,
) -> Vec<String> {
    let Some(row) = table.get(name) else {
        return vec![format!("{name} is not in the table")];
    };
    let height = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    let mut found = Vec::new();
    for dependency in dependencies {
        let Some(other) = table.get(dependency) else {
            continue;
        };
        match &row.allowed {
            Some(allowed) if !allowed.contains(dependency) => {
                found.push(format!("{name} may not depend on {dependency}"));
            }
            None if dependency == "xtask" => {
                found.push(format!("{name} may not depend on {dependency}"));
            }
            _ => {}
        }
        // The one upward arrow: the demo shows an emulated gun.
        let demo = name == "mesofleet" && dependency == "meso-testkit";
        if height(&other.layer) > height(&row.layer) && !demo {
            found.push(format!(
                "{name} ({}) is above {dependency} ({})",
                row.layer, other.layer
            ));
        }
    }
    found
}

#[test]
fn the_table_names_every_crate_and_no_other() {
    let in_table: BTreeSet<_> = table().into_keys().collect();
    let in_workspace: BTreeSet<_> = workspace()
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    assert_eq!(
        in_table, in_workspace,
        "left: ARCHITECTURE.md, right: cargo metadata"
    );
}

#[test]
fn no_crate_depends_on_one_that_the_table_does_not_allow() {
    let (metadata, table) = (workspace(), table());
    let ours: BTreeSet<_> = table.keys().cloned().collect();
    let found: Vec<_> = metadata
        .packages
        .iter()
        .flat_map(|package| violations(&package.name, &own_dependencies(package, &ours), &table))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_table_itself_only_points_upward_and_to_crates_that_exist() {
    let table = table();
    let found: Vec<_> = table
        .iter()
        .flat_map(|(name, row)| {
            let allowed = row.allowed.clone().unwrap_or_default();
            let unknown = allowed.iter().filter(|other| !table.contains_key(*other));
            let unknown: Vec<_> = unknown.map(|other| format!("{name}: no {other}")).collect();
            unknown
                .into_iter()
                .chain(violations(name, &allowed, &table))
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_verifier_pulls_nothing_that_talks_to_a_network_a_port_or_a_database() {
    let forbidden = [
        "tokio",
        "mio",
        "hyper",
        "axum",
        "reqwest",
        "ureq",
        "rumqttc",
        "mqtt5",
        "rustls",
        "serialport",
        "tokio-serial",
        "rusqlite",
        "libsqlite3-sys",
    ];
    assert_tree_without("mesofleet-verify", &forbidden);
}

#[test]
fn core_crates_pull_no_runtime_network_port_or_database() {
    let forbidden = [
        "tokio",
        "mio",
        "smol",
        "async-std",
        "hyper",
        "axum",
        "reqwest",
        "ureq",
        "rumqttc",
        "mqtt5",
        "rustls",
        "serialport",
        "nix",
        "rusqlite",
        "libsqlite3-sys",
        "rayon",
        "rand",
    ];
    let core: Vec<_> = table()
        .into_iter()
        .filter(|(_, row)| row.layer == "core")
        .collect();
    assert!(
        core.len() >= 9,
        "the table lists {} core crates",
        core.len()
    );
    for (name, _) in core {
        assert_tree_without(&name, &forbidden);
    }
}

#[track_caller]
fn assert_tree_without(package: &str, forbidden: &[&str]) {
    let tree = dependency_tree(package);
    assert!(
        tree.contains(package),
        "cargo tree does not list {package} itself: {tree:?}"
    );
    let found: Vec<_> = forbidden
        .iter()
        .filter(|name| tree.contains(**name))
        .collect();
    assert!(
        found.is_empty(),
        "{package} pulls {found:?}; `cargo tree -p {package} -i` says why"
    );
}

/// The names of every crate that a package is built with, itself included.
fn dependency_tree(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--package", package, "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_tree_that_has_a_forbidden_crate_is_seen() {
    assert!(dependency_tree("meso-tests").contains("meso-tests"));
    assert!(
        dependency_tree("meso-bus").contains("tokio"),
        "the bus is known to need tokio"
    );
}

const SMALL_TABLE: &str = "
| layer | crate | one line | may depend on (ours) |
|---|---|---|---|
| core | `meso-units` | numbers | – |
| core | `meso-domain` | records | units |
| adapter | `meso-store` | rows | domain, units |
| app | `mesofleet` | all | store |
| support | `xtask` | tasks | – |
| support | `meso-tests` | tests | any |
";

#[track_caller]
fn assert_violates(name: &str, dependency: &str, expected: bool) {
    let found = violations(
        name,
        &BTreeSet::from([dependency.to_owned()]),
        &parse_table(SMALL_TABLE),
    );
    assert_eq!(
        !found.is_empty(),
        expected,
        "{name} -> {dependency}: {found:?}"
    );
}

#[test]
fn a_forbidden_or_upward_arrow_is_found() {
    assert_violates("meso-domain", "meso-units", false);
    assert_violates("meso-domain", "meso-store", true);
    assert_violates("mesofleet", "meso-domain", true);
    assert_violates("meso-tests", "mesofleet", false);
    assert_violates("meso-tests", "xtask", true);
    assert_violates("meso-unknown", "meso-units", true);
}
