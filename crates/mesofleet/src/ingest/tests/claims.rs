//! Shots without a session count as not under protocol until a session claims them, and then once,
//! in whatever order shots and claims come.

use meso_domain::{
    GunPosition, Said, SessionEnded, SessionEvent, SessionOutcome, SessionSeal, ShotClaim,
    Statement,
};
use meso_units::{OperatorId, SegmentId, SessionId, ShotCounter};
use sha2::{Digest as _, Sha256};

use super::*;

fn other_session() -> SessionId {
    SessionId::from_bytes([0x5f; 16])
}

/// The segment of a session.
fn segment_of(session: SessionId) -> SegmentId {
    SegmentId::from_bytes(*session.as_bytes())
}

fn begun(session: SessionId) -> [SessionEvent; 2] {
    let SessionEvent::SegmentOpened(mut begun) = segment(session) else {
        panic!("a segment");
    };
    begun.segment = segment_of(session);
    [opened(session), SessionEvent::SegmentOpened(begun)]
}

fn over(session: SessionId, last: Option<u32>) -> SessionEvent {
    let position = |counter| GunPosition {
        gun: sample_gun(),
        epoch: EPOCH,
        counter: ShotCounter(counter),
        is_away: false,
    };
    SessionEvent::Ended(SessionEnded {
        session,
        at: at(1_000),
        outcome: SessionOutcome::Completed,
        last_counters: last.map(position).into_iter().collect(),
    })
}

fn claim(session: SessionId, second: i64, first: u32, last: u32) -> SessionEvent {
    SessionEvent::Stated(Box::new(Statement {
        session,
        at: at(second),
        by: Some(OperatorId::parse("op-7").unwrap()),
        said: Said::Claim(ShotClaim {
            segment: segment_of(session),
            gun: sample_gun(),
            epoch: EPOCH,
            first: ShotCounter(first),
            last: ShotCounter(last),
            reason: "opened too late".to_owned(),
        }),
    }))
}

/// Shots outside of any session.
fn lost(driver: &mut PaperDriver, first: u32, last: u32) -> RecordBlock {
    let mut shots: Vec<_> = (first..=last)
        .map(|counter| sample_shot(counter, 2_500))
        .collect();
    shots.iter_mut().for_each(|shot| shot.segment = None);
    driver.shots(shots, None)
}

/// What a session's row says: shots, volume; and the shots that are under no protocol.
fn totals(bench: &mut Bench, session: SessionId) -> (u64, u64, u64) {
    let reader = bench.store().read();
    let counts = reader.session(session).unwrap().unwrap().counts;
    let outside = reader.totals().unwrap().not_under_protocol_count;
    (counts.patient_shot_count, counts.volume_nl, outside)
}

fn judged(bench: &mut Bench, session: SessionId) -> u64 {
    let verdict = bench.ingest().judge.verdict(session);
    verdict.unwrap().patient_shot_count
}

#[test]
fn claimed_shots_show_in_the_row_of_their_session_and_in_its_seal() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let session = sample_session();
    let [open, segment] = begun(session);
    let lost = lost(&mut driver, 1, 3);
    bench.deliver(&[lost, driver.event(open), driver.event(segment)]);
    assert_eq!(totals(&mut bench, session), (0, 0, 3), "not under protocol");
    bench.deliver(&[driver.event(claim(session, 5, 1, 3))]);
    assert_eq!(totals(&mut bench, session), (3, 54_000, 0));
    let parts = bench.store().read().seal_parts(session).unwrap();
    assert_eq!(parts.shot_hashes.len(), 0, "they lie in another block");
    bench.deliver(&[driver.event(over(session, None))]);
    assert!(
        bench
            .store()
            .read()
            .session(session)
            .unwrap()
            .unwrap()
            .sealed_at
            .is_some()
    );
    let reader = bench.store().read();
    let parts = reader.seal_parts(session).unwrap();
    let mut hasher = Sha256::new();
    parts
        .event_hashes
        .iter()
        .for_each(|hash| hasher.update(hash.0));
    for counter in 1..=3 {
        let mut shot = sample_shot(counter, 2_500);
        shot.segment = None;
        hasher.update(meso_domain::Record::Shot(shot).hash().0);
    }
    let seals = reader.unlogged(0, 99).unwrap().entries;
    assert_eq!(seals.len(), 0, "it is logged");
    let expected = SessionSeal {
        session,
        at: now(),
        patient_shot_count: 3,
        patient_volume: meso_units::Nanolitres::new(54_000).unwrap(),
        records_digest: hasher.finalize().into(),
    };
    let digest: [u8; 32] = Sha256::digest(expected.canonical_bytes()).into();
    let line = format!("{:?} {digest:?}", meso_domain::LedgerEntryKind::SessionSeal);
    let mut logged = Vec::new();
    for leaf in 0..reader.leaf_count().unwrap() {
        let entry = CommitEntry::from_canonical(&reader.leaf(leaf).unwrap().unwrap()).unwrap();
        logged.extend(
            entry
                .entries
                .iter()
                .map(|e| format!("{:?} {:?}", e.kind, e.digest)),
        );
    }
    assert!(logged.contains(&line), "{logged:?}");
}

