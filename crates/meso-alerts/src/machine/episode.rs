//! One episode: how a breach opens, counts, escalates, ends.

use meso_domain::{Finding, Rule, Severity};
use meso_units::{GunSerial, OperatorId, SessionId, Timestamp};

use super::{Alerts, JudgedShot, Outcome};
use crate::{
    Alert, AlertId, AlertKey, AlertState, Notification, RuleTrack, Track, Transition,
    TransitionKind,
};

type TrackKey = (GunSerial, Option<SessionId>);

impl Alerts {
    /// The track of a gun in a session, made where there is none.
    pub(super) fn track_mut(&mut self, key: &TrackKey, at: Timestamp) -> &mut Track {
        if !self.tracks.contains_key(key) {
            let track = self.new_track(key, at);
            if self.tracks.len() >= Alerts::TRACK_COUNT_MAX {
                self.forget_a_track();
            }
            self.tracks.insert(key.clone(), track);
        }
        self.tracks
            .entry(key.clone())
            .or_insert_with(|| Track::new(key.0.clone(), key.1, at))
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
            let is_this = |alert: &&Alert| {
                alert.key.rule == *rule && alert.key.gun == key.0 && alert.key.session == key.1
            };
            let newest = self
                .alerts
                .values()
                .filter(is_this)
                .max_by_key(|a| a.key.episode);
            track.rules.extend(newest.map(|alert| RuleTrack {
                rule: *rule,
                episode: alert.key.episode,
                counted_at: alert.changed_at,
                uncounted: 0,
            }));
        }
        track
    }

    fn forget_a_track(&mut self) {
        let has_unresolved = |key: &TrackKey| {
            self.alerts.values().any(|alert| {
                !alert.is_resolved() && alert.key.gun == key.0 && alert.key.session == key.1
            })
        };
        let mut by_age: Vec<(&TrackKey, Timestamp)> = self
            .tracks
            .iter()
            .map(|(key, track)| (key, track.active_at))
            .collect();
        by_age.sort_by_key(|(_, active_at)| *active_at);
        let victim = by_age
            .iter()
            .find(|(key, _)| !has_unresolved(key))
            .or_else(|| by_age.first())
            .map(|(key, _)| (*key).clone());
        if let Some(victim) = victim {
            self.tracks.remove(&victim);
        }
    }

    pub(super) fn breach(
        &mut self,
        key: &TrackKey,
        shot: &JudgedShot<'_>,
        finding: Finding,
        outcome: &mut Outcome,
    ) {
        let newest = self
            .newest(key, finding.rule)
            .and_then(|id| self.alerts.get(&id));
        let goes_on = newest.filter(|alert| {
            !alert.is_resolved() || shot.at.since_ns(alert.last_breach_at) <= Alerts::CLEAN_NS
        });
        let id = match goes_on.map(|alert| alert.id) {
            Some(id) => {
                self.count(id, shot, finding, outcome);
                id
            }
            None => match self.begin(key, shot, finding, outcome) {
                Some(id) => id,
                None => return,
            },
        };
        // A late shot of a session that has ended: its breach was over before it was known.
        let ended_at = self.tracks.get(key).and_then(|track| track.ended_at);
        if let Some(ended_at) = ended_at {
            self.breach_is_over(id, ended_at.max(shot.at), outcome);
        }
    }

    pub(super) fn clean(
        &mut self,
        key: &TrackKey,
        rule: Rule,
        at: Timestamp,
        outcome: &mut Outcome,
    ) {
        let Some(alert) = self.newest(key, rule).and_then(|id| self.alerts.get(&id)) else {
            return;
        };
        if at.since_ns(alert.last_breach_at) >= Alerts::CLEAN_NS {
            self.breach_is_over(alert.id, at, outcome);
        }
    }

    fn newest(&self, key: &TrackKey, rule: Rule) -> Option<AlertId> {
        let track = self.tracks.get(key)?;
        let of_rule = track.rules.iter().find(|of_rule| of_rule.rule == rule)?;
        Some(AlertId::of(&AlertKey {
            rule,
            gun: key.0.clone(),
            session: key.1,
            episode: of_rule.episode,
        }))
    }

    fn begin(
        &mut self,
        key: &TrackKey,
        shot: &JudgedShot<'_>,
        finding: Finding,
        outcome: &mut Outcome,
    ) -> Option<AlertId> {
        if self.alerts.len() - self.resolved.len() >= Alerts::UNRESOLVED_COUNT_MAX {
            self.not_opened_count = self.not_opened_count.saturating_add(1);
            return None;
        }
        let rules = &mut self.tracks.get_mut(key)?.rules;
        let before = rules
            .iter()
            .find(|r| r.rule == finding.rule)
            .map_or(0, |r| r.episode);
        let episode = before.saturating_add(1);
        rules.retain(|of_rule| of_rule.rule != finding.rule);
        rules.push(RuleTrack {
            rule: finding.rule,
            episode,
            counted_at: shot.at,
            uncounted: 0,
        });
        let alert_key = AlertKey {
            rule: finding.rule,
            gun: key.0.clone(),
            session: key.1,
            episode,
        };
        let id = AlertId::of(&alert_key);
        let alert = Alert {
            id,
            key: alert_key,
            clinic: shot.clinic.clone(),
            severity: finding.severity,
            state: AlertState::Open,
            shot_count: 1,
            first_shot: shot.identity.clone(),
            last_breach_at: shot.at,
            worst: finding,
            opened_at: shot.at,
            changed_at: shot.at,
            acknowledged_by: None,
            breach_over_at: None,
        };
        self.alerts.insert(id, alert);
        let kind = if episode == 1 {
            TransitionKind::Opened
        } else {
            TransitionKind::Reopened
        };
        self.emit(id, kind, shot.at, outcome);
        Some(id)
    }

    /// One more shot of an episode that goes on.
    fn count(
        &mut self,
        id: AlertId,
        shot: &JudgedShot<'_>,
        finding: Finding,
        outcome: &mut Outcome,
    ) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        outcome.change(id);
        alert.shot_count = alert.shot_count.saturating_add(1);
        alert.last_breach_at = alert.last_breach_at.max(shot.at);
        alert.changed_at = alert.changed_at.max(shot.at);
        if alert
            .breach_over_at
            .is_some_and(|over_at| shot.at > over_at)
            && !alert.is_resolved()
        {
            alert.breach_over_at = None;
        }
        if is_worse(&finding, &alert.worst) {
            alert.worst = finding;
        }
        if finding.severity > alert.severity {
            alert.severity = finding.severity;
            alert.state = AlertState::Open;
            alert.acknowledged_by = None;
            self.resolved.retain(|resolved| *resolved != id);
            self.emit(id, TransitionKind::Escalated, shot.at, outcome);
            return;
        }
        if let Some(of_rule) = self.rule_track(id) {
            of_rule.uncounted = of_rule.uncounted.saturating_add(1);
            let since = shot.at.since_ns(of_rule.counted_at);
            if since.saturating_abs() >= Alerts::COUNTED_NS_MIN {
                of_rule.counted_at = shot.at;
                self.emit(id, TransitionKind::Counted, shot.at, outcome);
            }
        }
    }

    pub(super) fn give_out_counts(&mut self, outcome: &mut Outcome) {
        let mut due = Vec::new();
        for (key, track) in &self.tracks {
            for of_rule in track.rules.iter().filter(|of_rule| of_rule.uncounted > 0) {
                due.extend(self.newest(key, of_rule.rule));
            }
        }
        for id in due {
            if let Some(at) = self.alerts.get(&id).map(|alert| alert.changed_at) {
                self.emit(id, TransitionKind::Counted, at, outcome);
            }
        }
    }

    pub(super) fn mark_acknowledged(
        &mut self,
        id: AlertId,
        by: &OperatorId,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        if let Some(alert) = self.alerts.get_mut(&id) {
            alert.state = AlertState::Acknowledged;
            alert.acknowledged_by = Some(by.clone());
            self.emit(id, TransitionKind::Acknowledged(by.clone()), now, outcome);
        }
        self.resolve_if_done(id, now, outcome);
    }

    /// The breach itself is over; the alert resolves, unless it is hard and nobody has seen to it.
    pub(super) fn breach_is_over(&mut self, id: AlertId, at: Timestamp, outcome: &mut Outcome) {
        let Some(alert) = self
            .alerts
            .get_mut(&id)
            .filter(|alert| !alert.is_resolved())
        else {
            return;
        };
        if alert.breach_over_at.is_none() {
            alert.breach_over_at = Some(at);
            outcome.change(id);
        }
        self.resolve_if_done(id, at, outcome);
    }

    fn resolve_if_done(&mut self, id: AlertId, at: Timestamp, outcome: &mut Outcome) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        let is_latched = alert.severity == Severity::Hard && alert.is_open();
        if alert.breach_over_at.is_none() || is_latched || alert.is_resolved() {
            return;
        }
        alert.state = AlertState::Resolved;
        self.emit(id, TransitionKind::Resolved, at, outcome);
        self.resolved.push_back(id);
        self.forget_resolved();
    }

    pub(super) fn forget_resolved(&mut self) {
        while self.resolved.len() > Alerts::RESOLVED_COUNT_MAX {
            if let Some(oldest) = self.resolved.pop_front() {
                self.alerts.remove(&oldest);
            }
        }
    }

    pub(super) fn unresolved(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<AlertId> {
        self.alerts
            .values()
            .filter(|alert| !alert.is_resolved() && wanted(alert))
            .map(|alert| alert.id)
            .collect()
    }

    fn rule_track(&mut self, id: AlertId) -> Option<&mut RuleTrack> {
        let key = &self.alerts.get(&id)?.key;
        let track = self.tracks.get_mut(&(key.gun.clone(), key.session))?;
        let is_this =
            |of_rule: &&mut RuleTrack| of_rule.rule == key.rule && of_rule.episode == key.episode;
        track.rules.iter_mut().find(is_this)
    }

    /// Gives out a transition, and tells people of those that they need to know.
    fn emit(&mut self, id: AlertId, kind: TransitionKind, at: Timestamp, outcome: &mut Outcome) {
        if let Some(of_rule) = self.rule_track(id) {
            of_rule.uncounted = 0;
        }
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        alert.changed_at = alert.changed_at.max(at);
        outcome.change(id);
        outcome.transitions.push(Transition {
            alert: id,
            kind: kind.clone(),
            at,
            severity: alert.severity,
            shot_count: alert.shot_count,
        });
        let is_news = !matches!(
            kind,
            TransitionKind::Counted | TransitionKind::Acknowledged(_)
        );
        if is_news {
            outcome.notifications.push(Notification {
                idempotency_key: format!("{id}-{kind}-{}", alert.severity),
                alert: id,
                kind,
                severity: alert.severity,
                text: alert.text(),
            });
        }
    }
}

/// A harder finding is worse; of equal ones, the one that is further past its limit.
fn is_worse(new: &Finding, old: &Finding) -> bool {
    let rank = |finding: &Finding| (finding.severity, finding.value.abs_diff(finding.limit));
    rank(new) > rank(old)
}
