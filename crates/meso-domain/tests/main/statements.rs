//! What holds for all statements.

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    CorrectionError, PatientFacts, Record, Said, ScreeningAnswers, SessionEvent, correct, corrected,
};
use proptest::prelude::*;

use crate::samples::{sample_amendment, sample_segment};
use crate::statement_samples::{all, operator, sample_answers, stated};

#[test]
fn every_kind_of_statement_survives_its_canonical_bytes() {
    for event in all() {
        let record = Record::Session(event);
        let bytes = record.canonical_bytes();
        assert_eq!(Record::from_canonical(&bytes).unwrap(), record);
    }
    let answers = sample_answers();
    let bytes = answers.canonical_bytes();
    assert!(ScreeningAnswers::from_canonical(&bytes).unwrap() == answers);
}

#[test]
fn only_what_limits_ask_of_a_patient_is_erasable() {
    let erasable: Vec<bool> = all()
        .into_iter()
        .map(|event| Record::Session(event).is_erasable())
        .collect();
    let mut expected = vec![false; erasable.len()];
    expected[1] = true;
    assert_eq!(erasable, expected);
}

#[test]
fn age_and_weight_do_not_get_into_a_log() {
    let shown = format!("{:?} {:?}", all()[1], sample_answers());
    assert!(!shown.contains("41"), "{shown}");
    assert!(!shown.contains("pregnancy"), "{shown}");
}

#[test]
fn a_correction_says_the_value_before_and_after() {
    let manual = &all()[5];
    let (right, before) = correct(manual, "volume_nl", "90000").unwrap();
    assert_eq!(before, "80000");
    assert_eq!(correct(&right, "volume_nl", "80000").unwrap().0, *manual);
    let same = correct(manual, "points", "4").unwrap_err();
    assert!(matches!(same, CorrectionError::NothingChanges { .. }));
    let bad = correct(manual, "points", "-1").unwrap_err();
    assert!(matches!(bad, CorrectionError::BadValue { .. }));
    let field = correct(&sample_segment(), "zone", "chin").unwrap_err();
    assert!(matches!(field, CorrectionError::UnknownField { .. }));
    let other = correct(&all()[11], "text", "x").unwrap_err();
    assert_eq!(other, CorrectionError::NotCorrectable);
}

#[test]
fn the_lot_of_each_component_can_be_corrected() {
    let (right, before) = correct(&sample_segment(), "lot_1", "HA-2").unwrap();
    assert_eq!(before, "HA-1");
    let SessionEvent::SegmentOpened(segment) = right else {
        panic!("another event");
    };
    assert_eq!(segment.syringe.components[0].lot, "HA-2");
    for field in ["lot_0", "lot_2", "lot_", "lot_x"] {
        let unknown = correct(&sample_segment(), field, "HA-2").unwrap_err();
        assert!(matches!(unknown, CorrectionError::UnknownField { .. }));
    }
}

#[test]
fn that_needle_syringe_and_tube_were_not_new_can_be_said_afterwards() {
    let all = all();
    let mut material = all.iter().filter(|event| match event {
        SessionEvent::Stated(statement) => matches!(statement.said, Said::Material(_)),
        _ => false,
    });
    let material = material.next().unwrap();
    let field = "consumables_are_new";
    let (right, before) = correct(material, field, "false").unwrap();
    assert_eq!(before, "true");
    assert_eq!(correct(&right, field, "").unwrap().1, "false");
    let bad = correct(material, field, "maybe").unwrap_err();
    assert!(matches!(bad, CorrectionError::BadValue { .. }));
}

#[test]
fn corrections_of_one_event_follow_each_other() {
    let original = all()[5].clone();
    let amend = |new_value: &str, field: &str| {
        let mut amendment = sample_amendment();
        amendment.original = original.record_hash();
        amendment.field = field.into();
        amendment.new_value = new_value.into();
        stated(Some(operator()), Said::Amended(amendment))
    };
    let events = [
        original.clone(),
        amend("5", "points"),
        amend("100000", "volume_nl"),
        amend("6", "points"),
    ];
    let right = corrected(events.iter(), original.record_hash()).unwrap();
    let SessionEvent::Stated(statement) = right else {
        panic!("another event");
    };
    let Said::Manual(entry) = statement.said else {
        panic!("another statement");
    };
    assert_eq!((entry.points, entry.volume.get()), (6, 100_000));
}

proptest! {
    #[test]
    fn bytes_of_a_statement_that_decode_are_its_only_bytes(
        which in 0_usize..14, position in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let mut bytes = all()[which].canonical_bytes();
        let index = position.index(bytes.len());
        bytes[index] ^= 1 << bit;
        if let Ok(other) = Record::from_canonical(&bytes) {
            prop_assert_eq!(other.canonical_bytes(), bytes);
        }
    }

    #[test]
    fn no_part_of_a_statement_is_a_statement(
        which in 0_usize..14, cut in any::<prop::sample::Index>(),
    ) {
        let bytes = all()[which].canonical_bytes();
        let part = &bytes[..cut.index(bytes.len())];
        prop_assert!(Record::from_canonical(part).is_err());
    }

    #[test]
    fn a_salt_changes_the_hash_of_equal_facts(left in any::<[u8; 32]>(), right in any::<[u8; 32]>()) {
        let hash = |salt| {
            let facts = PatientFacts { salt, age_years: Some(41), weight_g: Some(60_000) };
            stated(None, Said::Patient(facts)).record_hash()
        };
        prop_assert_eq!(left == right, hash(left) == hash(right));
    }
}
