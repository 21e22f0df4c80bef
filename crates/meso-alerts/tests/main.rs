//! One life for each breach.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use meso_alerts::{
    Alert, AlertError, AlertId, AlertKey, AlertState, Alerts, JudgedShot, Outcome, Track,
    TransitionKind,
};
use meso_domain::canonical::Canonical;
use meso_domain::{Bound, Finding, NotCheckable, Purpose, Rule, Severity, ShotIdentity};
use meso_units::{ClinicId, Epoch, GunSerial, OperatorId, SessionId, ShotCounter, Timestamp};
use proptest::prelude::*;

const SESSION: SessionId = SessionId::from_bytes([1; 16]);

/// A shot of the small world: its counter, its time in ms, what the engine found.
#[derive(Clone, Debug)]
struct Sample {
    counter: u32,
    at_ms: i64,
    gun: &'static str,
    session: Option<SessionId>,
    purpose: Purpose,
    findings: Vec<Finding>,
}

impl Sample {
    fn clean(counter: u32, at_ms: i64) -> Sample {
        Sample {
            counter,
            at_ms,
            gun: "GUN-0001",
            session: Some(SESSION),
            purpose: Purpose::Patient,
            findings: Vec::new(),
        }
    }

    fn soft(counter: u32, at_ms: i64) -> Sample {
        let findings = vec![too_deep(Severity::Soft, 4_500, 4_000)];
        Sample {
            findings,
            ..Sample::clean(counter, at_ms)
        }
    }

    fn hard(counter: u32, at_ms: i64) -> Sample {
        let findings = vec![too_deep(Severity::Hard, 10_800, 10_000)];
        Sample {
            findings,
            ..Sample::clean(counter, at_ms)
        }
    }

    fn give(&self, alerts: &mut Alerts) -> Outcome {
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
            findings: &self.findings,
        })
    }
}

const fn too_deep(severity: Severity, value: i64, limit: i64) -> Finding {
    Finding {
        rule: Rule::NeedleDepth,
        severity,
        bound: Some(Bound::Maximum),
        value,
        limit,
        reason: None,
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ns(ms * 1_000_000).unwrap()
}

fn operator() -> OperatorId {
    OperatorId::parse("op-1").unwrap()
}

fn give(alerts: &mut Alerts, samples: &[Sample]) -> Outcome {
    let mut outcome = Outcome::default();
    for sample in samples {
        outcome.append(sample.give(alerts));
    }
    outcome
}

fn kinds(outcome: &Outcome) -> Vec<&'static str> {
    outcome
        .transitions
        .iter()
        .map(|transition| transition.kind.as_str())
        .collect()
}

#[track_caller]
fn only(alerts: &Alerts) -> Alert {
    let all: Vec<&Alert> = alerts.alerts().collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}

/// What must hold after any calls.
#[track_caller]
fn assert_alerts_sound(alerts: &Alerts) {
    for alert in alerts.alerts() {
        assert_eq!(alert.id, AlertId::of(&alert.key));
        assert!(alert.shot_count > 0 && alert.key.episode > 0);
        assert!(alert.opened_at <= alert.changed_at);
        let unseen = alert.severity == Severity::Hard && alert.acknowledged_by.is_none();
        assert!(
            !(alert.is_resolved() && unseen),
            "a hard alert went unseen: {alert:?}"
        );
        assert!(alert.severity != Severity::NotCheckable);
    }
}

#[test]
fn a_breach_of_many_shots_is_one_alert_with_their_count() {
    let mut alerts = Alerts::default();
    let shots: Vec<Sample> = (1..=9)
        .map(|n| Sample::hard(n, i64::from(n) * 100))
        .collect();
    let outcome = give(&mut alerts, &shots);
    assert_eq!(kinds(&outcome), ["opened"]);
    let alert = only(&alerts);
    assert_eq!((alert.shot_count, alert.state), (9, AlertState::Open));
    assert_eq!(alert.first_shot.counter, ShotCounter(1));
    assert_eq!(outcome.notifications.len(), 1);
}

#[test]
fn the_same_shot_again_changes_nothing() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::hard(1, 100)]);
    assert_eq!(
        give(&mut alerts, &[Sample::hard(1, 100)]),
        Outcome::default()
    );
    assert_eq!(only(&alerts).shot_count, 1);
}

