//! When a gun is told to fire no more, and when to go on.

use meso_contract::room::{InhibitGunBody, ResumeGunBody};
use meso_link_proto::{ResultCode, Status};
use meso_room::StepFailure;

use super::*;
use crate::engine::interlock::{REASON_HARD_LIMIT, REASON_NO_SESSION, REASON_PERSON};

const ON: &str = "[interlock]\nenabled = true\n";
const UNTIL_SESSION: &str = "[interlock]\nenabled = true\nuntil_session = true\n";

/// Beyond every hard limit of needle depth.
const HARD_UM: u32 = 12_000;

fn inhibit() -> Call {
    Call::Inhibit(serial(), REASON_HARD_LIMIT)
}

fn resume() -> Call {
    Call::Resume(serial())
}

fn greeting(is_inhibited: bool) -> GunEvent {
    let mut hello = hello(Some(EPOCH), 1, 9);
    hello.capabilities = Capabilities::CAN_INHIBIT;
    hello.is_inhibited = is_inhibited;
    GunEvent::Attached(Box::new(hello))
}

fn answer(kind: CommandKind, is_inhibited: bool) -> GunEvent {
    let outcome = CommandOutcome::Answered {
        result: ResultCode::Done,
        is_inhibited,
        limits: GunLimits::default(),
    };
    command(kind, outcome)
}

fn command(kind: CommandKind, outcome: CommandOutcome) -> GunEvent {
    GunEvent::Command {
        command: 1,
        kind,
        outcome,
    }
}

/// The gun says that it may fire.
fn status() -> GunEvent {
    GunEvent::Status(Box::new(Status {
        tick: GunTick::new(0).unwrap(),
        inventory: hello(Some(EPOCH), 1, 9).inventory,
        battery: None,
        temperature: None,
        vacuum: None,
        shots_on_needle: None,
        lifetime_shots: None,
        faults: 0,
        is_inhibited: false,
        inhibit_number: 0,
        refused_count: 0,
    }))
}

fn treating(more: &'static str) -> Bench {
    let mut bench = Bench::with(more);
    bench.hear(vec![greeting(false), GunEvent::Clock(mapping(0))]);
    bench.open_session();
    bench
}

fn state(bench: &Bench) -> Option<String> {
    let room = bench.engine.room_state(bench.now(), false);
    room.guns[0].interlock.as_ref().map(|it| it.state.clone())
}

fn let_go(bench: &mut Bench) -> Vec<Call> {
    let body = ResumeGunBody {
        operator: "op-1".to_owned(),
        reason: "depth was set right".to_owned(),
    };
    let now = bench.now();
    let work = bench.engine.take_resume(now, &serial(), &body).unwrap();
    bench.write(work)
}

#[test]
fn no_gun_is_stopped_where_the_clinic_has_not_switched_the_interlock_on() {
    let mut bench = treating("");
    let (calls, _) = bench.hear(vec![shot_at(1, 1_000, HARD_UM)]);
    assert_eq!(calls, vec![acknowledge(1)]);
    assert_eq!(state(&bench), None);
}

#[test]
fn a_shot_beyond_a_hard_limit_stops_its_gun_before_anything_is_written_and_once() {
    let mut bench = treating(ON);
    let (calls, _) = bench.hear(vec![shot_at(1, 1_000, HARD_UM), shot_at(2, 1_200, HARD_UM)]);
    assert_eq!(calls, vec![inhibit(), acknowledge(2)]);
    assert_eq!(state(&bench).as_deref(), Some("inhibiting"));
    bench.hear(vec![answer(CommandKind::Inhibit, true)]);
    assert_eq!(state(&bench).as_deref(), Some("inhibited"));
    let status = bench.engine.due_statuses(bench.now());
    assert!(status[0].1.inhibited);
}

