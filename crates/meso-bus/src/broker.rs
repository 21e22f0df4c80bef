//! The broker inside the process, for one clinic and for tests.

use std::net::SocketAddr;
use std::time::Duration;

use mqtt5::broker::config::{StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerConfig, BrokerShutdownHandle, MqttBroker};
use tokio::task::JoinHandle;

use crate::BusError;
use crate::client::PACKET_BYTES_MAX;

/// Connections at once; the next one is refused. A room needs two, the server three.
const CLIENTS_MAX: usize = 256;

/// Messages that are kept for one absent or slow client; the oldest are dropped beyond that, and
/// their drivers send them again because no watermark covers them.
const QUEUED_MESSAGES_MAX: usize = 4_096;

/// Bytes that are kept for one absent or slow client, with the same consequence.
const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Messages that may be unacknowledged by one client at once; further ones wait in its queue.
const UNACKNOWLEDGED_MAX: u16 = 256;

/// Retained messages: a watermark per stream, a state per driver and gun, a page of links for each 256
/// patients of a driver, a library and 64 lists of patients per clinic.
const RETAINED_MESSAGES_MAX: usize = 16_384;

/// How long the session of an absent client is kept.
const SESSION_EXPIRY: Duration = Duration::from_secs(24 * 3_600);

/// How long [`Broker::shutdown`] waits before it gives up on its connections.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// An MQTT broker in this process. Its memory is its only store: what it held is gone with it, and
/// nothing depends on that.
///
/// Dropping it stops it.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    shutdown: ShutdownHandle,
    task: JoinHandle<()>,
}

struct ShutdownHandle(BrokerShutdownHandle);

impl std::fmt::Debug for ShutdownHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShutdownHandle")
    }
}

impl Broker {
    /// Listens on an address; port 0 lets the system choose. Returns when connections are taken.
    ///
    /// There is no sign-in and no TLS: give it an address of this computer only.
    ///
    /// # Errors
    ///
    /// [`BusError::Bind`] when the address cannot be listened on.
    pub async fn start(bind: SocketAddr) -> Result<Broker, BusError> {
        let failed = |detail: String| BusError::Bind {
            address: bind,
            detail,
        };
        let mut broker = MqttBroker::with_config(config(bind))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let address = broker
            .local_addr()
            .ok_or_else(|| failed("no listener".to_owned()))?;
        let shutdown = ShutdownHandle(broker.shutdown_handle());
        let mut ready = broker.ready_receiver();
        let task = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "the embedded broker stopped");
            }
        });
        ready
            .wait_for(|is_ready| *is_ready)
            .await
            .map_err(|_| failed("it stopped at once".to_owned()))?;
        Ok(Broker {
            address,
            shutdown,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and stops listening.
    pub async fn shutdown(mut self) {
        self.shutdown.0.shutdown();
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, &mut self.task)
            .await
            .is_err()
        {
            tracing::warn!("the embedded broker did not stop in time and was cut off");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shutdown.0.shutdown();
        self.task.abort();
    }
}

fn config(bind: SocketAddr) -> BrokerConfig {
    // "persistence" is what keeps the sessions of absent clients, even in memory.
    let storage = StorageConfig::new()
        .with_backend(StorageBackend::Memory)
        .with_persistence(true)
        .with_max_queued_messages_per_client(QUEUED_MESSAGES_MAX)
        .with_max_queued_bytes_per_client(QUEUED_BYTES_MAX);
    BrokerConfig::new()
        .with_bind_addresses(vec![bind])
        .with_max_clients(CLIENTS_MAX)
        .with_session_expiry(SESSION_EXPIRY)
        .with_max_packet_size(PACKET_BYTES_MAX as usize)
        .with_maximum_qos(1)
        .with_max_retained_messages(RETAINED_MESSAGES_MAX)
        .with_max_outbound_inflight(UNACKNOWLEDGED_MAX)
        .with_sys_topics_enabled(false)
        .with_storage(storage)
}
