//! Between broker and worker.

use std::collections::{BTreeMap, BTreeSet};

use meso_bus::{
    ClientOptions, ConnectionState, Consumer, ConsumerEvent, Endpoint, Message, Publisher, Ticket,
};
use meso_contract::{NumberRange, PayloadError, WantedMessage, topics};
use meso_delivery::Question;
use meso_ledger::{LogKey, sign_note};
use meso_units::Partition;
use tokio::sync::{mpsc, watch};

use super::gun_alerts::GunAlerts;
use super::reading::Command;
use super::steps::{PatientsTold, Watermark};
use super::worker::{IngestHandle, Outgoing};

/// Where to connect, and what to keep published.
#[derive(Debug)]
pub struct BusOptions {
    /// The broker.
    pub broker: Endpoint,
    /// The partitions that this ingest owns: it hears the blocks of no other. Two ingests never own
    /// the same one, so each gun has one place that names its gaps.
    pub partitions: BTreeSet<Partition>,
    /// Retained messages that are published over every new connection, such as the library.
    pub standing: Vec<Message>,
    /// The key that signs watermarks.
    pub log_key: LogKey,
    /// A random number for back-off.
    pub jitter_seed: u64,
}

/// Guns whose alerts are published, each as one retained message; those of a further one are on the
/// board only, until the next start.
const GUN_ALERTS_MAX: usize = 8_192;

/// The client id under which the broker keeps the ingest's session.
const CONSUMER_ID: &str = "mesofleet-ingest";
/// The client id of the connection that publishes.
const PUBLISHER_ID: &str = "mesofleet-ingest-out";

/// Brings messages to the worker, and watermarks and acknowledgements back, until the worker is
/// gone and its last watermarks are out.
///
/// # Cancel safety
///
/// Cancelling it loses nothing: what was not acknowledged comes again.
pub async fn run_bus(
    options: BusOptions,
    handle: IngestHandle,
    mut outgoing: mpsc::Receiver<Outgoing>,
    connected: watch::Sender<bool>,
) {
    let mut filters = vec![
        topics::held_filter(),
        topics::gun_filter(),
        topics::status_filter(),
    ];
    filters.extend(
        options
            .partitions
            .iter()
            .copied()
            .map(topics::blocks_filter),
    );
    let client =
        |id| ClientOptions::new(id, options.broker.clone()).with_jitter_seed(options.jitter_seed);
    let mut consumer = Consumer::start(client(CONSUMER_ID), filters);
    let publisher = Publisher::start(client(PUBLISHER_ID), None, None);
    let mut state = publisher.state();
    let mut standing = Standing::new(&options.standing, options.log_key);
    loop {
        tokio::select! {
            biased;
            out = outgoing.recv() => {
                let Some(out) = out else { break };
                let mut keys = standing.take(out.watermarks);
                keys.extend(standing.take_gun_alerts(out.gun_alerts));
                keys.extend(standing.take_patients(out.patients));
                standing.publish(&publisher, keys).await;
                ask(&publisher, out.questions).await;
                acknowledge(&consumer, &out.tickets);
            }
            changed = state.changed() => {
                if changed.is_err() { break }
                let is_up = matches!(*state.borrow_and_update(), ConnectionState::Up { .. });
                if is_up {
                    standing.publish_all(&publisher).await;
                }
            }
            event = next_with_room(&mut consumer, &handle) => {
                let Some((permit, event)) = event else { break };
                match event {
                    ConsumerEvent::Message(delivery) => permit.send(Command::Message {
                        topic: delivery.topic,
                        payload: delivery.payload,
                        ticket: delivery.ticket,
                    }),
                    ConsumerEvent::Ready { .. } => { connected.send_replace(true); }
                    ConsumerEvent::Down { reason } => {
                        tracing::warn!(reason, "ingest lost the broker");
                        connected.send_replace(false);
                    }
                }
            }
        }
    }
    connected.send_replace(false);
    consumer.close().await;
    publisher.close().await;
}

/// The next event, once the worker has room for it.
async fn next_with_room<'h>(
    consumer: &mut Consumer,
    handle: &'h IngestHandle,
) -> Option<(mpsc::Permit<'h, Command>, ConsumerEvent)> {
    let permit = handle.commands().reserve().await.ok()?;
    let event = consumer.next().await?;
    Some((permit, event))
}

