//! The machine: judged shots, ends of sessions, acknowledgements and time in; changes out.

mod episode;

use std::collections::{BTreeMap, VecDeque};

use meso_domain::{Finding, Judgement, Purpose, Rule, Severity, Shot, ShotIdentity};
use meso_units::{ClinicId, GunSerial, OperatorId, SessionId, Timestamp};

use crate::{Alert, AlertError, AlertId, Notification, Track, Transition};

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

/// The alerts that are not resolved, the newest that are, and what is needed to tell a new breach
/// from an old one. Cloning it gives a copy that goes its own way.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    alerts: BTreeMap<AlertId, Alert>,
    /// The resolved ones among `alerts`, oldest first.
    resolved: VecDeque<AlertId>,
    tracks: BTreeMap<(GunSerial, Option<SessionId>), Track>,
    /// Sessions that ended, oldest first, for guns whose first shot of them comes late.
    ended: VecDeque<(SessionId, Timestamp)>,
    not_opened_count: u64,
}

impl Alerts {
    /// A breach is over after shots have been clean for this long, in ns: 10 s.
    pub const CLEAN_NS: i64 = 10 * 1_000_000_000;
    /// A breach is over when no shot at all came for this long, in ns: 30 minutes, as long as a
    /// session may be idle.
    pub const QUIET_NS: i64 = 30 * 60 * 1_000_000_000;
    /// Shortest time between two [`crate::TransitionKind::Counted`] of an alert, in ns: 1 s.
    pub const COUNTED_NS_MIN: i64 = 1_000_000_000;
    /// The most guns × sessions that are remembered. Beyond it the one that was quiet for longest
    /// is forgotten, first among those without unresolved alerts; its shots, should they come
    /// again, would be counted again.
    pub const TRACK_COUNT_MAX: usize = 4_096;
    /// The most resolved alerts that are remembered; of more the oldest is forgotten here (the
    /// store keeps it).
    pub const RESOLVED_COUNT_MAX: usize = 1_024;
    /// The most unresolved alerts. Beyond it a further breach opens none and is counted in
    /// [`Alerts::not_opened_count`]: nobody reads the ten-thousandth alert, but the number shows.
    pub const UNRESOLVED_COUNT_MAX: usize = 10_000;
    /// How many ended sessions are remembered for late shots; of more the oldest is forgotten and
    /// a soft alert of its late shots resolves by [`Alerts::QUIET_NS`].
    pub const ENDED_COUNT_MAX: usize = 1_024;

    /// Takes a judged shot. The same shot again changes nothing.
    ///
    /// A shot past a limit belongs to the newest episode of its rule, gun and session unless that
    /// is resolved and its last breach lies more than [`Alerts::CLEAN_NS`] back; then it begins a
    /// new one. A shot that arrives late counts toward the newest episode too.
    pub fn shot(&mut self, shot: &JudgedShot<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        if shot.purpose != Purpose::Patient {
            return outcome;
        }
        let key = (shot.identity.gun.clone(), shot.session);
        let track = self.track_mut(&key, shot.at);
        track.active_at = track.active_at.max(shot.at);
        if !track
            .seen
            .insert(shot.identity.epoch, shot.identity.counter)
        {
            return outcome;
        }
        // Nearly every shot: nothing is wrong with it, and nothing was before.
        if shot.findings.is_empty() && track.rules.is_empty() {
            return outcome;
        }
        // Nothing changes for a rule without a finding that never had one.
        let known: Vec<Rule> = self
            .tracks
            .get(&key)
            .into_iter()
            .flat_map(|track| track.rules.iter().map(|of_rule| of_rule.rule))
            .chain(shot.findings.iter().map(|finding| finding.rule))
            .collect();
        for rule in Rule::ALL.iter().filter(|rule| known.contains(rule)) {
            match shot.findings.iter().find(|finding| finding.rule == *rule) {
                None => self.clean(&key, *rule, shot.at, &mut outcome),
                Some(finding) if finding.severity == Severity::NotCheckable => {}
                Some(finding) => self.breach(&key, shot, *finding, &mut outcome),
            }
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
        for track in self
            .tracks
            .values_mut()
            .filter(|track| track.session == Some(session))
        {
            track.ended_at.get_or_insert(at);
        }
        for id in self.unresolved(|alert| alert.key.session == Some(session)) {
            self.breach_is_over(id, at, &mut outcome);
        }
        outcome
    }

    /// A person has seen to an alert. The same again changes nothing.
    ///
    /// # Errors
    ///
    /// [`AlertError::Unknown`] for an alert that is not remembered.
    pub fn acknowledge(
        &mut self,
        id: AlertId,
        by: &OperatorId,
        now: Timestamp,
    ) -> Result<Outcome, AlertError> {
        let mut outcome = Outcome::default();
        let alert = self.alerts.get_mut(&id).ok_or(AlertError::Unknown { id })?;
        if alert.is_open() {
            self.mark_acknowledged(id, by, now, &mut outcome);
        }
        Ok(outcome)
    }

    /// Takes the time: gives out counts that were held back and ends breaches that went quiet. To
    /// be called about once a second.
    pub fn tick(&mut self, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        self.give_out_counts(&mut outcome);
        let is_quiet = |alert: &Alert| {
            alert.breach_over_at.is_none() && now.since_ns(alert.last_breach_at) > Alerts::QUIET_NS
        };
        for id in self.unresolved(is_quiet) {
            self.breach_is_over(id, now, &mut outcome);
        }
        outcome
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
        let mut resolved: Vec<&Alert> = machine
            .alerts
            .values()
            .filter(|alert| alert.is_resolved())
            .collect();
        resolved.sort_by_key(|alert| (alert.changed_at, alert.id));
        machine.resolved = resolved.iter().map(|alert| alert.id).collect();
        machine.forget_resolved();
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
            machine
                .tracks
                .insert((track.gun.clone(), track.session), track);
        }
        machine
    }
}
