//! What comes from the broker.

use meso_bus::{ConnectionState, ConsumerEvent, Delivery, Message};
use meso_contract::topics::{self, Topic};
use meso_contract::{NumberRange, PatientsMessage, PayloadError, WantedMessage, WatermarkMessage};
use meso_delivery::{Range, SenderEvent, SettledBlock, Watermark};
use meso_domain::Stream;
use meso_journal::Journal;
use meso_ledger::{LedgerError, VerifierKey};
use meso_units::GunSerial;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::disk::Ears;
use super::links::LINKS_WAIT;
use super::{Daemon, jitter};
use crate::DriverError;
use crate::engine::{Engine, WantedAnswer};
use crate::outbox::Job;
use crate::replacing::replaced_by;

impl Daemon {
    pub(super) async fn handle_bus(&mut self, event: ConsumerEvent) -> Result<(), DriverError> {
        match event {
            // What the broker holds of this room's links begins to come now.
            ConsumerEvent::Ready { .. } => self.links_from = Some(Instant::now() + LINKS_WAIT),
            ConsumerEvent::Down { reason } => {
                self.links_from = None;
                tracing::debug!(reason, "no news from the broker");
            }
            ConsumerEvent::Message(delivery) => {
                let ticket = delivery.ticket;
                self.handle_delivery(delivery).await?;
                self.consumer.acknowledge(ticket);
            }
        }
        Ok(())
    }

    async fn handle_delivery(&mut self, delivery: Delivery) -> Result<(), DriverError> {
        match Topic::parse(&delivery.topic) {
            Ok(Topic::Watermark { stream, .. }) => {
                self.handle_watermark(stream, &delivery.topic, &delivery.payload);
                Ok(())
            }
            Ok(Topic::Wanted { serial, .. }) => self.handle_wanted(serial, &delivery.payload).await,
            Ok(Topic::Successor { .. }) => self.handle_successor(&delivery.payload),
            Ok(Topic::Library { .. }) => self.handle_library(delivery.payload).await,
            Ok(Topic::Links { driver, page, .. }) => {
                self.handle_links(&driver, page, &delivery.payload).await
            }
            Ok(Topic::Patients { list, .. }) => {
                self.handle_patients(list, &delivery.topic, delivery.payload)
                    .await
            }
            _ => {
                tracing::warn!(topic = delivery.topic, "a message of no use was ignored");
                Ok(())
            }
        }
    }

