//! The thread that owns the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meso_delivery::{Range, Watermark};
use meso_domain::{RecordBlock, Stream};
use meso_units::{BlockNumber, Epoch, JournalIncarnation, Timestamp};
use rusqlite::{Connection, Savepoint};

use crate::error::During;
use crate::retention::{self, Retention};
use crate::{
    Batch, Committed, ForgottenShots, Found, Identity, JournalError, SealedBlock, Unwritable,
    append, blocks, forgotten, wanted,
};

/// Requests that may wait; a further one makes its caller wait. The driver has a few at a time.
const REQUESTS_WAITING_MAX: usize = 128;

/// Requests that are committed together; the rest goes into the next commit.
const GROUP_MAX: usize = 64;

/// How long watermarks wait for a commit that is made anyway, before they get one of their own.
const SETTLE_WAIT: Duration = Duration::from_millis(250);

/// Stack of the thread: SQLite and the decoding of one block need about 60 KiB.
const STACK_BYTES: usize = 512 * 1024;

/// Takes the answer to a request. It runs on the journal's thread, so it only hands it on.
type Done<T> = Box<dyn FnOnce(Result<T, JournalError>) + Send>;

enum Request {
    Append(Batch, Done<Committed>),
    Seal {
        stream: Stream,
        last_sequence: u64,
        sealed_at: Timestamp,
        done: Done<Option<SealedBlock>>,
    },
    Load {
        stream: Stream,
        number: BlockNumber,
        done: Done<Option<RecordBlock>>,
    },
    Forgotten {
        stream: Stream,
        number: BlockNumber,
        done: Done<Vec<ForgottenShots>>,
    },
    Find {
        stream: Stream,
        epoch: Epoch,
        wanted: Vec<Range>,
        done: Done<Found>,
    },
    Settle(Stream, Watermark, Done<()>),
    Stop,
}

/// A handle on the journal's thread. Requests are done in the order of the calls; each answer
/// comes when the disk has it.
///
/// Where its disk turns read-only or fails, the journal lets go of everything in its folder, so that
/// the disk can be checked and mounted anew, and refuses all further requests with the same
/// [`JournalError::Unwritable`]. It is to be opened again then: only that tells what of the last
/// commit the disk has. A disk that is full ends nothing.
#[derive(Debug)]
pub struct Journal {
    requests: SyncSender<Request>,
    let_go: Arc<OnceLock<JournalError>>,
    thread: Option<JoinHandle<()>>,
}

/// Whose journal it is, and where.
pub(crate) struct Owner {
    pub(crate) identity: Identity,
    pub(crate) incarnation: JournalIncarnation,
    pub(crate) folder: PathBuf,
    /// What of it is forgotten, and when.
    pub(crate) retention: Retention,
}

impl Journal {
    pub(crate) fn start(
        connection: Connection,
        lock: File,
        owner: Owner,
    ) -> Result<Journal, JournalError> {
        let (requests, receiver) = sync_channel(REQUESTS_WAITING_MAX);
        let let_go = Arc::new(OnceLock::new());
        let writer = Writer {
            connection,
            owner,
            let_go: Arc::clone(&let_go),
            _lock: lock,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || writer.run(&receiver))
            .map_err(|error| JournalError::Folder {
                path: "journal".into(),
                detail: error.to_string(),
            })?;
        Ok(Journal {
            requests,
            let_go,
            thread: Some(thread),
        })
    }

