//! Carries letters of the outbox to those who want to hear of alerts.
//!
//! A [`Webhook`] gets a letter as signed JSON; an [`Alertmanager`] gets its alerts by the API that
//! Prometheus speaks; people get [`Email`]. It does **not** decide whom to tell what, and when: that
//! is [`meso_alerts::Outbox`], which also says when to try again.
//!
//! All of them block, for at most about [`SEND_WITHIN`], and e-mail for at most that at each step of
//! its dialogue: call them from a thread that may. Where the way there
//! is encrypted, the other end is believed by the certificates of a [`Trust`] and by nothing else;
//! who makes one without gives it an address of this computer and no other.

mod alertmanager;
mod carrier;
mod email;
mod error;
mod http;
mod trust;
mod webhook;

pub use alertmanager::Alertmanager;
pub use carrier::Carrier;
pub use email::{Email, Encryption, MailServer};
pub use error::NotifyError;
pub use http::SEND_WITHIN;
pub use trust::Trust;
pub use webhook::{SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, Webhook, signature};