    fn handle_watermark(&mut self, stream: Stream, topic: &str, payload: &[u8]) {
        let message = match WatermarkMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%stream, %error, "a watermark was not understood");
                return;
            }
        };
        let key = self.settings.ingest_key();
        let signature = message.signature.as_deref();
        let checked = key.map(|key| check_signature(signature, &message.signed_text(topic), key));
        if let Some(Err(error)) = checked {
            tracing::error!(%stream, %error, "ALARM: a watermark that the ingest has not signed changes nothing");
            self.engine.watermark_refused();
            return;
        }
        match watermark_of(&message) {
            Ok((incarnation, watermark)) if incarnation == self.engine.incarnation() => {
                let event = SenderEvent::Settled { stream, watermark };
                let effects = self.engine.delivery(self.clocks.now(), jitter(), event);
                self.apply(effects);
            }
            // Of a journal that this driver had before.
            Ok(_) => {}
            Err(error) => tracing::warn!(%stream, %error, "a watermark was not understood"),
        }
    }

    /// The ingest lacks shots of a gun: what is here goes out again, and it hears what is not.
    async fn handle_wanted(
        &mut self,
        serial: GunSerial,
        payload: &[u8],
    ) -> Result<(), DriverError> {
        let read = WantedMessage::decode(payload)
            .and_then(|message| Ok((message.journal_incarnation()?, message.epoch()?, message)));
        let (incarnation, epoch, message) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(gun = %serial, %error, "a question was not understood");
                return Ok(());
            }
        };
        if incarnation != self.engine.incarnation() {
            return Ok(());
        }
        // What the guns have said so far belongs into the answer.
        self.handle_guns_so_far().await?;
        let wanted: Vec<Range> = message.wanted.iter().map(range_of).collect();
        let ask = |journal: &Journal| {
            let (done, answer) = oneshot::channel();
            let stream = Stream::Gun(serial.clone());
            journal.find(stream, epoch, wanted.clone(), |found| {
                // The daemon may have left.
                let _ = done.send(found);
            });
            answer
        };
        let found = self
            .answered(ask(&self.journal), ask, Ears::ToStops)
            .await?;
        let now = self.clocks.now();
        let WantedAnswer {
            work,
            resend,
            answer,
        } = self
            .engine
            .take_wanted(now, &serial, epoch, &wanted, &found);
        self.write(work).await?;
        let effects = self.engine.delivery(self.clocks.now(), jitter(), resend);
        self.apply(effects);
        let config = self.settings.config();
        let topic = topics::held(&config.clinic_id, &config.driver_id, &serial);
        // Every field of it has a JSON form. Where there is no room for it, the ingest asks again.
        let message = Message::new(topic, answer.encode().unwrap_or_default());
        if self.outbox.try_send(Job::Message(message)).is_err() {
            tracing::debug!(gun = %serial, "an answer waits for the next question");
        }
        Ok(())
    }

    /// Stops where another computer has taken this one's place.
    fn handle_successor(&self, payload: &[u8]) -> Result<(), DriverError> {
        match replaced_by(payload, self.engine.incarnation()) {
            Ok(Some(by)) => Err(DriverError::Replaced { by }),
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "a successor's message was not understood");
                Ok(())
            }
        }
    }

    async fn handle_library(&mut self, payload: Vec<u8>) -> Result<(), DriverError> {
        match self.engine.check_release(&payload, self.settings.signers()) {
            Ok(checked) if self.engine.has_in_force(&checked) => Ok(()),
            Ok(checked) => {
                self.write(Engine::release_work(payload)).await?;
                self.engine.set_library(checked);
                Ok(())
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "a protocol library was refused");
                Ok(())
            }
        }
    }

    /// The server says what was done to patients, here and in other rooms.
    async fn handle_patients(
        &mut self,
        list: u8,
        topic: &str,
        payload: Vec<u8>,
    ) -> Result<(), DriverError> {
        let message = match PatientsMessage::decode(&payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(list, %error, "a list of patients was not understood");
                return Ok(());
            }
        };
        let signature = message.signature.as_deref();
        let key = self.settings.ingest_key();
        let checked = key.map(|key| check_signature(signature, &message.signed_text(topic), key));
        if let Some(Err(error)) = checked {
            tracing::error!(list, %error, "ALARM: a list of patients that the ingest has not signed changes nothing");
            return Ok(());
        }
        match self.engine.take_patients(list, &message, payload) {
            Ok(work) => self.write(work).await?,
            Err(error) => {
                tracing::warn!(list, %error, "a list of patients was not understood");
                return Ok(());
            }
        }
        self.say_courses().await
    }

    /// Says of open sessions what is known anew of their patients' courses.
    pub(super) async fn say_courses(&mut self) -> Result<(), DriverError> {
        if let Some((work, events)) = self.engine.take_courses(self.clocks.now()) {
            self.write(work).await?;
            self.apply_events(&events).await?;
        }
        Ok(())
    }

    pub(super) fn handle_connection(&mut self) {
        let state = self.connection.borrow_and_update().clone();
        let event = match state {
            ConnectionState::Up { epoch } => {
                tracing::info!(epoch, "connected to the broker");
                self.is_connected = true;
                self.is_successor_due = true;
                self.engine.all_statuses_due();
                self.engine.all_links_due();
                SenderEvent::Connected
            }
            ConnectionState::Down { reason } => {
                // Each further attempt that fails comes here, too, and is no news.
                if std::mem::replace(&mut self.is_connected, false) {
                    tracing::warn!(reason, "the broker is gone: shots wait in the journal");
                }
                SenderEvent::Disconnected
            }
        };
        let effects = self.engine.delivery(self.clocks.now(), jitter(), event);
        self.apply(effects);
        self.publish_statuses();
    }
}

