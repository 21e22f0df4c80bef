//! What publisher and consumer share.

use std::time::Duration;

use meso_contract::topics::PAYLOAD_BYTES_MAX;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::{LastWill, PublishProperties};
use rumqttc::v5::mqttbytes::{QoS, valid_topic};

use crate::{BusError, Endpoint};

/// How often an idle client says that it is alive; a broker gives up after one and a half of it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The longest wait for a connection and for a write.
const NETWORK_TIMEOUT_S: u64 = 5;

/// How long a farewell may take before the connection is simply cut.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest packet that is sent or taken: the largest payload, a topic and the header. A larger
/// one ends the connection, so brokers must be told to refuse it (the embedded one is).
pub(crate) const PACKET_BYTES_MAX: u32 = PAYLOAD_BYTES_MAX as u32 + 4_096;

/// Publishes that may wait for their PUBACK at once; further ones wait in [`crate::Publisher`].
const INFLIGHT_MAX: u16 = 64;

/// Who connects, and where to.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    client_id: String,
    endpoint: Endpoint,
    jitter_seed: u64,
}

impl ClientOptions {
    /// A client id, 1 to 64 characters and unique at the broker, and the broker.
    ///
    /// Two connections under one id throw each other out: a publisher and a consumer of one
    /// process need different ids.
    pub fn new(client_id: &str, endpoint: impl Into<Endpoint>) -> ClientOptions {
        let endpoint = endpoint.into();
        ClientOptions {
            client_id: client_id.to_owned(),
            jitter_seed: u64::from(endpoint.port()) ^ client_id.len() as u64,
            endpoint,
        }
    }

    /// Sets the seed of the random part of the back-off, best a random number.
    #[must_use]
    pub fn with_jitter_seed(mut self, seed: u64) -> ClientOptions {
        self.jitter_seed = seed;
        self
    }

    pub(crate) fn jitter_seed(&self) -> u64 {
        self.jitter_seed
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The options of the underlying client; every field that has a dangerous default is set.
    pub(crate) fn mqtt(&self) -> MqttOptions {
        let endpoint = &self.endpoint;
        let mut options = MqttOptions::new(&self.client_id, endpoint.host(), endpoint.port());
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(NETWORK_TIMEOUT_S);
        options
            .set_network_options(network)
            .set_connection_timeout(NETWORK_TIMEOUT_S)
            .set_keep_alive(KEEP_ALIVE)
            .set_max_packet_size(Some(PACKET_BYTES_MAX))
            .set_outgoing_inflight_upper_limit(INFLIGHT_MAX)
            .set_transport(endpoint.transport());
        if let Some(login) = endpoint.login() {
            options.set_credentials(&login.username, login.password());
        }
        options
    }
}

/// A message to publish, QoS 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its topic, without wildcards.
    pub topic: String,
    /// Its payload, at most [`PAYLOAD_BYTES_MAX`].
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// How long a broker may keep it for one who is absent or slow; `None` for as long as it can.
    pub expires_after: Option<Duration>,
}

impl Message {
    /// A message that the broker does not keep.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.into(),
            retain: false,
            expires_after: None,
        }
    }

    /// A message that the broker keeps for later subscribers; the next one replaces it.
    pub fn retained(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Message {
        Message {
            retain: true,
            ..Message::new(topic, payload)
        }
    }

    /// The same, which a broker forgets when nobody has taken it for so long; whole seconds.
    #[must_use]
    pub fn expiring(self, after: Duration) -> Message {
        Message {
            expires_after: Some(after),
            ..self
        }
    }

    pub(crate) fn properties(&self) -> PublishProperties {
        let seconds = |after: Duration| u32::try_from(after.as_secs()).unwrap_or(u32::MAX);
        PublishProperties {
            message_expiry_interval: self.expires_after.map(seconds),
            ..PublishProperties::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), BusError> {
        if self.topic.is_empty() || !valid_topic(&self.topic) {
            return Err(BusError::Topic {
                topic: self.topic.clone(),
            });
        }
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(BusError::TooLarge {
                topic: self.topic.clone(),
                length: self.payload.len(),
                max: PAYLOAD_BYTES_MAX,
            });
        }
        Ok(())
    }

    pub(crate) fn into_will(self) -> LastWill {
        LastWill::new(
            self.topic,
            self.payload,
            QoS::AtLeastOnce,
            self.retain,
            None,
        )
    }
}
