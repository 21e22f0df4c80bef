//! The connection that consumes.

use std::sync::{Arc, Mutex, PoisonError};

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::acknowledgements::Acknowledgements;
use crate::backoff::{Backoff, Ended};
use crate::client::CLOSE_TIMEOUT;
use crate::ending::ended_by;
use crate::{BusError, ClientOptions};

/// Deliveries that the broker may send before the first of them is acknowledged; the rest stay with
/// it. Full blocks of 80 KiB are 10 MiB here.
const RECEIVE_MAX: u16 = 128;

/// Deliveries that wait for [`Consumer::next`]. Only a broker that minds no [`RECEIVE_MAX`] can
/// fill it; then the connection is read no further.
const DELIVERIES_WAITING_MAX: usize = RECEIVE_MAX as usize;

/// How long the broker keeps the session of a consumer that is away.
const SESSION_EXPIRY_S: u32 = 24 * 3_600;

/// Requests that wait inside the client library: acknowledgements and one subscription. There
/// cannot be more acknowledgements than packet identifiers, so it never fills.
const CHANNEL_CAPACITY: usize = 65_536 + 1;

/// What a consumer sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerEvent {
    /// A new connection, and every subscription was granted over it.
    Ready {
        /// Counts connections from 1.
        epoch: u64,
        /// Whether the broker had kept the session; if not, messages of the time between are lost.
        session_present: bool,
    },
    /// A message; acknowledge it when its effect is durable.
    Message(Delivery),
    /// The connection broke; what was not acknowledged comes again over the next one.
    Down {
        /// Why.
        reason: String,
    },
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it from before the subscription.
    pub retained: bool,
    /// What [`Consumer::acknowledge`] wants.
    pub ticket: Ticket,
}

/// Which delivery of which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    epoch: u64,
    /// 0 for QoS 0, which nobody acknowledges.
    packet_id: u16,
}

/// Consumes at QoS 1 under a session that the broker keeps, acknowledging by hand and in order.
#[derive(Debug)]
pub struct Consumer {
    events: mpsc::Receiver<ConsumerEvent>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What the polling task and [`Consumer::acknowledge`] both need.
#[derive(Debug, Default)]
struct Shared {
    /// A std lock, since it is never held across an await.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    acknowledgements: Acknowledgements,
    client: Option<AsyncClient>,
    /// Something was acknowledged over the present connection.
    has_progressed: bool,
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut inner)
    }
}

impl Consumer {
    /// Starts to connect and returns at once; must be called inside a tokio runtime.
    ///
    /// `filters` are subscribed to over every connection, so retained messages come again each
    /// time.
    pub fn start(options: ClientOptions, filters: Vec<String>) -> Consumer {
        let (sender, events) = mpsc::channel(DELIVERIES_WAITING_MAX);
        let shared = Arc::new(Shared::default());
        let reader = Reader {
            options,
            filters,
            shared: Arc::clone(&shared),
            events: sender,
        };
        Consumer {
            events,
            shared,
            task: tokio::spawn(reader.run()),
        }
    }

    /// The next event; `None` only when the polling task is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: an event is either returned or still waiting.
    pub async fn next(&mut self) -> Option<ConsumerEvent> {
        self.events.recv().await
    }

    /// The next event, if one is waiting.
    pub fn try_next(&mut self) -> Option<ConsumerEvent> {
        self.events.try_recv().ok()
    }

    /// Says that the effect of a delivery is durable.
    ///
    /// It never waits. Acknowledgements leave in the order of arrival whatever the order of calls;
    /// one of an older connection is ignored, since that delivery comes again.
    pub fn acknowledge(&self, ticket: Ticket) {
        self.shared.with(|inner| {
            for packet_id in inner.acknowledgements.done(ticket.epoch, ticket.packet_id) {
                let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new(), None);
                publish.pkid = packet_id;
                inner.has_progressed = true;
                if let Some(client) = &inner.client
                    && let Err(error) = client.try_ack(&publish)
                {
                    // Only a connection that just ended refuses; the broker delivers it again.
                    tracing::debug!(%error, packet_id, "acknowledgement dropped");
                }
            }
        });
    }
}

