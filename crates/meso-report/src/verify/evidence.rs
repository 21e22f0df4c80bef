//! `proofs.json` read back: what the log says must be in the other files.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use meso_domain::canonical::{Canonical as _, RecordHash};
use meso_domain::{
    BlockHash, BlockHeader, CommitEntry, Judgement, ShotIdentity, Stream, judgements_digest,
};
use meso_ledger::{Checkpoint, Hash, leaf_hash, verify_inclusion};
use meso_units::{GunSerial, ShotCounter};

use super::finding::{Finding, FindingKind, Findings};
use crate::bundle::name;
use crate::columns::Place;
use crate::facts::Withheld;
use crate::proofs::{BlockProof, CommitProof, FORMAT_VERSION, ProofsFile};

/// A block whose header and hashes belong together.
pub(super) struct Block {
    pub(super) header: BlockHeader,
    pub(super) hash: BlockHash,
    pub(super) judgements: Vec<Judgement>,
}

/// A record that must be in the files.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    block: usize,
    index: usize,
    ordinal: Option<usize>,
    pub(super) hash: RecordHash,
    /// Who it is, if it is a shot.
    pub(super) shot: Option<ShotIdentity>,
}

impl Slot {
    /// Its index in its block.
    pub(super) const fn index(&self) -> usize {
        self.index
    }
}

/// A record that is given by hash only.
#[derive(Clone, Debug)]
pub(super) struct WithheldRecord {
    pub(super) shot: Option<ShotIdentity>,
    pub(super) reason: Withheld,
}

/// Everything that `proofs.json` says.
#[derive(Default)]
pub(super) struct Evidence {
    pub(super) blocks: Vec<Block>,
    /// Shots, by identity.
    pub(super) shots: Vec<Slot>,
    /// Session events and amendments, by place.
    pub(super) events: Vec<Slot>,
    /// Gaps of the drivers, by place.
    pub(super) gaps: Vec<Slot>,
    pub(super) withheld: Vec<WithheldRecord>,
    /// What each commit lists besides blocks.
    pub(super) digests: BTreeMap<u64, HashSet<[u8; 32]>>,
    pub(super) commit_count: u64,
    pub(super) blocks_without_verdicts: u64,
}

impl Evidence {
    /// Where a slot is.
    pub(super) fn place(&self, slot: &Slot) -> Place<'_> {
        let block = &self.blocks[slot.block];
        let judgement = slot.ordinal.and_then(|at| block.judgements.get(at));
        Place {
            header: &block.header,
            index: slot.index,
            judgement,
        }
    }

    /// The streams with their blocks, by number.
    pub(super) fn streams(&self) -> BTreeMap<(String, u64, Stream), Vec<&Block>> {
        let mut streams: BTreeMap<_, Vec<&Block>> = BTreeMap::new();
        for block in &self.blocks {
            let place = &block.header.place;
            let key = (
                place.driver.to_string(),
                place.incarnation.get(),
                place.stream.clone(),
            );
            streams.entry(key).or_default().push(block);
        }
        for blocks in streams.values_mut() {
            blocks.sort_by_key(|block| block.header.place.number);
        }
        streams
    }
}

/// Reads and checks `proofs.json` against the checkpoint, if there is a trusted one.
pub(super) fn read(
    content: &[u8],
    checkpoint: Option<&Checkpoint>,
    whole_log: bool,
    findings: &mut Findings,
) -> Evidence {
    let mut reader = Reader {
        findings,
        evidence: Evidence::default(),
        listed: BTreeMap::new(),
    };
    let file: ProofsFile = match serde_json::from_slice(content) {
        Ok(file) => file,
        Err(error) => {
            reader.push(
                FindingKind::Unreadable,
                format!("it cannot be read: {error}"),
            );
            return reader.evidence;
        }
    };
    if file.version != FORMAT_VERSION {
        let detail = format!("format version {} is not {FORMAT_VERSION}", file.version);
        reader.push(FindingKind::Unreadable, detail);
        return reader.evidence;
    }
    reader.commits(&file.commits, checkpoint, whole_log);
    for block in &file.blocks {
        if let Err(detail) = reader.block(block) {
            reader.push(
                FindingKind::Unreadable,
                format!("{}: {detail}", short(&block.block)),
            );
        }
    }
    if whole_log {
        reader.every_listed_block_is_there();
    }
    reader.finish()
}