#[test]
fn the_count_is_told_at_most_once_a_second_and_the_rest_with_the_next_tick() {
    let mut alerts = Alerts::default();
    let shots: Vec<Sample> = (1..=15)
        .map(|n| Sample::soft(n, i64::from(n) * 100))
        .collect();
    let outcome = give(&mut alerts, &shots);
    assert_eq!(kinds(&outcome), ["opened", "counted"]);
    let rest = alerts.tick(at(2_000));
    assert_eq!(kinds(&rest), ["counted"]);
    assert_eq!(rest.transitions[0].shot_count, 15);
    assert_eq!(alerts.tick(at(3_000)), Outcome::default());
}

#[test]
fn a_soft_alert_resolves_after_ten_seconds_of_clean_shots() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::soft(1, 0), Sample::clean(2, 9_999)]);
    assert_eq!(only(&alerts).state, AlertState::Open);
    let outcome = give(&mut alerts, &[Sample::clean(3, 10_000)]);
    assert_eq!(kinds(&outcome), ["resolved"]);
    assert_eq!(only(&alerts).state, AlertState::Resolved);
}

#[test]
fn a_hard_alert_stays_until_it_is_acknowledged() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::hard(1, 0), Sample::clean(2, 60_000)]);
    alerts.session_ended(SESSION, at(70_000));
    let alert = only(&alerts);
    assert_eq!(alert.state, AlertState::Open);
    let outcome = alerts
        .acknowledge(alert.id, &operator(), at(80_000))
        .unwrap();
    assert_eq!(kinds(&outcome), ["acknowledged", "resolved"]);
    assert_eq!(only(&alerts).acknowledged_by, Some(operator()));
}

#[test]
fn an_acknowledged_hard_alert_resolves_once_its_breach_is_over() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::hard(1, 0)]);
    let id = only(&alerts).id;
    let outcome = alerts.acknowledge(id, &operator(), at(1_000)).unwrap();
    assert_eq!(kinds(&outcome), ["acknowledged"]);
    assert_eq!(
        alerts.acknowledge(id, &operator(), at(2_000)),
        Ok(Outcome::default())
    );
    assert_eq!(
        kinds(&give(&mut alerts, &[Sample::clean(2, 11_000)])),
        ["resolved"]
    );
}

#[test]
fn a_hard_breach_that_comes_again_before_anybody_looked_is_not_over() {
    let mut alerts = Alerts::default();
    give(
        &mut alerts,
        &[
            Sample::hard(1, 0),
            Sample::clean(2, 60_000),
            Sample::hard(3, 61_000),
        ],
    );
    let alert = only(&alerts);
    assert_eq!((alert.shot_count, alert.breach_over_at), (2, None));
    let outcome = alerts
        .acknowledge(alert.id, &operator(), at(62_000))
        .unwrap();
    assert_eq!(
        kinds(&outcome),
        ["acknowledged"],
        "it resolves after clean shots only"
    );
}

#[test]
fn a_new_breach_after_the_end_of_one_is_a_new_episode() {
    let mut alerts = Alerts::default();
    let outcome = give(
        &mut alerts,
        &[
            Sample::soft(1, 0),
            Sample::clean(2, 10_000),
            Sample::soft(3, 12_000),
        ],
    );
    assert_eq!(kinds(&outcome), ["opened", "resolved", "reopened"]);
    let mut episodes: Vec<u32> = alerts.alerts().map(|alert| alert.key.episode).collect();
    episodes.sort_unstable();
    assert_eq!(episodes, [1, 2]);
}

#[test]
fn a_soft_breach_that_turns_hard_escalates_and_needs_to_be_seen_again() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::soft(1, 0)]);
    let id = only(&alerts).id;
    alerts.acknowledge(id, &operator(), at(10)).unwrap();
    let outcome = give(&mut alerts, &[Sample::hard(2, 100), Sample::soft(3, 200)]);
    assert_eq!(kinds(&outcome), ["escalated"]);
    let alert = only(&alerts);
    assert_eq!(
        (alert.severity, alert.state),
        (Severity::Hard, AlertState::Open)
    );
    assert_eq!((alert.worst.value, alert.shot_count), (10_800, 3));
    assert_eq!(
        alert.text(),
        "needle depth 10.8 mm is above the hard limit of 10 mm: stop and set the depth again"
    );
}

#[test]
fn the_worst_value_is_the_one_furthest_past_its_limit() {
    let mut alerts = Alerts::default();
    let depth = |counter, value| Sample {
        findings: vec![too_deep(Severity::Hard, value, 10_000)],
        ..Sample::clean(counter, i64::from(counter))
    };
    give(
        &mut alerts,
        &[depth(1, 10_200), depth(2, 11_400), depth(3, 10_300)],
    );
    assert_eq!(only(&alerts).worst.value, 11_400);
}

