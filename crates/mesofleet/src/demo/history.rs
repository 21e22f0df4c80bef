//! A plausible past: sessions of the last weeks, so that trends are not empty.
//!
//! Everything made up here is sealed like the real thing, in record blocks of a journal of its
//! own, and every session says that it is a demonstration.

use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, CheckItem, Checklist, Component, Delivery, GunPosition,
    Needle, Purpose, PurposeDecidedBy, Quantity, Record, RecordBlock, SegmentOpened, SessionEnded,
    SessionEvent, SessionOpened, SessionOutcome, Shot, ShotFlags, ShotIdentity, Sourced, Stream,
    SyringeLoad, Technique,
};
use meso_limits::Judge;
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick, JournalIncarnation,
    LibraryVersion, Micrometres, Microseconds, Nanolitres, NeedleCount, OperatorId,
    PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter, ShotsPerMinute, Timestamp,
    Uncertainty,
};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use std::collections::BTreeMap;

const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;
const HOUR_NS: i64 = 3_600 * 1_000_000_000;
/// One past session in this many has a hard breach; a quarter should show a few, not many.
const SESSIONS_PER_HARD_BREACH: u64 = 60;
/// One past session in this many has a run of shots past a soft limit.
const SESSIONS_PER_SOFT_RUN: u64 = 9;
/// Volume of such a shot in nl: above the soft limit of the face protocols with its tolerance,
/// far below the hard one.
const SOFT_VOLUME_NL: u64 = 23_500;
/// Sessions of one working day, at most.
const SESSIONS_PER_DAY_MAX: u64 = 8;

/// A protocol as past sessions used it.
struct Habit {
    protocol: &'static str,
    zone: &'static str,
    technique: Technique,
    depth_um: u64,
    volume_nl: u64,
    interval_us: u64,
    shots: (u64, u64),
}

const HABITS: [Habit; 3] = [
    Habit {
        protocol: "mesolift-face",
        zone: "cheek",
        technique: Technique::Nappage,
        depth_um: 2_500,
        volume_nl: 18_000,
        interval_us: 160_000,
        shots: (60, 100),
    },
    Habit {
        protocol: "mesoglow-face",
        zone: "forehead",
        technique: Technique::Nappage,
        depth_um: 1_500,
        volume_nl: 12_000,
        interval_us: 180_000,
        shots: (60, 110),
    },
    Habit {
        protocol: "hair-scalp",
        zone: "scalp",
        technique: Technique::PointByPoint,
        depth_um: 2_500,
        volume_nl: 15_000,
        interval_us: 900_000,
        shots: (40, 70),
    },
];

/// Who and where the past took place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) clinic: ClinicId,
    pub(crate) driver: DriverId,
    pub(crate) guns: Vec<GunSerial>,
    pub(crate) library: LibraryVersion,
}

/// Makes up the past, one session after the other, oldest first.
pub(crate) struct History {
    place: Place,
    random: Pcg64,
    judge: Judge,
    incarnation: JournalIncarnation,
    chains: BTreeMap<Stream, (u64, Option<BlockHash>)>,
    counters: BTreeMap<GunSerial, u32>,
    starts: std::vec::IntoIter<Timestamp>,
}

impl History {
    /// Plans `days` days that end with the day before `now`.
    pub(crate) fn new(seed: u64, days: u16, now: Timestamp, place: Place, judge: Judge) -> History {
        let mut random = Pcg64::seed_from_u64(seed ^ 0x6869_7374_6f72_7900);
        let mut starts = Vec::new();
        let today = now.unix_ns() / DAY_NS;
        for day in (1..=i64::from(days)).rev() {
            let day = today - day;
            // 1970-01-01 was a Thursday: day 3 modulo 7 was the first Sunday.
            let sessions = match day.rem_euclid(7) {
                3 => 0,
                2 => below(&mut random, 3),
                _ => 3 + below(&mut random, SESSIONS_PER_DAY_MAX - 3),
            };
            for slot in 0..sessions {
                let hour = 8 * HOUR_NS + i64::try_from(slot).unwrap_or(0) * HOUR_NS;
                let minute = i64::try_from(below(&mut random, 30)).unwrap_or(0) * 60_000_000_000;
                starts.extend(Timestamp::from_unix_ns(day * DAY_NS + hour + minute));
            }
        }
        History {
            incarnation: JournalIncarnation(random.next_u64()),
            place,
            random,
            judge,
            chains: BTreeMap::new(),
            counters: BTreeMap::new(),
            starts: starts.into_iter(),
        }
    }

    /// How many sessions are still to come.
    pub(crate) fn remaining(&self) -> usize {
        self.starts.len()
    }

    fn below(&mut self, end: u64) -> u64 {
        below(&mut self.random, end)
    }

