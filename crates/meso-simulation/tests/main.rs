//! The quick set of the simulation: sound runs stay sound, planted mistakes are seen.

use meso_simulation::{Fault, FaultSet, Outcome, Plan, Plant, SimulationError, run};

const STEPS: u64 = 2_000;

#[track_caller]
fn assert_sound(plan: Plan) -> Outcome {
    match run(plan) {
        Ok(outcome) => outcome,
        Err(error) => panic!("{error}\nrepeat it with: {}", plan.command()),
    }
}

#[test]
fn whatever_fails_no_shot_is_lost_doubled_or_changed() {
    let mut sum = Outcome::default();
    for seed in 1..=20 {
        sum.add(&assert_sound(Plan::new(seed, STEPS)));
    }
    assert_eq!(sum.lost, 0);
    // The runs must reach what they are to test.
    assert!(sum.stored > 1_000 && sum.faults > 100, "{sum:?}");
    assert!(sum.destroyed > 0 && sum.dropped > 0, "{sum:?}");
}

#[test]
fn what_was_found_once_stays_mended() {
    for plan in Plan::listed().unwrap() {
        assert_sound(plan);
    }
}

#[test]
fn without_faults_everything_that_the_ring_could_hold_is_stored() {
    let faults = FaultSet::NONE;
    for seed in 1..=3 {
        let outcome = assert_sound(Plan {
            faults,
            ..Plan::new(seed, STEPS)
        });
        assert_eq!(outcome.stored + outcome.destroyed, outcome.fired);
    }
}

#[test]
fn each_planted_mistake_is_seen() {
    for plant in Plant::ALL {
        let found = (1..=40).find_map(|seed| {
            let plan = Plan {
                plant: Some(plant),
                ..Plan::new(seed, STEPS)
            };
            run(plan).err()
        });
        let is_seen = matches!(found, Some(SimulationError::Broken { .. }));
        assert!(is_seen, "{} was not seen: {found:?}", plant.name());
    }
}

#[test]
fn the_same_plan_gives_the_same_run() {
    let plan = Plan::new(5, STEPS);
    assert_eq!(run(plan), run(plan));
}

#[test]
fn faults_are_read_as_they_are_printed() {
    let some = FaultSet::NONE
        .with(Fault::IngestKilled)
        .with(Fault::ClockStep);
    for set in [FaultSet::ALL, FaultSet::NONE, some] {
        assert_eq!(FaultSet::parse(&set.to_string()), Ok(set));
    }
    assert_eq!(FaultSet::parse("rain"), Err("rain".to_owned()));
}
