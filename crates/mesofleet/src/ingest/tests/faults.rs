//! Every write fails once, in both ways: lost, and persisted but reported as failed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use meso_domain::{BlockHash, BlockPlace, EarlierSession, SessionEvent, Shot, ShotIdentity};
use meso_store::{
    ClaimRow, Commit, InQuarantine, LogCommit, QuarantineRoom, SealParts, SealedSession,
    ShotCursor, StoreError, StoredShot, Unlogged,
};
use meso_units::{ClinicId, Epoch, GunSerial, PatientCommitment, SessionId};

use super::*;

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Lost,
    PersistedButReportedFailed,
}

/// A store of which one write fails.
pub(in crate::ingest) struct FailingStore {
    inner: Writer,
    /// Counts down to the write that fails; nothing fails after it has passed zero.
    writes_left: Arc<AtomicU64>,
    fault: Fault,
    /// Whether reading back fails, too.
    is_unreadable: Arc<AtomicBool>,
    /// Whether its disk is full as far as is seen without a commit.
    is_full: Arc<AtomicBool>,
    /// What bringing some of what is stored to where it is to stay says.
    settle_some: Box<dyn Fn() -> bool + Send>,
}

impl FailingStore {
    fn write(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let is_faulty = self.writes_left.load(Ordering::Relaxed) == 1;
        let left = self.writes_left.load(Ordering::Relaxed);
        self.writes_left
            .store(left.saturating_sub(1), Ordering::Relaxed);
        if is_faulty && self.fault == Fault::Lost {
            return Err(failure());
        }
        write(&mut self.inner)?;
        match is_faulty {
            true => Err(failure()),
            false => Ok(()),
        }
    }
}

fn failure() -> StoreError {
    StoreError::Damaged {
        what: "a write of this test",
        detail: "asked to fail".to_owned(),
    }
}

impl ShotStore for FailingStore {
    fn recall(&self) -> Result<Recalled, StoreError> {
        if self.is_unreadable.load(Ordering::Relaxed) {
            return Err(failure());
        }
        self.inner.recall()
    }
    fn block_hash(&self, place: &BlockPlace) -> Result<Option<BlockHash>, StoreError> {
        self.inner.block_hash(place)
    }
    fn in_quarantine(&self, digest: &[u8; 32]) -> Result<Option<InQuarantine>, StoreError> {
        self.inner.in_quarantine(digest)
    }
    fn quarantine_room(&self) -> Result<QuarantineRoom, StoreError> {
        self.inner.quarantine_room()
    }
    fn shot(&self, identity: &ShotIdentity) -> Result<Option<Shot>, StoreError> {
        self.inner.shot(identity)
    }
    fn session_shots(
        &self,
        session: SessionId,
        after: Option<ShotCursor>,
        limit: u32,
    ) -> Result<Vec<StoredShot>, StoreError> {
        self.inner.session_shots(session, after, limit)
    }
    fn session_events(&self, session: SessionId) -> Result<Vec<SessionEvent>, StoreError> {
        self.inner.session_events(session)
    }
    fn claims_of(&self, gun: &GunSerial, epoch: Epoch) -> Result<Vec<ClaimRow>, StoreError> {
        self.inner.claims_of(gun, epoch)
    }
    fn treated_in(
        &self,
        clinic: &ClinicId,
        list: u8,
    ) -> Result<Vec<(PatientCommitment, EarlierSession)>, StoreError> {
        self.inner.treated_in(clinic, list)
    }
    fn treated_of(
        &self,
        clinic: &ClinicId,
        patient: &PatientCommitment,
    ) -> Result<Vec<EarlierSession>, StoreError> {
        self.inner.treated_of(clinic, patient)
    }
    fn seal_parts(&self, session: SessionId) -> Result<SealParts, StoreError> {
        self.inner.seal_parts(session)
    }
    fn unlogged(&self, blocks_max: usize, entries_max: usize) -> Result<Unlogged, StoreError> {
        ShotStore::unlogged(&self.inner, blocks_max, entries_max)
    }
    fn may_take_writes(&self) -> bool {
        !self.is_full.load(Ordering::Relaxed)
    }
    fn settle_some(&self) -> Result<bool, StoreError> {
        Ok((self.settle_some)())
    }
    fn settle(&self) -> Result<(), StoreError> {
        while (self.settle_some)() {}
        Ok(())
    }
    fn store(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.write(|inner| inner.store(commit))
    }
    fn seal(&mut self, sealed: &[SealedSession]) -> Result<(), StoreError> {
        self.write(|inner| inner.seal(sealed))
    }
    fn log(&mut self, commit: &LogCommit) -> Result<(), StoreError> {
        self.write(|inner| inner.log(commit))
    }
}

