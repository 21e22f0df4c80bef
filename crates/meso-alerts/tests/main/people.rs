//! What people do with alerts, and what happens when nobody does anything.

use meso_alerts::{AlertError, AlertState, Alerts, Escalation, Reason};

use crate::world::*;

const MINUTE_MS: i64 = 60_000;

#[test]
fn of_two_people_who_acknowledge_at_once_the_first_counts() {
    let mut alerts = Alerts::default();
    let id = give(&mut alerts, &[Sample::hard(1, 0)]).changed[0];
    let other = meso_units::OperatorId::parse("op-2").unwrap();
    alerts.acknowledge(id, &operator(), at(1)).unwrap();
    let second = alerts.acknowledge(id, &other, at(1)).unwrap();
    assert!(second.transitions.is_empty());
    assert_eq!(only(&alerts).acknowledged_by, Some(operator()));
}

#[test]
fn a_silenced_alert_is_shown_but_not_told_until_the_silence_ends() {
    let mut alerts = Alerts::default();
    let id = give(&mut alerts, &[Sample::soft(1, 0)]).changed[0];
    let until = at(10 * MINUTE_MS);
    let outcome = alerts
        .silence(id, &operator(), until, &reason(), at(1_000))
        .unwrap();
    assert_eq!(kinds(&outcome), ["silenced"]);
    assert_eq!(only(&alerts).state, AlertState::Open);
    let again = alerts
        .silence(id, &operator(), until, &reason(), at(1_000))
        .unwrap();
    assert!(
        again.transitions.is_empty(),
        "the same again changes nothing"
    );
    let outcome = alerts.tick(at(10 * MINUTE_MS));
    assert_eq!(kinds(&outcome), ["silence ended"]);
    assert_eq!(outcome.notifications.len(), 1);
}

#[test]
fn an_alert_that_ends_in_silence_is_not_told() {
    let mut alerts = Alerts::default();
    let id = give(&mut alerts, &[Sample::soft(1, 0)]).changed[0];
    alerts
        .silence(id, &operator(), at(MINUTE_MS), &reason(), at(1))
        .unwrap();
    let outcome = alerts.session_ended(SESSION, at(2));
    assert_eq!(kinds(&outcome), ["resolved"]);
    assert!(!only(&alerts).is_silenced());
}

#[test]
fn a_silence_given_to_a_soft_alert_does_not_hold_for_a_hard_one() {
    let mut alerts = Alerts::default();
    let id = give(&mut alerts, &[Sample::soft(1, 0)]).changed[0];
    alerts
        .silence(id, &operator(), at(MINUTE_MS), &reason(), at(1))
        .unwrap();
    let outcome = give(&mut alerts, &[Sample::hard(2, 100)]);
    assert_eq!(kinds(&outcome), ["worsened"]);
    assert_eq!(outcome.notifications.len(), 1);
    assert!(!only(&alerts).is_silenced());
}

#[test]
fn a_silence_lasts_a_day_at_most_and_needs_something_to_silence() {
    let mut alerts = Alerts::default();
    let id = give(&mut alerts, &[Sample::soft(1, 0)]).changed[0];
    let day_ms = Alerts::SILENCE_NS_MAX / 1_000_000;
    let too_long = alerts.silence(id, &operator(), at(day_ms + 1), &reason(), at(0));
    assert_eq!(too_long, Err(AlertError::SilenceLength { seconds: 86_400 }));
    let over = alerts.silence(id, &operator(), at(5), &reason(), at(5));
    assert_eq!(over, Err(AlertError::SilenceLength { seconds: 0 }));
    alerts.session_ended(SESSION, at(2));
    let resolved = alerts.silence(id, &operator(), at(9), &reason(), at(5));
    assert_eq!(resolved, Err(AlertError::Resolved { id }));
}

#[test]
fn a_hard_alert_that_nobody_sees_to_escalates_once() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::hard(1, 0)]);
    // It may be of yesterday: it waits since the server knows of it.
    let start = 100 * MINUTE_MS;
    assert!(
        alerts
            .tick(at(start))
            .notifications
            .iter()
            .all(|n| n.kind.as_str() != "escalated")
    );
    assert!(
        alerts
            .tick(at(start + 15 * MINUTE_MS - 1))
            .transitions
            .is_empty()
    );
    let outcome = alerts.tick(at(start + 15 * MINUTE_MS));
    assert_eq!(kinds(&outcome), ["escalated"]);
    assert_eq!(outcome.notifications.len(), 1);
    assert!(
        alerts
            .tick(at(start + 60 * MINUTE_MS))
            .transitions
            .is_empty()
    );
}

#[test]
fn what_was_seen_or_is_silenced_does_not_escalate_and_a_soft_one_only_where_asked_for() {
    let soft_too = Escalation {
        soft_ns: Some(60_000_000_000),
        ..Escalation::default()
    };
    for (escalation, expected) in [(Escalation::default(), 0), (soft_too, 1)] {
        let mut alerts = Alerts::default();
        alerts.set_escalation(escalation);
        let seen = give(&mut alerts, &[Sample::hard(1, 0)]).changed[0];
        alerts.acknowledge(seen, &operator(), at(1)).unwrap();
        let other_gun = Sample {
            gun: "GUN-0002",
            ..Sample::soft(1, 0)
        };
        let silenced_gun = Sample {
            gun: "GUN-0003",
            ..Sample::hard(1, 0)
        };
        give(&mut alerts, &[other_gun]);
        let silenced = give(&mut alerts, &[silenced_gun]).changed[0];
        alerts
            .silence(silenced, &operator(), at(90 * MINUTE_MS), &reason(), at(1))
            .unwrap();
        alerts.tick(at(10));
        let outcome = alerts.tick(at(20 * MINUTE_MS));
        assert_eq!(kinds(&outcome), vec!["escalated"; expected]);
    }
}

#[test]
fn what_a_person_closed_comes_back_only_with_what_happens_after_it() {
    let mut alerts = Alerts::default();
    let id = give(&mut alerts, &[Sample::hard(1, 1_000)]).changed[0];
    let outcome = alerts
        .close(id, &operator(), &reason(), at(10_000))
        .unwrap();
    assert_eq!(kinds(&outcome), ["closed", "resolved"]);
    let late = give(&mut alerts, &[Sample::hard(2, 5_000)]);
    assert_eq!(kinds(&late), ["counted"]);
    assert_eq!(only(&alerts).state, AlertState::Resolved);
    let after = give(&mut alerts, &[Sample::hard(3, 11_000)]);
    assert_eq!(kinds(&after), ["counted", "reopened"]);
    let again = alerts
        .close(id, &operator(), &reason(), at(12_000))
        .unwrap();
    assert_eq!(kinds(&again), ["closed", "resolved"]);
    let twice = alerts
        .close(id, &operator(), &reason(), at(12_000))
        .unwrap();
    assert!(twice.transitions.is_empty());
}

#[test]
fn a_reason_is_one_line_of_some_words() {
    assert_eq!(Reason::parse("  changed \n").unwrap().as_str(), "changed");
    for wrong in ["", "   ", "a\nb", &"x".repeat(Reason::LENGTH_MAX + 1)] {
        assert!(Reason::parse(wrong).is_err(), "{wrong:?}");
    }
}
