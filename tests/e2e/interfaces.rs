//! What the server answers while it runs.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::programs::RunningDemo;

#[test]
fn the_interfaces_answer_while_it_runs() {
    let demo = RunningDemo::start(&["--for", "8s", "--guns", "4", "--seed", "5"]);
    demo.wait_for_shots(5);
    for path in ["/api/v1/guns", "/api/v1/sessions", "/api/v1/alerts"] {
        let (status, body) = demo.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        let value: Value = serde_json::from_str(&body).unwrap();
        assert!(value.is_object() || value.is_array(), "{path}: {body}");
    }
    let (status, guns) = demo.get("/api/v1/guns");
    assert_eq!(status, 200);
    assert!(
        guns.contains("GUN-0001") && guns.contains("GUN-0004"),
        "{guns}"
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(demo.get(path).0, 200, "{path}");
    }
    assert_eq!(demo.get("/api/v1/nothing").0, 404);
    let (status, metrics) = demo.get("/metrics");
    assert_eq!(status, 200);
    assert!(
        metrics.contains("mesofleet_shots_stored_total"),
        "{metrics}"
    );
    check_with_promtool(&metrics);
}

/// Prometheus' own checker must accept the text. Its Debian package is `prometheus`; the full test
/// run installs it, and without it this test fails rather than pass unseen.
fn check_with_promtool(metrics: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed: apt-get install prometheus");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
