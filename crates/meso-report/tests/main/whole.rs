//! Bundles that nobody touched.

use meso_domain::{GapReason, GapState, Record};
use meso_ledger::LogKey;
use meso_report::{BlockFacts, FindingKind, ReportError, Selection, Withheld, build, verify};
use meso_units::ShotCounter;

use crate::sample::{Room, facts_of, gap, key, sample_facts, unzip};

#[test]
fn an_untouched_bundle_verifies_and_is_counted() {
    let bundle = build(&sample_facts(), &key()).unwrap();
    let verdict = verify(&bundle, Some(&key().verifier())).unwrap();
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.notices, Vec::<String>::new());
    let counts = &verdict.counts;
    assert_eq!(
        (counts.shots, counts.sessions, counts.session_events),
        (32, 1, 3)
    );
    assert_eq!(
        (counts.alerts, counts.gaps, counts.declared_missing_shots),
        (1, 2, 4)
    );
    assert_eq!(
        (counts.blocks, counts.commits, counts.withheld_records),
        (11, 7, 0)
    );
    assert_eq!((verdict.tree_size, verdict.demo), (Some(7), true));
    assert!(!verdict.key.unwrap().from_bundle);
}

#[test]
fn the_same_facts_in_any_order_give_the_same_bytes() {
    let mut shuffled = sample_facts();
    shuffled.blocks.reverse();
    shuffled.commits.reverse();
    assert_eq!(
        build(&shuffled, &key()).unwrap(),
        build(&sample_facts(), &key()).unwrap()
    );
}

#[test]
fn without_a_given_key_the_one_in_the_bundle_is_used_and_named_as_such() {
    let bundle = build(&sample_facts(), &key()).unwrap();
    let verdict = verify(&bundle, None).unwrap();
    assert!(verdict.is_ok());
    let used = verdict.key.unwrap();
    assert!(used.from_bundle);
    assert_eq!(used.fingerprint, key().verifier().fingerprint());
}

#[test]
fn a_bundle_signed_with_another_key_is_refused() {
    let bundle = build(&sample_facts(), &key()).unwrap();
    let stranger = LogKey::from_seed(crate::sample::ORIGIN, &[1; 32])
        .unwrap()
        .verifier();
    let verdict = verify(&bundle, Some(&stranger)).unwrap();
    let kinds: Vec<FindingKind> = verdict
        .findings
        .iter()
        .map(|finding| finding.kind)
        .collect();
    assert!(kinds.contains(&FindingKind::KeyDiffers), "{kinds:?}");
    assert!(
        kinds.contains(&FindingKind::CheckpointSignature),
        "{kinds:?}"
    );
}

#[test]
fn a_cut_block_still_proves_what_is_left() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=12);
    let outside = |record: &Record| {
        let counter = record
            .as_shot()
            .map_or(ShotCounter(0), |shot| shot.identity.counter);
        (counter.get() < 4).then_some(Withheld::OutsideSelection)
    };
    let blocks: Vec<BlockFacts> = room
        .blocks
        .iter()
        .map(|block| BlockFacts::cut(block, outside))
        .collect();
    let mut facts = facts_of(blocks, Vec::new());
    facts.selection = Selection {
        whole_log: false,
        ..facts.selection
    };
    let verdict = verify(&build(&facts, &key()).unwrap(), None).unwrap();
    assert_eq!(verdict.findings, []);
    assert_eq!(
        (verdict.counts.shots, verdict.counts.withheld_records),
        (9, 3)
    );
    assert_eq!(
        verdict.notices,
        ["3 records by hash only: outside the selection"]
    );
}

#[test]
fn verdicts_that_are_not_kept_are_a_notice_and_not_a_finding() {
    let mut facts = sample_facts();
    for block in &mut facts.blocks {
        block.judgements = None;
    }
    let verdict = verify(&build(&facts, &key()).unwrap(), None).unwrap();
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.notices.len(), 1);
}

#[test]
fn an_open_ended_gap_says_that_completeness_is_not_provable() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=3);
    let mut open = gap("GUN-A1", 4, 4, GapState::Declared);
    open.last = None;
    let facts = facts_of(
        room.blocks.iter().map(BlockFacts::whole).collect(),
        vec![open],
    );
    let verdict = verify(&build(&facts, &key()).unwrap(), None).unwrap();
    assert_eq!(verdict.findings, []);
    assert!(
        verdict.notices[0].contains("not provable"),
        "{:?}",
        verdict.notices
    );
}

#[test]
fn a_gun_that_does_not_count_is_named_once_and_excuses_no_hole() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=2);
    room.shots("GUN-A1", 5..=6);
    let mut uncounted = gap("GUN-A1", 1, 1, GapState::Declared);
    uncounted.last = None;
    uncounted.reason = GapReason::NotCounted;
    let facts = facts_of(
        room.blocks.iter().map(BlockFacts::whole).collect(),
        vec![uncounted.clone(), uncounted],
    );
    let verdict = verify(&build(&facts, &key()).unwrap(), None).unwrap();
    let notice = "gun GUN-A1 does not count its shots: completeness not provable";
    assert_eq!(verdict.notices, [notice]);
    assert_eq!(verdict.findings[0].kind, FindingKind::Hole);
}

#[test]
fn facts_that_could_not_be_verified_are_refused() {
    let mut uncommitted = sample_facts();
    uncommitted.commits.remove(0);
    assert!(matches!(
        build(&uncommitted, &key()),
        Err(ReportError::BlockNotCommitted { .. })
    ));
    let mut twice = sample_facts();
    let again = twice.blocks[1].clone();
    twice.blocks.push(again);
    assert!(matches!(
        build(&twice, &key()),
        Err(ReportError::SameShotTwice { .. })
    ));
    let mut unproven = sample_facts();
    unproven.commits[0].proof.clear();
    assert!(matches!(
        build(&unproven, &key()),
        Err(ReportError::Evidence { .. })
    ));
}

#[test]
fn a_standard_csv_reader_sees_the_same_cells_as_json() {
    let files = unzip(&build(&sample_facts(), &key()).unwrap());
    let mut csv = csv::Reader::from_reader(files["shots.csv"].as_slice());
    let headers = csv.headers().unwrap().clone();
    let json: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(&files["shots.json"]).unwrap();
    let rows: Vec<csv::StringRecord> = csv.records().collect::<Result<_, _>>().unwrap();
    assert_eq!((rows.len(), json.len()), (32, 32));
    for (row, object) in rows.iter().zip(&json) {
        assert_eq!(object.len(), headers.len());
        for (name, cell) in headers.iter().zip(row) {
            let value = match &object[name] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                number => number.to_string(),
            };
            assert_eq!(value, cell, "{name}");
        }
    }
}

#[test]
fn the_readme_says_demo_and_never_says_compliant() {
    let files = unzip(&build(&sample_facts(), &key()).unwrap());
    let text = String::from_utf8(files["README.txt"].clone()).unwrap();
    assert!(text.starts_with("DEMO"), "{text}");
    assert!(
        text.contains("built to support") && !text.contains("compliant"),
        "{text}"
    );
    assert!(text.contains(&key().verifier().fingerprint()));
}

#[test]
fn bytes_that_are_no_bundle_are_an_error_and_not_a_verdict() {
    for bytes in [b"".as_slice(), b"PK", b"hello", &[0; 100]] {
        assert!(verify(bytes, None).is_err());
    }
    let empty = crate::sample::rezip(&std::collections::BTreeMap::new());
    assert!(verify(&empty, None).is_err());
}
