//! Valid records for the tests.

use meso_domain::{
    Amendment, BlockHeader, BlockPlace, Bound, CheckItem, Checklist, Component, Custody, Delivery,
    Finding, Gap, GapReason, GapState, GunPosition, InterlockChange, InterlockEvent, Judgement,
    Needle, PatientMerged, Purpose, PurposeDecidedBy, Quantity, RecordHash, Rule, SegmentOpened,
    SessionEnded, SessionEvent, SessionOpened, SessionOutcome, Severity, Shot, ShotFlags,
    ShotIdentity, Sourced, Stream, SyringeLoad, Technique,
};
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GaugePascals, GunSerial, GunTick,
    JournalIncarnation, LibraryVersion, Micrometres, Microseconds, Nanolitres, NeedleCount,
    OperatorId, PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter, ShotsPerMinute,
    Timestamp, Uncertainty,
};

pub(crate) fn at(ns: i64) -> Timestamp {
    Timestamp::from_unix_ns(ns).unwrap()
}

pub(crate) fn gun() -> GunSerial {
    GunSerial::parse("GUN-0001").unwrap()
}

pub(crate) fn sample_shot(counter: u32) -> Shot {
    Shot {
        identity: ShotIdentity {
            gun: gun(),
            epoch: Epoch(0x0102_0304_0506_0708),
            counter: ShotCounter(counter),
        },
        at: at(1_795_000_000_123_456_789),
        uncertainty: Uncertainty::Within(850_000),
        clock_segment: ClockSegment(3),
        gun_tick: GunTick::new(12_345_678).unwrap(),
        needle_depth: Quantity {
            set: Some(Micrometres::new(2_000).unwrap()),
            actual: Some(Sourced::sensed(Micrometres::new(2_037).unwrap())),
        },
        volume: Quantity {
            set: Some(Nanolitres::new(20_000).unwrap()),
            actual: Some(Sourced::sensed(Nanolitres::new(20_412).unwrap())),
        },
        interval: Some(Microseconds::new(142_857).unwrap()),
        frequency_set: Some(ShotsPerMinute::new(420).unwrap()),
        needles_working: Some(Sourced::sensed(NeedleCount::new(1).unwrap())),
        pressure: Some(GaugePascals::new(-42_000).unwrap()),
        flags: ShotFlags::NONE,
        purpose: Purpose::Patient,
        purpose_decided_by: PurposeDecidedBy::Gun,
        segment: Some(SegmentId::from_bytes([0x22; 16])),
        library: Some(LibraryVersion(1)),
    }
}

/// A shot of a gun that says as little as it may.
pub(crate) fn sample_silent_shot() -> Shot {
    Shot {
        uncertainty: Uncertainty::Unbounded,
        needle_depth: Quantity::UNKNOWN,
        volume: Quantity::UNKNOWN,
        interval: None,
        frequency_set: None,
        needles_working: None,
        pressure: None,
        flags: ShotFlags::FAILED_INJECTION.union(ShotFlags::NEEDLE_BLOCKED),
        purpose: Purpose::Prime,
        purpose_decided_by: PurposeDecidedBy::DriverRule,
        segment: None,
        library: None,
        ..sample_shot(7)
    }
}

pub(crate) fn sample_opened() -> SessionEvent {
    SessionEvent::Opened(SessionOpened {
        session: SessionId::from_bytes([0x11; 16]),
        at: at(1_795_000_000_000_000_000),
        clinic: ClinicId::parse("riverside").unwrap(),
        room: DriverId::parse("room-1").unwrap(),
        time_zone: "Europe/Paris".into(),
        utc_offset_s: 3_600,
        patient: PatientCommitment::from_bytes([0x33; 32]),
        screening_digest: None,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        library: LibraryVersion(1),
        operator: OperatorId::parse("op-7").unwrap(),
        checklist: Checklist {
            screening: CheckItem::Done(Some("S-100".into())),
            consent: CheckItem::Done(None),
            asepsis: CheckItem::Done(None),
            emergency_kit: CheckItem::Skipped("kit on the corridor".into()),
        },
        demo: true,
    })
}

