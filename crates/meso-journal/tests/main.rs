//! The journal through its public interface, closed and opened again.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::path::Path;
use std::sync::mpsc;

use meso_delivery::{Range, Watermark};
use meso_domain::{
    Gap, GapReason, GapState, Judgement, Quantity, Record, RecordBlock, SessionEvent, Shot,
    Sourced, Stream,
};
use meso_journal::{
    Batch, Committed, Identity, Journal, JournalError, JournalView, NewRecord, OpenedJournal,
    Outcome, QuarantinedFrame, SealedBlock,
};
use meso_testkit::samples::bare_shot;
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick, JournalIncarnation,
    Micrometres, SessionId, ShotCounter, Timestamp, Uncertainty,
};

const EPOCH: Epoch = Epoch(u64::MAX - 3);

fn gun() -> GunSerial {
    GunSerial::parse("GUN-1").unwrap()
}

fn stream() -> Stream {
    Stream::Gun(gun())
}

fn identity() -> Identity {
    Identity {
        clinic: ClinicId::parse("riverside").unwrap(),
        driver: DriverId::parse("room-1").unwrap(),
    }
}

fn at(ns: i64) -> Timestamp {
    Timestamp::from_unix_ns(ns).unwrap()
}

fn open(folder: &Path) -> OpenedJournal {
    OpenedJournal::open(
        folder,
        identity(),
        JournalIncarnation(0xFFFF_0000_0000_0001),
    )
    .unwrap()
}

fn sample_shot(counter: u32) -> Shot {
    Shot {
        at: at(i64::from(counter) * 1_000),
        uncertainty: Uncertainty::Within(500),
        clock_segment: ClockSegment(1),
        needle_depth: Quantity {
            set: None,
            actual: Some(Sourced::sensed(Micrometres::new(2_000).unwrap())),
        },
        volume: Quantity::UNKNOWN,
        ..bare_shot(
            gun(),
            EPOCH,
            counter,
            GunTick::new(u64::from(counter) * 100).unwrap(),
        )
    }
}

fn shot_record(shot: Shot) -> NewRecord {
    NewRecord {
        stream: Stream::Gun(shot.identity.gun.clone()),
        record: Record::Shot(shot),
        judgement: Some(Judgement {
            library: None,
            engine: 1,
            facts_digest: [3; 32],
            findings: Vec::new(),
        }),
        session: None,
    }
}

fn gap_record(first: u32, last: u32) -> NewRecord {
    NewRecord {
        stream: stream(),
        record: Record::Gap(Gap {
            gun: gun(),
            epoch: EPOCH,
            first: ShotCounter(first),
            last: Some(ShotCounter(last)),
            state: GapState::Declared,
            reason: GapReason::RingOverflow,
            at: at(5),
        }),
        judgement: None,
        session: None,
    }
}

fn shots(counters: std::ops::RangeInclusive<u32>) -> Vec<NewRecord> {
    counters.map(|c| shot_record(sample_shot(c))).collect()
}

/// Waits for the answer of one request.
fn answer<T: Send + 'static>(
    ask: impl FnOnce(Box<dyn FnOnce(Result<T, JournalError>) + Send>),
) -> Result<T, JournalError> {
    let (sender, receiver) = mpsc::channel();
    ask(Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap()
}

fn append(journal: &Journal, records: Vec<NewRecord>) -> Committed {
    let batch = Batch {
        records,
        ..Batch::default()
    };
    answer(|done| journal.append(batch, done)).unwrap()
}

fn seal(journal: &Journal, last_sequence: u64) -> Option<SealedBlock> {
    answer(|done| journal.seal(stream(), last_sequence, at(77), done)).unwrap()
}

fn load(journal: &Journal, number: u64) -> Option<RecordBlock> {
    answer(|done| journal.load(stream(), BlockNumber(number), done)).unwrap()
}

fn contiguous(committed: &Committed) -> u32 {
    committed.positions[0].contiguous.get()
}

#[test]
fn a_shot_read_twice_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    let first = append(&journal, shots(1..=2));
    assert_eq!(first.outcomes[1], Outcome::Recorded { sequence: 2 });
    // Read again after a restart it has another time and another segment of the clock.
    let mut again = sample_shot(2);
    again.at = at(999_999);
    again.clock_segment = ClockSegment(2);
    let again = append(&journal, vec![shot_record(again)]);
    assert_eq!(again.outcomes, vec![Outcome::Known]);
    assert_eq!(contiguous(&again), 2);
}

