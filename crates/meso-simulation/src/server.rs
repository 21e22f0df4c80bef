//! The server: its disk, and the ingest while it runs.
//!
//! The real ingest takes its steps one by one; the power can fail between any two of them.

use std::collections::{BTreeMap, VecDeque};

use meso_delivery::{Range, RangeSet, StreamKey};
use meso_domain::BlockPlace;
use meso_ledger::LogKey;
use meso_units::{BlockNumber, ClinicId, Timestamp};
use mesofleet::ingest::{
    AlertPolicy, Arrival, Committed, Ingest, IngestOptions, Logged, Prepared, Stored, TimeZones,
    Watermark, Way,
};

use crate::SimulationError;
use crate::broker::{Broker, Message};
use crate::error::ensure;
use crate::store::{StoreHandle, StoreModel, WriteFault};

/// The name of the log.
pub(crate) const LOG_ORIGIN: &str = "example.org/simulation";

/// The seed of its key.
const LOG_SEED: [u8; 32] = [7; 32];

/// The key of the log.
pub(crate) fn log_key() -> Result<LogKey, SimulationError> {
    LogKey::from_seed(LOG_ORIGIN, &LOG_SEED).map_err(SimulationError::setup)
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    clinic: ClinicId,
    pub(crate) store: StoreHandle,
    process: Option<Process>,
    backup: StoreModel,
    /// Watermarks that were said to the drivers since the store was last put back.
    said: BTreeMap<StreamKey, RangeSet>,
    pub(crate) plants: ServerPlants,
}

/// What is planted in the ingest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerPlants {
    pub(crate) watermark_before_ledger: bool,
    pub(crate) panics_when_store_fails: bool,
}

#[derive(Debug)]
struct Process {
    ingest: Ingest<StoreHandle>,
    stage: Stage,
    /// To be published, then acknowledged.
    watermarks: VecDeque<Watermark>,
    acknowledge: Vec<u64>,
    /// A commit failed, so memory and store may differ.
    is_broken: bool,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Prepared(Box<Prepared>, Vec<u64>),
    Stored(Stored, Vec<u64>),
    Logged(Logged, Vec<u64>),
}

impl Server {
    pub(crate) fn new(clinic: ClinicId, plants: ServerPlants, store: StoreModel) -> Server {
        Server {
            clinic,
            backup: store.clone(),
            store: StoreHandle::new(store),
            process: None,
            said: BTreeMap::new(),
            plants,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.process.as_ref().is_some_and(|process| {
            matches!(process.stage, Stage::Idle)
                && process.watermarks.is_empty()
                && process.acknowledge.is_empty()
                && !process.is_broken
        })
    }

    /// Starts the ingest; where the store cannot be read or written, it stays down.
    pub(crate) fn start(
        &mut self,
        now: Timestamp,
        incarnation: u64,
        broker: &mut Broker,
    ) -> Result<(), SimulationError> {
        let options = IngestOptions {
            log_key: log_key()?,
            log_origin: LOG_ORIGIN.to_owned(),
            clinics: [self.clinic.clone()].into(),
            time_zones: TimeZones::default(),
            library: None,
            alerts: AlertPolicy::default(),
            signed_before: None,
            store_incarnation: 1,
            ingest_incarnation: incarnation,
        };
        let Ok((ingest, committed)) = Ingest::open(self.store.clone(), options, now) else {
            return Ok(());
        };
        self.process = Some(Process {
            ingest,
            stage: Stage::Idle,
            watermarks: committed.watermarks.into(),
            acknowledge: Vec::new(),
            is_broken: false,
        });
        broker.ingest_connects();
        Ok(())
    }

    /// The ingest asks for what is missing.
    pub(crate) fn ask(&mut self, now: Timestamp, jitter: u16, broker: &mut Broker) {
        let Some(process) = self.process.as_mut().filter(|process| !process.is_broken) else {
            return;
        };
        for question in process.ingest.questions(now, jitter) {
            broker.publish_question(question);
        }
    }

    /// How many guns and epochs are in doubt.
    pub(crate) fn inquiry_count(&self) -> usize {
        let process = self.process.as_ref();
        process.map_or(0, |process| process.ingest.inquiries().open_count())
    }

    /// The ingest is killed.
    pub(crate) fn crash(&mut self) {
        self.process = None;
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = self.store.lock().clone();
        self.backup.fault = None;
    }

    /// What the newest backup holds.
    pub(crate) fn backup(&self) -> &StoreModel {
        &self.backup
    }

    /// The store is put back as it was at the newest backup.
    pub(crate) fn restore(&mut self) {
        self.process = None;
        *self.store.lock() = self.backup.clone();
        self.said.clear();
    }

    /// The next write fails.
    pub(crate) fn fail_next_write(&mut self, fault: WriteFault) {
        self.store.lock().fault = Some(fault);
    }

    /// Takes the ingest one effect further; says whether there was one.
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        batch: impl FnOnce(&mut Broker) -> Vec<(u64, Message)>,
        broker: &mut Broker,
    ) -> Result<bool, SimulationError> {
        let Some(mut process) = self.process.take() else {
            return Ok(false);
        };
        let outcome = self.advance_process(&mut process, now, batch, broker);
        self.process = Some(process);
        outcome
    }

