//! Takes letters to those who want to hear of alerts, each channel on a task of its own, so that
//! one that hangs holds up neither the ingest nor the others.
//!
//! The outbox decides what goes out and when it is tried again; here it is only carried, and said
//! what became of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use meso_alerts::Letter;
use meso_contract::http::FailingChannelView;
use meso_contract::metric_names as names;
use meso_notify::{Carrier, NotifyError};
use meso_units::Timestamp;
use tokio::sync::watch;

use crate::clock::now;
use crate::ingest::{IngestHandle, Posted, chain};

/// The longest error of a channel that is shown, in characters.
const ERROR_SHOWN_MAX: usize = 300;

/// A channel that fails.
#[derive(Clone, Debug)]
struct Failure {
    since: Timestamp,
    try_count: u64,
    error: String,
}

#[derive(Debug, Default)]
struct Standing {
    failing: BTreeMap<String, Failure>,
    has_posted: bool,
}

/// Which channels fail.
#[derive(Debug, Default)]
pub(super) struct ChannelHealth {
    /// A std lock: held for a look or a change, never across an await.
    standing: Mutex<Standing>,
}

impl ChannelHealth {
    fn with<T>(&self, work: impl FnOnce(&mut Standing) -> T) -> T {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut standing)
    }

    fn note(&self, channel: &str, sent: &Result<(), NotifyError>, at: Timestamp) {
        let name = channel.to_owned();
        match sent {
            Ok(()) => {
                metrics::counter!(names::LETTERS_POSTED_TOTAL, "channel" => name).increment(1);
            }
            Err(error) => {
                tracing::warn!(channel, error = %chain(error), "a letter did not arrive");
                metrics::counter!(names::LETTERS_FAILED_TOTAL, "channel" => name).increment(1);
            }
        }
        self.with(|standing| match sent {
            Ok(()) => {
                standing.has_posted = true;
                standing.failing.remove(channel);
            }
            Err(error) => {
                let failure = standing.failing.entry(channel.to_owned());
                let failure = failure.or_insert_with(|| Failure {
                    since: at,
                    try_count: 0,
                    error: String::new(),
                });
                failure.try_count += 1;
                failure.error = chain(error).chars().take(ERROR_SHOWN_MAX).collect();
            }
        });
    }

    /// The channels that fail.
    pub(super) fn failing(&self) -> Vec<FailingChannelView> {
        self.with(|standing| {
            let failing = standing.failing.iter();
            let view = |(channel, failure): (&String, &Failure)| FailingChannelView {
                channel: channel.clone(),
                since_ms: failure.since.unix_ms(),
                try_count: failure.try_count,
                error: failure.error.clone(),
            };
            failing.map(view).collect()
        })
    }

    /// For how long the one that fails for longest has failed, in s: 0 while all work, `None` while
    /// nothing was posted yet.
    pub(super) fn failing_s(&self, at: Timestamp) -> Option<i64> {
        self.with(|standing| {
            let longest = standing.failing.values().map(|it| it.since).min();
            match longest {
                Some(since) => Some((at.since_ns(since) / 1_000_000_000).max(1)),
                None => standing.has_posted.then_some(0),
            }
        })
    }
}

/// Where letters are left. Each channel has at most one letter under way, so that a slot is enough:
/// a letter that is left again takes the place of the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct PostOffice {
    slots: Arc<BTreeMap<String, watch::Sender<Option<Letter>>>>,
}

/// One channel's task in the making.
pub(super) struct Desk {
    channel: String,
    carrier: Carrier,
    letters: watch::Receiver<Option<Letter>>,
}

impl PostOffice {
    /// One with a desk for each channel.
    pub(super) fn open(carriers: BTreeMap<String, Carrier>) -> (PostOffice, Vec<Desk>) {
        let mut slots = BTreeMap::new();
        let mut desks = Vec::new();
        for (channel, carrier) in carriers {
            let (slot, letters) = watch::channel(None);
            slots.insert(channel.clone(), slot);
            desks.push(Desk {
                channel,
                carrier,
                letters,
            });
        }
        let slots = Arc::new(slots);
        (PostOffice { slots }, desks)
    }

    /// Leaves letters; waits for nothing.
    pub(super) fn leave(&self, letters: &[Letter]) {
        for letter in letters {
            match self.slots.get(&letter.channel) {
                Some(slot) => {
                    slot.send_replace(Some(letter.clone()));
                }
                None => tracing::error!(channel = letter.channel, "nobody carries this letter"),
            }
        }
    }
}

/// Starts a task for each desk; each ends when `stop` says so.
pub(super) fn start_desks(
    desks: Vec<Desk>,
    ingest: &IngestHandle,
    health: &Arc<ChannelHealth>,
    stop: &watch::Receiver<bool>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let desks = desks.into_iter().map(|desk| {
        let (ingest, health) = (ingest.clone(), Arc::clone(health));
        tokio::spawn(carry(desk, ingest, health, stop.clone()))
    });
    desks.collect()
}

/// Carries the letters of one channel until `stop` says so.
///
/// # Cancel safety
///
/// A letter that is under way when it ends counts as not arrived, and goes out after the next
/// start under the same keys.
async fn carry(
    mut desk: Desk,
    ingest: IngestHandle,
    health: Arc<ChannelHealth>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            changed = desk.letters.changed() => if changed.is_err() { return },
        }
        let Some(letter) = desk.letters.borrow_and_update().clone() else {
            continue;
        };
        let number = letter.number;
        let carrier = desk.carrier.clone();
        let sending = tokio::task::spawn_blocking(move || {
            carrier.send(&letter, now().unix_ms().div_euclid(1_000))
        });
        let sent = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            sent = sending => sent,
        };
        let has_arrived = match sent {
            Ok(sent) => {
                health.note(&desk.channel, &sent, now());
                sent.is_ok()
            }
            Err(error) => {
                tracing::error!(channel = desk.channel, %error, "a carrier failed");
                false
            }
        };
        ingest
            .posted(Posted {
                channel: desk.channel.clone(),
                number,
                has_arrived,
            })
            .await;
    }
}