#[test]
fn guns_sessions_and_rules_have_alerts_of_their_own() {
    let mut alerts = Alerts::default();
    let too_fast = Finding {
        rule: Rule::ShotRate,
        bound: Some(Bound::Minimum),
        ..too_deep(Severity::Hard, 80_000, 111_111)
    };
    let mut both = Sample::hard(1, 0);
    both.findings.push(too_fast);
    let other_gun = Sample {
        gun: "GUN-0002",
        ..Sample::hard(1, 0)
    };
    let no_session = Sample {
        session: None,
        ..Sample::hard(2, 0)
    };
    give(&mut alerts, &[both, other_gun, no_session]);
    assert_eq!(alerts.alerts().count(), 4);
    assert_alerts_sound(&alerts);
}

#[test]
fn a_rule_that_could_not_be_judged_neither_opens_nor_resolves() {
    let mut alerts = Alerts::default();
    let unknown = Finding {
        severity: Severity::NotCheckable,
        bound: None,
        reason: Some(NotCheckable::ValueMissing),
        ..too_deep(Severity::Soft, 0, 0)
    };
    let unjudged = |counter, at_ms| Sample {
        findings: vec![unknown],
        ..Sample::clean(counter, at_ms)
    };
    assert_eq!(give(&mut alerts, &[unjudged(1, 0)]), Outcome::default());
    give(&mut alerts, &[Sample::soft(2, 100), unjudged(3, 60_000)]);
    assert_eq!(only(&alerts).state, AlertState::Open);
}

#[test]
fn a_prime_says_nothing_about_a_breach() {
    let mut alerts = Alerts::default();
    let prime = Sample {
        purpose: Purpose::Prime,
        ..Sample::clean(2, 60_000)
    };
    give(&mut alerts, &[Sample::soft(1, 0), prime]);
    assert_eq!(only(&alerts).state, AlertState::Open);
}

#[test]
fn a_late_shot_counts_toward_the_episode_that_it_belongs_to() {
    let mut alerts = Alerts::default();
    give(
        &mut alerts,
        &[
            Sample::soft(1, 0),
            Sample::soft(3, 2_000),
            Sample::clean(4, 13_000),
        ],
    );
    let outcome = give(&mut alerts, &[Sample::soft(2, 1_000)]);
    assert_eq!(only(&alerts).shot_count, 3);
    assert_eq!(only(&alerts).state, AlertState::Resolved);
    assert_eq!(kinds(&outcome), ["counted"]);
}

#[test]
fn a_late_breach_of_a_session_that_ended_is_still_an_alert() {
    let mut alerts = Alerts::default();
    alerts.session_ended(SESSION, at(50_000));
    assert_eq!(
        kinds(&give(&mut alerts, &[Sample::soft(1, 0)])),
        ["opened", "resolved"]
    );
    assert_eq!(
        kinds(&give(&mut alerts, &[Sample::hard(2, 100)])),
        ["escalated"]
    );
    assert_eq!(only(&alerts).state, AlertState::Open);
    assert_alerts_sound(&alerts);
}

#[test]
fn a_gun_that_falls_silent_ends_its_soft_breach_after_half_an_hour() {
    let mut alerts = Alerts::default();
    give(
        &mut alerts,
        &[Sample {
            session: None,
            ..Sample::soft(1, 0)
        }],
    );
    let half_an_hour_ms = Alerts::QUIET_NS / 1_000_000;
    assert_eq!(alerts.tick(at(half_an_hour_ms)), Outcome::default());
    assert_eq!(kinds(&alerts.tick(at(half_an_hour_ms + 1))), ["resolved"]);
}

#[test]
fn an_alert_that_is_not_known_is_named() {
    let id = AlertId::parse("00000000000000ff").unwrap();
    let refused = Alerts::default().acknowledge(id, &operator(), at(0));
    assert_eq!(refused, Err(AlertError::Unknown { id }));
    assert!(AlertId::parse("FF").is_err());
}

#[test]
fn notifications_of_one_alert_have_keys_of_their_own() {
    let mut alerts = Alerts::default();
    let mut outcome = give(&mut alerts, &[Sample::soft(1, 0), Sample::hard(2, 100)]);
    let id = only(&alerts).id;
    outcome.append(alerts.acknowledge(id, &operator(), at(200)).unwrap());
    outcome.append(alerts.session_ended(SESSION, at(300)));
    let keys: Vec<&str> = outcome
        .notifications
        .iter()
        .map(|n| n.idempotency_key.as_str())
        .collect();
    let expected = ["opened-soft", "escalated-hard", "resolved-hard"];
    assert_eq!(keys, expected.map(|end| format!("{id}-{end}")));
}