fn failing(folder: &std::path::Path, writes_left: &Arc<AtomicU64>, fault: Fault) -> FailingStore {
    let store = Store::open(&folder.join("fleet.sqlite"), 1).unwrap();
    FailingStore {
        inner: store.writer,
        writes_left: Arc::clone(writes_left),
        fault,
        is_unreadable: Arc::default(),
        is_full: Arc::default(),
        settle_some: Box::new(|| false),
    }
}

/// A store whose first write is lost, and that cannot be read back while the flag is set.
pub(in crate::ingest) fn unreadable(
    folder: &std::path::Path,
    is_unreadable: &Arc<AtomicBool>,
) -> FailingStore {
    let mut store = failing(folder, &Arc::new(AtomicU64::new(1)), Fault::Lost);
    store.is_unreadable = Arc::clone(is_unreadable);
    store
}

/// A store whose first write is lost, and whose disk is seen to be full while the flag is set.
pub(in crate::ingest) fn full(folder: &std::path::Path, is_full: &Arc<AtomicBool>) -> FailingStore {
    let mut store = failing(folder, &Arc::new(AtomicU64::new(1)), Fault::Lost);
    store.is_full = Arc::clone(is_full);
    store
}

/// A store that says this of what is on its way to where it is to stay.
pub(in crate::ingest) fn settling(
    folder: &std::path::Path,
    settle_some: impl Fn() -> bool + Send + 'static,
) -> FailingStore {
    let mut store = failing(folder, &Arc::default(), Fault::Lost);
    store.settle_some = Box::new(settle_some);
    store
}

#[test]
fn a_write_that_fails_in_either_way_changes_nothing_in_the_end() {
    let expected = undisturbed();
    for fault in [Fault::Lost, Fault::PersistedButReportedFailed] {
        for faulty_write in 1.. {
            let mut bench = Bench::new();
            bench.ingest = None;
            let writes_left = Arc::new(AtomicU64::new(faulty_write));
            let store = failing(bench.folder.path(), &writes_left, fault);
            let (mut ingest, _) = Ingest::open(store, options(), now()).unwrap();
            let mut failed = false;
            for block in sample_treatment() {
                let block = std::slice::from_ref(&block);
                if ingest.commit(arrivals(block), now()).is_err() {
                    failed = true;
                    ingest.reopen(now()).unwrap();
                    // No watermark covers it, so its driver sends it again.
                    ingest.commit(arrivals(block), now()).unwrap();
                }
            }
            drop(ingest);
            bench.restart();
            bench.assert_ledger_sound();
            assert_eq!(bench.effect(), expected, "write {faulty_write} {fault:?}");
            if !failed {
                assert!(
                    faulty_write > 12,
                    "two writes for each of six blocks, and a seal"
                );
                break;
            }
        }
    }
}

/// Remembers what the worker says.
pub(in crate::ingest) struct RecordingListener(pub(in crate::ingest) Arc<Mutex<Vec<&'static str>>>);

impl Listener for RecordingListener {
    fn committed(&mut self, news: &News) {
        if news.block_count > 0 {
            self.0.lock().unwrap().push("committed");
        }
    }
    fn status(&mut self, _: Arrival) {}
    fn failed(&mut self, _: &IngestError) {
        self.0.lock().unwrap().push("failed");
    }
    fn recovered(&mut self) {
        self.0.lock().unwrap().push("recovered");
    }
}

#[test]
fn the_worker_goes_on_after_a_write_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let writes_left = Arc::new(AtomicU64::new(1));
    let store = failing(folder.path(), &writes_left, Fault::Lost);
    let ingest = Ingest::new(store, options());
    let said = Arc::new(Mutex::new(Vec::new()));
    let listener = Box::new(RecordingListener(Arc::clone(&said)));
    let started = start_worker(ingest, listener).unwrap();
    let Running { handle, worker, .. } = started.wait().unwrap();
    let blocks = sample_treatment();
    let refused = handle.import(blocks.clone());
    assert!(matches!(refused, Err(IngestError::Closed)));
    handle.import(blocks).unwrap();
    drop(handle);
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(worker.join().is_ok()));
    assert!(
        ended.recv().unwrap(),
        "the worker ends with its last handle"
    );
    assert_eq!(
        *said.lock().unwrap(),
        ["recovered", "failed", "recovered", "committed"]
    );
}
