//! Whatever comes in whatever order, however often, and across restarts.

use meso_alerts::{Alert, AlertError, AlertId, Alerts, Outcome, Track, TransitionKind};
use meso_domain::canonical::Canonical;
use proptest::prelude::*;

use crate::world::*;

/// What can happen in the small world.
#[derive(Clone, Debug)]
enum Call {
    Shot(Sample),
    Ended(i64),
    Acknowledge(prop::sample::Index, i64),
    Close(prop::sample::Index, i64),
    Silence(prop::sample::Index, i64),
    Tick(i64),
}

fn any_call() -> impl Strategy<Value = Call> {
    let at_ms = 0_i64..400_000;
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
        1 => (any::<prop::sample::Index>(), at_ms.clone())
            .prop_map(|(index, at_ms)| Call::Close(index, at_ms)),
        1 => (any::<prop::sample::Index>(), at_ms.clone())
            .prop_map(|(index, at_ms)| Call::Silence(index, at_ms)),
        2 => at_ms.prop_map(Call::Tick),
    ]
}

fn call(alerts: &mut Alerts, call: &Call) -> Outcome {
    match call {
        Call::Shot(sample) => sample.give(alerts),
        Call::Ended(at_ms) => alerts.session_ended(SESSION, at(*at_ms)),
        Call::Acknowledge(index, at_ms) => with_any(alerts, index, |alerts, id| {
            alerts.acknowledge(id, &operator(), at(*at_ms))
        }),
        Call::Close(index, at_ms) => with_any(alerts, index, |alerts, id| {
            alerts.close(id, &operator(), &reason(), at(*at_ms))
        }),
        Call::Silence(index, at_ms) => with_any(alerts, index, |alerts, id| {
            alerts.silence(id, &operator(), at(at_ms + 30_000), &reason(), at(*at_ms))
        }),
        Call::Tick(at_ms) => alerts.tick(at(*at_ms)),
    }
}

/// Does something with one of the alerts, if there is one. What is merged or resolved is refused.
fn with_any(
    alerts: &mut Alerts,
    index: &prop::sample::Index,
    work: impl FnOnce(&mut Alerts, AlertId) -> Result<Outcome, AlertError>,
) -> Outcome {
    let ids: Vec<AlertId> = alerts.alerts().map(|alert| alert.id).collect();
    if ids.is_empty() {
        return Outcome::default();
    }
    match work(alerts, *index.get(&ids)) {
        Ok(outcome) => outcome,
        Err(AlertError::Merged { .. } | AlertError::Resolved { .. }) => Outcome::default(),
        Err(error) => panic!("{error}"),
    }
}

fn state_of(alerts: &Alerts) -> (Vec<Alert>, Vec<Track>) {
    (
        alerts.alerts().cloned().collect(),
        alerts.tracks().cloned().collect(),
    )
}

/// What must not depend on the order: everything but names, and when things became known.
fn substance(alerts: &Alerts) -> Vec<String> {
    let live = alerts.alerts().filter(|alert| alert.merged_into.is_none());
    let mut all: Vec<String> = live
        .map(|alert| {
            format!(
                "{:?}",
                (
                    &alert.key.subject,
                    alert.severity,
                    alert.state,
                    alert.shot_count,
                    (&alert.first, &alert.last, &alert.worst),
                    alert.breach_over_at.is_some(),
                )
            )
        })
        .collect();
    all.sort();
    all
}

/// The episodes as one would find them with all shots on the table.
fn on_the_table(shots: &[Sample]) -> Vec<(i64, i64, u64)> {
    let mut times: Vec<i64> = shots
        .iter()
        .filter(|shot| !shot.findings.is_empty())
        .map(|shot| shot.at_ms)
        .collect();
    times.sort_unstable();
    let mut episodes: Vec<(i64, i64, u64)> = Vec::new();
    for time in times {
        match episodes.last_mut() {
            Some((_, last, count)) if time - *last <= 60_000 => {
                *last = time;
                *count += 1;
            }
            _ => episodes.push((time, time, 1)),
        }
    }
    episodes
}

fn any_shots() -> impl Strategy<Value = Vec<Sample>> {
    let shot = (0_i64..400_000, 0_u8..6);
    prop::collection::vec(shot, 0..40).prop_map(|shots| {
        (1_u32..)
            .zip(shots)
            .map(|(counter, (at_ms, kind))| match kind {
                0..=2 => Sample::clean(counter, at_ms),
                3..=4 => Sample::soft(counter, at_ms),
                _ => Sample::hard(counter, at_ms),
            })
            .collect()
    })
}

fn restarted(alerts: &Alerts) -> Alerts {
    let stored: Vec<Vec<u8>> = alerts.alerts().map(Canonical::canonical_bytes).collect();
    let tracks: Vec<Vec<u8>> = alerts.tracks().map(Canonical::canonical_bytes).collect();
    Alerts::restore(
        stored
            .iter()
            .map(|bytes| Alert::from_canonical(bytes).unwrap()),
        tracks
            .iter()
            .map(|bytes| Track::from_canonical(bytes).unwrap()),
    )
}

proptest! {
    #[test]
    fn the_same_shots_give_the_same_alerts_in_any_order_with_duplicates_and_restarts(
        shots in any_shots(),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..10), 0..120),
        ended in prop::option::of(0_i64..400_000),
    ) {
        let mut straight = Alerts::default();
        for shot in &shots {
            shot.give(&mut straight);
        }
        let mut other = Alerts::default();
        if let Some(at_ms) = ended {
            other.session_ended(SESSION, at(at_ms));
        }
        for (index, dice) in &order {
            if !shots.is_empty() {
                index.get(&shots).give(&mut other);
            }
            if *dice == 0 {
                other = restarted(&other);
                // As the ingest does for sessions whose shots may still come.
                if let Some(at_ms) = ended {
                    other.session_ended(SESSION, at(at_ms));
                }
            }
        }
        for shot in shots.iter().rev() {
            shot.give(&mut other);
        }
        if let Some(at_ms) = ended {
            straight.session_ended(SESSION, at(at_ms));
        }
        prop_assert_eq!(substance(&straight), substance(&other));
        let mut found: Vec<_> = other
            .alerts()
            .filter(|alert| alert.merged_into.is_none())
            .map(|alert| (alert.first.at.unix_ms(), alert.last.at.unix_ms(), alert.shot_count))
            .collect();
        found.sort_unstable();
        prop_assert_eq!(found, on_the_table(&shots));
    }

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
        let mut two = restarted(&one);
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
