//! A verdict as text for people and as JSON for programs.

use std::io::Write as _;
use std::path::Path;

use meso_report::{Counts, Finding, Verdict};
use serde::Serialize;

/// Text of a bundle that may come from anybody: control characters could move the cursor and
/// paint an "OK" over a finding, so they are shown as a replacement character.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// Writes lines to standard output; a reader that went away is no error.
fn print(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{}", harmless(line)).is_err() {
            return;
        }
    }
}

/// Prints a verdict for people.
pub(crate) fn verdict_text(bundle: &Path, verdict: &Verdict) {
    let mut lines = Vec::new();
    if verdict.is_ok() {
        lines.push(format!("OK  {}", bundle.display()));
    } else {
        let count = verdict.findings.len() + verdict.findings_beyond;
        let plural = if count == 1 { "" } else { "s" };
        lines.push(format!(
            "NOT OK  {}: {count} finding{plural}",
            bundle.display()
        ));
        lines.extend(verdict.findings.iter().map(ToString::to_string));
    }
    if verdict.findings_beyond > 0 {
        lines.push(format!(
            "{} more findings are not listed",
            verdict.findings_beyond
        ));
    }
    lines.extend(summary(verdict));
    lines.extend(
        verdict
            .notices
            .iter()
            .map(|notice| format!("note: {notice}")),
    );
    lines.extend(key_advice(verdict));
    print(&lines);
}

fn summary(verdict: &Verdict) -> Vec<String> {
    let counts = &verdict.counts;
    let demo = if verdict.demo {
        "DEMO, emulated guns, "
    } else {
        ""
    };
    let mut lines = vec![
        format!(
            "  {demo}clinic {}, made at {}",
            verdict.clinic, verdict.generated_at
        ),
        format!(
            "  {} shots, {} sessions, {} alerts, {} gaps ({} shots declared missing)",
            counts.shots,
            counts.sessions,
            counts.alerts,
            counts.gaps,
            counts.declared_missing_shots
        ),
        format!(
            "  {} record blocks in {} commits",
            counts.blocks, counts.commits
        ),
    ];
    if let (Some(size), Some(key)) = (verdict.tree_size, &verdict.key) {
        lines.push(format!("  log {}, {size} entries", key.name));
    }
    if let Some(key) = &verdict.key {
        lines.push(format!("  key fingerprint {}", key.fingerprint));
    }
    lines
}

fn key_advice(verdict: &Verdict) -> Vec<String> {
    if !verdict.key.as_ref().is_some_and(|key| key.from_bundle) {
        return Vec::new();
    }
    vec![
        "note: the key came out of the report itself. Compare its fingerprint with the one that"
            .to_owned(),
        "      the clinic published by another way, or give the key with --key.".to_owned(),
    ]
}

/// Prints one JSON object on one line.
pub(crate) fn json<T: Serialize>(object: &T) {
    let mut out = std::io::stdout().lock();
    let written = serde_json::to_writer(&mut out, object).is_ok() && writeln!(out).is_ok();
    // A reader that went away is no error; the exit status still says the verdict.
    let _ = written;
}

/// What `--json` prints for a bundle that was read.
#[derive(Serialize)]
pub(crate) struct VerdictJson<'a> {
    verify: &'static str,
    findings: Vec<FindingJson<'a>>,
    findings_beyond: usize,
    notices: &'a [String],
    counts: &'a Counts,
    clinic: &'a str,
    demo: bool,
    generated_at: &'a str,
    tree_size: Option<u64>,
    key: Option<KeyJson<'a>>,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    kind: &'static str,
    gun: Option<String>,
    epoch: Option<String>,
    counter: Option<u32>,
    file: Option<&'static str>,
    line: Option<u64>,
    field: Option<&'a str>,
    detail: &'a str,
}

#[derive(Serialize)]
struct KeyJson<'a> {
    name: &'a str,
    fingerprint: &'a str,
    from_bundle: bool,
}

/// The JSON form of a verdict.
pub(crate) fn verdict_json(verdict: &Verdict) -> VerdictJson<'_> {
    VerdictJson {
        verify: if verdict.is_ok() { "ok" } else { "failed" },
        findings: verdict.findings.iter().map(finding_json).collect(),
        findings_beyond: verdict.findings_beyond,
        notices: &verdict.notices,
        counts: &verdict.counts,
        clinic: &verdict.clinic,
        demo: verdict.demo,
        generated_at: &verdict.generated_at,
        tree_size: verdict.tree_size,
        key: verdict.key.as_ref().map(|key| KeyJson {
            name: &key.name,
            fingerprint: &key.fingerprint,
            from_bundle: key.from_bundle,
        }),
    }
}

fn finding_json(finding: &Finding) -> FindingJson<'_> {
    let shot = finding.shot.as_ref();
    FindingJson {
        kind: finding.kind.as_str(),
        gun: shot.map(|shot| shot.gun.to_string()),
        epoch: shot.map(|shot| format!("{:016x}", shot.epoch.get())),
        counter: shot.map(|shot| shot.counter.get()),
        file: finding.file,
        line: finding.line,
        field: finding.field.as_deref(),
        detail: &finding.detail,
    }
}

/// What `--json` prints for a bundle that could not be read.
#[derive(Serialize)]
pub(crate) struct ErrorJson {
    verify: &'static str,
    reason: String,
}

/// The JSON form of an error.
pub(crate) fn error_json(error: &anyhow::Error) -> ErrorJson {
    ErrorJson {
        verify: "unreadable",
        reason: format!("{error:#}"),
    }
}
