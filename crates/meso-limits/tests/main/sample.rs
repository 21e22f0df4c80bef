//! A session, a segment and shots that the rules of the other files here look at.

use meso_domain::{
    CheckItem, Checklist, Delivery, Needle, Purpose, PurposeDecidedBy, Quantity, SegmentOpened,
    SessionOpened, Shot, ShotFlags, ShotIdentity, SyringeLoad, Technique,
};
use meso_units::{
    ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick, LibraryVersion, Micrometres,
    Microseconds, Nanolitres, OperatorId, PatientCommitment, ProtocolId, SegmentId, SessionId,
    ShotCounter, Timestamp, Uncertainty,
};

pub(crate) const SESSION: SessionId = SessionId::from_bytes([1; 16]);
pub(crate) const SEGMENT: SegmentId = SegmentId::from_bytes([2; 16]);
/// 2026-03-02 09:00 UTC, 10:00 in the clinic.
pub(crate) const OPENED_NS: i64 = 1_772_442_000_000_000_000;
/// That day in the clinic, counted from 1970-01-01.
#[allow(
    dead_code,
    reason = "the benchmark, which shares this file, counts no days"
)]
pub(crate) const TODAY: i64 = 20_514;

pub(crate) fn sample_session(protocol: &str) -> SessionOpened {
    let done = CheckItem::Done(None);
    SessionOpened {
        session: SESSION,
        at: Timestamp::from_unix_ns(OPENED_NS).unwrap(),
        clinic: ClinicId::parse("clinic").unwrap(),
        room: DriverId::parse("room-1").unwrap(),
        time_zone: "Europe/Vienna".to_owned(),
        utc_offset_s: 3_600,
        patient: PatientCommitment::from_bytes([3; 32]),
        screening_digest: None,
        protocol: ProtocolId::parse(protocol).unwrap(),
        library: LibraryVersion(1),
        operator: OperatorId::parse("op-1").unwrap(),
        checklist: Checklist {
            screening: done.clone(),
            consent: done.clone(),
            asepsis: done.clone(),
            emergency_kit: done,
        },
        demo: true,
    }
}

pub(crate) fn sample_segment(protocol: &str) -> SegmentOpened {
    SegmentOpened {
        segment: SEGMENT,
        session: SESSION,
        at: Timestamp::from_unix_ns(OPENED_NS).unwrap(),
        delivery: Delivery::Gun(GunSerial::parse("GUN-0001").unwrap()),
        zone: "cheek".to_owned(),
        technique: Technique::Nappage,
        protocol: ProtocolId::parse(protocol).unwrap(),
        library: LibraryVersion(1),
        course_phase: None,
        syringe: SyringeLoad {
            components: Vec::new(),
            ready_made: true,
            prepared_by: OperatorId::parse("op-1").unwrap(),
            loaded: Nanolitres::new(5_000_000).unwrap(),
            dead_volume: Nanolitres::ZERO,
        },
        needle: Needle {
            length: Micrometres::new(4_000).unwrap(),
            gauge: 30,
            count: 1,
            lot: "lot".to_owned(),
        },
        operator: OperatorId::parse("op-1").unwrap(),
        reason: String::new(),
    }
}

/// A patient shot of 0.01 ml at 2 mm, half a second after the last, by set point only.
pub(crate) fn sample_shot(counter: u32) -> Shot {
    Shot {
        identity: ShotIdentity {
            gun: GunSerial::parse("GUN-0001").unwrap(),
            epoch: Epoch(7),
            counter: ShotCounter(counter),
        },
        at: Timestamp::from_unix_ns(OPENED_NS + i64::from(counter) * 500_000_000).unwrap(),
        uncertainty: Uncertainty::Within(1_000),
        clock_segment: ClockSegment(0),
        gun_tick: GunTick::new(u64::from(counter) * 500_000).unwrap(),
        needle_depth: Quantity {
            set: Some(Micrometres::new(2_000).unwrap()),
            actual: None,
        },
        volume: Quantity {
            set: Some(Nanolitres::new(10_000).unwrap()),
            actual: None,
        },
        interval: Some(Microseconds::new(500_000).unwrap()),
        frequency_set: None,
        needles_working: None,
        pressure: None,
        flags: ShotFlags::NONE,
        purpose: Purpose::Patient,
        purpose_decided_by: PurposeDecidedBy::Gun,
        segment: Some(SEGMENT),
        library: Some(LibraryVersion(1)),
    }
}
