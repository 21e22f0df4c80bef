//! The thread that commits.

use std::sync::mpsc as std_mpsc;
use std::time::Instant;

use meso_alerts::{AlertId, Deed};
use meso_bus::Ticket;
use meso_contract::{DriverStatusMessage, metric_names};
use meso_delivery::Question;
use meso_domain::{CommitEntry, RecordBlock};
use meso_units::JournalIncarnation;
use tokio::sync::mpsc;

use super::IngestError;
use super::arrival::Arrival;
use super::batch::Batch;
use super::gun_alerts::GunAlerts;
use super::pipeline::Ingest;
use super::reading::{Command, Order, Step};
use super::shot_store::ShotStore;
use super::standing::Standing;
use super::steps::{Committed, News, PatientsTold, Prepared, Watermark};
use super::telling::Posted;
use super::watch::Look;
use crate::clock::now;

/// Commands that wait for the worker. When it is full the bus reads no further, so messages wait
/// at the broker; at 256 KiB each they are at most 16 MiB here.
pub(super) const COMMANDS_WAITING_MAX: usize = 64;

/// Answers that wait for the bus. When they are full the worker waits with its next commit: the bus
/// never waits for the worker without taking answers meanwhile, so neither holds up the other.
pub(super) const OUTGOING_WAITING_MAX: usize = 64;

/// Blocks of one import: small enough that live shots never wait long behind it.
pub const IMPORT_BLOCKS_MAX: usize = CommitEntry::BLOCK_COUNT_MAX;

/// What goes back to the broker.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// To be published, retained.
    pub(super) watermarks: Vec<Watermark>,
    /// To be published, retained.
    pub(super) gun_alerts: Vec<GunAlerts>,
    /// To be published, retained.
    pub(super) patients: Vec<PatientsTold>,
    /// To be asked of drivers.
    pub(super) questions: Vec<Question>,
    /// To be acknowledged after that.
    pub(super) tickets: Vec<Ticket>,
}

/// Is told what happens, on the worker's thread; it must not wait for the worker.
pub trait Listener: Send + 'static {
    /// A commit is durable.
    fn committed(&mut self, news: &News);
    /// A gun's or driver's word about itself.
    fn status(&mut self, arrival: Arrival);
    /// Nothing can be made durable at the moment; drivers keep what they have.
    fn failed(&mut self, error: &IngestError);
    /// The store is open, or what could not be made durable can be, as something shows that was.
    fn recovered(&mut self);
}

/// Talks to the worker. Dropping every handle ends it.
#[derive(Clone, Debug)]
pub struct IngestHandle {
    pub(super) commands: mpsc::Sender<Command>,
}

impl IngestHandle {
    pub(super) fn commands(&self) -> &mpsc::Sender<Command> {
        &self.commands
    }

    /// Stores blocks of an archive and waits until they are durable. Blocks that are held already
    /// are counted as duplicates. It blocks: call it from a thread that may.
    ///
    /// # Errors
    ///
    /// [`IngestError::ImportTooLarge`] above [`IMPORT_BLOCKS_MAX`], or what the commit said.
    pub fn import(&self, blocks: Vec<RecordBlock>) -> Result<(), IngestError> {
        if blocks.len() > IMPORT_BLOCKS_MAX {
            return Err(IngestError::ImportTooLarge {
                count: blocks.len(),
                count_max: IMPORT_BLOCKS_MAX,
            });
        }
        self.ask(|reply| Order::Import { blocks, reply })
    }

    /// Does with an alert what a person asks for, and waits until that is durable. It blocks.
    ///
    /// # Errors
    ///
    /// [`IngestError::Alert`], or what the commit said.
    pub fn handle_alert(&self, id: AlertId, deed: Deed) -> Result<(), IngestError> {
        self.ask(|reply| Order::Deed { id, deed, reply })
    }

    pub(super) fn ask<T>(
        &self,
        order: impl FnOnce(std_mpsc::SyncSender<Result<T, IngestError>>) -> Order,
    ) -> Result<T, IngestError> {
        let (reply, answer) = std_mpsc::sync_channel(1);
        self.commands
            .blocking_send(Command::Order(order(reply)))
            .map_err(|_| IngestError::Closed)?;
        answer.recv().map_err(|_| IngestError::Closed)?
    }

