//! What people say of a session: refusals, and what holds afterwards.

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    AdverseCause, AdverseCode, AdverseEvent, Answer, AnsweredQuestion, AskCause, CourseFacts,
    CourseSource, Delivery, Finding, LimitOverride, ManualEntry, MaterialFacts, OverrideCode,
    PatientFacts, RecordHash, Rule, Said, ScreeningAnswers, ScreeningDecision, ScreeningOutcome,
    SessionDetails, SessionEvent, SessionOutcome, Severity, ShotClaim, Statement,
};
use meso_sessions::{
    AmendStep, HandOverStep, Questionnaire, Refusal, SamePatientStep, SayStep, Sessions, Step,
};
use meso_units::{Epoch, Nanolitres, OperatorId, ShotCounter};

use crate::samples::{at, end, gun, open, segment, segment_id, session_id};

fn operator(number: u8) -> OperatorId {
    OperatorId::parse(&format!("op-{number}")).unwrap()
}

fn said(session: u8, said: Said) -> Step {
    Step::Say(SayStep {
        session: session_id(session),
        by: operator(1),
        said,
    })
}

fn patient(age: u16) -> Said {
    Said::Patient(PatientFacts {
        salt: [7; 32],
        age_years: Some(age),
        weight_g: None,
    })
}

fn entry(number: u32, points: u32) -> ManualEntry {
    ManualEntry {
        segment: segment_id(9),
        number,
        points,
        volume: Nanolitres::new(20_000).unwrap(),
    }
}

fn guardian(number: Option<&str>) -> Said {
    Said::Details(SessionDetails {
        guardian_consent: number.map(str::to_owned),
        ..SessionDetails::default()
    })
}

fn adverse_event() -> Said {
    Said::AdverseEvent(AdverseEvent {
        code: AdverseCode::Swelling,
        cause: AdverseCause::Method,
        is_expected: true,
        onset: at(5),
        action: "watched".to_owned(),
        follow_up: String::new(),
    })
}

fn limit_override(severity: Severity) -> Said {
    Said::Override(LimitOverride {
        finding: Finding {
            rule: Rule::NeedleDepth,
            severity,
            bound: None,
            value: 5,
            limit: 4,
            reason: None,
        },
        library: None,
        engine: 2,
        code: OverrideCode::Other,
        text: "as discussed".to_owned(),
    })
}

fn claim(segment: u8, gun_number: u8, last: u32) -> Said {
    Said::Claim(ShotClaim {
        segment: segment_id(segment),
        gun: gun(gun_number),
        epoch: Epoch(7),
        first: ShotCounter(1),
        last: ShotCounter(last),
        reason: "opened too late".to_owned(),
    })
}

/// How many kinds [`say`] knows.
pub(crate) const SAID_COUNT: usize = 8;

/// A statement for random runs.
pub(crate) fn say(session: u8, which: usize, number: u8) -> Step {
    let what = match which {
        0 => patient(16 + u16::from(number)),
        1 => guardian((number > 0).then_some("G-1")),
        2 => Said::Manual(entry(number.into(), 3)),
        3 => adverse_event(),
        4 => Said::Addendum(format!("note {number}")),
        5 => limit_override(Severity::Soft),
        6 => claim(number, number, 5),
        _ => Said::Course(CourseFacts {
            source: CourseSource::Typed,
            sessions_before: number.into(),
            volume_before: Nanolitres::ZERO,
            last_in_zone: Vec::new(),
            last_of_drug: Vec::new(),
        }),
    };
    said(session, what)
}

pub(crate) fn pause_because(session: u8) -> Step {
    Step::Pause {
        session: session_id(session),
        reason: Some((operator(1), "telephone".to_owned())),
    }
}

pub(crate) fn same_patient(session: u8, is_same: bool) -> Step {
    Step::SamePatient(SamePatientStep {
        session: session_id(session),
        by: operator(1),
        is_same,
        last_counters: Vec::new(),
    })
}

pub(crate) fn hand_over(session: u8, segment: u8, gun_number: u8) -> Step {
    Step::HandOver(HandOverStep {
        session: session_id(session),
        segment: segment_id(segment),
        delivery: Delivery::Gun(gun(gun_number)),
        operator: operator(2),
        reason: "shift ends".to_owned(),
    })
}

/// Corrects the first entry by hand, where there is one.
pub(crate) fn amend_entry(session: u8, points: u8) -> Step {
    let original = SessionEvent::Stated(Box::new(Statement {
        session: session_id(session),
        at: at(20),
        by: Some(operator(1)),
        said: Said::Manual(entry(1, 3)),
    }));
    amend(session, original.record_hash(), &points.to_string())
}

