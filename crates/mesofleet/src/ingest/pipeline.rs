//! One commit, step by step.
//!
//! Each step hands a value to the next, so that no step can be left out, and each may be the last
//! one before the power fails: what a step made durable is found again by [`Ingest::open`], what
//! it did not is sent again by the drivers, because nothing was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use meso_alerts::{AlertId, Alerts, Deed, Outbox};
use meso_delivery::{Inquiries, Receiver};
use meso_domain::canonical::Canonical as _;
use meso_domain::{
    BlockPlace, CommitEntry, LedgerEntryKind, PatientMerges, Record, RecordBlock, SessionEnded,
    SessionEvent, ShotIdentity,
};
use meso_ledger::{Checkpoint, Frontier, LogKey};
use meso_limits::{Judge, Library};
use meso_store::{LeafRow, LogCommit, QuarantineRoom};
use meso_units::{ClinicId, Epoch, GunSerial, SessionId, ShotCounter, Timestamp};
use sha2::{Digest as _, Sha256};

use super::IngestError;
use super::amended::{changes_sums, learn};
use super::arrival::Arrival;
use super::claims::claimed;
use super::courses::Treatment;
use super::newest::Shown;
use super::prepare::Preparation;
use super::shot_store::{Recalled, ShotStore};
use super::steps::{Committed, Logged, Prepared, Rest, Stored};
use super::telling::AlertPolicy;
use super::time_zones::TimeZones;
use super::watch::FleetWatch;

/// Leaves of one ledger step; a backlog beyond that is logged by the next commit. It covers what
/// one commit can store four times over.
const LEAVES_PER_COMMIT_MAX: usize = 4;

/// Shots that are read at a time while totals are rebuilt after a restart.
pub(super) const RECALL_PAGE: u32 = 512;

/// What the ingest is told once.
pub struct IngestOptions {
    /// The key that signs checkpoints.
    pub log_key: LogKey,
    /// The name of the log.
    pub log_origin: String,
    /// The clinics whose drivers are let in.
    pub clinics: BTreeSet<ClinicId>,
    /// Where the days of these clinics begin.
    pub time_zones: TimeZones,
    /// The protocol library in force, if any.
    pub library: Option<Arc<Library>>,
    /// Whom alerts are told to, and from when on the fleet itself is wrong.
    pub alerts: AlertPolicy,
    /// What the key is known to have signed before, where that is known.
    pub signed_before: Option<Checkpoint>,
    /// The life of the store.
    pub store_incarnation: u64,
    /// The life of this process.
    pub ingest_incarnation: u64,
}

impl std::fmt::Debug for IngestOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IngestOptions")
            .field("log_origin", &self.log_origin)
            .finish_non_exhaustive()
    }
}

/// The ingest: what is known between two commits.
pub struct Ingest<S> {
    pub(super) store: S,
    pub(super) receiver: Receiver,
    pub(super) inquiries: Inquiries,
    pub(super) judge: Judge,
    pub(super) alerts: Alerts,
    pub(super) outbox: Outbox,
    pub(super) watch: FleetWatch,
    /// Sessions that ended and wait for their last shots, with the block that says so.
    pub(super) ended: BTreeMap<SessionId, (BlockPlace, SessionEnded)>,
    /// Whom the sessions that are not sealed are about.
    pub(super) treatments: BTreeMap<SessionId, Treatment>,
    /// Lists of patients that changed and were not told yet, and when some were told last.
    pub(super) lists_due: BTreeSet<(ClinicId, u8)>,
    pub(super) lists_told_at: Option<Timestamp>,
    pub(super) shown: Shown,
    /// Ids that turned out to be one patient's, by clinic.
    pub(super) merges: BTreeMap<ClinicId, PatientMerges>,
    /// Sessions that a start has read back: what they amount to for later ones is written again.
    pub(super) recalled: BTreeSet<SessionId>,
    /// Sessions that are not sealed and of which an event was corrected or shots are claimed.
    pub(super) mended: BTreeSet<SessionId>,
    /// Guns and epochs of which a session claims shots.
    pub(super) claimed_guns: BTreeSet<(GunSerial, Epoch)>,
    /// The shots of them that came without a session since the last commit.
    pub(super) claimed_came: BTreeMap<(GunSerial, Epoch), BTreeSet<ShotCounter>>,
    /// Whether any shot is known to be gone from where it was kept.
    pub(super) lacks_shots: bool,
    /// Sessions of which an event was corrected since the last commit.
    pub(super) amended: BTreeSet<SessionId>,
    pub(super) frontier: Frontier,
    /// What the quarantine can keep beside what is there.
    pub(super) quarantine_room: QuarantineRoom,
    pub(super) options: IngestOptions,
}

