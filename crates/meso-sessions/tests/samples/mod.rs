//! Valid steps of a small world.

use meso_domain::{CheckItem, Component, Delivery, Needle, SessionOutcome, SyringeLoad, Technique};
use meso_sessions::{ChecklistAnswers, EndStep, OpenStep, SegmentStep, Step};
use meso_units::{
    ClinicId, DriverId, GunSerial, LibraryVersion, Micrometres, Nanolitres, OperatorId,
    PatientCommitment, ProtocolId, SegmentId, SessionId, Timestamp,
};

/// A moment, in seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns(seconds * 1_000_000_000).unwrap()
}

pub(crate) fn session_id(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

pub(crate) fn segment_id(number: u8) -> SegmentId {
    SegmentId::from_bytes([number; 16])
}

pub(crate) fn gun(number: u8) -> GunSerial {
    GunSerial::parse(&format!("GUN-{number:04}")).unwrap()
}

pub(crate) fn open(session: u8) -> Step {
    let done = Some(CheckItem::Done(None));
    Step::Open(OpenStep {
        session: session_id(session),
        clinic: ClinicId::parse("clinic").unwrap(),
        room: DriverId::parse("room-1").unwrap(),
        time_zone: "Europe/Vienna".to_owned(),
        utc_offset_s: 3_600,
        patient: PatientCommitment::from_bytes([3; 32]),
        screening_digest: None,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        library: LibraryVersion(1),
        operator: OperatorId::parse("op-1").unwrap(),
        checklist: ChecklistAnswers {
            screening: done.clone(),
            consent: Some(CheckItem::Done(Some("C-17".to_owned()))),
            asepsis: done.clone(),
            emergency_kit: done,
        },
        demo: true,
        said: Vec::new(),
    })
}

pub(crate) fn segment(session: u8, segment: u8, gun_number: u8) -> Step {
    Step::Segment(SegmentStep {
        segment: segment_id(segment),
        session: session_id(session),
        delivery: Delivery::Gun(gun(gun_number)),
        zone: "cheek".to_owned(),
        technique: Technique::Nappage,
        course_phase: None,
        syringe: SyringeLoad {
            components: vec![Component {
                name: "hyaluronic acid".to_owned(),
                concentration: "2 mg/ml".to_owned(),
                lot: "L-1".to_owned(),
            }],
            ready_made: true,
            prepared_by: OperatorId::parse("op-1").unwrap(),
            loaded: Nanolitres::new(5_000_000).unwrap(),
            dead_volume: Nanolitres::ZERO,
        },
        needle: Needle {
            length: Micrometres::new(4_000).unwrap(),
            gauge: 30,
            count: 1,
            lot: "N-1".to_owned(),
        },
        operator: OperatorId::parse("op-1").unwrap(),
        reason: "next zone".to_owned(),
    })
}

pub(crate) fn pause(session: u8) -> Step {
    Step::Pause {
        session: session_id(session),
        reason: None,
    }
}

pub(crate) fn resume(session: u8) -> Step {
    Step::Resume {
        session: session_id(session),
    }
}

pub(crate) fn end(session: u8, outcome: SessionOutcome) -> Step {
    Step::End(EndStep {
        session: session_id(session),
        outcome,
        last_counters: Vec::new(),
    })
}
