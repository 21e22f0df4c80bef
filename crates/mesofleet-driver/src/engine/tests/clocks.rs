//! Which time a shot gets.

use super::*;

#[test]
fn a_shot_that_is_read_twice_keeps_its_first_time_also_across_a_restart() {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    let (_, records) = bench.hear(vec![shot(1)]);
    let first_at = shots_of(&records)[0].at;
    let seals = bench.engine.all_seals();
    bench.seal(seals);
    // The acknowledgement was lost with the daemon; the mapping of the next one is a little off.
    let mut bench = bench.restart();
    let mut drifted = mapping(0);
    drifted.reference_at_ns += 7_000_000;
    let greeting = GunEvent::Attached(Box::new(hello(Some(EPOCH), 1, 1)));
    let (calls, records) = bench.hear(vec![greeting, GunEvent::Clock(drifted), shot(1)]);
    assert_ne!(shots_of(&records)[0].at, first_at, "it was read anew");
    assert!(calls.contains(&acknowledge(1)), "{calls:?}");
    let seals = bench.engine.all_seals();
    bench.seal(seals);
    let shots_in = |number| {
        let (sender, receiver) = mpsc::channel();
        let stream = Stream::Gun(serial());
        bench
            .journal
            .load(stream, meso_units::BlockNumber(number), move |block| {
                sender.send(block).unwrap();
            });
        let block = receiver.recv().unwrap().unwrap().unwrap();
        let shots = block.records().iter().filter_map(Record::as_shot);
        shots.map(|shot| shot.at).collect::<Vec<_>>()
    };
    assert_eq!(shots_in(1), [first_at]);
    assert_eq!(shots_in(2), [], "no shot was added");
}

#[test]
fn a_shot_of_before_the_guns_restart_keeps_the_time_at_which_it_was_fired() {
    let mut bench = Bench::new();
    bench.attach(1, 3);
    let (_, records) = bench.hear(vec![shot(1)]);
    let segment = shots_of(&records)[0].clock_segment;
    bench.now_ms = 60_000;
    // Driver and gun both restart; the gun still holds shots of its start before.
    let mut bench = bench.restart();
    let mut restarted = hello(Some(EPOCH), 1, 3);
    restarted.boot = BootId(2);
    let mut clock = mapping(0);
    clock.boot_id = 2;
    clock.reference_at_ns = bench.now().utc.unix_ns();
    bench.hear(vec![
        GunEvent::Attached(Box::new(restarted)),
        GunEvent::Clock(clock),
    ]);
    let (_, records) = bench.hear(vec![shot_of(1, 2, 2_000, 1), shot_of(2, 3, 500, 1)]);
    let shots = shots_of(&records);
    assert_eq!((shots[0].at, shots[0].clock_segment), (at(2_000), segment));
    assert_eq!(shots[0].uncertainty, Uncertainty::Within(500));
    assert_eq!(shots[1].at, at(60_500));
    assert_eq!(shots[1].clock_segment.0, segment.0 + 1);
}

#[test]
fn a_computer_whose_clock_was_never_set_gives_no_bound_and_says_so() {
    let mut bench = Bench::new();
    let mut clock = mapping(0);
    clock.reference_at_ns = 1_000_000_000;
    let greeting = GunEvent::Attached(Box::new(hello(Some(EPOCH), 1, 1)));
    let (_, records) = bench.hear(vec![greeting, GunEvent::Clock(clock), shot(1)]);
    assert_eq!(shots_of(&records)[0].uncertainty, Uncertainty::Unbounded);
    let never_set = Now {
        utc: Timestamp::UNIX_EPOCH,
        monotonic_ms: 0,
    };
    assert!(!bench.engine.room_state(never_set, false).clock_trusted);
    assert!(bench.engine.room_state(bench.now(), false).clock_trusted);
}

#[test]
fn until_a_time_service_has_set_the_clock_times_have_no_bound_also_when_they_are_read_later() {
    let mut bench = Bench::new();
    bench.engine.await_time_service();
    let greeting = GunEvent::Attached(Box::new(hello(Some(EPOCH), 1, 1)));
    let (_, records) = bench.hear(vec![greeting, GunEvent::Clock(mapping(0)), shot(1)]);
    assert_eq!(shots_of(&records)[0].uncertainty, Uncertainty::Unbounded);
    let state = bench.engine.room_state(bench.now(), false);
    assert!(!state.clock_trusted);
    let shown = state.guns[0].clock.as_ref().unwrap();
    assert_eq!(shown.uncertainty_ns, u64::MAX);
    let told = bench.engine.due_statuses(bench.now());
    assert_eq!(told[0].1.clock_trusted, Some(false));

    bench.engine.clock_was_set();
    let (_, records) = bench.hear(vec![shot(2)]);
    let why = "the gun's clock was mapped to one that nothing had set";
    assert_eq!(
        shots_of(&records)[0].uncertainty,
        Uncertainty::Unbounded,
        "{why}"
    );
    let (_, records) = bench.hear(vec![GunEvent::Clock(mapping(0)), shot(3)]);
    assert!(matches!(
        shots_of(&records)[0].uncertainty,
        Uncertainty::Within(_)
    ));
    let told = bench.engine.due_statuses(bench.now());
    assert_eq!(told[0].1.clock_trusted, Some(true), "said anew at once");
}

#[test]
fn the_room_is_told_offset_drift_and_uncertainty_of_each_clock() {
    let mut bench = Bench::new();
    let mut clock = mapping(0);
    clock.drift_ppb = 40_000;
    clock.drift_allowance_ppb = 10_000;
    let greeting = GunEvent::Attached(Box::new(hello(Some(EPOCH), 1, 1)));
    bench.hear(vec![greeting, GunEvent::Clock(clock)]);
    bench.now_ms = 10_000;
    let state = bench.engine.room_state(bench.now(), false);
    let shown = state.guns[0].clock.as_ref().unwrap();
    assert_eq!((shown.offset_ns, shown.drift_ppb), (START_NS, 40_000));
    // Half the round trip, and 10 ppm of ten seconds.
    assert_eq!(shown.uncertainty_ns, 500 + 100_000);
}

#[test]
fn a_gun_that_another_port_has_is_not_lost_with_the_first_one() {
    let detached = || GunEvent::Detached {
        reason: meso_serial::DetachReason::HungUp,
    };
    let mut bench = Bench::new();
    bench.attach(1, 1);
    let greeting = GunEvent::Attached(Box::new(hello(Some(EPOCH), 1, 1)));
    bench.hear_on("other", vec![greeting]);
    bench.hear(vec![detached()]);
    let is_attached = |bench: &Bench| bench.engine.room_state(bench.now(), false).guns[0].attached;
    assert!(is_attached(&bench), "the other port has it");
    bench.hear_on("other", vec![detached()]);
    assert!(!is_attached(&bench));
}
