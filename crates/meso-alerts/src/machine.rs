//! The machine: judged shots, ends of sessions, what people do and time in; changes out.

mod episode;
mod fleet;
mod late;
mod memory;
mod people;

use std::collections::{BTreeMap, VecDeque};

use meso_domain::{Finding, Judgement, Purpose, Rule, Shot, ShotIdentity};
use meso_units::{ClinicId, GunSerial, LibraryVersion, SessionId, Timestamp};

pub use fleet::Observation;
pub use late::LateBreach;
pub use people::Deed;

use crate::track::is_breach;
use crate::{Alert, AlertId, AlertState, Notification, Subject, Track, Transition, TransitionKind};

/// What the machine needs to know of a judged shot.
#[derive(Clone, Copy, Debug)]
pub struct JudgedShot<'a> {
    /// Who it is.
    pub identity: &'a ShotIdentity,
    /// When.
    pub at: Timestamp,
    /// What it was fired for; anything but a patient shot says nothing about a breach.
    pub purpose: Purpose,
    /// The clinic.
    pub clinic: &'a ClinicId,
    /// The session, if any.
    pub session: Option<SessionId>,
    /// The release of the protocol library that it was judged by, if any.
    pub library: Option<LibraryVersion>,
    /// The rules that did not simply pass.
    pub findings: &'a [Finding],
}

impl<'a> JudgedShot<'a> {
    /// A shot and what the limit engine said of it.
    pub fn of(
        shot: &'a Shot,
        clinic: &'a ClinicId,
        session: Option<SessionId>,
        judgement: &'a Judgement,
    ) -> JudgedShot<'a> {
        JudgedShot {
            identity: &shot.identity,
            at: shot.at,
            purpose: shot.purpose,
            clinic,
            session,
            library: judgement.library,
            findings: &judgement.findings,
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What happened, in order: for registry and ledger.
    pub transitions: Vec<Transition>,
    /// Whom to tell what.
    pub notifications: Vec<Notification>,
    /// Every alert that is not as it was, each once: to be stored, with the [`Track`] of the shot,
    /// in one transaction with the shot itself.
    pub changed: Vec<AlertId>,
}

impl Outcome {
    /// Adds what came of a later call.
    pub fn append(&mut self, later: Outcome) {
        self.transitions.extend(later.transitions);
        self.notifications.extend(later.notifications);
        for id in later.changed {
            self.change(id);
        }
    }

    fn change(&mut self, id: AlertId) {
        if !self.changed.contains(&id) {
            self.changed.push(id);
        }
    }
}

/// When somebody is told that an alert still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// After how many ns a hard alert that nobody has seen to escalates; `None` for never.
    pub hard_ns: Option<i64>,
    /// The same for a soft one.
    pub soft_ns: Option<i64>,
}

impl Default for Escalation {
    /// A hard one after 15 minutes, a soft one never: house choice.
    fn default() -> Escalation {
        Escalation {
            hard_ns: Some(15 * 60 * 1_000_000_000),
            soft_ns: None,
        }
    }
}

type TrackKey = (GunSerial, Option<SessionId>);

/// The alerts that are not resolved, the newest that are, and what is needed to tell a new breach
/// from an old one. Cloning it gives a copy that goes its own way.
///
/// The episodes of a rule, gun and session follow from the *set* of its shots: two shots past the
/// limit are of one episode when there is a chain of such shots between them with no hole longer
/// than [`Alerts::EPISODE_GAP_NS`]. So a late shot can prolong an episode, begin one, or make one
/// of two, and never cuts one in two; whatever the order, the same episodes with the same counts
/// come out. Only their numbers, and so their names, tell the order in which they became known.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    alerts: BTreeMap<AlertId, Alert>,
    /// What goes on or is resolved, not what is merged, by the time of the first.
    episodes: BTreeMap<Subject, Vec<AlertId>>,
    /// The resolved and merged ones among `alerts`, oldest first.
    done: VecDeque<AlertId>,
    tracks: BTreeMap<TrackKey, Track>,
    /// Sessions that ended, oldest first, for guns whose first shot of them comes late.
    ended: VecDeque<(SessionId, Timestamp)>,
    escalation: Escalation,
    not_opened_count: u64,
}

