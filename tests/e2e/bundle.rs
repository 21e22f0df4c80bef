//! A report bundle, as an auditor checks it.

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::{Command, Output};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::programs::{program, run_demo, summary};

/// What is done to the text of a member.
type Change = fn(&str) -> String;

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

    let changes: [(&str, Change); 2] = [
        ("shots.csv", with_another_depth),
        ("shots.json", with_another_tick),
    ];
    for (member, change) in changes {
        let verdict = verify(data.path(), &with_changed_member(&bundle, member, change));
        let said = text(&verdict);
        assert_eq!(verdict.status.code(), Some(1), "{member}: {said}");
        assert!(
            said.contains(member) && said.contains("shot 3 of gun GUN-0001"),
            "{said}"
        );
    }
}

/// Changes the last digit of the needle depth of the third shot.
fn with_another_depth(csv: &str) -> String {
    let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
    let column = lines[0]
        .split(',')
        .position(|name| name == "needle_depth_um")
        .unwrap();
    let mut cells: Vec<String> = lines[3].split(',').map(str::to_owned).collect();
    let last = cells[column].pop().unwrap();
    cells[column].push(if last == '1' { '2' } else { '1' });
    lines[3] = cells.join(",");
    lines.join("\n") + "\n"
}

/// Puts a digit before the tick of the third shot.
fn with_another_tick(json: &str) -> String {
    let field = "\"gun_tick_us\":";
    let (place, _) = json.match_indices(field).nth(2).unwrap();
    let (before, after) = json.split_at(place + field.len());
    format!("{before}1{after}")
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

/// The same bundle with one member changed.
fn with_changed_member(bundle: &[u8], member: &str, change: Change) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bundle)).unwrap();
    let mut changed = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        if name == member {
            let text = String::from_utf8(bytes).unwrap();
            bytes = change(&text).into_bytes();
            assert_ne!(bytes, text.as_bytes(), "{member} did not change");
        }
        changed
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        changed.write_all(&bytes).unwrap();
    }
    changed.finish().unwrap().into_inner()
}
