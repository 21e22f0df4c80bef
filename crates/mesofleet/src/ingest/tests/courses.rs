//! What was done to patients is kept for their later sessions and told to rooms, whatever comes
//! twice, late, or after a restart.

use meso_domain::{
    EarlierSession, GunPosition, ManualEntry, PATIENT_LIST_COUNT, Said, SessionEnded, SessionEvent,
    SessionOutcome, Statement, patient_list_of,
};
use meso_units::{Nanolitres, OperatorId, PatientCommitment, SegmentId};

use super::*;

const fn patient() -> PatientCommitment {
    PatientCommitment::from_bytes([1; 32])
}

/// A session of a patient: the others of these tests are demonstrations.
fn of_patient() -> SessionEvent {
    let SessionEvent::Opened(mut begun) = opened(sample_session()) else {
        panic!("a begin");
    };
    begun.demo = false;
    SessionEvent::Opened(begun)
}

fn over() -> SessionEvent {
    SessionEvent::Ended(SessionEnded {
        session: sample_session(),
        at: at(1_000),
        outcome: SessionOutcome::Completed,
        last_counters: vec![GunPosition {
            gun: sample_gun(),
            epoch: EPOCH,
            counter: meso_units::ShotCounter(4),
            is_away: false,
        }],
    })
}

/// Shots that name their segment, as a driver in a session has them.
pub(super) fn run(driver: &mut PaperDriver, first: u32, last: u32) -> RecordBlock {
    let shots = (first..=last).map(|counter| {
        let mut shot = sample_shot(counter, 2_500);
        shot.segment = Some(SegmentId::from_bytes([6; 16]));
        shot
    });
    driver.shots(shots.collect(), Some(sample_session()))
}

fn treatment() -> Vec<RecordBlock> {
    let mut driver = PaperDriver::new();
    vec![
        driver.event(of_patient()),
        driver.event(segment(sample_session())),
        run(&mut driver, 1, 2),
        run(&mut driver, 3, 4),
        driver.event(over()),
    ]
}

fn stored(bench: &mut Bench) -> Vec<EarlierSession> {
    let list = patient_list_of(&patient());
    let found = bench.store().read().treated_in(&sample_clinic(), list);
    let found = found.unwrap().into_iter();
    found
        .map(|(whose, earlier)| {
            assert_eq!(whose, patient());
            earlier
        })
        .collect()
}

/// What rooms are told of the patient.
fn told(committed: &Committed) -> Option<Vec<EarlierSession>> {
    let list = patient_list_of(&patient());
    let mut lists = committed.patients.iter();
    let message = &lists.find(|told| told.message.list == list)?.message;
    Some(
        message
            .patients
            .first()
            .map_or_else(Vec::new, |body| body.earlier().unwrap()),
    )
}

#[test]
fn rooms_are_told_when_a_patient_is_treated_and_what_it_amounts_to_at_the_end() {
    let mut bench = Bench::new();
    let blocks = treatment();
    let first = told(&bench.deliver_at(&blocks[..2], at(2_001)));
    assert_eq!(first, None, "nobody was treated yet");
    let first = told(&bench.deliver_at(&blocks[2..3], at(2_010))).unwrap();
    assert_eq!((first[0].volume.get(), first[0].zones.len()), (36_000, 1));
    let same = told(&bench.deliver_at(&blocks[3..4], at(2_020)));
    assert_eq!(same, None, "the same zone goes on");
    let last = told(&bench.deliver_at(&blocks[4..], at(2_030))).unwrap();
    assert_eq!(last[0].volume.get(), 72_000);
    assert_eq!(stored(&mut bench), last);
    let again = told(&bench.deliver_at(&blocks, at(2_040)));
    assert_eq!(again, None, "it came again");
}

#[test]
fn lists_that_change_again_at_once_are_told_together_a_little_later() {
    let mut bench = Bench::new();
    let blocks = treatment();
    assert!(told(&bench.deliver_at(&blocks[..3], at(2_010))).is_some());
    assert_eq!(told(&bench.deliver_at(&blocks[3..], at(2_011))), None);
    let last = told(&bench.deliver_at(&[], at(2_015))).unwrap();
    assert_eq!(last[0].volume.get(), 72_000);
    assert_eq!(told(&bench.deliver_at(&[], at(2_030))), None, "told once");
}

#[test]
fn a_demonstration_is_no_treatment_of_anybody() {
    let mut bench = Bench::new();
    bench.deliver(&sample_treatment());
    assert_eq!(stored(&mut bench), []);
}

#[test]
fn a_server_that_starts_tells_every_list_so_that_rooms_know_who_is_new() {
    let mut bench = Bench::new();
    bench.deliver(&treatment());
    let committed = bench.restart();
    assert_eq!(committed.patients.len(), usize::from(PATIENT_LIST_COUNT));
    assert_eq!(told(&committed), Some(stored(&mut bench)));
    let others = committed
        .patients
        .iter()
        .map(|told| told.message.patients.len());
    assert_eq!(others.sum::<usize>(), 1);
}

#[test]
fn a_correction_after_the_seal_changes_what_rooms_are_told() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let SessionEvent::SegmentOpened(mut by_hand) = segment(sample_session()) else {
        panic!("a segment");
    };
    by_hand.delivery = meso_domain::Delivery::ManualSyringe;
    let stated = |second, said| {
        SessionEvent::Stated(Box::new(Statement {
            session: sample_session(),
            at: at(second),
            by: Some(OperatorId::parse("op-7").unwrap()),
            said,
        }))
    };
    let entry = stated(
        2,
        Said::Manual(ManualEntry {
            segment: SegmentId::from_bytes([6; 16]),
            number: 1,
            points: 4,
            volume: Nanolitres::new(80_000).unwrap(),
        }),
    );
    let mut nothing_fired = over();
    if let SessionEvent::Ended(ended) = &mut nothing_fired {
        ended.last_counters.clear();
    }
    let blocks = [
        driver.event(of_patient()),
        driver.event(SessionEvent::SegmentOpened(by_hand)),
        driver.event(entry.clone()),
        driver.event(nothing_fired),
    ];
    assert_eq!(
        told(&bench.deliver_at(&blocks, at(2_010))).unwrap()[0]
            .volume
            .get(),
        80_000
    );
    let amendment = meso_domain::Amendment {
        original: entry.record_hash(),
        by: OperatorId::parse("op-7").unwrap(),
        at: at(2_000),
        reason: "misread".to_owned(),
        field: "volume_nl".to_owned(),
        old_value: "80000".to_owned(),
        new_value: "70000".to_owned(),
        signature: meso_domain::Amendment::UNSIGNED,
    };
    let correction = driver.event(stated(2_000, Said::Amended(amendment)));
    crash_in(&mut bench, &correction, Step::Store);
    bench.restart();
    assert_eq!(
        stored(&mut bench)[0].volume.get(),
        70_000,
        "also over a kill"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_with_restarts_in_between_has_the_same_end(
        order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
        restarts in prop::collection::vec(any::<bool>(), 5),
        repeated in 0..5_usize,
    ) {
        let blocks = treatment();
        let mut bench = Bench::new();
        for (index, is_restarted) in order.iter().zip(&restarts) {
            bench.deliver(std::slice::from_ref(&blocks[*index]));
            if *is_restarted {
                bench.restart();
            }
        }
        bench.deliver(std::slice::from_ref(&blocks[repeated]));
        let mut undisturbed = Bench::new();
        undisturbed.deliver(&blocks);
        prop_assert_eq!(stored(&mut bench), stored(&mut undisturbed));
        prop_assert_eq!(stored(&mut bench).len(), 1);
    }
}