struct Reader<'a> {
    findings: &'a mut Findings,
    evidence: Evidence,
    /// The blocks that each leaf lists.
    listed: BTreeMap<u64, HashSet<BlockHash>>,
}

impl Reader<'_> {
    fn push(&mut self, kind: FindingKind, detail: String) {
        self.findings
            .push(Finding::new(kind, detail).in_file(name::PROOFS));
    }

    fn commits(
        &mut self,
        commits: &[CommitProof],
        checkpoint: Option<&Checkpoint>,
        whole_log: bool,
    ) {
        for commit in commits {
            match read_commit(commit, checkpoint) {
                Ok(entry) => {
                    self.listed
                        .entry(commit.leaf)
                        .or_default()
                        .extend(&entry.blocks);
                    let digests = self.evidence.digests.entry(commit.leaf).or_default();
                    digests.extend(entry.entries.iter().map(|entry| entry.digest));
                }
                Err(detail) => {
                    let detail = format!("leaf {}: {detail}", commit.leaf);
                    self.push(FindingKind::CommitNotInLog, detail);
                }
            }
        }
        self.evidence.commit_count = commits.len() as u64;
        if let (true, Some(checkpoint)) = (whole_log, checkpoint) {
            let there = self.listed.len() as u64;
            if there != checkpoint.size() {
                let detail = format!(
                    "the report says it is the whole log, but proves {there} of {} leaves",
                    checkpoint.size()
                );
                self.push(FindingKind::CommitNotInLog, detail);
            }
        }
    }

    fn block(&mut self, proof: &BlockProof) -> Result<(), String> {
        let header = hex_bytes(&proof.header).ok_or("header is not hexadecimal")?;
        let header = BlockHeader::from_canonical(&header)
            .map_err(|error| format!("header cannot be read: {error}"))?;
        if usize::from(header.record_count) != proof.records.len() {
            return Err(format!(
                "its header says {} records, {} hashes are given",
                header.record_count,
                proof.records.len()
            ));
        }
        let hashes: Vec<RecordHash> = proof
            .records
            .iter()
            .map(|record| parse_hash(&record.hash))
            .collect::<Result<_, _>>()?;
        let hash = header.block_hash(&hashes);
        if !self
            .listed
            .get(&proof.leaf)
            .is_some_and(|blocks| blocks.contains(&hash))
        {
            let detail = format!("{}: leaf {} does not list it", header.place, proof.leaf);
            self.push(FindingKind::BlockNotInLog, detail);
        }
        if proof.block != header.place.to_string() {
            let detail = format!("{:?} is in truth {}", short(&proof.block), header.place);
            self.push(FindingKind::Altered, detail);
        }
        let judgements = self.judgements(proof, &header)?;
        self.records(proof, &header, &hashes)?;
        self.evidence.blocks.push(Block {
            header,
            hash,
            judgements,
        });
        Ok(())
    }

    fn judgements(
        &mut self,
        proof: &BlockProof,
        header: &BlockHeader,
    ) -> Result<Vec<Judgement>, String> {
        let Some(texts) = &proof.judgements else {
            self.evidence.blocks_without_verdicts += 1;
            return Ok(Vec::new());
        };
        let read = |text: &String| {
            let bytes = hex_bytes(text).ok_or("a verdict is not hexadecimal")?;
            Judgement::from_canonical(&bytes).map_err(|error| format!("a verdict: {error}"))
        };
        let judgements: Vec<Judgement> = texts.iter().map(read).collect::<Result<_, _>>()?;
        let shots = proof
            .records
            .iter()
            .filter(|record| record.shot.is_some())
            .count();
        if judgements_digest(&judgements) != header.judgements_digest || shots != judgements.len() {
            let detail = format!("{}: its header commits to other verdicts", header.place);
            self.push(FindingKind::VerdictsAltered, detail);
        }
        Ok(judgements)
    }

    fn records(
        &mut self,
        proof: &BlockProof,
        header: &BlockHeader,
        hashes: &[RecordHash],
    ) -> Result<(), String> {
        let block = self.evidence.blocks.len();
        let mut ordinal = 0;
        for (index, (record, hash)) in proof.records.iter().zip(hashes).enumerate() {
            let shot = record
                .shot
                .map(|counter| identity(header, counter))
                .transpose()?;
            let mine = shot.is_some().then_some(ordinal);
            ordinal += usize::from(shot.is_some());
            if let Some(reason) = &record.withheld {
                let reason = Withheld::ALL
                    .into_iter()
                    .find(|known| known.as_str() == reason);
                let reason = reason.ok_or("an unknown reason to withhold a record")?;
                if reason == Withheld::Erasable && header.place.stream != Stream::Room {
                    return Err("only a room says what could be erased".to_owned());
                }
                self.evidence.withheld.push(WithheldRecord { shot, reason });
                continue;
            }
            let slots = match (&shot, &header.place.stream) {
                (Some(_), _) => &mut self.evidence.shots,
                (None, Stream::Gun(_)) => &mut self.evidence.gaps,
                (None, Stream::Room) => &mut self.evidence.events,
            };
            slots.push(Slot {
                block,
                index,
                ordinal: mine,
                hash: *hash,
                shot,
            });
        }
        Ok(())
    }

    /// A report of the whole log must hold every block that any leaf lists.
    fn every_listed_block_is_there(&mut self) {
        let there: HashSet<BlockHash> = self
            .evidence
            .blocks
            .iter()
            .map(|block| block.hash)
            .collect();
        let listed = core::mem::take(&mut self.listed);
        for (leaf, blocks) in &listed {
            let mut missing: Vec<&BlockHash> = blocks.difference(&there).collect();
            missing.sort();
            for hash in missing {
                let detail = format!("leaf {leaf} lists block {hash}, the report does not hold it");
                self.push(FindingKind::Deleted, detail);
            }
        }
    }

    fn finish(mut self) -> Evidence {
        self.evidence.shots.sort_by(|a, b| a.shot.cmp(&b.shot));
        let blocks = &self.evidence.blocks;
        let by_place = |a: &Slot, b: &Slot| {
            let key = |slot: &Slot| (&blocks[slot.block].header.place, slot.index);
            key(a).cmp(&key(b))
        };
        self.evidence.events.sort_by(by_place);
        self.evidence.gaps.sort_by(by_place);
        let twice: BTreeSet<ShotIdentity> = self
            .evidence
            .shots
            .windows(2)
            .filter(|pair| pair[0].shot == pair[1].shot)
            .filter_map(|pair| pair[0].shot.clone())
            .collect();
        for shot in twice {
            let detail = "two blocks hold this shot; only the first stored copy may be included";
            let finding = Finding::new(FindingKind::Added, detail.to_owned());
            self.findings
                .push(finding.in_file(name::PROOFS).of_shot(Some(shot)));
        }
        self.evidence
    }
}

