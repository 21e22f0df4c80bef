//! One round, and many of them at once.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, ensure};

use super::clinic::Clinic;
use super::count::{Count, count};
use super::{Fault, Moments, Setup};
use crate::sandbox::Programs;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The faults.
    pub faults: Vec<Fault>,
    /// Rounds of each.
    pub rounds: u32,
    /// The seed of the first round; each further round has the next one.
    pub seed: u64,
    /// Rounds at once, at least 1.
    pub at_once: usize,
}

/// A round that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The place of its fault in the plan.
    pub fault: usize,
    /// Its seed.
    pub seed: u64,
    /// What came of it.
    pub count: Count,
}

/// Runs every round of a plan; what has ended is given as it ends.
pub fn run(programs: &Programs, plan: &Plan, tell: impl FnMut(Finished)) {
    let rounds = 0..u64::from(plan.rounds);
    let places = 0..plan.faults.len();
    let jobs: Vec<(usize, u64)> = rounds
        .flat_map(|round| places.clone().map(move |fault| (fault, round)))
        .map(|(fault, round)| (fault, plan.seed.wrapping_add(round)))
        .collect();
    let jobs = Mutex::new(jobs.into_iter());
    let (done, finished): (_, Receiver<Finished>) = channel();
    std::thread::scope(|scope| {
        for _ in 0..plan.at_once.max(1) {
            let (done, jobs) = (done.clone(), &jobs);
            scope.spawn(move || {
                let next = || {
                    let mut jobs = jobs
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    jobs.next()
                };
                while let Some((fault, seed)) = next() {
                    let count = run_round(programs, &plan.faults[fault], seed);
                    // Who listens lives longer than we.
                    let _ = done.send(Finished { fault, seed, count });
                }
            });
        }
        drop(done);
        finished.into_iter().for_each(tell);
    });
}

/// Runs one round. It never fails: what keeps a round from its end is counted as unexplained.
pub fn run_round(programs: &Programs, fault: &Fault, seed: u64) -> Count {
    let mut setup = Setup::default();
    (fault.setup)(&mut setup);
    let mut clinic = match Clinic::start(programs, &setup, seed) {
        Ok(clinic) => clinic,
        Err(error) => {
            let mut count = Count::default();
            count.unexplained(format!("the round did not begin: {error:#}"));
            return count;
        }
    };
    let mut moments = Moments::new(seed, fault.name);
    let mut recovery = std::time::Duration::ZERO;
    let lived = act(&mut clinic, &mut moments, fault)
        .context("the fault")
        .and_then(|()| {
            recovery = clinic.wait_until_stored().context("recovery")?;
            moments.rest(200, 500);
            clinic.bank.stop_firing()?;
            clinic.wait_until_stored().context("the rest")?;
            if let Some(sessions) = &clinic.sessions {
                sessions.end(&clinic)?;
            }
            clinic.wait_until_settled()
        });
    let mut count = finish(&mut clinic).unwrap_or_else(|error| {
        let mut count = Count::default();
        count.unexplained(format!("the store could not be read: {error:#}"));
        count
    });
    count.recovery = recovery;
    if let Err(error) = lived {
        count.unexplained += 1;
        count
            .notes
            .insert(0, format!("the round did not end: {error:#}"));
    }
    if !count.is_clean() {
        match keep_logs(&clinic, fault.name, seed) {
            Ok(path) => count.notes.push(format!("logs: {}", path.display())),
            Err(error) => count.notes.push(format!("no logs: {error:#}")),
        }
    }
    count
}

/// Lets the fault happen. One during which nobody fired would prove nothing.
fn act(clinic: &mut Clinic, moments: &mut Moments, fault: &Fault) -> anyhow::Result<()> {
    let fired_before = clinic.fired()?.len();
    (fault.act)(clinic, moments)?;
    let fired = clinic.fired()?.len();
    ensure!(fired > fired_before, "no gun fired meanwhile");
    Ok(())
}

/// Ends everything but the database, and counts.
fn finish(clinic: &mut Clinic) -> anyhow::Result<Count> {
    let mut left = Vec::new();
    for driver in &mut clinic.drivers {
        left.push(driver.leave());
    }
    left.push(clinic.server.stop());
    let readers = clinic.place()?.read()?;
    let fired = clinic.fired()?;
    let mut count = count(&readers, &fired, &clinic.allowed)?;
    if let Some(sessions) = &clinic.sessions {
        sessions.check(&mut count, &readers, &fired)?;
    }
    for error in left.into_iter().filter_map(Result::err) {
        count.unexplained(format!("{error:#}"));
    }
    let inspection = meso_store::inspect(&readers, |_| ())?;
    for wrong in inspection.wrong {
        count.unexplained(wrong);
    }
    if let Some(database) = &clinic.database {
        let rewritten = database.proxy.counts().different_again_count;
        if rewritten > 0 {
            count.duplicated += rewritten;
            count
                .notes
                .push(format!("{rewritten} points were written over"));
        }
        let points = database.shot_points()?;
        let wanted = inspection.shot_count;
        if points != wanted {
            count.duplicated += points.saturating_sub(wanted);
            let note = format!("the database has {points} points of {wanted} shots");
            count.unexplained(note);
        }
    }
    Ok(count)
}

/// Writes what the programs have said to where a person finds it.
fn keep_logs(clinic: &Clinic, fault: &str, seed: u64) -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("mesofleet-faults-{fault}-{seed}.log"));
    let path: &Path = &path;
    std::fs::write(path, clinic.logs())?;
    Ok(path.to_owned())
}
