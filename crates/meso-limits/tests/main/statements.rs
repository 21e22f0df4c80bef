//! What statements in a session's record say, as facts of the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use meso_domain::{
    Anaesthetic, CourseFacts, CourseSource, Delivery, LastDay, LotFacts, ManualEntry,
    MaterialFacts, PatientFacts, Rule, Said, SessionDetails, SessionEnded, SessionEvent,
    SessionOutcome, Severity, Sourced, Statement,
};
use meso_limits::{Choices, Judge, Library, PackTopic, ReleaseHeader, SessionVerdict};
use meso_units::{Nanolitres, OperatorId, ProtocolId, Timestamp};
use proptest::prelude::*;

use crate::sample::{
    OPENED_NS, SEGMENT, SESSION, TODAY, sample_segment, sample_session, sample_shot,
};

const MINUTE_NS: i64 = 60_000_000_000;

/// The shipped protocol for the face, with a course that the clinic chose.
fn library() -> Arc<Library> {
    let pack = ProtocolId::parse("weekly-or-fortnightly").unwrap();
    let header = ReleaseHeader {
        version: 1,
        demo: true,
        choices: Choices {
            by_topic: BTreeMap::from([(PackTopic::Course, pack)]),
            course_of: BTreeMap::new(),
        },
    };
    let protocol = include_str!("../../../../config/protocols/mesolift-face.toml");
    let packs = include_str!("../../../../config/protocols/packs.toml");
    Arc::new(Library::parse(&header.assemble(&[protocol, packs])).unwrap())
}

fn stated(minute: i64, said: Said) -> SessionEvent {
    SessionEvent::Stated(Box::new(Statement {
        session: SESSION,
        at: Timestamp::from_unix_ns(OPENED_NS + minute).unwrap(),
        by: Some(OperatorId::parse("op-1").unwrap()),
        said,
    }))
}

fn patient(age: u16, weight_g: u32) -> Said {
    Said::Patient(PatientFacts {
        salt: [7; 32],
        age_years: Some(age),
        weight_g: Some(weight_g),
    })
}

fn course(days_since: i64) -> Said {
    Said::Course(CourseFacts {
        source: CourseSource::Typed,
        sessions_before: 1,
        volume_before: Nanolitres::new(1_000_000).unwrap(),
        last_in_zone: vec![LastDay {
            name: "Cheek".to_owned(),
            day: TODAY - days_since,
        }],
        last_of_drug: Vec::new(),
    })
}

fn cream(dose: &str) -> Said {
    Said::Details(SessionDetails {
        anaesthetics: Some(vec![Anaesthetic {
            product: "numbing cream".to_owned(),
            drug: "Lidocaine".to_owned(),
            dose: dose.to_owned(),
        }]),
        ..SessionDetails::default()
    })
}

fn material() -> Said {
    Said::Material(MaterialFacts {
        segment: SEGMENT,
        certificate_until: Some(TODAY + 100),
        gun_is_enrolled: Some(true),
        calibrated_until: Some(TODAY),
        firmware_is_allowed: Some(true),
        product_class: None,
        lots: Some(vec![LotFacts {
            lot: "lot".to_owned(),
            usable_until: Some(TODAY + 30),
            is_recalled: Some(false),
        }]),
        consumables_are_new: Some(true),
        needle_shots_before: Some(0),
        needle_angle_degrees: Some(90),
        residual: Some(Nanolitres::new(4_800_000).unwrap()),
    })
}

fn segment(by_hand: bool) -> SessionEvent {
    let mut segment = sample_segment("mesolift-face");
    segment.course_phase = Some(1);
    segment.syringe.components.push(meso_domain::Component {
        name: "lidocaine".to_owned(),
        concentration: "2 %".to_owned(),
        lot: "lot".to_owned(),
    });
    if by_hand {
        segment.delivery = Delivery::ManualSyringe;
    }
    SessionEvent::SegmentOpened(segment)
}

/// A session of twenty minutes and twenty shots, of which this is said.
fn verdict(said: &[SessionEvent]) -> SessionVerdict {
    let mut judge = Judge::new(Some(library()));
    judge.session_event(&SessionEvent::Opened(sample_session("mesolift-face")));
    judge.session_event(&segment(false));
    for event in said {
        judge.session_event(event);
    }
    for counter in 1..=20 {
        let mut shot = sample_shot(counter);
        shot.at = Timestamp::from_unix_ns(OPENED_NS + i64::from(counter) * MINUTE_NS).unwrap();
        shot.volume.actual = shot.volume.set.map(Sourced::sensed);
        shot.needle_depth.actual = shot.needle_depth.set.map(Sourced::sensed);
        judge.judge(&shot, Some(SESSION));
    }
    judge.session_event(&SessionEvent::Ended(SessionEnded {
        session: SESSION,
        at: Timestamp::from_unix_ns(OPENED_NS + 21 * MINUTE_NS).unwrap(),
        outcome: SessionOutcome::Completed,
        last_counters: Vec::new(),
    }));
    judge.verdict(SESSION).unwrap()
}

