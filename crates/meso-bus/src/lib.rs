//! MQTT 5: a publisher, a consumer that acknowledges in order, and an embedded broker.
//!
//! Delivery does **not** rest on this crate. A message handed to [`Publisher::publish`] may be
//! lost with its connection, and a broker may forget what it acknowledged: whoever publishes keeps
//! its blocks until the ingest's watermark covers them, and sends again on every new connection.
//! What this crate promises is narrower: a broken connection is replaced by a *new* client with a
//! back-off, nothing stale is ever acknowledged, and every queue has a limit.
//!
//! It is **not** an MQTT library: topics and payloads belong to `meso-contract`. Clients speak TLS
//! where [`Access`] says so; the embedded broker has neither TLS nor sign-in, so it is for addresses
//! of this computer only.
//!
//! Read first: [`Publisher`], [`Consumer`], [`Broker`].
//!
//! ```
//! use meso_bus::{Broker, ClientOptions, Message, Publisher};
//!
//! # async fn example() -> Result<(), meso_bus::BusError> {
//! let broker = Broker::start(([127, 0, 0, 1], 0).into()).await?;
//! let options = ClientOptions::new("room-1", broker.address());
//! let publisher = Publisher::start(options, None, None);
//! publisher.connected().await?;
//! publisher.publish(Message::new("mesofleet/v1/greeting", "hello")).await?;
//! publisher.close().await;
//! broker.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod acknowledgements;
mod backoff;
mod broker;
mod client;
mod consumer;
mod ending;
mod endpoint;
mod error;
mod platform;
mod publisher;

pub use broker::Broker;
pub use client::{ClientOptions, Message};
pub use consumer::{Consumer, ConsumerEvent, Delivery, Ticket};
pub use endpoint::{Access, Endpoint};
pub use error::BusError;
pub use publisher::{ConnectionState, Publisher};
