//! Starting the thread that commits, also while an InfluxDB is away.

use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use meso_store::LostBlock;
use meso_units::Timestamp;
use tokio::sync::mpsc;

use super::IngestError;
use super::pipeline::Ingest;
use super::reading::{READ_WAITING_MAX, read_all};
use super::shot_store::ShotStore;
use super::steps::Committed;
use super::worker::{
    COMMANDS_WAITING_MAX, IngestHandle, Listener, OUTGOING_WAITING_MAX, Outgoing, Worker,
};
use crate::clock::now;

/// How long a start waits for its store. What takes longer, because an InfluxDB hangs or because
/// much is read back, goes on behind a server that listens and says so.
const OPENS_WITHIN: Duration = Duration::from_secs(5);

/// How often a start looks on after it found blocks that lack shots, up to 64 of them at a time; what
/// it finds beyond them, the next try to start finds.
const LOST_GOES_MAX: usize = 256;

/// The ingest as it runs.
#[derive(Debug)]
pub struct Running {
    /// Talks to it.
    pub handle: IngestHandle,
    /// What is to go to the broker.
    pub outgoing: mpsc::Receiver<Outgoing>,
    /// The thread that commits.
    pub worker: JoinHandle<()>,
}

/// The ingest as it was started, which may not have opened its store yet.
#[derive(Debug)]
#[must_use]
pub struct Started {
    running: Running,
    opened: std_mpsc::Receiver<Result<(), IngestError>>,
}

impl Started {
    /// Waits, for some seconds at most, until the store is open or it is clear that it will be once
    /// an InfluxDB is back; until then nothing is committed and drivers keep what they have.
    ///
    /// # Errors
    ///
    /// [`IngestError`] where only a person can help; the worker has then ended.
    pub fn wait(self) -> Result<Running, IngestError> {
        match self.opened.recv_timeout(OPENS_WITHIN) {
            Ok(Err(error)) => Err(error),
            // Not yet, or a thread that is gone, which its join tells.
            Ok(Ok(())) | Err(_) => Ok(self.running),
        }
    }
}

/// Starts the threads. The worker opens the store first: what was stored and not logged before is
/// logged before anything is taken, and the watermarks of every stream go out.
///
/// # Errors
///
/// The system cannot start a thread.
pub fn start_worker<S: ShotStore + 'static>(
    ingest: Ingest<S>,
    listener: Box<dyn Listener>,
) -> std::io::Result<Started> {
    let (commands, received) = mpsc::channel(COMMANDS_WAITING_MAX);
    let (steps, read) = mpsc::channel(READ_WAITING_MAX);
    let (outgoing, taken) = mpsc::channel(OUTGOING_WAITING_MAX);
    // Without room, so that the worker knows whether anybody heard.
    let (opening, opened) = std_mpsc::sync_channel(0);
    let mut worker = Worker::new(ingest, listener, outgoing);
    let thread = std::thread::Builder::new()
        .name("ingest".to_owned())
        .spawn(move || {
            if worker.open(&opening) {
                worker.run(read);
            }
        })?;
    // It ends when every handle is dropped, or with the worker.
    std::thread::Builder::new()
        .name("ingest-read".to_owned())
        .spawn(move || read_all(received, &steps))?;
    let running = Running {
        handle: IngestHandle { commands },
        outgoing: taken,
        worker: thread,
    };
    Ok(Started { running, opened })
}

impl<S: ShotStore> Ingest<S> {
    /// Forgets what is in memory and begins again from what is durable.
    ///
    /// # Errors
    ///
    /// [`IngestError`] when the store cannot be read or written; try again later.
    pub fn reopen(&mut self, now: Timestamp) -> Result<Committed, IngestError> {
        for _ in 0..LOST_GOES_MAX {
            match self.begin(now) {
                Err(error) => match error.lost() {
                    [] => return Err(error),
                    lost => self.note_lost(lost)?,
                },
                begun => return begun,
            }
        }
        self.begin(now)
    }

    /// Notes blocks of which the store lacks shots: what it lacks is asked of the rooms, and holds up
    /// nothing else. What is known in memory is then worth nothing.
    pub(super) fn note_lost(&mut self, lost: &[LostBlock]) -> Result<(), IngestError> {
        for block in lost {
            tracing::error!(%block, "shots are gone from where they were kept; rooms are asked for them");
        }
        Ok(self.store.note_lost(lost)?)
    }
}

impl<S: ShotStore> Worker<S> {
    /// Opens the store for the first time; says whether the worker is to go on.
    fn open(&mut self, opening: &std_mpsc::SyncSender<Result<(), IngestError>>) -> bool {
        let error = match self.ingest.reopen(now()) {
            Ok(committed) => {
                self.tell_opened();
                self.announce(committed, Vec::new());
                // Whoever started may have gone on without us.
                let _ = opening.send(Ok(()));
                return true;
            }
            Err(error) => error,
        };
        if error.passes() {
            self.fail(&error);
            // As above.
            let _ = opening.send(Ok(()));
            return true;
        }
        match opening.send(Err(error)) {
            Ok(()) => false,
            // The server is up by now: it goes on, and says what is wrong.
            Err(std_mpsc::SendError(unheard)) => {
                if let Err(error) = unheard {
                    self.fail(&error);
                }
                true
            }
        }
    }
}