    /// Lets alerts know that time passes; a full queue needs no reminder.
    pub fn tick(&self, look: Look) {
        // Full or closed: in both cases there is nothing to remind.
        let _ = self.commands.try_send(Command::Order(Order::Tick(look)));
    }

    /// Says what became of a letter.
    ///
    /// # Cancel safety
    ///
    /// Cancelling it may leave the letter under way until the next start, which sends it again.
    pub async fn posted(&self, posted: Posted) {
        // A worker that is gone sends the letter again when it comes back.
        let order = Order::Posted(posted);
        let _ = self.commands.send(Command::Order(order)).await;
    }

    /// Asks the worker to end after what was asked before.
    pub async fn stop(&self) {
        // A worker that is gone has nothing to end.
        let _ = self.commands.send(Command::Order(Order::Stop)).await;
    }
}

pub(super) struct Worker<S> {
    pub(super) ingest: Ingest<S>,
    pub(super) listener: Box<dyn Listener>,
    outgoing: mpsc::Sender<Outgoing>,
    pub(super) standing: Standing,
}

impl<S: ShotStore> Worker<S> {
    pub(super) fn new(
        ingest: Ingest<S>,
        listener: Box<dyn Listener>,
        outgoing: mpsc::Sender<Outgoing>,
    ) -> Worker<S> {
        Worker {
            ingest,
            listener,
            outgoing,
            standing: Standing::default(),
        }
    }

    /// Works until nobody can ask for anything any more, or somebody asks for an end.
    pub(super) fn run(&mut self, mut steps: mpsc::Receiver<Step>) {
        while let Some(first) = steps.blocking_recv() {
            let mut batch = Batch::default();
            batch.add(first);
            // Whatever has arrived meanwhile shares the commit; nothing is waited for.
            while batch.has_room() {
                match steps.try_recv() {
                    Ok(step) => batch.add(step),
                    Err(_) => break,
                }
            }
            let is_last = batch.is_last;
            self.work(batch);
            if is_last {
                self.settle();
                return;
            }
            // A shot that comes meanwhile must not wait for a database.
            while steps.is_empty() && self.settle_some() {}
        }
    }

    fn work(&mut self, mut batch: Batch) {
        self.mend();
        let mut arrivals = Vec::with_capacity(batch.arrivals.len());
        let mut born = Vec::new();
        for arrival in batch.arrivals.drain(..) {
            match arrival {
                Arrival::Block { .. }
                | Arrival::Refused { .. }
                | Arrival::Newer { .. }
                | Arrival::Held { .. } => arrivals.push(arrival),
                Arrival::Driver {
                    ref clinic,
                    ref driver,
                    ref status,
                } => {
                    self.ingest.hear(&arrival, now());
                    if let Some(journal) = journal_of(status) {
                        let is_online = status.online;
                        self.ingest
                            .note_driver(now(), clinic, driver, journal, is_online);
                    }
                    // After a failed commit memory may hold what no disk has: no word of it. The
                    // watermarks are said again, of every stream, as soon as commits go on.
                    if let (true, false, Some(journal)) =
                        (status.online, self.standing.is_broken, journal_of(status))
                    {
                        born.extend(self.ingest.watermarks_of(clinic, driver, journal));
                    }
                    self.listener.status(arrival);
                }
                Arrival::Gun { .. } => {
                    self.ingest.hear(&arrival, now());
                    self.listener.status(arrival);
                }
            }
        }
        self.send(born, Vec::new());
        let failed = self.take(arrivals, std::mem::take(&mut batch.tickets));
        for reply in std::mem::take(&mut batch.imports) {
            // Whoever asked may be gone.
            let _ = reply.send(match failed {
                false => Ok(()),
                true => Err(IngestError::Closed),
            });
        }
        self.obey(batch);
    }