    /// Writes a batch; `done` gets the answer after the disk has it, or the reason why it has
    /// nothing of it.
    pub fn append(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<Committed, JournalError>) + Send + 'static,
    ) {
        self.send(Request::Append(batch, Box::new(done)));
    }

    /// Seals every unsealed record of a stream up to `last_sequence`, at most 64, into one block.
    ///
    /// `None` where there was none: the block of an earlier request took them.
    pub fn seal(
        &self,
        stream: Stream,
        last_sequence: u64,
        sealed_at: Timestamp,
        done: impl FnOnce(Result<Option<SealedBlock>, JournalError>) + Send + 'static,
    ) {
        self.send(Request::Seal {
            stream,
            last_sequence,
            sealed_at,
            done: Box::new(done),
        });
    }

    /// Reads a block as it was sealed; `None` where it is not here (any more).
    pub fn load(
        &self,
        stream: Stream,
        number: BlockNumber,
        done: impl FnOnce(Result<Option<RecordBlock>, JournalError>) + Send + 'static,
    ) {
        self.send(Request::Load {
            stream,
            number,
            done: Box::new(done),
        });
    }

    /// Says which shots were in the forgotten blocks around this one, for when they are asked for
    /// again; none where nothing was forgotten there.
    pub fn forgotten(
        &self,
        stream: Stream,
        number: BlockNumber,
        done: impl FnOnce(Result<Vec<ForgottenShots>, JournalError>) + Send + 'static,
    ) {
        self.send(Request::Forgotten {
            stream,
            number,
            done: Box::new(done),
        });
    }

    /// Says what is here of a gun and epoch, and where the wanted counters are.
    pub fn find(
        &self,
        stream: Stream,
        epoch: Epoch,
        wanted: Vec<Range>,
        done: impl FnOnce(Result<Found, JournalError>) + Send + 'static,
    ) {
        self.send(Request::Find {
            stream,
            epoch,
            wanted,
            done: Box::new(done),
        });
    }

    /// Keeps how far the ingest has settled a stream; its blocks may be forgotten from now on, and are
    /// as [`crate::SETTLED_BYTES_MAX`] and [`crate::OpenedJournal::keep_settled_for`] say.
    pub fn settle(
        &self,
        stream: Stream,
        watermark: Watermark,
        done: impl FnOnce(Result<(), JournalError>) + Send + 'static,
    ) {
        self.send(Request::Settle(stream, watermark, Box::new(done)));
    }

    /// Does what was asked for so far, then closes the file.
    pub fn close(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.send(Request::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }

    fn send(&self, request: Request) {
        if let Some(error) = self.let_go.get() {
            return request.refuse(error);
        }
        if let Err(refused) = self.requests.send(request) {
            refused.0.refuse(&self.why_closed());
        }
    }

    /// Why a request got no answer: the journal has let go of its folder, or was closed.
    pub fn why_closed(&self) -> JournalError {
        self.let_go.get().cloned().unwrap_or(JournalError::Closed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

impl Request {
    fn refuse(self, error: &JournalError) {
        match self {
            Request::Append(_, done) => done(Err(error.clone())),
            Request::Seal { done, .. } => done(Err(error.clone())),
            Request::Load { done, .. } => done(Err(error.clone())),
            Request::Forgotten { done, .. } => done(Err(error.clone())),
            Request::Find { done, .. } => done(Err(error.clone())),
            Request::Settle(_, _, done) => done(Err(error.clone())),
            Request::Stop => {}
        }
    }
}

/// Gives an answer once the commit has succeeded, or failed.
type Answer = Box<dyn FnOnce(Result<(), JournalError>)>;

struct Writer {
    connection: Connection,
    owner: Owner,
    /// Why it has let go of the folder, once it has.
    let_go: Arc<OnceLock<JournalError>>,
    /// Held for as long as the connection, and dropped after it.
    _lock: File,
}

impl Writer {
    fn run(mut self, requests: &Receiver<Request>) {
        let mut stopping = false;
        while !stopping {
            let Ok(first) = requests.recv() else { return };
            let group = self.collect(first, requests);
            if group.is_empty() {
                continue;
            }
            stopping = group.iter().any(|request| matches!(request, Request::Stop));
            let settles = group
                .iter()
                .any(|request| matches!(request, Request::Settle(..)));
            self.commit(group);
            if let Some(error) = self.let_go.get() {
                tracing::error!(%error, "the journal lets go of its folder");
                requests
                    .try_iter()
                    .for_each(|request| request.refuse(error));
                return;
            }
            if settles && let Err(error) = self.prune() {
                tracing::warn!(%error, "the journal could not forget settled blocks");
            }
        }
    }

    /// What has been asked for by now and needs a commit. Watermarks alone are not worth one of
    /// their own: they wait a moment for a request that needs one, and the ingest says them again
    /// where they are lost. Blocks are read meanwhile, so that a backlog does not wait for the disk
    /// at each of them: what is asked for was committed before.
    fn collect(&self, first: Request, requests: &Receiver<Request>) -> Vec<Request> {
        let until = Instant::now() + SETTLE_WAIT;
        let mut group: Vec<Request> = Vec::new();
        let mut next = Ok(first);
        while let Ok(request) = next {
            let waits = |group: &[Request]| {
                let mut group = group.iter();
                group.all(|request| matches!(request, Request::Settle(..)))
            };
            match request {
                Request::Load {
                    stream,
                    number,
                    done,
                } if waits(&group) => done(blocks::load(&self.connection, &stream, number)),
                request => group.push(request),
            }
            if group.is_empty() || group.len() >= GROUP_MAX {
                break;
            }
            let patience = match waits(&group) {
                true => until.saturating_duration_since(Instant::now()),
                false => Duration::ZERO,
            };
            next = requests.recv_timeout(patience);
        }
        group
    }

    /// Does the requests of a group in one transaction. One that fails is undone alone; where the
    /// commit fails, all have failed. What the connection does not survive is noted before anybody
    /// hears of it.
    ///
    /// What an open connection would make of a disk that was repaired beneath it, or of a commit that
    /// the disk has in part, nobody knows.
    fn commit(&mut self, group: Vec<Request>) {
        let (folder, let_go) = (&self.owner.folder, &self.let_go);
        let begun = self.connection.transaction().during("begin to write");
        let mut transaction = match begun.map_err(|error| error.in_folder(folder)) {
            Ok(transaction) => transaction,
            Err(error) => {
                note_if_fatal(let_go, &error);
                group.into_iter().for_each(|request| request.refuse(&error));
                return;
            }
        };
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        let mut broken = None;
        for request in group {
            if let Some(error) = &broken {
                request.refuse(error);
                continue;
            }
            let done = match transaction.savepoint().during("begin to write") {
                Ok(savepoint) => perform(request, savepoint, &self.owner),
                Err(error) => {
                    let error = error.in_folder(folder);
                    note_if_fatal(let_go, &error);
                    request.refuse(&error);
                    None
                }
            };
            let Some((answer, failure)) = done else {
                continue;
            };
            answers.push(answer);
            if let Some(failure) = &failure {
                note_if_fatal(let_go, failure);
            }
            // Some failures, a full disk among them, undo the whole transaction: what came after
            // would be written on its own, and its answer would be wrong.
            broken = failure.filter(|_| transaction.is_autocommit());
        }
        let committed = match broken {
            Some(error) => Err(error),
            None => transaction.commit().during("commit"),
        };
        let committed = committed.map_err(|error| error.in_folder(folder));
        if let Err(error) = &committed {
            note_if_fatal(let_go, error);
        }
        for answer in answers {
            answer(committed.clone());
        }
    }

    fn prune(&mut self) -> Result<(), JournalError> {
        let transaction = self.connection.transaction().during("begin to write")?;
        let pruned = retention::prune(&transaction, &self.owner.retention, now())?;
        transaction.commit().during("commit")?;
        match (pruned.block_count, pruned.is_early) {
            (0, _) => {}
            (count, false) => tracing::debug!(count, "settled blocks were forgotten"),
            (count, true) => tracing::warn!(
                count,
                limit_bytes = self.owner.retention.bytes_ceiling,
                "settled blocks were forgotten before their least age: a store that is put back from a \
                 backup may lack them"
            ),
        }
        Ok(())
    }
}

/// Takes note of what the journal has to be opened anew after; the first counts.
fn note_if_fatal(let_go: &OnceLock<JournalError>, error: &JournalError) {
    let cause = error.unwritable();
    if cause.is_some_and(|cause| cause != Unwritable::DiskFull) {
        let _ = let_go.set(error.clone());
    }
}

fn perform(
    request: Request,
    savepoint: Savepoint<'_>,
    owner: &Owner,
) -> Option<(Answer, Option<JournalError>)> {
    let folder = &owner.folder;
    Some(match request {
        Request::Append(batch, done) => finish(savepoint, folder, done, |connection| {
            append::append(connection, &batch)
        }),
        Request::Seal {
            stream,
            last_sequence,
            sealed_at,
            done,
        } => finish(savepoint, folder, done, |connection| {
            blocks::seal(
                connection,
                &owner.identity,
                owner.incarnation,
                &stream,
                last_sequence,
                sealed_at,
            )
        }),
        Request::Load {
            stream,
            number,
            done,
        } => finish(savepoint, folder, done, |connection| {
            blocks::load(connection, &stream, number)
        }),
        Request::Forgotten {
            stream,
            number,
            done,
        } => finish(savepoint, folder, done, |connection| {
            forgotten::shots(connection, &stream, number)
        }),
        Request::Find {
            stream,
            epoch,
            wanted,
            done,
        } => finish(savepoint, folder, done, |connection| {
            wanted::find(connection, &stream, epoch, &wanted)
        }),
        Request::Settle(stream, watermark, done) => finish(savepoint, folder, done, |connection| {
            blocks::set_watermark(connection, &stream, &watermark)?;
            retention::note_settled(connection, &stream, watermark.to, now())
        }),
        Request::Stop => return None,
    })
}

/// Does one piece of work, undoes it where it failed, and gives the answer once all is committed;
/// beside it what failed.
fn finish<T: 'static>(
    savepoint: Savepoint<'_>,
    folder: &Path,
    done: Done<T>,
    work: impl FnOnce(&Connection) -> Result<T, JournalError>,
) -> (Answer, Option<JournalError>) {
    let result = work(&savepoint).and_then(|value| {
        savepoint.commit().during("write")?;
        Ok(value)
    });
    let result = result.map_err(|error| error.in_folder(folder));
    let failure = result.as_ref().err().cloned();
    (
        Box::new(move |committed| done(committed.and(result))),
        failure,
    )
}

/// The time of day, by which blocks are forgotten; a clock that shows nothing possible keeps them.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ns = since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0));
    Timestamp::from_unix_ns(ns).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
