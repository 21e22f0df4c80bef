//! Order, duplicates and restarts change no verdict.

use std::sync::Arc;

use meso_domain::{Purpose, SessionEvent, Shot, ShotFlags, Sourced};
use meso_limits::{Arrival, Judge, Library, SessionFacts, SessionVerdict, assemble_release};
use meso_units::{
    Epoch, GunSerial, Micrometres, Microseconds, Nanolitres, NeedleCount, Uncertainty,
};
use proptest::prelude::*;

use crate::sample::{SESSION, sample_segment, sample_session, sample_shot};

/// A protocol under which every rule about shots has something to say.
const PROTOCOL: &str = r#"
[[protocols]]
id = "sample"
title = "Sample"
indication = "sample"
zones = ["cheek"]
techniques = ["nappage"]
needle_depth = { soft_min = "1 mm", soft_max = "4 mm", hard_max = "6 mm", tolerance = "10 %", source = "s" }
volume_per_point = { soft_min = "0.005 ml", soft_max = "0.02 ml", hard_max = "0.05 ml", tolerance = "10 %", source = "s" }
shot_rate = { soft_max = "5 per second", source = "s" }
session_volume = { soft_min = "0.2 ml", soft_max = "0.5 ml", hard_max = "1 ml", source = "s" }
zone_volume = { soft_max = "0.5 ml", hard_max = "1 ml", source = "s" }
zone_shots = { soft_max = "30 shots", hard_max = "60 shots", source = "s" }
session_points = { soft_max = "60 points", hard_max = "90 points", source = "s" }
failed_injections = { soft_max = "2 in a row", hard_max = "4 in a row", source = "s" }
dry_shots = { soft_max = "2 shots", hard_max = "4 shots", source = "s" }
session_length = { soft_max = "1 min", hard_max = "2 min", source = "s" }
volume_variation = { soft_max = "10 %", hard_max = "50 %", source = "s" }
depth_variation = { soft_max = "10 %", hard_max = "50 %", source = "s" }
volume_drift = { soft_max = "10 %", source = "s" }
depth_drift = { soft_max = "10 %", source = "s" }
vacuum_out_of_window = { soft_max = "3 shots", source = "s" }
blocked_needles = { soft_max = "3 shots", source = "s" }
syringe_balance = { soft_max = "0.1 ml", source = "s" }
needle_shots = { soft_max = "50 shots", source = "s" }
primes = { soft_max = "3 shots", source = "s" }
layers = { allowed = ["intradermal"], breach = "soft", source = "s" }
drugs = [
    { name = "lidocaine", class = "anaesthetic", session_dose = { soft_max = "10 mg", hard_max = "20 mg", source = "s" }, dose_per_kilogram = { hard_max = "0.25 mg/kg", source = "s" } },
]
"#;

fn judge() -> Judge {
    let library = Library::parse(&assemble_release(1, true, &[PROTOCOL])).unwrap();
    let mut judge = Judge::new(Some(Arc::new(library)));
    let mut segment = sample_segment("sample");
    segment.syringe.components.push(meso_domain::Component {
        name: "Lidocaine".to_owned(),
        concentration: "2 %".to_owned(),
        lot: "lot".to_owned(),
    });
    judge.session_event(&SessionEvent::Opened(sample_session("sample")));
    judge.session_event(&SessionEvent::SegmentOpened(segment));
    judge.set_session_facts(
        SESSION,
        SessionFacts {
            weight_g: Some(70_000),
            ..SessionFacts::default()
        },
    );
    judge
}

prop_compose! {
    fn any_shot()(
        depth in prop::option::of(0_u32..=13_000),
        depth_set in prop::option::of(1_500_u32..=2_500),
        volume in prop::option::of(0_u64..=60_000),
        volume_set in prop::option::of(5_000_u64..=30_000),
        interval in prop::option::of(80_000_u64..=1_000_000),
        needles in prop::option::of(1_u8..=5),
        flags in 0_u16..64,
        sound in any::<bool>(),
        purpose in prop_oneof![4 => Just(Purpose::Patient), 1 => Just(Purpose::Prime)],
        trusted in prop::bool::weighted(0.95),
    ) -> Shot {
        let mut shot = sample_shot(1);
        shot.needle_depth.set = depth_set.map(|um| Micrometres::new(um).unwrap());
        shot.needle_depth.actual = depth.map(|um| Sourced::sensed(Micrometres::new(um).unwrap()));
        shot.volume.set = volume_set.map(|nl| Nanolitres::new(nl).unwrap());
        shot.volume.actual = volume.map(|nl| Sourced::sensed(Nanolitres::new(nl).unwrap()));
        shot.interval = interval.map(|us| Microseconds::new(us).unwrap());
        shot.needles_working = needles.map(|n| Sourced::sensed(NeedleCount::new(n).unwrap()));
        shot.flags = if sound { ShotFlags::NONE } else { ShotFlags::from_bits(flags).unwrap() };
        shot.purpose = purpose;
        shot.uncertainty = if trusted { Uncertainty::Within(1) } else { Uncertainty::Unbounded };
        shot
    }
}

