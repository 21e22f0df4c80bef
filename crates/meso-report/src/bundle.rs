//! Facts to a bundle.

use std::collections::{BTreeSet, HashMap};

use meso_domain::canonical::{Canonical as _, RecordHash};
use meso_domain::{BlockHash, CommitEntry, Gap, GapState, Judgement, Record, SessionEvent, Shot};
use meso_ledger::{Checkpoint, LogKey, leaf_hash, sign_note, verify_inclusion};
use sha2::{Digest as _, Sha256};

use crate::archive;
use crate::columns::{Place, cells_of, csv_header, csv_line, json_line};
use crate::error::ReportError;
use crate::events::{alert_line, gap_line, record_line};
use crate::facts::{BlockFacts, Facts, RecordFact};
use crate::manifest::{Counts, FileText, LogText, Manifest, note_text};
use crate::proofs::{BlockProof, CommitProof, FORMAT_VERSION, ProofsFile, RecordProof};
use crate::readme::{ReadmeFacts, readme};

/// The most shots of one report: at about 1.8 kB each in all files together it stays well below
/// [`crate::FILES_BYTES_MAX`]. A larger selection is refused; ask for a shorter period.
pub const SHOT_COUNT_MAX: usize = 250_000;

/// The most commits of one report, for the same reason: a commit entry may have 64 KiB, most have
/// a few hundred bytes. A larger selection is refused.
pub const COMMIT_COUNT_MAX: usize = 100_000;

/// The files in the order of the archive; the verifier expects exactly these.
pub(crate) mod name {
    pub(crate) const README: &str = "README.txt";
    pub(crate) const SHOTS_CSV: &str = "shots.csv";
    pub(crate) const SHOTS_JSON: &str = "shots.json";
    pub(crate) const SESSIONS: &str = "sessions.json";
    pub(crate) const GAPS: &str = "gaps.json";
    pub(crate) const ALERTS: &str = "alerts.json";
    pub(crate) const PROOFS: &str = "proofs.json";
    pub(crate) const CHECKPOINT: &str = "checkpoint.txt";
    pub(crate) const KEY: &str = "log.vkey";
    pub(crate) const MANIFEST: &str = "manifest.json";
    pub(crate) const NOTE: &str = "manifest.note";

    /// Those that the manifest lists.
    pub(crate) const LISTED: [&str; 9] = [
        README, SHOTS_CSV, SHOTS_JSON, SESSIONS, GAPS, ALERTS, PROOFS, CHECKPOINT, KEY,
    ];
}

/// Makes a bundle: the bytes of a ZIP archive, the same for the same facts.
///
/// The key of the log signs for the manifest. What could not be verified afterwards is refused.
///
/// # Errors
///
/// [`ReportError`] when the selection is too large, when a block is in no commit, when a shot is
/// included twice, or when checkpoint, commits and proofs do not belong together.
pub fn build(facts: &Facts, key: &LogKey) -> Result<Vec<u8>, ReportError> {
    let verifier = key.verifier();
    let checkpoint = Checkpoint::open(&facts.checkpoint, &verifier)?;
    let log = LogIndex::new(facts, &checkpoint)?;
    let blocks = sorted_blocks(facts)?;
    let shots = sorted_shots(&blocks)?;
    let gaps = gap_rows(facts, &blocks, &log)?;
    let events = event_rows(&blocks)?;
    let alerts: Vec<String> = facts
        .alerts
        .iter()
        .map(alert_line)
        .collect::<Result<_, _>>()?;
    let counts = Counts {
        shots: shots.len() as u64,
        sessions: events.sessions,
        session_events: events.lines.len() as u64,
        alerts: alerts.len() as u64,
        gaps: gaps.count,
        declared_missing_shots: gaps.declared,
        withheld_records: withheld_count(&blocks),
        blocks: blocks.len() as u64,
        commits: facts.commits.len() as u64,
    };
    let proofs = proofs_file(facts, &blocks, &log)?;
    let log_text = LogText {
        origin: checkpoint.origin().to_owned(),
        tree_size: checkpoint.size(),
        key_fingerprint: verifier.fingerprint(),
    };
    let (csv, json) = shot_files(&shots);
    let contents = [
        readme_of(facts, &counts, &log_text).into_bytes(),
        csv.into_bytes(),
        json.into_bytes(),
        json_array(&events.lines).into_bytes(),
        json_array(&gaps.lines).into_bytes(),
        json_array(&alerts).into_bytes(),
        serde_json::to_vec_pretty(&proofs)?,
        facts.checkpoint.clone().into_bytes(),
        format!("{verifier}\n").into_bytes(),
    ];
    let mut files: Vec<(&str, Vec<u8>)> = name::LISTED.into_iter().zip(contents).collect();
    let listed = files
        .iter()
        .map(|(name, content)| FileText::of(name, content))
        .collect();
    let manifest = serde_json::to_vec_pretty(&Manifest::new(facts, counts, log_text, listed))?;
    let note = sign_note(&note_text(&manifest), key)?;
    files.push((name::MANIFEST, manifest));
    files.push((name::NOTE, note.into_bytes()));
    archive::write(&files)
}

