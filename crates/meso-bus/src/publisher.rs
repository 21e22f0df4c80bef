//! The connection that publishes.

use std::future::Future;

use rumqttc::{AsyncClient, Event, EventLoop, Incoming, Outgoing, QoS};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::client::{CLOSE_TIMEOUT, tune};
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
    let Message {
        topic,
        payload,
        retain,
    } = message;
    client
        .publish(topic, QoS::AtLeastOnce, retain, payload)
        .await
        .map_err(|_| BusError::NotConnected)
}

/// How a connection ended.
enum End {
    Broken(String),
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
            options.set_clean_session(true);
            if let Some(will) = self.last_will.clone() {
                options.set_last_will(will.into_will());
            }
            // A client that has seen an error may carry old messages into its next connection, in
            // the wrong order or twice: each connection gets a new one.
            let (client, mut event_loop) = AsyncClient::new(options, CHANNEL_CAPACITY);
            tune(&mut event_loop);
            let end = self
                .serve(epoch, client, &mut event_loop, &mut backoff)
                .await;
            let _ = self.current.send(None);
            let End::Broken(reason) = end else {
                return;
            };
            tracing::debug!(client = self.options.client_id(), %reason, "broker connection ended");
            let _ = self.state.send(ConnectionState::Down {
                reason: Some(reason),
            });
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Polls one connection to its end.
    async fn serve(
        &self,
        epoch: u64,
        client: AsyncClient,
        event_loop: &mut EventLoop,
        backoff: &mut Backoff,
    ) -> End {
        let mut announcing: Option<JoinHandle<()>> = None;
        let end = loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    backoff.reset();
                    announcing = Some(tokio::spawn(self.announce(epoch, client.clone())));
                }
                Ok(Event::Incoming(Incoming::Disconnect)) => {
                    break End::Broken("the broker said good-bye".to_owned());
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => break End::Closed,
                Ok(_) => {}
                Err(error) => break End::Broken(error.to_string()),
            }
        };
        if let Some(announcing) = announcing {
            // Waited for, so that it cannot say "up" after this connection was said to be down.
            announcing.abort();
            let _ = announcing.await;
        }
        end
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
