//! What a run comes to: the guns' logs against the store, the alerts, the report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use meso_contract::http::{AlertView, ReportRequest};
use meso_domain::Shot;
use meso_ledger::VerifierKey;
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_units::{Epoch, GunSerial};
use serde::Serialize;

use super::fleet::Fleet;
use super::guns::GunPlan;
use super::settle::Settled;
use super::truth::{Comparison, compare};
use crate::cli::{BreachName, HabitName};
use crate::serve::Server;

/// The last line of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    fired: u64,
    stored: u64,
    duplicates: u64,
    lost: u64,
    declared: u64,
    sessions: u64,
    alerts: u64,
    report: PathBuf,
    verify: String,
    /// What else went wrong, in words; not part of the line.
    #[serde(skip)]
    problems: Vec<String>,
}

impl Summary {
    /// Prints the line, and before it what went wrong; says whether all is well.
    pub(crate) fn print(&self) -> ExitCode {
        for problem in &self.problems {
            eprintln!("mesofleet: {problem}");
        }
        match serde_json::to_string(self) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("mesofleet: the summary cannot be written: {error}"),
        }
        let clean = self.duplicates == 0 && self.lost == 0 && self.declared == 0;
        if clean && self.verify == "ok" && self.problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Compares, exports, verifies.
///
/// # Errors
///
/// A gun's log or the store cannot be read, or the report cannot be written.
pub(crate) fn conclude(
    fleet: &Fleet,
    server: &Server,
    report: &Path,
    settled: &Settled,
) -> anyhow::Result<Summary> {
    let mut fired: Vec<FiredShot> = Vec::new();
    let mut problems: Vec<String> = settled
        .missing
        .iter()
        .map(|missing| format!("not settled in time: {missing}"))
        .collect();
    let alerts = server.alerts().context("cannot read the alerts")?;
    for gun in &fleet.guns {
        let log = read_log(&gun.log)?;
        if injected(&gun.plan, &log) && !alerts.iter().any(|alert| answers(&gun.plan, alert)) {
            let plan = &gun.plan;
            problems.push(format!(
                "gun {} breached ({:?}) without an alert",
                plan.serial, plan.breach
            ));
        }
        fired.extend(log);
    }
    let Comparison {
        fired,
        stored,
        lost,
        differences,
    } = compare(&fired, &stored_of(server, &fired)?);
    problems.extend(differences);
    let overview = server.overview();
    let bundle = server
        .export_report(&ReportRequest::default())
        .context("cannot export a report")?;
    std::fs::write(report, &bundle)
        .with_context(|| format!("cannot write {}", report.display()))?;
    Ok(Summary {
        fired,
        stored,
        duplicates: server.duplicate_shot_count(),
        lost,
        declared: overview.declared_missing_count,
        sessions: server
            .session_count()
            .context("cannot count the sessions")?,
        alerts: alerts.len() as u64,
        report: report.to_owned(),
        verify: verdict(&bundle, server.log_key()),
        problems,
    })
}

/// What the store holds of the guns and epochs that fired.
fn stored_of(server: &Server, fired: &[FiredShot]) -> anyhow::Result<Vec<Shot>> {
    let mut runs: Vec<(&str, u64)> = fired
        .iter()
        .map(|shot| (shot.serial.as_str(), shot.epoch))
        .collect();
    runs.sort_unstable();
    runs.dedup();
    let mut stored = Vec::new();
    for (serial, epoch) in runs {
        stored.extend(server.stored_shots(&GunSerial::parse(serial)?, Epoch(epoch))?);
    }
    Ok(stored)
}

/// Whether the gun really went past the limit in the time that it had.
fn injected(plan: &GunPlan, log: &[FiredShot]) -> bool {
    // Hard limits of the example protocols with their tolerance of 10 %.
    let volume_nl_max = match plan.habit {
        HabitName::PointByPoint => 220_000,
        _ => 55_000,
    };
    log.iter()
        .filter(|shot| shot.purpose.as_deref() == Some("patient"))
        .any(|shot| match plan.breach {
            BreachName::None => false,
            BreachName::TooDeep => shot.depth_sensed_um.is_some_and(|um| um > 10_000),
            BreachName::TooFast => shot.interval_us.is_some_and(|us| us < 100_000),
            BreachName::TooMuch => shot.volume_sensed_nl.is_some_and(|nl| nl > volume_nl_max),
        })
}

/// Whether an alert is the one that the breach must raise.
fn answers(plan: &GunPlan, alert: &AlertView) -> bool {
    let rule = match plan.breach {
        BreachName::None => return true,
        BreachName::TooDeep => "needle depth",
        BreachName::TooFast => "shot rate",
        BreachName::TooMuch => "volume per trigger",
    };
    alert.gun == plan.serial.as_str() && alert.rule == rule && alert.severity == "hard"
}

/// `ok`, or the first reason against the bundle.
fn verdict(bundle: &[u8], key: &VerifierKey) -> String {
    match meso_report::verify(bundle, Some(key)) {
        Ok(verdict) if verdict.is_ok() => "ok".to_owned(),
        Ok(verdict) => verdict
            .findings
            .first()
            .map_or_else(String::new, ToString::to_string),
        Err(error) => error.to_string(),
    }
}