impl Consumer {
    /// Sends the acknowledgements given so far and says good-bye; what was not acknowledged comes
    /// again to the next consumer of this client id.
    pub async fn close(mut self) {
        let client = self.shared.with(|inner| inner.client.clone());
        let Some(client) = client else { return };
        if client.try_disconnect().is_err() {
            return;
        }
        // Taking what still arrives keeps the polling task moving up to the farewell.
        let farewell = async { while self.events.recv().await.is_some() {} };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await;
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a connection ended.
enum End {
    Broken {
        reason: String,
        after: Ended,
    },
    /// Nobody listens any more.
    Unheard,
}

struct Reader {
    options: ClientOptions,
    filters: Vec<String>,
    shared: Arc<Shared>,
    events: mpsc::Sender<ConsumerEvent>,
}

impl Reader {
    async fn run(self) {
        let mut backoff = Backoff::new(self.options.jitter_seed());
        for epoch in 1_u64.. {
            let mut options = self.options.mqtt();
            options
                .set_clean_start(false)
                .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
                .set_receive_maximum(Some(RECEIVE_MAX))
                .set_manual_acks(true);
            let (client, mut event_loop) = AsyncClient::new(options, CHANNEL_CAPACITY);
            self.shared.with(|inner| {
                inner.acknowledgements.begin(epoch);
                inner.client = Some(client.clone());
                inner.has_progressed = false;
            });
            let end = self.serve(epoch, client, &mut event_loop).await;
            let has_progressed = self.shared.with(|inner| {
                inner.client = None;
                inner.has_progressed
            });
            let End::Broken { reason, after } = end else {
                return;
            };
            backoff.ended(match after {
                Ended::Useless if has_progressed => Ended::AfterProgress,
                after => after,
            });
            tracing::debug!(client = self.options.client_id(), %reason, "broker connection ended");
            let down = ConsumerEvent::Down { reason };
            if self.events.send(down).await.is_err() {
                return;
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Polls one connection to its end.
    async fn serve(&self, epoch: u64, client: AsyncClient, event_loop: &mut EventLoop) -> End {
        let mut session_present = false;
        let mut after = Ended::Useless;
        loop {
            let packet = match event_loop.poll().await {
                Ok(Event::Incoming(packet)) => packet,
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return End::Unheard,
                Ok(Event::Outgoing(_)) => continue,
                Err(error) => {
                    let (reason, after) = ended_by(&error, self.options.client_id(), after);
                    return End::Broken { reason, after };
                }
            };
            let out = match packet {
                Incoming::ConnAck(acknowledgement) => {
                    session_present = acknowledgement.session_present;
                    if let Err(error) = self.subscribe(&client) {
                        let reason = error.to_string();
                        return End::Broken { reason, after };
                    }
                    continue;
                }
                Incoming::SubAck(answer) => {
                    let is_granted = |code: &SubscribeReasonCode| {
                        matches!(code, SubscribeReasonCode::Success(_))
                    };
                    if !answer.return_codes.iter().all(is_granted) {
                        let reason = format!(
                            "the broker refused a subscription of {:?}: {:?}",
                            self.filters, answer.return_codes
                        );
                        return End::Broken { reason, after };
                    }
                    ConsumerEvent::Ready {
                        epoch,
                        session_present,
                    }
                }
                Incoming::Publish(publish) => self.deliver(epoch, publish),
                Incoming::PingResp(_) => {
                    after = Ended::AfterProgress;
                    continue;
                }
                _ => continue,
            };
            if self.events.send(out).await.is_err() {
                return End::Unheard;
            }
        }
    }

    fn subscribe(&self, client: &AsyncClient) -> Result<(), BusError> {
        let filters = self
            .filters
            .iter()
            .map(|filter| Filter::new(filter.clone(), QoS::AtLeastOnce));
        client
            .try_subscribe_many(filters)
            .map_err(|_| BusError::NotConnected)
    }

    fn deliver(&self, epoch: u64, publish: Publish) -> ConsumerEvent {
        let packet_id = publish.pkid;
        if packet_id != 0 {
            self.shared
                .with(|inner| inner.acknowledgements.delivered(packet_id));
        }
        ConsumerEvent::Message(Delivery {
            // One that is not UTF-8 is none of ours, and is refused as such.
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.into(),
            retained: publish.retain,
            ticket: Ticket { epoch, packet_id },
        })
    }
}
