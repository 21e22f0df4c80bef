//! What is remembered, what is forgotten, and how it is rebuilt from the store.

use meso_domain::Rule;
use meso_units::Timestamp;

use super::{Alerts, TrackKey, subject_of};
use crate::{Alert, AlertId, Track};

impl Alerts {
    /// Goes on from what was stored: the unresolved alerts, the newest resolved ones, the tracks.
    /// What is above the limits of this machine is forgotten as it would have been before.
    ///
    /// The caller then repeats [`Alerts::session_ended`] for sessions whose shots may still come.
    pub fn restore(
        alerts: impl IntoIterator<Item = Alert>,
        tracks: impl IntoIterator<Item = Track>,
    ) -> Alerts {
        let mut machine = Alerts::default();
        for alert in alerts {
            machine.alerts.insert(alert.id, alert);
        }
        let mut done: Vec<&Alert> = machine.alerts.values().filter(|a| a.is_done()).collect();
        done.sort_by_key(|alert| (alert.changed_at, alert.id));
        machine.done = done.iter().map(|alert| alert.id).collect();
        let mut open: Vec<&Alert> = machine.alerts.values().collect();
        open.retain(|alert| alert.merged_into.is_none());
        open.sort_by(|one, other| one.first.cmp(&other.first));
        let named: Vec<_> = open
            .iter()
            .map(|alert| (alert.key.subject.clone(), alert.id))
            .collect();
        for (subject, id) in named {
            machine.episodes.entry(subject).or_default().push(id);
        }
        machine.forget_done();
        let mut tracks: Vec<Track> = tracks.into_iter().collect();
        tracks.sort_by_key(|track| std::cmp::Reverse(track.active_at));
        tracks.truncate(Alerts::TRACK_COUNT_MAX);
        for track in tracks {
            if let (Some(session), Some(at)) = (track.session, track.ended_at)
                && machine.ended.len() < Alerts::ENDED_COUNT_MAX
                && !machine.ended.contains(&(session, at))
            {
                machine.ended.push_front((session, at));
            }
            let key = (track.gun.clone(), track.session);
            machine.tracks.insert(key, track);
        }
        machine
    }

    /// Makes the track of a gun in a session where there is none; says whether it is new.
    pub(super) fn begin_track(&mut self, key: &TrackKey, at: Timestamp) -> bool {
        if self.tracks.contains_key(key) {
            return false;
        }
        let track = self.new_track(key, at);
        if self.tracks.len() >= Alerts::TRACK_COUNT_MAX {
            self.forget_a_track();
        }
        self.tracks.insert(key.clone(), track);
        true
    }

    /// A new track goes on with the episodes of a forgotten one, as far as they are remembered.
    fn new_track(&self, key: &TrackKey, at: Timestamp) -> Track {
        let mut track = Track::new(key.0.clone(), key.1, at);
        let ended = self
            .ended
            .iter()
            .find(|(session, _)| Some(*session) == key.1);
        track.ended_at = ended.map(|(_, at)| *at);
        for rule in Rule::ALL {
            let of_rule = self.episodes.get(&subject_of(key, *rule));
            let newest = of_rule
                .into_iter()
                .flatten()
                .filter_map(|id| self.alerts.get(id))
                .map(|alert| alert.key.episode)
                .max();
            track.rules.extend(newest.map(|episode| crate::RuleTrack {
                rule: *rule,
                episode,
                clean_at: None,
            }));
        }
        track.rules.sort_by_key(|of_rule| of_rule.rule);
        track
    }

    fn forget_a_track(&mut self) {
        let has_unresolved = |key: &TrackKey| {
            self.alerts.values().any(|alert| {
                let subject = &alert.key.subject;
                !alert.is_done() && subject.gun() == Some(&key.0) && subject.session() == key.1
            })
        };
        let by_age = |(_, track): &(&TrackKey, &Track)| track.active_at;
        let oldest = self.tracks.iter().min_by_key(by_age);
        let victim = oldest.filter(|(key, _)| !has_unresolved(key)).or_else(|| {
            let others = self.tracks.iter().filter(|(key, _)| !has_unresolved(key));
            others.min_by_key(by_age).or(oldest)
        });
        let victim = victim.map(|(key, _)| key.clone());
        if let Some(victim) = victim {
            self.tracks.remove(&victim);
        }
    }

    /// Notes that an alert is resolved or merged.
    pub(super) fn note_done(&mut self, id: AlertId) {
        if !self.done.contains(&id) {
            self.done.push_back(id);
        }
        self.forget_done();
    }

    /// Notes that a resolved alert goes on.
    pub(super) fn note_undone(&mut self, id: AlertId) {
        self.done.retain(|done| *done != id);
    }

    fn forget_done(&mut self) {
        while self.done.len() > Alerts::RESOLVED_COUNT_MAX {
            let Some(oldest) = self.done.pop_front() else {
                return;
            };
            if let Some(alert) = self.alerts.remove(&oldest) {
                self.leave(&alert);
            }
        }
    }

    /// Takes an alert out of the episodes of its subject.
    pub(super) fn leave(&mut self, alert: &Alert) {
        if let Some(of_subject) = self.episodes.get_mut(&alert.key.subject) {
            of_subject.retain(|id| *id != alert.id);
            if of_subject.is_empty() {
                self.episodes.remove(&alert.key.subject);
            }
        }
    }
}
