//! The running daemon: ports, journal, broker and room around the engine.
//!
//! Everything that changes the engine happens in one task, one thing after the other: what came
//! in is written, then it takes effect, then the next thing is looked at. So there is no order of
//! events in which an acknowledgement overtakes its commit.

mod bus;
mod disk;
mod guns;
mod links;
mod room;
mod start;
mod time_service;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use meso_bus::{ConnectionState, Consumer, Message};
use meso_contract::room::LiveBody;
use meso_contract::{DriverStatusMessage, topics};
use meso_delivery::{Effect, SenderEvent};
use meso_domain::Stream;
use meso_journal::{Journal, SealedBlock, Unwritable};
use meso_room::{RoomRequest, StopRequest};
use meso_serial::{GunPorts, PortEvent};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::engine::{Engine, SealOrder, Work};
use crate::latency::Latency;
use crate::machine::{Clocks, Now, random};
use crate::outbox::{Job, Undeliverable, WhyNot};
use crate::{DriverError, Settings, Supervisor};
use disk::{Answer, DiskProblem, Ears, UnwrittenStop};
use time_service::{ClockSet, clock_set};

/// How often states and idle sessions are looked at.
const HOUSEKEEPING: Duration = Duration::from_millis(250);

/// How long a farewell waits for the ingest to settle what is left, before the rest is left to the
/// next start.
const FAREWELL: Duration = Duration::from_secs(2);

/// How soon after a new life of the journal another one may begin. In none of them is a number
/// given twice, so whoever asks for another one is wrong, or the journal was put back once more.
const ANEW_PAUSE: Duration = Duration::from_secs(60);

/// How a daemon begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// With the journal as it is.
    AsItIs,
    /// With a new life of the journal, which is an older copy of what the ingest has of it.
    Anew,
}

/// Why a daemon leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It was told to.
    Told,
    /// To begin again with a new life of its journal.
    ToBeginAnew,
    /// To begin again with what the disk has of its journal, now that it takes writes again.
    ToOpenAgain,
}

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
    let supervisor = Arc::new(supervisor);
    let mut beginning = Beginning::AsItIs;
    let mut unwritten_stops = Vec::new();
    loop {
        let beside = (Arc::clone(&supervisor), leaving.clone());
        let mut daemon = start::start(settings, beside.0, beside.1, beginning).await?;
        daemon.take_up(std::mem::take(&mut unwritten_stops));
        daemon.supervisor.ready();
        let outcome = match daemon.serve().await {
            Err(_) if daemon.is_disk_back => Ok(Ending::ToOpenAgain),
            outcome => outcome,
        };
        let is_last = matches!(outcome, Ok(Ending::Told) | Err(_));
        if is_last {
            daemon.supervisor.stopping();
        }
        unwritten_stops = daemon.leave().await;
        if is_last {
            disk::warn_of(&unwritten_stops);
        }
        beginning = match outcome? {
            Ending::Told => return Ok(()),
            Ending::ToBeginAnew => Beginning::Anew,
            Ending::ToOpenAgain => {
                supervisor.goes_on();
                Beginning::AsItIs
            }
        };
    }
}

struct Daemon {
    settings: Settings,
    supervisor: Arc<Supervisor>,
    clocks: Clocks,
    clock_set: ClockSet,
    engine: Engine,
    journal: Arc<Journal>,
    /// `None` once they are stopped.
    ports: Option<GunPorts>,
    guns: mpsc::Receiver<PortEvent>,
    /// What the guns said while the last commit was under way.
    heard: Work,
    /// The stops by hand that are in it, or in what is being written.
    unwritten_stops: Vec<UnwrittenStop>,
    room: mpsc::Receiver<RoomRequest>,
    /// The request that is looked at, until it gets its answer.
    asked: Option<RoomRequest>,
    /// Hands at STOP; heard also while something is written.
    stops: mpsc::Receiver<StopRequest>,
    /// What the room's pages show, while there are any.
    live: watch::Sender<LiveBody>,
    live_shown: Instant,
    /// When it was last looked what time has made due.
    looked_at: Instant,
    room_server: JoinHandle<()>,
    consumer: Consumer,
    connection: watch::Receiver<ConnectionState>,
    /// As of the last change that was looked at.
    is_connected: bool,
    /// From then on other rooms are told of this one's links; `None` while nothing of what the broker
    /// holds can be heard.
    links_from: Option<Instant>,
    latency: Latency,
    outbox: mpsc::Sender<Job>,
    outbox_task: JoinHandle<()>,
    undeliverable: mpsc::Receiver<Undeliverable>,
    /// When the sender wants to be called, in monotonic ms.
    sender_wake_ms: Option<u64>,
    /// The birth message: what else there is to say of the driver is said by this.
    status: DriverStatusMessage,
    offline: Message,
    /// Why the journal cannot be written, as long as it cannot.
    disk_problem: Option<DiskProblem>,
    /// What the server was told of that, over which connection.
    told_disk: Option<(u64, Unwritable)>,
    /// Whether the disk of a journal that let go of it takes writes again.
    is_disk_back: bool,
    /// What those hear whose place this journal took, over every new connection.
    successor: Option<Message>,
    is_successor_due: bool,
    /// Whether the ingest holds other blocks under numbers of this journal.
    is_older_copy: bool,
    /// Until then that is not believed.
    anew_from: Instant,
    /// Whether it was told to stop.
    leaving: watch::Receiver<bool>,
}