#[test]
fn a_shot_with_other_measured_fields_goes_into_quarantine_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    append(&journal, shots(1..=1));
    let mut other = sample_shot(1);
    other.needle_depth.actual = Some(Sourced::sensed(Micrometres::new(9_000).unwrap()));
    let committed = append(
        &journal,
        vec![shot_record(other), shot_record(sample_shot(2))],
    );
    let recorded = Outcome::Recorded { sequence: 2 };
    assert_eq!(committed.outcomes, vec![Outcome::Conflict, recorded]);
    assert_eq!(contiguous(&committed), 2);
    journal.close();
    let count: i64 = rusqlite::Connection::open(folder.path().join("journal.sqlite"))
        .unwrap()
        .query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
}

#[test]
fn a_gap_accounts_for_its_counters_and_a_late_shot_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    append(&journal, shots(1..=2));
    assert_eq!(contiguous(&append(&journal, shots(6..=6))), 2);
    assert_eq!(contiguous(&append(&journal, vec![gap_record(3, 5)])), 6);
    let again = append(&journal, vec![gap_record(3, 5)]);
    assert_eq!(again.outcomes, vec![Outcome::Known]);
    let late = append(&journal, shots(4..=4));
    assert!(matches!(late.outcomes[0], Outcome::Recorded { .. }));
}

#[test]
fn blocks_follow_each_other_and_survive_a_restart_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    append(&journal, shots(1..=5));
    let first = seal(&journal, 3).unwrap();
    assert_eq!(first.number, BlockNumber(1));
    assert_eq!(seal(&journal, 3), None, "there is nothing left to seal");
    let block = load(&journal, 1).unwrap();
    assert_eq!(block.hash(), first.hash);
    assert_eq!(block.records().len(), 3);
    journal.close();

    let opened = open(folder.path());
    let recovery = opened.recovery().clone();
    assert_eq!(recovery.positions[0].newest, 1);
    let extent = &recovery.extents[0];
    assert_eq!((extent.newest_sequence, extent.settled_sequence), (5, 0));
    let unsealed: Vec<u64> = recovery.unsealed.iter().map(|u| u.sequence).collect();
    assert_eq!(unsealed, vec![4, 5]);
    assert_eq!(recovery.guns[0].position.contiguous, ShotCounter(5));
    assert_eq!(recovery.guns[0].newest_at, Some(at(5_000)));
    let journal = opened.start().unwrap();
    assert_eq!(load(&journal, 1).unwrap(), block);
    let second = seal(&journal, 5).unwrap();
    let second = (second, load(&journal, 2).unwrap());
    assert_eq!(second.0.number, BlockNumber(2));
    assert_eq!(second.1.header().previous, Some(first.hash));
    assert_eq!(load(&journal, 3), None);
}

#[test]
fn records_of_two_sessions_are_not_sealed_together_and_nothing_is_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    let mut records = shots(1..=2);
    records[1].session = Some(SessionId::from_bytes([1; 16]));
    append(&journal, records);
    let refused = answer(|done| journal.seal(stream(), 2, at(1), done));
    assert!(matches!(refused, Err(JournalError::Sessions { .. })));
    assert_eq!(seal(&journal, 1).unwrap().number, BlockNumber(1));
    assert_eq!(seal(&journal, 2).unwrap().number, BlockNumber(2));
}

