//! The running daemon: ports, journal, broker and room around the engine.
//!
//! Everything that changes the engine happens in one task, one thing after the other: what came
//! in is written, then it takes effect, then the next thing is looked at. So there is no order of
//! events in which an acknowledgement overtakes its commit.

mod bus;
mod start;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use meso_bus::{ConnectionState, Consumer, Message};
use meso_contract::room::{RoomStepBody, StepTakenBody};
use meso_contract::topics;
use meso_delivery::{Effect, SenderEvent};
use meso_domain::Stream;
use meso_journal::{Batch, Committed, Journal, JournalError, SealedBlock};
use meso_room::{RoomRequest, StepFailure};
use meso_serial::{GunPorts, PortEvent};
use meso_units::BlockNumber;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::engine::{AfterCommit, Call, Engine, SealOrder, StepTaken, Work};
use crate::machine::{Clocks, Now, random, random_number};
use crate::outbox::Job;
use crate::{DriverError, Settings, Supervisor};

/// How long events of guns are collected for one commit, at most.
const COMMIT_WINDOW: Duration = Duration::from_millis(5);

/// The most events of one commit; more go into the next one.
const COMMIT_EVENTS_MAX: usize = 256;

/// How often states and idle sessions are looked at.
const HOUSEKEEPING: Duration = Duration::from_millis(250);

/// How long a full disk is given before the write is tried again.
const DISK_FULL_WAIT: Duration = Duration::from_secs(1);

/// How long a farewell waits for the ingest to settle what is left, before the rest is left to the
/// next start.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs the daemon until `stop` is done, and lets `supervisor` know how it is; then seals what is open, gives the ingest a moment to
/// take it, and leaves.
///
/// # Errors
///
/// [`DriverError`] when it cannot start, or when the journal breaks.
pub async fn run(
    settings: Settings,
    supervisor: Supervisor,
    stop: impl Future<Output = ()>,
) -> Result<(), DriverError> {
    let (leave, leaving) = watch::channel(false);
    // Heard beside the daemon's work, since that may be waiting for room on the disk.
    let stopped = async {
        stop.await;
        leave.send_replace(true);
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        never = stopped => match never {},
        outcome = live(&settings, supervisor, leaving) => outcome,
    }
}

async fn live(
    settings: &Settings,
    supervisor: Supervisor,
    leaving: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let mut daemon = start::start(settings, supervisor, leaving).await?;
    daemon.supervisor.ready();
    let outcome = daemon.serve().await;
    daemon.leave().await;
    outcome
}

struct Daemon {
    settings: Settings,
    supervisor: Supervisor,
    clocks: Clocks,
    engine: Engine,
    journal: Arc<Journal>,
    /// `None` once they are stopped.
    ports: Option<GunPorts>,
    guns: mpsc::Receiver<PortEvent>,
    room: mpsc::Receiver<RoomRequest>,
    room_server: tokio::task::JoinHandle<()>,
    consumer: Consumer,
    connection: watch::Receiver<ConnectionState>,
    /// As of the last change that was looked at.
    is_connected: bool,
    outbox: mpsc::Sender<Job>,
    missing: mpsc::Receiver<(Stream, BlockNumber)>,
    /// When the sender wants to be called, in monotonic ms.
    sender_wake_ms: Option<u64>,
    offline: Message,
    /// Whether it was told to stop.
    leaving: watch::Receiver<bool>,
}

