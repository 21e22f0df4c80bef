//! A real `influxd` for tests, behind a proxy that behaves as other versions of it do, or badly.
//!
//! [`Influxd`] runs Debian's 1.6.7 with a configuration of its own on free loopback ports.
//! [`InfluxProxy`] stands before it: it maps the write address of later versions, refuses as they
//! do, and fails as networks and databases fail. It looks into what passes and counts every point
//! that is written over with other values.
//!
//! The proxy is **not** a database: what 2.x and 3 Core do with points that they take was not seen
//! here, only what they do with requests.

mod columns;
mod dialect;
mod http;
mod proxy;
mod server;

pub use dialect::Dialect;
pub use proxy::{Fault, InfluxProxy, ProxyCounts};
pub use server::{Influxd, influxd_program};
