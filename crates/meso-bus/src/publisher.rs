//! The connection that publishes.

use std::future::Future;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{PubAck, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backoff::{Backoff, Ended};
use crate::client::CLOSE_TIMEOUT;
use crate::ending::ended_by;
use crate::{BusError, ClientOptions, Message};

/// Requests that wait inside the client library: none. It loses what waits there when a
/// connection breaks, so a publish waits in [`Publisher::publish`] instead.
const CHANNEL_CAPACITY: usize = 0;

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// None.
    Down {
        /// Why the last one ended; `None` before the first.
        reason: Option<String>,
    },
    /// One, and the birth message went out over it.
    Up {
        /// Counts connections from 1: another number says that anything may have been lost.
        epoch: u64,
    },
}

/// Publishes at QoS 1 over one connection after the other.
///
/// Dropping it cuts the connection, so that the broker publishes the last will;
/// [`Publisher::close`] leaves without it.
#[derive(Debug)]
pub struct Publisher {
    current: watch::Receiver<Option<AsyncClient>>,
    state: watch::Receiver<ConnectionState>,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Starts to connect and returns at once; must be called inside a tokio runtime.
    ///
    /// `last_will` is what the broker publishes when the connection breaks; `birth` goes out first
    /// over every new connection.
    pub fn start(
        options: ClientOptions,
        last_will: Option<Message>,
        birth: Option<Message>,
    ) -> Publisher {
        let (client_sender, current) = watch::channel(None);
        let (state_sender, state) = watch::channel(ConnectionState::Down { reason: None });
        let connector = Connector {
            options,
            last_will,
            birth,
            current: client_sender,
            state: state_sender,
        };
        Publisher {
            current,
            state,
            task: tokio::spawn(connector.run()),
        }
    }

    /// Follows the connection; several changes in a row may show as the last one.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits for a connection and gives its epoch.
    ///
    /// # Errors
    ///
    /// [`BusError::Closed`] when the publisher has been closed.
    ///
    /// # Cancel safety
    ///
    /// Safe: waiting changes nothing.
    pub async fn connected(&self) -> Result<u64, BusError> {
        let mut state = self.state.clone();
        let up = state
            .wait_for(|state| matches!(state, ConnectionState::Up { .. }))
            .await
            .map_err(|_| BusError::Closed)?;
        match *up {
            ConnectionState::Up { epoch } => Ok(epoch),
            ConnectionState::Down { .. } => Err(BusError::NotConnected),
        }
    }

    /// Hands a message to the present connection; `Ok` says only that it was written to it.
    ///
    /// Waits while 64 messages are unacknowledged.
    ///
    /// # Errors
    ///
    /// [`BusError::NotConnected`] without a connection, or when it breaks meanwhile;
    /// [`BusError::TooLarge`] and [`BusError::Topic`] for a message that no broker would take.
    ///
    /// # Cancel safety
    ///
    /// A cancelled call may or may not have sent the message.
    pub async fn publish(&self, message: Message) -> Result<(), BusError> {
        message.check()?;
        let client = self.current.borrow().clone();
        let client = client.ok_or(BusError::NotConnected)?;
        send(&client, message).await
    }