#[test]
fn the_watermark_and_named_values_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    let batch = Batch {
        records: shots(1..=1),
        values: vec![("library".to_owned(), b"text".to_vec())],
        quarantined: vec![QuarantinedFrame {
            at: at(1),
            gun: Some(gun()),
            shot: Some((EPOCH, ShotCounter(9))),
            reason: "needle depth".to_owned(),
            bytes: vec![0; 10_000],
        }],
    };
    answer(|done| journal.append(batch, done)).unwrap();
    seal(&journal, 1);
    let watermark = Watermark {
        to: 1,
        ranges: vec![Range { first: 3, last: 4 }],
        blocks: Vec::new(),
        store: u64::MAX,
        ingest: 2,
    };
    let kept = watermark.clone();
    answer(|done| journal.settle(stream(), kept, done)).unwrap();
    journal.close();
    let opened = open(folder.path());
    assert_eq!(opened.recovery().positions[0].watermark, Some(watermark));
    assert_eq!(opened.recovery().extents[0].settled_sequence, 1);
    assert_eq!(opened.value("library").unwrap(), Some(b"text".to_vec()));
    assert_eq!(opened.value("nothing").unwrap(), None);
    // Another random number at the second opening changes nothing.
    let incarnation = opened.recovery().incarnation;
    assert_eq!(incarnation, JournalIncarnation(0xFFFF_0000_0000_0001));
}

#[test]
fn a_new_life_seals_everything_anew_and_takes_nothing_for_settled() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    append(&journal, shots(1..=3));
    seal(&journal, 2);
    let settled = Watermark {
        to: 1,
        ranges: Vec::new(),
        blocks: Vec::new(),
        store: 1,
        ingest: 2,
    };
    answer(|done| journal.settle(stream(), settled, done)).unwrap();
    let before = load(&journal, 1).unwrap();
    journal.close();

    let life = JournalIncarnation(8);
    let mut opened = open(folder.path());
    opened.begin_anew(life, at(99)).unwrap();
    let recovery = opened.recovery();
    assert_eq!((recovery.incarnation, &recovery.unsealed), (life, &vec![]));
    assert_eq!(recovery.positions[0].watermark, None);
    let unsettled: Vec<u64> = recovery.positions[0]
        .unsettled
        .iter()
        .map(|it| it.number)
        .collect();
    assert_eq!(unsettled, [1], "three shots in one block");
    let journal = opened.start().unwrap();
    let anew = load(&journal, 1).unwrap();
    assert_eq!(anew.header().place.incarnation, life);
    assert_eq!(anew.header().previous, None);
    assert_eq!(anew.records()[..2], before.records()[..]);
    assert_ne!(anew.hash(), before.hash());
    let again = append(&journal, shots(3..=4));
    assert_eq!(again.outcomes[0], Outcome::Known, "it is not read twice");
    assert_eq!(seal(&journal, 4).unwrap().number, BlockNumber(2));
    journal.close();
    assert_eq!(open(folder.path()).recovery().incarnation, life);
}

#[test]
fn session_events_and_shots_of_a_session_are_read_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let session = SessionId::from_bytes([7; 16]);
    let journal = open(folder.path()).start().unwrap();
    let events = [1, 2].map(|ns| SessionEvent::Paused {
        session,
        at: at(ns),
    });
    let mut records: Vec<NewRecord> = events
        .iter()
        .map(|event| NewRecord {
            stream: Stream::Room,
            record: Record::Session(event.clone()),
            judgement: None,
            session: Some(session),
        })
        .collect();
    let mut shot = shot_record(sample_shot(1));
    shot.session = Some(session);
    records.push(shot);
    records.extend(shots(2..=2));
    append(&journal, records);
    journal.close();
    let opened = open(folder.path());
    let mut read = Vec::new();
    opened
        .for_each_session_event(|event| read.push(event))
        .unwrap();
    assert_eq!(read, events);
    let mut counters = Vec::new();
    opened
        .for_each_shot_of(session, |shot| counters.push(shot.identity.counter.get()))
        .unwrap();
    assert_eq!(counters, vec![1]);
}

#[test]
fn a_journal_of_another_driver_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let other = Identity {
        driver: DriverId::parse("room-2").unwrap(),
        ..identity()
    };
    let error = OpenedJournal::open(folder.path(), other, JournalIncarnation(1)).unwrap_err();
    assert!(error.to_string().contains("riverside/room-1"), "{error}");
}

#[test]
fn a_second_driver_is_refused_until_the_first_has_closed_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    let second = OpenedJournal::open(folder.path(), identity(), JournalIncarnation(1));
    assert!(matches!(second, Err(JournalError::InUse { .. })));
    journal.close();
    drop(open(folder.path()));
}

