//! The answer to a bundle.

use super::finding::Finding;
use crate::manifest::Counts;

/// The most notices of a verdict; a last one says how many more there were.
pub const NOTICE_COUNT_MAX: usize = 1_000;

/// What verification says of a bundle.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Everything that is wrong; none means that the bundle is what the log committed to.
    pub findings: Vec<Finding>,
    /// How many more findings there were than are kept.
    pub findings_beyond: usize,
    /// What a reader should know although nothing is wrong.
    pub notices: Vec<String>,
    /// What the bundle holds, counted by the verifier, not read from the manifest.
    pub counts: Counts,
    /// The clinic, as the manifest says it.
    pub clinic: String,
    /// Whether the manifest says that this is a demonstration.
    pub demo: bool,
    /// When it was made, as the manifest says it.
    pub generated_at: String,
    /// Leaves of the log, by the signed checkpoint; `None` where its signature does not hold.
    pub tree_size: Option<u64>,
    /// The key that everything was checked with; `None` where none could be read.
    pub key: Option<UsedKey>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub const fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }
}

/// The key that a bundle was checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedKey {
    /// Its name, that is the origin of the log.
    pub name: String,
    /// What two people compare by another way.
    pub fingerprint: String,
    /// Whether it came out of the bundle itself: then it proves nothing until its fingerprint has
    /// been compared with the one that the clinic published.
    pub from_bundle: bool,
}

/// Cuts notices at [`NOTICE_COUNT_MAX`] and says so.
pub(super) fn bounded(mut notices: Vec<String>) -> Vec<String> {
    let beyond = notices.len().saturating_sub(NOTICE_COUNT_MAX);
    if beyond > 0 {
        notices.truncate(NOTICE_COUNT_MAX);
        notices.push(format!("{beyond} more notices"));
    }
    notices
}