    /// Does what people and the clock ask for, each in a commit of its own.
    fn obey(&mut self, batch: Batch) {
        for (id, deed, reply) in batch.deeds {
            let done = self.commit(|ingest| ingest.prepare_deed(id, &deed, now()));
            // Whoever asked may be gone.
            let _ = reply.send(self.conclude(done));
        }
        for (driver, reply) in batch.questions {
            let awaited = match self.standing.is_broken {
                true => Err(IngestError::Closed),
                false => self
                    .ingest
                    .awaited_from_room(&driver)
                    .map_err(IngestError::from),
            };
            // Whoever asked may be gone.
            let _ = reply.send(awaited);
        }
        for (wanted, reply) in batch.retirements {
            let done = self.commit(|ingest| ingest.prepare_retirement(&wanted, now()));
            // Whoever asked may be gone.
            let _ = reply.send(self.conclude(done));
        }
        for posted in batch.posted {
            let done = self.commit(|ingest| Ok(ingest.prepare_posted(&posted, now(), jitter())));
            // A failure has been told to the listener.
            let _ = self.conclude(done);
        }
        if let Some(look) = batch.tick
            && !self.standing.is_broken
        {
            let done = self.commit(|ingest| Ok(ingest.prepare_tick(now(), look)));
            // A failure has been told to the listener.
            let _ = self.conclude(done);
            self.ask();
        }
    }

    /// Commits what arrived and lets it be acknowledged; says whether that failed.
    fn take(&mut self, arrivals: Vec<Arrival>, tickets: Vec<Ticket>) -> bool {
        if arrivals.is_empty() {
            self.send(Vec::new(), tickets);
            return false;
        }
        match self.commit(|ingest| ingest.prepare(arrivals, now())) {
            Ok(committed) => {
                self.announce(committed, tickets);
                false
            }
            // Acknowledging loses nothing: no watermark covers these blocks, so they come again.
            Err(error) => {
                self.fail(&error);
                self.send(Vec::new(), tickets);
                true
            }
        }
    }

    /// Takes one commit through its steps.
    fn commit(
        &mut self,
        prepare: impl FnOnce(&mut Ingest<S>) -> Result<Prepared, IngestError>,
    ) -> Result<Committed, IngestError> {
        if self.standing.is_broken {
            return Err(IngestError::Closed);
        }
        let begun = Instant::now();
        let prepared = prepare(&mut self.ingest)?;
        let is_empty = prepared.is_empty();
        let stored = self.ingest.store(prepared);
        let logged = stored.and_then(|stored| self.ingest.log(stored, now()));
        if let Err(error) = &logged {
            self.standing.write_failed_at = Some(Instant::now());
            self.standing.doubts_disk = !error.passes();
        }
        let logged = logged?;
        if !is_empty {
            metrics::histogram!(metric_names::COMMIT_SECONDS).record(begun.elapsed());
        }
        Ok(self.ingest.finish(logged))
    }

    fn settle(&mut self) {
        if !self.standing.is_broken
            && let Err(error) = self.ingest.settle()
        {
            self.fail(&error);
        }
    }

    /// Says whether there is more to be settled.
    fn settle_some(&mut self) -> bool {
        if self.standing.is_broken {
            return false;
        }
        let settled = self.ingest.settle_some();
        settled.unwrap_or_else(|error| {
            self.fail(&error);
            false
        })
    }