#[test]
fn beyond_the_limit_the_oldest_resolved_alert_is_forgotten() {
    let mut alerts = Alerts::default();
    let count = u32::try_from(Alerts::RESOLVED_COUNT_MAX).unwrap();
    let mut first = None;
    for episode in 0..=count {
        let start = i64::from(episode) * 20_000;
        give(&mut alerts, &[Sample::soft(episode * 2 + 1, start)]);
        first = first.or_else(|| alerts.alerts().next().map(|alert| alert.id));
        give(
            &mut alerts,
            &[Sample::clean(episode * 2 + 2, start + 10_000)],
        );
    }
    assert_eq!(alerts.alerts().count(), Alerts::RESOLVED_COUNT_MAX);
    assert!(first.is_some_and(|first| alerts.alert(first).is_none()));
}

#[test]
fn beyond_the_limit_the_quietest_gun_without_an_alert_is_forgotten() {
    let mut alerts = Alerts::default();
    let session = |number: u32| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        Some(SessionId::from_bytes(bytes))
    };
    give(
        &mut alerts,
        &[Sample {
            session: session(0),
            ..Sample::hard(1, 0)
        }],
    );
    for number in 1..=u32::try_from(Alerts::TRACK_COUNT_MAX).unwrap() {
        let sample = Sample {
            session: session(number),
            ..Sample::clean(1, number.into())
        };
        give(&mut alerts, &[sample]);
    }
    let gun = GunSerial::parse("GUN-0001").unwrap();
    assert_eq!(alerts.tracks().count(), Alerts::TRACK_COUNT_MAX);
    assert!(
        alerts.track(&gun, session(0)).is_some(),
        "it has an open alert"
    );
    assert!(alerts.track(&gun, session(1)).is_none());
}

#[test]
fn a_gun_that_was_forgotten_goes_on_with_its_episode() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::hard(1, 0)]);
    let mut alerts = Alerts::restore(alerts.alerts().cloned(), []);
    give(&mut alerts, &[Sample::hard(2, 100)]);
    assert_eq!(
        (only(&alerts).shot_count, only(&alerts).key.episode),
        (2, 1)
    );
}

#[test]
fn of_too_many_stored_alerts_the_ones_resolved_first_are_forgotten() {
    let mut first = Alerts::default();
    give(&mut first, &[Sample::soft(1, 0), Sample::clean(2, 10_000)]);
    let sample = only(&first);
    let count = u32::try_from(Alerts::RESOLVED_COUNT_MAX).unwrap();
    let stored: Vec<Alert> = (0..=count)
        .map(|number| {
            let key = AlertKey {
                episode: number + 1,
                ..sample.key.clone()
            };
            let changed_at = at(i64::from(count - number));
            Alert {
                id: AlertId::of(&key),
                key,
                changed_at,
                ..sample.clone()
            }
        })
        .collect();
    let alerts = Alerts::restore(stored.clone(), []);
    let forgotten: Vec<u32> = stored
        .iter()
        .filter(|alert| alerts.alert(alert.id).is_none())
        .map(|alert| alert.key.episode)
        .collect();
    assert_eq!(forgotten, [count + 1]);
}

/// Do not change this test: alerts that were stored must keep their names.
#[test]
fn the_name_and_the_bytes_of_a_known_alert_are_pinned() {
    let mut alerts = Alerts::default();
    let outcome = give(&mut alerts, &[Sample::hard(1, 100)]);
    let hex = |bytes: Vec<u8>| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(only(&alerts).id.to_string(), "d00f56c5c5bb1da9");
    assert_eq!(
        hex(outcome.transitions[0].canonical_bytes()),
        "1801a91dbbc5c5560fd00100e1f50500000000030100000000000000"
    );
    assert_eq!(
        hex(only(&alerts).canonical_bytes()),
        "190101080047554e2d303030310101010101010101010101010101010101010000000600636c696e69630301010000000000000007000000000000000100000000e1f50500000000030102302a00000000000010270000000000000000e1f5050000000000e1f505000000000000"
    );
    let track = alerts.tracks().next().unwrap();
    assert_eq!(
        hex(track.canonical_bytes()),
        "1a01080047554e2d3030303101010101010101010101010101010101010100070000000000000001000000010000000000e1f505000000000100010100000000e1f505000000000000000000000000"
    );
}

/// What can happen in the small world.
#[derive(Clone, Debug)]
enum Call {
    Shot(Sample),
    Ended(i64),
    Acknowledge(prop::sample::Index, i64),
    Tick(i64),
}

