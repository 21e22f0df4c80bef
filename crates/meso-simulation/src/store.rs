//! The disk of the server: store and ledger as the ingest sees them, in memory.
//!
//! It keeps what the embedded store keeps, transaction by transaction, and notes at once what no
//! later question could see any more: a shot that is written twice, a leaf that is written over.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meso_alerts::{Alert, Track};
use meso_delivery::{CountersCheckpoint, Receiver, StreamCheckpoint, StreamKey};
use meso_domain::canonical::Canonical as _;
use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, EarlierSession, Gap, Judgement, LedgerEntry,
    LedgerEntryKind, Record, RecordHash, SessionEvent, Shot, ShotIdentity,
};
use meso_ledger::{Frontier, Hash, HashKey};
use meso_store::{
    AlertRow, BlockRef, ClaimRow, Commit, EntryRef, InQuarantine, LoadedBlock, LoadedRecord,
    LogCommit, NewBlock, QuarantineRoom, Quarantined, SealParts, SealedSession, ShotCursor,
    ShotFate, StoreError, StoredShot, TrackRow, Unlogged,
};
use meso_units::{ClinicId, Epoch, GunSerial, PatientCommitment, SessionId, Timestamp};
use mesofleet::ingest::{Recalled, ShotStore};

/// A block and what lies in it.
#[derive(Debug)]
pub(crate) struct StoredBlock {
    pub(crate) header: BlockHeader,
    pub(crate) hash: BlockHash,
    records: Vec<(RecordHash, LoadedRecord)>,
    judgements: Vec<Judgement>,
}

impl StoredBlock {
    /// The shots that are stored from it.
    pub(crate) fn shots(&self) -> impl Iterator<Item = &Shot> {
        let stored = self
            .records
            .iter()
            .filter_map(|(_, record)| record.stored());
        stored.filter_map(Record::as_shot)
    }
}

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// Nothing of it is there.
    Lost,
    /// It is there, and its writer is told that it is not.
    PersistedButReportedFailed,
}

/// What the disk holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreModel {
    pub(crate) blocks: Vec<Arc<StoredBlock>>,
    /// The leaf of each block, once it is logged.
    leaf_of: Vec<Option<u64>>,
    by_place: HashMap<BlockPlace, usize>,
    pub(crate) shots: HashMap<ShotIdentity, Arc<Shot>>,
    entries: Vec<(LedgerEntry, Option<u64>)>,
    /// Gaps that the ingest has declared, by the row of their entry.
    gaps: Vec<(usize, Gap)>,
    pub(crate) leaves: Vec<Vec<u8>>,
    hashes: BTreeMap<HashKey, Hash>,
    pub(crate) checkpoint: Option<String>,
    streams: BTreeMap<StreamKey, (Option<ClinicId>, Option<StreamCheckpoint>)>,
    counters: BTreeMap<(GunSerial, Epoch), CountersCheckpoint>,
    alerts: BTreeMap<String, AlertRow>,
    tracks: BTreeMap<(GunSerial, Option<SessionId>), TrackRow>,
    pub(crate) quarantined: Vec<Quarantined>,
    /// Rows that are written for good; everything before them is logged.
    logged_blocks: usize,
    logged_entries: usize,
    /// Rows that were there when the present process opened the store.
    opened_at: usize,
    /// What no later question could see.
    pub(crate) wrongs: Vec<String>,
    /// Says no to the next write.
    pub(crate) fault: Option<WriteFault>,
    /// A planted fault: shots whose time is not later than the newest of their gun are dropped.
    pub(crate) is_deduplicating_by_time: bool,
    newest_at: BTreeMap<GunSerial, Timestamp>,
    /// A planted fault: what an earlier process stored is never logged.
    pub(crate) is_skipping_ledger: bool,
}

impl StoreModel {
    /// Whether the block of a place is stored, and logged.
    pub(crate) fn is_logged(&self, place: &BlockPlace) -> bool {
        let row = self.by_place.get(place);
        row.is_some_and(|row| self.leaf_of.get(*row).is_some_and(Option::is_some))
    }

