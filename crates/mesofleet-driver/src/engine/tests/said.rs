//! What people say of sessions: it is kept, the engine knows it after a restart, and answers of a
//! questionnaire are in no record.

use meso_contract::room::{
    AnswerBody, ManualStepBody, OverrideStepBody, PatientStepBody, SamePatientStepBody,
    ScreeningAnswersBody, ScreeningReasonBody,
};

use meso_units::PatientCommitment;

use super::*;

/// Every question answered `no`, but for this one.
fn answers(bench: &Bench, concern: &str) -> ScreeningAnswersBody {
    let questions = bench.engine.questionnaire().full.into_iter();
    let answer = |id: String| AnswerBody {
        answer: if id == concern { "yes" } else { "no" }.to_owned(),
        note: if id == concern { "as a child" } else { "" }.to_owned(),
        question: id,
        last_dose_hours: None,
    };
    ScreeningAnswersBody {
        asked_by: "op-1".to_owned(),
        confirms: None,
        answers: questions.map(|question| answer(question.id)).collect(),
        decision: Some(ScreeningReasonBody {
            outcome: "treat".to_owned(),
            by: "op-2".to_owned(),
            reason: "long ago".to_owned(),
        }),
    }
}

fn try_step(bench: &Bench, body: &RoomStepBody) -> Result<StepTaken, meso_room::StepFailure> {
    let drawn = Drawn {
        ids: [[9; 16]; 2],
        salts: [[9; 32]; 2],
    };
    bench.engine.take_step(bench.now(), body, drawn)
}

#[track_caller]
fn code(bench: &Bench, body: &RoomStepBody) -> &'static str {
    match try_step(bench, body).unwrap_err() {
        meso_room::StepFailure::BadValue { code, .. }
        | meso_room::StepFailure::StepMissing { code, .. } => code,
        other => panic!("{other}"),
    }
}

#[test]
fn answers_stay_in_the_room_and_a_returning_patient_confirms_them_after_a_restart() {
    let mut bench = Bench::new();
    bench.open_session();
    bench.now_ms = 2_000;
    let mut open = open_body();
    open.screening = Some(answers(&bench, "urticaria"));
    let taken = bench.step(&RoomStepBody::Open(Box::new(open)));
    for event in &taken.events {
        let bytes = Record::Session(event.clone()).canonical_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("as a child") && !text.contains("long ago"));
        assert!(!text.contains("urticaria"), "{text}");
    }
    let state = bench.engine.room_state(bench.now(), true);
    let session = state
        .sessions
        .iter()
        .find(|it| it.screening_digest.is_some());
    let digest = session.unwrap().screening_digest.clone().unwrap();
    assert_eq!(taken.answer.records.len(), 2);
    let kept = bench.engine.screenings_kept();
    let patient = PatientCommitment::parse(&open_body().patient).unwrap();
    let known = |bench: &Bench, patient| bench.engine.patient(patient, None).screening_digest;
    assert_eq!(known(&bench, patient), Some(digest.clone()));
    let stranger = PatientCommitment::from_bytes([1; 32]);
    assert_eq!(known(&bench, stranger), None);
    let mut bench = bench.restart();
    assert_eq!(bench.engine.screenings_kept(), kept);
    assert_eq!(
        known(&bench, patient),
        Some(digest.clone()),
        "after a restart"
    );
    bench.bring_library();
    bench.now_ms = 3_000;
    let mut again = answers(&bench, "");
    again.answers.retain(|one| one.question == "allergy");
    again.answers.push(AnswerBody {
        question: "changes".to_owned(),
        ..again.answers[0].clone()
    });
    again.confirms = Some("00".repeat(32));
    let mut open = open_body();
    open.screening = Some(again.clone());
    let body = RoomStepBody::Open(Box::new(open.clone()));
    assert_eq!(code(&bench, &body), "screening_unknown");
    again.confirms = Some(digest);
    open.screening = Some(again);
    bench.step(&RoomStepBody::Open(Box::new(open)));
}

