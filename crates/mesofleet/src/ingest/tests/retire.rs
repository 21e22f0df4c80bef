//! A room that never comes back.

use meso_alerts::{AlertState, FleetCause, Reason};
use meso_domain::{LedgerEntryKind, RoomRetired};
use meso_units::{DriverId, OperatorId};

use super::fleet::{SEEN, driver_status, gun_status};
use super::*;

fn wanted(gap_count: u32, shot_count: u64) -> Retirement {
    Retirement {
        driver: sample_driver(),
        by: OperatorId::parse("op-7").unwrap(),
        reason: Reason::parse("the computer was stolen").unwrap(),
        gap_count,
        shot_count,
    }
}

fn retire(bench: &mut Bench) -> Committed {
    bench.take(|ingest| ingest.prepare_retirement(&wanted(1, 2), now()).unwrap())
}

fn note(bench: &mut Bench, driver: &PaperDriver, is_online: bool) {
    let life = driver.incarnation;
    bench
        .ingest()
        .note_driver(now(), &sample_clinic(), &sample_driver(), life, is_online);
}

/// Of each kind of entry how many are in the ledger: gaps, acts.
fn logged(bench: &mut Bench) -> (usize, usize) {
    let reader = bench.store().read();
    let leaves = 0..reader.leaf_count().unwrap();
    let kinds: Vec<LedgerEntryKind> = leaves
        .flat_map(|leaf| {
            let bytes = reader.leaf(leaf).unwrap().unwrap();
            CommitEntry::from_canonical(&bytes).unwrap().entries
        })
        .map(|entry| entry.kind)
        .collect();
    let of = |kind| kinds.iter().filter(|it| **it == kind).count();
    (
        of(LedgerEntryKind::DeclaredGap),
        of(LedgerEntryKind::RoomRetired),
    )
}

/// Declared and not there, declared and there after all.
fn missing(bench: &mut Bench) -> (u64, u64) {
    let counters = bench.ingest().receiver.counters(&sample_gun(), EPOCH);
    let counters = counters.unwrap();
    (
        counters.declared_missing_count(),
        counters.filled_later_count(),
    )
}

fn acts(bench: &mut Bench) -> Vec<RoomRetired> {
    bench.store().read().retired_rooms(9).unwrap()
}

#[test]
fn what_a_retired_room_owes_is_declared_by_name_and_a_late_arrival_fills_it() {
    let (mut bench, mut driver) = bench_with_hole();
    let awaited = bench.ingest().awaited_from_room(&sample_driver()).unwrap();
    assert_eq!((awaited.gap_count(), awaited.shot_count), (1, 2));
    assert_eq!(missing(&mut bench), (0, 0), "a look changes nothing");
    let committed = retire(&mut bench);
    assert_eq!(committed.news.declared_missing.get(&sample_gun()), Some(&2));
    assert_eq!(logged(&mut bench), (1, 1));
    let [act] = &acts(&mut bench)[..] else {
        panic!("one act");
    };
    assert_eq!(
        (act.by.as_str(), act.reason.as_str()),
        ("op-7", "the computer was stolen")
    );
    assert_eq!((act.gap_count, act.shot_count, act.at), (1, 2, now()));
    let gaps = bench.store().read().declared_gaps(false, 9).unwrap();
    assert_eq!(gaps[0].0.reason.as_str(), "room retired");
    assert_eq!(bench.ingest().inquiries().open_count(), 0);
    bench.restart();
    assert!(bench.ingest().inquiries().is_retired(&sample_driver()));
    let committed = bench.deliver(&[driver.run(3, 4, None)]);
    assert_eq!(missing(&mut bench), (0, 2));
    let shown = committed.news.declared_missing.get(&sample_gun());
    assert_eq!(shown, Some(&0), "the board shows it");
    bench.assert_ledger_sound();
}

