//! What can go wrong between a process and its broker.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why something could not be sent, received or served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// No connection at the moment; send again when there is one.
    #[error("not connected to the broker")]
    NotConnected,
    /// The payload is above the limit of the contract.
    #[error("message for {topic} has {length} bytes, more than {max}")]
    TooLarge {
        /// Its topic.
        topic: String,
        /// Its length.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A topic with a wildcard, or an empty one.
    #[error("{topic:?} is not a topic that can be published to")]
    Topic {
        /// The topic.
        topic: String,
    },
    /// A file of certificates or a secret cannot be used.
    #[error("{} cannot be used: {detail}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The embedded broker could not listen.
    #[error(
        "the broker cannot listen on {address}: {detail}; choose another address, or port 0 for \
         any free one"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        detail: String,
    },
    /// The handle was closed.
    #[error("the connection to the broker was closed")]
    Closed,
}
