//! Blocks and shots to store.

#![allow(
    dead_code,
    reason = "each of the programs that share these uses some of them"
)]

use std::ops::RangeInclusive;

use meso_domain::*;
use meso_store::{Commit, NewBlock, ShotFate};
use meso_units::*;
use proptest::prelude::*;

pub(crate) fn sample_gun() -> GunSerial {
    GunSerial::parse("GUN-0001").unwrap()
}

pub(crate) fn sample_session() -> SessionId {
    SessionId::from_bytes([5; 16])
}

fn sample_segment() -> SegmentId {
    SegmentId::from_bytes([6; 16])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_700_000_000_000_000_000 + seconds * 1_000_000_000).unwrap()
}

pub(crate) fn after_hours(hours: i64) -> Timestamp {
    at(hours * 3_600)
}

pub(crate) fn sample_shot(counter: u32) -> Shot {
    Shot {
        identity: ShotIdentity {
            gun: sample_gun(),
            epoch: Epoch(u64::MAX - 3),
            counter: ShotCounter(counter),
        },
        at: at(counter.into()),
        uncertainty: Uncertainty::Within(1_000),
        clock_segment: ClockSegment(1),
        gun_tick: GunTick::new(u64::from(counter) * 1_000).unwrap(),
        needle_depth: Quantity {
            set: Micrometres::new(4_000).ok(),
            actual: Micrometres::new(3_990).ok().map(Sourced::sensed),
        },
        volume: Quantity {
            set: Nanolitres::new(20_000).ok(),
            actual: None,
        },
        interval: None,
        frequency_set: None,
        needles_working: None,
        pressure: None,
        flags: ShotFlags::NONE,
        purpose: Purpose::Patient,
        purpose_decided_by: PurposeDecidedBy::Gun,
        segment: Some(sample_segment()),
        library: Some(LibraryVersion(1)),
    }
}

fn judgement() -> Judgement {
    Judgement {
        library: Some(LibraryVersion(1)),
        engine: 1,
        facts_digest: [3; 32],
        findings: Vec::new(),
    }
}

fn header(stream: Stream, number: u64, previous: Option<u8>) -> BlockHeader {
    BlockHeader {
        clinic: ClinicId::parse("riverside").unwrap(),
        place: BlockPlace {
            driver: DriverId::parse("room-1").unwrap(),
            incarnation: JournalIncarnation(u64::MAX),
            stream,
            number: BlockNumber(number),
        },
        previous: previous.map(|byte| BlockHash([byte; 32])),
        epoch: None,
        session: Some(sample_session()),
        record_count: 0,
        sealed_at: at(0),
        judgements_digest: [0; 32],
    }
}

pub(crate) fn block_of(number: u64, previous: Option<u8>, shots: Vec<Shot>) -> RecordBlock {
    let identity = &shots[0].identity;
    let mut header = header(Stream::Gun(identity.gun.clone()), number, previous);
    header.epoch = Some(identity.epoch);
    let judgements = shots.iter().map(|_| judgement()).collect();
    let records = shots.into_iter().map(Record::Shot).collect();
    RecordBlock::seal(header, records, judgements).unwrap()
}

/// A block that names the one before it.
pub(crate) fn chained_block(
    number: u64,
    previous: Option<BlockHash>,
    shots: Vec<Shot>,
) -> RecordBlock {
    let identity = &shots[0].identity;
    let mut header = header(Stream::Gun(identity.gun.clone()), number, None);
    header.previous = previous;
    header.epoch = Some(identity.epoch);
    let judgements = shots.iter().map(|_| judgement()).collect();
    let records = shots.into_iter().map(Record::Shot).collect();
    RecordBlock::seal(header, records, judgements).unwrap()
}

pub(crate) fn sample_block(
    number: u64,
    previous: Option<u8>,
    counters: RangeInclusive<u32>,
) -> RecordBlock {
    block_of(number, previous, counters.map(sample_shot).collect())
}

