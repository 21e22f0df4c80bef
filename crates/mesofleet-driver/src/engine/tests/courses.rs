//! What the room knows of its patients' earlier sessions, over a restart and without a server.

use meso_contract::room::{ManualStepBody, SamePatientStepBody};
use meso_contract::{PatientBody, PatientsMessage};
use meso_domain::{CourseFacts, CourseSource, EarlierSession, Said, SessionEvent};
use meso_units::{PatientCommitment, ProtocolId};

use super::*;

/// The list of the patient of [`open_body`].
const LIST: u8 = 0xab >> 2;

fn told(sessions: &[EarlierSession]) -> PatientsMessage {
    let patient = PatientCommitment::from_bytes([0xab; 32]);
    let patients = match sessions {
        [] => Vec::new(),
        _ => vec![PatientBody::new(&patient, sessions)],
    };
    PatientsMessage::new(LIST, patients)
}

fn earlier(number: u8) -> EarlierSession {
    EarlierSession {
        session: SessionId::from_bytes([number; 16]),
        opened_at: Timestamp::from_unix_ns(START_NS - 86_400_000_000_000).unwrap(),
        day: 1,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        volume: meso_units::Nanolitres::new(1_000_000).unwrap(),
        zones: ["cheek".to_owned()].into(),
        drugs: ["hyaluronic acid".to_owned()].into(),
        is_cut: false,
    }
}

impl Bench {
    fn tell(&mut self, message: &PatientsMessage) {
        let payload = message.encode().unwrap();
        let work = self.engine.take_patients(LIST, message, payload).unwrap();
        self.write(work);
        if let Some((work, events)) = self.engine.take_courses(self.now()) {
            let mut work = work;
            let committed = self.commit(std::mem::take(&mut work.batch));
            let after = self.engine.after_commit(self.now(), work, &committed);
            self.seal(after.seals);
            self.engine.apply_events(&events);
        }
    }

    /// Opens a session of the patient; what the room knows of the course.
    fn open_known(&mut self) -> (String, Option<CourseFacts>) {
        let mut open = open_body();
        open.demo = false;
        let taken = self.step(&RoomStepBody::Open(Box::new(open)));
        let course = taken.events.iter().find_map(|event| match event {
            SessionEvent::Stated(statement) => match &statement.said {
                Said::Course(course) => Some(course.clone()),
                _ => None,
            },
            _ => None,
        });
        (taken.answer.session, course)
    }
}

fn sessions_before(course: Option<CourseFacts>) -> Option<u16> {
    let course = course?;
    assert_eq!(course.source, CourseSource::Summaries);
    Some(course.sessions_before)
}

#[test]
fn the_course_is_said_when_a_session_opens_also_after_a_restart() {
    let mut bench = Bench::new();
    bench.bring_library();
    bench.now_ms = 1_000;
    assert_eq!(
        bench.open_known().1,
        None,
        "nobody has told the room anything"
    );
    bench.tell(&told(&[]));
    bench.now_ms = 2_000;
    assert_eq!(sessions_before(bench.open_known().1), Some(0));
    bench.tell(&told(&[earlier(8), earlier(9)]));
    let mut bench = bench.restart();
    bench.bring_library();
    bench.now_ms = 3_000;
    assert_eq!(sessions_before(bench.open_known().1), Some(2));
}

#[test]
fn an_open_session_hears_what_comes_later_and_nothing_twice() {
    let mut bench = Bench::new();
    bench.bring_library();
    bench.now_ms = 1_000;
    let (session, _) = bench.open_known();
    bench.tell(&told(&[earlier(8)]));
    let state = bench.engine.room_state(bench.now(), true);
    let shown = state.sessions.iter().find(|one| one.session == session);
    let course = shown.unwrap().course.as_ref().unwrap();
    assert_eq!((course.sessions_before, &*course.source), (1, "summaries"));
    assert_eq!(state.patient_list_count, 1);
    assert!(
        bench.engine.take_courses(bench.now()).is_none(),
        "nothing new"
    );
    let message = told(&[earlier(8)]);
    let payload = message.encode().unwrap();
    let again = bench.engine.take_patients(LIST, &message, payload);
    assert!(again.unwrap().is_empty(), "the same list again");
}

