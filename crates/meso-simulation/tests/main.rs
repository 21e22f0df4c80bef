//! The quick set of the simulation: sound runs stay sound, planted mistakes are seen.

use meso_simulation::{Fault, FaultSet, Outcome, Plan, Plant, SimulationError, run, shrink};

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

/// The promises that a planted mistake may break; breaking another one would prove nothing of it.
fn breaks(plant: Plant) -> &'static [&'static str] {
    match plant {
        Plant::AcknowledgeBeforeFsync => &["INV-2: a shot is acknowledged to its gun only when"],
        Plant::WatermarkBeforeLedger => &["INV-2: a watermark covers only blocks that are"],
        Plant::DeduplicateByTime => &["INV-2: no shot is lost"],
        Plant::TrustPuback => &["INV-2: no shot is lost"],
        Plant::SkipLedger => &[
            "INV-2: a watermark covers only blocks that are",
            "INV-2: everything stored is logged",
        ],
        // The second shot of an identity is either noticed or stored in place of the first.
        Plant::ReuseEpoch => &[
            "INV-1: an identity names one shot",
            "a stored shot is one that was fired",
        ],
        // The ingest goes on asking for blocks that the room takes for settled.
        Plant::TrustNumbers => &[
            "INV-2: no shot is lost",
            "everything comes to rest once all faults",
        ],
        Plant::PanicWhenStoreFails => &["bad input never panics"],
    }
}

fn found(plant: Plant) -> Option<(Plan, SimulationError)> {
    (1..=40).find_map(|seed| {
        let plan = Plan {
            plant: Some(plant),
            ..Plan::new(seed, STEPS)
        };
        Some((plan, run(plan).err()?))
    })
}

#[test]
fn each_planted_mistake_breaks_the_promise_that_it_is_a_mistake_against() {
    for plant in Plant::ALL {
        let (_, error) = found(plant).unwrap_or_else(|| panic!("{} was not seen", plant.name()));
        let promise = error.promise().unwrap();
        let is_expected = breaks(plant).iter().any(|known| promise.starts_with(known));
        assert!(is_expected, "{}: {error}", plant.name());
    }
}

#[test]
fn a_smaller_run_breaks_the_same_promise() {
    let (plan, error) = found(Plant::SkipLedger).unwrap();
    let promise = error.promise();
    let (smaller, error) = shrink(plan, error);
    assert_ne!(smaller, plan);
    assert_eq!(error.promise(), promise);
    assert_eq!(run(smaller), Err(error));
}

#[test]
fn a_run_stands_in_the_list_as_the_list_is_read() {
    for plan in Plan::listed().unwrap() {
        let lines = include_str!("../seeds.txt").lines();
        assert!(lines.into_iter().any(|line| line == plan.listed_line()));
    }
    assert_eq!(Plan::new(3, 10).listed_line(), "3 10 all");
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