fn any_call() -> impl Strategy<Value = Call> {
    let at_ms = 0_i64..60_000;
    let sample = (1_u32..60, at_ms.clone(), 0_u8..3).prop_map(|(counter, at_ms, kind)| {
        Call::Shot(match kind {
            0 => Sample::clean(counter, at_ms),
            1 => Sample::soft(counter, at_ms),
            _ => Sample::hard(counter, at_ms),
        })
    });
    prop_oneof![
        12 => sample,
        1 => at_ms.clone().prop_map(Call::Ended),
        2 => (any::<prop::sample::Index>(), at_ms.clone())
            .prop_map(|(index, at_ms)| Call::Acknowledge(index, at_ms)),
        2 => at_ms.prop_map(Call::Tick),
    ]
}

fn call(alerts: &mut Alerts, call: &Call) -> Outcome {
    match call {
        Call::Shot(sample) => sample.give(alerts),
        Call::Ended(at_ms) => alerts.session_ended(SESSION, at(*at_ms)),
        Call::Acknowledge(index, at_ms) => {
            let ids: Vec<AlertId> = alerts.alerts().map(|alert| alert.id).collect();
            if ids.is_empty() {
                return Outcome::default();
            }
            alerts
                .acknowledge(*index.get(&ids), &operator(), at(*at_ms))
                .unwrap()
        }
        Call::Tick(at_ms) => alerts.tick(at(*at_ms)),
    }
}

fn state_of(alerts: &Alerts) -> (Vec<Alert>, Vec<Track>) {
    (
        alerts.alerts().cloned().collect(),
        alerts.tracks().cloned().collect(),
    )
}

proptest! {
    #[test]
    fn whatever_happens_the_alerts_are_sound(calls in prop::collection::vec(any_call(), 0..80)) {
        let mut alerts = Alerts::default();
        for one in &calls {
            call(&mut alerts, one);
            assert_alerts_sound(&alerts);
        }
    }

    #[test]
    fn every_shot_may_come_again_at_any_time(
        calls in prop::collection::vec(any_call(), 0..60),
        again in any::<prop::sample::Index>(),
    ) {
        let mut alerts = Alerts::default();
        for (index, one) in calls.iter().enumerate() {
            call(&mut alerts, one);
            let repeated = &calls[again.index(index + 1)];
            if let Call::Shot(sample) = repeated {
                let before = state_of(&alerts);
                let seen = sample.give(&mut alerts);
                prop_assert_eq!(&seen, &Outcome::default());
                let after = state_of(&alerts);
                prop_assert_eq!(before.0, after.0);
            }
        }
    }

    #[test]
    fn a_machine_restored_from_stored_bytes_goes_on_as_the_first_one(
        before in prop::collection::vec(any_call(), 0..40),
        after in prop::collection::vec(any_call(), 0..40),
    ) {
        let mut one = Alerts::default();
        for each in &before {
            call(&mut one, each);
        }
        let stored: Vec<Vec<u8>> = one.alerts().map(Canonical::canonical_bytes).collect();
        let tracks: Vec<Vec<u8>> = one.tracks().map(Canonical::canonical_bytes).collect();
        let mut two = Alerts::restore(
            stored.iter().map(|bytes| Alert::from_canonical(bytes).unwrap()),
            tracks.iter().map(|bytes| Track::from_canonical(bytes).unwrap()),
        );
        let first_end = before.iter().find_map(|each| match each {
            Call::Ended(at_ms) => Some(*at_ms),
            _ => None,
        });
        if let Some(at_ms) = first_end {
            prop_assert_eq!(two.session_ended(SESSION, at(at_ms)), Outcome::default());
        }
        for each in &after {
            prop_assert_eq!(call(&mut one, each), call(&mut two, each));
        }
        prop_assert_eq!(state_of(&one), state_of(&two));
    }

    #[test]
    fn only_changed_alerts_change(calls in prop::collection::vec(any_call(), 0..60)) {
        let mut alerts = Alerts::default();
        for one in &calls {
            let before = state_of(&alerts).0;
            let outcome = call(&mut alerts, one);
            for alert in alerts.alerts().filter(|alert| !outcome.changed.contains(&alert.id)) {
                prop_assert!(before.contains(alert), "{alert:?} changed unsaid");
            }
            for transition in &outcome.transitions {
                prop_assert!(outcome.changed.contains(&transition.alert));
                let bytes = transition.canonical_bytes();
                let back = meso_alerts::Transition::from_canonical(&bytes);
                prop_assert_eq!(back.as_ref(), Ok(transition));
                if let TransitionKind::Acknowledged(by) = &transition.kind {
                    prop_assert_eq!(by, &operator());
                }
            }
        }
    }
}