fn everything() -> Vec<SessionEvent> {
    vec![
        stated(1, patient(41, 60_000)),
        stated(2, course(7)),
        stated(3, cream("100 mg")),
        stated(4, material()),
    ]
}

#[test]
fn a_session_under_a_shipped_protocol_is_checkable_as_a_whole() {
    let whole = verdict(&everything());
    assert_eq!(whole.worst(), None, "{:?}", whole.rules);
    assert!(whole.rules.len() >= 20, "{:?}", whole.rules);
    let silent = verdict(&[]);
    assert_eq!(silent.worst(), Some(Severity::NotCheckable));
}

#[test]
fn a_rule_of_which_nobody_says_the_fact_is_not_checkable() {
    // Without a word about creams only the syringes are counted: the third is no fact that lacks.
    let of_statement = [
        (0, Rule::DrugMass),
        (1, Rule::DaysSinceSession),
        (3, Rule::Certificate),
    ];
    for (left_out, rule) in of_statement {
        let mut said = everything();
        said.remove(left_out);
        let verdict = verdict(&said);
        let worst = verdict.rule(rule).and_then(|found| found.worst);
        assert_eq!(
            worst.map(|finding| finding.severity),
            Some(Severity::NotCheckable),
            "{rule}"
        );
    }
}

#[test]
fn an_anaesthetic_cream_counts_toward_the_dose() {
    let mut said = everything();
    said[2] = stated(3, cream("297 mg"));
    let verdict = verdict(&said);
    let dose = verdict.rule(Rule::DrugMass).unwrap().worst.unwrap();
    assert_eq!(
        dose.severity,
        Severity::Hard,
        "297 mg and 20 shots of 0.2 mg, at 60 kg"
    );
}

#[test]
fn the_last_word_holds_in_whichever_order_words_come() {
    let early = stated(5, course(3));
    let late = stated(6, course(7));
    let mut said = everything();
    said.remove(1);
    let orders = [
        vec![early.clone(), late.clone()],
        vec![late.clone(), early.clone()],
        vec![late, early.clone(), early],
    ];
    for order in orders {
        let all: Vec<SessionEvent> = said.iter().cloned().chain(order).collect();
        let verdict = verdict(&all);
        assert_eq!(verdict.rule(Rule::DaysSinceSession).unwrap().worst, None);
    }
}

#[test]
fn points_by_hand_count_once_and_a_correction_takes_their_place() {
    let entry = |number, points, nl| {
        let entry = ManualEntry {
            segment: SEGMENT,
            number,
            points,
            volume: Nanolitres::new(nl).unwrap(),
        };
        stated(i64::from(number), Said::Manual(entry))
    };
    let totals = |said: &[SessionEvent]| {
        let mut judge = Judge::new(Some(library()));
        judge.session_event(&SessionEvent::Opened(sample_session("mesolift-face")));
        said.iter().for_each(|event| judge.session_event(event));
        judge.session_event(&segment(true));
        said.iter().for_each(|event| judge.session_event(event));
        let verdict = judge.verdict(SESSION).unwrap();
        (verdict.point_count, verdict.volume_nl)
    };
    assert_eq!(totals(&[]), (0, 0));
    assert_eq!(
        totals(&[entry(1, 4, 80_000), entry(2, 1, 20_000)]),
        (5, 100_000)
    );
    let mut judge = Judge::new(Some(library()));
    judge.session_event(&SessionEvent::Opened(sample_session("mesolift-face")));
    judge.session_event(&segment(true));
    judge.session_event(&entry(1, 4, 80_000));
    judge.session_event(&entry(1, 5, 90_000));
    let verdict = judge.verdict(SESSION).unwrap();
    assert_eq!((verdict.point_count, verdict.volume_nl), (5, 90_000));
}

#[test]
fn the_digest_of_the_facts_does_not_tell_the_age() {
    let digest = |salt: [u8; 32]| {
        let mut judge = Judge::new(Some(library()));
        judge.session_event(&SessionEvent::Opened(sample_session("mesolift-face")));
        judge.session_event(&segment(false));
        let facts = PatientFacts {
            salt,
            age_years: Some(41),
            weight_g: None,
        };
        judge.session_event(&stated(1, Said::Patient(facts)));
        judge.judge(&sample_shot(1), Some(SESSION)).facts_digest
    };
    assert_ne!(digest([1; 32]), digest([2; 32]));
    assert_eq!(digest([1; 32]), digest([1; 32]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_verdict_is_a_function_of_the_set_of_statements(
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(0..8_usize, 0..6),
    ) {
        let mut all = everything();
        all.push(stated(11, patient(52, 70_000)));
        all.push(stated(12, course(2)));
        all.push(stated(13, cream("280 mg")));
        all.push(stated(14, Said::Addendum("said".to_owned())));
        let expected = verdict(&all);
        let shuffled: Vec<SessionEvent> =
            order.into_iter().chain(again).map(|which| all[which].clone()).collect();
        prop_assert_eq!(verdict(&shuffled), expected);
    }
}
