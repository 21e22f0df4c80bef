//! A driver on paper, for tests: it seals blocks as a real one does.

use std::collections::BTreeMap;

use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, CheckItem, Checklist, Custody, Delivery, Gap, GapReason,
    GapState, GunPosition, Needle, PatientMerged, Quantity, Record, RecordBlock, SegmentOpened,
    SessionEnded, SessionEvent, SessionOpened, SessionOutcome, Shot, Sourced, Stream, SyringeLoad,
    Technique,
};
use meso_limits::Judge;
use meso_testkit::samples::bare_shot;
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick, JournalIncarnation,
    LibraryVersion, Micrometres, Microseconds, Nanolitres, OperatorId, PatientCommitment,
    ProtocolId, SegmentId, SessionId, ShotCounter, Timestamp, Uncertainty,
};

/// 2025-06-01T00:00:00Z.
const START_S: i64 = 1_748_736_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns((START_S + seconds) * 1_000_000_000).unwrap()
}

pub(crate) fn sample_gun() -> GunSerial {
    GunSerial::parse("GUN-0001").unwrap()
}

pub(crate) fn sample_clinic() -> ClinicId {
    ClinicId::parse("riverside").unwrap()
}

pub(crate) fn sample_driver() -> DriverId {
    DriverId::parse("room-1").unwrap()
}

pub(crate) const EPOCH: Epoch = Epoch(0xfeed_0000_0000_0001);

pub(crate) fn sample_shot(counter: u32, depth_um: u32) -> Shot {
    Shot {
        at: at(i64::from(counter)),
        uncertainty: Uncertainty::Within(1_000_000),
        clock_segment: ClockSegment(0),
        needle_depth: Quantity {
            set: Micrometres::new(2_500).ok(),
            actual: Micrometres::new(depth_um).ok().map(Sourced::sensed),
        },
        volume: Quantity {
            set: Nanolitres::new(18_000).ok(),
            actual: Nanolitres::new(18_000).ok().map(Sourced::sensed),
        },
        interval: Microseconds::new(1_000_000).ok(),
        ..bare_shot(
            sample_gun(),
            EPOCH,
            counter,
            GunTick::new(u64::from(counter) * 1_000_000).unwrap(),
        )
    }
}

/// Seals blocks with the verdicts that a driver without a library would give.
pub(crate) struct PaperDriver {
    chains: BTreeMap<Stream, (u64, Option<BlockHash>)>,
    judge: Judge,
    pub(crate) incarnation: JournalIncarnation,
}

impl PaperDriver {
    pub(crate) fn new() -> PaperDriver {
        PaperDriver {
            chains: BTreeMap::new(),
            judge: Judge::new(None),
            incarnation: JournalIncarnation(0xabc),
        }
    }

    pub(crate) fn shots(&mut self, shots: Vec<Shot>, session: Option<SessionId>) -> RecordBlock {
        let judgements = shots
            .iter()
            .map(|shot| self.judge.judge(shot, session))
            .collect();
        let stream = Stream::Gun(shots[0].identity.gun.clone());
        let records = shots.into_iter().map(Record::Shot).collect();
        self.seal(stream, session, records, judgements)
    }

    /// Shots `first` to `last`, all 2.5 mm deep.
    pub(crate) fn run(&mut self, first: u32, last: u32, session: Option<SessionId>) -> RecordBlock {
        let shots = (first..=last).map(|counter| sample_shot(counter, 2_500));
        self.shots(shots.collect(), session)
    }

    pub(crate) fn gap(&mut self, first: u32, last: u32) -> RecordBlock {
        let gap = Gap {
            gun: sample_gun(),
            epoch: EPOCH,
            first: ShotCounter(first),
            last: Some(ShotCounter(last)),
            state: GapState::Declared,
            reason: GapReason::RingOverflow,
            at: at(0),
        };
        self.seal(
            Stream::Gun(sample_gun()),
            None,
            vec![Record::Gap(gap)],
            Vec::new(),
        )
    }