    /// Says good-bye to the broker, which then forgets the last will.
    pub async fn close(mut self) {
        let client = self.current.borrow().clone();
        if let Some(client) = client {
            let farewell = async {
                let _ = client.disconnect().await;
                let _ = (&mut self.task).await;
            };
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(client: &AsyncClient, message: Message) -> Result<(), BusError> {
    let properties = message.properties();
    let Message {
        topic,
        payload,
        retain,
        ..
    } = message;
    client
        .publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
        .await
        .map_err(|_| BusError::NotConnected)
}

/// How a connection ended.
enum End {
    Broken { reason: String, after: Ended },
    Closed,
}

struct Connector {
    options: ClientOptions,
    last_will: Option<Message>,
    birth: Option<Message>,
    current: watch::Sender<Option<AsyncClient>>,
    state: watch::Sender<ConnectionState>,
}

impl Connector {
    async fn run(self) {
        let mut backoff = Backoff::new(self.options.jitter_seed());
        for epoch in 1_u64.. {
            let mut options = self.options.mqtt();
            options.set_clean_start(true);
            if let Some(will) = self.last_will.clone() {
                options.set_last_will(will.into_will());
            }
            // A client that has seen an error may carry old messages into its next connection, in
            // the wrong order or twice: each connection gets a new one.
            let (client, mut event_loop) = AsyncClient::new(options, CHANNEL_CAPACITY);
            let end = self.serve(epoch, client, &mut event_loop).await;
            let _ = self.current.send(None);
            let End::Broken { reason, after } = end else {
                return;
            };
            backoff.ended(after);
            tracing::debug!(client = self.options.client_id(), %reason, "broker connection ended");
            let _ = self.state.send(ConnectionState::Down {
                reason: Some(reason),
            });
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Polls one connection to its end.
    async fn serve(&self, epoch: u64, client: AsyncClient, event_loop: &mut EventLoop) -> End {
        let mut announcing: Option<JoinHandle<()>> = None;
        let mut after = Ended::Useless;
        let end = loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    announcing = Some(tokio::spawn(self.announce(epoch, client.clone())));
                }
                Ok(Event::Incoming(Incoming::PubAck(answer))) => {
                    if let Some(reason) = self.refusal(&answer) {
                        break End::Broken { reason, after };
                    }
                    // The birth is the first message of its connection and proves nothing: two
                    // clients of one id would answer each other with births for ever.
                    let is_birth = self.birth.is_some() && answer.pkid == 1;
                    if !is_birth {
                        after = Ended::AfterProgress;
                    }
                }
                Ok(Event::Incoming(Incoming::PingResp(_))) => after = Ended::AfterProgress,
                Ok(Event::Outgoing(Outgoing::Disconnect)) => break End::Closed,
                Ok(_) => {}
                Err(error) => {
                    let (reason, after) = ended_by(&error, self.options.client_id(), after);
                    break End::Broken { reason, after };
                }
            }
        };
        if let Some(announcing) = announcing {
            // Waited for, so that it cannot say "up" after this connection was said to be down.
            announcing.abort();
            let _ = announcing.await;
        }
        end
    }

    /// Why the connection is of no use when this was answered to a message. A broker that does not
    /// let us publish takes none of them; any other refusal is of one message, which stays unsettled
    /// and comes again.
    fn refusal(&self, answer: &PubAck) -> Option<String> {
        match answer.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            PubAckReason::NotAuthorized => Some(
                "the broker does not let us publish; check user and topic permissions".to_owned(),
            ),
            reason => {
                let client = self.options.client_id();
                tracing::warn!(client, ?reason, "the broker refused a message");
                None
            }
        }
    }

    /// Sends the birth message and only then lets others use the connection.
    fn announce(&self, epoch: u64, client: AsyncClient) -> impl Future<Output = ()> + 'static {
        let birth = self.birth.clone();
        let current = self.current.clone();
        let state = self.state.clone();
        async move {
            if let Some(birth) = birth
                && send(&client, birth).await.is_err()
            {
                return;
            }
            let _ = current.send(Some(client));
            let _ = state.send(ConnectionState::Up { epoch });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What a broker says that takes the connection and the first message over it.
    /// Takes one message at a time: the next one says that the answer to the last was understood.
    const CONNACK: [u8; 8] = [0x20, 6, 0, 0, 3, 0x21, 0, 1];
    const PUBACK: [u8; 4] = [0x40, 2, 0, 1];
    const REFUSED: [u8; 5] = [0x40, 3, 0, 1, 0x87];

    /// Takes one packet; `false` when there is none any more.
    async fn take(stream: &mut TcpStream) -> bool {
        let Ok(_kind) = stream.read_u8().await else {
            return false;
        };
        // None here is longer than what one byte can say.
        let length = stream.read_u8().await.unwrap();
        let mut rest = vec![0; length.into()];
        stream.read_exact(&mut rest).await.unwrap();
        true
    }

    /// Answers one packet after the other, and hangs up after one more where there is one to come.
    async fn answer(listener: TcpListener, answers: Vec<Vec<u8>>, more: bool) {
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in answers {
            assert!(take(&mut stream).await);
            stream.write_all(&answer).await.unwrap();
        }
        // The client library forgets what it has read together with the end of a connection.
        if more {
            take(&mut stream).await;
        }
        stream.shutdown().await.unwrap();
        // A connection that is dropped with unread bytes would take back what was written.
        while take(&mut stream).await {}
    }

    /// How a connection ends over which so many messages are published, after a birth or without
    /// one, and this is answered.
    async fn end(birth: bool, messages: usize, answers: &[&[u8]]) -> (String, Ended) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = ClientOptions::new("room-1", listener.local_addr().unwrap());
        let (current, mut usable) = watch::channel(None);
        let (state, _state) = watch::channel(ConnectionState::Down { reason: None });
        let connector = Connector {
            options,
            last_will: None,
            birth: birth.then(|| Message::new("birth", "here")),
            current,
            state,
        };
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        let broker = tokio::spawn(answer(listener, answers, messages > 0));
        let sending = tokio::spawn(async move {
            for _ in 0..messages {
                let client = usable.wait_for(Option::is_some).await;
                let client = client.ok().and_then(|client| client.clone());
                // It may be cut off meanwhile.
                let Some(client) = client else { return };
                let _ = send(&client, Message::new("a", "b")).await;
            }
        });
        let mqtt = connector.options.mqtt();
        let (client, mut event_loop) = AsyncClient::new(mqtt, CHANNEL_CAPACITY);
        let end = connector.serve(1, client, &mut event_loop).await;
        drop((event_loop, connector));
        broker.await.unwrap();
        sending.await.unwrap();
        match end {
            End::Broken { reason, after } => (reason, after),
            End::Closed => panic!("nobody closed it"),
        }
    }

    #[tokio::test]
    async fn only_an_acknowledged_message_that_is_no_birth_is_progress() {
        let (_, after) = end(false, 0, &[&CONNACK]).await;
        assert_eq!(after, Ended::Useless, "a bare connection");
        let (_, after) = end(true, 1, &[&CONNACK, &PUBACK]).await;
        assert_eq!(after, Ended::Useless, "a birth");
        let (_, after) = end(false, 2, &[&CONNACK, &PUBACK]).await;
        assert_eq!(after, Ended::AfterProgress, "a message");
    }

    #[tokio::test]
    async fn a_broker_that_lets_nobody_publish_is_left_with_its_reason() {
        let (reason, after) = end(false, 1, &[&CONNACK, &REFUSED]).await;
        assert!(reason.contains("does not let us publish"), "{reason}");
        assert_eq!(after, Ended::Useless);
    }

    #[tokio::test]
    async fn a_client_that_was_thrown_out_by_another_of_its_name_waits_the_longest() {
        let taken_over = [0xe0, 2, 0x8e, 0];
        let answers = [&CONNACK[..], &taken_over].concat();
        let (reason, after) = end(false, 0, &[&answers]).await;
        assert!(reason.contains("signed in as room-1"), "{reason}");
        assert_eq!(after, Ended::TakenOver);
    }
}