#[test]
fn what_this_room_did_counts_without_the_server_and_after_a_restart() {
    let mut bench = Bench::new();
    bench.bring_library();
    bench.tell(&told(&[]));
    bench.now_ms = 1_000;
    let (session, _) = bench.open_known();
    let by_hand = SegmentStepBody {
        gun: None,
        ..segment_body(&session)
    };
    let segment = bench.step(&RoomStepBody::Segment(by_hand)).answer.segment;
    bench.step(&RoomStepBody::Manual(ManualStepBody {
        session: session.clone(),
        operator: "op-1".to_owned(),
        segment: segment.unwrap(),
        number: 1,
        points: 4,
        volume_nl: 80_000,
    }));
    bench.now_ms = 2_000;
    assert_eq!(sessions_before(bench.open_known().1), Some(1), "still open");
    bench.step(&RoomStepBody::End {
        session,
        outcome: "completed".to_owned(),
    });
    for second in [3, 4] {
        bench.now_ms = second * 1_000;
        let (_, course) = bench.open_known();
        assert_eq!(course.clone().unwrap().volume_before.get(), 80_000);
        assert_eq!(sessions_before(course), Some(1));
        bench = bench.restart();
        bench.bring_library();
    }
}

#[test]
fn a_list_of_another_topic_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let message = told(&[earlier(8)]);
    let payload = message.encode().unwrap();
    assert!(
        bench
            .engine
            .take_patients(LIST + 1, &message, payload)
            .is_err()
    );
    assert_eq!(bench.engine.patient_list_count(), 0);
}

#[test]
fn a_hand_over_that_is_posted_twice_answers_the_segment_of_the_first() {
    let mut bench = Bench::new();
    let session = bench.open_session().to_string();
    let body = RoomStepBody::HandOver(meso_contract::room::HandOverStepBody {
        session: session.clone(),
        gun: Some("GUN-1".to_owned()),
        operator: "op-2".to_owned(),
        reason: "shift ends".to_owned(),
    });
    bench.now_ms = 5_000;
    let first = bench.step(&body);
    assert_eq!(first.events.len(), 1);
    bench.now_ms = 6_000;
    let second = bench.step(&body);
    assert_eq!(second.events.len(), 0);
    assert_eq!(second.answer.segment, first.answer.segment);
    assert!(first.answer.segment.is_some());
    // The question for the same patient has nothing to do with it.
    let same = RoomStepBody::SamePatient(SamePatientStepBody {
        session,
        operator: "op-2".to_owned(),
        is_same: true,
    });
    let drawn = Drawn {
        ids: [[9; 16]; 2],
        salts: [[9; 32]; 2],
    };
    assert!(bench.engine.take_step(bench.now(), &same, drawn).is_err());
}

#[test]
fn who_prepares_a_session_is_told_the_course_so_far_where_the_room_can_know_it() {
    let mut bench = Bench::new();
    bench.bring_library();
    let patient = PatientCommitment::from_bytes([0xab; 32]);
    let protocol = ProtocolId::parse("mesolift-face").unwrap();
    let course = |bench: &Bench| bench.engine.patient(patient, Some(&protocol)).course;
    assert_eq!(course(&bench), None, "nobody has told the room anything");
    bench.tell(&told(&[earlier(8), earlier(9)]));
    let known = course(&bench).unwrap();
    assert_eq!(
        (known.sessions_before, known.volume_before_nl),
        (2, 2_000_000)
    );
    assert_eq!(known.last_in_zone[0].name, "cheek");
    assert_eq!(
        bench.engine.patient(patient, None).course,
        None,
        "not asked"
    );
}
