//! What a check found.

use core::fmt;

use meso_domain::ShotIdentity;

/// The most findings of one kind that are kept; further ones are counted only.
pub const FINDINGS_PER_KIND_MAX: usize = 1_000;

/// What is wrong. The order is that of the output: records first, containers last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// A record is not the one that the log committed to.
    Altered,
    /// A line of a file cannot be read as a record.
    Unreadable,
    /// A record that the log committed to is not in the file.
    Deleted,
    /// A record is in the file that the log does not know, or a second time.
    Added,
    /// A record stands at another place than its order demands.
    Reordered,
    /// Counters are missing and no gap is declared for them.
    Hole,
    /// A gap is said to be declared and the log does not know it.
    GapNotInLog,
    /// The verdicts of a block are not those that its header commits to.
    VerdictsAltered,
    /// A block does not follow the one before it in its stream, or one is missing between.
    ChainBroken,
    /// A block is not in the commit that it names.
    BlockNotInLog,
    /// A commit is not in the log that the checkpoint signs.
    CommitNotInLog,
    /// The signature of the checkpoint does not hold.
    CheckpointSignature,
    /// The key in the bundle is not the key that was given.
    KeyDiffers,
    /// The signature over the manifest does not hold.
    ManifestSignature,
    /// The manifest says something else than the files.
    ManifestMismatch,
    /// A file is missing.
    FileMissing,
    /// A file is not named in the manifest.
    FileUnexpected,
}

impl FindingKind {
    /// The kind in words, as the command line and JSON show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            FindingKind::Altered => "altered",
            FindingKind::Unreadable => "unreadable",
            FindingKind::Deleted => "deleted",
            FindingKind::Added => "added",
            FindingKind::Reordered => "reordered",
            FindingKind::Hole => "hole not declared",
            FindingKind::GapNotInLog => "gap not in the log",
            FindingKind::VerdictsAltered => "verdicts altered",
            FindingKind::ChainBroken => "chain of blocks broken",
            FindingKind::BlockNotInLog => "block not in the log",
            FindingKind::CommitNotInLog => "commit not in the log",
            FindingKind::CheckpointSignature => "checkpoint signature wrong",
            FindingKind::KeyDiffers => "key differs",
            FindingKind::ManifestSignature => "manifest signature wrong",
            FindingKind::ManifestMismatch => "manifest mismatch",
            FindingKind::FileMissing => "file missing",
            FindingKind::FileUnexpected => "file unexpected",
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The shot, where it is about one and can be told.
    pub shot: Option<ShotIdentity>,
    /// The file.
    pub file: Option<&'static str>,
    /// The line of the file, counted from 1.
    pub line: Option<u64>,
    /// The field, where the files can tell by comparison.
    pub field: Option<String>,
    /// More in words.
    pub detail: String,
}

impl Finding {
    pub(crate) const fn new(kind: FindingKind, detail: String) -> Finding {
        Finding {
            kind,
            shot: None,
            file: None,
            line: None,
            field: None,
            detail,
        }
    }

    pub(crate) const fn in_file(mut self, file: &'static str) -> Finding {
        self.file = Some(file);
        self
    }

    pub(crate) const fn at_line(mut self, line: u64) -> Finding {
        self.line = Some(line);
        self
    }

    pub(crate) fn of_shot(mut self, shot: Option<ShotIdentity>) -> Finding {
        self.shot = shot;
        self
    }

    pub(crate) fn of_field(mut self, field: Option<String>) -> Finding {
        self.field = field;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind.as_str())?;
        if let Some(shot) = &self.shot {
            write!(f, "{shot}, ")?;
        }
        if let Some(file) = self.file {
            f.write_str(file)?;
            if let Some(line) = self.line {
                write!(f, " line {line}")?;
            }
            f.write_str(", ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "field {field}, ")?;
        }
        f.write_str(&self.detail)
    }
}

/// Findings so far, bounded by kind.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    counts: std::collections::BTreeMap<FindingKind, usize>,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.kind).or_default();
        *count += 1;
        if *count <= FINDINGS_PER_KIND_MAX {
            self.kept.push(finding);
        }
    }

    /// Counts a finding, and makes it only if it will be kept.
    pub(crate) fn push_lazily(&mut self, kind: FindingKind, make: impl FnOnce() -> Finding) {
        match self.counts.get_mut(&kind) {
            Some(count) if *count >= FINDINGS_PER_KIND_MAX => *count += 1,
            _ => self.push(make()),
        }
    }

    /// The findings in the order of their kinds, and how many more there were.
    pub(crate) fn into_sorted(mut self) -> (Vec<Finding>, usize) {
        self.kept.sort_by_key(|finding| finding.kind);
        let all: usize = self.counts.values().sum();
        let beyond = all - self.kept.len();
        (self.kept, beyond)
    }
}