#[test]
fn age_weight_and_entries_by_hand_are_known_after_a_restart() {
    let mut bench = Bench::new();
    let session = bench.open_session().to_string();
    let by_hand = SegmentStepBody {
        gun: None,
        reason: "by hand".to_owned(),
        ..segment_body(&session)
    };
    bench.now_ms = 2_000;
    let segment = bench.step(&RoomStepBody::Segment(by_hand)).answer.segment;
    let manual = RoomStepBody::Manual(ManualStepBody {
        session: session.clone(),
        operator: "op-1".to_owned(),
        segment: segment.unwrap(),
        number: 1,
        points: 4,
        volume_nl: 80_000,
    });
    bench.step(&manual);
    assert_eq!(bench.step(&manual).events.len(), 0, "once more");
    bench.step(&RoomStepBody::Patient(PatientStepBody {
        session: session.clone(),
        operator: "op-1".to_owned(),
        age_years: Some(17),
        weight_g: None,
    }));
    let next = SegmentStepBody {
        reason: "next zone".to_owned(),
        ..segment_body(&session)
    };
    let id = SessionId::parse(&session).unwrap();
    for _ in 0..2 {
        assert_eq!(
            code(&bench, &RoomStepBody::Segment(next.clone())),
            "guardian_missing"
        );
        let verdict = bench.engine.judge.verdict(id).unwrap();
        assert_eq!((verdict.point_count, verdict.volume_nl), (4, 80_000));
        bench = bench.restart();
    }
}

#[test]
fn an_override_is_about_the_verdict_of_the_engine() {
    let mut bench = Bench::new();
    let session = bench.open_session().to_string();
    bench.attach(1, 1);
    let body = |rule: &str| {
        RoomStepBody::Override(OverrideStepBody {
            session: session.clone(),
            operator: "op-1".to_owned(),
            rule: rule.to_owned(),
            code: "patient anatomy".to_owned(),
            text: "thick skin".to_owned(),
        })
    };
    assert_eq!(code(&bench, &body("needle depth")), "nothing_to_override");
    bench.hear(vec![shot_at(1, 1_000, 5_000)]);
    bench.now_ms = 2_000;
    let taken = bench.step(&body("needle depth"));
    let meso_domain::SessionEvent::Stated(statement) = &taken.events[0] else {
        panic!("{:?}", taken.events);
    };
    let meso_domain::Said::Override(limit) = &statement.said else {
        panic!("{statement:?}");
    };
    assert_eq!((limit.finding.value, limit.finding.limit), (5_000, 4_000));
    bench.hear(vec![shot_at(2, 2_000, 11_000)]);
    assert_eq!(code(&bench, &body("needle depth")), "hard_limit");
}

#[test]
fn a_gun_that_was_unplugged_has_the_room_asked_for_the_same_patient() {
    let mut bench = Bench::new();
    let session = bench.open_session().to_string();
    bench.attach(1, 1);
    bench.hear(vec![GunEvent::Detached {
        reason: meso_serial::DetachReason::HungUp,
    }]);
    let (work, events) = bench.engine.take_idle(bench.now()).unwrap();
    bench.write(work);
    bench.engine.apply_events(&events);
    assert!(bench.engine.take_idle(bench.now()).is_none(), "asked once");
    let state = bench.engine.room_state(bench.now(), true);
    let asked = state.sessions[0].same_patient_asked.as_deref();
    assert_eq!(asked, Some("unplugged"));
    let next = SegmentStepBody {
        reason: "next zone".to_owned(),
        ..segment_body(&session)
    };
    let next = RoomStepBody::Segment(next);
    assert_eq!(code(&bench, &next), "same_patient_unanswered");
    bench.now_ms = 2_000;
    bench.step(&RoomStepBody::SamePatient(SamePatientStepBody {
        session,
        operator: "op-1".to_owned(),
        is_same: true,
    }));
    assert!(try_step(&bench, &next).is_ok());
}