    fn id(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// `middle` give or take `percent`, likelier near the middle.
    fn scatter(&mut self, middle: u64, percent: u64) -> u64 {
        let reach = middle * percent / 100;
        let sum = self.below(reach + 1) + self.below(reach + 1);
        (middle + sum).saturating_sub(reach)
    }

    fn session(&mut self, start: Timestamp) -> anyhow::Result<Vec<RecordBlock>> {
        let habit = &HABITS[self.below(HABITS.len() as u64) as usize];
        let which = self.below(self.place.guns.len() as u64) as usize;
        let gun = self.place.guns[which].clone();
        let epoch = Epoch(self.incarnation.get() ^ which as u64);
        let session = SessionId::from_bytes(self.id());
        let segment = SegmentId::from_bytes(self.id());
        let opened = self.opened(session, start, habit)?;
        let begins = start.saturating_add_ns(90 * 1_000_000_000);
        let segment_opened = self.segment(session, segment, begins, &gun, habit)?;
        let shots = self.shots(habit, &gun, epoch, segment, begins)?;
        let last = shots.last().map_or(begins, |shot| shot.at);
        let counter = self.counters.get(&gun).copied().unwrap_or(0);
        let ended = SessionEvent::Ended(SessionEnded {
            session,
            at: last.saturating_add_ns(60 * 1_000_000_000),
            outcome: SessionOutcome::Completed,
            last_counters: vec![GunPosition {
                gun: gun.clone(),
                epoch,
                counter: ShotCounter(counter),
                is_away: false,
            }],
        });
        for event in [&opened, &segment_opened] {
            self.judge.session_event(event);
        }
        let mut blocks = vec![self.room_block(session, vec![opened, segment_opened])?];
        for part in shots.chunks(RecordBlock::RECORD_COUNT_MAX) {
            blocks.push(self.gun_block(session, &gun, epoch, part)?);
        }
        self.judge.session_event(&ended);
        blocks.push(self.room_block(session, vec![ended])?);
        Ok(blocks)
    }

    fn opened(
        &mut self,
        session: SessionId,
        at: Timestamp,
        habit: &Habit,
    ) -> anyhow::Result<SessionEvent> {
        let mut patient = [0; 32];
        self.random.fill_bytes(&mut patient);
        Ok(SessionEvent::Opened(SessionOpened {
            session,
            at,
            clinic: self.place.clinic.clone(),
            room: self.place.driver.clone(),
            time_zone: "UTC".to_owned(),
            utc_offset_s: 0,
            patient: PatientCommitment::from_bytes(patient),
            screening_digest: None,
            protocol: ProtocolId::parse(habit.protocol)?,
            library: self.place.library,
            operator: self.operator()?,
            checklist: Checklist {
                screening: CheckItem::Done(None),
                consent: CheckItem::Done(None),
                asepsis: CheckItem::Done(None),
                emergency_kit: CheckItem::Done(None),
            },
            demo: true,
        }))
    }

    fn operator(&mut self) -> anyhow::Result<OperatorId> {
        Ok(OperatorId::parse(&format!(
            "demo-operator-{}",
            1 + self.below(3)
        ))?)
    }

    fn segment(
        &mut self,
        session: SessionId,
        segment: SegmentId,
        at: Timestamp,
        gun: &GunSerial,
        habit: &Habit,
    ) -> anyhow::Result<SessionEvent> {
        let operator = self.operator()?;
        Ok(SessionEvent::SegmentOpened(SegmentOpened {
            segment,
            session,
            at,
            delivery: Delivery::Gun(gun.clone()),
            zone: habit.zone.to_owned(),
            technique: habit.technique,
            protocol: ProtocolId::parse(habit.protocol)?,
            library: self.place.library,
            course_phase: None,
            syringe: SyringeLoad {
                components: vec![Component {
                    name: "demo cocktail".to_owned(),
                    concentration: "as labelled".to_owned(),
                    lot: format!("DEMO-{}", 100 + self.below(20)),
                }],
                ready_made: true,
                prepared_by: operator.clone(),
                loaded: Nanolitres::new(5_000_000)?,
                dead_volume: Nanolitres::new(150_000)?,
            },
            needle: Needle {
                length: Micrometres::new(4_000)?,
                gauge: 30,
                count: 1,
                lot: format!("DEMO-N{}", 10 + self.below(5)),
            },
            operator,
            reason: String::new(),
        }))
    }

    fn shots(
        &mut self,
        habit: &Habit,
        gun: &GunSerial,
        epoch: Epoch,
        segment: SegmentId,
        begins: Timestamp,
    ) -> anyhow::Result<Vec<Shot>> {
        let count = habit.shots.0 + self.below(habit.shots.1 - habit.shots.0 + 1);
        let breach_at = (self.below(SESSIONS_PER_HARD_BREACH) == 0).then(|| self.below(count));
        let soft_from = (self.below(SESSIONS_PER_SOFT_RUN) == 0).then(|| self.below(count));
        let mut tick_us = 0;
        let mut shots = Vec::new();
        for index in 0..count {
            let counter = self.counters.entry(gun.clone()).or_insert(0);
            *counter += 1;
            let counter = ShotCounter(*counter);
            let interval_us = self.scatter(habit.interval_us, 15);
            tick_us += interval_us;
            let deep = if breach_at == Some(index) {
                10_400
            } else {
                self.scatter(habit.depth_um, 12)
            };
            let failed = self.below(120) == 0;
            let is_soft = soft_from.is_some_and(|from| (from..from + 5).contains(&index));
            let volume = match (failed, is_soft) {
                (true, _) => 0,
                (false, true) => SOFT_VOLUME_NL,
                (false, false) => self.scatter(habit.volume_nl, 8),
            };
            shots.push(Shot {
                identity: ShotIdentity {
                    gun: gun.clone(),
                    epoch,
                    counter,
                },
                at: begins.saturating_add_ns(i64::try_from(tick_us * 1_000)?),
                uncertainty: Uncertainty::Within(1_000_000),
                clock_segment: ClockSegment(0),
                gun_tick: GunTick::new(tick_us)?,
                needle_depth: Quantity {
                    set: Some(Micrometres::new(u32::try_from(habit.depth_um)?)?),
                    actual: Some(Sourced::sensed(Micrometres::new(u32::try_from(deep)?)?)),
                },
                volume: Quantity {
                    set: Some(Nanolitres::new(habit.volume_nl)?),
                    actual: Some(Sourced::sensed(Nanolitres::new(volume)?)),
                },
                interval: (index > 0)
                    .then(|| Microseconds::new(interval_us))
                    .transpose()?,
                frequency_set: ShotsPerMinute::new(u16::try_from(60_000_000 / habit.interval_us)?)
                    .ok(),
                needles_working: Some(Sourced::sensed(NeedleCount::new(1)?)),
                pressure: None,
                flags: if failed {
                    ShotFlags::FAILED_INJECTION
                } else {
                    ShotFlags::NONE
                },
                purpose: Purpose::Patient,
                purpose_decided_by: PurposeDecidedBy::Gun,
                segment: Some(segment),
                library: Some(self.place.library),
            });
        }
        Ok(shots)
    }

    fn room_block(
        &mut self,
        session: SessionId,
        events: Vec<SessionEvent>,
    ) -> anyhow::Result<RecordBlock> {
        let sealed_at = events
            .last()
            .map_or(Timestamp::UNIX_EPOCH, SessionEvent::at);
        let records = events.into_iter().map(Record::Session).collect();
        self.seal(Stream::Room, None, session, sealed_at, records, Vec::new())
    }

    fn gun_block(
        &mut self,
        session: SessionId,
        gun: &GunSerial,
        epoch: Epoch,
        shots: &[Shot],
    ) -> anyhow::Result<RecordBlock> {
        let sealed_at = shots.last().map_or(Timestamp::UNIX_EPOCH, |shot| shot.at);
        let judgements = shots
            .iter()
            .map(|shot| self.judge.judge(shot, Some(session)))
            .collect();
        let records = shots.iter().cloned().map(Record::Shot).collect();
        self.seal(
            Stream::Gun(gun.clone()),
            Some(epoch),
            session,
            sealed_at,
            records,
            judgements,
        )
    }

    fn seal(
        &mut self,
        stream: Stream,
        epoch: Option<Epoch>,
        session: SessionId,
        sealed_at: Timestamp,
        records: Vec<Record>,
        judgements: Vec<meso_domain::Judgement>,
    ) -> anyhow::Result<RecordBlock> {
        let (number, previous) = self.chains.get(&stream).copied().unwrap_or((0, None));
        let header = BlockHeader {
            clinic: self.place.clinic.clone(),
            place: BlockPlace {
                driver: self.place.driver.clone(),
                incarnation: self.incarnation,
                stream: stream.clone(),
                number: BlockNumber(number + 1),
            },
            previous,
            epoch,
            session: Some(session),
            record_count: 0,
            sealed_at,
            judgements_digest: [0; 32],
        };
        let block = RecordBlock::seal(header, records, judgements)?;
        self.chains.insert(stream, (number + 1, Some(block.hash())));
        Ok(block)
    }
}

impl Iterator for History {
    type Item = anyhow::Result<Vec<RecordBlock>>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.starts.next()?;
        Some(self.session(start))
    }
}

fn below(random: &mut Pcg64, end: u64) -> u64 {
    random.next_u64() % end.max(1)
}
