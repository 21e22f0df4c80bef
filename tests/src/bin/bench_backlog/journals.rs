//! Journals of drivers that have been without a broker for a while.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use meso_domain::{
    CheckItem, Checklist, Component, Delivery, GunPosition, Needle, Quantity, Record, RecordBlock,
    SegmentOpened, SessionEnded, SessionEvent, SessionOpened, SessionOutcome, Shot, Sourced,
    Stream, SyringeLoad, Technique,
};
use meso_journal::{Batch, Identity, Journal, JournalError, NewRecord, OpenedJournal};
use meso_limits::Judge;
use meso_testkit::samples::bare_shot;
use meso_tests::sandbox::{CLINIC, PROTOCOL, Release};
use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, GunTick, JournalIncarnation, Micrometres, Microseconds,
    Nanolitres, NeedleCount, OperatorId, PatientCommitment, ProtocolId, SegmentId, SessionId,
    ShotCounter, ShotsPerMinute, Timestamp, Uncertainty,
};

/// Time between two shots, in µs.
const INTERVAL_US: u64 = 160_000;

/// From the end of one session to the first shot of the next, in s.
const PAUSE_S: u64 = 60;

/// How long ago the last session ended, in s: nothing of a backlog is live.
const ENDED_AGO_S: u64 = 3_600;

const SECOND_NS: i64 = 1_000_000_000;

/// What journals hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    /// Guns of each driver.
    pub(crate) guns: u32,
    /// Shots of each session but the last.
    pub(crate) shots_per_session: u32,
}

/// Fills the journal of driver number `number` in `folder` with so many shots of its guns, session
/// after session, each sealed as the daemon seals it.
pub(crate) fn fill(
    folder: &Path,
    number: u32,
    shots: u32,
    past: Past,
    release: &Release,
) -> anyhow::Result<()> {
    let driver = DriverId::parse(&name(number))?;
    let identity = Identity {
        clinic: ClinicId::parse(CLINIC)?,
        driver: driver.clone(),
    };
    let incarnation = JournalIncarnation(0xb0_0000 + u64::from(number));
    let opened = OpenedJournal::open(folder, identity, incarnation)?;
    let (answers, answered) = channel();
    let session_count = shots.div_ceil(past.shots_per_session);
    let gun = |n| GunSerial::parse(&format!("PAST-{number:02}-{n:02}"));
    let mut room = Room {
        journal: opened.start()?,
        answers,
        asked: 0,
        judge: Judge::new(Some(Arc::clone(&release.library))),
        driver,
        guns: (1..=past.guns).map(gun).collect::<Result<_, _>>()?,
        sequences: vec![0; past.guns as usize + 1],
        at: begin(session_count, past.shots_per_session)?,
    };
    let mut left = shots;
    for session in 0..session_count {
        let count = left.min(past.shots_per_session);
        room.session(number, session, count, release)?;
        left -= count;
        while room.asked > 0 {
            answered.recv()??;
            room.asked -= 1;
        }
    }
    room.journal.close();
    Ok(())
}

/// The name of a driver.
pub(crate) fn name(number: u32) -> String {
    format!("room-{number}")
}

/// So long ago that every session is over.
fn begin(sessions: u32, shots_per_session: u32) -> anyhow::Result<Timestamp> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let session_s = u64::from(shots_per_session) * INTERVAL_US / 1_000_000 + 2 * PAUSE_S;
    let begin_s = now_s - u64::from(sessions) * session_s - ENDED_AGO_S;
    Ok(Timestamp::from_unix_ns(
        i64::try_from(begin_s)? * SECOND_NS,
    )?)
}

/// A room while its journal is written.
struct Room {
    journal: Journal,
    answers: Sender<Result<(), JournalError>>,
    /// Answers that have yet to come.
    asked: usize,
    judge: Judge,
    driver: DriverId,
    guns: Vec<GunSerial>,
    /// Records of each gun so far, and of the room at the end.
    sequences: Vec<u64>,
    at: Timestamp,
}

impl Room {
    fn session(
        &mut self,
        number: u32,
        index: u32,
        count: u32,
        release: &Release,
    ) -> anyhow::Result<()> {
        let gun = index as usize % self.guns.len();
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        id[4..8].copy_from_slice(&index.to_le_bytes());
        id[15] = 1;
        let (session, segment) = (SessionId::from_bytes(id), SegmentId::from_bytes(id));
        let opened = self.opened(session, id, release)?;
        let segment_opened = self.segment_opened(session, segment, gun, release)?;
        self.events(session, vec![opened, segment_opened]);
        self.pass(PAUSE_S);
        let before = self.sequences[gun];
        let shots = (0..count).map(|_| self.shot(gun, segment, release));
        let shots = shots.collect::<anyhow::Result<Vec<Shot>>>()?;
        let counter = ShotCounter(u32::try_from(self.sequences[gun])?);
        let stream = Stream::Gun(self.guns[gun].clone());
        self.shots(session, &stream, shots);
        let mut sealed = before;
        while sealed < self.sequences[gun] {
            sealed += RecordBlock::RECORD_COUNT_MAX as u64;
            sealed = sealed.min(self.sequences[gun]);
            self.seal(stream.clone(), sealed);
        }
        self.pass(PAUSE_S);
        let ended = SessionEvent::Ended(SessionEnded {
            session,
            at: self.at,
            outcome: SessionOutcome::Completed,
            last_counters: vec![GunPosition {
                gun: self.guns[gun].clone(),
                epoch: EPOCH,
                counter,
                is_away: false,
            }],
        });
        self.events(session, vec![ended]);
        Ok(())
    }

