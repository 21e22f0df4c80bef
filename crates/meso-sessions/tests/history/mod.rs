//! What a room concludes from its patients' earlier sessions.

use meso_domain::{
    CourseFacts, CourseSource, EarlierSession, LastDay, Said, SessionEvent, SessionOpened,
};
use meso_limits::{Library, assemble_release};
use meso_sessions::{Histories, PatientHistory, PatientList, SayStep, Sessions, Step};
use meso_units::{Nanolitres, OperatorId, PatientCommitment, ProtocolId};

use crate::samples::{at, open, session_id};

const DAY_S: i64 = 86_400;

fn library() -> Library {
    let protocols = "[[protocols]]\nid = \"mesolift-face\"\ntitle = \"t\"\nindication = \"i\"\n\
        zones = [\"cheek\"]\ntechniques = [\"nappage\"]\n\
        [protocols.days_since_session]\nsoft_min = \"7 days\"\nsource = \"s\"\n\
        [[protocols.drugs]]\nname = \"triamcinolone\"\nalso = [\"kenalog\"]\nclass = \"steroid\"\n\
        interval = { soft_min = { is = \"28 days\", source = \"s\" } }\n";
    Library::parse(&assemble_release(1, true, &[protocols])).unwrap()
}

/// A session of some day.
fn earlier(session: u8, day: i64, protocol: &str, zone: &str, drug: &str) -> EarlierSession {
    EarlierSession {
        session: session_id(session),
        opened_at: at(day * DAY_S),
        day,
        protocol: ProtocolId::parse(protocol).unwrap(),
        volume: Nanolitres::new(1_000_000).unwrap(),
        zones: [zone.to_owned()].into(),
        drugs: [drug.to_owned()].into(),
        is_cut: false,
    }
}

const fn patient() -> PatientCommitment {
    PatientCommitment::from_bytes([3; 32])
}

/// A session of day 10.
fn opened() -> SessionOpened {
    let Step::Open(mut step) = open(1) else {
        panic!("an open step")
    };
    step.demo = false;
    let events = Sessions::default().step(at(10 * DAY_S), Step::Open(step));
    match events.unwrap().remove(0) {
        SessionEvent::Opened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

fn list(sessions: &[EarlierSession]) -> PatientList {
    let history = PatientHistory {
        sessions: sessions
            .iter()
            .map(|one| (one.session, one.clone()))
            .collect(),
        is_cut: false,
    };
    PatientList {
        patients: [(patient(), history)].into(),
        is_cut: false,
    }
}

fn course(told: Option<PatientList>, own: &[EarlierSession]) -> Option<CourseFacts> {
    let mut histories = Histories::default();
    if let Some(told) = told {
        assert!(histories.tell(0, told.clone()));
        assert!(!histories.tell(0, told), "nothing new");
    }
    for one in own {
        histories.note(patient(), one.clone());
    }
    histories.course_of(&opened(), &[opened().patient], &library(), &[])
}

#[test]
fn a_course_is_counted_by_protocol_and_a_drug_under_any() {
    let told = list(&[
        earlier(2, 1, "mesolift-face", "cheek", "hyaluronic acid"),
        earlier(3, 5, "mesolift-face", "neck", "kenalog"),
        earlier(4, 8, "scars", "arm", "triamcinolone"),
        // Of another day, and this one itself.
        earlier(5, 11, "mesolift-face", "cheek", "hyaluronic acid"),
        earlier(1, 10, "mesolift-face", "cheek", "hyaluronic acid"),
    ]);
    let last = |name: &str, day| LastDay {
        name: name.to_owned(),
        day,
    };
    let expected = CourseFacts {
        source: CourseSource::Summaries,
        sessions_before: 2,
        volume_before: Nanolitres::new(2_000_000).unwrap(),
        last_in_zone: vec![last("cheek", 1), last("neck", 5)],
        last_of_drug: vec![last("kenalog", 5), last("triamcinolone", 8)],
    };
    assert_eq!(course(Some(told), &[]), Some(expected));
}

#[test]
fn what_the_room_did_itself_counts_before_the_server_has_it_and_once_after() {
    let own = earlier(2, 9, "mesolift-face", "cheek", "hyaluronic acid");
    let nobody = PatientList::default();
    let known = course(Some(nobody), std::slice::from_ref(&own)).unwrap();
    assert_eq!(known.sessions_before, 1);
    let both = course(Some(list(std::slice::from_ref(&own))), &[own]).unwrap();
    assert_eq!(both, known);
}

#[test]
fn who_is_in_no_list_that_was_told_is_known_to_be_new_and_else_nothing_is_known() {
    assert_eq!(course(None, &[]), None, "nobody has told the room anything");
    let nobody = PatientList::default();
    assert_eq!(
        course(Some(nobody.clone()), &[]).unwrap().sessions_before,
        0
    );
    let cut = PatientList {
        is_cut: true,
        ..nobody
    };
    assert_eq!(course(Some(cut), &[]), None, "patients were left out");
    let mut told = list(&[earlier(2, 1, "mesolift-face", "cheek", "x")]);
    told.patients.get_mut(&patient()).unwrap().is_cut = true;
    assert_eq!(course(Some(told), &[]), None, "sessions were left out");
    let mut short = earlier(2, 1, "scars", "arm", "x");
    short.is_cut = true;
    assert_eq!(
        course(Some(list(&[short])), &[]),
        None,
        "drugs were left out"
    );
}

#[test]
fn a_demonstration_has_no_course() {
    let mut histories = Histories::default();
    histories.tell(0, PatientList::default());
    let demo = SessionOpened {
        demo: true,
        ..opened()
    };
    assert_eq!(
        histories.course_of(&demo, &[demo.patient], &library(), &[]),
        None
    );
}

#[test]
fn the_oldest_sessions_of_a_room_make_way_for_new_ones() {
    let mut histories = Histories::default();
    histories.tell(0, PatientList::default());
    for number in 0..=Histories::OWN_COUNT_MAX as i64 {
        let mut one = earlier(9, 1, "mesolift-face", "cheek", "x");
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        one.session = meso_units::SessionId::from_bytes(id);
        histories.note(patient(), one);
    }
    let course = histories.course_of(&opened(), &[opened().patient], &library(), &[]);
    let course = course.unwrap();
    assert_eq!(
        usize::from(course.sessions_before),
        Histories::OWN_COUNT_MAX
    );
}

#[test]
fn what_the_room_learns_later_is_said_once_and_never_over_a_persons_word() {
    let mut room = Sessions::default();
    room.step(at(10), open(1)).unwrap();
    let facts = |sessions_before, source| CourseFacts {
        source,
        sessions_before,
        volume_before: Nanolitres::ZERO,
        last_in_zone: Vec::new(),
        last_of_drug: Vec::new(),
    };
    let known = |room: &Sessions, count| {
        room.course_known(at(20), session_id(1), facts(count, CourseSource::Summaries))
    };
    let said = known(&room, 1).unwrap();
    room.apply(&said).unwrap();
    assert_eq!(known(&room, 1), None, "nothing new");
    let said = known(&room, 2).unwrap();
    room.apply(&said).unwrap();
    room.step(
        at(30),
        Step::Say(SayStep {
            session: session_id(1),
            by: OperatorId::parse("op-1").unwrap(),
            said: Said::Course(facts(5, CourseSource::Typed)),
        }),
    )
    .unwrap();
    assert_eq!(known(&room, 3), None, "a person has said how it is");
}