/// Which leaf commits to what.
struct LogIndex {
    blocks: HashMap<BlockHash, u64>,
    digests: HashMap<[u8; 32], u64>,
}

impl LogIndex {
    fn new(facts: &Facts, checkpoint: &Checkpoint) -> Result<LogIndex, ReportError> {
        check_count("commits", facts.commits.len(), COMMIT_COUNT_MAX)?;
        let mut index = LogIndex {
            blocks: HashMap::new(),
            digests: HashMap::new(),
        };
        for commit in &facts.commits {
            let leaf = leaf_hash(&commit.entry);
            let (size, root) = (checkpoint.size(), checkpoint.root());
            verify_inclusion(leaf, commit.leaf, size, &commit.proof, root)?;
            let entry = CommitEntry::from_canonical(&commit.entry).map_err(|source| {
                ReportError::NotACommit {
                    leaf: commit.leaf,
                    source,
                }
            })?;
            index
                .blocks
                .extend(entry.blocks.iter().map(|hash| (*hash, commit.leaf)));
            index
                .digests
                .extend(entry.entries.iter().map(|e| (e.digest, commit.leaf)));
        }
        Ok(index)
    }
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), ReportError> {
    if count > max {
        return Err(ReportError::TooMany { what, count, max });
    }
    Ok(())
}

/// A block with what its files need.
struct BlockRow<'a> {
    facts: &'a BlockFacts,
    hashes: Vec<RecordHash>,
}

impl BlockRow<'_> {
    fn place(&self, index: usize, judgement: Option<usize>) -> Place<'_> {
        let judgements = self.facts.judgements.as_deref().unwrap_or_default();
        let judgement = judgement.and_then(|at| judgements.get(at));
        Place {
            header: &self.facts.header,
            index,
            judgement,
        }
    }
}

fn sorted_blocks(facts: &Facts) -> Result<Vec<BlockRow<'_>>, ReportError> {
    let mut blocks = Vec::with_capacity(facts.blocks.len());
    for block in &facts.blocks {
        if usize::from(block.header.record_count) != block.records.len() {
            return Err(ReportError::RecordCount {
                place: block.header.place.clone(),
                said: block.header.record_count,
                found: block.records.len(),
            });
        }
        let hash = |record: &RecordFact| match record {
            RecordFact::Included(record) => record.hash(),
            RecordFact::Withheld { hash, .. } => *hash,
        };
        blocks.push(BlockRow {
            facts: block,
            hashes: block.records.iter().map(hash).collect(),
        });
    }
    blocks.sort_by(|a, b| a.facts.header.place.cmp(&b.facts.header.place));
    Ok(blocks)
}

type ShotRow<'a> = (&'a Shot, Place<'a>);