    /// The gun is here from a counter on, and has counted so far.
    pub(crate) fn custody(&mut self, first: u32, newest: u32, at: Timestamp) -> RecordBlock {
        let custody = Custody {
            gun: sample_gun(),
            epoch: EPOCH,
            first: ShotCounter(first),
            newest: ShotCounter(newest),
            at,
        };
        let stream = Stream::Gun(sample_gun());
        self.seal(stream, None, vec![Record::Custody(custody)], Vec::new())
    }

    pub(crate) fn event(&mut self, event: SessionEvent) -> RecordBlock {
        self.judge.session_event(&event);
        let session = event.session();
        self.seal(
            Stream::Room,
            Some(session),
            vec![Record::Session(event)],
            Vec::new(),
        )
    }

    /// Two ids turned out to be one patient's.
    pub(crate) fn merged(&mut self, merged: PatientMerged) -> RecordBlock {
        let records = vec![Record::Patient(merged)];
        self.seal(Stream::Room, None, records, Vec::new())
    }

    fn seal(
        &mut self,
        stream: Stream,
        session: Option<SessionId>,
        records: Vec<Record>,
        judgements: Vec<meso_domain::Judgement>,
    ) -> RecordBlock {
        let (number, previous) = self.chains.get(&stream).copied().unwrap_or((0, None));
        let header = BlockHeader {
            clinic: sample_clinic(),
            place: BlockPlace {
                driver: sample_driver(),
                incarnation: self.incarnation,
                stream: stream.clone(),
                number: BlockNumber(number + 1),
            },
            previous,
            epoch: matches!(stream, Stream::Gun(_)).then_some(EPOCH),
            session,
            record_count: 0,
            sealed_at: at(0),
            judgements_digest: [0; 32],
        };
        let block = RecordBlock::seal(header, records, judgements).unwrap();
        self.chains.insert(stream, (number + 1, Some(block.hash())));
        block
    }
}

pub(crate) fn sample_session() -> SessionId {
    SessionId::from_bytes([0x5e; 16])
}

pub(crate) fn opened(session: SessionId) -> SessionEvent {
    let done = || CheckItem::Done(None);
    SessionEvent::Opened(SessionOpened {
        session,
        at: at(0),
        clinic: sample_clinic(),
        room: sample_driver(),
        time_zone: "UTC".to_owned(),
        utc_offset_s: 0,
        patient: PatientCommitment::from_bytes([1; 32]),
        screening_digest: None,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        library: LibraryVersion(1),
        operator: OperatorId::parse("op-7").unwrap(),
        checklist: Checklist {
            screening: done(),
            consent: done(),
            asepsis: done(),
            emergency_kit: done(),
        },
        demo: true,
    })
}

pub(crate) fn segment(session: SessionId) -> SessionEvent {
    let operator = OperatorId::parse("op-7").unwrap();
    SessionEvent::SegmentOpened(SegmentOpened {
        segment: SegmentId::from_bytes([6; 16]),
        session,
        at: at(0),
        delivery: Delivery::Gun(sample_gun()),
        zone: "cheek".to_owned(),
        technique: Technique::Nappage,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
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
            lot: "N-1".to_owned(),
        },
        operator,
        reason: String::new(),
    })
}

pub(crate) fn ended(session: SessionId, counter: u32) -> SessionEvent {
    SessionEvent::Ended(SessionEnded {
        session,
        at: at(1_000),
        outcome: SessionOutcome::Completed,
        last_counters: vec![GunPosition {
            gun: sample_gun(),
            epoch: EPOCH,
            counter: ShotCounter(counter),
            is_away: false,
        }],
    })
}

/// A whole session of six shots, one of them too deep for anything, as seven blocks.
pub(crate) fn sample_treatment() -> Vec<RecordBlock> {
    let mut driver = PaperDriver::new();
    let session = Some(sample_session());
    let deep = vec![sample_shot(3, 2_500), sample_shot(4, 10_800)];
    vec![
        driver.event(opened(sample_session())),
        driver.event(segment(sample_session())),
        driver.run(1, 2, session),
        driver.shots(deep, session),
        driver.run(5, 6, session),
        driver.event(ended(sample_session(), 6)),
    ]
}