fn amend(session: u8, original: RecordHash, points: &str) -> Step {
    Step::Amend(AmendStep {
        session: session_id(session),
        by: operator(1),
        original,
        field: "points".to_owned(),
        new_value: points.to_owned(),
        reason: "miscounted".to_owned(),
    })
}

/// A room in which session 1 is open since 10 s, with segment 1 of gun 1 and segment 9 by hand.
fn room() -> Sessions {
    let mut room = Sessions::default();
    room.step(at(10), open(1)).unwrap();
    room.step(at(11), segment(1, 1, 1)).unwrap();
    let Step::Segment(mut by_hand) = segment(1, 9, 1) else {
        panic!("a segment step")
    };
    by_hand.delivery = Delivery::ManualSyringe;
    room.step(at(12), Step::Segment(by_hand)).unwrap();
    room
}

#[track_caller]
fn code(room: &Sessions, step: Step) -> &'static str {
    let refusal = room.decide(at(100), step);
    refusal.expect_err("the step must be refused").code()
}

fn answers(concern: Option<&str>, decision: Option<ScreeningOutcome>) -> ScreeningAnswers {
    let questionnaire = Questionnaire::new(None);
    let answer = |id: &str| AnsweredQuestion {
        question: id.to_owned(),
        answer: match concern == Some(id) {
            true => Answer::Unknown,
            false => Answer::No,
        },
        note: String::new(),
        last_dose_hours: None,
    };
    let decision = decision.map(|outcome| {
        let by = operator(3);
        (ScreeningDecision { outcome, by }, "seen".to_owned())
    });
    ScreeningAnswers {
        salt: [1; 32],
        at: at(5),
        asked_by: operator(1),
        confirms: None,
        answers: questionnaire.full().iter().map(|q| answer(q.id)).collect(),
        decision,
    }
}

#[test]
fn a_questionnaire_names_every_open_question_and_what_is_not_asked() {
    let questionnaire = Questionnaire::new(None);
    assert!(questionnaire.check(&answers(None, None)).is_ok());
    let mut short = answers(None, None);
    short.answers.retain(|one| !one.question.contains("kidney"));
    assert_eq!(
        questionnaire.check(&short),
        Err(Refusal::QuestionsOpen {
            open: vec!["kidney_failure", "kidney_disease"]
        })
    );
    let mut strange = answers(None, None);
    strange.answers[0].question = "shoe size".to_owned();
    let refusal = questionnaire.check(&strange).unwrap_err();
    assert_eq!(refusal.code(), "question_unknown");
    let mut twice = answers(None, None);
    twice.answers.push(twice.answers[0].clone());
    assert_eq!(
        questionnaire.check(&twice).unwrap_err().code(),
        "question_unknown"
    );
}

#[test]
fn yes_and_unknown_ask_for_the_prescribers_decision() {
    let questionnaire = Questionnaire::new(None);
    for id in questionnaire.full().iter().map(|question| question.id) {
        let undecided = answers(Some(id), None);
        let concerns = vec![id];
        let missing = Refusal::DecisionMissing { concerns };
        assert_eq!(questionnaire.check(&undecided), Err(missing));
        let mut unreasoned = answers(Some(id), Some(ScreeningOutcome::Treat));
        unreasoned.decision.as_mut().unwrap().1 = " ".to_owned();
        assert!(questionnaire.check(&unreasoned).is_err());
        let decided = answers(Some(id), Some(ScreeningOutcome::Treat));
        assert!(questionnaire.check(&decided).is_ok());
    }
}

#[test]
fn a_returning_patient_is_asked_for_allergies_and_changes_only() {
    let questionnaire = Questionnaire::new(None);
    let mut short = answers(None, None);
    short.confirms = Some([4; 32]);
    let changes = AnsweredQuestion {
        question: "changes".to_owned(),
        ..short.answers[0].clone()
    };
    short.answers.retain(|one| one.question == "allergy");
    short.answers.push(changes);
    let screening = questionnaire.check(&short).unwrap();
    assert_eq!(screening.confirms, Some([4; 32]));
    short.answers[1].answer = Answer::Yes;
    assert_eq!(questionnaire.check(&short), Err(Refusal::ScreeningChanged));
}