    fn conclude(&mut self, done: Result<Committed, IngestError>) -> Result<(), IngestError> {
        match done {
            Ok(committed) => {
                self.announce(committed, Vec::new());
                Ok(())
            }
            Err(error @ (IngestError::Alert { .. } | IngestError::Retire { .. })) => Err(error),
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    /// Asks for what is missing.
    fn ask(&mut self) {
        if self.standing.is_broken {
            return;
        }
        let questions = self.ingest.questions(now(), jitter());
        if !questions.is_empty() {
            // Without a bus nobody can be asked.
            let _ = self.outgoing.blocking_send(Outgoing {
                questions,
                ..Outgoing::default()
            });
        }
    }

    pub(super) fn announce(&mut self, committed: Committed, tickets: Vec<Ticket>) {
        if committed.news.is_written {
            self.tell_recovery();
        }
        self.listener.committed(&committed.news);
        self.send_all(Outgoing {
            watermarks: committed.watermarks,
            gun_alerts: committed.gun_alerts,
            patients: committed.patients,
            questions: Vec::new(),
            tickets,
        });
    }

    fn send(&self, watermarks: Vec<Watermark>, tickets: Vec<Ticket>) {
        self.send_all(Outgoing {
            watermarks,
            tickets,
            ..Outgoing::default()
        });
    }

    fn send_all(&self, outgoing: Outgoing) {
        let is_empty = outgoing.watermarks.is_empty()
            && outgoing.gun_alerts.is_empty()
            && outgoing.patients.is_empty()
            && outgoing.tickets.is_empty();
        if !is_empty {
            // Without a bus nobody waits for any of it.
            let _ = self.outgoing.blocking_send(outgoing);
        }
    }
}

/// A number from 0 to 1000. Any does: it only keeps rounds of questions, and tries of letters,
/// apart.
fn jitter() -> u16 {
    u16::try_from(now().unix_ns().rem_euclid(1_001)).unwrap_or(0)
}

/// The journal that a driver has; `None` where its message does not say it rightly.
fn journal_of(status: &DriverStatusMessage) -> Option<JournalIncarnation> {
    let number = u64::from_str_radix(&status.incarnation, 16).ok()?;
    Some(JournalIncarnation(number))
}

/// An error with its causes, on one line; a cause that ends as the one before it says nothing new.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !said.ends_with(&last) {
            text.push_str(": ");
            text.push_str(&said);
            last = said;
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::ingest::reading::READ_WAITING_MAX;
    use crate::ingest::standing::DOUBT_MAX;
    use crate::ingest::tests::faults::{FailingStore, RecordingListener};
    use crate::ingest::tests::{arrivals, faults, options};
    use crate::samples::*;

    struct Nobody;

    impl Listener for Nobody {
        fn committed(&mut self, _: &News) {}
        fn status(&mut self, _: Arrival) {}
        fn failed(&mut self, _: &IngestError) {}
        fn recovered(&mut self) {}
    }

    fn birth() -> Arrival {
        Arrival::Driver {
            clinic: sample_clinic(),
            driver: sample_driver(),
            status: DriverStatusMessage {
                version: meso_contract::PAYLOAD_VERSION,
                online: true,
                program_version: String::new(),
                incarnation: format!("{:016x}", PaperDriver::new().incarnation.get()),
                start_id: String::new(),
                journal_problem: None,
            },
        }
    }

    fn batch(arrivals: Vec<Arrival>) -> Batch {
        let mut batch = Batch::default();
        batch.arrivals.extend(arrivals);
        batch
    }

    /// A worker on a store, and what it sends.
    fn on(
        store: FailingStore,
        listener: impl Listener,
    ) -> (Worker<FailingStore>, mpsc::Receiver<Outgoing>) {
        let (ingest, _) = Ingest::open(store, options(), now()).unwrap();
        let (outgoing, taken) = mpsc::channel(OUTGOING_WAITING_MAX);
        (Worker::new(ingest, Box::new(listener), outgoing), taken)
    }

    #[test]
    fn a_driver_born_while_nothing_can_be_stored_hears_of_no_block_that_is_not_durable() {
        let folder = tempfile::tempdir().unwrap();
        let is_unreadable = Arc::new(AtomicBool::new(false));
        let store = faults::unreadable(folder.path(), &is_unreadable);
        let (mut worker, mut taken) = on(store, Nobody);
        let blocks = sample_treatment();
        is_unreadable.store(true, Ordering::Relaxed);
        worker.work(batch(arrivals(&blocks[..1])));
        assert!(worker.standing.is_broken, "the block was not stored");
        worker.work(batch(vec![birth()]));
        assert!(taken.try_recv().is_err(), "nothing is settled");
        is_unreadable.store(false, Ordering::Relaxed);
        worker.work(batch(arrivals(&blocks[..1])));
        let told = std::iter::from_fn(|| taken.try_recv().ok()).flat_map(|out| out.watermarks);
        let settled: Vec<u64> = told.map(|said| said.message.settled_to).collect();
        assert_eq!(settled, [1]);
    }

    #[test]
    fn a_store_that_can_be_read_and_not_written_is_told_of_until_it_takes_something() {
        let folder = tempfile::tempdir().unwrap();
        let store = faults::unreadable(folder.path(), &Arc::default());
        let said = Arc::default();
        let (mut worker, _taken) = on(store, RecordingListener(Arc::clone(&said)));
        let blocks = sample_treatment();
        worker.work(batch(arrivals(&blocks[..1])));
        worker.work(batch(vec![birth()]));
        assert!(!worker.standing.is_broken, "it was read back");
        assert_eq!(*said.lock().unwrap(), ["failed"]);
        worker.work(batch(arrivals(&blocks[..1])));
        assert_eq!(*said.lock().unwrap(), ["failed", "recovered", "committed"]);
    }

    #[test]
    fn while_the_disk_is_full_rooms_hear_nothing_and_then_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let is_full = Arc::new(AtomicBool::new(true));
        let store = faults::full(folder.path(), &is_full);
        let (mut worker, mut taken) = on(store, Nobody);
        let blocks = sample_treatment();
        worker.work(batch(arrivals(&blocks[..1])));
        worker.work(batch(arrivals(&blocks[..1])));
        worker.work(batch(Vec::new()));
        assert!(worker.standing.is_broken && taken.try_recv().is_err());
        is_full.store(false, Ordering::Relaxed);
        worker.standing.tried = None;
        worker.work(batch(Vec::new()));
        assert!(!worker.standing.is_broken);
        worker.work(batch(arrivals(&blocks[..1])));
        let told = std::iter::from_fn(|| taken.try_recv().ok()).flat_map(|out| out.watermarks);
        assert_eq!(told.map(|said| said.message.settled_to).last(), Some(1));
    }

