//! The thread that owns the file.

use std::fs::File;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meso_delivery::{Range, Watermark};
use meso_domain::{RecordBlock, Stream};
use meso_units::{BlockNumber, Epoch, JournalIncarnation, Timestamp};
use rusqlite::{Connection, Savepoint};

use crate::error::During;
use crate::retention::{self, Retention};
use crate::{
    Batch, Committed, ForgottenShots, Found, Identity, JournalError, SealedBlock, append, blocks,
    forgotten, wanted,
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
#[derive(Debug)]
pub struct Journal {
    requests: SyncSender<Request>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    pub(crate) fn start(
        connection: Connection,
        lock: File,
        identity: Identity,
        incarnation: JournalIncarnation,
        retention: Retention,
    ) -> Result<Journal, JournalError> {
        let (requests, receiver) = sync_channel(REQUESTS_WAITING_MAX);
        let writer = Writer {
            connection,
            identity,
            incarnation,
            retention,
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
        if let Err(refused) = self.requests.send(request) {
            refused.0.refuse(&JournalError::Closed);
        }
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
    identity: Identity,
    incarnation: JournalIncarnation,
    retention: Retention,
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
    /// commit fails, all have failed.
    fn commit(&mut self, group: Vec<Request>) {
        let mut transaction = match self.connection.transaction().during("begin to write") {
            Ok(transaction) => transaction,
            Err(error) => {
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
                Ok(savepoint) => perform(request, savepoint, &self.identity, self.incarnation),
                Err(error) => {
                    request.refuse(&error);
                    None
                }
            };
            let Some((answer, failure)) = done else {
                continue;
            };
            answers.push(answer);
            // Some failures, a full disk among them, undo the whole transaction: what came after
            // would be written on its own, and its answer would be wrong.
            broken = failure.filter(|_| transaction.is_autocommit());
        }
        let committed = match broken {
            Some(error) => Err(error),
            None => transaction.commit().during("commit"),
        };
        for answer in answers {
            answer(committed.clone());
        }
    }

    fn prune(&mut self) -> Result<(), JournalError> {
        let transaction = self.connection.transaction().during("begin to write")?;
        let pruned = retention::prune(&transaction, &self.retention, now())?;
        transaction.commit().during("commit")?;
        match (pruned.block_count, pruned.is_early) {
            (0, _) => {}
            (count, false) => tracing::debug!(count, "settled blocks were forgotten"),
            (count, true) => tracing::warn!(
                count,
                limit_bytes = self.retention.bytes_ceiling,
                "settled blocks were forgotten before their least age: a store that is put back from a \
                 backup may lack them"
            ),
        }
        Ok(())
    }
}

fn perform(
    request: Request,
    savepoint: Savepoint<'_>,
    identity: &Identity,
    incarnation: JournalIncarnation,
) -> Option<(Answer, Option<JournalError>)> {
    Some(match request {
        Request::Append(batch, done) => finish(savepoint, done, |connection| {
            append::append(connection, &batch)
        }),
        Request::Seal {
            stream,
            last_sequence,
            sealed_at,
            done,
        } => finish(savepoint, done, |connection| {
            blocks::seal(
                connection,
                identity,
                incarnation,
                &stream,
                last_sequence,
                sealed_at,
            )
        }),
        Request::Load {
            stream,
            number,
            done,
        } => finish(savepoint, done, |connection| {
            blocks::load(connection, &stream, number)
        }),
        Request::Forgotten {
            stream,
            number,
            done,
        } => finish(savepoint, done, |connection| {
            forgotten::shots(connection, &stream, number)
        }),
        Request::Find {
            stream,
            epoch,
            wanted,
            done,
        } => finish(savepoint, done, |connection| {
            wanted::find(connection, &stream, epoch, &wanted)
        }),
        Request::Settle(stream, watermark, done) => finish(savepoint, done, |connection| {
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
    done: Done<T>,
    work: impl FnOnce(&Connection) -> Result<T, JournalError>,
) -> (Answer, Option<JournalError>) {
    let result = work(&savepoint).and_then(|value| {
        savepoint.commit().during("write")?;
        Ok(value)
    });
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