/// The events of the sample session: opened, one segment, ended.
pub(crate) fn session_block(number: u64) -> RecordBlock {
    let operator = OperatorId::parse("op-7").unwrap();
    let done = || CheckItem::Done(None);
    let opened = SessionOpened {
        session: sample_session(),
        at: at(0),
        clinic: ClinicId::parse("riverside").unwrap(),
        room: DriverId::parse("room-1").unwrap(),
        time_zone: "Europe/Berlin".to_owned(),
        utc_offset_s: 3_600,
        patient: PatientCommitment::from_bytes([1; 32]),
        screening_digest: None,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        library: LibraryVersion(1),
        operator: operator.clone(),
        checklist: Checklist {
            screening: done(),
            consent: done(),
            asepsis: done(),
            emergency_kit: done(),
        },
        demo: true,
    };
    let segment = SegmentOpened {
        segment: sample_segment(),
        session: sample_session(),
        at: at(0),
        delivery: Delivery::Gun(sample_gun()),
        zone: "cheek".to_owned(),
        technique: Technique::Nappage,
        protocol: opened.protocol.clone(),
        library: LibraryVersion(1),
        course_phase: None,
        syringe: SyringeLoad {
            components: Vec::new(),
            ready_made: true,
            prepared_by: operator.clone(),
            loaded: Nanolitres::new(5_000_000).unwrap(),
            dead_volume: Nanolitres::ZERO,
        },
        needle: Needle {
            length: Micrometres::new(4_000).unwrap(),
            gauge: 30,
            count: 1,
            lot: "lot".to_owned(),
        },
        operator,
        reason: String::new(),
    };
    let ended = SessionEnded {
        session: sample_session(),
        at: at(100),
        outcome: SessionOutcome::Completed,
        last_counters: Vec::new(),
    };
    let records = [
        SessionEvent::Opened(opened),
        SessionEvent::SegmentOpened(segment),
        SessionEvent::Ended(ended),
    ];
    let records = records.into_iter().map(Record::Session).collect();
    RecordBlock::seal(header(Stream::Room, number, None), records, Vec::new()).unwrap()
}

/// A commit in which every shot is new and the server agrees with the edge.
pub(crate) fn commit_of(blocks: impl IntoIterator<Item = RecordBlock>) -> Commit {
    let blocks = blocks.into_iter().map(|block| NewBlock {
        hash: block.hash(),
        fates: block
            .judgements()
            .iter()
            .cloned()
            .map(ShotFate::Store)
            .collect(),
        utc_offset_s: 3_600,
        block,
    });
    Commit {
        blocks: blocks.collect(),
        ..Commit::default()
    }
}

fn any_source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::Sensed),
        Just(Source::Computed(Derivation::PlungerTravel)),
        Just(Source::Typed(OperatorId::parse("op-7").unwrap())),
    ]
}

fn any_sourced<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Sourced<T>>> {
    proptest::option::of(
        (value, any_source()).prop_map(|(value, source)| Sourced { value, source }),
    )
}

prop_compose! {
    pub(crate) fn any_shot()(
        (epoch, counter) in (any::<u64>(), 1_u32..),
        (at, uncertainty, tick) in (0_i64.., any::<Option<u64>>(), 0..=GunTick::MAX.get()),
        (clock_segment, flags, pressure) in
            (any::<u32>(), 0_u16..64, proptest::option::of(-100_000_i32..100_000)),
        depth_set in proptest::option::of(0_u32..=13_000),
        depth in any_sourced((0_u32..=13_000).prop_map(|um| Micrometres::new(um).unwrap())),
        volume_set in proptest::option::of(0..=Shot::VOLUME_NL_MAX),
        volume in any_sourced(
            (0..=Shot::VOLUME_NL_MAX).prop_map(|nl| Nanolitres::new(nl).unwrap())),
        needles in any_sourced((1_u8..=9).prop_map(|n| NeedleCount::new(n).unwrap())),
        (interval, spm) in (proptest::option::of(any::<u32>()), proptest::option::of(1_u16..600)),
        (purpose, decided_by) in (0..Purpose::ALL.len(), 0..PurposeDecidedBy::ALL.len()),
        (segment, library) in (any::<Option<[u8; 16]>>(), any::<Option<u32>>()),
    ) -> Shot {
        Shot {
            identity: ShotIdentity {
                epoch: Epoch(epoch),
                counter: ShotCounter(counter),
                ..sample_shot(1).identity
            },
            at: Timestamp::from_unix_ns(at).unwrap(),
            uncertainty: uncertainty.map_or(Uncertainty::Unbounded, Uncertainty::Within),
            clock_segment: ClockSegment(clock_segment),
            gun_tick: GunTick::new(tick).unwrap(),
            needle_depth: Quantity {
                set: depth_set.map(|um| Micrometres::new(um).unwrap()),
                actual: depth,
            },
            volume: Quantity {
                set: volume_set.map(|nl| Nanolitres::new(nl).unwrap()),
                actual: volume,
            },
            interval: interval.and_then(|us| Microseconds::new(us.into()).ok()),
            frequency_set: spm.and_then(|spm| ShotsPerMinute::new(spm).ok()),
            needles_working: needles,
            pressure: pressure.and_then(|pa| GaugePascals::new(pa).ok()),
            flags: ShotFlags::from_bits(flags).unwrap(),
            purpose: Purpose::ALL[purpose],
            purpose_decided_by: PurposeDecidedBy::ALL[decided_by],
            segment: segment.map(SegmentId::from_bytes),
            library: library.map(LibraryVersion),
        }
    }
}
