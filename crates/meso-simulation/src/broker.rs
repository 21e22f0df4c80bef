//! A broker that does all that a broker may do: it loses sessions, brings messages late, twice and
//! out of order, and drops what it has acknowledged when its queue is full.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use meso_contract::WatermarkMessage;
use meso_delivery::{Answer, Question};
use meso_domain::{RecordBlock, Stream};
use meso_units::{DriverId, JournalIncarnation};

use crate::dice::Dice;

/// How far from the front of a queue a message may be taken when order is not kept.
const REORDER_MAX: usize = 8;

/// A message for the ingest.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A record block.
    Block(Arc<RecordBlock>),
    /// A driver says that it is there.
    Birth(DriverId, JournalIncarnation),
    /// A driver says what it has of a gun.
    Held(Answer),
}

/// A message for a driver.
#[derive(Clone, Debug)]
pub(crate) enum ForDriver {
    /// How far a stream is stored.
    Watermark(Stream, WatermarkMessage),
    /// What the ingest lacks of a gun.
    Wanted(Question),
}

#[derive(Clone, Debug)]
struct Queued {
    id: u64,
    message: Message,
    is_in_flight: bool,
}

/// The broker.
#[derive(Debug)]
pub(crate) struct Broker {
    queue: VecDeque<Queued>,
    /// At this many it drops what it has acknowledged.
    pub(crate) queue_max: usize,
    next_id: u64,
    births: BTreeMap<DriverId, JournalIncarnation>,
    watermarks: BTreeMap<(DriverId, Stream), WatermarkMessage>,
    /// What drivers have subscribed to and not taken yet.
    for_drivers: BTreeMap<DriverId, VecDeque<ForDriver>>,
    pub(crate) dropped_count: u64,
}

impl Broker {
    pub(crate) fn new(queue_max: usize) -> Broker {
        Broker {
            queue: VecDeque::new(),
            queue_max,
            next_id: 0,
            births: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            for_drivers: BTreeMap::new(),
            dropped_count: 0,
        }
    }

    /// Takes a message of a driver, acknowledges it, and may drop it all the same.
    pub(crate) fn publish(&mut self, message: Message) {
        if let Message::Birth(driver, incarnation) = &message {
            self.births.insert(driver.clone(), *incarnation);
        }
        if self.queue.len() >= self.queue_max {
            self.dropped_count += 1;
            return;
        }
        self.next_id += 1;
        self.queue.push_back(Queued {
            id: self.next_id,
            message,
            is_in_flight: false,
        });
    }

    /// The next messages for the ingest, each to be acknowledged by its number.
    pub(crate) fn take(
        &mut self,
        count_max: usize,
        keeps_order: bool,
        dice: &mut Dice,
    ) -> Vec<(u64, Message)> {
        let mut taken = Vec::new();
        while taken.len() < count_max {
            let waiting = self
                .queue
                .iter()
                .filter(|queued| !queued.is_in_flight)
                .count();
            if waiting == 0 {
                break;
            }
            let place = match keeps_order {
                true => 0,
                false => dice.index(waiting.min(REORDER_MAX)),
            };
            let mut waiting = self.queue.iter_mut().filter(|queued| !queued.is_in_flight);
            let Some(queued) = waiting.nth(place) else {
                break;
            };
            queued.is_in_flight = true;
            taken.push((queued.id, queued.message.clone()));
        }
        taken
    }

    /// The ingest has said that it needs this message no more.
    pub(crate) fn acknowledge(&mut self, id: u64) {
        self.queue.retain(|queued| queued.id != id);
    }

    /// The ingest connects: what it has not acknowledged comes again, and every birth.
    pub(crate) fn ingest_connects(&mut self) {
        for queued in &mut self.queue {
            queued.is_in_flight = false;
        }
        for (driver, incarnation) in self.births.clone() {
            self.publish(Message::Birth(driver, incarnation));
        }
    }

    /// Brings some messages a second time.
    pub(crate) fn repeat(&mut self, dice: &mut Dice) {
        let place = dice.index(self.queue.len());
        if let Some(queued) = self.queue.get(place).cloned() {
            self.next_id += 1;
            self.queue.push_back(Queued {
                id: self.next_id,
                is_in_flight: false,
                ..queued
            });
        }
    }

    /// Forgets the sessions, as a restart without persistence does; retained messages too if asked.
    pub(crate) fn forget(&mut self, retained_too: bool) {
        self.queue.clear();
        for queue in self.for_drivers.values_mut() {
            queue.clear();
        }
        if retained_too {
            self.births.clear();
            self.watermarks.clear();
        }
    }

    /// Keeps a watermark and hands it to its driver.
    pub(crate) fn publish_watermark(
        &mut self,
        driver: DriverId,
        stream: Stream,
        message: WatermarkMessage,
    ) {
        let queue = self.for_drivers.entry(driver.clone()).or_default();
        if queue.len() < self.queue_max {
            queue.push_back(ForDriver::Watermark(stream.clone(), message.clone()));
        }
        self.watermarks.insert((driver, stream), message);
    }

    /// Hands a question to its driver; nothing is retained.
    pub(crate) fn publish_question(&mut self, question: Question) {
        let driver = question.holder.driver.clone();
        let queue = self.for_drivers.entry(driver).or_default();
        if queue.len() < self.queue_max {
            queue.push_back(ForDriver::Wanted(question));
        }
    }

    /// A driver subscribes: it gets what is retained for it.
    pub(crate) fn driver_connects(&mut self, driver: &DriverId) {
        let retained = self.watermarks.iter().filter(|((of, _), _)| of == driver);
        let retained: Vec<_> = retained
            .map(|((_, stream), message)| ForDriver::Watermark(stream.clone(), message.clone()))
            .collect();
        self.for_drivers
            .entry(driver.clone())
            .or_default()
            .extend(retained);
    }

    /// The next message for a driver.
    pub(crate) fn take_for(&mut self, driver: &DriverId) -> Option<ForDriver> {
        self.for_drivers.get_mut(driver)?.pop_front()
    }

    pub(crate) fn has_message_for(&self, driver: &DriverId) -> bool {
        self.for_drivers
            .get(driver)
            .is_some_and(|queue| !queue.is_empty())
    }

    pub(crate) fn waiting_count(&self) -> usize {
        self.queue.len()
    }
}