fn read_commit(
    commit: &CommitProof,
    checkpoint: Option<&Checkpoint>,
) -> Result<CommitEntry, String> {
    let bytes = hex_bytes(&commit.entry).ok_or("its bytes are not hexadecimal")?;
    let proof: Vec<Hash> = commit
        .proof
        .iter()
        .map(|hash| Hash::parse(hash))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if let Some(checkpoint) = checkpoint {
        let leaf = leaf_hash(&bytes);
        verify_inclusion(
            leaf,
            commit.leaf,
            checkpoint.size(),
            &proof,
            checkpoint.root(),
        )
        .map_err(|error| error.to_string())?;
    }
    CommitEntry::from_canonical(&bytes).map_err(|error| error.to_string())
}

fn identity(header: &BlockHeader, counter: u32) -> Result<ShotIdentity, String> {
    let gun: GunSerial = match &header.place.stream {
        Stream::Gun(gun) => gun.clone(),
        Stream::Room => return Err("a shot in the stream of a room".to_owned()),
    };
    let epoch = header.epoch.ok_or("shots without an epoch")?;
    Ok(ShotIdentity {
        gun,
        epoch,
        counter: ShotCounter(counter),
    })
}

fn parse_hash(text: &str) -> Result<RecordHash, String> {
    Hash::parse(text)
        .map(|hash| RecordHash(*hash.as_bytes()))
        .map_err(|error| error.to_string())
}

/// Bytes from lower-case hexadecimal; there is one way only to write a proof.
fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let is_upper = text.bytes().any(|digit| digit.is_ascii_uppercase());
    if is_upper {
        None
    } else {
        hex::decode(text).ok()
    }
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}