#[test]
fn nothing_is_injected_where_the_prescriber_does_not_treat() {
    let questionnaire = Questionnaire::new(None);
    for outcome in [ScreeningOutcome::DoNotTreat, ScreeningOutcome::Postponed] {
        let mut room = Sessions::default();
        let Step::Open(mut step) = open(1) else {
            panic!("an open step")
        };
        let screening = questionnaire.check(&answers(Some("pregnancy"), Some(outcome)));
        step.said = vec![(operator(1), Said::Screening(screening.unwrap()))];
        assert_eq!(room.step(at(10), Step::Open(step)).unwrap().len(), 2);
        assert_eq!(code(&room, segment(1, 1, 1)), "not_treated");
        assert!(
            room.step(at(20), end(1, SessionOutcome::NotTreated))
                .is_ok()
        );
    }
}

#[test]
fn a_minor_needs_a_guardian_before_the_first_segment() {
    let mut room = Sessions::default();
    room.step(at(10), open(1)).unwrap();
    room.step(at(11), said(1, patient(17))).unwrap();
    assert_eq!(code(&room, segment(1, 1, 1)), "guardian_missing");
    room.step(at(12), said(1, guardian(Some("G-1")))).unwrap();
    assert!(room.decide(at(13), segment(1, 1, 1)).is_ok());
    room.step(at(13), said(1, guardian(None))).unwrap();
    assert_eq!(code(&room, segment(1, 1, 1)), "guardian_missing");
    room.step(at(14), said(1, patient(18))).unwrap();
    assert!(room.decide(at(15), segment(1, 1, 1)).is_ok());
}

#[test]
fn entries_by_hand_need_a_segment_by_hand_and_their_order() {
    let mut room = room();
    let by_gun = ManualEntry {
        segment: segment_id(1),
        ..entry(1, 3)
    };
    assert_eq!(code(&room, said(1, Said::Manual(by_gun))), "not_by_hand");
    let strange = ManualEntry {
        segment: segment_id(77),
        ..entry(1, 3)
    };
    assert_eq!(
        code(&room, said(1, Said::Manual(strange))),
        "segment_missing"
    );
    let second = said(1, Said::Manual(entry(2, 3)));
    assert_eq!(code(&room, second), "entry_out_of_order");
    let first = said(1, Said::Manual(entry(1, 3)));
    assert_eq!(room.step(at(20), first.clone()).unwrap().len(), 1);
    assert_eq!(room.step(at(21), first), Ok(Vec::new()), "once more");
    let other = said(1, Said::Manual(entry(1, 4)));
    assert_eq!(code(&room, other), "entry_out_of_order");
}

#[test]
fn an_entry_is_corrected_and_the_original_stays() {
    let mut room = room();
    let events = room
        .step(at(20), said(1, Said::Manual(entry(1, 3))))
        .unwrap();
    let original = events[0].record_hash();
    assert_eq!(
        code(&room, amend(1, RecordHash([0; 32]), "4")),
        "original_unknown"
    );
    assert_eq!(code(&room, amend(1, original, "3")), "cannot_be_corrected");
    let amended = room.step(at(21), amend(1, original, "4")).unwrap();
    assert_eq!(room.step(at(22), amend(1, original, "4")), Ok(Vec::new()));
    let SessionEvent::Stated(statement) = &amended[0] else {
        panic!("{amended:?}")
    };
    let Said::Amended(amendment) = &statement.said else {
        panic!("{amended:?}")
    };
    assert_eq!(
        (amendment.old_value.as_str(), amendment.new_value.as_str()),
        ("3", "4")
    );
    room.step(at(30), end(1, SessionOutcome::Completed))
        .unwrap();
    let again = room.step(at(31), amend(1, original, "5")).unwrap();
    assert_eq!(again.len(), 1, "also after the end");
    let open = room.corrected(session_id(1), original).unwrap();
    assert_ne!(open, events[0]);
}

#[test]
fn only_a_soft_limit_is_overridden() {
    let room = room();
    assert!(
        room.decide(at(20), said(1, limit_override(Severity::Soft)))
            .is_ok()
    );
    assert_eq!(
        code(&room, said(1, limit_override(Severity::Hard))),
        "hard_limit"
    );
    let unknown = said(1, limit_override(Severity::NotCheckable));
    assert_eq!(code(&room, unknown), "nothing_to_override");
}

#[test]
fn a_hand_over_goes_to_somebody_else_and_opens_a_segment() {
    let mut room = room();
    let Step::HandOver(mut to_the_same) = hand_over(1, 2, 1) else {
        panic!("a hand-over")
    };
    to_the_same.operator = operator(1);
    assert_eq!(code(&room, Step::HandOver(to_the_same)), "same_operator");
    assert_eq!(code(&room, hand_over(1, 2, 2)), "nothing_to_hand_over");
    let events = room.step(at(20), hand_over(1, 2, 1)).unwrap();
    let [SessionEvent::SegmentOpened(segment)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&segment.operator, segment.zone.as_str()),
        (&operator(2), "cheek")
    );
    assert_eq!(room.step(at(21), hand_over(1, 2, 1)), Ok(Vec::new()));
}

