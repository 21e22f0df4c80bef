//! Where a broker is.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

/// Where a broker is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// A name or address, an IPv6 address in brackets.
    host: String,
    port: u16,
}

impl Endpoint {
    /// A broker by the name or address of its host, such as `localhost` or `::1`.
    pub fn new(host: &str, port: u16) -> Endpoint {
        // The client library puts host and port together without brackets.
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host.to_owned(),
        };
        Endpoint { host, port }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint::new(&address.ip().to_string(), address.port())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