impl Daemon {
    async fn serve(&mut self) -> Result<Ending, DriverError> {
        while !self.is_older_copy {
            self.supervisor.beat();
            self.show_live();
            let wake_at = self.next_wake();
            tokio::select! {
                () = told_to_leave(&mut self.leaving) => return Ok(Ending::Told),
                Some(stop) = self.stops.recv() => self.handle_stop(stop),
                first = next_of_guns(&mut self.guns, &self.heard) => self.handle_guns(first).await?,
                Some(request) = self.room.recv() => self.handle_room(request).await?,
                Some(event) = self.consumer.next() => self.handle_bus(event).await?,
                Ok(()) = self.connection.changed() => self.handle_connection(),
                () = clock_set(&mut self.clock_set) => self.engine.clock_was_set(),
                Some(block) = self.undeliverable.recv() => self.give_up(block).await?,
                () = sleep_until(wake_at) => self.handle_time().await?,
            }
        }
        Ok(Ending::ToBeginAnew)
    }

    fn next_wake(&self) -> Instant {
        let due_ms = [self.sender_wake_ms, self.engine.next_seal_ms()];
        let due = due_ms.into_iter().flatten().min();
        let due = due.map(|due_ms| Instant::from_std(self.clocks.instant_of(due_ms)));
        let is_watched = self.live.receiver_count() > 0;
        let picture = is_watched.then(|| self.live_shown + room::LIVE_INTERVAL);
        let housekeeping = self.looked_at + HOUSEKEEPING;
        due.into_iter()
            .chain(picture)
            .fold(housekeeping, Instant::min)
    }

    /// Seals what was ordered. Blocks of different streams are asked for together, so that one
    /// commit takes them all: with one each, guns would wait for their acknowledgements meanwhile.
    /// Two of one stream are not: the second would swallow the first where that failed.
    async fn seal(&mut self, orders: Vec<SealOrder>) -> Result<(), DriverError> {
        let mut orders = orders.into_iter().peekable();
        while orders.peek().is_some() {
            let now = self.clocks.now();
            let mut asked: Vec<(SealOrder, Answer<Option<SealedBlock>>)> = Vec::new();
            let is_new = |asked: &[(SealOrder, _)], order: &SealOrder| {
                asked.iter().all(|(known, _)| known.stream != order.stream)
            };
            while let Some(order) = orders.next_if(|order| is_new(&asked, order)) {
                let answer = ask_to_seal(&self.journal, &order, now);
                asked.push((order, answer));
            }
            for (order, answer) in asked {
                let again = |journal: &Journal| ask_to_seal(journal, &order, now);
                let sealed = self.answered(answer, again, Ears::ToStops).await?;
                if let Some(block) = sealed {
                    let effects = self.engine.sealed(self.clocks.now(), jitter(), block);
                    self.apply(effects);
                }
            }
        }
        Ok(())
    }

