//! What is missing must be declared.

use meso_domain::{GapState, PatientFacts, Record, Said, SessionEvent, Statement, Stream};
use meso_report::{BlockFacts, Facts, Finding, FindingKind, Selection, Withheld, build, verify};
use meso_units::SessionId;

use crate::sample::{Room, at, ended, facts_of, gap, gun, key};

fn findings_of(facts: &Facts) -> Vec<Finding> {
    verify(&build(facts, &key()).unwrap(), None)
        .unwrap()
        .findings
}

fn whole(room: &Room) -> Vec<BlockFacts> {
    room.blocks.iter().map(BlockFacts::whole).collect()
}

fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_hole_in_the_counters_is_named_by_its_first_shot() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=5);
    room.shots("GUN-A1", 8..=9);
    let findings = findings_of(&facts_of(whole(&room), Vec::new()));
    assert_eq!(kinds(&findings), [FindingKind::Hole]);
    let shot = findings[0].shot.clone().unwrap();
    assert_eq!((shot.gun, shot.counter.get()), (gun("GUN-A1"), 6));
    assert!(findings[0].detail.contains("2 shots"), "{}", findings[0]);
}

#[test]
fn an_awaited_hole_is_not_a_declared_one() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=5);
    room.shots("GUN-A1", 8..=9);
    let awaited = vec![gap("GUN-A1", 6, 7, GapState::Awaited)];
    let findings = findings_of(&facts_of(whole(&room), awaited));
    assert_eq!(kinds(&findings), [FindingKind::Hole]);
    assert!(
        findings[0].detail.contains("still awaited"),
        "{}",
        findings[0]
    );
}

#[test]
fn a_declared_hole_is_no_finding() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=5);
    room.shots("GUN-A1", 8..=9);
    let declared = vec![gap("GUN-A1", 6, 7, GapState::Declared)];
    assert_eq!(findings_of(&facts_of(whole(&room), declared)), []);
}

#[test]
fn a_gap_that_was_filled_later_covers_nothing_and_needs_no_proof() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=9);
    let filled = vec![gap("GUN-A1", 6, 7, GapState::FilledLater)];
    assert_eq!(findings_of(&facts_of(whole(&room), filled.clone())), []);
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=5);
    room.shots("GUN-A1", 8..=9);
    assert_eq!(
        kinds(&findings_of(&facts_of(whole(&room), filled))),
        [FindingKind::Hole]
    );
}

#[test]
fn a_block_left_out_of_the_whole_log_is_found_three_times() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=18);
    let mut facts = facts_of(whole(&room), Vec::new());
    facts.blocks.remove(1);
    let findings = findings_of(&facts);
    let expected = [
        FindingKind::Deleted,
        FindingKind::Hole,
        FindingKind::ChainBroken,
    ];
    assert_eq!(kinds(&findings), expected, "{findings:?}");
}

#[test]
fn a_last_block_left_out_of_the_whole_log_is_found() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=18);
    let mut facts = facts_of(whole(&room), Vec::new());
    facts.blocks.pop();
    assert_eq!(kinds(&findings_of(&facts)), [FindingKind::Deleted]);
}

#[test]
fn a_leaf_left_out_of_the_whole_log_is_found() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=18);
    let mut facts = facts_of(whole(&room), Vec::new());
    facts.commits.pop();
    assert_eq!(kinds(&findings_of(&facts)), [FindingKind::CommitNotInLog]);
}

#[test]
fn blocks_between_selected_sessions_are_a_notice() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=18);
    let mut facts = facts_of(whole(&room), Vec::new());
    facts.blocks.remove(1);
    let sessions = vec![SessionId::from_bytes([0x5e; 16])];
    facts.selection = Selection {
        whole_log: false,
        sessions,
        ..facts.selection
    };
    let verdict = verify(&build(&facts, &key()).unwrap(), None).unwrap();
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.notices.len(), 2, "{:?}", verdict.notices);
}

#[test]
fn shots_missing_at_the_end_of_a_session_are_found() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=5);
    let session = SessionId::from_bytes([0x5e; 16]);
    let end: SessionEvent = ended(7);
    room.seal(Stream::Room, Some(session), &[Record::Session(end)]);
    let findings = findings_of(&facts_of(whole(&room), Vec::new()));
    assert_eq!(kinds(&findings), [FindingKind::Hole]);
    assert_eq!(findings[0].shot.as_ref().unwrap().counter.get(), 6);
    let declared = vec![gap("GUN-A1", 6, 7, GapState::Declared)];
    assert_eq!(findings_of(&facts_of(whole(&room), declared)), []);
}

#[test]
fn the_whole_log_withholds_nothing_but_second_copies() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=3);
    room.shots("GUN-A1", 4..=6);
    let cut = |reason| {
        let withhold = move |record: &Record| {
            let counter = record.as_shot().map(|shot| shot.identity.counter.get());
            (counter == Some(2)).then_some(reason)
        };
        let blocks = room
            .blocks
            .iter()
            .map(|block| BlockFacts::cut(block, withhold))
            .collect();
        kinds(&findings_of(&facts_of(blocks, Vec::new())))
    };
    assert_eq!(cut(Withheld::OutsideSelection), [FindingKind::Deleted]);
    assert_eq!(cut(Withheld::OtherCopyStored), [FindingKind::Deleted]);
}

#[test]
fn a_shot_that_is_gone_from_the_database_is_a_hole_until_a_gap_names_it() {
    let mut room = Room::default();
    room.shots("GUN-A1", 1..=3);
    room.shots("GUN-A1", 4..=6);
    let gone = |gaps| {
        let withhold = |record: &Record| {
            let counter = record.as_shot().map(|shot| shot.identity.counter.get());
            (counter == Some(2)).then_some(Withheld::Gone)
        };
        let blocks = room.blocks.iter();
        let blocks = blocks
            .map(|block| BlockFacts::cut(block, withhold))
            .collect();
        findings_of(&facts_of(blocks, gaps))
    };
    let findings = gone(Vec::new());
    assert_eq!(kinds(&findings), [FindingKind::Hole]);
    assert_eq!(findings[0].shot.as_ref().unwrap().counter.get(), 2);
    assert_eq!(gone(vec![gap("GUN-A1", 2, 2, GapState::Declared)]), []);
}

#[test]
fn age_and_weight_may_be_left_out_of_a_whole_log_and_a_shot_may_not() {
    let patient = SessionEvent::Stated(Box::new(Statement {
        session: SessionId::from_bytes([0x5e; 16]),
        at: at(3),
        by: None,
        said: Said::Patient(PatientFacts {
            salt: [7; 32],
            age_years: Some(41),
            weight_g: Some(60_000),
        }),
    }));
    let mut room = Room::default();
    let session = Some(patient.session());
    room.seal(Stream::Room, session, &[Record::Session(patient)]);
    room.shots("GUN-A1", 1..=5);
    let without = |withhold: fn(&Record) -> bool| {
        let blocks = room.blocks.iter().map(|block| {
            BlockFacts::cut(block, |record| {
                withhold(record).then_some(Withheld::Erasable)
            })
        });
        let mut facts = facts_of(blocks.collect(), Vec::new());
        facts.selection = Selection::whole_log(facts.selection.clinic.clone());
        facts
    };
    assert_eq!(findings_of(&without(Record::is_erasable)), []);
    let hidden = without(|record| record.as_shot().is_some());
    assert_ne!(findings_of(&hidden), []);
}
