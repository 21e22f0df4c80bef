//! The conformance kit, as a maker runs it: real programs, a pseudo-terminal, real time.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use meso_testkit::gun::fault::Fault;
use serde_json::Value;

use crate::programs::program;

/// Each fault and the checks that it fails, as `firmware-bridge/CONFORMANCE.md` has them; a test
/// of the testkit compares that document with the code.
fn documented_faults() -> Vec<(String, Vec<String>)> {
    let text = include_str!("../../firmware-bridge/CONFORMANCE.md");
    let name = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = text.lines().map(|line| line.split('|').collect::<Vec<_>>());
    rows.filter(|cells| cells.len() == 5 && cells[1].trim().starts_with('`'))
        .map(|cells| (name(cells[1]), cells[3].split(',').map(name).collect()))
        .collect()
}

/// A key for tests; nothing that anybody uses.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

struct Gun {
    folder: tempfile::TempDir,
    child: Child,
    /// What both programs are told of the gun's key.
    key: Vec<OsString>,
}

impl Gun {
    fn start(arguments: &[&str], has_key: bool) -> Gun {
        let folder = tempfile::tempdir().expect("a folder");
        let mut key = Vec::new();
        if has_key {
            let file = folder.path().join(".key");
            std::fs::write(&file, KEY).expect("the key is written");
            key = vec!["--key-file".into(), file.into()];
        }
        let mut child = Command::new(program("mesofleet"))
            .args(["gun", "emulate", "--fire-every", "80", "--ports"])
            .arg(folder.path())
            .arg("--log")
            .arg(folder.path().join(".log"))
            .args(arguments)
            .args(&key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the gun starts");
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("its output is piped"))
            .read_line(&mut ready)
            .expect("the gun says that it is ready");
        Gun { folder, child, key }
    }

    /// Exit code and failed mandatory checks.
    fn conform(&self) -> (Option<i32>, Vec<String>) {
        let output = Command::new(program("mesofleet"))
            .args(["gun", "conform", "--json", "--port"])
            .arg(self.folder.path().join("GUN-0001"))
            .args(&self.key)
            .output()
            .expect("the kit runs");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        let is_failed = |c: &&Value| c["outcome"] == "failed" && c["weight"] == "mandatory";
        let failed = checks.iter().filter(is_failed);
        let names = failed.map(|check| check["check"].as_str().unwrap_or_default().to_owned());
        (output.status.code(), names.collect())
    }
}

impl Drop for Gun {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn the_emulated_gun_passes_all_mandatory_checks() {
    assert_eq!(Gun::start(&[], false).conform(), (Some(0), Vec::new()));
}

#[test]
fn the_emulated_gun_with_a_key_passes_all_mandatory_checks() {
    assert_eq!(Gun::start(&[], true).conform(), (Some(0), Vec::new()));
}

#[test]
fn each_broken_gun_fails_what_the_document_says_and_nothing_else() {
    let faults = documented_faults();
    assert!(faults.len() >= 13, "{faults:?}");
    // All at once: a run waits more than it works.
    let runs: Vec<_> = faults
        .into_iter()
        .map(|(fault, fails)| {
            let run = thread::spawn({
                let fault = fault.clone();
                let has_key = fault.parse::<Fault>().expect("a fault").needs_key();
                move || Gun::start(&["--fault", &fault], has_key).conform()
            });
            (fault, fails, run)
        })
        .collect();
    for (fault, fails, run) in runs {
        let seen = run.join().expect("the run does not panic");
        assert_eq!(seen, (Some(1), fails), "{fault}");
    }
}