impl<S> std::fmt::Debug for Ingest<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("leaves", &self.frontier.size())
            .finish_non_exhaustive()
    }
}

impl<S: ShotStore> Ingest<S> {
    /// Goes on from what is durable: logs what was stored and not logged, seals what is complete,
    /// and gives the watermarks of every stream.
    ///
    /// # Errors
    ///
    /// [`IngestError`] when the store cannot be read or written.
    pub fn open(
        store: S,
        options: IngestOptions,
        now: Timestamp,
    ) -> Result<(Ingest<S>, Committed), IngestError> {
        let mut ingest = Ingest::new(store, options);
        let committed = ingest.reopen(now)?;
        Ok((ingest, committed))
    }

    /// An ingest that knows nothing yet and has asked nobody: [`Ingest::reopen`] comes before
    /// everything else.
    pub fn new(store: S, options: IngestOptions) -> Ingest<S> {
        Ingest {
            judge: Judge::new(options.library.clone()),
            alerts: Alerts::default(),
            outbox: Outbox::default(),
            watch: FleetWatch::default(),
            ended: BTreeMap::new(),
            amended: BTreeSet::new(),
            treatments: BTreeMap::new(),
            lists_due: BTreeSet::new(),
            lists_told_at: None,
            shown: Shown::default(),
            merges: BTreeMap::new(),
            recalled: BTreeSet::new(),
            mended: BTreeSet::new(),
            claimed_guns: BTreeSet::new(),
            claimed_came: BTreeMap::new(),
            lacks_shots: false,
            receiver: Receiver::default(),
            inquiries: Inquiries::default(),
            frontier: Frontier::EMPTY,
            quarantine_room: QuarantineRoom::default(),
            store,
            options,
        }
    }

    /// What [`Ingest::reopen`] does once all that is gone is noted.
    pub(super) fn begin(&mut self, now: Timestamp) -> Result<Committed, IngestError> {
        let recalled = self.store.recall()?;
        self.quarantine_room = self.store.quarantine_room()?;
        self.judge = Judge::new(self.options.library.clone());
        self.alerts = Alerts::restore(recalled.alerts.clone(), recalled.tracks.clone());
        self.alerts.set_escalation(self.options.alerts.escalation);
        self.restore_outbox(&recalled.outbox)?;
        self.watch.tell_again();
        self.ended.clear();
        self.amended.clear();
        self.treatments.clear();
        self.lists_told_at = None;
        self.recall_merges(&recalled.merges);
        self.recalled.clear();
        self.mended.clear();
        self.claimed_came.clear();
        self.claimed_guns = recalled.claimed_guns.iter().cloned().collect();
        self.lacks_shots = recalled.lacks_shots;
        self.receiver = recalled.receiver.clone();
        self.frontier = recalled.frontier.clone();
        for retired in &recalled.retired {
            self.give_up(retired, now);
        }
        self.recall_blocks(&recalled);
        self.recall_sessions(&recalled)?;
        let mut rest = Rest {
            touched: recalled.streams.into_iter().collect(),
            alerted: self.guns_with_alerts(),
            lists: self.all_lists().collect(),
            ..Rest::default()
        };
        for (gun, _, _) in self.receiver.all_counters() {
            rest.news.declared_missing.insert(gun.clone(), 0);
        }
        let guns = self.receiver.all_counters().map(|(gun, _, _)| gun.clone());
        self.reconsider(now, guns.collect());
        if let Some(told) = self.tell_of_set_back(now)? {
            rest.add(told);
            rest.news.was_set_back = true;
        }
        let logged = self.log(Stored { rest }, now)?;
        self.options.signed_before = None;
        Ok(self.finish(logged))
    }

    fn recall_blocks(&mut self, recalled: &Recalled) {
        for block in &recalled.unlogged_blocks {
            let hashes: Vec<_> = block.records.iter().map(|(hash, _)| *hash).collect();
            self.receiver
                .settle(&block.header, block.header.block_hash(&hashes));
            for (_, record) in &block.records {
                match record.stored() {
                    Some(Record::Shot(shot)) => {
                        self.receiver.record_shot(&shot.identity);
                        if block.header.session.is_none() {
                            self.note_claimed(&shot.identity);
                        }
                    }
                    Some(Record::Gap(gap)) => self.receiver.record_gap(gap),
                    Some(Record::Custody(custody)) => {
                        self.receiver.record_custody(&block.header, custody);
                    }
                    Some(Record::Session(SessionEvent::Ended(ended))) => {
                        self.receiver.record_session_end(ended);
                    }
                    // What follows from it may not have been written.
                    Some(Record::Session(SessionEvent::Stated(said)))
                        if changes_sums(&said.said) =>
                    {
                        self.amended.insert(said.session);
                    }
                    Some(
                        Record::Session(_)
                        | Record::Amendment(_)
                        | Record::Interlock(_)
                        | Record::Patient(_),
                    )
                    | None => {}
                }
            }
        }
        for shot in &recalled.shots_back {
            self.receiver.record_shot(shot);
        }
        for gap in &recalled.unlogged_gaps {
            self.receiver.record_gap(gap);
        }
    }