impl Alerts {
    /// Two shots past a limit that are further apart, without others between them, are two
    /// episodes; and a breach is over once a shot this long after its last one passed. In ns:
    /// 60 s, several times the slowest rate at which one treats.
    pub const EPISODE_GAP_NS: i64 = 60 * 1_000_000_000;
    /// A breach is over when no shot at all came for this long, in ns: 30 minutes, as long as a
    /// session may be idle.
    pub const QUIET_NS: i64 = 30 * 60 * 1_000_000_000;
    /// Shortest time between two [`crate::TransitionKind::Counted`] of an alert, in ns: 1 s.
    pub const COUNTED_NS_MIN: i64 = 1_000_000_000;
    /// The longest silence, in ns: one day; it can be renewed.
    pub const SILENCE_NS_MAX: i64 = 24 * 60 * 60 * 1_000_000_000;
    /// The most guns × sessions that are remembered. Beyond it the one that was quiet for longest
    /// is forgotten, first among those without unresolved alerts; its shots, should they come
    /// again, would be counted again.
    pub const TRACK_COUNT_MAX: usize = 4_096;
    /// The most resolved and merged alerts that are remembered; of more the oldest is forgotten
    /// here (the store keeps it).
    pub const RESOLVED_COUNT_MAX: usize = 1_024;
    /// The most unresolved alerts. Beyond it a further breach opens none and is counted in
    /// [`Alerts::not_opened_count`]: nobody reads the ten-thousandth alert, but the number shows.
    pub const UNRESOLVED_COUNT_MAX: usize = 10_000;
    /// How many ended sessions are remembered for late shots; of more the oldest is forgotten and
    /// a soft alert of its late shots resolves by [`Alerts::QUIET_NS`].
    pub const ENDED_COUNT_MAX: usize = 1_024;

    /// Says when an alert escalates that nobody sees to.
    pub const fn set_escalation(&mut self, escalation: Escalation) {
        self.escalation = escalation;
    }

    /// Takes a judged shot. The same shot again changes nothing.
    pub fn shot(&mut self, shot: &JudgedShot<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        if shot.purpose != Purpose::Patient {
            return outcome;
        }
        let key = (shot.identity.gun.clone(), shot.session);
        let is_first = self.begin_track(&key, shot.at);
        let Some(track) = self.tracks.get_mut(&key) else {
            return outcome;
        };
        let (epoch, counter) = (shot.identity.epoch, shot.identity.counter);
        if !track.seen.insert(epoch, counter) {
            return outcome;
        }
        track.note(shot.at, shot.findings, is_first);
        // Nearly every shot: nothing is wrong with it, and nothing was before.
        if shot.findings.is_empty() && track.rules.is_empty() {
            return outcome;
        }
        let passed: Vec<Rule> = track
            .rules
            .iter()
            .filter(|of_rule| of_rule.episode > 0)
            .map(|of_rule| of_rule.rule)
            .filter(|rule| !shot.findings.iter().any(|finding| finding.rule == *rule))
            .collect();
        for rule in passed {
            for id in self.unfinished(&subject_of(&key, rule)) {
                self.refresh(id, shot.at, &mut outcome);
            }
        }
        for finding in shot.findings.iter().filter(|finding| is_breach(finding)) {
            self.breach(&key, shot, *finding, &mut outcome);
        }
        outcome
    }

    /// Takes the end of a session: every breach in it is over. The same end again changes nothing.
    pub fn session_ended(&mut self, session: SessionId, at: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        if !self.ended.iter().any(|(ended, _)| *ended == session) {
            self.ended.push_back((session, at));
            if self.ended.len() > Alerts::ENDED_COUNT_MAX {
                self.ended.pop_front();
            }
        }
        let of_session = |track: &&mut Track| track.session == Some(session);
        for track in self.tracks.values_mut().filter(of_session) {
            track.ended_at.get_or_insert(at);
        }
        for id in self.unresolved(|alert| alert.key.subject.session() == Some(session)) {
            self.refresh(id, at, &mut outcome);
        }
        outcome
    }

