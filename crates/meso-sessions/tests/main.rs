//! The order of the steps, and which segment a shot belongs to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod history;
mod mended;
mod said;
mod samples;

use meso_domain::{AskCause, CheckItem, Delivery, GunPosition, SessionEvent, SessionOutcome};
use meso_sessions::{Refusal, RequiredCheck, Sessions, Step};
use meso_units::{Epoch, SegmentId, SessionId, ShotCounter, Timestamp};
use proptest::prelude::*;
use said::{SAID_COUNT, amend_entry, hand_over, same_patient, say};
use samples::{at, end, gun, open, pause, resume, segment, segment_id, session_id};

/// A room in which session 1 is open since 10 s, with segment 1 of gun 1 since 20 s.
fn sample_room() -> Sessions {
    let mut room = Sessions::default();
    room.step(at(10), open(1)).unwrap();
    room.step(at(20), segment(1, 1, 1)).unwrap();
    room
}

#[track_caller]
fn refusal(room: &Sessions, step: Step) -> Refusal {
    room.decide(at(1_000), step)
        .expect_err("the step must be refused")
}

/// How many sessions end.
fn ends(events: &[SessionEvent]) -> usize {
    let end = |event: &&SessionEvent| matches!(event, SessionEvent::Ended(_));
    events.iter().filter(end).count()
}

fn place(session: u8, segment: u8) -> Option<(SessionId, SegmentId)> {
    Some((session_id(session), segment_id(segment)))
}

