//! `mesofleet demo` as a person runs it.

use serde_json::Value;

use crate::programs::{RunningDemo, children_named, run_demo, signal, summary};

#[track_caller]
fn assert_nothing_is_missing(summary: &Value) {
    for field in ["duplicates", "lost", "declared"] {
        assert_eq!(summary[field], 0, "{field} in {summary}");
    }
    assert_eq!(summary["fired"], summary["stored"], "{summary}");
    assert!(summary["fired"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["verify"], "ok", "{summary}");
    let report = summary["report"].as_str().unwrap();
    assert!(std::path::Path::new(report).exists(), "{report}");
}

#[test]
fn every_shot_arrives_and_every_injected_breach_has_its_alert() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let output = run_demo(&[
        "--for", "10s", "--guns", "4", "--seed", "7", "--data", folder,
    ]);
    let summary = summary(&output);
    assert_eq!(output.status.code(), Some(0), "{summary}");
    assert_nothing_is_missing(&summary);
    assert!(summary["alerts"].as_u64().unwrap() >= 3, "{summary}");
    assert!(summary["sessions"].as_u64().unwrap() >= 3, "{summary}");
}

#[test]
fn a_killed_driver_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let demo = RunningDemo::start(&[
        "--for", "14s", "--guns", "3", "--seed", "11", "--data", folder,
    ]);
    for _ in 0..2 {
        demo.wait_for_shots(20);
        let drivers = children_named(demo.child.id(), "mesofleet-driver");
        assert_eq!(drivers.len(), 1, "one driver runs");
        signal("KILL", drivers[0]);
    }
    let (code, last) = demo.finish();
    let summary: Value = serde_json::from_str(&last).unwrap_or_else(|_| panic!("{last}"));
    assert_eq!(code, Some(0), "{summary}");
    assert_nothing_is_missing(&summary);
}

#[test]
fn an_interrupt_ends_the_sessions_and_leaves_nothing_running() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let demo = RunningDemo::start(&["--guns", "3", "--history", "0d", "--data", folder]);
    demo.wait_for_shots(10);
    let pid = demo.child.id();
    let helpers = [
        children_named(pid, "mesofleet-driver"),
        children_named(pid, "mesofleet"),
    ]
    .concat();
    assert!(helpers.len() >= 4, "a driver and three guns run");
    signal("INT", pid);
    let (code, _) = demo.finish();
    assert_eq!(code, Some(130));
    for helper in helpers {
        assert!(
            !std::path::Path::new(&format!("/proc/{helper}")).exists(),
            "{helper} still runs"
        );
    }
}

#[test]
fn the_same_seed_fires_the_same_shots() {
    let fired = |folder: &std::path::Path| {
        let data = folder.to_str().unwrap();
        let output = run_demo(&["--for", "4s", "--guns", "1", "--seed", "3", "--data", data]);
        assert_eq!(output.status.code(), Some(0), "{}", summary(&output));
        let logs: Vec<_> = std::fs::read_dir(folder.join("guns")).unwrap().collect();
        assert_eq!(logs.len(), 1);
        let log = std::fs::read_to_string(logs[0].as_ref().unwrap().path()).unwrap();
        log.lines().map(measured).collect::<Vec<_>>()
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (fired(one.path()), fired(two.path()));
    let common = one.len().min(two.len());
    assert!(common > 5, "{common} shots");
    assert_eq!(one[..common], two[..common]);
}

/// What was measured of a shot, without what its own clock and the host's load decide.
fn measured(line: &str) -> Value {
    let mut shot: Value = serde_json::from_str(line).unwrap();
    let fields = shot.as_object_mut().unwrap();
    fields
        .retain(|name, _| !["tick_us", "interval_us", "epoch", "boot_id"].contains(&name.as_str()));
    shot
}
