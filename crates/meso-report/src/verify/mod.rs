//! A bundle to a verdict.

mod completeness;
mod evidence;
mod finding;
mod format;
mod rows;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use meso_domain::canonical::Canonical as _;
use meso_domain::{Gap, GapState, Record};
use meso_ledger::{Checkpoint, VerifierKey};
use sha2::{Digest as _, Sha256};

use self::evidence::Evidence;
use self::finding::Findings;
pub use self::finding::{FINDINGS_PER_KIND_MAX, Finding, FindingKind};
use self::format::Format;
use self::rows::{Matched, RowFile};
use self::verdict::bounded;
pub use self::verdict::{NOTICE_COUNT_MAX, UsedKey, Verdict};
use crate::archive;
use crate::bundle::{declared_shots, name};
use crate::error::ReportError;
use crate::events::gap_line;
use crate::facts::Withheld;
use crate::manifest::{Counts, FileText, Manifest, note_text};
use crate::proofs::FORMAT_VERSION;

/// Checks a bundle with the key of its log, or else with the key that it brings along.
///
/// Any bytes give an answer: damage is a finding, never a panic, and one damaged record does not
/// hide the others.
///
/// # Errors
///
/// [`ReportError`] when the bytes are not a ZIP archive with a report in it, or above
/// [`crate::BUNDLE_BYTES_MAX`] or [`crate::FILES_BYTES_MAX`].
pub fn verify(bundle: &[u8], key: Option<&VerifierKey>) -> Result<Verdict, ReportError> {
    let files = archive::read(bundle)?;
    if !files.contains_key(name::MANIFEST) && !files.contains_key(name::PROOFS) {
        return Err(ReportError::UnsoundArchive {
            rule: "it holds no report",
        });
    }
    let mut check = Check {
        files: &files,
        findings: Findings::default(),
        notices: Vec::new(),
    };
    let key = check.key(key);
    let manifest = check.manifest(key.as_ref().map(|(key, _)| key));
    let checkpoint = key.as_ref().and_then(|(key, _)| check.checkpoint(key));
    let (counts, manifest) = check.contents(manifest, checkpoint.as_ref());
    let (findings, findings_beyond) = check.findings.into_sorted();
    Ok(Verdict {
        findings,
        findings_beyond,
        notices: bounded(check.notices),
        counts,
        clinic: manifest
            .as_ref()
            .map_or_else(String::new, |m| m.selection.clinic.clone()),
        demo: manifest.as_ref().is_some_and(|m| m.demo),
        generated_at: manifest.map_or_else(String::new, |m| m.generated_at),
        tree_size: checkpoint.map(|checkpoint| checkpoint.size()),
        key: key.map(|(key, from_bundle)| UsedKey {
            name: key.name().to_owned(),
            fingerprint: key.fingerprint(),
            from_bundle,
        }),
    })
}

struct Check<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    findings: Findings,
    notices: Vec<String>,
}

impl<'a> Check<'a> {
    fn push(&mut self, kind: FindingKind, file: &'static str, detail: String) {
        self.findings.push(Finding::new(kind, detail).in_file(file));
    }

