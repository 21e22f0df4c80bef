//! What a person is told who asked for the impossible.

use std::net::TcpListener;
use std::process::Command;

use crate::programs::program;

/// A value out of range, an unknown key, a wrong type and missing keys.
const WRONG: &str = "version = 1\n[driver]\nid = 7\ncolour = \"red\"\n[blocks]\nshots_max = 9999\n";

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(program("mesofleet"))
        .args(["demo", "--for", "5s", "--http", &address])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(0));
    assert!(
        message.contains(&address) && message.contains("--http"),
        "{message}"
    );
}

#[test]
fn a_wrong_configuration_is_answered_with_every_problem_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("driver.toml");
    std::fs::write(&file, WRONG).unwrap();
    let output = Command::new(program("mesofleet-driver"))
        .args(["run", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    for word in [
        "driver.toml",
        "shots_max",
        "9999",
        "colour",
        "driver.id",
        "clinic",
    ] {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}
