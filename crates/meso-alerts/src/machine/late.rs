//! Breaches that no shot had when it came: what judging a session again found.

use meso_domain::Finding;
use meso_units::{ClinicId, GunSerial, LibraryVersion, SessionId, Timestamp};

use super::{Alerts, Outcome, subject_of};
use crate::track::is_breach;
use crate::{AlertKey, Sighting, TransitionKind, Worst};

/// What judging a session again says of one rule.
#[derive(Clone, Copy, Debug)]
pub struct LateBreach<'a> {
    /// The clinic.
    pub clinic: &'a ClinicId,
    /// The gun whose shot is the newest of the session.
    pub gun: &'a GunSerial,
    /// The session.
    pub session: SessionId,
    /// When that shot was.
    pub at: Timestamp,
    /// The release of the protocol library that the session was judged by.
    pub library: Option<LibraryVersion>,
    /// What is said now.
    pub finding: Finding,
}

impl Alerts {
    /// Takes a breach that is known of a session as a whole only: it worsens the newest alert of
    /// this rule, gun and session, or opens one. No shot is counted. The same again, or a lesser
    /// one, changes nothing.
    pub fn late(&mut self, late: &LateBreach<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        if !is_breach(&late.finding) {
            return outcome;
        }
        let key = (late.gun.clone(), Some(late.session));
        let subject = subject_of(&key, late.finding.rule);
        let worst = Worst::Breach {
            finding: late.finding,
            library: late.library,
        };
        let newest = self.episodes.get(&subject).and_then(|known| known.last());
        let id = match newest.copied() {
            Some(id) => {
                let Some(alert) = self.alerts.get_mut(&id) else {
                    return outcome;
                };
                if !worst.is_worse_than(&alert.worst) {
                    return outcome;
                }
                alert.worst = worst;
                match late.finding.severity > alert.severity {
                    true => self.worsen(id, late.finding.severity, late.at, &mut outcome),
                    false => self.emit(id, TransitionKind::Counted, late.at, &mut outcome),
                }
                id
            }
            None => {
                if self.is_full() {
                    return outcome;
                }
                self.begin_track(&key, late.at);
                let Some(track) = self.tracks.get_mut(&key) else {
                    return outcome;
                };
                let episode = track.next_episode(late.finding.rule);
                let sighting = Sighting {
                    at: late.at,
                    shot: None,
                    value: late.finding.value,
                };
                self.begin(
                    AlertKey { subject, episode },
                    late.clinic,
                    late.finding.severity,
                    sighting,
                    worst,
                    &mut outcome,
                )
            }
        };
        self.refresh(id, late.at, &mut outcome);
        outcome
    }
}
