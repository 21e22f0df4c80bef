//! What is said of sessions: it reaches the limit engine, once, also after a restart, and what comes
//! after the seal is stored and opens nothing again.

use std::sync::Arc;

use meso_domain::{Amendment, Delivery, ManualEntry, Said, SessionEvent, Statement};
use meso_limits::{Library, assemble_release};
use meso_units::{Nanolitres, OperatorId, SegmentId};

use super::*;

fn stated(second: i64, said: Said) -> SessionEvent {
    SessionEvent::Stated(Box::new(Statement {
        session: sample_session(),
        at: at(second),
        by: Some(OperatorId::parse("op-7").unwrap()),
        said,
    }))
}

fn entry() -> SessionEvent {
    let entry = ManualEntry {
        segment: SegmentId::from_bytes([6; 16]),
        number: 1,
        points: 4,
        volume: Nanolitres::new(80_000).unwrap(),
    };
    stated(2, Said::Manual(entry))
}

fn amended(field: &str, new_value: &str) -> SessionEvent {
    let amendment = Amendment {
        original: entry().record_hash(),
        by: OperatorId::parse("op-7").unwrap(),
        at: at(3),
        reason: "misread".to_owned(),
        field: field.to_owned(),
        old_value: "80000".to_owned(),
        new_value: new_value.to_owned(),
        signature: Amendment::UNSIGNED,
    };
    stated(3, Said::Amended(amendment))
}

fn segment_by_hand() -> SessionEvent {
    let SessionEvent::SegmentOpened(mut segment) = segment(sample_session()) else {
        panic!("a segment");
    };
    segment.delivery = Delivery::ManualSyringe;
    SessionEvent::SegmentOpened(segment)
}

fn totals(bench: &mut Bench) -> (u64, u64) {
    let verdict = bench.ingest().judge.verdict(sample_session()).unwrap();
    (verdict.point_count, verdict.volume_nl)
}

#[test]
fn points_by_hand_and_their_correction_count_once_and_survive_a_restart() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let blocks = [
        driver.event(opened(sample_session())),
        driver.event(segment_by_hand()),
        driver.event(entry()),
    ];
    bench.deliver(&blocks);
    bench.deliver(&blocks);
    assert_eq!(totals(&mut bench), (4, 80_000));
    let correction = driver.event(amended("volume_nl", "90000"));
    bench.deliver(&[correction]);
    assert_eq!(totals(&mut bench), (4, 90_000));
    bench.restart();
    assert_eq!(totals(&mut bench), (4, 90_000));
    let reader = bench.store().read();
    let stored = reader.session_events(sample_session()).unwrap();
    assert!(stored.contains(&entry()), "the original stays");
}

#[test]
fn what_comes_after_the_seal_is_stored_and_opens_nothing_again() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let session = Some(sample_session());
    let blocks = [
        driver.event(opened(sample_session())),
        driver.event(segment_by_hand()),
        driver.event(entry()),
        driver.run(1, 2, session),
        driver.event(ended(sample_session(), 2)),
    ];
    bench.deliver(&blocks);
    let sealed = bench.store().read().session(sample_session()).unwrap();
    assert!(sealed.unwrap().sealed_at.is_some());
    let protocol = "[[protocols]]\nid = \"mesolift-face\"\ntitle = \"t\"\nindication = \"i\"\n\
                    zones = [\"cheek\"]\ntechniques = [\"nappage\"]\n\
                    session_volume = { hard_max = \"1 ml\", source = \"s\" }\n";
    let library = Library::parse(&assemble_release(1, true, &[protocol])).unwrap();
    bench.ingest().options.library = Some(Arc::new(library));
    let addendum = driver.event(stated(900, Said::Addendum("seen again".to_owned())));
    let committed = bench.deliver(&[addendum]);
    assert_eq!(committed.news.late_finding_count, 0);
    let correction = driver.event(amended("volume_nl", "2000000"));
    let committed = bench.deliver(&[correction]);
    assert_eq!(committed.news.late_finding_count, 1, "beyond its limit now");
    assert_eq!(bench.ingest().judge.verdict(sample_session()), None);
    let reader = bench.store().read();
    assert_eq!(reader.session_events(sample_session()).unwrap().len(), 6);
}

#[test]
fn shots_without_a_session_are_claimed_once_and_survive_a_restart() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let mut lost: Vec<_> = (1..=3).map(|counter| sample_shot(counter, 2_500)).collect();
    lost.iter_mut().for_each(|shot| shot.segment = None);
    let claim = meso_domain::ShotClaim {
        segment: SegmentId::from_bytes([6; 16]),
        gun: sample_gun(),
        epoch: EPOCH,
        first: meso_units::ShotCounter(1),
        last: meso_units::ShotCounter(4),
        reason: "opened too late".to_owned(),
    };
    let blocks = [
        driver.shots(lost, None),
        driver.event(opened(sample_session())),
        driver.event(segment(sample_session())),
        driver.run(4, 5, Some(sample_session())),
        driver.event(stated(5, Said::Claim(claim.clone()))),
        driver.event(stated(6, Said::Claim(claim))),
    ];
    bench.deliver(&blocks);
    let count = |bench: &mut Bench| {
        let verdict = bench.ingest().judge.verdict(sample_session()).unwrap();
        verdict.patient_shot_count
    };
    assert_eq!(count(&mut bench), 5);
    bench.restart();
    assert_eq!(count(&mut bench), 5);
}
