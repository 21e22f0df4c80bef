//! One statement of each kind, for the tests.

use meso_domain::{
    AdverseCause, AdverseCode, AdverseEvent, Anaesthetic, Answer, AnsweredQuestion, AskCause,
    Bound, CheckItem, CombinedTreatment, CourseFacts, CourseSource, Finding, LastDay,
    LimitOverride, LotFacts, ManualEntry, MaterialFacts, OverrideCode, PatientFacts, Rule, Said,
    Screening, ScreeningAnswers, ScreeningDecision, ScreeningOutcome, SessionDetails, SessionEvent,
    Severity, ShotClaim, Statement,
};
use meso_units::{
    Epoch, LibraryVersion, Nanolitres, OperatorId, SegmentId, SessionId, ShotCounter,
};

use crate::samples::{at, gun, sample_amendment};

pub(crate) fn operator() -> OperatorId {
    OperatorId::parse("op-7").unwrap()
}

fn segment() -> SegmentId {
    SegmentId::from_bytes([0x22; 16])
}

pub(crate) fn stated(by: Option<OperatorId>, said: Said) -> SessionEvent {
    SessionEvent::Stated(Box::new(Statement {
        session: SessionId::from_bytes([0x11; 16]),
        at: at(1_795_000_300_000_000_000),
        by,
        said,
    }))
}

fn material() -> MaterialFacts {
    MaterialFacts {
        segment: segment(),
        certificate_until: Some(20_900),
        gun_is_enrolled: Some(true),
        calibrated_until: Some(20_800),
        firmware_is_allowed: Some(false),
        product_class: Some("mesotherapy solution".into()),
        lots: Some(vec![LotFacts {
            lot: "HA-1".into(),
            usable_until: Some(21_000),
            is_recalled: None,
        }]),
        consumables_are_new: Some(true),
        needle_shots_before: Some(0),
        needle_angle_degrees: None,
        residual: Some(Nanolitres::new(40_000).unwrap()),
    }
}

fn limit_override() -> LimitOverride {
    LimitOverride {
        finding: Finding {
            rule: Rule::NeedleDepth,
            severity: Severity::Soft,
            bound: Some(Bound::Maximum),
            value: 4_200,
            limit: 4_000,
            reason: None,
        },
        library: Some(LibraryVersion(3)),
        engine: 2,
        code: OverrideCode::PatientAnatomy,
        text: "thick skin".into(),
    }
}

fn details() -> SessionDetails {
    SessionDetails {
        consent: Some("C-17".into()),
        guardian_consent: None,
        assessment: Some("A-4".into()),
        anaesthetics: Some(vec![Anaesthetic {
            product: "numbing cream".into(),
            drug: "lidocaine".into(),
            dose: "100 mg".into(),
        }]),
        combined: vec![CombinedTreatment {
            name: "peel".into(),
            day: 20_770,
        }],
        after_care: Some(CheckItem::Skipped("no sheet in this language".into())),
    }
}

/// One of each kind, in the order of their codes.
pub(crate) fn all() -> Vec<SessionEvent> {
    let by = || Some(operator());
    let course = CourseFacts {
        source: CourseSource::Typed,
        sessions_before: 2,
        volume_before: Nanolitres::new(7_000_000).unwrap(),
        last_in_zone: vec![LastDay {
            name: "cheek".into(),
            day: 20_768,
        }],
        last_of_drug: Vec::new(),
    };
    let decision = ScreeningDecision {
        outcome: ScreeningOutcome::Treat,
        by: operator(),
    };
    let screening = Screening {
        digest: [0x77; 32],
        confirms: Some([0x78; 32]),
        decision: Some(decision),
    };
    let manual = ManualEntry {
        segment: segment(),
        number: 1,
        points: 4,
        volume: Nanolitres::new(80_000).unwrap(),
    };
    let adverse = AdverseEvent {
        code: AdverseCode::Bruise,
        cause: AdverseCause::Needle,
        is_expected: true,
        onset: at(1_795_100_000_000_000_000),
        action: "cooled".into(),
        follow_up: String::new(),
    };
    let patient = PatientFacts {
        salt: [0x79; 32],
        age_years: Some(41),
        weight_g: None,
    };
    let claim = ShotClaim {
        segment: segment(),
        gun: gun(),
        epoch: Epoch(7),
        first: ShotCounter(3),
        last: ShotCounter(9),
        reason: "session opened too late".into(),
    };
    vec![
        stated(by(), Said::Screening(screening)),
        stated(by(), Said::Patient(patient)),
        stated(by(), Said::Course(course)),
        stated(by(), Said::Details(details())),
        stated(by(), Said::Material(material())),
        stated(by(), Said::Manual(manual)),
        stated(by(), Said::PauseReason("telephone".into())),
        stated(by(), Said::Override(limit_override())),
        stated(None, Said::SamePatientAsked(AskCause::Unplugged)),
        stated(by(), Said::SamePatientAnswered(true)),
        stated(by(), Said::AdverseEvent(adverse)),
        stated(by(), Said::Addendum("seen again after a week".into())),
        stated(by(), Said::Amended(sample_amendment())),
        stated(by(), Said::Claim(claim)),
    ]
}

pub(crate) fn sample_answers() -> ScreeningAnswers {
    ScreeningAnswers {
        salt: [0x7a; 32],
        at: at(1_795_000_000_000_000_000),
        asked_by: operator(),
        confirms: None,
        answers: vec![
            AnsweredQuestion {
                question: "pregnancy".into(),
                answer: Answer::No,
                note: String::new(),
                last_dose_hours: None,
            },
            AnsweredQuestion {
                question: "anticoagulants".into(),
                answer: Answer::Yes,
                note: "low dose".into(),
                last_dose_hours: Some(120),
            },
        ],
        decision: Some((
            ScreeningDecision {
                outcome: ScreeningOutcome::Treat,
                by: operator(),
            },
            "talked with the physician".into(),
        )),
    }
}