    /// A file, empty where it is missing; that is a finding of its own.
    fn file(&self, name: &str) -> &'a [u8] {
        self.files.get(name).map_or(&[], Vec::as_slice)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        core::str::from_utf8(self.file(name)).ok()
    }

    /// The key to check with, and whether it came from the bundle.
    fn key(&mut self, given: Option<&VerifierKey>) -> Option<(VerifierKey, bool)> {
        let own = self.text(name::KEY).ok_or("not UTF-8".to_owned());
        let own = own.and_then(|text| VerifierKey::parse(text).map_err(|e| e.to_string()));
        match (given, own) {
            (Some(given), Ok(own)) if *given != own => {
                let detail = format!(
                    "the key in the bundle is {}, the key that you gave is {}",
                    own.fingerprint(),
                    given.fingerprint()
                );
                self.push(FindingKind::KeyDiffers, name::KEY, detail);
                Some((given.clone(), false))
            }
            (Some(given), Ok(_)) => Some((given.clone(), false)),
            (given, Err(detail)) => {
                self.push(FindingKind::KeyDiffers, name::KEY, detail);
                given.map(|given| (given.clone(), false))
            }
            (None, Ok(own)) => Some((own, true)),
        }
    }

    fn manifest(&mut self, key: Option<&VerifierKey>) -> Option<Manifest> {
        let content = self.file(name::MANIFEST);
        self.check_note(content, key);
        let manifest: Manifest = match serde_json::from_slice(content) {
            Ok(manifest) => manifest,
            Err(error) => {
                let detail = format!("it cannot be read: {error}");
                self.push(FindingKind::ManifestMismatch, name::MANIFEST, detail);
                return None;
            }
        };
        if manifest.format != Manifest::FORMAT || manifest.version != FORMAT_VERSION {
            let detail = "it is of another format or version than this program knows".to_owned();
            self.push(FindingKind::ManifestMismatch, name::MANIFEST, detail);
        }
        self.check_files(&manifest);
        Some(manifest)
    }

    fn check_note(&mut self, manifest: &[u8], key: Option<&VerifierKey>) {
        let opened = match (self.text(name::NOTE), key) {
            (Some(note), Some(key)) => key.open(note).map_err(|error| error.to_string()),
            (None, _) => Err("it is not UTF-8".to_owned()),
            (_, None) => Err("there is no key to check it with".to_owned()),
        };
        match opened {
            Err(detail) => self.push(FindingKind::ManifestSignature, name::NOTE, detail),
            Ok(text) if text != note_text(manifest) => {
                let detail = "it signs another manifest".to_owned();
                self.push(FindingKind::ManifestSignature, name::NOTE, detail);
            }
            Ok(_) => {}
        }
    }

    fn check_files(&mut self, manifest: &Manifest) {
        for wanted in name::LISTED {
            let Some(content) = self.files.get(wanted) else {
                self.push(
                    FindingKind::FileMissing,
                    wanted,
                    "it is not in the bundle".to_owned(),
                );
                continue;
            };
            let is = FileText::of(wanted, content);
            let mut said = manifest.files.iter().filter(|file| file.name == wanted);
            match (said.next(), said.next()) {
                (Some(said), None) if (said.bytes, &said.sha256) == (is.bytes, &is.sha256) => {}
                (Some(_), None) => {
                    let detail = "it is not the file that the manifest describes".to_owned();
                    self.push(FindingKind::ManifestMismatch, wanted, detail);
                }
                _ => {
                    let detail = "the manifest does not list it exactly once".to_owned();
                    self.push(FindingKind::ManifestMismatch, wanted, detail);
                }
            }
        }
        if !self.files.contains_key(name::NOTE) {
            self.push(
                FindingKind::FileMissing,
                name::NOTE,
                "it is not in the bundle".to_owned(),
            );
        }
        let known: BTreeSet<&str> = name::LISTED
            .into_iter()
            .chain([name::MANIFEST, name::NOTE])
            .collect();
        let named = manifest.files.iter().map(|file| file.name.as_str());
        let strangers: BTreeSet<&str> =
            self.files.keys().map(String::as_str).chain(named).collect();
        for stranger in strangers.difference(&known) {
            let detail = format!("{stranger:?} does not belong into a report of this version");
            self.findings
                .push(Finding::new(FindingKind::FileUnexpected, detail));
        }
    }

    fn checkpoint(&mut self, key: &VerifierKey) -> Option<Checkpoint> {
        let note = self.text(name::CHECKPOINT).unwrap_or_default();
        match Checkpoint::open(note, key) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                let detail = error.to_string();
                self.push(FindingKind::CheckpointSignature, name::CHECKPOINT, detail);
                None
            }
        }
    }

    /// Checks records and completeness; what it counts is held against the manifest.
    fn contents(
        &mut self,
        manifest: Option<Manifest>,
        checkpoint: Option<&Checkpoint>,
    ) -> (Counts, Option<Manifest>) {
        let whole_log = manifest.as_ref().is_some_and(|m| m.selection.whole_log);
        let proofs = self.file(name::PROOFS);
        let evidence = evidence::read(proofs, checkpoint, whole_log, &mut self.findings);
        let shots = self.shots(&evidence);
        let events = self.events(&evidence);
        let gaps = self.gaps(&evidence);
        self.notices_of(&evidence);
        let counts = Counts {
            shots,
            sessions: sessions_of(&events),
            session_events: events.len() as u64,
            alerts: self.alerts(),
            gaps: gaps.len() as u64,
            declared_missing_shots: gaps.iter().map(declared_shots).sum(),
            withheld_records: evidence.withheld.len() as u64,
            blocks: evidence.blocks.len() as u64,
            commits: evidence.commit_count,
        };
        if let Some(manifest) = &manifest {
            self.completeness(manifest, &evidence, &gaps, &events);
            self.check_manifest(manifest, &evidence, &counts, checkpoint);
        }
        (counts, manifest)
    }

    /// Checks both files of shots and hands back how many shots both hold.
    fn shots(&mut self, evidence: &Evidence) -> u64 {
        let csv = RowFile::new(
            name::SHOTS_CSV,
            Format::CsvShots,
            self.file(name::SHOTS_CSV),
        );
        let json = RowFile::new(
            name::SHOTS_JSON,
            Format::JsonShots,
            self.file(name::SHOTS_JSON),
        );
        let slots = &evidence.shots;
        let in_csv = csv.check(slots, evidence, false, &mut self.findings);
        let in_json = json.check(slots, evidence, false, &mut self.findings);
        csv.report(
            &in_csv,
            slots,
            evidence,
            Some((&json, &in_json)),
            &mut self.findings,
        );
        json.report(
            &in_json,
            slots,
            evidence,
            Some((&csv, &in_csv)),
            &mut self.findings,
        );
        self.strangers(&csv, &in_csv);
        self.strangers(&json, &in_json);
        in_csv.good_count().min(in_json.good_count())
    }

    fn strangers(&mut self, file: &RowFile<'_>, matched: &Matched) {
        for line in &matched.strangers {
            let detail = "the log does not know this record, or it is there twice".to_owned();
            let shot = file.identity_of(*line);
            let finding = Finding::new(FindingKind::Added, detail).in_file(file.name);
            self.findings.push(finding.at_line(*line).of_shot(shot));
        }
    }

    fn events(&mut self, evidence: &Evidence) -> Vec<Record> {
        let file = RowFile::new(name::SESSIONS, Format::Events, self.file(name::SESSIONS));
        let matched = file.check(&evidence.events, evidence, true, &mut self.findings);
        file.report(
            &matched,
            &evidence.events,
            evidence,
            None,
            &mut self.findings,
        );
        self.strangers(&file, &matched);
        matched.records
    }

    /// The gaps that are proven or awaited.
    fn gaps(&mut self, evidence: &Evidence) -> Vec<Gap> {
        let file = RowFile::new(name::GAPS, Format::Events, self.file(name::GAPS));
        let mut matched = file.check(&evidence.gaps, evidence, true, &mut self.findings);
        file.report(&matched, &evidence.gaps, evidence, None, &mut self.findings);
        let records = core::mem::take(&mut matched.records);
        let mut gaps: Vec<Gap> = records
            .into_iter()
            .filter_map(|record| {
                if let Record::Gap(gap) = record {
                    Some(gap)
                } else {
                    None
                }
            })
            .collect();
        for number in matched.strangers {
            match gap_of_ingest(&file.line(number), evidence) {
                Ok(gap) => gaps.push(gap),
                Err((kind, detail)) => {
                    let finding = Finding::new(kind, detail).in_file(file.name);
                    self.findings.push(finding.at_line(number));
                }
            }
        }
        gaps
    }

    /// Alerts are vouched for by the manifest; here they are counted only.
    fn alerts(&mut self) -> u64 {
        let content = self.file(name::ALERTS);
        match serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(content) {
            Ok(alerts) => alerts.len() as u64,
            Err(error) => {
                let detail = format!("it cannot be read: {error}");
                self.push(FindingKind::Unreadable, name::ALERTS, detail);
                0
            }
        }
    }

    fn completeness(
        &mut self,
        manifest: &Manifest,
        evidence: &Evidence,
        gaps: &[Gap],
        events: &[Record],
    ) {
        let (selection, findings) = (&manifest.selection, &mut self.findings);
        completeness::check_withheld(evidence, selection.whole_log, findings);
        let chains = completeness::check_chains(evidence, selection, findings);
        let counters = completeness::check_counters(evidence, gaps, events, selection, findings);
        self.notices.extend(chains.into_iter().chain(counters));
        for block in &evidence.blocks {
            if block.header.clinic.as_str() != selection.clinic {
                let detail = format!("{} is of another clinic", block.header.place);
                self.push(FindingKind::ManifestMismatch, name::PROOFS, detail);
            }
        }
    }

    fn notices_of(&mut self, evidence: &Evidence) {
        for reason in Withheld::ALL {
            let count = evidence
                .withheld
                .iter()
                .filter(|record| record.reason == reason)
                .count();
            if count > 0 {
                self.notices
                    .push(format!("{count} records by hash only: {}", reason.as_str()));
            }
        }
        if evidence.blocks_without_verdicts > 0 {
            let count = evidence.blocks_without_verdicts;
            self.notices.push(format!(
                "verdicts of the edge are not kept for {count} blocks"
            ));
        }
    }

    fn check_manifest(
        &mut self,
        manifest: &Manifest,
        evidence: &Evidence,
        counts: &Counts,
        checkpoint: Option<&Checkpoint>,
    ) {
        let mut differs = |detail| self.push(FindingKind::ManifestMismatch, name::MANIFEST, detail);
        let expected = Counts {
            // Shots that are damaged are findings of their own; the log knows how many there are.
            shots: evidence.shots.len() as u64,
            ..counts.clone()
        };
        if manifest.counts != expected {
            differs("its counts are not those of the files".to_owned());
        }
        if let Some(checkpoint) = checkpoint
            && (manifest.log.tree_size, manifest.log.origin.as_str())
                != (checkpoint.size(), checkpoint.origin())
        {
            differs("it names another state of the log than the checkpoint".to_owned());
        }
    }
}

