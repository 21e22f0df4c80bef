//! `mesofleet gun conform`: the conformance kit on a port of this machine.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use meso_testkit::conform::{
    self, Bench, CHECKS, Check, Finding, Outcome, PortWire, Weight, is_conformant,
};
use meso_units::Epoch;
use serde::Serialize;

use crate::cli::ConformOptions;

/// The exit code where a mandatory check failed.
const EXIT_FAILED: u8 = 1;
/// The exit code where the port cannot be opened, or breaks while the checks run.
const EXIT_NO_PORT: u8 = 2;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    port: &'a str,
    /// The version of the link that was checked.
    link_version: u8,
    /// Whether no mandatory check failed.
    conformant: bool,
    /// Whether all checks ran; with `--only` they did not.
    complete: bool,
    checks: &'a [Finding],
}

/// Runs the checks and prints what was seen.
///
/// # Errors
///
/// The output cannot be written, or the system has no random numbers.
pub fn run(options: &ConformOptions) -> anyhow::Result<ExitCode> {
    let Some(port) = options.port.as_deref().filter(|_| !options.list) else {
        list(&mut io::stdout())?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut wire = match PortWire::open(port) {
        Ok(wire) => wire,
        Err(error) => return Ok(no_port(&error.into())),
    };
    let bench = bench(options)?;
    let is_wanted = |check: &Check| {
        options.only.is_empty() || options.only.iter().any(|name| name == check.name)
    };
    let mut printed = Ok(());
    if !options.json {
        printed = writeln!(io::stdout(), "{}", row("check", "", "", "spec", "seen"));
    }
    let mut tell = |finding: &Finding| {
        if !options.json && printed.is_ok() {
            printed = write_finding(finding);
        }
    };
    let mut ask = |what: &str| eprintln!("mesofleet: please {what}");
    let findings = match conform::run(&mut wire, &bench, is_wanted, &mut ask, &mut tell) {
        Ok(findings) => findings,
        Err(error) => return Ok(no_port(&error.into())),
    };
    printed.context("cannot print what was seen")?;
    conclude(options, port, &findings)
}

/// Prints what came of it all, and says it as an exit code.
fn conclude(
    options: &ConformOptions,
    port: &str,
    findings: &[Finding],
) -> anyhow::Result<ExitCode> {
    let conformant = is_conformant(findings);
    if options.json {
        let report = Report {
            port,
            link_version: conform::LINK_VERSION,
            conformant,
            complete: findings.len() == CHECKS.len(),
            checks: findings,
        };
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("\n{}", verdict(findings));
    }
    Ok(if conformant {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

fn no_port(error: &anyhow::Error) -> ExitCode {
    eprintln!("mesofleet: {error:#}");
    ExitCode::from(EXIT_NO_PORT)
}

fn bench(options: &ConformOptions) -> anyhow::Result<Bench> {
    let mut session = [0; 4];
    let mut epoch = [0; 8];
    let mut nonce = [0; 16];
    for bytes in [&mut session[..], &mut epoch[..], &mut nonce[..]] {
        getrandom::fill(bytes).context("the system gives no random numbers")?;
    }
    Ok(Bench {
        session: u32::from_le_bytes(session),
        epoch: Epoch(u64::from_le_bytes(epoch).max(1)),
        shot_patience_ns: u64::try_from(options.shot_patience.as_nanos()).unwrap_or(u64::MAX),
        key: crate::link_key::read(options.key_file.as_deref())?,
        nonce,
    })
}

fn row(check: &str, weight: &str, outcome: &str, section: &str, seen: &str) -> String {
    format!("{check:<18} {weight:<9} {outcome:<6} {section:<8} {seen}")
}

fn write_finding(finding: &Finding) -> io::Result<()> {
    let weight = finding.weight.to_string();
    let outcome = finding.outcome.to_string();
    let line = row(
        finding.check,
        &weight,
        &outcome,
        finding.section,
        &finding.seen,
    );
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

fn list(out: &mut impl Write) -> io::Result<()> {
    for check in CHECKS {
        let weight = check.weight.to_string();
        writeln!(
            out,
            "{:<18} {weight:<9} SPEC.md {}",
            check.name, check.section
        )?;
    }
    Ok(())
}

/// The last line for a person.
fn verdict(findings: &[Finding]) -> String {
    let count = |weight: Weight, outcome: Outcome| {
        let is = |f: &&Finding| f.weight == weight && f.outcome == outcome;
        findings.iter().filter(is).count()
    };
    let mandatory = findings
        .iter()
        .filter(|f| f.weight == Weight::Mandatory)
        .count();
    let not_applicable = count(Weight::Mandatory, Outcome::NotApplicable);
    let advice = count(Weight::Advisory, Outcome::Failed);
    let failed = count(Weight::Mandatory, Outcome::Failed);
    let first = if failed == 0 {
        format!(
            "{} of {mandatory} mandatory checks passed",
            mandatory - not_applicable
        )
    } else {
        format!("{failed} of {mandatory} mandatory checks FAILED")
    };
    let rest = format!("{not_applicable} not applicable, {advice} advisory failed");
    let part = if findings.len() == CHECKS.len() {
        String::new()
    } else {
        format!(" ({} of {} checks were run)", findings.len(), CHECKS.len())
    };
    format!("{first}, {rest}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(weight: Weight, outcome: Outcome) -> Finding {
        Finding {
            check: "greeting",
            weight,
            section: "6",
            outcome,
            seen: "so".to_owned(),
        }
    }

    #[test]
    fn the_verdict_counts_what_failed_and_says_when_it_is_a_part() {
        let mixed = [
            finding(Weight::Mandatory, Outcome::Passed),
            finding(Weight::Mandatory, Outcome::Failed),
            finding(Weight::Mandatory, Outcome::NotApplicable),
            finding(Weight::Advisory, Outcome::Failed),
        ];
        let said = verdict(&mixed);
        assert!(
            said.starts_with("1 of 3 mandatory checks FAILED, 1 not applicable, 1 adv"),
            "{said}"
        );
        assert!(said.contains("4 of"), "{said}");
        assert!(verdict(&mixed[..1]).starts_with("1 of 1 mandatory checks passed, 0 not"));
    }

    #[test]
    fn the_list_names_every_check_with_its_section() {
        let mut text = Vec::new();
        list(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), CHECKS.len());
        assert!(
            text.contains("watermark          mandatory SPEC.md 7.6"),
            "{text}"
        );
    }
}