    fn advance_process(
        &mut self,
        process: &mut Process,
        now: Timestamp,
        batch: impl FnOnce(&mut Broker) -> Vec<(u64, Message)>,
        broker: &mut Broker,
    ) -> Result<bool, SimulationError> {
        if let Some(watermark) = process.watermarks.pop_front() {
            self.say(watermark, broker)?;
            return Ok(true);
        }
        if !process.acknowledge.is_empty() {
            for id in process.acknowledge.drain(..) {
                broker.acknowledge(id);
            }
            return Ok(true);
        }
        if process.is_broken {
            if let Ok(committed) = process.ingest.reopen(now) {
                process.is_broken = false;
                process.watermarks = committed.watermarks.into();
            }
            return Ok(true);
        }
        match std::mem::replace(&mut process.stage, Stage::Idle) {
            Stage::Idle => {
                let messages = batch(broker);
                let is_work = !messages.is_empty();
                self.prepare(process, messages, now);
                Ok(is_work)
            }
            Stage::Prepared(prepared, ids) => {
                match process.ingest.store(*prepared) {
                    Ok(stored) => process.stage = Stage::Stored(stored, ids),
                    Err(error) if self.plants.panics_when_store_fails => panic!("{error}"),
                    Err(_) => process.fail(ids),
                }
                if self.plants.watermark_before_ledger {
                    self.say_too_early(process, broker)?;
                }
                Ok(true)
            }
            Stage::Stored(stored, ids) => {
                match process.ingest.log(stored, now) {
                    Ok(logged) => process.stage = Stage::Logged(logged, ids),
                    Err(_) => process.fail(ids),
                }
                Ok(true)
            }
            Stage::Logged(logged, ids) => {
                let Committed { watermarks, .. } = process.ingest.finish(logged);
                process.watermarks = watermarks.into();
                process.acknowledge = ids;
                Ok(true)
            }
        }
    }

    fn prepare(&self, process: &mut Process, messages: Vec<(u64, Message)>, now: Timestamp) {
        let mut arrivals = Vec::new();
        let mut ids = Vec::with_capacity(messages.len());
        for (id, message) in messages {
            ids.push(id);
            match message {
                Message::Held(answer) => arrivals.push(Arrival::Held {
                    clinic: self.clinic.clone(),
                    answer,
                }),
                Message::Block(block) => arrivals.push(Arrival::Block {
                    block: Box::new((*block).clone()),
                    way: Way::Live,
                }),
                Message::Birth(driver, incarnation) => {
                    process
                        .ingest
                        .note_driver(now, &self.clinic, &driver, incarnation, true);
                    let said = process
                        .ingest
                        .watermarks_of(&self.clinic, &driver, incarnation);
                    process.watermarks.extend(said);
                }
            }
        }
        if arrivals.is_empty() {
            process.acknowledge = ids;
            return;
        }
        match process.ingest.prepare(arrivals, now) {
            Ok(prepared) => process.stage = Stage::Prepared(Box::new(prepared), ids),
            Err(_) => process.fail(ids),
        }
    }

    /// The planted fault: what memory holds is said before the ledger has it.
    fn say_too_early(
        &mut self,
        process: &Process,
        broker: &mut Broker,
    ) -> Result<(), SimulationError> {
        let keys: Vec<StreamKey> = process.ingest.receiver().streams().cloned().collect();
        for key in keys {
            let said = process
                .ingest
                .watermarks_of(&self.clinic, &key.driver, key.incarnation);
            for watermark in said {
                self.say(watermark, broker)?;
            }
        }
        Ok(())
    }

    /// Publishes a watermark; everything that it covers must be stored and logged (INV-2).
    fn say(&mut self, watermark: Watermark, broker: &mut Broker) -> Result<(), SimulationError> {
        let message = &watermark.message;
        let incarnation = message
            .journal_incarnation()
            .map_err(SimulationError::setup)?;
        let key = StreamKey {
            driver: watermark.driver.clone(),
            incarnation,
            stream: watermark.stream.clone(),
        };
        let said = self.said.entry(key.clone()).or_default();
        let prefix = Range {
            first: 1,
            last: message.settled_to,
        };
        let ranges = message.settled_ranges.iter().map(|range| Range {
            first: range.first,
            last: range.last,
        });
        let store = self.store.lock();
        for range in std::iter::once(prefix).chain(ranges) {
            for news in said.missing_between(range.first, range.last) {
                for number in news.first..=news.last {
                    let place: BlockPlace = key.place(BlockNumber(number));
                    ensure(
                        store.is_logged(&place),
                        "INV-2: a watermark covers only blocks that are stored and logged",
                        || place.to_string(),
                    )?;
                }
                said.insert_range(news);
            }
        }
        drop(store);
        broker.publish_watermark(watermark.driver, watermark.stream, watermark.message);
        Ok(())
    }
}

impl Process {
    /// What is known in memory is worth nothing now. Acknowledging loses nothing: no watermark
    /// covers these blocks.
    fn fail(&mut self, ids: Vec<u64>) {
        self.is_broken = true;
        self.acknowledge = ids;
    }
}
