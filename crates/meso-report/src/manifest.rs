//! `manifest.json`: what the bundle holds, and the note in which the log's key signs for it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::columns::hex64;
use crate::facts::{Facts, Selection, WatermarkFacts};
use crate::proofs::FORMAT_VERSION;
use crate::text::rfc3339;

/// The first line of the signed note; a checkpoint can never be taken for it, because the second
/// line of a checkpoint is a number and that of this note is not.
const NOTE_TITLE: &str = "mesofleet report v1";

/// What the manifest says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    pub(crate) version: u32,
    pub(crate) demo: bool,
    pub(crate) generated_at: String,
    pub(crate) selection: SelectionText,
    pub(crate) counts: Counts,
    pub(crate) log: LogText,
    pub(crate) watermarks: Vec<WatermarkText>,
    pub(crate) files: Vec<FileText>,
}

/// The selection, as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectionText {
    pub(crate) clinic: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) guns: Vec<String>,
    pub(crate) sessions: Vec<String>,
    pub(crate) whole_log: bool,
}

/// How much the bundle holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Shots in `shots.csv` and `shots.json`.
    pub shots: u64,
    /// Sessions of which at least one event is in `sessions.json`.
    pub sessions: u64,
    /// Session events, stops of guns, merged ids and amendments in `sessions.json`.
    pub session_events: u64,
    /// Alerts in `alerts.json`.
    pub alerts: u64,
    /// Gaps in `gaps.json`.
    pub gaps: u64,
    /// Shots that are missing by declared gaps, without those of unknown number.
    pub declared_missing_shots: u64,
    /// Records that are given by hash only.
    pub withheld_records: u64,
    /// Record blocks in `proofs.json`.
    pub blocks: u64,
    /// Commits of the log in `proofs.json`.
    pub commits: u64,
}

/// The log, as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogText {
    pub(crate) origin: String,
    pub(crate) tree_size: u64,
    pub(crate) key_fingerprint: String,
}

/// A watermark, as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatermarkText {
    pub(crate) driver: String,
    pub(crate) incarnation: String,
    pub(crate) stream: String,
    pub(crate) settled_to: u64,
}

/// A file of the bundle.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileText {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl FileText {
    pub(crate) fn of(name: &str, content: &[u8]) -> FileText {
        FileText {
            name: name.to_owned(),
            bytes: content.len() as u64,
            sha256: sha256_hex(content),
        }
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

impl Manifest {
    /// The value of [`Manifest::format`].
    pub(crate) const FORMAT: &'static str = "mesofleet report bundle";

    pub(crate) fn new(
        facts: &Facts,
        counts: Counts,
        log: LogText,
        files: Vec<FileText>,
    ) -> Manifest {
        let mut watermarks: Vec<WatermarkText> =
            facts.watermarks.iter().map(watermark_text).collect();
        watermarks.sort_by(|a, b| {
            (&a.driver, &a.incarnation, &a.stream).cmp(&(&b.driver, &b.incarnation, &b.stream))
        });
        Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: FORMAT_VERSION,
            demo: facts.demo,
            generated_at: rfc3339(facts.generated_at),
            selection: selection_text(&facts.selection),
            counts,
            log,
            watermarks,
            files,
        }
    }
}

fn selection_text(selection: &Selection) -> SelectionText {
    let mut guns: Vec<String> = selection.guns.iter().map(ToString::to_string).collect();
    let mut sessions: Vec<String> = selection.sessions.iter().map(ToString::to_string).collect();
    guns.sort();
    sessions.sort();
    SelectionText {
        clinic: selection.clinic.to_string(),
        from: selection.from.map(rfc3339),
        to: selection.to.map(rfc3339),
        guns,
        sessions,
        whole_log: selection.whole_log,
    }
}

fn watermark_text(watermark: &WatermarkFacts) -> WatermarkText {
    WatermarkText {
        driver: watermark.driver.to_string(),
        incarnation: hex64(watermark.incarnation.get()),
        stream: watermark.stream.to_string(),
        settled_to: watermark.settled_to.get(),
    }
}

/// The text that the log's key signs for a manifest.
pub(crate) fn note_text(manifest: &[u8]) -> String {
    format!("{NOTE_TITLE}\nsha256 {}\n", sha256_hex(manifest))
}
