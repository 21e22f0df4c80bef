//! The main job on InfluxDB, and the commands on what it left.

use std::path::Path;
use std::process::{Command, Output};

use meso_contract::BlockMessage;
use meso_store::{Commit, Quarantined, Store};
use meso_testkit::influx::{Dialect, InfluxProxy, Influxd};
use meso_units::Timestamp;
use serde_json::Value;

use crate::programs::{program, run_demo, summary};
use crate::samples::sample_block;

fn mesofleet(words: &[&str]) -> Output {
    let output = Command::new(program("mesofleet")).args(words).output();
    output.expect("the program runs")
}

/// The last line of a command that succeeds.
#[track_caller]
fn last_line(words: &[&str]) -> Value {
    let output = mesofleet(words);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {text}{errors}");
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{words:?}: {text}"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test is text")
}

#[test]
fn the_demonstration_keeps_its_shots_in_influx_and_its_history_moves_and_is_proven_equal() {
    let folder = tempfile::tempdir().unwrap();
    let server = Influxd::start(&folder.path().join("influxd")).unwrap();
    let proxy = InfluxProxy::start(server.address(), Dialect::V1).unwrap();
    let url = proxy.url();
    let data = folder.path().join("demo");
    let output = run_demo(&[
        "--for",
        "8s",
        "--guns",
        "3",
        "--seed",
        "5",
        "--data",
        text(&data),
        "--store",
        &format!("influx={url}"),
    ]);
    let summary = summary(&output);
    assert_eq!(output.status.code(), Some(0), "{summary}");
    assert_eq!(
        (&summary["lost"], &summary["duplicates"]),
        (&0.into(), &0.into()),
        "{summary}"
    );
    assert_eq!(summary["fired"], summary["stored"], "{summary}");
    assert_eq!(summary["verify"], "ok", "{summary}");
    assert_eq!(
        proxy.counts().different_again_count,
        0,
        "a point was rewritten"
    );

    let here = format!("influx={url},data={}", text(&data.join("server")));
    let checked = last_line(&["store", "check", "--json", "--store", &here]);
    assert_eq!(checked["wrong"], 0, "{checked}");
    assert_eq!(checked["shots"], checked["shot_points"], "{checked}");
    assert_eq!(checked["shots"], summary["stored"], "{checked}");

    let there = format!("embedded={}", text(&folder.path().join("moved")));
    let copied = last_line(&["store", "copy", "--json", "--from", &here, "--to", &there]);
    assert_eq!(copied["digest"], checked["digest"], "{copied}");
    let moved = last_line(&["store", "check", "--json", "--store", &there]);
    assert_eq!(moved["digest"], checked["digest"], "{moved}");
    assert!(folder.path().join("moved/ledger.seed").exists());

    let again = mesofleet(&["store", "copy", "--from", &there, "--to", &here]);
    assert_ne!(again.status.code(), Some(0), "there is a store already");
    let other = folder.path().join("other");
    let full = format!("influx={url},data={}", text(&other));
    let unasked = mesofleet(&["store", "copy", "--from", &there, "--to", &full]);
    assert_eq!(
        unasked.status.code(),
        Some(1),
        "the bucket holds points, and nobody said yes"
    );
    assert!(!other.join("fleet.sqlite").exists());
}

#[test]
fn a_store_is_set_up_and_one_that_cannot_be_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Influxd::start(&folder.path().join("influxd")).unwrap();
    let proxy = InfluxProxy::start(server.address(), Dialect::V1).unwrap();
    let data = folder.path().join("data");
    let spec = format!("influx={},data={},bucket=clinic", proxy.url(), text(&data));
    let made = last_line(&["store", "init", "--json", "--store", &spec]);
    assert_eq!(made["bucket"]["state"], "made", "{made}");
    let again = last_line(&["store", "init", "--json", "--store", &spec]);
    assert_eq!(again["bucket"]["state"], "was there", "{again}");
    assert_eq!(again["state"], "was there", "{again}");
    proxy.set_dialect(Dialect::V2);
    let spec = format!("influx={},data={},bucket=new", proxy.url(), text(&data));
    let refused = mesofleet(&["store", "init", "--store", &spec]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_ne!(refused.status.code(), Some(0));
    assert!(said.contains("influx bucket create -n new"), "{said}");
}

#[test]
fn a_block_whose_clinic_was_not_let_in_is_listed_shown_and_released() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.toml");
    let data = folder.path().join("data");
    let clinic = "[[clinics]]\nid = \"riverside\"\ntime_zone = \"UTC\"\n";
    let written = format!(
        "version = 1\n[server]\ndata_dir = {data:?}\n{clinic}[ledger]\norigin = \"a.example/b\"\n"
    );
    std::fs::write(&config, written).unwrap();
    let config = text(&config);
    last_line(&["store", "init", "--json", "--config", config]);
    let block = sample_block(1, None, 1..=5);
    let quarantined = Quarantined {
        digest: [0xab; 32],
        source: block.header().place.to_string(),
        reason: "clinic riverside is not let in by the configuration".to_owned(),
        bytes: BlockMessage::encode(&block).unwrap(),
        at: Timestamp::UNIX_EPOCH,
    };
    let commit = Commit {
        quarantined: vec![quarantined],
        ..Commit::default()
    };
    let mut store = Store::open(&data.join("fleet.sqlite"), 1).unwrap();
    store.writer.store(&commit).unwrap();
    drop(store);
    let listed = last_line(&["quarantine", "list", "--json", "--config", config]);
    assert_eq!(listed["seen_count"], 1, "{listed}");
    let digest = listed["digest"].as_str().unwrap();
    let shown = mesofleet(&["quarantine", "show", "--config", config, &digest[..8]]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("not let in"));
    let released = mesofleet(&["quarantine", "release", "--config", config, &digest[..8]]);
    let said = String::from_utf8_lossy(&released.stdout).into_owned();
    assert_eq!(released.status.code(), Some(0), "{said}");
    let checked = last_line(&["store", "check", "--json", "--config", config]);
    assert_eq!(
        (&checked["shots"], &checked["wrong"]),
        (&5.into(), &0.into()),
        "{checked}"
    );
    let listed = last_line(&["quarantine", "list", "--json", "--config", config]);
    assert!(listed["released_at_ms"].is_i64(), "{listed}");
    let again = mesofleet(&["quarantine", "release", "--config", config, &digest[..8]]);
    assert_eq!(again.status.code(), Some(1), "it is held already");
}