    /// Takes the time: gives out counts that were held back, ends breaches that went quiet and
    /// silences that are over, and escalates what waits for too long. To be called about once a
    /// second, by the server's clock.
    pub fn tick(&mut self, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        for id in self.unresolved(|alert| alert.told_count < alert.shot_count) {
            self.tell_count(id, &mut outcome);
        }
        let is_quiet = |alert: &Alert| {
            alert.breach_over_at.is_none()
                && alert.ends_by_quiet()
                && now.since_ns(alert.last.at) > Alerts::QUIET_NS
        };
        for id in self.unresolved(is_quiet) {
            self.take_for_over(id, now, &mut outcome);
        }
        for id in self.unresolved(|alert| alert.silenced_until.is_some_and(|until| now >= until)) {
            self.end_silence(id, now, &mut outcome);
        }
        self.escalate(now, &mut outcome);
        outcome
    }

    fn escalate(&mut self, now: Timestamp, outcome: &mut Outcome) {
        for id in self.unresolved(|alert| alert.is_waiting() && alert.escalated_at.is_none()) {
            let Some(alert) = self.alerts.get_mut(&id) else {
                continue;
            };
            let Some(since) = alert.waiting_since else {
                alert.waiting_since = Some(now);
                outcome.change(id);
                continue;
            };
            let after_ns = match alert.severity {
                meso_domain::Severity::Hard => self.escalation.hard_ns,
                _ => self.escalation.soft_ns,
            };
            let is_late = after_ns.is_some_and(|after_ns| now.since_ns(since) >= after_ns);
            if is_late && !alert.is_silenced() {
                alert.escalated_at = Some(now);
                self.emit(id, TransitionKind::Escalated, now, outcome);
            }
        }
    }

    /// An alert that is remembered.
    pub fn alert(&self, id: AlertId) -> Option<&Alert> {
        self.alerts.get(&id)
    }

    /// All alerts that are remembered, in the order of their ids.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// What is remembered of a gun in a session.
    pub fn track(&self, gun: &GunSerial, session: Option<SessionId>) -> Option<&Track> {
        self.tracks.get(&(gun.clone(), session))
    }

    /// Everything that is remembered of guns and sessions.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.values()
    }

    /// Breaches that opened no alert because of [`Alerts::UNRESOLVED_COUNT_MAX`].
    pub const fn not_opened_count(&self) -> u64 {
        self.not_opened_count
    }

    fn unresolved(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<AlertId> {
        self.alerts
            .values()
            .filter(|alert| !alert.is_done() && wanted(alert))
            .map(|alert| alert.id)
            .collect()
    }

    fn unfinished(&self, subject: &Subject) -> Vec<AlertId> {
        let of_subject = self.episodes.get(subject).into_iter().flatten();
        of_subject
            .filter(|id| self.alerts.get(id).is_some_and(|alert| !alert.is_done()))
            .copied()
            .collect()
    }

    /// Gives out a transition, and tells people of those that they need to know.
    fn emit(&mut self, id: AlertId, kind: TransitionKind, at: Timestamp, outcome: &mut Outcome) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        alert.told_count = alert.shot_count;
        alert.transition_count = alert.transition_count.saturating_add(1);
        alert.changed_at = alert.changed_at.max(at);
        outcome.change(id);
        outcome.transitions.push(Transition {
            alert: id,
            kind: kind.clone(),
            at,
            severity: alert.severity,
            shot_count: alert.shot_count,
        });
        if kind.is_news() && !alert.is_silenced() {
            outcome.notifications.push(Notification {
                idempotency_key: format!("{id}-{}", alert.transition_count),
                alert: id,
                kind,
                at,
                severity: alert.severity,
                text: alert.text(),
            });
        }
    }
}

fn subject_of(key: &TrackKey, rule: Rule) -> Subject {
    Subject::Breach {
        rule,
        gun: key.0.clone(),
        session: key.1,
    }
}

impl Alert {
    fn ends_by_quiet(&self) -> bool {
        match &self.key.subject {
            Subject::Breach { .. } => true,
            Subject::Fleet { cause, .. } => cause.is_event(),
        }
    }

    /// The state that follows from all the rest.
    fn state_now(&self) -> AlertState {
        let is_seen = self.acknowledged_by.is_some();
        let is_soft = self.severity != meso_domain::Severity::Hard;
        match (self.breach_over_at.is_some(), is_seen) {
            _ if self.merged_into.is_some() => AlertState::Merged,
            (true, seen) if seen || is_soft => AlertState::Resolved,
            (true, _) => AlertState::Latched,
            (false, true) => AlertState::Acknowledged,
            (false, false) => AlertState::Open,
        }
    }
}