impl Daemon {
    async fn serve(&mut self) -> Result<(), DriverError> {
        loop {
            self.supervisor.beat();
            let wake_at = self.next_wake();
            tokio::select! {
                () = told_to_leave(&mut self.leaving) => return Ok(()),
                Some(first) = self.guns.recv() => self.handle_guns(first).await?,
                Some(request) = self.room.recv() => self.handle_room(request).await?,
                Some(event) = self.consumer.next() => self.handle_bus(event).await?,
                Ok(()) = self.connection.changed() => self.handle_connection(),
                Some((stream, number)) = self.missing.recv() => {
                    let effects = self.engine.unavailable(self.clocks.now(), stream, number);
                    self.apply(effects);
                }
                () = sleep_until(wake_at) => self.handle_time().await?,
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let due_ms = [self.sender_wake_ms, self.engine.next_seal_ms()];
        let due = due_ms
            .into_iter()
            .flatten()
            .min()
            .map(|due_ms| Instant::from_std(self.clocks.instant_of(due_ms)));
        let housekeeping = Instant::now() + HOUSEKEEPING;
        due.map_or(housekeeping, |due| due.min(housekeeping))
    }

    /// Collects what the guns say for a few milliseconds and writes it in one go.
    async fn handle_guns(&mut self, first: PortEvent) -> Result<(), DriverError> {
        let mut events = vec![first];
        let until = Instant::now() + COMMIT_WINDOW;
        while events.len() < COMMIT_EVENTS_MAX {
            match tokio::time::timeout_at(until, self.guns.recv()).await {
                Ok(Some(event)) => events.push(event),
                Ok(None) | Err(_) => break,
            }
        }
        self.take_guns(events).await
    }

    async fn take_guns(&mut self, events: Vec<PortEvent>) -> Result<(), DriverError> {
        let mut failed = None;
        let work = self.engine.take_gun_events(self.clocks.now(), events, || {
            random_number().unwrap_or_else(|error| {
                failed = Some(error);
                1
            })
        });
        match failed {
            Some(error) => Err(error),
            None => self.write(work).await,
        }
    }

    /// Writes work down and lets it take effect.
    async fn write(&mut self, mut work: Work) -> Result<(), DriverError> {
        if work.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut work.batch);
        let leaving = &mut self.leaving;
        let committed = commit(&self.journal, &self.supervisor, batch, leaving).await?;
        let AfterCommit { calls, seals } =
            self.engine
                .after_commit(self.clocks.now(), work, &committed);
        calls.into_iter().for_each(|call| self.tell_gun(call));
        self.seal(seals).await
    }

    fn tell_gun(&self, call: Call) {
        let Some(ports) = &self.ports else { return };
        let told = match &call {
            Call::Acknowledge(gun, epoch, counter) => ports.acknowledge(gun, *epoch, *counter),
            Call::ExpectFrom(gun, epoch, next) => ports.expect_from(gun, *epoch, *next),
            Call::AssignEpoch(gun, epoch) => ports.assign_epoch(gun, *epoch).map(|_| ()),
        };
        if let Err(error) = told {
            // A gun that went away greets anew, and is told then.
            tracing::debug!(?call, %error, "a gun could not be told");
        }
    }

    async fn seal(&mut self, orders: Vec<SealOrder>) -> Result<(), DriverError> {
        for order in orders {
            let (now, leaving) = (self.clocks.now(), &mut self.leaving);
            let sealed = seal(&self.journal, &self.supervisor, &order, now, leaving).await?;
            if let Some(block) = sealed {
                let effects = self.engine.sealed(self.clocks.now(), jitter(), block);
                self.apply(effects);
            }
        }
        Ok(())
    }

    async fn handle_room(&mut self, request: RoomRequest) -> Result<(), DriverError> {
        // What the guns have said before this request belongs before it.
        let mut events = Vec::new();
        while events.len() < COMMIT_EVENTS_MAX
            && let Ok(event) = self.guns.try_recv()
        {
            events.push(event);
        }
        self.take_guns(events).await?;
        match request {
            RoomRequest::State { reply } => {
                let _ = reply.send(self.engine.room_state(self.is_connected));
            }
            RoomRequest::Step { step, reply } => {
                let answer = self.take_step(&step).await?;
                let _ = reply.send(answer);
            }
        }
        Ok(())
    }

    async fn take_step(
        &mut self,
        step: &RoomStepBody,
    ) -> Result<Result<StepTakenBody, StepFailure>, DriverError> {
        let ids = [random()?, random()?];
        let StepTaken {
            work,
            events,
            answer,
        } = match self.engine.take_step(self.clocks.now(), step, ids) {
            Ok(taken) => taken,
            Err(failure) => return Ok(Err(failure)),
        };
        self.write(work).await?;
        self.engine.apply_events(&events);
        Ok(Ok(answer))
    }

    async fn handle_time(&mut self) -> Result<(), DriverError> {
        let now = self.clocks.now();
        if self
            .sender_wake_ms
            .is_some_and(|due_ms| due_ms <= now.monotonic_ms)
        {
            let effects = self.engine.delivery(now, jitter(), SenderEvent::Tick);
            self.apply(effects);
        }
        let seals = self.engine.due_seals(now);
        self.seal(seals).await?;
        if let Some((work, events)) = self.engine.take_idle(now) {
            tracing::warn!(count = events.len(), "sessions ended by time-out");
            self.write(work).await?;
            self.engine.apply_events(&events);
        }
        self.publish_statuses();
        Ok(())
    }

    fn publish_statuses(&mut self) {
        if !self.is_connected {
            return;
        }
        let config = self.settings.config();
        for (gun, status) in self.engine.due_statuses(self.clocks.now()) {
            let topic = topics::gun(&config.clinic_id, &config.driver_id, &gun);
            let sent = match status.encode() {
                Ok(payload) => self
                    .outbox
                    .try_send(Job::Message(Message::retained(topic, payload)))
                    .is_ok(),
                Err(_) => true,
            };
            if !sent {
                self.engine.status_refused(&gun);
            }
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        self.sender_wake_ms = None;
        for effect in effects {
            match effect {
                Effect::Publish(place) => {
                    if let Err(refused) = self.outbox.try_send(Job::Block(place)) {
                        tracing::debug!(%refused, "a block waits for its time-out");
                    }
                }
                Effect::Persist(stream, watermark) => {
                    self.engine.settled(&stream, &watermark);
                    self.journal.settle(stream, watermark, |kept| {
                        if let Err(error) = kept {
                            tracing::warn!(%error, "a watermark was not kept");
                        }
                    });
                }
                Effect::WakeAt(due_ms) => self.sender_wake_ms = Some(due_ms),
            }
        }
    }

    /// Seals what is open and gives the ingest a moment to settle it.
    async fn leave(mut self) {
        self.supervisor.stopping();
        if let Err(error) = self.farewell().await {
            tracing::error!(%error, "the farewell was cut short");
        }
        let (left, has_left) = oneshot::channel();
        let offline = self.offline.clone();
        if self.outbox.send(Job::Leave(offline, left)).await.is_ok() {
            let _ = tokio::time::timeout(FAREWELL, has_left).await;
        }
        self.room_server.abort();
    }

    async fn farewell(&mut self) -> Result<(), DriverError> {
        if let Some(ports) = self.ports.take() {
            ports.stop();
        }
        let mut events = Vec::new();
        while let Some(event) = self.guns.recv().await {
            events.push(event);
        }
        self.take_guns(events).await?;
        let seals = self.engine.all_seals();
        self.seal(seals).await?;
        self.publish_statuses();
        let until = Instant::now() + FAREWELL;
        while self.is_connected && self.engine.unsettled_block_count() > 0 {
            match tokio::time::timeout_at(until, self.consumer.next()).await {
                Ok(Some(event)) => self.handle_bus(event).await?,
                Ok(None) | Err(_) => break,
            }
        }
        Ok(())
    }
}

/// A random number from 0 to 1000; any number does where the system has none.
fn jitter() -> u16 {
    random::<2>().map_or(500, |bytes| u16::from_le_bytes(bytes) % 1_001)
}

async fn told_to_leave(leaving: &mut watch::Receiver<bool>) {
    // Whoever could say so is gone: that is the same.
    let _ = leaving.wait_for(|is_leaving| *is_leaving).await;
}

/// Writes a batch; where the disk is full, again and again until the daemon is to leave, since the
/// guns still hold everything.
///
/// # Errors
///
/// [`DriverError::Journal`] where it is not the disk's size that is wrong, or nobody can wait.
async fn commit(
    journal: &Journal,
    supervisor: &Supervisor,
    batch: Batch,
    leaving: &mut watch::Receiver<bool>,
) -> Result<Committed, DriverError> {
    loop {
        let (done, answer) = oneshot::channel();
        journal.append(batch.clone(), |committed| {
            let _ = done.send(committed);
        });
        match answer.await.unwrap_or(Err(JournalError::Closed)) {
            Ok(committed) => return Ok(committed),
            Err(error) => wait_if_disk_full(supervisor, error, leaving).await?,
        }
    }
}

async fn seal(
    journal: &Journal,
    supervisor: &Supervisor,
    order: &SealOrder,
    now: Now,
    leaving: &mut watch::Receiver<bool>,
) -> Result<Option<SealedBlock>, DriverError> {
    loop {
        let (done, answer) = oneshot::channel();
        journal.seal(
            order.stream.clone(),
            order.last_sequence,
            now.utc,
            |sealed| {
                let _ = done.send(sealed);
            },
        );
        match answer.await.unwrap_or(Err(JournalError::Closed)) {
            Ok(sealed) => return Ok(sealed),
            Err(error) => wait_if_disk_full(supervisor, error, leaving).await?,
        }
    }
}

async fn wait_if_disk_full(
    supervisor: &Supervisor,
    error: JournalError,
    leaving: &mut watch::Receiver<bool>,
) -> Result<(), DriverError> {
    if !error.is_disk_full() {
        return Err(error.into());
    }
    // To wait for room is to live: a restart would find the disk just as full.
    supervisor.beat();
    supervisor.disk_is_full();
    tracing::error!("the disk is full: no shot is taken from the guns until there is room");
    tokio::select! {
        () = told_to_leave(leaving) => Err(error.into()),
        () = tokio::time::sleep(DISK_FULL_WAIT) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_full() -> JournalError {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        JournalError::Sqlite {
            operation: "commit",
            source: Arc::new(rusqlite::Error::SqliteFailure(full, None)),
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_waited_for_until_the_daemon_is_told_to_leave() {
        let (leave, mut leaving) = watch::channel(false);
        let supervisor = Supervisor::none();
        let mut waiting = std::pin::pin!(wait_if_disk_full(&supervisor, disk_full(), &mut leaving));
        let looked = tokio::time::timeout(Duration::ZERO, &mut waiting).await;
        assert!(looked.is_err(), "it waits");
        leave.send_replace(true);
        let outcome = tokio::time::timeout(DISK_FULL_WAIT / 2, waiting).await;
        assert!(outcome.unwrap().is_err(), "it gives up at once");
    }
}
