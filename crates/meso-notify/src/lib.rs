//! Carries letters of the outbox to those who want to hear of alerts.
//!
//! A [`Webhook`] gets a letter as signed JSON; an [`Alertmanager`] gets its alerts by the API that
//! Prometheus speaks. It does **not** decide whom to tell what, and when: that is
//! [`meso_alerts::Outbox`], which also says when to try again.
//!
//! Both block for at most [`SEND_WITHIN`]: call them from a thread that may. They speak in the clear,
//! as TLS is not built in yet: whoever makes one gives it an address of this computer and no other.

mod alertmanager;
mod error;
mod http;
mod webhook;

pub use alertmanager::Alertmanager;
pub use error::NotifyError;
pub use http::SEND_WITHIN;
pub use webhook::{SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, Webhook, signature};