#[test]
fn a_soft_breach_stops_no_gun() {
    let mut bench = treating(ON);
    let (calls, _) = bench.hear(vec![shot_at(1, 1_000, 5_000)]);
    assert_eq!(calls, vec![acknowledge(1)]);
}

#[test]
fn a_breach_of_a_treatment_that_is_over_stops_no_other_one() {
    let mut bench = Bench::with(ON);
    bench.hear(vec![greeting(false), GunEvent::Clock(mapping(0))]);
    bench.now_ms = 3_600_000;
    let mut late = shot_at(1, 1_000, HARD_UM);
    if let GunEvent::Shot { received_at, .. } = &mut late {
        *received_at = at(3_600_000);
    }
    let (calls, _) = bench.hear(vec![late]);
    assert_eq!(calls, vec![acknowledge(1)]);
    let fresh = shot_at(2, 3_600_000, HARD_UM);
    assert!(bench.hear(vec![fresh]).0.contains(&inhibit()));
}

#[test]
fn only_a_person_lets_the_gun_go_on_and_the_journal_remembers_who() {
    let mut bench = treating(ON);
    bench.hear(vec![shot_at(1, 1_000, HARD_UM)]);
    bench.hear(vec![answer(CommandKind::Inhibit, true)]);
    assert_eq!(let_go(&mut bench), vec![resume()]);
    assert_eq!(state(&bench).as_deref(), Some("resuming"));
    bench.hear(vec![answer(CommandKind::Resume, false)]);
    assert_eq!(state(&bench), None);
    let folder = bench.folder.path().to_path_buf();
    let view = meso_journal::JournalView::open(&folder).unwrap();
    let resumes = view.values_under("resume/").unwrap();
    let text = String::from_utf8(resumes[0].1.clone()).unwrap();
    for word in ["op-1", "depth was set right", "GUN-1", "shot 1"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    let (calls, _) = bench.hear(vec![shot_at(2, 2_000, HARD_UM)]);
    assert!(calls.contains(&inhibit()), "the next breach stops it again");
}

#[test]
fn a_gun_that_does_not_answer_is_told_again_and_shown_as_an_alarm() {
    let mut bench = treating(ON);
    bench.hear(vec![shot_at(1, 1_000, HARD_UM)]);
    assert_eq!(bench.hear(vec![status()]).0, vec![], "it may still answer");
    bench.hear(vec![command(CommandKind::Inhibit, CommandOutcome::Unknown)]);
    assert_eq!(state(&bench).as_deref(), Some("failed"));
    // The server hears of it too.
    bench.now_ms += 1_000;
    let (_, told_state) = bench.engine.due_statuses(bench.now()).remove(0);
    let told = told_state.interlock.unwrap();
    assert_eq!(
        (told.state.as_str(), told.problem.is_some()),
        ("failed", true)
    );
    assert_eq!(bench.hear(vec![status()]).0, vec![inhibit()]);
    bench.hear(vec![answer(CommandKind::Inhibit, true)]);
    // Somebody else resumed it.
    assert_eq!(bench.hear(vec![status()]).0, vec![inhibit()]);
}

#[test]
fn a_restart_of_driver_or_gun_lets_no_gun_fire_again() {
    let mut bench = treating(ON);
    bench.hear(vec![shot_at(1, 1_000, HARD_UM)]);
    let mut bench = bench.restart();
    let (calls, _) = bench.hear(vec![greeting(false)]);
    assert!(calls.contains(&inhibit()), "{calls:?}");
    let (calls, _) = bench.hear(vec![greeting(true)]);
    assert!(!calls.contains(&inhibit()), "it is inhibited: {calls:?}");
    assert_eq!(let_go(&mut bench), vec![resume()]);
}

#[test]
fn a_gun_that_cannot_be_inhibited_is_told_nothing_and_shown() {
    let mut bench = Bench::with(ON);
    bench.attach(1, 9);
    let (calls, _) = bench.hear(vec![shot_at(1, 1_000, HARD_UM)]);
    assert_eq!(calls, vec![acknowledge(1)]);
    let room = bench.engine.room_state(bench.now(), false);
    let shown = room.guns[0].interlock.as_ref().unwrap();
    assert_eq!(shown.state, "failed");
    assert_eq!(shown.problem.as_deref(), Some("this gun cannot be stopped"));
}

#[test]
fn a_gun_waits_for_its_segment_where_the_clinic_wants_that() {
    let mut bench = Bench::with(UNTIL_SESSION);
    let (calls, _) = bench.hear(vec![greeting(false), GunEvent::Clock(mapping(0))]);
    assert!(calls.contains(&Call::Inhibit(serial(), REASON_NO_SESSION)));
    bench.hear(vec![answer(CommandKind::Inhibit, true)]);
    bench.open_session();
    let work = bench.engine.reconcile_all(bench.now().utc);
    assert_eq!(bench.write(work), vec![resume()]);
    bench.hear(vec![answer(CommandKind::Resume, false)]);
    let (calls, _) = bench.hear(vec![shot_at(1, 1_000, HARD_UM)]);
    assert!(calls.contains(&inhibit()), "{calls:?}");
}

#[test]
fn a_gun_that_another_room_holds_is_not_let_go_by_a_session_here() {
    let mut bench = Bench::with(UNTIL_SESSION);
    bench.hear(vec![greeting(true), GunEvent::Clock(mapping(0))]);
    bench.open_session();
    let work = bench.engine.reconcile_all(bench.now().utc);
    assert_eq!(bench.write(work), vec![]);
    assert_eq!(let_go(&mut bench), vec![resume()], "a person may");
}

#[test]
fn nothing_is_resumed_that_nothing_holds() {
    let mut bench = treating(ON);
    let body = ResumeGunBody {
        operator: "op-1".to_owned(),
        reason: "x".to_owned(),
    };
    let now = bench.now();
    assert!(bench.engine.take_resume(now, &serial(), &body).is_err());
    let stranger = GunSerial::parse("GUN-9").unwrap();
    assert!(bench.engine.take_resume(now, &stranger, &body).is_err());
}

/// A hand at STOP: what the gun hears before anything is written, and the rest of the work.
fn stop(bench: &mut Bench) -> (Vec<Call>, Work) {
    let body = InhibitGunBody {
        operator: Some("op-1".to_owned()),
        reason: String::new(),
    };
    let (now, mut work) = (bench.now(), Work::default());
    bench
        .engine
        .take_stop(now, &serial(), &body, &mut work)
        .unwrap();
    (std::mem::take(&mut work.first), work)
}

#[test]
fn a_person_stops_a_gun_before_anything_is_written_also_with_the_interlock_off() {
    let mut bench = treating("");
    let (first, work) = stop(&mut bench);
    assert_eq!(first, vec![Call::Inhibit(serial(), REASON_PERSON)]);
    bench.write(work);
    bench.hear(vec![answer(CommandKind::Inhibit, true)]);
    assert_eq!(state(&bench).as_deref(), Some("inhibited"));
    let mut bench = bench.restart();
    bench.hear(vec![greeting(true)]);
    assert_eq!(
        state(&bench).as_deref(),
        Some("inhibited"),
        "a restart lets it go on"
    );
    assert_eq!(let_go(&mut bench), vec![resume()]);
    bench.hear(vec![answer(CommandKind::Resume, false)]);
    assert_eq!(state(&bench), None);
}

/// What a record says of a stop: change, person and reason.
type Stop = (String, Option<String>, String);

fn interlocks<'r>(records: impl Iterator<Item = &'r Record>) -> Vec<Stop> {
    let events = records.filter_map(|record| match record {
        Record::Interlock(event) => Some((
            event.change.to_string(),
            event.by.as_ref().map(ToString::to_string),
            event.reason.clone(),
        )),
        _ => None,
    });
    events.collect()
}