#[test]
fn the_room_is_asked_for_the_same_patient_and_nothing_goes_on_before_the_answer() {
    let mut room = room();
    assert_eq!(code(&room, same_patient(1, true)), "nothing_asked");
    let asked = room.ask(at(20), &gun(1), AskCause::Unplugged).unwrap();
    room.apply(&asked).unwrap();
    assert_eq!(room.ask(at(21), &gun(1), AskCause::NewNeedle), None, "once");
    assert_eq!(code(&room, segment(1, 2, 1)), "same_patient_unanswered");
    let manual = said(1, Said::Manual(entry(1, 3)));
    assert_eq!(code(&room, manual), "same_patient_unanswered");
    room.step(at(22), same_patient(1, true)).unwrap();
    assert!(room.decide(at(23), segment(1, 2, 1)).is_ok());
    let asked = room.ask(at(24), &gun(1), AskCause::NewNeedle).unwrap();
    room.apply(&asked).unwrap();
    let events = room.step(at(25), same_patient(1, false)).unwrap();
    let [_, SessionEvent::Ended(ended)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(ended.outcome, SessionOutcome::TimedOut);
}

#[test]
fn an_idle_room_is_asked_and_the_question_keeps_nothing_open() {
    let mut room = room();
    let ask_s = Sessions::ASK_NS_DEFAULT / 1_000_000_000;
    assert_eq!(room.idle(at(12 + ask_s), &[]), Vec::new());
    let asked = room.idle(at(13 + ask_s), &[]);
    asked.iter().for_each(|event| room.apply(event).unwrap());
    let open = room.open_sessions().next().unwrap();
    assert_eq!(open.asked(), Some(AskCause::Idle));
    assert_eq!(room.idle(at(14 + ask_s), &[]), Vec::new(), "asked already");
    let limit_s = Sessions::IDLE_NS_DEFAULT / 1_000_000_000;
    let events = room.idle(at(13 + limit_s), &[]);
    assert!(matches!(events.as_slice(), [SessionEvent::Ended(_)]));
}

#[test]
fn a_session_that_ended_takes_what_comes_days_after_and_nothing_else() {
    let mut room = room();
    room.step(at(20), end(1, SessionOutcome::Completed))
        .unwrap();
    let days_after = at(20 + 3 * 86_400);
    for what in [
        adverse_event(),
        Said::Addendum("seen again".to_owned()),
        claim(1, 1, 9),
    ] {
        let step = said(1, what);
        assert_eq!(room.step(days_after, step.clone()).unwrap().len(), 1);
        assert_eq!(room.step(days_after, step), Ok(Vec::new()), "once more");
    }
    assert_eq!(code(&room, said(1, patient(40))), "session_not_open");
    assert_eq!(code(&room, said(2, adverse_event())), "session_unknown");
}

#[test]
fn shots_are_claimed_for_a_segment_of_their_own_gun() {
    let room = room();
    assert_eq!(code(&room, said(1, claim(1, 2, 9))), "claim_of_other_gun");
    assert_eq!(code(&room, said(1, claim(9, 1, 9))), "claim_of_other_gun");
    assert_eq!(code(&room, said(1, claim(1, 1, 5_000))), "out_of_range");
}

#[test]
fn values_that_nobody_believes_are_refused_and_some_things_have_steps_of_their_own() {
    let room = room();
    assert_eq!(code(&room, said(1, patient(131))), "out_of_range");
    let details = SessionDetails {
        anaesthetics: Some(vec![meso_domain::Anaesthetic {
            product: "cream".to_owned(),
            drug: "lidocaine".to_owned(),
            dose: "a lot".to_owned(),
        }]),
        ..SessionDetails::default()
    };
    assert_eq!(code(&room, said(1, Said::Details(details))), "not_a_dose");
    let own = Said::SamePatientAnswered(true);
    assert_eq!(code(&room, said(1, own)), "own_step");
    let material = MaterialFacts {
        segment: segment_id(77),
        certificate_until: None,
        gun_is_enrolled: None,
        calibrated_until: None,
        firmware_is_allowed: None,
        product_class: None,
        lots: None,
        consumables_are_new: None,
        needle_shots_before: None,
        needle_angle_degrees: None,
        residual: None,
    };
    assert_eq!(
        code(&room, said(1, Said::Material(material))),
        "segment_missing"
    );
}
