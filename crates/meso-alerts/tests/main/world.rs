//! A small world: one gun, one session, shots that are too deep.

use meso_alerts::{Alert, AlertId, AlertState, Alerts, JudgedShot, Outcome, Reason};
use meso_domain::{Bound, Finding, Purpose, Rule, Severity, ShotIdentity};
use meso_units::{
    ClinicId, Epoch, GunSerial, LibraryVersion, OperatorId, SessionId, ShotCounter, Timestamp,
};

pub(crate) const SESSION: SessionId = SessionId::from_bytes([1; 16]);

/// A shot of the small world: its counter, its time in ms, what the engine found.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) counter: u32,
    pub(crate) at_ms: i64,
    pub(crate) gun: &'static str,
    pub(crate) session: Option<SessionId>,
    pub(crate) purpose: Purpose,
    pub(crate) findings: Vec<Finding>,
}

impl Sample {
    pub(crate) fn clean(counter: u32, at_ms: i64) -> Sample {
        Sample {
            counter,
            at_ms,
            gun: "GUN-0001",
            session: Some(SESSION),
            purpose: Purpose::Patient,
            findings: Vec::new(),
        }
    }

    pub(crate) fn soft(counter: u32, at_ms: i64) -> Sample {
        let findings = vec![too_deep(Severity::Soft, 4_500, 4_000)];
        Sample {
            findings,
            ..Sample::clean(counter, at_ms)
        }
    }

    pub(crate) fn hard(counter: u32, at_ms: i64) -> Sample {
        let findings = vec![too_deep(Severity::Hard, 10_800, 10_000)];
        Sample {
            findings,
            ..Sample::clean(counter, at_ms)
        }
    }

    pub(crate) fn give(&self, alerts: &mut Alerts) -> Outcome {
        let identity = ShotIdentity {
            gun: GunSerial::parse(self.gun).unwrap(),
            epoch: Epoch(7),
            counter: ShotCounter(self.counter),
        };
        alerts.shot(&JudgedShot {
            identity: &identity,
            at: at(self.at_ms),
            purpose: self.purpose,
            clinic: &ClinicId::parse("clinic").unwrap(),
            session: self.session,
            library: Some(LibraryVersion(7)),
            findings: &self.findings,
        })
    }
}

pub(crate) const fn too_deep(severity: Severity, value: i64, limit: i64) -> Finding {
    Finding {
        rule: Rule::NeedleDepth,
        severity,
        bound: Some(Bound::Maximum),
        value,
        limit,
        reason: None,
    }
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ns(ms * 1_000_000).unwrap()
}

pub(crate) fn operator() -> OperatorId {
    OperatorId::parse("op-1").unwrap()
}

pub(crate) fn give(alerts: &mut Alerts, samples: &[Sample]) -> Outcome {
    let mut outcome = Outcome::default();
    for sample in samples {
        outcome.append(sample.give(alerts));
    }
    outcome
}

pub(crate) fn kinds(outcome: &Outcome) -> Vec<&'static str> {
    outcome
        .transitions
        .iter()
        .map(|transition| transition.kind.as_str())
        .collect()
}

#[track_caller]
pub(crate) fn only(alerts: &Alerts) -> Alert {
    let all: Vec<&Alert> = alerts.alerts().collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}

/// What must hold after any calls.
#[track_caller]
pub(crate) fn assert_alerts_sound(alerts: &Alerts) {
    for alert in alerts.alerts() {
        assert_eq!(alert.id, AlertId::of(&alert.key));
        assert!(alert.shot_count > 0 && alert.key.episode > 0);
        assert!(alert.opened_at <= alert.changed_at);
        assert!(alert.first <= alert.last);
        assert!(alert.told_count <= alert.shot_count);
        assert_eq!(
            alert.merged_into.is_some(),
            alert.state == AlertState::Merged
        );
        let unseen = alert.severity == Severity::Hard && alert.acknowledged_by.is_none();
        assert!(
            !(alert.is_resolved() && unseen),
            "a hard alert went unseen: {alert:?}"
        );
        assert!(alert.severity != Severity::NotCheckable);
    }
}

pub(crate) fn reason() -> Reason {
    Reason::parse("the head is being changed").unwrap()
}