/// Writes work of the room; says what it recorded of stops, and which streams are sealed with it.
fn written(bench: &mut Bench, mut work: Work) -> (Vec<Stop>, Vec<Stream>) {
    let batch = std::mem::take(&mut work.batch);
    let said = interlocks(batch.records.iter().map(|new| &new.record));
    let committed = bench.commit(batch);
    let after = bench.engine.after_commit(bench.now(), work, &committed);
    let sealed = after.seals.iter().map(|order| order.stream.clone());
    let sealed = sealed.collect();
    bench.seal(after.seals);
    (said, sealed)
}

#[test]
fn who_stops_a_gun_and_who_lets_it_go_is_recorded_and_sealed_at_once() {
    let mut bench = treating("");
    let (_, work) = stop(&mut bench);
    let op = || Some("op-1".to_owned());
    let (said, sealed) = written(&mut bench, work);
    assert_eq!(said, [("stopped by hand".to_owned(), op(), String::new())]);
    assert_eq!(sealed, [Stream::Room]);
    let (_, work) = stop(&mut bench);
    assert_eq!(
        written(&mut bench, work).0,
        [],
        "pressed twice it is one stop"
    );
    bench.hear(vec![answer(CommandKind::Inhibit, true)]);
    let body = ResumeGunBody {
        operator: "op-1".to_owned(),
        reason: "depth was set right".to_owned(),
    };
    let work = bench.engine.take_resume(bench.now(), &serial(), &body);
    let (said, sealed) = written(&mut bench, work.unwrap());
    let reason = "depth was set right".to_owned();
    assert_eq!(said, [("resumed".to_owned(), op(), reason)]);
    assert_eq!(sealed, [Stream::Room]);
    let bench = bench.restart();
    assert_eq!(bench.engine.sessions.open_sessions().count(), 1);
}