/// Shots of three lanes: two guns, one of which began a new epoch. Counters may be missing.
fn any_shots(count_max: usize) -> impl Strategy<Value = Vec<Shot>> {
    let placed = prop::collection::vec((any_shot(), 0_usize..3, 1_u32..3), 1..count_max);
    placed.prop_map(|shots| {
        let mut counters = [0_u32; 3];
        let place = |(mut shot, lane, step): (Shot, usize, u32)| {
            counters[lane] += step;
            let gun = ["GUN-0001", "GUN-0002", "GUN-0002"][lane];
            shot.identity = sample_shot(counters[lane]).identity;
            shot.identity.gun = GunSerial::parse(gun).unwrap();
            shot.identity.epoch = Epoch(lane as u64);
            shot.at = sample_shot(counters[lane]).at;
            shot
        };
        shots.into_iter().map(place).collect()
    })
}

/// Judges as an ingest does: each shot as it comes, and again from the store where one was late.
fn run(judge: &mut Judge, store: &mut Vec<Shot>, shots: &[Shot]) {
    for shot in shots {
        let arrival = judge.weigh(shot, Some(SESSION)).arrival;
        if arrival != Arrival::Again && !store.iter().any(|held| held.identity == shot.identity) {
            store.push(shot.clone());
        }
    }
    for session in judge.stale_sessions() {
        judge.judge_again(session, store.clone());
    }
}

fn verdict_in_order(shots: &[Shot]) -> SessionVerdict {
    let mut judge = judge();
    run(&mut judge, &mut Vec::new(), shots);
    judge.verdict(SESSION).unwrap()
}

/// Enough to have found each fault that was put in on purpose; four times as many take a minute.
const CASES: u32 = 64;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn any_order_with_duplicates_gives_the_same_verdict(
        shots in any_shots(60),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        seed in any::<u64>(),
    ) {
        let mut mixed = shots.clone();
        mixed.extend(picks.iter().map(|pick| shots[pick.index(shots.len())].clone()));
        shuffle(&mut mixed, seed);
        let mut judge = judge();
        run(&mut judge, &mut Vec::new(), &mixed);
        prop_assert_eq!(judge.verdict(SESSION).unwrap(), verdict_in_order(&shots));
    }

    #[test]
    fn shots_behind_the_window_are_judged_again_to_the_same_verdict(
        shots in any_shots(400),
        seed in any::<u64>(),
    ) {
        let mut mixed = shots.clone();
        shuffle(&mut mixed, seed);
        let mut judge = judge();
        let mut store = Vec::new();
        // In commits of any size, as an ingest makes them.
        for commit in mixed.chunks(1 + (seed % 97) as usize) {
            run(&mut judge, &mut store, commit);
        }
        prop_assert!(judge.stale_sessions().is_empty());
        prop_assert_eq!(judge.verdict(SESSION).unwrap(), verdict_in_order(&shots));
    }

    #[test]
    fn a_restart_at_any_shot_gives_the_same_verdict(
        shots in any_shots(80),
        at in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let mut mixed = shots.clone();
        shuffle(&mut mixed, seed);
        let (before, after) = mixed.split_at(at.index(mixed.len()));
        let mut store = Vec::new();
        run(&mut judge(), &mut store, before);
        let mut restarted = judge();
        store.iter().for_each(|shot| restarted.observe(shot, Some(SESSION)));
        run(&mut restarted, &mut store, after);
        prop_assert_eq!(restarted.verdict(SESSION).unwrap(), verdict_in_order(&shots));
    }

    #[test]
    fn what_is_late_is_found_and_nothing_else(shots in any_shots(200), seed in any::<u64>()) {
        let mut judge = judge();
        let mut store = Vec::new();
        run(&mut judge, &mut store, &shots);
        let same = judge.judge_again(SESSION, store.clone());
        prop_assert_eq!(same, Vec::new(), "judged again from the same shots");
        let mut fewer = store.clone();
        fewer.remove((seed % store.len() as u64) as usize);
        let before = judge.verdict(SESSION).unwrap();
        let changes = judge.judge_again(SESSION, fewer);
        let after = judge.verdict(SESSION).unwrap();
        let differ = before
            .rules
            .iter()
            .map(|rule| (rule.rule, rule.worst))
            .filter(|(rule, worst)| after.rule(*rule).and_then(|found| found.worst) != *worst);
        prop_assert_eq!(changes.len(), differ.count());
    }
}

/// Fisher and Yates, with numbers of a linear congruence: a test needs no better ones.
fn shuffle(shots: &mut [Shot], seed: u64) {
    let mut state = seed | 1;
    for last in (1..shots.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        shots.swap(last, (state >> 33) as usize % (last + 1));
    }
}
