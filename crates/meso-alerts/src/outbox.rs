//! What is to be told to whom, until it is told: at least once, and not more often than wanted.
//!
//! Each channel has at most one [`Letter`] under way. What is to be told meanwhile gathers and goes
//! out together with the next one, so that a storm of alerts is few letters and none of them is
//! lost. The caller stores [`Outbox::channel_state`] in the transaction that made the news; after a
//! restart the same items go out again, each under its old key.

mod codec;
mod quiet;

use std::collections::BTreeMap;

use meso_domain::Severity;
use meso_units::{ClinicId, Timestamp};

pub use quiet::QuietHours;

use crate::{Alert, AlertId, Notification};

/// Where and when somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name, as the configuration gives it.
    pub name: String,
    /// The least severity that goes there: soft or hard.
    pub severity_min: Severity,
    /// The shortest time between two letters, in ns.
    pub interval_ns: i64,
    /// When soft news waits, by the clinic's clock.
    pub quiet: Option<QuietHours>,
}

/// One piece of news for one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The same for every repetition: who gets it twice drops the second.
    pub idempotency_key: String,
    /// The alert.
    pub alert: AlertId,
    /// The rule, or what is wrong with the fleet.
    pub rule: String,
    /// The clinic.
    pub clinic: ClinicId,
    /// The gun; empty where it is about none.
    pub gun: String,
    /// What happened: `opened`, `worsened`, `escalated`, `resolved` …
    pub kind: String,
    /// The severity.
    pub severity: Severity,
    /// One line for people.
    pub text: String,
    /// When the alert opened.
    pub opened_at: Timestamp,
    /// When this happened.
    pub at: Timestamp,
    /// Whether the alert is over with it.
    pub is_over: bool,
    /// The letter that it is part of.
    letter: Option<u64>,
}

impl Item {
    /// What is told of a notification.
    pub fn of(notification: &Notification, alert: &Alert) -> Item {
        let subject = &alert.key.subject;
        Item {
            idempotency_key: notification.idempotency_key.clone(),
            alert: notification.alert,
            rule: subject.name().to_owned(),
            clinic: alert.clinic.clone(),
            gun: subject.gun().map_or_else(String::new, ToString::to_string),
            kind: notification.kind.as_str().to_owned(),
            severity: notification.severity,
            text: notification.text.clone(),
            opened_at: alert.opened_at,
            at: notification.at,
            is_over: alert.is_done(),
            letter: None,
        }
    }
}

/// What goes out in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The channel.
    pub channel: String,
    /// Its number within the channel.
    pub number: u64,
    /// What is told, oldest first, at most [`Outbox::LETTER_ITEMS_MAX`].
    pub items: Vec<Item>,
    /// News that was dropped since the last letter, because too much waited: the alerts themselves
    /// are in the list.
    pub folded_count: u64,
}

/// What one channel waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Queue {
    items: Vec<Item>,
    /// The number of the letter that is, or was last, under way.
    letter: u64,
    /// Whether it is out of the house; not remembered over a restart.
    is_out: bool,
    try_count: u32,
    not_before: Option<Timestamp>,
    folded_count: u64,
}

/// Everything that waits to be told.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    channels: Vec<Channel>,
    queues: BTreeMap<String, Queue>,
}

impl Outbox {
    /// The most items that wait for one channel. Beyond it the oldest soft one is dropped, else the
    /// oldest, and counted in [`Letter::folded_count`]; its alert is in the list all the same.
    pub const WAITING_COUNT_MAX: usize = 512;
    /// The most items of one letter; the rest goes with the next one.
    pub const LETTER_ITEMS_MAX: usize = 64;
    /// The wait after the first failure, in ns: 1 s. It doubles with each further one.
    pub const RETRY_NS_MIN: i64 = 1_000_000_000;
    /// The longest wait between two tries, in ns: 5 minutes. There is no last try.
    pub const RETRY_NS_MAX: i64 = 300 * 1_000_000_000;

    /// An empty outbox with these channels.
    pub fn new(channels: Vec<Channel>) -> Outbox {
        Outbox {
            channels,
            queues: BTreeMap::new(),
        }
    }

    /// The channels.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Takes news; says which channels have it now. The same news again changes nothing.
    pub fn post(&mut self, item: &Item) -> Vec<String> {
        let mut taken = Vec::new();
        let wanted = self
            .channels
            .iter()
            .filter(|c| item.severity >= c.severity_min);
        for channel in wanted {
            let queue = self.queues.entry(channel.name.clone()).or_default();
            let is_known = |other: &Item| other.idempotency_key == item.idempotency_key;
            if queue.items.iter().any(is_known) {
                continue;
            }
            queue.items.push(item.clone());
            queue.fold();
            taken.push(channel.name.clone());
        }
        taken
    }