    /// Whether a shot is stored.
    pub(crate) fn has_shot(&self, identity: &ShotIdentity) -> bool {
        self.shots.contains_key(identity)
    }

    /// How many blocks are in no leaf.
    pub(crate) fn unlogged_count(&self) -> usize {
        self.leaf_of.iter().filter(|leaf| leaf.is_none()).count()
    }

    /// The receiver at the last ledger commit.
    pub(crate) fn receiver(&self) -> Receiver {
        let streams = self.streams.values();
        Receiver::restore(
            streams.filter_map(|(_, checkpoint)| checkpoint.clone()),
            self.counters.values().cloned(),
        )
    }

    fn store(&mut self, commit: &Commit) {
        for new in &commit.blocks {
            self.store_block(new);
        }
        for alert in &commit.alerts {
            self.alerts.insert(alert.id.clone(), alert.clone());
        }
        for track in &commit.tracks {
            let key = (track.gun.clone(), track.session);
            self.tracks.insert(key, track.clone());
        }
        for entry in &commit.entries {
            let (kind, digest) = (entry.kind, entry.digest);
            if kind == LedgerEntryKind::DeclaredGap {
                match Gap::from_canonical(&entry.bytes) {
                    Ok(gap) => self.gaps.push((self.entries.len(), gap)),
                    Err(error) => self.wrongs.push(format!("a declared gap: {error}")),
                }
            }
            self.entries.push((LedgerEntry { kind, digest }, None));
        }
        self.quarantined.extend(commit.quarantined.iter().cloned());
    }

    fn store_block(&mut self, new: &NewBlock) {
        let header = new.block.header().clone();
        let mut fates = new.fates.iter();
        let mut records = Vec::with_capacity(new.block.records().len());
        for (record, hash) in new.block.records().iter().zip(new.block.record_hashes()) {
            let is_copy = match record {
                Record::Shot(shot) => {
                    let is_copy = matches!(fates.next(), Some(ShotFate::OtherCopyStored));
                    if !is_copy {
                        self.store_shot(shot);
                    }
                    is_copy.then_some(shot.identity.counter)
                }
                _ => None,
            };
            let loaded = match is_copy {
                Some(counter) => LoadedRecord::OtherCopy(counter),
                None => LoadedRecord::Stored(Box::new(record.clone())),
            };
            records.push((*hash, loaded));
        }
        let row = self.blocks.len();
        if self.by_place.insert(header.place.clone(), row).is_some() {
            self.wrongs
                .push(format!("{} is stored twice", header.place));
        }
        let stream = self
            .streams
            .entry(StreamKey::from(&header.place))
            .or_default();
        stream.0 = Some(header.clinic.clone());
        self.leaf_of.push(None);
        self.blocks.push(Arc::new(StoredBlock {
            header,
            hash: new.hash,
            records,
            judgements: new.block.judgements().to_vec(),
        }));
    }

    fn store_shot(&mut self, shot: &Shot) {
        if self.is_deduplicating_by_time {
            let gun = shot.identity.gun.clone();
            let newest = self.newest_at.entry(gun).or_insert(Timestamp::UNIX_EPOCH);
            if shot.at <= *newest {
                return;
            }
            *newest = shot.at;
        }
        let before = self
            .shots
            .insert(shot.identity.clone(), Arc::new(shot.clone()));
        if before.is_some() {
            self.wrongs
                .push(format!("{} is stored twice", shot.identity));
        }
    }