    #[test]
    fn a_failure_that_nobody_repeats_is_told_of_for_as_long_as_somebody_might() {
        let folder = tempfile::tempdir().unwrap();
        let store = faults::unreadable(folder.path(), &Arc::default());
        let said = Arc::default();
        let (mut worker, _taken) = on(store, RecordingListener(Arc::clone(&said)));
        worker.work(batch(arrivals(&sample_treatment()[..1])));
        worker.work(batch(Vec::new()));
        assert_eq!(*said.lock().unwrap(), ["failed"]);
        let failed_at = worker.standing.write_failed_at.as_mut().unwrap();
        *failed_at = failed_at.checked_sub(DOUBT_MAX).unwrap();
        worker.work(batch(Vec::new()));
        assert_eq!(*said.lock().unwrap(), ["failed", "recovered"]);
    }

    #[test]
    fn what_comes_while_points_are_on_their_way_is_taken_before_they_are_there() {
        let blocks = sample_treatment();
        let import = |index: usize| {
            let (reply, answer) = std_mpsc::sync_channel(1);
            let blocks = vec![blocks[index].clone()];
            (Step::Order(Order::Import { blocks, reply }), answer)
        };
        let (steps, received) = mpsc::channel(READ_WAITING_MAX);
        let (first, _) = import(0);
        let (later, answer) = import(1);
        steps.try_send(first).unwrap();
        let (later, is_taken) = (Cell::new(Some(later)), Arc::new(AtomicBool::new(false)));
        let was_taken = Arc::clone(&is_taken);
        let folder = tempfile::tempdir().unwrap();
        let store = faults::settling(folder.path(), move || {
            if let Some(step) = later.take() {
                steps.try_send(step).unwrap();
            } else if !was_taken.load(Ordering::Relaxed) {
                let taken = answer.try_recv();
                taken.expect("it waits for what is on its way").unwrap();
                was_taken.store(true, Ordering::Relaxed);
                steps.try_send(Step::Order(Order::Stop)).unwrap();
            } else {
                return false;
            }
            true
        });
        let (mut worker, _taken) = on(store, Nobody);
        worker.run(received);
        assert!(is_taken.load(Ordering::Relaxed));
    }
}