/// Two sessions that claim the same shots, and what is claimed.
fn contested() -> Vec<RecordBlock> {
    let mut driver = PaperDriver::new();
    let (one, other) = (sample_session(), other_session());
    let mut blocks = vec![lost(&mut driver, 1, 4)];
    for event in begun(one).into_iter().chain(begun(other)) {
        blocks.push(driver.event(event));
    }
    blocks.push(driver.event(claim(other, 8, 2, 4)));
    blocks.push(driver.event(claim(one, 7, 1, 3)));
    blocks
}

fn assert_contested(bench: &mut Bench) {
    let (one, other) = (sample_session(), other_session());
    assert_eq!(
        totals(bench, one),
        (3, 54_000, 0),
        "its claim was said first"
    );
    assert_eq!(totals(bench, other), (1, 18_000, 0));
    assert_eq!((judged(bench, one), judged(bench, other)), (3, 1));
    let kept = bench.store().read().quarantined(9).unwrap();
    let [(named, _)] = kept.as_slice() else {
        panic!("{kept:?}");
    };
    let both = [one, other].map(|session| session.to_string());
    assert!(
        both.iter().all(|session| named.reason.contains(session)),
        "{named:?}"
    );
}

#[test]
fn a_shot_that_two_sessions_claim_counts_in_one_and_is_named() {
    let mut bench = Bench::new();
    bench.deliver(&contested());
    assert_contested(&mut bench);
    bench.restart();
    assert_contested(&mut bench);
}

#[test]
fn a_claim_to_a_shot_of_another_session_is_named_and_changes_nothing() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let (one, other) = (sample_session(), other_session());
    let mut blocks: Vec<_> = begun(one)
        .into_iter()
        .chain(begun(other))
        .map(|e| driver.event(e))
        .collect();
    let mut shot = sample_shot(1, 2_500);
    shot.segment = Some(segment_of(one));
    blocks.push(driver.shots(vec![shot], Some(one)));
    blocks.push(driver.event(claim(other, 9, 1, 1)));
    let committed = bench.deliver(&blocks);
    assert_eq!(committed.news.conflict_count, 1);
    assert_eq!(totals(&mut bench, one).0, 1);
    assert_eq!(totals(&mut bench, other).0, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn claims_and_shots_have_the_same_end_in_any_order_with_restarts(
        order in Just((0..7_usize).collect::<Vec<_>>()).prop_shuffle(),
        restarts in prop::collection::vec(any::<bool>(), 7),
        repeated in 0..7_usize,
    ) {
        let blocks = contested();
        prop_assert_eq!(blocks.len(), order.len());
        let mut bench = Bench::new();
        for (index, is_restarted) in order.iter().zip(&restarts) {
            bench.deliver(std::slice::from_ref(&blocks[*index]));
            if *is_restarted {
                bench.restart();
            }
        }
        bench.deliver(std::slice::from_ref(&blocks[repeated]));
        assert_contested(&mut bench);
    }
}
