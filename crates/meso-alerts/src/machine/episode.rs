//! One episode: how a breach opens, counts, worsens, merges, ends.

use meso_domain::{Finding, Severity};
use meso_units::{ClinicId, Timestamp};

use super::{Alerts, JudgedShot, Outcome, TrackKey, subject_of};
use crate::{Alert, AlertId, AlertKey, AlertState, Sighting, Subject, TransitionKind, Worst};

impl Alerts {
    pub(super) fn breach(
        &mut self,
        key: &TrackKey,
        shot: &JudgedShot<'_>,
        finding: Finding,
        outcome: &mut Outcome,
    ) {
        let subject = subject_of(key, finding.rule);
        let near = self.near(&subject, shot.at);
        let sighting = Sighting {
            at: shot.at,
            shot: Some(shot.identity.clone()),
            value: finding.value,
        };
        let worst = Worst::Breach {
            finding,
            library: shot.library,
        };
        let id = match near[..] {
            [] => {
                if self.is_full() {
                    return;
                }
                let Some(track) = self.tracks.get_mut(key) else {
                    return;
                };
                let episode = track.next_episode(finding.rule);
                let alert_key = AlertKey { subject, episode };
                self.begin(
                    alert_key,
                    shot.clinic,
                    finding.severity,
                    sighting,
                    worst,
                    outcome,
                )
            }
            [id] => {
                self.count(id, sighting, worst, finding.severity, outcome);
                id
            }
            [earlier, later, ..] => {
                self.count(earlier, sighting, worst, finding.severity, outcome);
                self.merge(later, earlier, shot.at, outcome);
                earlier
            }
        };
        self.refresh(id, shot.at, outcome);
        // An earlier episode is over once there is a later one.
        for other in self.unfinished(&subject_of(key, finding.rule)) {
            self.refresh(other, shot.at, outcome);
        }
    }

    /// The episodes that a breach at this time is part of: none, one, or the two between which it
    /// closes the hole, the earlier one first.
    fn near(&self, subject: &Subject, at: Timestamp) -> Vec<AlertId> {
        let gap = Alerts::EPISODE_GAP_NS;
        let is_near = |alert: &&Alert| {
            at.since_ns(alert.last.at) <= gap && alert.first.at.since_ns(at) <= gap
        };
        let of_subject = self.episodes.get(subject).into_iter().flatten();
        let alerts = of_subject.filter_map(|id| self.alerts.get(id));
        alerts.filter(is_near).map(|alert| alert.id).collect()
    }

    /// Whether no further alert may open; then it is counted.
    pub(super) fn is_full(&mut self) -> bool {
        let is_full = self.alerts.len() - self.done.len() >= Alerts::UNRESOLVED_COUNT_MAX;
        if is_full {
            self.not_opened_count = self.not_opened_count.saturating_add(1);
        }
        is_full
    }

    pub(super) fn begin(
        &mut self,
        key: AlertKey,
        clinic: &ClinicId,
        severity: Severity,
        sighting: Sighting,
        worst: Worst,
        outcome: &mut Outcome,
    ) -> AlertId {
        let id = AlertId::of(&key);
        let at = sighting.at;
        let known = self.episodes.entry(key.subject.clone()).or_default();
        // Of the fleet the episode is a moment, not a number.
        let is_first = key.episode <= 1 || matches!(key.subject, Subject::Fleet { .. });
        let place = known.partition_point(|other| {
            let other = self.alerts.get(other);
            other.is_some_and(|other| other.first < sighting)
        });
        known.insert(place, id);
        let alert = Alert {
            id,
            key,
            clinic: clinic.clone(),
            severity,
            state: AlertState::Open,
            shot_count: 1,
            last: sighting.clone(),
            first: sighting,
            worst,
            opened_at: at,
            changed_at: at,
            acknowledged_by: None,
            acknowledged_at: None,
            breach_over_at: None,
            closed_at: None,
            merged_into: None,
            silenced_until: None,
            waiting_since: None,
            escalated_at: None,
            transition_count: 0,
            told_count: 0,
            told_at: at,
        };
        self.alerts.insert(id, alert);
        let kind = match is_first {
            true => TransitionKind::Opened,
            false => TransitionKind::Reopened,
        };
        self.emit(id, kind, at, outcome);
        id
    }

