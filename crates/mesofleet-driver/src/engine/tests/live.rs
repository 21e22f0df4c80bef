//! What the room's page shows.

use meso_contract::room::GaugeBody;

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