#[test]
fn a_room_that_is_there_or_unknown_or_owes_something_else_is_not_retired() {
    let (mut bench, driver) = bench_with_hole();
    let refused = |bench: &mut Bench, wanted: &Retirement| {
        let refused = bench.ingest().prepare_retirement(wanted, now());
        let Err(IngestError::Retire { source }) = refused else {
            panic!("{refused:?}");
        };
        source
    };
    let unknown = Retirement {
        driver: DriverId::parse("room-9").unwrap(),
        ..wanted(0, 0)
    };
    let told = refused(&mut bench, &unknown);
    assert!(matches!(told, RetireError::Unknown { .. }), "{told}");
    let told = refused(&mut bench, &wanted(1, 3));
    assert!(
        matches!(told, RetireError::Changed { shot_count: 2, .. }),
        "{told}"
    );
    note(&mut bench, &driver, true);
    let told = refused(&mut bench, &wanted(1, 2));
    assert!(matches!(told, RetireError::Online { .. }), "{told}");
    assert_eq!((missing(&mut bench), logged(&mut bench)), ((0, 0), (0, 0)));
    note(&mut bench, &driver, false);
    retire(&mut bench);
    assert_eq!(missing(&mut bench), (2, 0));
}

#[test]
fn a_kill_after_any_step_retires_a_room_once() {
    for last in [Step::Prepare, Step::Store, Step::Log] {
        let (mut bench, _) = bench_with_hole();
        let ingest = bench.ingest();
        let prepared = ingest.prepare_retirement(&wanted(1, 2), now()).unwrap();
        if !matches!(last, Step::Prepare) {
            let stored = ingest.store(prepared).unwrap();
            if matches!(last, Step::Log) {
                ingest.log(stored, now()).unwrap();
            }
        }
        bench.restart();
        if matches!(last, Step::Prepare) {
            assert_eq!(logged(&mut bench), (0, 0), "nothing was promised");
            retire(&mut bench);
        }
        assert_eq!(missing(&mut bench), (2, 0), "{last:?}");
        assert_eq!(logged(&mut bench), (1, 1), "{last:?}");
        bench.assert_ledger_sound();
    }
}

#[test]
fn a_session_that_waited_for_a_retired_room_is_sealed() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let session = Some(sample_session());
    bench.deliver(&[
        driver.event(opened(sample_session())),
        driver.custody(1, 0, at(0)),
        driver.run(1, 2, session),
        driver.event(ended(sample_session(), 4)),
    ]);
    assert!(!bench.effect().is_sealed, "two shots are awaited");
    retire(&mut bench);
    assert!(bench.effect().is_sealed);
    bench.assert_ledger_sound();
}

#[test]
fn alerts_of_a_retired_room_end_and_what_the_broker_keeps_of_it_opens_none() {
    let (mut bench, driver) = bench_with_hole();
    let gone = |bench: &mut Bench, seconds| {
        bench.hear(gun_status(|_| {}), seconds);
        bench.hear(driver_status(false), seconds);
    };
    bench.hear(driver_status(true), 0);
    gone(&mut bench, 0);
    note(&mut bench, &driver, false);
    bench.look(1..=901, SEEN);
    let open = |bench: &mut Bench| -> Vec<FleetCause> {
        let alerts = bench.fleet_alerts().into_iter();
        let open = alerts.filter(|(_, alert)| alert.state == AlertState::Open);
        open.map(|(cause, _)| cause).collect()
    };
    let assert_well = |bench: &mut Bench| {
        let open = open(bench);
        let of_room = [FleetCause::DriverSilent, FleetCause::GapAwaited];
        assert!(
            !open.iter().any(|cause| of_room.contains(cause)),
            "{open:?}"
        );
    };
    let before = open(&mut bench);
    for cause in [FleetCause::DriverSilent, FleetCause::GapAwaited] {
        assert!(before.contains(&cause), "{before:?}");
    }
    retire(&mut bench);
    bench.look(902..=903, SEEN);
    assert_eq!(open(&mut bench), [FleetCause::GapDeclared]);
    bench.restart();
    gone(&mut bench, 904);
    note(&mut bench, &driver, false);
    bench.look(904..=1_900, SEEN);
    assert_well(&mut bench);
    // It comes back after all, and is missed again when it goes.
    note(&mut bench, &driver, true);
    bench.hear(driver_status(true), 1_901);
    bench.hear(gun_status(|_| {}), 1_901);
    bench.look(1_901..=1_902, SEEN);
    assert_well(&mut bench);
}
