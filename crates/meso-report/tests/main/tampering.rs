//! Bundles that somebody changed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use meso_report::{Finding, FindingKind, Verdict, build, verify};
use proptest::prelude::*;

use crate::sample::{key, resign, rezip, sample_facts, unzip};

type Files = BTreeMap<String, Vec<u8>>;

fn sample_files() -> Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES
        .get_or_init(|| unzip(&build(&sample_facts(), &key()).unwrap()))
        .clone()
}

/// The one place that verifies changed files.
fn check(files: &Files) -> Verdict {
    verify(&rezip(files), Some(&key().verifier())).unwrap()
}

fn edit(files: &mut Files, name: &str, change: impl FnOnce(String) -> String) {
    let text = String::from_utf8(files[name].clone()).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "the change must change something");
    files.insert(name.to_owned(), changed.into_bytes());
}

/// The line that holds a shot, and its number.
fn shot_line(files: &Files, name: &str, gun: &str, counter: u32) -> (usize, String) {
    let text = String::from_utf8(files[name].clone()).unwrap();
    let csv = format!("{gun},feed000000000001,{counter},");
    let json = format!("\"gun\":\"{gun}\",\"epoch\":\"feed000000000001\",\"counter\":{counter},");
    let found = text
        .lines()
        .enumerate()
        .find(|(_, l)| l.starts_with(&csv) || l.contains(&json));
    let (at, line) = found.unwrap();
    (at + 1, line.to_owned())
}

fn first(verdict: &Verdict) -> &Finding {
    verdict.findings.first().unwrap()
}

#[track_caller]
fn assert_names(finding: &Finding, kind: FindingKind, gun: &str, counter: u32) {
    assert_eq!(finding.kind, kind, "{finding}");
    let shot = finding
        .shot
        .as_ref()
        .unwrap_or_else(|| panic!("no shot named: {finding}"));
    assert_eq!(
        (shot.gun.as_str(), shot.counter.get()),
        (gun, counter),
        "{finding}"
    );
}

#[test]
fn a_digit_changed_in_the_csv_names_shot_line_and_field() {
    let mut files = sample_files();
    edit(&mut files, "shots.csv", |text| {
        text.replacen(",3995,", ",3996,", 1)
    });
    let verdict = check(&files);
    let finding = first(&verdict);
    assert_names(finding, FindingKind::Altered, "GUN-A1", 5);
    assert_eq!((finding.file, finding.line), (Some("shots.csv"), Some(6)));
    assert_eq!(
        finding.field.as_deref(),
        Some("needle_depth_um"),
        "{finding}"
    );
}

#[test]
fn a_digit_changed_in_the_json_names_shot_and_field() {
    let mut files = sample_files();
    edit(&mut files, "shots.json", |text| {
        text.replacen("\"volume_nl\":19006", "\"volume_nl\":19007", 1)
    });
    let verdict = check(&files);
    assert_names(first(&verdict), FindingKind::Altered, "GUN-A1", 6);
    assert_eq!(first(&verdict).field.as_deref(), Some("volume_nl"));
}

