//! What a person types and sees.

use std::path::Path;
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use meso_ledger::LogKey;
use tempfile::TempDir;

use crate::sample::{bundle, bundle_with, key};

/// The one place that runs the program.
fn check(folder: &TempDir, content: &[u8], arguments: &[&str]) -> (i32, String, String) {
    let path = folder.path().join("report.zip");
    std::fs::write(&path, content).unwrap();
    run(&path, arguments)
}

fn run(path: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output: Output = cargo_bin_cmd!("mesofleet-verify")
        .arg(path)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn an_untouched_report_is_ok_and_the_key_is_to_be_compared() {
    let folder = TempDir::new().unwrap();
    let (code, out, err) = check(&folder, &bundle(), &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("OK  "), "{out}");
    for part in [
        "5 shots",
        "log mesofleet.example/verify, 1 entries",
        &key().verifier().fingerprint(),
        "the key came out of the report itself",
        "DEMO",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
}

#[test]
fn a_given_key_as_text_or_file_needs_no_advice() {
    let folder = TempDir::new().unwrap();
    let text = key().verifier().to_string();
    let file = folder.path().join("log.vkey");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    for given in [text.as_str(), file.to_str().unwrap()] {
        let (code, out, _) = check(&folder, &bundle(), &["--key", given]);
        assert_eq!(code, 0, "{out}");
        assert!(!out.contains("came out of the report"), "{out}");
    }
}

#[test]
fn one_changed_digit_in_csv_or_json_names_the_shot_and_exits_1() {
    let folder = TempDir::new().unwrap();
    for (file, old, new) in [
        ("shots.csv", ",3004,", ",3005,"),
        (
            "shots.json",
            "\"needle_depth_um\":3004",
            "\"needle_depth_um\":3005",
        ),
    ] {
        let (code, out, _) = check(&folder, &bundle_with(file, old, new), &[]);
        assert_eq!(code, 1, "{out}");
        let line = out.lines().nth(1).unwrap();
        let named = "altered: shot 4 of gun GUN-7 (epoch 0000000000000077)";
        assert!(line.starts_with(named), "{out}");
        assert!(
            line.contains(file) && line.contains("field needle_depth_um"),
            "{out}"
        );
        assert!(!out.contains("OK  ") || out.starts_with("NOT OK"), "{out}");
    }
}

#[test]
fn another_key_is_refused() {
    let folder = TempDir::new().unwrap();
    let stranger = LogKey::from_seed("mesofleet.example/verify", &[9; 32]).unwrap();
    let stranger = stranger.verifier().to_string();
    let (code, out, _) = check(&folder, &bundle(), &["--key", &stranger]);
    assert_eq!(code, 1);
    assert!(out.contains("key differs"), "{out}");
}

#[test]
fn json_says_the_same_for_programs() {
    let folder = TempDir::new().unwrap();
    let (code, out, _) = check(&folder, &bundle(), &["--json"]);
    let object: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &object["verify"]), (0, &"ok".into()));
    assert_eq!(object["counts"]["shots"], 5);
    let changed = bundle_with("shots.csv", ",3004,", ",3005,");
    let (code, out, _) = check(&folder, &changed, &["--json"]);
    let object: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &object["verify"]), (1, &"failed".into()));
    let finding = &object["findings"][0];
    assert_eq!(
        (&finding["gun"], &finding["counter"]),
        (&"GUN-7".into(), &4.into())
    );
}

#[test]
fn what_cannot_be_read_exits_2_and_says_why() {
    let folder = TempDir::new().unwrap();
    let (code, out, err) = check(&folder, b"not a zip", &[]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("report.zip cannot be checked"), "{err}");
    assert!(err.contains("get it again"), "{err}");
    let (code, _, err) = run(&folder.path().join("absent.zip"), &[]);
    assert_eq!(code, 2);
    assert!(err.contains("absent.zip cannot be opened"), "{err}");
    let (code, _, err) = check(&folder, &bundle(), &["--key", "no-such-key"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("neither the public key of a log nor a file"),
        "{err}"
    );
    let (code, out, _) = check(&folder, b"not a zip", &["--json"]);
    assert_eq!(code, 2);
    assert!(out.contains("\"verify\":\"unreadable\""), "{out}");
}

#[test]
fn text_of_the_report_cannot_paint_over_the_verdict() {
    let folder = TempDir::new().unwrap();
    let painted = bundle_with(
        "manifest.json",
        "\"clinic-one\"",
        "\"\\u001b[2J\\u001b[HOK\"",
    );
    let (code, out, _) = check(&folder, &painted, &[]);
    assert_eq!(code, 1);
    assert!(!out.contains('\u{1b}'), "{out:?}");
}
