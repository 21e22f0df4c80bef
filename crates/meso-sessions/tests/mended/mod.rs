//! What is corrected afterwards, repeated by a caller who got no answer, or asked of a medicine.

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    Answer, AnsweredQuestion, MaterialFacts, Said, ScreeningAnswers, SessionDetails, SessionEvent,
    SessionOutcome,
};
use meso_limits::{Library, assemble_release};
use meso_sessions::{AmendStep, Questionnaire, SayStep, Sessions, Step};
use meso_units::{Nanolitres, OperatorId};

use crate::said::{hand_over, same_patient};
use crate::samples::{at, end, open, segment, segment_id, session_id};

fn operator() -> OperatorId {
    OperatorId::parse("op-1").unwrap()
}

fn room() -> Sessions {
    let mut room = Sessions::default();
    room.step(at(10), open(1)).unwrap();
    room.step(at(11), segment(1, 1, 1)).unwrap();
    room
}

fn say(room: &mut Sessions, said: Said) -> SessionEvent {
    let step = Step::Say(SayStep {
        session: session_id(1),
        by: operator(),
        said,
    });
    room.step(at(20), step).unwrap().remove(0)
}

fn amend(room: &mut Sessions, original: &SessionEvent, field: &str, value: &str) -> SessionEvent {
    let step = Step::Amend(AmendStep {
        session: session_id(1),
        by: operator(),
        original: original.record_hash(),
        field: field.to_owned(),
        new_value: value.to_owned(),
        reason: "read again".to_owned(),
    });
    room.step(at(90), step).unwrap();
    room.corrected(session_id(1), original.record_hash())
        .unwrap()
}

fn said(event: &SessionEvent) -> &Said {
    match event {
        SessionEvent::Stated(statement) => &statement.said,
        other => panic!("{other:?}"),
    }
}

#[test]
fn papers_and_material_are_corrected_after_the_end() {
    let mut room = room();
    let material = MaterialFacts {
        segment: segment_id(1),
        certificate_until: None,
        gun_is_enrolled: None,
        calibrated_until: None,
        firmware_is_allowed: None,
        product_class: None,
        lots: None,
        consumables_are_new: None,
        needle_shots_before: None,
        needle_angle_degrees: None,
        residual: Nanolitres::new(200_000).ok(),
    };
    let material = say(&mut room, Said::Material(material));
    let details = say(&mut room, Said::Details(SessionDetails::default()));
    room.step(at(50), end(1, SessionOutcome::Completed))
        .unwrap();
    amend(&mut room, &material, "residual_nl", "300000");
    let right = amend(&mut room, &material, "needle_angle_degrees", "45");
    let Said::Material(material) = said(&right) else {
        panic!("{right:?}")
    };
    let residual = material.residual.map(Nanolitres::get);
    assert_eq!(
        (residual, material.needle_angle_degrees),
        (Some(300_000), Some(45))
    );
    let right = amend(&mut room, &details, "consent", "C-18");
    let Said::Details(details) = said(&right) else {
        panic!("{right:?}")
    };
    assert_eq!(details.consent.as_deref(), Some("C-18"));
}

#[test]
fn a_hand_over_that_is_repeated_under_another_id_is_the_same() {
    let mut room = room();
    room.step(at(20), hand_over(1, 2, 1)).unwrap();
    assert_eq!(room.step(at(21), hand_over(1, 3, 1)), Ok(Vec::new()));
    let open = room.open_sessions().next().unwrap();
    assert_eq!(open.segments().len(), 2);
    let gun = open.segments()[0].delivery.clone();
    assert_eq!(open.present_segment(&gun), Some(segment_id(2)));
}

#[test]
fn another_needle_asks_for_the_same_patient() {
    let mut room = room();
    let same = room.step(at(20), segment(1, 2, 1)).unwrap();
    assert_eq!(same.len(), 1, "the needle stays");
    let Step::Segment(mut other) = segment(1, 3, 1) else {
        panic!("a segment step")
    };
    other.needle.lot = "N-2".to_owned();
    let events = room.step(at(30), Step::Segment(other)).unwrap();
    let [SessionEvent::SegmentOpened(_), asked] = events.as_slice() else {
        panic!("{events:?}")
    };
    let asks = Said::SamePatientAsked(meso_domain::AskCause::NewNeedle);
    assert_eq!(said(asked), &asks);
    assert!(room.decide(at(31), segment(1, 4, 1)).is_err());
    room.step(at(32), same_patient(1, true)).unwrap();
    assert!(room.decide(at(33), segment(1, 4, 1)).is_ok());
}

fn washout() -> Questionnaire {
    let packs = "[[protocols]]\nid = \"mesolift-face\"\ntitle = \"t\"\nindication = \"i\"\n\
        zones = [\"cheek\"]\ntechniques = [\"nappage\"]\n\
        [[packs]]\nformat = 1\nid = \"wait\"\ntopic = \"anticoagulants\"\ntitle = \"t\"\n\
        source = \"s\"\nstance = \"washout\"\n[packs.washout]\n\
        one = { soft_min = { is = \"120 h\", source = \"s\" } }\n\
        other = { hard_min = { is = \"24 h\", source = \"s\" } }\n";
    let choice = "[choices]\nanticoagulants = \"wait\"\n";
    let text = assemble_release(1, true, &[packs, choice]);
    Questionnaire::new(Some(&Library::parse(&text).unwrap()))
}

#[test]
fn a_last_dose_long_ago_needs_no_decision_and_a_shorter_time_does() {
    let questionnaire = washout();
    let answers = |hours| ScreeningAnswers {
        salt: [1; 32],
        at: at(5),
        asked_by: operator(),
        confirms: None,
        answers: questionnaire
            .full()
            .iter()
            .map(|question| AnsweredQuestion {
                question: question.id.to_owned(),
                answer: match question.id {
                    "anticoagulants" => Answer::Yes,
                    _ => Answer::No,
                },
                note: String::new(),
                last_dose_hours: (question.id == "anticoagulants").then_some(hours),
            })
            .collect(),
        decision: None,
    };
    assert!(questionnaire.check(&answers(120)).is_ok());
    let refusal = questionnaire.check(&answers(119)).unwrap_err();
    assert_eq!(
        refusal.code(),
        "decision_missing",
        "the longest of any group"
    );
}
