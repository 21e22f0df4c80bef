//! News of alerts on its way to people: what waits is stored with what made it, and so is every
//! letter before it leaves.

use meso_alerts::{Channel, Escalation, Item, Letter, Notification, Observation, Outbox};
use meso_store::OutboxRow;
use meso_units::{ClinicId, Timestamp};

use super::IngestError;
use super::pipeline::Ingest;
use super::prepare::Preparation;
use super::shot_store::ShotStore;
use super::steps::Prepared;
use super::watch::Thresholds;

/// Who is told of alerts and when, and from when on the fleet itself is wrong.
#[derive(Clone, Debug, Default)]
pub struct AlertPolicy {
    /// The channels; with none, alerts are on the board only.
    pub channels: Vec<Channel>,
    /// When an alert escalates that nobody sees to.
    pub escalation: Escalation,
    /// From when on something is wrong with the fleet.
    pub thresholds: Thresholds,
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The channel.
    pub channel: String,
    /// The number of the letter within it.
    pub number: u64,
    /// Whether it has arrived; what has not comes again.
    pub has_arrived: bool,
}

impl<S: ShotStore> Ingest<S> {
    /// Goes on with what waited to be told.
    pub(super) fn restore_outbox(&mut self, rows: &[OutboxRow]) -> Result<(), IngestError> {
        self.outbox = Outbox::new(self.options.alerts.channels.clone());
        for row in rows {
            let restored = self.outbox.restore(&row.channel, &row.body);
            restored.map_err(meso_store::StoreError::from)?;
        }
        Ok(())
    }

    /// Takes what became of a letter: a commit of its own, to be taken through the further steps.
    /// `jitter_permille` is a random number from 0 to 1000.
    pub fn prepare_posted(
        &mut self,
        posted: &Posted,
        now: Timestamp,
        jitter_permille: u16,
    ) -> Prepared {
        let Posted {
            channel,
            number,
            has_arrived,
        } = posted;
        match has_arrived {
            true => self.outbox.delivered(channel, *number, now),
            false => self.outbox.failed(channel, *number, now, jitter_permille),
        }
        let mut preparation = Preparation::new(self, now);
        preparation.told.insert(channel.clone());
        preparation.finish()
    }

    /// How much waits to be told by a channel.
    pub fn waiting_count(&self, channel: &str) -> usize {
        self.outbox.waiting_count(channel)
    }

    /// What is not of any clinic is told to the first one.
    pub(super) fn first_clinic(&self) -> Option<ClinicId> {
        self.options.clinics.first().cloned()
    }
}

impl<S: ShotStore> Preparation<'_, S> {
    /// Something happened to the fleet itself.
    pub(super) fn observe(&mut self, observation: &Observation) {
        let outcome = self.ingest.alerts.observe(observation, self.now);
        self.note(outcome);
    }

    /// Leaves news in the outbox.
    pub(super) fn tell(&mut self, notifications: &[Notification]) {
        for notification in notifications {
            if let Some(alert) = self.ingest.alerts.alert(notification.alert) {
                let item = Item::of(notification, alert);
                self.told.extend(self.ingest.outbox.post(&item));
            }
        }
    }

    /// Takes the letters that are to go out now. They leave after the commit that says which news
    /// is in them, so that after a restart each goes out again as it was.
    pub(super) fn take_letters(&mut self) {
        let (time_zones, now) = (&self.ingest.options.time_zones, self.now);
        let minute = |clinic: &ClinicId| time_zones.minute_of_day(clinic, now);
        let letters: Vec<Letter> = self.ingest.outbox.due(now, minute);
        let of_letters = letters.iter().map(|letter| letter.channel.clone());
        self.told.extend(of_letters);
        self.rest.news.letters = letters;
        for channel in &self.told {
            self.commit.outbox.push(OutboxRow {
                channel: channel.clone(),
                body: self.ingest.outbox.channel_state(channel),
            });
        }
    }
}