    fn pass(&mut self, seconds: u64) {
        let ns = SECOND_NS * i64::try_from(seconds).unwrap_or(0);
        self.at = self.at.saturating_add_ns(ns);
    }

    fn opened(
        &self,
        session: SessionId,
        id: [u8; 16],
        release: &Release,
    ) -> anyhow::Result<SessionEvent> {
        let mut patient = [7; 32];
        patient[..16].copy_from_slice(&id);
        Ok(SessionEvent::Opened(SessionOpened {
            session,
            at: self.at,
            clinic: ClinicId::parse(CLINIC)?,
            room: self.driver.clone(),
            time_zone: "UTC".to_owned(),
            utc_offset_s: 0,
            patient: PatientCommitment::from_bytes(patient),
            screening_digest: None,
            protocol: ProtocolId::parse(PROTOCOL)?,
            library: release.library.version(),
            operator: OperatorId::parse("op-1")?,
            checklist: Checklist {
                screening: CheckItem::Done(None),
                consent: CheckItem::Done(None),
                asepsis: CheckItem::Done(None),
                emergency_kit: CheckItem::Done(None),
            },
            demo: false,
        }))
    }

    fn segment_opened(
        &self,
        session: SessionId,
        segment: SegmentId,
        gun: usize,
        release: &Release,
    ) -> anyhow::Result<SessionEvent> {
        let operator = OperatorId::parse("op-1")?;
        Ok(SessionEvent::SegmentOpened(SegmentOpened {
            segment,
            session,
            at: self.at,
            delivery: Delivery::Gun(self.guns[gun].clone()),
            zone: "cheek".to_owned(),
            technique: Technique::Nappage,
            protocol: ProtocolId::parse(PROTOCOL)?,
            library: release.library.version(),
            course_phase: None,
            syringe: SyringeLoad {
                components: vec![Component {
                    name: "example cocktail".to_owned(),
                    concentration: "as labelled".to_owned(),
                    lot: "EXAMPLE-1".to_owned(),
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
                lot: "EXAMPLE-N1".to_owned(),
            },
            operator,
            reason: String::new(),
        }))
    }

    fn shot(&mut self, gun: usize, segment: SegmentId, release: &Release) -> anyhow::Result<Shot> {
        self.sequences[gun] += 1;
        let counter = u32::try_from(self.sequences[gun])?;
        self.at = self
            .at
            .saturating_add_ns(i64::try_from(INTERVAL_US * 1_000)?);
        let tick = GunTick::new(u64::from(counter) * INTERVAL_US)?;
        let depth = Micrometres::new(2_400 + counter % 200)?;
        // So little that a session of this length stays within its volume.
        let volume = Nanolitres::new(2_900 + u64::from(counter % 200))?;
        Ok(Shot {
            at: self.at,
            uncertainty: Uncertainty::Within(1_000_000),
            needle_depth: Quantity {
                set: Micrometres::new(2_500).ok(),
                actual: Some(Sourced::sensed(depth)),
            },
            volume: Quantity {
                set: Nanolitres::new(3_000).ok(),
                actual: Some(Sourced::sensed(volume)),
            },
            interval: Microseconds::new(INTERVAL_US).ok(),
            frequency_set: ShotsPerMinute::new(375).ok(),
            needles_working: Some(Sourced::sensed(NeedleCount::new(1)?)),
            segment: Some(segment),
            library: Some(release.library.version()),
            ..bare_shot(self.guns[gun].clone(), EPOCH, counter, tick)
        })
    }

    fn events(&mut self, session: SessionId, events: Vec<SessionEvent>) {
        let room = self.sequences.len() - 1;
        self.sequences[room] += events.len() as u64;
        for event in &events {
            self.judge.session_event(event);
        }
        let records = events.into_iter().map(|event| NewRecord {
            stream: Stream::Room,
            record: Record::Session(event),
            judgement: None,
            session: Some(session),
        });
        self.append(records.collect());
        self.seal(Stream::Room, self.sequences[room]);
    }

    fn shots(&mut self, session: SessionId, stream: &Stream, shots: Vec<Shot>) {
        let judge = &mut self.judge;
        let records = shots.into_iter().map(|shot| NewRecord {
            stream: stream.clone(),
            judgement: Some(judge.judge(&shot, Some(session))),
            record: Record::Shot(shot),
            session: Some(session),
        });
        let records = records.collect();
        self.append(records);
    }

    fn append(&mut self, records: Vec<NewRecord>) {
        self.asked += 1;
        let answers = self.answers.clone();
        let batch = Batch {
            records,
            ..Batch::default()
        };
        self.journal.append(batch, move |done| {
            let _ = answers.send(done.map(drop));
        });
    }

    fn seal(&mut self, stream: Stream, last_sequence: u64) {
        self.asked += 1;
        let answers = self.answers.clone();
        self.journal
            .seal(stream, last_sequence, self.at, move |done| {
                let _ = answers.send(done.map(drop));
            });
    }
}

/// The epoch of every gun of a backlog.
const EPOCH: Epoch = Epoch(7);

/// Copies a filled journal to where a driver expects its own.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))
            .with_context(|| format!("cannot copy {}", entry.path().display()))?;
    }
    Ok(())
}
