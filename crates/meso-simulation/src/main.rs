//! Runs many seeds of the simulation, on every core.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Parser;
use meso_simulation::{FaultSet, Outcome, Plan, Plant, SimulationError, run, shrink};

/// The list of runs that always run, in the checkout that this was built from.
const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds.txt");

/// Run the whole way of a shot under a seeded scheduler, with faults.
#[derive(Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// How many seeds, from the first one on.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// How many steps of each.
    #[arg(long, default_value_t = 10_000)]
    steps: u64,
    /// Only this seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The first seed of many.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Only these kinds of faults, with commas between them; each seed chooses among them.
    #[arg(long, value_parser = FaultSet::parse)]
    faults: Option<FaultSet>,
    /// Plant a mistake in the delivery path; the command fails when it is found.
    #[arg(long, value_parser = parse_plant)]
    plant: Option<Plant>,
}

fn parse_plant(name: &str) -> Result<Plant, String> {
    let known = Plant::ALL.into_iter().find(|plant| plant.name() == name);
    known.ok_or_else(|| {
        let names: Vec<_> = Plant::ALL.into_iter().map(Plant::name).collect();
        format!("the plants are {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    match simulate(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(arguments: &Arguments) -> Result<()> {
    let (first, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.first, arguments.seeds),
    };
    let mut plans = match (arguments.seed, arguments.plant) {
        (None, None) => Plan::listed().map_err(anyhow::Error::msg)?,
        _ => Vec::new(),
    };
    let listed = plans.len();
    plans.extend((first..first.saturating_add(count)).map(|seed| Plan {
        faults: arguments.faults.unwrap_or(FaultSet::ALL),
        plant: arguments.plant,
        ..Plan::new(seed, arguments.steps)
    }));
    let started = Instant::now();
    let (sum, failure) = run_all(&plans);
    let seconds = started.elapsed().as_secs_f64();
    if let Some((plan, error)) = failure {
        eprintln!("seed {} failed: {error}", plan.seed);
        eprintln!("repeat it with: {}", plan.command());
        eprintln!("looking for a smaller one ...");
        let (plan, error) = shrink(plan, error);
        eprintln!("smaller: {error}\n{}", plan.command());
        bail!("a promise was broken; {}", join_list(&plan, &error));
    }
    let steps: u64 = plans.iter().map(|plan| plan.steps).sum();
    println!(
        "{count} seeds x {} steps and {listed} listed runs in {seconds:.1} s ({:.0} steps/s): fired {}, stored {}, lost {}, \
         destroyed by faults {} (of them unnamed {}), faults {}, dropped by the broker {}, \
         simulated time {} h",
        arguments.steps,
        steps as f64 / seconds,
        sum.fired,
        sum.stored,
        sum.lost,
        sum.destroyed,
        sum.unnamed,
        sum.faults,
        sum.dropped,
        sum.simulated_ms / 3_600_000,
    );
    Ok(())
}

/// Puts a run that found something into the list of those that always run, and says what came of it.
fn join_list(plan: &Plan, error: &SimulationError) -> String {
    if plan.plant.is_some() {
        return "it was planted, so the list of runs stays as it is".to_owned();
    }
    let line = plan.listed_line();
    let entry = format!("\n# {}\n{line}\n", error.promise().unwrap_or("not set up"));
    let appended = std::fs::OpenOptions::new()
        .append(true)
        .open(LIST)
        .and_then(|mut file| file.write_all(entry.as_bytes()));
    match appended {
        Ok(()) => format!("it runs with every test from now on: {LIST}"),
        Err(error) => format!("{LIST} cannot be written ({error}); add this line to it: {line}"),
    }
}

/// Runs seeds on every core until one fails.
fn run_all(plans: &[Plan]) -> (Outcome, Option<(Plan, SimulationError)>) {
    let next = AtomicUsize::new(0);
    let is_failed = AtomicBool::new(false);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut sum = Outcome::default();
        while !is_failed.load(Ordering::Relaxed) {
            let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            match run(*plan) {
                Ok(outcome) => sum.add(&outcome),
                Err(error) => {
                    is_failed.store(true, Ordering::Relaxed);
                    return (sum, Some((*plan, error)));
                }
            }
        }
        (sum, None)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut sum = Outcome::default();
        let mut failure = None;
        for worker in workers {
            let ended = worker.join();
            let (outcome, failed) = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sum.add(&outcome);
            failure = failure.or(failed);
        }
        (sum, failure)
    })
}
