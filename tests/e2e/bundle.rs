//! A report bundle, as an auditor checks it.

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::{Command, Output};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::programs::{program, run_demo, summary};

#[test]
fn a_changed_digit_is_found_and_the_shot_is_named() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let output = run_demo(&[
        "--for", "5s", "--guns", "2", "--seed", "9", "--data", folder,
    ]);
    let summary = summary(&output);
    let bundle = std::fs::read(summary["report"].as_str().unwrap()).unwrap();

    let verdict = verify(data.path(), &bundle);
    assert_eq!(verdict.status.code(), Some(0), "{}", text(&verdict));
    assert!(text(&verdict).contains("OK"), "{}", text(&verdict));

    for (member, old, new) in [
        ("shots.csv", ",20000,", ",20001,"),
        ("shots.json", "\"gun_tick_us\":", "\"gun_tick_us\":1"),
    ] {
        let verdict = verify(data.path(), &with_changed_member(&bundle, member, old, new));
        let said = text(&verdict);
        assert_eq!(verdict.status.code(), Some(1), "{member}: {said}");
        assert!(
            said.contains(member) && said.contains("GUN-0001") && said.contains("shot "),
            "{said}"
        );
    }
}

fn verify(folder: &Path, bundle: &[u8]) -> Output {
    let file = folder.join("bundle-to-verify.zip");
    std::fs::write(&file, bundle).unwrap();
    Command::new(program("mesofleet-verify"))
        .arg(&file)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The same bundle with the first `old` in `member` turned into `new`.
fn with_changed_member(bundle: &[u8], member: &str, old: &str, new: &str) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bundle)).unwrap();
    let mut changed = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        if file.name() == member {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(old), "{member} has no {old}");
            bytes = text.replacen(old, new, 1).into_bytes();
        }
        changed
            .start_file(file.name(), SimpleFileOptions::default())
            .unwrap();
        changed.write_all(&bytes).unwrap();
    }
    changed.finish().unwrap().into_inner()
}