#[cfg(unix)]
#[test]
fn nobody_but_the_owner_can_read_the_journal_even_where_an_older_one_was_open_to_all() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(open(&folder));
    let file = folder.join("journal.sqlite");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let journal = open(&folder).start().unwrap();
    assert_eq!(mode(&folder), 0o700);
    let modes: Vec<(String, u32)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                mode(&entry.path()),
            )
        })
        .collect();
    assert!(modes.len() >= 3, "journal, its log and the lock: {modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    journal.close();
}

/// Five shots, a hole, a gap, one frame in quarantine; two blocks, of which one is settled.
fn sample_journal(folder: &Path) -> Journal {
    let journal = open(folder).start().unwrap();
    append(&journal, shots(1..=5));
    seal(&journal, 3).unwrap();
    seal(&journal, 5).unwrap();
    append(&journal, vec![gap_record(6, 7)]);
    append(&journal, shots(9..=9));
    let frame = QuarantinedFrame {
        at: at(3),
        gun: Some(gun()),
        shot: Some((EPOCH, ShotCounter(8))),
        reason: "needle depth is impossible".to_owned(),
        bytes: vec![0xAB, 0x00],
    };
    let batch = Batch {
        quarantined: vec![frame],
        ..Batch::default()
    };
    answer(|done| journal.append(batch, done)).unwrap();
    let mark = Watermark {
        to: 1,
        ranges: Vec::new(),
        blocks: Vec::new(),
        store: 1,
        ingest: 2,
    };
    answer(|done| journal.settle(stream(), mark, done)).unwrap();
    journal
}

#[test]
fn a_look_beside_a_running_writer_tells_everything_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = sample_journal(folder.path());
    let view = JournalView::open(folder.path()).unwrap();
    append(&journal, shots(10..=20));
    assert_eq!(view.owner(), "riverside/room-1");
    assert_eq!(view.incarnation().get(), 0xFFFF_0000_0000_0001);
    let range = |first, last| Range { first, last };
    let streams = view.streams().unwrap();
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0].position.newest, 2);
    assert_eq!(streams[0].oldest_block, Some(BlockNumber(1)));
    assert_eq!((streams[0].record_count, streams[0].unsealed_count), (7, 2));
    assert_eq!(streams[0].unsettled_blocks, [range(2, 2)]);
    let epochs = view.epochs().unwrap();
    assert_eq!(epochs[0].epoch, EPOCH);
    assert_eq!(epochs[0].contiguous.get(), 7);
    assert_eq!(epochs[0].shots, [range(1, 5), range(9, 9)]);
    assert_eq!(epochs[0].gaps, [range(6, 7)]);
    assert_eq!(epochs[0].missing, [range(8, 8)]);
    assert_eq!(view.gaps(10).unwrap()[0].reason, GapReason::RingOverflow);
    assert_eq!(view.quarantine_count().unwrap(), 1);
    let frame = &view.quarantine(10).unwrap()[0];
    assert_eq!(frame.shot, Some((EPOCH, ShotCounter(8))));
    assert_eq!(frame.bytes, [0xAB, 0x00]);
    assert!(view.size().unwrap().used_bytes > 0);
    assert_eq!(
        view.block(&stream(), BlockNumber(2)).unwrap(),
        load(&journal, 2)
    );
}

#[test]
fn a_look_works_after_the_writer_has_left_and_where_there_is_no_journal_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let absent = JournalView::open(folder.path()).unwrap_err();
    assert!(matches!(absent, JournalError::Absent { .. }), "{absent}");
    sample_journal(folder.path()).close();
    let view = JournalView::open(folder.path()).unwrap();
    assert_eq!(view.streams().unwrap()[0].position.newest, 2);
}

#[test]
fn unsettled_blocks_leave_out_the_ranges_beyond_the_watermark() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).start().unwrap();
    append(&journal, shots(1..=8));
    (1..=8).for_each(|last| assert!(seal(&journal, last).is_some()));
    let range = |first, last| Range { first, last };
    let mark = Watermark {
        to: 2,
        ranges: vec![range(4, 5), range(7, 7)],
        blocks: Vec::new(),
        store: 1,
        ingest: 2,
    };
    answer(|done| journal.settle(stream(), mark, done)).unwrap();
    let view = JournalView::open(folder.path()).unwrap();
    assert_eq!(
        view.streams().unwrap()[0].unsettled_blocks,
        [range(3, 3), range(6, 6), range(8, 8)]
    );
}
