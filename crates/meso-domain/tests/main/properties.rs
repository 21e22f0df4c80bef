//! What holds for every record, not only for the samples.

use meso_domain::canonical::Canonical;
use meso_domain::{
    BlockError, BlockHash, Purpose, PurposeDecidedBy, Quantity, Record, RecordBlock, SessionEvent,
    Shot, ShotFlags, Sourced,
};
use meso_units::{
    BlockNumber, Epoch, GaugePascals, Micrometres, Microseconds, Nanolitres, ShotCounter,
    Timestamp, Uncertainty,
};
use proptest::prelude::*;

use crate::samples::{
    sample_amendment, sample_custody, sample_ended, sample_gap, sample_header, sample_interlock,
    sample_judgement, sample_merged, sample_opened, sample_segment, sample_shot,
};

prop_compose! {
    fn any_shot()(
        epoch in any::<u64>(),
        counter in 1..=u32::MAX,
        at in 0..i64::MAX,
        uncertainty in proptest::option::of(any::<u64>()),
        depth in proptest::option::of(0_u32..=13_000),
        volume in proptest::option::of(0_u64..=Shot::VOLUME_NL_MAX),
        interval in proptest::option::of(0_u64..1_000_000_000),
        pressure in proptest::option::of(-101_325_i32..=1_000_000),
        flags in 0_u16..64,
        purpose in 0_usize..5,
    ) -> Shot {
        let mut shot = sample_shot(counter);
        shot.identity.epoch = Epoch(epoch);
        shot.at = Timestamp::from_unix_ns(at).unwrap();
        shot.uncertainty = uncertainty.map_or(Uncertainty::Unbounded, Uncertainty::Within);
        shot.needle_depth = Quantity {
            set: None,
            actual: depth.map(|um| Sourced::sensed(Micrometres::new(um).unwrap())),
        };
        shot.volume = Quantity {
            set: volume.map(|nl| Nanolitres::new(nl).unwrap()),
            actual: None,
        };
        shot.interval = interval.map(|us| Microseconds::new(us).unwrap());
        shot.pressure = pressure.map(|pa| GaugePascals::new(pa).unwrap());
        shot.flags = ShotFlags::from_bits(flags).unwrap();
        shot.purpose = Purpose::ALL[purpose];
        shot.purpose_decided_by = PurposeDecidedBy::Operator;
        shot
    }
}

proptest! {
    #[test]
    fn a_shot_survives_its_canonical_bytes(shot in any_shot()) {
        prop_assert_eq!(Shot::from_canonical(&shot.canonical_bytes()).unwrap(), shot);
    }

    #[test]
    fn different_shots_have_different_hashes(left in any_shot(), right in any_shot()) {
        prop_assert_eq!(left == right, left.record_hash() == right.record_hash());
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::from_canonical(&bytes);
    }

    #[test]
    fn bytes_that_decode_are_the_only_bytes_of_their_record(
        shot in any_shot(), position in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let mut bytes = shot.canonical_bytes();
        let index = position.index(bytes.len());
        bytes[index] ^= 1 << bit;
        if let Ok(other) = Record::from_canonical(&bytes) {
            prop_assert_eq!(other.canonical_bytes(), bytes);
        }
    }
}

#[test]
fn every_kind_of_record_survives_its_canonical_bytes() {
    for record in [
        Record::Session(sample_opened()),
        Record::Session(sample_segment()),
        Record::Session(sample_ended()),
        Record::Gap(sample_gap()),
        Record::Amendment(sample_amendment()),
        Record::Custody(sample_custody()),
        Record::Interlock(sample_interlock()),
        Record::Patient(sample_merged()),
    ] {
        assert_eq!(
            Record::from_canonical(&record.canonical_bytes()).unwrap(),
            record
        );
    }
}

#[test]
fn a_trigger_that_holds_more_than_a_syringe_is_not_believed() {
    let mut shot = sample_shot(1);
    shot.volume.set = Some(Nanolitres::new(Shot::VOLUME_NL_MAX + 1).unwrap());
    assert!(shot.check().is_err());
    assert!(Shot::from_canonical(&shot.canonical_bytes()).is_err());
    shot = sample_shot(1);
    shot.identity.counter = ShotCounter(0);
    assert!(shot.check().is_err());
}

#[test]
fn a_block_refuses_strangers_and_changed_verdicts() {
    let shots = || vec![Record::Shot(sample_shot(1))];
    let mut header = sample_header();
    header.epoch = Some(Epoch(99));
    assert!(matches!(
        RecordBlock::seal(header, shots(), vec![sample_judgement()]),
        Err(BlockError::Stranger { index: 0, .. })
    ));
    let block = RecordBlock::seal(sample_header(), shots(), vec![sample_judgement()]).unwrap();
    let mut kinder = sample_judgement();
    kinder.findings.clear();
    assert!(matches!(
        RecordBlock::from_parts(block.header().clone(), shots(), vec![kinder]),
        Err(BlockError::JudgementsDiffer { .. })
    ));
    assert!(matches!(
        RecordBlock::seal(sample_header(), Vec::new(), Vec::new()),
        Err(BlockError::RecordCount { count: 0, .. })
    ));
    let mut orphan = sample_header();
    orphan.place.number = BlockNumber(2);
    assert!(matches!(
        RecordBlock::seal(orphan, shots(), vec![sample_judgement()]),
        Err(BlockError::Predecessor { .. })
    ));
}

#[test]
fn a_block_hash_covers_header_order_and_predecessor() {
    let block = |previous: Option<BlockHash>, number, counters: [u32; 2]| {
        let mut header = sample_header();
        header.previous = previous;
        header.place.number = BlockNumber(number);
        let records = counters.map(|c| Record::Shot(sample_shot(c))).to_vec();
        RecordBlock::seal(
            header,
            records,
            vec![sample_judgement(), sample_judgement()],
        )
        .unwrap()
        .hash()
    };
    let first = block(None, 1, [1, 2]);
    assert_ne!(first, block(None, 1, [2, 1]));
    assert_ne!(
        block(Some(first), 2, [1, 2]),
        block(Some(BlockHash([0; 32])), 2, [1, 2])
    );
}

#[test]
fn guns_that_were_away_are_said_in_one_way_and_left_out_where_there_are_none() {
    let SessionEvent::Ended(mut ended) = sample_ended() else {
        panic!("an end");
    };
    let plain = SessionEvent::Ended(ended.clone()).canonical_bytes();
    ended.last_counters[0].is_away = true;
    let away = SessionEvent::Ended(ended);
    let bytes = away.canonical_bytes();
    assert_eq!(SessionEvent::from_canonical(&bytes), Ok(away));
    assert!(bytes.starts_with(&plain));
    let empty_list = [plain.as_slice(), &[0, 0]].concat();
    assert!(SessionEvent::from_canonical(&empty_list).is_err());
    let stranger = [plain.as_slice(), &[1, 0, 5, 0], b"GUN-9"].concat();
    assert!(SessionEvent::from_canonical(&stranger).is_err());
}