pub(crate) fn sample_segment() -> SessionEvent {
    SessionEvent::SegmentOpened(SegmentOpened {
        segment: SegmentId::from_bytes([0x22; 16]),
        session: SessionId::from_bytes([0x11; 16]),
        at: at(1_795_000_000_500_000_000),
        delivery: Delivery::Gun(gun()),
        zone: "cheek".into(),
        technique: Technique::Nappage,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        library: LibraryVersion(1),
        course_phase: Some(1),
        syringe: SyringeLoad {
            components: vec![Component {
                name: "hyaluronic acid".into(),
                concentration: "10 mg/ml".into(),
                lot: "HA-1".into(),
            }],
            ready_made: true,
            prepared_by: OperatorId::parse("op-7").unwrap(),
            loaded: Nanolitres::new(5_000_000).unwrap(),
            dead_volume: Nanolitres::new(150_000).unwrap(),
        },
        needle: Needle {
            length: Micrometres::new(4_000).unwrap(),
            gauge: 30,
            count: 1,
            lot: "N-1".into(),
        },
        operator: OperatorId::parse("op-7").unwrap(),
        reason: String::new(),
    })
}

pub(crate) fn sample_ended() -> SessionEvent {
    SessionEvent::Ended(SessionEnded {
        session: SessionId::from_bytes([0x11; 16]),
        at: at(1_795_000_900_000_000_000),
        outcome: SessionOutcome::Completed,
        last_counters: vec![GunPosition {
            gun: gun(),
            epoch: Epoch(0x0102_0304_0506_0708),
            counter: ShotCounter(120),
            is_away: false,
        }],
    })
}

pub(crate) fn sample_gap() -> Gap {
    Gap {
        gun: gun(),
        epoch: Epoch(0x0102_0304_0506_0708),
        first: ShotCounter(8),
        last: Some(ShotCounter(9)),
        state: GapState::Declared,
        reason: GapReason::RingOverflow,
        at: at(1_795_000_001_000_000_000),
    }
}

pub(crate) fn sample_custody() -> Custody {
    Custody {
        gun: gun(),
        epoch: Epoch(0x0102_0304_0506_0708),
        first: ShotCounter(8),
        newest: ShotCounter(9),
        at: at(1_795_000_001_000_000_000),
    }
}

pub(crate) fn sample_interlock() -> InterlockEvent {
    InterlockEvent {
        gun: gun(),
        session: Some(SessionId::from_bytes([0x11; 16])),
        at: at(1_795_000_002_000_000_000),
        change: InterlockChange::StoppedByHand,
        by: Some(OperatorId::parse("op-7").unwrap()),
        reason: "patient moved".into(),
    }
}

pub(crate) fn sample_merged() -> PatientMerged {
    PatientMerged {
        from: PatientCommitment::from_bytes([0x22; 32]),
        into: PatientCommitment::from_bytes([0x21; 32]),
        at: at(1_795_000_003_000_000_000),
    }
}

pub(crate) fn sample_amendment() -> Amendment {
    Amendment {
        original: RecordHash([0x44; 32]),
        by: OperatorId::parse("op-7").unwrap(),
        at: at(1_795_001_000_000_000_000),
        reason: "wrong lot read".into(),
        field: "lot".into(),
        old_value: "HA-1".into(),
        new_value: "HA-2".into(),
        signature: [0x55; 64],
    }
}

pub(crate) fn sample_judgement() -> Judgement {
    Judgement {
        library: Some(LibraryVersion(1)),
        engine: 1,
        facts_digest: [0x66; 32],
        findings: vec![Finding {
            rule: Rule::NeedleDepth,
            severity: Severity::Hard,
            bound: Some(Bound::Maximum),
            value: 10_800,
            limit: 10_000,
            reason: None,
        }],
    }
}

pub(crate) fn sample_header() -> BlockHeader {
    BlockHeader {
        clinic: ClinicId::parse("riverside").unwrap(),
        place: BlockPlace {
            driver: DriverId::parse("room-1").unwrap(),
            incarnation: JournalIncarnation(0x0a0b_0c0d_0e0f_0001),
            stream: Stream::Gun(gun()),
            number: BlockNumber(1),
        },
        previous: None,
        epoch: Some(Epoch(0x0102_0304_0506_0708)),
        session: Some(SessionId::from_bytes([0x11; 16])),
        record_count: 0,
        sealed_at: at(1_795_000_000_600_000_000),
        judgements_digest: [0; 32],
    }
}