    async fn handle_time(&mut self) -> Result<(), DriverError> {
        self.looked_at = Instant::now();
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
            tracing::warn!(
                count = events.len(),
                "sessions ended by time-out, or are asked about"
            );
            self.write(work).await?;
            self.apply_events(&events).await?;
        }
        self.merge_patients().await?;
        self.publish_statuses();
        self.tell_of_disk();
        self.publish_links()
    }

    /// A block cannot be sent: what is lost with it gets a name first.
    async fn give_up(&mut self, block: Undeliverable) -> Result<(), DriverError> {
        if block.why == WhyNot::Forgotten {
            let (stream, number) = (block.stream.clone(), block.number);
            let ask = |journal: &Journal| {
                let (done, answer) = oneshot::channel();
                journal.forgotten(stream.clone(), number, |shots| {
                    let _ = done.send(shots);
                });
                answer
            };
            let shots = self
                .answered(ask(&self.journal), ask, Ears::ToStops)
                .await?;
            let now = self.clocks.now();
            let work = self.engine.declare_forgotten(now, &block.stream, &shots);
            self.write(work).await?;
        }
        let effects = self.engine.undeliverable(self.clocks.now(), block);
        self.apply(effects);
        Ok(())
    }

    fn publish_statuses(&mut self) {
        if !self.is_connected {
            return;
        }
        if let Some(message) = self.successor.clone().filter(|_| self.is_successor_due) {
            self.is_successor_due = self.outbox.try_send(Job::Message(message)).is_err();
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
                Effect::BeginAnew(stream) => self.note_older_copy(&stream),
                Effect::WakeAt(due_ms) => self.sender_wake_ms = Some(due_ms),
            }
        }
    }

    fn note_older_copy(&mut self, stream: &Stream) {
        let life = self.engine.incarnation().get();
        if Instant::now() < self.anew_from {
            tracing::error!(%stream, "ALARM: the ingest holds other blocks than the journal again; looked at in a minute");
        } else if !std::mem::replace(&mut self.is_older_copy, true) {
            tracing::error!(
                %stream, journal = format!("{life:016x}"),
                "ALARM: the ingest holds other blocks under numbers of this journal: it was put back \
                 to an older copy. It begins a new life, and everything in it is sent again"
            );
        }
    }

    /// Seals what is open, gives the ingest a moment to settle it, and lets go of everything that
    /// another daemon on the same folder needs. Gives the stops that are not on the disk.
    async fn leave(mut self) -> Vec<UnwrittenStop> {
        if let Err(error) = self.farewell().await {
            tracing::error!(%error, "the farewell was cut short");
        }
        let (left, has_left) = oneshot::channel();
        let offline = self.offline.clone();
        if self.outbox.send(Job::Leave(offline, left)).await.is_ok() {
            let _ = tokio::time::timeout(FAREWELL, has_left).await;
        }
        self.consumer.close().await;
        for task in [self.outbox_task, self.room_server] {
            task.abort();
            // It was aborted, or has ended: either way it holds nothing any more.
            let _ = task.await;
        }
        self.unwritten_stops
    }

    async fn farewell(&mut self) -> Result<(), DriverError> {
        if let Some(ports) = self.ports.take() {
            ports.stop();
        }
        if self.has_let_go() {
            // What they say now they keep, since nobody acknowledges it.
            while self.guns.recv().await.is_some() {}
            return Ok(());
        }
        self.handle_guns_to_the_end().await?;
        let seals = self.engine.all_seals();
        self.seal(seals).await?;
        self.publish_statuses();
        let until = Instant::now() + FAREWELL;
        while self.is_connected && !self.is_older_copy && self.engine.unsettled_block_count() > 0 {
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

/// The next event of the guns; `None` at once where something waits to be written.
async fn next_of_guns(guns: &mut mpsc::Receiver<PortEvent>, heard: &Work) -> Option<PortEvent> {
    if !heard.is_empty() {
        return guns.try_recv().ok();
    }
    match guns.recv().await {
        Some(event) => Some(event),
        // The ports are closed: nothing comes any more.
        None => std::future::pending().await,
    }
}

async fn told_to_leave(leaving: &mut watch::Receiver<bool>) {
    // Whoever could say so is gone: that is the same.
    let _ = leaving.wait_for(|is_leaving| *is_leaving).await;
}

fn ask_to_seal(journal: &Journal, order: &SealOrder, now: Now) -> Answer<Option<SealedBlock>> {
    let (done, answer) = oneshot::channel();
    let stream = order.stream.clone();
    journal.seal(stream, order.last_sequence, now.utc, |sealed| {
        // Who asked may have gone.
        let _ = done.send(sealed);
    });
    answer
}