/// Whether the ingest has signed a text, such as that of a watermark under its topic.
fn check_signature(
    signature: Option<&str>,
    signed_text: &str,
    key: &VerifierKey,
) -> Result<(), LedgerError> {
    let note = format!("{signed_text}\n{}\n", signature.unwrap_or_default());
    key.open(&note).map(|_| ())
}

fn watermark_of(
    message: &WatermarkMessage,
) -> Result<(meso_units::JournalIncarnation, Watermark), PayloadError> {
    let ranges = message.settled_ranges.iter();
    let blocks = message.settled_hashes.iter().map(|block| {
        Ok(SettledBlock {
            number: block.number,
            hash: block.block_hash()?,
        })
    });
    Ok((
        message.journal_incarnation()?,
        Watermark {
            to: message.settled_to,
            ranges: ranges.map(range_of).collect(),
            blocks: blocks.collect::<Result<_, PayloadError>>()?,
            store: life("store_incarnation", &message.store_incarnation)?,
            ingest: life("ingest_incarnation", &message.ingest_incarnation)?,
        },
    ))
}

fn range_of(range: &NumberRange) -> Range {
    Range {
        first: range.first,
        last: range.last,
    }
}

fn life(field: &'static str, text: &str) -> Result<u64, PayloadError> {
    u64::from_str_radix(text, 16).map_err(|_| PayloadError::UnknownWord {
        field,
        value: text.chars().take(64).collect(),
    })
}

#[cfg(test)]
mod tests {
    use meso_contract::NumberedHash;
    use meso_domain::BlockHash;
    use meso_ledger::{LogKey, sign_note};
    use meso_units::JournalIncarnation;

    use super::*;

    const TOPIC: &str = "mesofleet/v1/riverside/room-1/watermark/GUN-1";

    fn is_signed(message: &WatermarkMessage, topic: &str, key: &VerifierKey) -> bool {
        let signature = message.signature.as_deref();
        check_signature(signature, &message.signed_text(topic), key).is_ok()
    }

    #[test]
    fn a_watermark_is_believed_under_its_topic_and_as_it_was_signed() {
        let key = LogKey::from_seed("example.org/log", &[7; 32]).unwrap();
        let mut message = WatermarkMessage::new(JournalIncarnation(5), 1, 2);
        message.settled_to = 7;
        message.settled_ranges = vec![NumberRange { first: 9, last: 9 }];
        message.settled_hashes = vec![NumberedHash::new(9, &BlockHash([9; 32]))];
        let check = |message: &WatermarkMessage, topic| is_signed(message, topic, &key.verifier());
        assert!(!check(&message, TOPIC), "nobody has signed it");
        let note = sign_note(&message.signed_text(TOPIC), &key).unwrap();
        message.signature = note.lines().last().map(str::to_owned);
        assert!(check(&message, TOPIC));
        assert!(!check(
            &message,
            "mesofleet/v1/riverside/room-2/watermark/GUN-1"
        ));
        let changes: [fn(&mut WatermarkMessage); 6] = [
            |message| message.settled_to += 1,
            |message| message.settled_ranges[0].last += 1,
            |message| message.settled_hashes[0].number += 1,
            |message| message.settled_hashes.clear(),
            |message| message.store_incarnation = "0000000000000009".to_owned(),
            |message| message.incarnation = "0000000000000009".to_owned(),
        ];
        for change in changes {
            let mut changed = message.clone();
            change(&mut changed);
            assert!(!check(&changed, TOPIC), "{changed:?}");
        }
        let other = LogKey::from_seed("example.org/log", &[8; 32]).unwrap();
        assert!(!is_signed(&message, TOPIC, &other.verifier()));
    }
}