    /// The letters that are to go out now; each is out until [`Outbox::delivered`] or
    /// [`Outbox::failed`] is said of it. `minute_of_day` tells the clinic's clock, 0 to 1439.
    pub fn due(&mut self, now: Timestamp, minute_of_day: impl Fn(&ClinicId) -> u16) -> Vec<Letter> {
        let mut letters = Vec::new();
        for channel in &self.channels {
            let Some(queue) = self.queues.get_mut(&channel.name) else {
                continue;
            };
            let is_early = queue.not_before.is_some_and(|not_before| now < not_before);
            if queue.is_out || is_early {
                continue;
            }
            let rests = |item: &Item| {
                let quiet = channel.quiet.filter(|_| item.severity != Severity::Hard);
                quiet.is_some_and(|quiet| quiet.holds(minute_of_day(&item.clinic)))
            };
            if let Some(letter) = queue.compose(&channel.name, rests) {
                letters.push(letter);
            }
        }
        letters
    }

    /// A letter has arrived. Anything but the one under way changes nothing.
    pub fn delivered(&mut self, channel: &str, number: u64, now: Timestamp) {
        let interval_ns = self
            .channels
            .iter()
            .find(|known| known.name == channel)
            .map_or(0, |known| known.interval_ns);
        let Some(queue) = self.queues.get_mut(channel).filter(|q| q.letter == number) else {
            return;
        };
        queue.items.retain(|item| item.letter != Some(number));
        queue.is_out = false;
        queue.try_count = 0;
        queue.folded_count = 0;
        queue.not_before = Some(later(now, interval_ns));
    }

    /// A letter has not arrived: the same one goes out again after a while, which doubles with each
    /// failure. `jitter_per_mille` of 0 to 1000 spreads it over half of that, so that channels do
    /// not all try at once.
    pub fn failed(&mut self, channel: &str, number: u64, now: Timestamp, jitter_per_mille: u16) {
        let Some(queue) = self.queues.get_mut(channel).filter(|q| q.letter == number) else {
            return;
        };
        queue.is_out = false;
        let doubled = Outbox::RETRY_NS_MIN.checked_shl(queue.try_count.min(30));
        let wait_ns = doubled
            .unwrap_or(Outbox::RETRY_NS_MAX)
            .clamp(Outbox::RETRY_NS_MIN, Outbox::RETRY_NS_MAX);
        let spread_ns = wait_ns / 2 / 1_000 * i64::from(jitter_per_mille.min(1_000));
        queue.try_count = queue.try_count.saturating_add(1);
        queue.not_before = Some(later(now, wait_ns / 2 + spread_ns));
    }

    /// How much waits for a channel.
    pub fn waiting_count(&self, channel: &str) -> usize {
        self.queues
            .get(channel)
            .map_or(0, |queue| queue.items.len())
    }

    /// What is to be stored of a channel.
    pub fn channel_state(&self, channel: &str) -> Vec<u8> {
        codec::encode(self.queues.get(channel).unwrap_or(&Queue::default()))
    }

    /// Goes on with what was stored of a channel; one that is not configured any more is left out.
    ///
    /// # Errors
    ///
    /// [`meso_domain::canonical::CanonicalError`] for bytes that are no such state.
    pub fn restore(
        &mut self,
        channel: &str,
        state: &[u8],
    ) -> Result<(), meso_domain::canonical::CanonicalError> {
        let queue = codec::decode(state)?;
        if self.channels.iter().any(|known| known.name == channel) {
            self.queues.insert(channel.to_owned(), queue);
        }
        Ok(())
    }
}

impl Queue {
    fn fold(&mut self) {
        while self.items.len() > Outbox::WAITING_COUNT_MAX {
            let is_free = |item: &Item| item.letter.is_none();
            let soft = |item: &Item| is_free(item) && item.severity != Severity::Hard;
            let victim = self.items.iter().position(soft);
            let Some(victim) = victim.or_else(|| self.items.iter().position(is_free)) else {
                return;
            };
            self.items.remove(victim);
            self.folded_count = self.folded_count.saturating_add(1);
        }
    }

    /// The letter that failed, once more; else a new one of what does not rest.
    fn compose(&mut self, channel: &str, rests: impl Fn(&Item) -> bool) -> Option<Letter> {
        let mut items: Vec<Item> = self.of_letter();
        if items.is_empty() {
            let number = self.letter.saturating_add(1);
            let free = self.items.iter_mut().filter(|item| !rests(item));
            for item in free.take(Outbox::LETTER_ITEMS_MAX) {
                item.letter = Some(number);
            }
            if self.items.iter().all(|item| item.letter.is_none()) {
                return None;
            }
            self.letter = number;
            items = self.of_letter();
        }
        self.is_out = true;
        Some(Letter {
            channel: channel.to_owned(),
            number: self.letter,
            items,
            folded_count: self.folded_count,
        })
    }

    fn of_letter(&self) -> Vec<Item> {
        let current = self.letter;
        let of_it = self
            .items
            .iter()
            .filter(|item| item.letter == Some(current));
        of_it.cloned().collect()
    }
}

fn later(now: Timestamp, ns: i64) -> Timestamp {
    // Only the end of time is later than every moment.
    Timestamp::from_unix_ns(now.unix_ns().saturating_add(ns)).unwrap_or(now)
}
