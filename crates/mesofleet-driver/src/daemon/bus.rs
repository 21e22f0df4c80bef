//! What comes from the broker.

use meso_bus::{ConnectionState, ConsumerEvent, Delivery};
use meso_contract::topics::Topic;
use meso_contract::{NumberRange, PayloadError, WatermarkMessage};
use meso_delivery::{Range, SenderEvent, Watermark};
use meso_domain::Stream;

use super::{Daemon, jitter};
use crate::DriverError;
use crate::engine::Engine;
use crate::replacing::replaced_by;

impl Daemon {
    pub(super) async fn handle_bus(&mut self, event: ConsumerEvent) -> Result<(), DriverError> {
        match event {
            ConsumerEvent::Ready { .. } => {}
            ConsumerEvent::Down { reason } => {
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
                self.handle_watermark(stream, &delivery.payload);
                Ok(())
            }
            Ok(Topic::Successor { .. }) => self.handle_successor(&delivery.payload),
            Ok(Topic::Library { .. }) => self.handle_library(delivery.payload).await,
            _ => {
                tracing::warn!(topic = delivery.topic, "a message of no use was ignored");
                Ok(())
            }
        }
    }

    fn handle_watermark(&mut self, stream: Stream, payload: &[u8]) {
        let message = match WatermarkMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%stream, %error, "a watermark was not understood");
                return;
            }
        };
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
            Ok(library) if Some(library.version()) == self.engine.library_version() => Ok(()),
            Ok(library) => {
                self.write(Engine::release_work(payload)).await?;
                self.engine.set_library(library);
                Ok(())
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "a protocol library was refused");
                Ok(())
            }
        }
    }

    pub(super) fn handle_connection(&mut self) {
        let state = self.connection.borrow_and_update().clone();
        let event = match state {
            ConnectionState::Up { epoch } => {
                tracing::info!(epoch, "connected to the broker");
                self.is_connected = true;
                self.is_successor_due = true;
                self.engine.all_statuses_due();
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

fn watermark_of(
    message: &WatermarkMessage,
) -> Result<(meso_units::JournalIncarnation, Watermark), PayloadError> {
    let ranges = message.settled_ranges.iter();
    Ok((
        message.journal_incarnation()?,
        Watermark {
            to: message.settled_to,
            ranges: ranges
                .map(|NumberRange { first, last }| Range {
                    first: *first,
                    last: *last,
                })
                .collect(),
            store: life("store_incarnation", &message.store_incarnation)?,
            ingest: life("ingest_incarnation", &message.ingest_incarnation)?,
        },
    ))
}

fn life(field: &'static str, text: &str) -> Result<u64, PayloadError> {
    u64::from_str_radix(text, 16).map_err(|_| PayloadError::UnknownWord {
        field,
        value: text.chars().take(64).collect(),
    })
}