    /// One more of an episode that is known.
    pub(super) fn count(
        &mut self,
        id: AlertId,
        sighting: Sighting,
        worst: Worst,
        severity: Severity,
        outcome: &mut Outcome,
    ) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        outcome.change(id);
        let at = sighting.at;
        alert.shot_count = alert.shot_count.saturating_add(1);
        alert.changed_at = alert.changed_at.max(at);
        alert.first = alert.first.clone().min(sighting.clone());
        alert.last = alert.last.clone().max(sighting);
        if worst.is_worse_than(&alert.worst) {
            alert.worst = worst;
        }
        if severity > alert.severity {
            self.worsen(id, severity, at, outcome);
            return;
        }
        if at.since_ns(alert.told_at).saturating_abs() >= Alerts::COUNTED_NS_MIN {
            alert.told_at = at;
            self.emit(id, TransitionKind::Counted, at, outcome);
        }
    }

    /// What a person saw, or silenced, was less than it is now.
    pub(super) fn worsen(
        &mut self,
        id: AlertId,
        severity: Severity,
        at: Timestamp,
        outcome: &mut Outcome,
    ) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        alert.severity = severity;
        alert.state = AlertState::Open;
        alert.acknowledged_by = None;
        alert.acknowledged_at = None;
        alert.silenced_until = None;
        alert.waiting_since = None;
        alert.escalated_at = None;
        alert.told_at = at;
        self.note_undone(id);
        self.emit(id, TransitionKind::Worsened, at, outcome);
    }

    /// Late shots have closed the hole between two episodes: the earlier one goes on for both.
    fn merge(&mut self, later: AlertId, into: AlertId, at: Timestamp, outcome: &mut Outcome) {
        let Some(part) = self.alerts.get(&later).cloned() else {
            return;
        };
        let Some(alert) = self.alerts.get_mut(&into) else {
            return;
        };
        alert.shot_count = alert.shot_count.saturating_add(part.shot_count);
        alert.first = alert.first.clone().min(part.first.clone());
        alert.last = alert.last.clone().max(part.last.clone());
        alert.closed_at = alert.closed_at.max(part.closed_at);
        // Who has seen one of them has not seen the other.
        let (seen, also_seen) = (alert.acknowledged_at, part.acknowledged_at);
        if also_seen.is_none() || seen.is_none() {
            alert.acknowledged_by = None;
            alert.acknowledged_at = None;
        } else if also_seen < seen {
            alert.acknowledged_by = part.acknowledged_by.clone();
            alert.acknowledged_at = also_seen;
        }
        let silences = alert.silenced_until.zip(part.silenced_until);
        alert.silenced_until = silences.map(|(one, other)| one.min(other));
        alert.waiting_since = match (alert.waiting_since, part.waiting_since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        alert.escalated_at = alert.escalated_at.or(part.escalated_at);
        if part.worst.is_worse_than(&alert.worst) {
            alert.worst = part.worst;
        }
        let is_harder = part.severity > alert.severity;
        alert.severity = alert.severity.max(part.severity);
        if is_harder && alert.is_done() {
            alert.state = AlertState::Open;
            self.note_undone(into);
        }
        outcome.change(into);
        self.leave(&part);
        if let Some(part) = self.alerts.get_mut(&later) {
            part.merged_into = Some(into);
            part.state = AlertState::Merged;
        }
        self.emit(later, TransitionKind::Merged(into), at, outcome);
        self.note_done(later);
        self.tell_count(into, outcome);
    }

    /// Gives out a count that was held back.
    pub(super) fn tell_count(&mut self, id: AlertId, outcome: &mut Outcome) {
        if let Some(alert) = self.alerts.get(&id) {
            let at = alert.changed_at;
            self.emit(id, TransitionKind::Counted, at, outcome);
        }
    }

    /// What is over because of the shots and the session, or because it was taken for over.
    fn over_at(&self, alert: &Alert) -> Option<Timestamp> {
        let closed_at = alert.closed_at.filter(|at| *at >= alert.last.at);
        let Subject::Breach { rule, gun, session } = &alert.key.subject else {
            return closed_at;
        };
        let later = self.episodes.get(&alert.key.subject).into_iter().flatten();
        let next = later
            .filter_map(|id| self.alerts.get(id))
            .map(|other| other.first.at)
            .find(|first_at| *first_at > alert.last.at);
        let Some(track) = self.tracks.get(&(gun.clone(), *session)) else {
            return closed_at.or(next).or(alert.breach_over_at);
        };
        let is_after = |at: &Timestamp| at.since_ns(alert.last.at) > Alerts::EPISODE_GAP_NS;
        let clean_at = track.clean_at(*rule).filter(is_after);
        track.ended_at.or(clean_at).or(next).or(closed_at)
    }

    /// Finds out anew whether an alert is over, and what follows.
    pub(super) fn refresh(&mut self, id: AlertId, at: Timestamp, outcome: &mut Outcome) {
        let Some(over_at) = self.alerts.get(&id).map(|alert| self.over_at(alert)) else {
            return;
        };
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        if alert.breach_over_at.is_some() != over_at.is_some() {
            alert.breach_over_at = over_at;
            outcome.change(id);
        }
        let (before, after) = (alert.state, alert.state_now());
        if before == after {
            return;
        }
        alert.state = after;
        outcome.change(id);
        match after {
            AlertState::Resolved => {
                alert.silenced_until = None;
                alert.waiting_since = None;
                self.emit(id, TransitionKind::Resolved, at, outcome);
                self.note_done(id);
            }
            AlertState::Latched => self.emit(id, TransitionKind::Latched, at, outcome),
            AlertState::Open | AlertState::Acknowledged => {
                self.note_undone(id);
                let comes_again =
                    matches!(before, AlertState::Resolved) || after == AlertState::Open;
                if comes_again && before != AlertState::Latched {
                    self.emit(id, TransitionKind::Reopened, at, outcome);
                }
            }
            AlertState::Merged => {}
        }
    }

    /// Takes an alert for over, because of the time or of a person.
    pub(super) fn take_for_over(&mut self, id: AlertId, now: Timestamp, outcome: &mut Outcome) {
        if let Some(alert) = self.alerts.get_mut(&id) {
            alert.closed_at = Some(now.max(alert.last.at));
            outcome.change(id);
        }
        self.refresh(id, now, outcome);
    }
}
