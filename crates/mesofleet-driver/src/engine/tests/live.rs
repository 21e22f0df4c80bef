//! What the room's page shows.

use meso_contract::room::{AmendStepBody, ClaimStepBody, GaugeBody};

use super::*;

fn gauge(bench: &Bench, quantity: &str) -> GaugeBody {
    let live = bench.engine.live(bench.now(), false);
    let mut gauges = live.guns[0].gauges.iter();
    gauges.find(|it| it.quantity == quantity).unwrap().clone()
}

fn treating() -> Bench {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    bench.hear(vec![GunEvent::Clock(mapping(0))]);
    bench.open_session();
    bench
}

#[test]
fn a_gun_waits_for_its_first_shot_with_its_limits_on_the_screen() {
    let bench = treating();
    let depth = gauge(&bench, "needle depth");
    assert_eq!((depth.standing.as_str(), depth.value), ("waiting", None));
    assert_eq!(depth.soft_max, Some(4_000));
    assert_eq!(
        depth.hard_max,
        Some(10_000),
        "the general limit holds beside the protocol"
    );
    assert_eq!(gauge(&bench, "shot rate").hard_max, Some(9_000));
}

#[test]
fn the_warning_comes_before_the_limit_and_the_verdict_alone_says_that_one_is_passed() {
    let mut bench = treating();
    for (counter, depth_um, standing) in [
        (1, 3_000, "within"),
        (2, 3_900, "near"),
        (3, 5_000, "soft"),
        (4, 12_000, "hard"),
    ] {
        bench.hear(vec![shot_at(counter, u64::from(counter) * 1_000, depth_um)]);
        let depth = gauge(&bench, "needle depth");
        assert_eq!(depth.standing, standing, "{depth:?}");
        assert_eq!(depth.value, Some(i64::from(depth_um)));
        assert_eq!(depth.finding.is_some(), matches!(standing, "soft" | "hard"));
        assert_eq!(depth.near_max, Some(3_600), "where the warning begins");
    }
    let live = bench.engine.live(bench.now(), false);
    let shot = live.guns[0].last_shot.as_ref().unwrap();
    assert_eq!((shot.counter, shot.verdict.as_str()), (4, "hard"));
    assert_eq!(live.sessions[0].patient_shot_count, 4);
}

#[test]
fn records_that_wait_for_the_server_are_counted() {
    let mut bench = treating();
    let before = bench.engine.live(bench.now(), false).waiting_record_count;
    bench.hear(vec![shot(1)]);
    let live = bench.engine.live(bench.now(), false);
    assert_eq!(live.waiting_record_count, before + 1);
    assert!(!live.room.broker_connected);
}

#[test]
fn shots_without_a_session_are_offered_to_be_claimed_until_they_are() {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    bench.bring_library();
    bench.hear(vec![shot(1), shot(2), shot(3)]);
    let runs = |bench: &Bench| {
        let live = bench.engine.live(bench.now(), false);
        let strays = live.guns[0].strays.iter();
        let runs = strays.map(|run| (run.epoch.clone(), run.first, run.last));
        runs.collect::<Vec<_>>()
    };
    let epoch = format!("{:016x}", EPOCH.get());
    assert_eq!(runs(&bench), [(epoch.clone(), 1, 3)]);
    bench.now_ms = 10_000;
    let session = bench.open_session().to_string();
    bench.hear(vec![shot_at(4, 11_000, 2_000)]);
    assert_eq!(
        runs(&bench).len(),
        1,
        "a shot of the session is none of them"
    );
    bench.now_ms = 12_000;
    let state = bench.engine.room_state(bench.now(), false);
    let claim = RoomStepBody::Claim(ClaimStepBody {
        session,
        operator: "op-1".to_owned(),
        segment: state.sessions[0].segments[0].segment.clone(),
        gun: serial().to_string(),
        epoch: epoch.clone(),
        first: 2,
        last: 2,
        reason: "session opened too late".to_owned(),
    });
    bench.step(&claim);
    assert_eq!(runs(&bench), [(epoch.clone(), 3, 3), (epoch, 1, 1)]);
}

#[test]
fn what_was_said_is_shown_with_its_corrections_also_after_the_end() {
    let mut bench = treating();
    let session = bench.engine.live(bench.now(), false).sessions[0]
        .session
        .clone();
    let entry = |bench: &Bench| {
        let history = bench.engine.history();
        let entries = history.sessions[0].entries.iter();
        let mut segments = entries.filter(|entry| entry.what == "segment begun");
        segments.next().unwrap().clone()
    };
    let before = entry(&bench);
    assert_eq!(before.fields[0].field, "needle_lot");
    bench.now_ms = 2_000;
    bench.step(&RoomStepBody::End {
        session: session.clone(),
        outcome: "completed".to_owned(),
    });
    bench.now_ms = 3_000;
    bench.step(&RoomStepBody::Amend(AmendStepBody {
        session,
        operator: "op-1".to_owned(),
        original: before.record.clone(),
        field: "needle_lot".to_owned(),
        new_value: "N-9".to_owned(),
        reason: "read wrong".to_owned(),
    }));
    let after = entry(&bench);
    assert_eq!(after.record, before.record, "the original stays");
    assert_eq!(after.fields[0].value, "N-9");
    let history = bench.engine.history();
    assert_eq!(history.sessions[0].outcome.as_deref(), Some("completed"));
    let last = history.sessions[0].entries.last().unwrap();
    assert_eq!(last.what, "correction");
    assert!(last.text.contains("read wrong"), "{last:?}");
}