#[test]
fn a_session_is_opened_worked_in_and_ended() {
    let mut room = sample_room();
    let events = room
        .step(at(30), end(1, SessionOutcome::Completed))
        .unwrap();
    let [SessionEvent::Ended(ended)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(ended.outcome, SessionOutcome::Completed);
    assert_eq!(room.open_sessions().count(), 0);
}

#[test]
fn an_incomplete_checklist_names_every_missing_item() {
    let Step::Open(mut step) = open(1) else {
        panic!("an open step")
    };
    step.checklist.consent = None;
    step.checklist.emergency_kit = Some(CheckItem::Skipped("  ".to_owned()));
    let refusal = refusal(&Sessions::default(), Step::Open(step));
    assert_eq!(
        refusal,
        Refusal::ChecklistIncomplete {
            missing: vec![RequiredCheck::Consent, RequiredCheck::EmergencyKit]
        }
    );
    assert_eq!(
        refusal.to_string(),
        "the checklist is not complete: do consent, emergency kit, or skip with a reason"
    );
}

#[test]
fn an_item_skipped_with_a_reason_is_complete() {
    let Step::Open(mut step) = open(1) else {
        panic!("an open step")
    };
    step.checklist.consent = Some(CheckItem::Skipped("demonstration".to_owned()));
    assert!(Sessions::default().decide(at(1), Step::Open(step)).is_ok());
}

#[test]
fn a_segment_needs_an_open_session() {
    let session = session_id(1);
    assert_eq!(
        refusal(&Sessions::default(), segment(1, 1, 1)),
        Refusal::SessionNotOpen { session }
    );
}

#[test]
fn a_gun_works_in_one_session_at_a_time() {
    let mut room = sample_room();
    room.step(at(25), open(2)).unwrap();
    let busy = Refusal::GunBusy {
        gun: gun(1),
        session: session_id(1),
    };
    assert_eq!(refusal(&room, segment(2, 2, 1)), busy);
    room.step(at(30), end(1, SessionOutcome::Completed))
        .unwrap();
    assert!(
        room.step(at(31), segment(2, 2, 1)).is_ok(),
        "it is free once the session ended"
    );
}

#[test]
fn two_guns_may_work_in_one_session() {
    let mut room = sample_room();
    room.step(at(30), segment(1, 2, 2)).unwrap();
    assert_eq!(room.segment_at(&gun(1), at(40)), place(1, 1));
    assert_eq!(room.segment_at(&gun(2), at(40)), place(1, 2));
}

#[test]
fn a_second_segment_needs_a_reason() {
    let Step::Segment(mut step) = segment(1, 2, 1) else {
        panic!("a segment step")
    };
    step.reason = String::new();
    assert_eq!(
        refusal(&sample_room(), Step::Segment(step)),
        Refusal::ReasonMissing
    );
}

#[test]
fn a_shot_belongs_to_the_segment_that_was_open_when_it_was_fired() {
    let mut room = sample_room();
    room.step(at(30), segment(1, 2, 1)).unwrap();
    room.step(at(40), end(1, SessionOutcome::Completed))
        .unwrap();
    room.step(at(50), open(2)).unwrap();
    room.step(at(60), segment(2, 3, 1)).unwrap();
    let found = [19, 20, 29, 30, 39, 40, 59, 60, 999].map(|s| room.segment_at(&gun(1), at(s)));
    let (first, second, third) = (place(1, 1), place(1, 2), place(2, 3));
    assert_eq!(
        found,
        [None, first, first, second, second, None, None, third, third]
    );
}

#[test]
fn a_manual_segment_belongs_to_no_gun() {
    let mut room = sample_room();
    let Step::Segment(mut step) = segment(1, 2, 1) else {
        panic!("a segment step")
    };
    step.delivery = Delivery::ManualSyringe;
    room.step(at(30), Step::Segment(step)).unwrap();
    assert_eq!(
        room.segment_at(&gun(1), at(40)),
        place(1, 1),
        "the gun's own goes on"
    );
}

#[test]
fn a_step_that_was_done_already_makes_no_event() {
    let mut room = sample_room();
    assert_eq!(room.decide(at(99), open(1)), Ok(Vec::new()));
    assert_eq!(room.decide(at(99), segment(1, 1, 1)), Ok(Vec::new()));
    assert_eq!(room.decide(at(99), resume(1)), Ok(Vec::new()));
    room.step(at(30), pause(1)).unwrap();
    assert_eq!(room.decide(at(99), pause(1)), Ok(Vec::new()));
    room.step(at(40), end(1, SessionOutcome::Stopped)).unwrap();
    assert_eq!(
        room.decide(at(99), end(1, SessionOutcome::Stopped)),
        Ok(Vec::new())
    );
    assert!(
        room.decide(at(99), end(1, SessionOutcome::Completed))
            .is_err()
    );
}

#[test]
fn an_id_with_other_content_is_refused() {
    let mut room = sample_room();
    let Step::Open(mut step) = open(1) else {
        panic!("an open step")
    };
    step.time_zone = "Europe/Paris".to_owned();
    let session = session_id(1);
    assert_eq!(
        refusal(&room, Step::Open(step)),
        Refusal::SessionExists { session }
    );
    let segment_exists = Refusal::SegmentExists {
        segment: segment_id(1),
    };
    assert_eq!(refusal(&room, segment(1, 1, 2)), segment_exists);
    room.step(at(30), end(1, SessionOutcome::Completed))
        .unwrap();
    assert_eq!(refusal(&room, open(1)), Refusal::SessionExists { session });
}

#[test]
fn values_out_of_range_are_refused_as_bad_values() {
    let Step::Open(mut step) = open(1) else {
        panic!("an open step")
    };
    step.utc_offset_s = 65_000;
    assert!(refusal(&Sessions::default(), Step::Open(step)).is_bad_value());
    let Step::Segment(mut step) = segment(1, 2, 1) else {
        panic!("a segment step")
    };
    step.zone = "z".repeat(Sessions::TEXT_LENGTH_MAX + 1);
    assert!(refusal(&sample_room(), Step::Segment(step)).is_bad_value());
    let Step::Segment(mut step) = segment(1, 2, 1) else {
        panic!("a segment step")
    };
    step.needle.count = 0;
    assert!(refusal(&sample_room(), Step::Segment(step)).is_bad_value());
}

#[test]
fn events_of_a_session_never_go_back_in_time() {
    let mut room = sample_room();
    let events = room.step(at(5), pause(1)).unwrap();
    assert_eq!(
        events.first().map(SessionEvent::at),
        Some(at(20)),
        "the clock was set back"
    );
    room.step(at(6), end(1, SessionOutcome::Completed)).unwrap();
    room.step(at(7), open(2)).unwrap();
    let events = room.step(at(8), segment(2, 2, 1)).unwrap();
    assert_eq!(events.first().map(SessionEvent::at), Some(at(20)));
    assert_eq!(room.segment_at(&gun(1), at(21)), place(2, 2));
}

#[test]
fn only_guns_of_the_session_are_in_its_last_counters() {
    let mut room = sample_room();
    let position = |number| GunPosition {
        gun: gun(number),
        epoch: Epoch(7),
        counter: ShotCounter(5),
        is_away: false,
    };
    let Step::End(mut step) = end(1, SessionOutcome::Completed) else {
        panic!("an end step")
    };
    step.last_counters = vec![position(1), position(2)];
    let events = room.step(at(30), Step::End(step)).unwrap();
    let [SessionEvent::Ended(ended)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(ended.last_counters, [position(1)]);
}

#[test]
fn a_session_without_steps_and_shots_times_out() {
    let mut room = sample_room();
    let limit_s = Sessions::IDLE_NS_DEFAULT / 1_000_000_000;
    assert_eq!(ends(&room.idle(at(20 + limit_s), &[])), 0);
    let events = room.idle(at(21 + limit_s), &[]);
    let [SessionEvent::Ended(ended)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(ended.outcome, SessionOutcome::TimedOut);
    room.note_shot(&gun(1), at(100));
    assert_eq!(
        ends(&room.idle(at(21 + limit_s), &[])),
        0,
        "a shot keeps it open"
    );
    assert_eq!(room.idle(at(101 + limit_s), &[]).len(), 1);
}

#[test]
fn deciding_changes_nothing() {
    let room = sample_room();
    let before = format!("{room:?}");
    room.decide(at(30), segment(1, 2, 1)).unwrap();
    room.decide(at(30), end(1, SessionOutcome::Completed))
        .unwrap();
    assert_eq!(format!("{room:?}"), before);
}

#[test]
fn an_event_of_an_unknown_session_is_named_and_changes_nothing() {
    let mut room = Sessions::default();
    let session = session_id(9);
    let event = SessionEvent::Paused { session, at: at(1) };
    assert_eq!(room.apply(&event), Err(Refusal::SessionNotOpen { session }));
    assert_eq!(room.open_sessions().count(), 0);
}

#[test]
fn a_room_with_too_many_open_sessions_refuses_one_more() {
    let mut room = Sessions::default();
    let count = u8::try_from(Sessions::OPEN_COUNT_MAX).unwrap();
    for number in 0..count {
        room.step(at(10), open(number)).unwrap();
    }
    assert_eq!(refusal(&room, open(count)).code(), "too_many");
}

#[test]
fn of_too_many_closed_segments_the_oldest_is_forgotten() {
    let mut room = Sessions::default();
    let second = |n: usize| at(i64::try_from(n).unwrap() + 10);
    room.step(at(1), open(1)).unwrap();
    for number in 0..=Sessions::CLOSED_COUNT_MAX + 1 {
        let Step::Segment(mut step) = segment(1, 1, 1) else {
            panic!("a segment step")
        };
        let mut bytes = [7; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        step.segment = SegmentId::from_bytes(bytes);
        room.step(second(number), Step::Segment(step)).unwrap();
    }
    assert_eq!(room.segment_at(&gun(1), second(0)), None);
    assert!(room.segment_at(&gun(1), second(1)).is_some());
}

/// A step of a small world: 3 sessions, 3 guns, few segments.
fn any_step() -> impl Strategy<Value = Step> {
    let session = 0_u8..3;
    prop_oneof![
        session.clone().prop_map(open),
        (session.clone(), 0_u8..20, 0_u8..3).prop_map(|(s, id, g)| segment(s, id, g)),
        (session.clone(), any::<bool>()).prop_map(|(s, why)| match why {
            true => said::pause_because(s),
            false => pause(s),
        }),
        session.clone().prop_map(resume),
        (session.clone(), 0_usize..SAID_COUNT, 0_u8..3).prop_map(|(s, which, n)| say(s, which, n)),
        (session.clone(), 0_u8..2).prop_map(|(s, n)| amend_entry(s, n)),
        (session.clone(), any::<bool>()).prop_map(|(s, is_same)| same_patient(s, is_same)),
        (session.clone(), 0_u8..20, 0_u8..3).prop_map(|(s, id, n)| hand_over(s, id, n)),
        (session, 0_usize..4).prop_map(|(s, outcome)| end(s, SessionOutcome::ALL[outcome])),
    ]
}

proptest! {
    #[test]
    fn replaying_the_events_rebuilds_the_room(
        steps in prop::collection::vec((any_step(), 0_i64..100), 0..80),
    ) {
        let (mut room, mut rebuilt) = (Sessions::default(), Sessions::default());
        for (step, second) in steps {
            let mut events = room.step(at(second), step).unwrap_or_default();
            let asked = room.ask(at(second), &gun(1), AskCause::Unplugged);
            asked.iter().for_each(|event| room.apply(event).unwrap());
            events.extend(asked);
            for event in events {
                rebuilt.apply(&event).unwrap();
                rebuilt.apply(&event).unwrap();
            }
        }
        prop_assert_eq!(format!("{room:?}"), format!("{rebuilt:?}"));
    }

    #[test]
    fn whatever_happens_a_gun_is_in_one_session_and_events_stay_in_order(
        steps in prop::collection::vec((any_step(), 0_i64..100), 0..80),
    ) {
        let mut room = Sessions::default();
        let mut last: std::collections::BTreeMap<SessionId, Timestamp> = Default::default();
        for (step, second) in steps {
            for event in room.step(at(second), step).unwrap_or_default() {
                let before = last.insert(event.session(), event.at());
                prop_assert!(before.is_none_or(|before| before <= event.at()));
            }
            for number in 0..3 {
                let works_in = room.session_of(&gun(number));
                let open = room.open_sessions().any(|open| Some(open.opened().session) == works_in);
                prop_assert!(works_in.is_none() || open);
            }
        }
    }
}

#[test]
fn a_clock_that_is_set_makes_no_session_idle() {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let mut room = sample_room();
    room.clock_stepped(HOUR_NS);
    assert_eq!(ends(&room.idle(at(30 + 3_600), &[])), 0);
    let limit_s = Sessions::IDLE_NS_DEFAULT / 1_000_000_000;
    assert_eq!(room.idle(at(21 + 3_600 + limit_s), &[]).len(), 1);
    room.clock_stepped(-HOUR_NS);
    assert_eq!(room.idle(at(21 + limit_s), &[]).len(), 1);
}
