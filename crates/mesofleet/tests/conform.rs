//! `mesofleet gun conform` against `mesofleet gun emulate`, over a pseudo-terminal.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// An emulated gun that fires by itself; it ends when its standard input does.
struct Gun {
    folder: tempfile::TempDir,
    child: Child,
}

impl Gun {
    fn start(arguments: &[&str]) -> Gun {
        let folder = tempfile::tempdir().unwrap();
        let mut child = mesofleet()
            .args(["gun", "emulate", "--fire-every", "60", "--ports"])
            .arg(folder.path())
            .arg("--log")
            .arg(folder.path().join(".log"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut notices = BufReader::new(child.stdout.take().unwrap());
        notices.read_line(&mut ready).unwrap();
        assert!(ready.contains("\"ready\""), "{ready}");
        Gun { folder, child }
    }

    fn port(&self) -> PathBuf {
        self.folder.path().join("GUN-0001")
    }

    fn conform(&self, arguments: &[&str]) -> Output {
        mesofleet()
            .args(["gun", "conform", "--port"])
            .arg(self.port())
            .args(arguments)
            .output()
            .unwrap()
    }
}

impl Drop for Gun {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn mesofleet() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mesofleet"))
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_sound_gun_ends_with_0_and_a_table() {
    let gun = Gun::start(&[]);
    let output = gun.conform(&[
        "--only",
        "stream",
        "--only",
        "watermark",
        "--only",
        "resume",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(text.matches(" passed ").count(), 3, "{text}");
    assert!(text.contains("3 of 3 mandatory checks passed"), "{text}");
}

#[test]
fn a_broken_gun_ends_with_1_and_names_the_check() {
    let gun = Gun::start(&["--fault", "resume-by-old-frame"]);
    let output = gun.conform(&["--json", "--only", "negotiation", "--only", "resume"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = report(&output);
    assert_eq!(report["conformant"], false);
    assert_eq!(report["complete"], false);
    assert_eq!(report["checks"][0]["outcome"], "passed", "{report}");
    assert_eq!(report["checks"][1]["check"], "resume");
    assert_eq!(report["checks"][1]["outcome"], "failed", "{report}");
}

#[test]
fn advice_that_is_not_taken_does_not_fail_a_gun() {
    let gun = Gun::start(&[]);
    let output = gun.conform(&["--json", "--only", "durable-ring"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report(&output)["checks"][0]["outcome"], "failed");
}

#[test]
fn a_port_that_cannot_be_opened_ends_with_2_and_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("no-such-gun");
    let output = mesofleet()
        .args(["gun", "conform", "--port"])
        .arg(&port)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no-such-gun"), "{said}");
}

#[test]
fn a_gun_that_is_unplugged_meanwhile_ends_with_2() {
    let mut gun = Gun::start(&[]);
    let checks = mesofleet()
        .args(["gun", "conform", "--port"])
        .arg(gun.port())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut checks = checks.unwrap();
    let mut table = BufReader::new(checks.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("greeting") {
        line.clear();
        assert_ne!(
            table.read_line(&mut line).unwrap(),
            0,
            "the table ended early"
        );
    }
    drop(gun.child.stdin.take());
    gun.child.wait().unwrap();
    // Its output is read to the end, so that it never writes into a closed pipe.
    while table.read_line(&mut line).unwrap() > 0 {}
    let status = checks.wait().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn the_help_names_every_fault_and_a_wrong_check_names_the_right_ones() {
    let help = mesofleet()
        .args(["gun", "emulate", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for name in [
        "bad-crc",
        "restarts-counter",
        "no-lease",
        "drops-under-load",
    ] {
        assert!(help.contains(name), "{name} is missing: {help}");
    }
    let wrong = mesofleet()
        .args(["gun", "conform", "--port", "x", "--only", "everything"])
        .output()
        .unwrap();
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("watermark"), "{said}");
}