    fn recall_sessions(&mut self, recalled: &Recalled) -> Result<(), IngestError> {
        for (session, events, place) in &recalled.sessions {
            learn(&mut self.judge, events);
            events.iter().for_each(|event| self.note_patient(event));
            self.recalled.insert(session.session);
            let is_mended = |event: &SessionEvent| match event {
                SessionEvent::Stated(statement) => changes_sums(&statement.said),
                _ => false,
            };
            if events.iter().any(is_mended) {
                self.mended.insert(session.session);
            }
            if let Some(place) = place {
                events.iter().for_each(|event| self.note_end(event, place));
            }
            let mut after = None;
            loop {
                let shots = self
                    .store
                    .session_shots(session.session, after, RECALL_PAGE)?;
                for stored in &shots {
                    self.judge.observe(&stored.shot, stored.session);
                }
                let Some(last) = shots.last() else { break };
                after = Some((last.shot.at.unix_ns(), last.arrival));
            }
            for shot in claimed(&self.store, session.session, events)?.shots {
                self.judge.observe(&shot, Some(session.session));
            }
        }
        // Before anything was said of them, so no verdict changes by it.
        self.judge_stale_sessions()?;
        Ok(())
    }

    /// A session may have claimed a shot before it came.
    pub(super) fn note_claimed(&mut self, shot: &ShotIdentity) {
        let key = (shot.gun.clone(), shot.epoch);
        if self.claimed_guns.contains(&key) {
            let came = self.claimed_came.entry(key).or_default();
            came.insert(shot.counter);
        }
    }

    pub(super) fn note_end(&mut self, event: &SessionEvent, place: &BlockPlace) {
        if let SessionEvent::Ended(ended) = event {
            self.ended
                .entry(ended.session)
                .or_insert_with(|| (place.clone(), ended.clone()));
        }
    }

    /// All steps of one commit.
    ///
    /// # Errors
    ///
    /// [`IngestError`]; what is known in memory is then worth nothing: drop it and open again.
    pub fn commit(
        &mut self,
        arrivals: Vec<Arrival>,
        now: Timestamp,
    ) -> Result<Committed, IngestError> {
        let prepared = self.prepare(arrivals, now)?;
        let stored = self.store(prepared)?;
        let logged = self.log(stored, now)?;
        Ok(self.finish(logged))
    }

    /// First step: decides what is new, what is refused, what the shots mean. It is at most
    /// [`CommitEntry::BLOCK_COUNT_MAX`] blocks long; the caller splits a longer one.
    ///
    /// # Errors
    ///
    /// [`IngestError`] when the store cannot be read.
    pub fn prepare(
        &mut self,
        arrivals: Vec<Arrival>,
        now: Timestamp,
    ) -> Result<Prepared, IngestError> {
        Preparation::new(self, now).run(arrivals)
    }

    /// A person does something with an alert: a commit of its own, to be taken through the further
    /// steps.
    ///
    /// # Errors
    ///
    /// [`IngestError::Alert`] where that cannot be done.
    pub fn prepare_deed(
        &mut self,
        id: AlertId,
        deed: &Deed,
        now: Timestamp,
    ) -> Result<Prepared, IngestError> {
        let outcome = self.alerts.apply(id, deed, now)?;
        let mut preparation = Preparation::new(self, now);
        preparation.note(outcome);
        Ok(preparation.finish())
    }

    /// Second step: makes it durable.
    ///
    /// # Errors
    ///
    /// [`IngestError`]; nothing is then stored.
    pub fn store(&mut self, prepared: Prepared) -> Result<Stored, IngestError> {
        let Prepared { commit, mut rest } = prepared;
        if !commit.is_empty() {
            self.store.store(&commit)?;
            rest.news.is_written = true;
        }
        if !commit.quarantined.is_empty() {
            self.quarantine_room = self.store.quarantine_room()?;
        }
        Ok(Stored { rest })
    }