/// Asks drivers for what is missing. What does not reach them is asked again.
async fn ask(publisher: &Publisher, questions: Vec<Question>) {
    for question in questions {
        let Question {
            holder,
            gun,
            epoch,
            wanted,
        } = question;
        let wanted = wanted.into_iter().map(|range| NumberRange {
            first: range.first,
            last: range.last,
        });
        let topic = topics::wanted(&holder.clinic, &holder.driver, &gun);
        let message = WantedMessage::new(holder.incarnation, epoch, wanted.collect());
        // Every field of it has a JSON form.
        let payload = message.encode().unwrap_or_default();
        if let Err(error) = publisher.publish(Message::new(topic, payload)).await {
            tracing::debug!(%error, "a question waits for the next round");
            return;
        }
    }
}

fn acknowledge(consumer: &Consumer, tickets: &[Ticket]) {
    for ticket in tickets {
        consumer.acknowledge(*ticket);
    }
}

/// What subscribers should have seen last: the library, what is wrong with each gun, the lists of
/// patients, and a watermark for each stream of each journal. Journals of one driver share a topic;
/// each driver takes only those of its own.
struct Standing {
    payloads: BTreeMap<(String, String), Vec<u8>>,
    gun_alerts_count: usize,
    log_key: LogKey,
}

impl Standing {
    fn new(messages: &[Message], log_key: LogKey) -> Standing {
        let payload = |message: &Message| {
            let key = (message.topic.clone(), String::new());
            (key, message.payload.clone())
        };
        Standing {
            payloads: messages.iter().map(payload).collect(),
            gun_alerts_count: 0,
            log_key,
        }
    }

    /// Signs watermarks, notes them and gives their keys.
    fn take(&mut self, watermarks: Vec<Watermark>) -> Vec<(String, String)> {
        let mut keys = Vec::with_capacity(watermarks.len());
        for mut watermark in watermarks {
            let topic = topics::watermark(&watermark.clinic, &watermark.driver, &watermark.stream);
            let text = watermark.message.signed_text(&topic);
            watermark.message.signature = self.signature(&topic, &text);
            let payload = watermark.message.encode();
            keys.extend(self.keep((topic, watermark.message.incarnation), payload));
        }
        keys
    }

    /// Notes what is wrong with guns and gives the keys.
    fn take_gun_alerts(&mut self, lists: Vec<GunAlerts>) -> Vec<(String, String)> {
        let mut keys = Vec::with_capacity(lists.len());
        for list in lists {
            let key = (topics::alerts(&list.clinic, &list.gun), String::new());
            let is_known = self.payloads.contains_key(&key);
            if !is_known && self.gun_alerts_count >= GUN_ALERTS_MAX {
                tracing::warn!(topic = key.0, limit = GUN_ALERTS_MAX, "list not published");
                continue;
            }
            let kept = self.keep(key, list.message.encode());
            self.gun_alerts_count += usize::from(!is_known && kept.is_some());
            keys.extend(kept);
        }
        keys
    }

    /// Signs lists of patients, notes them and gives their keys.
    fn take_patients(&mut self, told: Vec<PatientsTold>) -> Vec<(String, String)> {
        let mut keys = Vec::with_capacity(told.len());
        for PatientsTold {
            clinic,
            mut message,
        } in told
        {
            let topic = topics::patients(&clinic, message.list);
            message.signature = self.signature(&topic, &message.signed_text(&topic));
            let payload = message.encode();
            keys.extend(self.keep((topic, String::new()), payload));
        }
        keys
    }

    /// The signature line of a text; drivers that know the key will miss one that cannot be made.
    fn signature(&self, topic: &str, text: &str) -> Option<String> {
        match sign_note(text, &self.log_key) {
            Ok(note) => note.lines().last().map(str::to_owned),
            Err(error) => {
                tracing::error!(%error, topic, "what is said cannot be signed");
                None
            }
        }
    }

    fn keep(
        &mut self,
        key: (String, String),
        payload: Result<Vec<u8>, PayloadError>,
    ) -> Option<(String, String)> {
        match payload {
            Ok(payload) => {
                self.payloads.insert(key.clone(), payload);
                Some(key)
            }
            Err(error) => {
                tracing::error!(%error, topic = key.0, "what is said cannot be written");
                None
            }
        }
    }

    async fn publish(&self, publisher: &Publisher, keys: Vec<(String, String)>) {
        for key in keys {
            let Some(payload) = self.payloads.get(&key) else {
                continue;
            };
            let message = Message::retained(key.0, payload.clone());
            if let Err(error) = publisher.publish(message).await {
                // Everything is published again over the next connection.
                tracing::debug!(%error, "watermark waits for a connection");
                return;
            }
        }
    }

    async fn publish_all(&self, publisher: &Publisher) {
        self.publish(publisher, self.payloads.keys().cloned().collect())
            .await;
    }
}