#[test]
fn the_same_digit_changed_in_both_files_is_still_found() {
    let mut files = sample_files();
    edit(&mut files, "shots.csv", |text| {
        text.replacen(",3995,", ",3996,", 1)
    });
    edit(&mut files, "shots.json", |text| {
        text.replacen("\"needle_depth_um\":3995", "\"needle_depth_um\":3996", 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    assert_eq!(verdict.findings.len(), 2, "{:?}", verdict.findings);
    for finding in &verdict.findings {
        assert_names(finding, FindingKind::Altered, "GUN-A1", 5);
    }
}

#[test]
fn what_people_read_must_agree_with_what_was_sealed() {
    let mut files = sample_files();
    edit(&mut files, "shots.csv", |text| {
        text.replacen(",3.995,", ",2.995,", 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    assert_names(first(&verdict), FindingKind::Altered, "GUN-A1", 5);
    assert_eq!(first(&verdict).field.as_deref(), Some("needle_depth_mm"));
}

#[test]
fn a_verdict_that_is_hidden_is_found() {
    let mut files = sample_files();
    edit(&mut files, "shots.csv", |text| {
        text.replacen(",hard,", ",passed,", 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    assert_names(first(&verdict), FindingKind::Altered, "GUN-A1", 5);
    assert_eq!(first(&verdict).field.as_deref(), Some("edge_verdict"));
}

#[test]
fn a_deleted_shot_is_named() {
    for name in ["shots.csv", "shots.json"] {
        let mut files = sample_files();
        let (_, line) = shot_line(&files, name, "GUN-A1", 9);
        edit(&mut files, name, |text| {
            text.replacen(&format!("{line}\n"), "", 1)
        });
        resign(&mut files);
        let verdict = check(&files);
        assert_names(first(&verdict), FindingKind::Deleted, "GUN-A1", 9);
        assert_eq!(
            (first(&verdict).file, verdict.findings.len()),
            (Some(name), 1)
        );
    }
}

#[test]
fn an_added_and_a_repeated_shot_are_named_with_their_line() {
    let mut files = sample_files();
    let (number, line) = shot_line(&files, "shots.csv", "GUN-A1", 9);
    edit(&mut files, "shots.csv", |text| {
        text.replacen(&format!("{line}\n"), &format!("{line}\n{line}\n"), 1)
    });
    let (_, json) = shot_line(&files, "shots.json", "GUN-A1", 20);
    let forged = json.replacen("\"counter\":20,", "\"counter\":21,", 1);
    edit(&mut files, "shots.json", |text| {
        text.replacen(&format!("{json}\n"), &format!("{json}\n{forged}\n"), 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    assert_eq!(verdict.findings.len(), 2, "{:?}", verdict.findings);
    assert_names(&verdict.findings[0], FindingKind::Added, "GUN-A1", 9);
    assert_eq!(verdict.findings[0].line, Some(number as u64 + 1));
    assert_names(&verdict.findings[1], FindingKind::Added, "GUN-A1", 21);
}

#[test]
fn two_shots_that_changed_places_are_named() {
    let mut files = sample_files();
    let (_, one) = shot_line(&files, "shots.csv", "GUN-A1", 9);
    let (_, two) = shot_line(&files, "shots.csv", "GUN-A1", 10);
    edit(&mut files, "shots.csv", |text| {
        text.replacen(&format!("{one}\n{two}\n"), &format!("{two}\n{one}\n"), 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    assert_names(first(&verdict), FindingKind::Reordered, "GUN-A1", 9);
}

#[test]
fn an_unreadable_row_is_named_and_hides_no_other() {
    let mut files = sample_files();
    let (number, line) = shot_line(&files, "shots.csv", "GUN-A1", 9);
    edit(&mut files, "shots.csv", |text| {
        text.replacen(&line, "\"broken, quote", 1)
    });
    edit(&mut files, "shots.csv", |text| {
        text.replacen(",3995,", ",3996,", 1)
    });
    let verdict = check(&files);
    assert_names(&verdict.findings[0], FindingKind::Altered, "GUN-A1", 5);
    assert_names(&verdict.findings[1], FindingKind::Unreadable, "GUN-A1", 9);
    assert_eq!(verdict.findings[1].line, Some(number as u64));
}

#[test]
fn a_changed_session_event_is_found_in_words_and_in_bytes() {
    let mut files = sample_files();
    edit(&mut files, "sessions.json", |text| {
        text.replacen("\"cheek\"", "\"neck\"", 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    assert_eq!(first(&verdict).kind, FindingKind::Altered);
    assert_eq!(first(&verdict).field.as_deref(), Some("zone"));
    let mut files = sample_files();
    let cheek = "636865656b";
    edit(&mut files, "sessions.json", |text| {
        text.replacen(cheek, "636865656c", 1)
    });
    resign(&mut files);
    assert_eq!(first(&check(&files)).kind, FindingKind::Altered);
}

#[test]
fn a_gap_that_the_log_does_not_know_is_refused() {
    let mut files = sample_files();
    edit(&mut files, "gaps.json", |text| {
        text.replacen("\"leaf\":6", "\"leaf\":5", 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    let kinds: Vec<FindingKind> = verdict
        .findings
        .iter()
        .map(|finding| finding.kind)
        .collect();
    assert!(kinds.contains(&FindingKind::GapNotInLog), "{kinds:?}");
    assert!(
        kinds.contains(&FindingKind::Hole),
        "an unproven gap covers nothing: {kinds:?}"
    );
}

#[test]
fn a_proof_is_written_in_one_way_only() {
    let mut files = sample_files();
    edit(&mut files, "proofs.json", |text| {
        text.replacen("feed", "fEed", 1).replacen("edfe", "Edfe", 1)
    });
    resign(&mut files);
    assert!(!check(&files).is_ok());
}

#[test]
fn a_counter_claimed_for_another_record_is_found() {
    let mut files = sample_files();
    edit(&mut files, "proofs.json", |text| {
        text.replacen("\"shot\": 20\n", "\"shot\": 21\n", 1)
    });
    resign(&mut files);
    let verdict = check(&files);
    assert_eq!(
        first(&verdict).kind,
        FindingKind::Altered,
        "{:?}",
        verdict.findings
    );
    assert_eq!(first(&verdict).file, Some("proofs.json"));
}

#[test]
fn every_missing_file_is_named() {
    for name in sample_files().keys() {
        let mut files = sample_files();
        files.remove(name);
        let verdict = check(&files);
        assert!(!verdict.is_ok(), "{name}");
        if name != "manifest.json" {
            let missing = verdict
                .findings
                .iter()
                .find(|f| f.kind == FindingKind::FileMissing);
            assert_eq!(missing.unwrap().file, Some(name.as_str()));
        }
    }
}

#[test]
fn a_file_that_does_not_belong_is_named() {
    let mut files = sample_files();
    files.insert("invoice.exe".to_owned(), b"MZ".to_vec());
    let verdict = check(&files);
    assert_eq!(first(&verdict).kind, FindingKind::FileUnexpected);
    assert!(first(&verdict).to_string().contains("invoice.exe"));
}

#[test]
fn a_bundle_with_two_files_of_one_name_is_not_opened() {
    // Our own ZIP writer refuses to make one, so an entry of equal length is renamed in place.
    let mut files = sample_files();
    files.insert("shots.CSV".to_owned(), b"other".to_vec());
    let mut bytes = rezip(&files);
    while let Some(at) = bytes.windows(9).position(|window| window == b"shots.CSV") {
        bytes[at..at + 9].copy_from_slice(b"shots.csv");
    }
    assert!(verify(&bytes, None).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_byte_of_any_file_is_found(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut files = sample_files();
        let name = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let content = files.get_mut(&name).unwrap();
        let at = at.index(content.len());
        prop_assume!(content[at] != value);
        content[at] = value;
        prop_assert!(!check(&files).is_ok(), "{name} byte {at}");
    }

    #[test]
    fn any_changed_byte_of_a_row_names_its_shot_even_if_the_manifest_is_made_to_fit(
        json in any::<bool>(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let name = if json { "shots.json" } else { "shots.csv" };
        let mut files = sample_files();
        let content = files.get_mut(name).unwrap();
        let at = at.index(content.len());
        // A line feed joins or splits rows; the frame and the commas between rows are no row.
        let line = content[..at].iter().filter(|byte| **byte == b'\n').count();
        let is_comma = content[at] == b',' && content.get(at + 1) == Some(&b'\n');
        let is_row = (1..=32).contains(&line) && content[at] != b'\n' && !is_comma;
        prop_assume!(is_row && content[at] != value && value != b'\n');
        content[at] = value;
        resign(&mut files);
        let verdict = check(&files);
        let (gun, counter) = match line {
            1..=20 => ("GUN-A1", line as u32),
            21..=27 => ("GUN-B2", line as u32 - 20),
            28..=30 => ("GUN-B2", line as u32 - 17),
            _ => ("GUN-B2", line as u32 - 16),
        };
        prop_assert_eq!(verdict.findings.len(), 1, "{:?}", verdict.findings);
        let shot = verdict.findings[0].shot.clone().unwrap();
        prop_assert_eq!((shot.gun.as_str(), shot.counter.get()), (gun, counter));
        prop_assert_eq!(verdict.findings[0].line, Some(line as u64 + 1));
    }

    #[test]
    fn a_changed_byte_of_the_evidence_is_found_even_if_the_manifest_is_made_to_fit(
        file in 0_usize..3,
        at in any::<prop::sample::Index>(),
        value in b' '..=b'~',
    ) {
        let name = ["sessions.json", "gaps.json", "proofs.json"][file];
        let mut files = sample_files();
        let content = files.get_mut(name).unwrap();
        let at = at.index(content.len());
        let blank = |byte: u8| byte.is_ascii_whitespace();
        prop_assume!(content[at] != value && !blank(content[at]) && !blank(value));
        content[at] = value;
        resign(&mut files);
        // A comma after a row says nothing.
        let is_comma = sample_files()[name][at..].starts_with(b",\n");
        prop_assert!(is_comma || !check(&files).is_ok(), "{name} byte {at} to {value}");
    }

    #[test]
    fn any_damage_of_the_archive_is_an_error_or_a_finding_or_harmless_and_never_a_panic(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<bool>(),
    ) {
        static BUNDLE: OnceLock<Vec<u8>> = OnceLock::new();
        let whole = BUNDLE.get_or_init(|| build(&sample_facts(), &key()).unwrap());
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(verdict) = verify(&bytes, Some(&key().verifier())) && verdict.is_ok() {
            prop_assert_eq!(unzip(&bytes), sample_files());
        }
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify(&bytes, None).is_err());
    }
}
