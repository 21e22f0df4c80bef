//! Same seed, same shots; no breach, no hard limit; a breach within its first seconds.

use meso_testkit::gun::plan::{Breach, Habit, Plan, PlannedShot, Step};
use proptest::prelude::*;

const HABITS: [Habit; 4] = [
    Habit::Nappage,
    Habit::PointByPoint,
    Habit::Burst,
    Habit::WaitForTrigger,
];

/// The hard limits of the example pack for the protocol of a habit, with their tolerance: depth
/// in µm, volume in nl.
fn hard_limits(habit: Habit) -> (u32, u64) {
    match habit {
        Habit::Nappage | Habit::WaitForTrigger | Habit::Burst => (4_000, 55_000),
        Habit::PointByPoint => (10_000, 220_000),
    }
}

fn patient_shots(steps: &[Step]) -> Vec<PlannedShot> {
    let shot = |step: &Step| match step {
        Step::Fire(shot) => Some(shot.clone()),
        _ => None,
    };
    steps.iter().filter_map(shot).collect()
}

/// The steps of the first session, from its opening to its end.
fn first_session(plan: Plan) -> Vec<Step> {
    plan.take(2_000)
        .take_while(|step| *step != Step::EndSession)
        .collect()
}

/// Plan time of each patient shot since the session's opening, in µs, with the shot.
fn timed(steps: &[Step]) -> Vec<(u64, PlannedShot)> {
    let mut at_us = 0;
    let mut shots = Vec::new();
    for step in steps {
        match step {
            Step::Prime(shot) => at_us += shot.gap_us,
            Step::Fire(shot) => {
                at_us += shot.gap_us;
                shots.push((at_us, shot.clone()));
            }
            Step::Pause { us } => at_us += us,
            _ => {}
        }
    }
    shots
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_steps(seed in any::<u64>(), habit in 0_usize..4) {
        let plan = || Plan::new(seed, HABITS[habit], Breach::TooDeep);
        let first: Vec<Step> = plan().take(800).collect();
        let second: Vec<Step> = plan().take(800).collect();
        prop_assert_eq!(first, second);
    }

    #[test]
    fn without_a_breach_no_hard_limit_is_crossed(seed in any::<u64>(), habit in 0_usize..4) {
        let habit = HABITS[habit];
        let steps: Vec<Step> = Plan::new(seed, habit, Breach::None).take(1_500).collect();
        let (depth_max_um, volume_max_nl) = hard_limits(habit);
        for shot in patient_shots(&steps) {
            prop_assert!(shot.depth_sensed_um <= depth_max_um);
            prop_assert!(shot.volume_sensed_nl <= volume_max_nl);
            prop_assert!(shot.gap_us > 111_111 || habit == Habit::WaitForTrigger);
            prop_assert_eq!(shot.flags & 1 == 1, shot.volume_sensed_nl == 0);
        }
    }

    #[test]
    fn a_breach_comes_within_six_seconds_of_the_first_session(
        seed in any::<u64>(), habit in 0_usize..3, kind in 0_usize..3
    ) {
        let habit = HABITS[habit];
        let breach = [Breach::TooDeep, Breach::TooFast, Breach::TooMuch][kind];
        let (_, volume_max_nl) = hard_limits(habit);
        let is_breach = |shot: &PlannedShot| match breach {
            Breach::TooDeep => shot.depth_sensed_um > 10_000,
            Breach::TooFast => shot.gap_us < 111_111,
            _ => shot.volume_sensed_nl > volume_max_nl,
        };
        let mut plan = Plan::new(seed, habit, breach);
        let session = timed(&first_session(Plan::new(seed, habit, breach)));
        let first = session.iter().find(|(_, shot)| is_breach(shot)).unwrap();
        prop_assert!(first.0 <= 6_000_000, "first at {} µs", first.0);
        plan.by_ref().find(|step| *step == Step::EndSession).unwrap();
        let later: Vec<Step> = plan.take(1_000).collect();
        prop_assert!(!patient_shots(&later).iter().any(is_breach), "only once");
    }

    #[test]
    fn a_session_opens_primes_treats_and_ends(seed in any::<u64>(), habit in 0_usize..3) {
        let steps = first_session(Plan::new(seed, HABITS[habit], Breach::None));
        let opens = matches!(steps[0], Step::OpenSession { .. });
        prop_assert!(opens);
        prop_assert!(steps[1..4].iter().all(|step| matches!(step, Step::Prime(_))));
        let length_us = timed(&steps).last().unwrap().0;
        // At least 20 s, of which the last 6 s may be a pause after the last shot.
        prop_assert!((14_000_000..90_000_000).contains(&length_us), "{length_us} µs");
    }
}

#[test]
fn about_one_injection_in_a_hundred_fails() {
    let steps: Vec<Step> = Plan::new(7, Habit::Nappage, Breach::None)
        .take(30_000)
        .collect();
    let shots = patient_shots(&steps);
    let failed = shots
        .iter()
        .filter(|shot| shot.volume_sensed_nl == 0)
        .count();
    let per_mille = failed * 1_000 / shots.len();
    assert!((5..=15).contains(&per_mille), "{failed} of {}", shots.len());
}

#[test]
fn the_gun_that_waits_asks_for_a_trigger_before_every_patient_shot() {
    let steps: Vec<Step> = Plan::new(7, Habit::WaitForTrigger, Breach::None)
        .take(50)
        .collect();
    for (place, step) in steps.iter().enumerate() {
        if matches!(step, Step::Fire(_)) {
            assert_eq!(steps[place - 1], Step::AwaitTrigger);
        }
    }
}
