//! `cargo xtask faults`: what is done to real programs while guns fire, and what came of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use meso_tests::matrix::{Fault, Plan, Row, all_faults, markdown, run};
use meso_tests::sandbox::Programs;

/// Rounds at once: they mostly wait.
const AT_ONCE: usize = 6;

/// Does every fault to a clinic of real programs while guns fire, and compares what the guns fired
/// with what is stored. Exits 1 where anything is lost, doubled or unexplained.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask faults")]
struct Arguments {
    /// How many rounds of each fault.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// The seed of the first round; each further round has the next one.
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Only these faults, with commas between them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds that run at once, each in a sandbox of its own.
    #[arg(long, default_value_t = AT_ONCE, value_name = "N")]
    at_once: usize,
    /// Also write the table as JSON into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Say which faults there are, and what each does.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match faults(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn faults(arguments: &Arguments) -> anyhow::Result<bool> {
    if arguments.list {
        for fault in all_faults() {
            println!("{:32} {}", fault.name, fault.what);
        }
        return Ok(true);
    }
    let plan = Plan {
        faults: chosen(&arguments.only)?,
        rounds: arguments.rounds,
        seed: arguments.seed,
        at_once: arguments.at_once,
    };
    let rows = run_all(&Programs::beside_us()?, &plan);
    print!("{}", markdown(&rows));
    if let Some(path) = &arguments.json {
        let json = serde_json::to_vec_pretty(&rows)?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let bad = rows.iter().filter(|row| !row.is_clean()).count();
    match bad {
        0 => eprintln!(
            "{} faults, nothing lost, doubled or unexplained",
            rows.len()
        ),
        _ => eprintln!("{bad} of {} faults are not clean", rows.len()),
    }
    Ok(bad == 0)
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<Fault>> {
    if names.is_empty() {
        return Ok(all_faults());
    }
    let known = all_faults();
    let find = |name: &String| {
        let found = known.iter().find(|fault| fault.name == name).copied();
        found.with_context(|| format!("there is no fault {name:?}; --list says which there are"))
    };
    names.iter().map(find).collect()
}

/// Runs every round and says how it goes.
fn run_all(programs: &Programs, plan: &Plan) -> Vec<Row> {
    let mut rows: Vec<Row> = plan
        .faults
        .iter()
        .map(|fault| Row::new(fault.name))
        .collect();
    let (begun, mut done) = (Instant::now(), 0);
    let total = plan.faults.len() * plan.rounds as usize;
    run(programs, plan, |finished| {
        done += 1;
        let (row, count) = (&mut rows[finished.fault], &finished.count);
        row.add(count);
        let word = if count.is_clean() { "ok" } else { "NOT CLEAN" };
        let (name, seed) = (&row.fault, finished.seed);
        eprintln!(
            "[{:4.0} s] {done}/{total} {name}, seed {seed}: {word}, {} fired, {} stored, {} declared, recovered in {:.1} s",
            begun.elapsed().as_secs_f64(),
            count.fired,
            count.stored,
            count.declared,
            count.recovery.as_secs_f64(),
        );
        if !count.is_clean() {
            count.notes.iter().for_each(|note| eprintln!("    {note}"));
            eprintln!("    again: cargo xtask faults --only {name} --seed {seed}");
        }
    });
    rows
}
