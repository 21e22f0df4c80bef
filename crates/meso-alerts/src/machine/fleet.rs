//! Alerts of the fleet itself: the same life, other keys.

use meso_units::{ClinicId, DriverId, GunSerial, Timestamp};

use super::{Alerts, Outcome};
use crate::{AlertId, AlertKey, FleetCause, Sighting, Subject, Worst};

/// Something that was seen of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What is wrong.
    pub cause: FleetCause,
    /// The clinic.
    pub clinic: ClinicId,
    /// The driver, where it is about one.
    pub driver: Option<DriverId>,
    /// The gun, where it is about one.
    pub gun: Option<GunSerial>,
    /// The number, in [`FleetCause::unit`].
    pub value: i64,
    /// The threshold that it passed, in the same unit; 0 where there is none.
    pub limit: i64,
}

impl Observation {
    /// What an alert of it is about.
    pub fn subject(&self) -> Subject {
        Subject::Fleet {
            cause: self.cause,
            clinic: self.clinic.clone(),
            driver: self.driver.clone(),
            gun: self.gun.clone(),
        }
    }
}

impl Alerts {
    /// Something is wrong with the fleet: something happened, or something that lasts has begun.
    /// Of what lasts, saying it again changes nothing unless its number has doubled.
    pub fn observe(&mut self, observation: &Observation, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let subject = observation.subject();
        let cause = observation.cause;
        let sighting = Sighting {
            at: now,
            shot: None,
            value: observation.value,
        };
        let worst = Worst::Fleet {
            value: observation.value,
            limit: observation.limit,
        };
        let Some(id) = self.unfinished(&subject).last().copied() else {
            if !self.is_full() {
                let episode = self.fleet_episode(&subject, now);
                let key = AlertKey { subject, episode };
                let severity = cause.severity();
                let clinic = &observation.clinic;
                self.begin(key, clinic, severity, sighting, worst, &mut outcome);
            }
            return outcome;
        };
        let known = self.alerts.get(&id).map(|alert| alert.worst.value());
        let has_doubled =
            known.is_some_and(|known| observation.value >= known.saturating_mul(2).max(1));
        let goes_on = self
            .alerts
            .get(&id)
            .is_some_and(|a| a.breach_over_at.is_none());
        if cause.is_event() || has_doubled || !goes_on {
            self.count(id, sighting, worst, cause.severity(), &mut outcome);
            self.refresh(id, now, &mut outcome);
        }
        outcome
    }

    /// What lasted is over. Saying it again changes nothing.
    pub fn well_again(&mut self, subject: &Subject, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        for id in self.unfinished(subject) {
            let lasts = self
                .alerts
                .get(&id)
                .is_some_and(|a| a.breach_over_at.is_none());
            if lasts {
                self.take_for_over(id, now, &mut outcome);
            }
        }
        outcome
    }

    /// Subjects of the fleet of which something is wrong: for a watch that begins anew.
    pub fn fleet_subjects(&self) -> impl Iterator<Item = &Subject> {
        let open = self.alerts.values();
        open.filter(|alert| !alert.is_done() && alert.breach_over_at.is_none())
            .map(|alert| &alert.key.subject)
            .filter(|subject| matches!(subject, Subject::Fleet { .. }))
    }

    fn fleet_episode(&self, subject: &Subject, now: Timestamp) -> u32 {
        let second = u32::try_from(now.unix_ms() / 1_000).unwrap_or(u32::MAX);
        let of_subject = self.episodes.get(subject).into_iter().flatten();
        let newest = of_subject
            .filter_map(|id: &AlertId| self.alerts.get(id))
            .map(|alert| alert.key.episode)
            .max();
        newest.map_or(second, |newest| second.max(newest.saturating_add(1)))
    }
}
