//! One of the ways for a letter.

use meso_alerts::Letter;

use crate::{Alertmanager, Email, NotifyError, Webhook};

/// One of the ways for a letter.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// Signed JSON.
    Webhook(Webhook),
    /// An Alertmanager.
    Alertmanager(Alertmanager),
    /// E-mail.
    Email(Email),
}

impl Carrier {
    /// Sends a letter; `now_s` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`NotifyError`]; the letter may have arrived all the same.
    pub fn send(&self, letter: &Letter, now_s: i64) -> Result<(), NotifyError> {
        match self {
            Carrier::Webhook(webhook) => webhook.send(letter, now_s),
            Carrier::Alertmanager(alertmanager) => alertmanager.send(letter),
            Carrier::Email(email) => email.send(letter),
        }
    }
}
