//! What is missing is asked for, and named when it is gone.

use meso_delivery::{Answer, Range, RangeSet};
use meso_domain::{LedgerEntryKind, SessionEvent};
use meso_units::Epoch;

use super::*;

/// [`bench_with_hole`], and the room is there.
fn bench_of_room_with_hole() -> (Bench, PaperDriver) {
    let (mut bench, driver) = bench_with_hole();
    be_born(&mut bench, &driver);
    (bench, driver)
}

fn be_born(bench: &mut Bench, driver: &PaperDriver) {
    let life = driver.incarnation;
    bench
        .ingest()
        .note_driver(now(), &sample_clinic(), &sample_driver(), life, true);
}

fn answer(driver: &PaperDriver, held: &[(u64, u64)], present: Epoch) -> Arrival {
    let range = |(first, last): &(u64, u64)| Range {
        first: *first,
        last: *last,
    };
    Arrival::Held {
        clinic: sample_clinic(),
        answer: Answer {
            driver: sample_driver(),
            incarnation: driver.incarnation,
            gun: sample_gun(),
            epoch: EPOCH,
            held: held.iter().map(range).collect::<RangeSet>(),
            present: Some(present),
        },
    }
}

fn declared_in_ledger(bench: &mut Bench) -> usize {
    let reader = bench.store().read();
    let leaves = 0..reader.leaf_count().unwrap();
    let entries = leaves.flat_map(|leaf| {
        let bytes = reader.leaf(leaf).unwrap().unwrap();
        CommitEntry::from_canonical(&bytes).unwrap().entries
    });
    let declared = entries.filter(|entry| entry.kind == LedgerEntryKind::DeclaredGap);
    declared.count()
}

fn missing(bench: &mut Bench) -> (u64, u64) {
    let counters = bench.ingest().receiver.counters(&sample_gun(), EPOCH);
    let counters = counters.unwrap();
    (
        counters.declared_missing_count(),
        counters.filled_later_count(),
    )
}

#[test]
fn a_hole_is_asked_for_then_declared_and_a_late_arrival_fills_it() {
    let (mut bench, mut driver) = bench_of_room_with_hole();
    assert!(bench.ingest().questions(now(), 0).is_empty(), "not at once");
    let questions = bench.ingest().questions(at(2_010), 0);
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].wanted, [Range { first: 3, last: 4 }]);
    let said = answer(&driver, &[(1, 2), (5, 6)], EPOCH);
    let committed = bench.ingest().commit(vec![said], now()).unwrap();
    assert_eq!(committed.news.declared_missing.get(&sample_gun()), Some(&2));
    assert_eq!(
        (missing(&mut bench), declared_in_ledger(&mut bench)),
        ((2, 0), 1)
    );
    assert!(bench.ingest().questions(at(9_000), 0).is_empty());
    bench.restart();
    be_born(&mut bench, &driver);
    assert!(bench.ingest().questions(at(9_000), 0).is_empty());
    bench.deliver(&[driver.run(3, 4, None)]);
    assert_eq!(missing(&mut bench), (0, 2));
    bench.assert_ledger_sound();
}

#[test]
fn a_driver_that_holds_what_is_missing_is_waited_for() {
    let (mut bench, driver) = bench_of_room_with_hole();
    let said = answer(&driver, &[(1, 6)], EPOCH);
    bench.ingest().commit(vec![said], now()).unwrap();
    assert_eq!(missing(&mut bench), (0, 0));
    assert_eq!(bench.ingest().inquiries().open_count(), 1);
}

#[test]
fn a_kill_after_any_step_declares_a_gap_once() {
    for last in [Step::Prepare, Step::Store, Step::Log] {
        let (mut bench, driver) = bench_of_room_with_hole();
        let said = || vec![answer(&driver, &[(1, 2), (5, 6)], EPOCH)];
        let ingest = bench.ingest();
        let prepared = ingest.prepare(said(), now()).unwrap();
        if !matches!(last, Step::Prepare) {
            let stored = ingest.store(prepared).unwrap();
            if matches!(last, Step::Log) {
                ingest.log(stored, now()).unwrap();
            }
        }
        bench.restart();
        be_born(&mut bench, &driver);
        bench.ingest().commit(said(), now()).unwrap();
        let seen = (missing(&mut bench), declared_in_ledger(&mut bench));
        assert_eq!(seen, ((2, 0), 1), "{last:?}");
        bench.assert_ledger_sound();
    }
}

#[test]
fn an_epoch_that_its_gun_has_left_ends_with_a_count_that_nobody_knows() {
    let (mut bench, driver) = bench_of_room_with_hole();
    let life = driver.incarnation;
    // The gun comes to another room under another epoch.
    let mut header = PaperDriver::new().custody(1, 0, at(5)).header().clone();
    header.place.incarnation = life;
    let custody = meso_domain::Custody {
        gun: sample_gun(),
        epoch: Epoch(99),
        first: meso_units::ShotCounter(1),
        newest: meso_units::ShotCounter(0),
        at: at(5),
    };
    bench.ingest().receiver.record_custody(&header, &custody);
    bench.ingest().reconsider(now(), [sample_gun()].into());
    let said = answer(&driver, &[(1, 2), (5, 6)], Epoch(99));
    bench.ingest().commit(vec![said], now()).unwrap();
    let counters = bench.ingest().receiver.counters(&sample_gun(), EPOCH);
    assert_eq!(counters.unwrap().open_ended_from(), Some(7));
    assert_eq!(missing(&mut bench).0, 2, "and what lies before is counted");
    assert_eq!(declared_in_ledger(&mut bench), 2);
}

#[test]
fn a_session_is_not_sealed_while_a_gun_that_was_away_may_hold_shots_of_it() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let session = Some(sample_session());
    let mut end = ended(sample_session(), 2);
    let SessionEvent::Ended(it) = &mut end else {
        panic!("an end");
    };
    it.last_counters[0].is_away = true;
    bench.deliver(&[
        driver.event(opened(sample_session())),
        driver.custody(1, 0, at(0)),
        driver.run(1, 2, session),
        driver.event(end),
    ]);
    assert!(!bench.effect().is_sealed, "the gun was not seen since");
    bench.restart();
    bench.deliver(&[driver.custody(3, 4, at(3_000))]);
    assert!(!bench.effect().is_sealed, "it has two shots more");
    bench.deliver(&[driver.run(3, 4, session)]);
    assert!(bench.effect().is_sealed);
}

#[test]
fn the_ledger_knows_a_refused_block_once_however_often_it_comes() {
    let mut bench = Bench::new();
    bench.ingest().options.clinics.clear();
    for _ in 0..3 {
        let committed = bench.deliver(&sample_treatment()[..1]);
        assert_eq!(committed.news.quarantined_count, 1);
    }
    let reader = bench.store().read();
    assert_eq!(reader.leaf_count().unwrap(), 1);
    assert_eq!(reader.quarantined(9).unwrap().len(), 1);
}

#[test]
fn shots_are_counted_while_older_ones_are_awaited() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let committed = bench.deliver(&[driver.run(1, 1, None), driver.run(3, 3, None)]);
    assert_eq!(committed.news.provisional_count, 1);
}