    fn log(&mut self, commit: &LogCommit) {
        for leaf in &commit.leaves {
            if leaf.leaf != self.leaves.len() as u64 {
                self.wrongs.push(format!(
                    "leaf {} is written where {} leaves are",
                    leaf.leaf,
                    self.leaves.len()
                ));
            }
            self.leaves.push(leaf.bytes.clone());
            for block in &leaf.blocks {
                self.mark_block(*block, leaf.leaf);
            }
            for entry in &leaf.entries {
                let row = usize::try_from(entry.row()).unwrap_or(usize::MAX);
                if let Some((_, place)) = self.entries.get_mut(row) {
                    *place = Some(leaf.leaf);
                }
            }
        }
        self.hashes.extend(commit.hashes.iter().copied());
        if commit.checkpoint.is_some() {
            self.checkpoint.clone_from(&commit.checkpoint);
        }
        for stream in &commit.changes.streams {
            let row = self.streams.entry(stream.key.clone()).or_default();
            row.1 = Some(stream.clone());
        }
        for counters in &commit.changes.counters {
            let key = (counters.gun.clone(), counters.epoch);
            self.counters.insert(key, counters.clone());
        }
        let is_logged = |leaf: Option<&Option<u64>>| leaf.is_some_and(Option::is_some);
        while is_logged(self.leaf_of.get(self.logged_blocks)) {
            self.logged_blocks += 1;
        }
        while is_logged(self.entries.get(self.logged_entries).map(|(_, leaf)| leaf)) {
            self.logged_entries += 1;
        }
    }

    fn mark_block(&mut self, block: BlockRef, leaf: u64) {
        let row = usize::try_from(block.row()).unwrap_or(usize::MAX);
        let Some(place) = self.leaf_of.get_mut(row) else {
            self.wrongs
                .push(format!("leaf {leaf} names block row {row}"));
            return;
        };
        if let Some(before) = place.replace(leaf) {
            self.wrongs
                .push(format!("block row {row} is in leaves {before} and {leaf}"));
        }
    }

    fn unlogged(&self, blocks_max: usize, entries_max: usize) -> Unlogged {
        let first = match self.is_skipping_ledger {
            true => self.opened_at.max(self.logged_blocks),
            false => self.logged_blocks,
        };
        let row = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
        let blocks = self.blocks.iter().enumerate().skip(first);
        let blocks = blocks
            .filter(|(index, _)| self.leaf_of.get(*index).is_some_and(Option::is_none))
            .map(|(index, block)| (BlockRef::new(row(index)), block.hash));
        let entries = self.entries.iter().enumerate().skip(self.logged_entries);
        let entries = entries
            .filter(|(_, (_, leaf))| leaf.is_none())
            .map(|(index, (entry, _))| (EntryRef::new(row(index)), *entry));
        Unlogged {
            blocks: blocks.take(blocks_max).collect(),
            entries: entries.take(entries_max).collect(),
        }
    }

    fn recall(&mut self) -> Result<Recalled, StoreError> {
        self.opened_at = self.blocks.len();
        let unlogged = (self.logged_blocks..self.blocks.len())
            .filter(|row| self.leaf_of.get(*row).is_some_and(Option::is_none))
            .filter_map(|row| self.blocks.get(row));
        let load = |block: &Arc<StoredBlock>| LoadedBlock {
            header: block.header.clone(),
            records: block.records.clone(),
            judgements: block.judgements.clone(),
            leaf: None,
        };
        let alerts = self.alerts.values();
        let tracks = self.tracks.values();
        let streams = self.streams.iter();
        Ok(Recalled {
            receiver: self.receiver(),
            unlogged_blocks: unlogged.map(load).collect(),
            lacks_shots: false,
            shots_back: Vec::new(),
            unlogged_gaps: self
                .gaps
                .iter()
                .filter(|(row, _)| {
                    self.entries
                        .get(*row)
                        .is_some_and(|(_, leaf)| leaf.is_none())
                })
                .map(|(_, gap)| gap.clone())
                .collect(),
            // Nobody retires a room there.
            retired: Vec::new(),
            frontier: Frontier::load(self.leaves.len() as u64, &self.hashes)
                .map_err(|error| damaged("the ledger", error))?,
            alerts: alerts
                .map(|row| Alert::from_canonical(&row.body))
                .collect::<Result<_, _>>()
                .map_err(|error| damaged("an alert", error))?,
            tracks: tracks
                .map(|row| Track::from_canonical(&row.body))
                .collect::<Result<_, _>>()
                .map_err(|error| damaged("a track", error))?,
            outbox: Vec::new(),
            sessions: Vec::new(),
            merges: Vec::new(),
            claimed_guns: Vec::new(),
            streams: streams
                .filter_map(|(key, (clinic, _))| Some((clinic.clone()?, key.clone())))
                .collect(),
        })
    }
}