fn sessions_of(events: &[Record]) -> u64 {
    let sessions: BTreeSet<_> = events
        .iter()
        .filter_map(|record| match record {
            Record::Session(event) => Some(event.session()),
            _ => None,
        })
        .collect();
    sessions.len() as u64
}

/// A gap that is no record of a block: one that the ingest found.
fn gap_of_ingest(line: &str, evidence: &Evidence) -> Result<Gap, (FindingKind, String)> {
    #[derive(serde::Deserialize)]
    struct Row {
        leaf: Option<u64>,
        canonical: String,
    }
    let unreadable = |detail: String| (FindingKind::Unreadable, detail);
    let row: Row = serde_json::from_str(line).map_err(|error| unreadable(error.to_string()))?;
    let bytes = hex::decode(&row.canonical).map_err(|error| unreadable(error.to_string()))?;
    let gap = Gap::from_canonical(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let proven = row.leaf.and_then(|leaf| evidence.digests.get(&leaf));
    if gap.state == GapState::Declared && !proven.is_some_and(|digests| digests.contains(&digest)) {
        let detail = format!(
            "the log does not know the gap of gun {} from counter {} on",
            gap.gun, gap.first
        );
        return Err((FindingKind::GapNotInLog, detail));
    }
    match gap_line(&gap, row.leaf) {
        Ok(right) if right == line => Ok(gap),
        _ => Err((
            FindingKind::Altered,
            "the line is not what its bytes say".to_owned(),
        )),
    }
}