    /// Third step: seals sessions that are complete, appends to the ledger, signs the checkpoint
    /// and writes down how far the receiver is.
    ///
    /// # Errors
    ///
    /// [`IngestError`]; what this step did not write is found again by [`Ingest::open`].
    pub fn log(&mut self, mut stored: Stored, now: Timestamp) -> Result<Logged, IngestError> {
        let Prepared { commit, rest } = Preparation::new(self, now).follow_up()?;
        stored.rest.add(rest);
        if !commit.is_empty() {
            self.store.store(&commit)?;
            stored.rest.news.is_written = true;
        }
        for session in self.seal_complete(now)? {
            stored.rest.news.sessions.insert(session);
        }
        let mut commit = LogCommit::default();
        let mut frontier = self.frontier.clone();
        let blocks_max = CommitEntry::BLOCK_COUNT_MAX * LEAVES_PER_COMMIT_MAX;
        let entries_max = CommitEntry::ENTRY_COUNT_MAX * LEAVES_PER_COMMIT_MAX;
        let unlogged = self.store.unlogged(blocks_max, entries_max)?;
        let (mut blocks, mut entries) = (&unlogged.blocks[..], &unlogged.entries[..]);
        while !blocks.is_empty() || !entries.is_empty() {
            let (these, later) = blocks.split_at(blocks.len().min(CommitEntry::BLOCK_COUNT_MAX));
            let (those, others) = entries.split_at(entries.len().min(CommitEntry::ENTRY_COUNT_MAX));
            (blocks, entries) = (later, others);
            let entry = CommitEntry {
                at: now,
                blocks: these.iter().map(|(_, hash)| *hash).collect(),
                entries: those.iter().map(|(_, entry)| *entry).collect(),
            };
            let bytes = entry.canonical_bytes();
            let appended = frontier.append(&bytes)?;
            commit.hashes.extend(appended.hashes);
            commit.leaves.push(LeafRow {
                leaf: appended.index,
                bytes,
                blocks: these.iter().map(|(row, _)| *row).collect(),
                entries: those.iter().map(|(row, _)| *row).collect(),
            });
        }
        commit.changes = self.receiver.take_changes();
        let changed = commit.changes.counters.iter();
        let changed = changed.map(|counters| counters.gun.clone()).collect();
        let nothing = commit.leaves.is_empty()
            && commit.changes.streams.is_empty()
            && commit.changes.counters.is_empty();
        if !nothing {
            if !commit.leaves.is_empty() {
                commit.checkpoint = Some(self.checkpoint_of(&frontier)?);
            }
            self.store.log(&commit)?;
            stored.rest.news.is_written = true;
            stored.rest.news.checkpoint = commit.checkpoint;
            self.frontier = frontier;
            self.reconsider(now, changed);
        }
        stored.rest.patients = self.tell_lists(std::mem::take(&mut stored.rest.lists), now)?;
        Ok(Logged { rest: stored.rest })
    }

    fn checkpoint_of(&self, frontier: &Frontier) -> Result<String, IngestError> {
        let origin = &self.options.log_origin;
        let checkpoint = Checkpoint::new(origin, frontier.size(), frontier.root())?;
        Ok(checkpoint.sign(&self.options.log_key))
    }

    /// Last step: says what may be published, and acknowledged after that.
    pub fn finish(&self, logged: Logged) -> Committed {
        let mut news = logged.rest.news;
        news.leaf_count = self.frontier.size();
        news.inquiry_count = self.inquiries.open_count() as u64;
        for (gun, missing) in &mut news.declared_missing {
            *missing = self
                .receiver
                .all_counters()
                .filter(|(serial, _, _)| *serial == gun)
                .map(|(_, _, counters)| counters.declared_missing_count())
                .sum();
        }
        let touched = logged.rest.touched.into_iter();
        let watermarks = touched.filter_map(|(clinic, key)| self.watermark(clinic, key));
        Committed {
            watermarks: watermarks.collect(),
            gun_alerts: self.gun_alerts(&logged.rest.alerted),
            patients: logged.rest.patients,
            news,
        }
    }

    /// What is held and what is missing.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The store, for those who take the ingest apart again.
    pub fn into_store(self) -> S {
        self.store
    }
}

/// An entry for the ledger.
pub(super) fn entry(kind: LedgerEntryKind, bytes: Vec<u8>) -> meso_store::NewEntry {
    meso_store::NewEntry {
        kind,
        digest: Sha256::digest(&bytes).into(),
        bytes,
    }
}

/// How many shots a block holds.
pub(super) fn shot_count(block: &RecordBlock) -> u64 {
    block.judgements().len() as u64
}