fn sorted_shots<'a>(blocks: &'a [BlockRow<'a>]) -> Result<Vec<ShotRow<'a>>, ReportError> {
    let mut shots = Vec::new();
    for block in blocks {
        let mut ordinal = 0;
        for (index, record) in block.facts.records.iter().enumerate() {
            match record {
                RecordFact::Included(record) => {
                    let Some(shot) = record.as_shot() else {
                        continue;
                    };
                    shots.push((shot, block.place(index, Some(ordinal))));
                }
                RecordFact::Withheld { shot: None, .. } => continue,
                RecordFact::Withheld { .. } => {}
            }
            ordinal += 1;
        }
    }
    check_count("shots", shots.len(), SHOT_COUNT_MAX)?;
    shots.sort_by(|a, b| a.0.identity.cmp(&b.0.identity));
    if let Some(pair) = shots
        .windows(2)
        .find(|pair| pair[0].0.identity == pair[1].0.identity)
    {
        return Err(ReportError::SameShotTwice {
            identity: pair[0].0.identity.clone(),
        });
    }
    Ok(shots)
}

fn shot_files(shots: &[ShotRow<'_>]) -> (String, String) {
    let mut csv = csv_header();
    csv.push('\n');
    let mut lines = Vec::with_capacity(shots.len());
    for (shot, place) in shots {
        let cells = cells_of(shot, place);
        csv.push_str(&csv_line(&cells));
        csv.push('\n');
        lines.push(json_line(&cells));
    }
    (csv, json_array(&lines))
}

/// A JSON array with one item on each line, so that one damaged row does not hide the others.
fn json_array(lines: &[String]) -> String {
    if lines.is_empty() {
        return "[\n]\n".to_owned();
    }
    format!("[\n{}\n]\n", lines.join(",\n"))
}

struct EventRows {
    lines: Vec<String>,
    sessions: u64,
}

/// Session events, stops of guns, amendments and merged ids, in the order of their blocks.
fn event_rows(blocks: &[BlockRow<'_>]) -> Result<EventRows, ReportError> {
    let mut sessions = BTreeSet::new();
    let mut lines = Vec::new();
    for (record, place) in included(blocks) {
        if let Record::Session(event) = record {
            sessions.insert(SessionEvent::session(event));
        }
        if matches!(
            record,
            Record::Session(_) | Record::Interlock(_) | Record::Amendment(_) | Record::Patient(_)
        ) {
            lines.push(record_line(record, &place)?);
        }
    }
    Ok(EventRows {
        lines,
        sessions: sessions.len() as u64,
    })
}

fn included<'a>(blocks: &'a [BlockRow<'a>]) -> impl Iterator<Item = (&'a Record, Place<'a>)> {
    blocks.iter().flat_map(|block| {
        let records = block.facts.records.iter().enumerate();
        records.filter_map(move |(index, record)| match record {
            RecordFact::Included(record) => Some((&**record, block.place(index, None))),
            RecordFact::Withheld { .. } => None,
        })
    })
}

struct GapRows {
    /// Gaps, and between them who had the gun from where on.
    lines: Vec<String>,
    /// How many of them are gaps.
    count: u64,
    declared: u64,
}

/// Gaps and custody of the drivers in the order of their blocks, then the gaps of the ingest.
fn gap_rows(
    facts: &Facts,
    blocks: &[BlockRow<'_>],
    log: &LogIndex,
) -> Result<GapRows, ReportError> {
    let mut rows = GapRows {
        lines: Vec::new(),
        count: 0,
        declared: 0,
    };
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (record, place) in included(blocks) {
        if let Record::Gap(gap) = record {
            seen.insert(gap.canonical_bytes());
            rows.count += 1;
            rows.declared += declared_shots(gap);
            rows.lines.push(record_line(record, &place)?);
        }
        if let Record::Custody(_) = record {
            rows.lines.push(record_line(record, &place)?);
        }
    }
    let mut others: Vec<&Gap> = facts.gaps.iter().collect();
    others.sort_by_key(|gap| (gap.gun.clone(), gap.epoch, gap.first, gap.at));
    for gap in others {
        let bytes = gap.canonical_bytes();
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if seen.insert(bytes) {
            rows.count += 1;
            rows.declared += declared_shots(gap);
            rows.lines
                .push(gap_line(gap, log.digests.get(&digest).copied())?);
        }
    }
    Ok(rows)
}

/// Shots that a gap says are gone; none for one that is awaited, filled or of unknown length.
pub(crate) fn declared_shots(gap: &Gap) -> u64 {
    if gap.state == GapState::Declared {
        gap.shot_count().unwrap_or(0)
    } else {
        0
    }
}

fn withheld_count(blocks: &[BlockRow<'_>]) -> u64 {
    let records = blocks.iter().flat_map(|block| &block.facts.records);
    records
        .filter(|record| matches!(record, RecordFact::Withheld { .. }))
        .count() as u64
}

fn proofs_file(
    facts: &Facts,
    blocks: &[BlockRow<'_>],
    log: &LogIndex,
) -> Result<ProofsFile, ReportError> {
    let mut commits: Vec<CommitProof> = facts
        .commits
        .iter()
        .map(|commit| CommitProof {
            leaf: commit.leaf,
            entry: hex::encode(&commit.entry),
            proof: commit.proof.iter().map(ToString::to_string).collect(),
        })
        .collect();
    commits.sort_by_key(|commit| commit.leaf);
    let blocks = blocks
        .iter()
        .map(|block| block_proof(block, log))
        .collect::<Result<_, _>>()?;
    Ok(ProofsFile {
        version: FORMAT_VERSION,
        commits,
        blocks,
    })
}

fn block_proof(block: &BlockRow<'_>, log: &LogIndex) -> Result<BlockProof, ReportError> {
    let header = &block.facts.header;
    let leaf = log.blocks.get(&header.block_hash(&block.hashes));
    let leaf = *leaf.ok_or_else(|| ReportError::BlockNotCommitted {
        place: header.place.clone(),
    })?;
    let records = block.facts.records.iter().zip(&block.hashes);
    let records = records.map(|(record, hash)| match record {
        RecordFact::Included(record) => RecordProof {
            hash: hash.to_string(),
            shot: record.as_shot().map(|shot| shot.identity.counter.get()),
            withheld: None,
        },
        RecordFact::Withheld { shot, reason, .. } => RecordProof {
            hash: hash.to_string(),
            shot: shot.map(meso_units::ShotCounter::get),
            withheld: Some(reason.as_str().to_owned()),
        },
    });
    let judgements = block.facts.judgements.as_deref();
    let to_hex = |judgement: &Judgement| hex::encode(judgement.canonical_bytes());
    Ok(BlockProof {
        block: header.place.to_string(),
        leaf,
        header: hex::encode(header.canonical_bytes()),
        records: records.collect(),
        judgements: judgements.map(|judgements| judgements.iter().map(to_hex).collect()),
    })
}

fn readme_of(facts: &Facts, counts: &Counts, log: &LogText) -> String {
    readme(&ReadmeFacts {
        demo: facts.demo,
        clinic: facts.selection.clinic.as_str(),
        generated_at: &crate::text::rfc3339(facts.generated_at),
        counts,
        origin: &log.origin,
        tree_size: log.tree_size,
        fingerprint: &log.key_fingerprint,
    })
}