#[test]
fn a_breach_and_a_gun_that_does_not_obey_are_recorded_once() {
    let mut bench = Bench::with(ON);
    bench.attach(1, 9);
    bench.open_session();
    let (_, mut records) = bench.hear(vec![shot_at(1, 1_000, HARD_UM), shot_at(2, 1_200, HARD_UM)]);
    records.extend(bench.hear(vec![status(), status()]).1);
    let said = interlocks(records.iter());
    let changes: Vec<&str> = said.iter().map(|(change, ..)| change.as_str()).collect();
    assert_eq!(changes, ["stopped by a breach", "cannot be stopped"]);
    assert!(said[1].2.contains("this gun cannot be stopped"), "{said:?}");
    assert!(said[1].2.contains("shot 1"), "{said:?}");
}

#[test]
fn a_stopped_gun_that_comes_back_able_to_fire_is_told_again() {
    let mut bench = treating("");
    let (_, work) = stop(&mut bench);
    bench.write(work);
    let mut bench = bench.restart();
    let (calls, _) = bench.hear(vec![greeting(false)]);
    assert!(
        calls.contains(&Call::Inhibit(serial(), REASON_PERSON)),
        "{calls:?}"
    );
}

#[test]
fn of_a_gun_that_cannot_be_stopped_people_are_told_so() {
    let mut bench = Bench::with("");
    bench.attach(1, 9);
    let (first, work) = stop(&mut bench);
    assert_eq!(first, vec![]);
    bench.write(work);
    let refused = bench
        .engine
        .stopped_gun(&serial(), bench.now())
        .unwrap_err();
    assert!(matches!(
        refused,
        StepFailure::StepMissing {
            code: "gun_cannot_be_stopped",
            ..
        }
    ));
    assert!(
        refused
            .to_string()
            .starts_with("this gun cannot be stopped")
    );
    assert_eq!(state(&bench).as_deref(), Some("failed"));
    let status = bench.engine.due_statuses(bench.now());
    let interlock = status[0].1.interlock.as_ref().unwrap();
    assert_eq!(
        interlock.problem.as_deref(),
        Some("this gun cannot be stopped")
    );
}
