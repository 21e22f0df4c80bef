//! How an alert opens, counts, worsens and ends.

use meso_alerts::{Alert, AlertError, AlertId, AlertKey, AlertState, Alerts, Outcome};
use meso_domain::{Bound, Finding, NotCheckable, Purpose, Rule, Severity};
use meso_units::{GunSerial, LibraryVersion, SessionId, ShotCounter};

use crate::world::*;

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
    assert_eq!(alert.first.shot.unwrap().counter, ShotCounter(1));
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
fn a_soft_alert_resolves_with_a_clean_shot_more_than_a_minute_after_its_last() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::soft(1, 0), Sample::clean(2, 60_000)]);
    assert_eq!(only(&alerts).state, AlertState::Open);
    let outcome = give(&mut alerts, &[Sample::clean(3, 60_001)]);
    assert_eq!(kinds(&outcome), ["resolved"]);
    assert_eq!(only(&alerts).state, AlertState::Resolved);
}

#[test]
fn a_hard_alert_stays_until_it_is_acknowledged() {
    let mut alerts = Alerts::default();
    let outcome = give(&mut alerts, &[Sample::hard(1, 0), Sample::clean(2, 60_001)]);
    assert_eq!(kinds(&outcome), ["opened", "latched"]);
    alerts.session_ended(SESSION, at(70_000));
    let alert = only(&alerts);
    assert_eq!(alert.state, AlertState::Latched);
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
        kinds(&give(&mut alerts, &[Sample::clean(2, 61_000)])),
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
            Sample::clean(2, 59_000),
            Sample::hard(3, 60_000),
        ],
    );
    let alert = only(&alerts);
    assert_eq!((alert.shot_count, alert.breach_over_at), (2, None));
    let outcome = alerts
        .acknowledge(alert.id, &operator(), at(61_000))
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
            Sample::clean(2, 60_001),
            Sample::soft(3, 60_002),
        ],
    );
    assert_eq!(kinds(&outcome), ["opened", "resolved", "reopened"]);
    let mut episodes: Vec<u32> = alerts.alerts().map(|alert| alert.key.episode).collect();
    episodes.sort_unstable();
    assert_eq!(episodes, [1, 2]);
}

#[test]
fn a_soft_breach_that_turns_hard_worsens_and_needs_to_be_seen_again() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::soft(1, 0)]);
    let id = only(&alerts).id;
    alerts.acknowledge(id, &operator(), at(10)).unwrap();
    let outcome = give(&mut alerts, &[Sample::hard(2, 100), Sample::soft(3, 200)]);
    assert_eq!(kinds(&outcome), ["worsened"]);
    let alert = only(&alerts);
    assert_eq!(
        (alert.severity, alert.state),
        (Severity::Hard, AlertState::Open)
    );
    assert_eq!((alert.worst.value(), alert.shot_count), (10_800, 3));
    assert_eq!((alert.first.value, alert.last.value), (4_500, 4_500));
    assert_eq!(alert.worst.library(), Some(LibraryVersion(7)));
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
    assert_eq!(only(&alerts).worst.value(), 11_400);
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
            Sample::clean(4, 63_000),
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
        ["worsened", "latched"]
    );
    assert_eq!(only(&alerts).state, AlertState::Latched);
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
    assert!(alerts.tick(at(half_an_hour_ms)).transitions.is_empty());
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
    let expected = [format!("{id}-1"), format!("{id}-2"), format!("{id}-4")];
    assert_eq!(keys, expected, "the third transition was a person's own");
}

#[test]
fn beyond_the_limit_the_oldest_resolved_alert_is_forgotten() {
    let mut alerts = Alerts::default();
    let count = u32::try_from(Alerts::RESOLVED_COUNT_MAX).unwrap();
    let mut first = None;
    for episode in 0..=count {
        let start = i64::from(episode) * 120_000;
        give(&mut alerts, &[Sample::soft(episode * 2 + 1, start)]);
        first = first.or_else(|| alerts.alerts().next().map(|alert| alert.id));
        give(
            &mut alerts,
            &[Sample::clean(episode * 2 + 2, start + 60_001)],
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
    give(&mut first, &[Sample::soft(1, 0), Sample::clean(2, 60_001)]);
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