fn damaged(what: &'static str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged {
        what,
        detail: error.to_string(),
    }
}

/// The disk, as the world and the ingest share it.
#[derive(Clone, Debug)]
pub(crate) struct StoreHandle(Arc<Mutex<StoreModel>>);

impl StoreHandle {
    pub(crate) fn new(model: StoreModel) -> StoreHandle {
        StoreHandle(Arc::new(Mutex::new(model)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, StoreModel> {
        // One thread runs a whole simulation, so the lock is never waited for.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, write: impl FnOnce(&mut StoreModel)) -> Result<(), StoreError> {
        let mut model = self.lock();
        let fault = model.fault.take();
        if fault != Some(WriteFault::Lost) {
            write(&mut model);
        }
        match fault {
            None => Ok(()),
            Some(fault) => Err(damaged("a write of the simulation", format!("{fault:?}"))),
        }
    }
}

impl ShotStore for StoreHandle {
    fn recall(&self) -> Result<Recalled, StoreError> {
        self.lock().recall()
    }

    fn block_hash(&self, place: &BlockPlace) -> Result<Option<BlockHash>, StoreError> {
        let model = self.lock();
        let row = model.by_place.get(place);
        Ok(row
            .and_then(|row| model.blocks.get(*row))
            .map(|block| block.hash))
    }

    fn in_quarantine(&self, digest: &[u8; 32]) -> Result<Option<InQuarantine>, StoreError> {
        let model = self.lock();
        let same = model.quarantined.iter().filter(|it| it.digest == *digest);
        let seen_count = same.count() as u64;
        Ok((seen_count > 0).then_some(InQuarantine {
            seen_count,
            has_bytes: true,
        }))
    }

    fn quarantine_room(&self) -> Result<QuarantineRoom, StoreError> {
        Ok(QuarantineRoom {
            rows: u64::MAX,
            large: u64::MAX,
        })
    }

    fn shot(&self, identity: &ShotIdentity) -> Result<Option<Shot>, StoreError> {
        let model = self.lock();
        Ok(model.shots.get(identity).map(|shot| Shot::clone(shot)))
    }

    fn session_shots(
        &self,
        _: SessionId,
        _: Option<ShotCursor>,
        _: u32,
    ) -> Result<Vec<StoredShot>, StoreError> {
        // The guns of the simulation fire outside of sessions.
        Ok(Vec::new())
    }

    fn session_events(&self, _: SessionId) -> Result<Vec<SessionEvent>, StoreError> {
        Ok(Vec::new())
    }

    fn claims_of(&self, _: &GunSerial, _: Epoch) -> Result<Vec<ClaimRow>, StoreError> {
        Ok(Vec::new())
    }

    fn treated_in(
        &self,
        _: &ClinicId,
        _: u8,
    ) -> Result<Vec<(PatientCommitment, EarlierSession)>, StoreError> {
        Ok(Vec::new())
    }

    fn treated_of(
        &self,
        _: &ClinicId,
        _: &PatientCommitment,
    ) -> Result<Vec<EarlierSession>, StoreError> {
        Ok(Vec::new())
    }

    fn seal_parts(&self, _: SessionId) -> Result<SealParts, StoreError> {
        Ok(SealParts::default())
    }

    fn unlogged(&self, blocks_max: usize, entries_max: usize) -> Result<Unlogged, StoreError> {
        Ok(self.lock().unlogged(blocks_max, entries_max))
    }

    fn store(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.write(|model| model.store(commit))
    }

    fn seal(&mut self, _: &[SealedSession]) -> Result<(), StoreError> {
        Ok(())
    }

    fn log(&mut self, commit: &LogCommit) -> Result<(), StoreError> {
        self.write(|model| model.log(commit))
    }
}
