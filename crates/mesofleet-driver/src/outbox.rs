//! The task that hands blocks and states to the broker.

use std::sync::Arc;
use std::time::Duration;

use meso_bus::{BusError, Message, Publisher};
use meso_contract::{BlockMessage, topics};
use meso_domain::{BlockPlace, RecordBlock, Stream};
use meso_journal::{Journal, JournalError};
use meso_units::{BlockNumber, ClinicId};
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait. A further block is dropped: it stays unsettled, and its time-out brings it
/// again; a further state waits for the next change.
pub(crate) const JOBS_WAITING_MAX: usize = 64;

/// How long a broker may keep a block for an ingest that is away. The block comes again from the
/// journal, so that copies of it do not pile up at the broker meanwhile.
const BLOCK_EXPIRY: Duration = Duration::from_secs(600);

/// What is to be sent.
#[derive(Debug)]
pub(crate) enum Job {
    /// This block, read from the journal when its turn comes.
    Block(BlockPlace),
    /// This message.
    Message(Message),
    /// This last message, and then good-bye.
    Leave(Message, oneshot::Sender<()>),
}

/// Sends one job after the other.
pub(crate) struct Outbox {
    pub(crate) clinic: ClinicId,
    pub(crate) publisher: Publisher,
    pub(crate) journal: Arc<Journal>,
    /// Takes the blocks that cannot be sent.
    pub(crate) undeliverable: mpsc::Sender<Undeliverable>,
}

/// A block that cannot be sent, however often it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undeliverable {
    pub(crate) stream: Stream,
    pub(crate) number: BlockNumber,
    pub(crate) why: WhyNot,
}

/// Why a block cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhyNot {
    /// The journal has forgotten it, after an ingest had settled it.
    Forgotten,
    /// It cannot be read or no message can carry it. It stays in the journal.
    NoMessage,
}

impl Outbox {
    pub(crate) async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Block(place) => self.send_block(place).await,
                Job::Message(message) => self.send(message).await,
                Job::Leave(message, left) => {
                    self.send(message).await;
                    self.publisher.close().await;
                    let _ = left.send(());
                    return;
                }
            }
        }
    }

    async fn send_block(&self, place: BlockPlace) {
        let why = match self.load(&place).await {
            Ok(Some(block)) => match BlockMessage::encode(&block) {
                Ok(payload) => {
                    let topic = topics::blocks(&self.clinic, &place.driver, &place.stream);
                    self.send(Message::new(topic, payload).expiring(BLOCK_EXPIRY))
                        .await;
                    return;
                }
                Err(error) => {
                    tracing::error!(%place, %error, "ALARM: no message can carry the block");
                    WhyNot::NoMessage
                }
            },
            Ok(None) => {
                tracing::error!(%place, "the journal does not have the block any more");
                WhyNot::Forgotten
            }
            Err(error) if error.is_of_content() => {
                tracing::error!(%place, %error, "ALARM: the block in the journal does not decode");
                WhyNot::NoMessage
            }
            // The disk may answer the next time.
            Err(error) => {
                tracing::error!(%place, %error, "the journal cannot read the block");
                return;
            }
        };
        let BlockPlace { stream, number, .. } = place;
        let undeliverable = Undeliverable {
            stream,
            number,
            why,
        };
        // The daemon may have left.
        let _ = self.undeliverable.send(undeliverable).await;
    }

    async fn load(&self, place: &BlockPlace) -> Result<Option<RecordBlock>, JournalError> {
        let (done, answer) = oneshot::channel();
        self.journal
            .load(place.stream.clone(), place.number, |block| {
                let _ = done.send(block);
            });
        answer.await.unwrap_or(Err(JournalError::Closed))
    }

    async fn send(&self, message: Message) {
        match self.publisher.publish(message).await {
            // Whatever is unsettled goes out again over the next connection.
            Ok(()) | Err(BusError::NotConnected) => {}
            Err(error) => tracing::error!(%error, "a message cannot be sent"),
        }
    }
}
