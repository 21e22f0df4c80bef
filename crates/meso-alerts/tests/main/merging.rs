//! Late shots that show that two episodes were one.

use meso_alerts::{AlertError, AlertId, AlertState, Alerts, TransitionKind};
use meso_domain::Severity;

use crate::world::*;

/// Two episodes, the later one first known, and the shot between them.
fn two_episodes(alerts: &mut Alerts) -> (AlertId, AlertId) {
    let later = give(alerts, &[Sample::soft(9, 100_000)]).changed[0];
    let earlier = give(alerts, &[Sample::hard(1, 0)]).changed[0];
    assert_ne!(earlier, later);
    (earlier, later)
}

#[test]
fn a_late_shot_between_two_episodes_makes_one_of_them_and_the_earlier_goes_on() {
    let mut alerts = Alerts::default();
    let (earlier, later) = two_episodes(&mut alerts);
    let outcome = give(&mut alerts, &[Sample::soft(5, 50_000)]);
    let merged: Vec<_> = outcome
        .transitions
        .iter()
        .filter(|transition| transition.kind == TransitionKind::Merged(earlier))
        .map(|transition| transition.alert)
        .collect();
    assert_eq!(merged, [later]);
    let alert = alerts.alert(earlier).unwrap();
    assert_eq!((alert.shot_count, alert.severity), (3, Severity::Hard));
    assert_eq!((alert.first.at, alert.last.at), (at(0), at(100_000)));
    let part = alerts.alert(later).unwrap();
    assert_eq!(
        (part.state, part.merged_into),
        (AlertState::Merged, Some(earlier))
    );
    assert!(outcome.notifications.is_empty(), "nothing new is wrong");
    assert_alerts_sound(&alerts);
}

#[test]
fn what_was_merged_names_the_alert_that_goes_on() {
    let mut alerts = Alerts::default();
    let (earlier, later) = two_episodes(&mut alerts);
    give(&mut alerts, &[Sample::soft(5, 50_000)]);
    let refused = alerts.acknowledge(later, &operator(), at(0));
    let expected = AlertError::Merged {
        id: later,
        into: earlier,
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn who_has_seen_one_of_two_episodes_has_not_seen_both() {
    let mut alerts = Alerts::default();
    let (earlier, later) = two_episodes(&mut alerts);
    alerts.acknowledge(earlier, &operator(), at(1)).unwrap();
    let outcome = give(&mut alerts, &[Sample::soft(5, 50_000)]);
    assert_eq!(alerts.alert(earlier).unwrap().state, AlertState::Open);
    assert!(kinds(&outcome).contains(&"reopened"));
    let mut alerts = Alerts::default();
    let (earlier, _) = (two_episodes(&mut alerts).0, later);
    alerts.acknowledge(earlier, &operator(), at(1)).unwrap();
    alerts.acknowledge(later, &operator(), at(2)).unwrap();
    give(&mut alerts, &[Sample::soft(5, 50_000)]);
    assert_eq!(
        alerts.alert(earlier).unwrap().state,
        AlertState::Acknowledged
    );
}

#[test]
fn a_soft_episode_that_was_over_comes_back_with_a_late_shot_that_prolongs_it() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::soft(1, 0), Sample::clean(9, 61_000)]);
    let outcome = give(&mut alerts, &[Sample::soft(2, 20_000)]);
    assert_eq!(kinds(&outcome), ["counted", "reopened"]);
    assert_eq!(only(&alerts).state, AlertState::Open);
    let outcome = give(&mut alerts, &[Sample::clean(10, 80_001)]);
    assert_eq!(kinds(&outcome), ["resolved"]);
}
