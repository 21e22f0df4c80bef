//! Disks that are full, that take nothing, and that were torn off in the middle of a write.

use std::path::Path;
use std::sync::mpsc;

use meso_domain::{Judgement, Record, Shot};
use meso_testkit::samples::bare_shot;
use meso_units::{ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick};

use super::*;
use crate::{NewRecord, OpenedJournal, Outcome, guard, schema};

const LIFE: JournalIncarnation = JournalIncarnation(1);

fn gun() -> GunSerial {
    GunSerial::parse("GUN-1").unwrap()
}

fn identity() -> Identity {
    Identity {
        clinic: ClinicId::parse("riverside").unwrap(),
        driver: DriverId::parse("room-1").unwrap(),
    }
}

fn shots(counters: std::ops::RangeInclusive<u32>) -> Batch {
    let shot = |counter: u32| {
        let tick = GunTick::new(counter.into()).unwrap();
        NewRecord {
            stream: Stream::Gun(gun()),
            record: Record::Shot(Shot {
                clock_segment: ClockSegment(1),
                ..bare_shot(gun(), Epoch(9), counter, tick)
            }),
            judgement: Some(Judgement {
                library: None,
                engine: 1,
                facts_digest: [3; 32],
                findings: Vec::new(),
            }),
            session: None,
        }
    };
    Batch {
        records: counters.map(shot).collect(),
        ..Batch::default()
    }
}

fn append(journal: &Journal, batch: Batch) -> Result<Committed, JournalError> {
    let (sender, answer) = mpsc::channel();
    journal.append(batch, move |done| sender.send(done).unwrap());
    answer.recv().unwrap()
}

/// A journal whose connection was told something before.
fn start(folder: &Path, pragma: &str) -> Journal {
    let lock = guard::lock(folder).unwrap();
    let path = folder.join("journal.sqlite");
    let (connection, life) = schema::open(&path, &identity(), LIFE).unwrap();
    connection.execute_batch(pragma).unwrap();
    let owner = Owner {
        identity: identity(),
        incarnation: life,
        folder: folder.to_owned(),
        retention: Retention::of_age(Duration::ZERO),
    };
    Journal::start(connection, lock, owner).unwrap()
}

fn contiguous(opened: &OpenedJournal) -> u32 {
    let guns = &opened.recovery().guns;
    guns.first().map_or(0, |gun| gun.position.contiguous.get())
}

fn reopen(folder: &Path) -> OpenedJournal {
    OpenedJournal::open(folder, identity(), LIFE).unwrap()
}

#[test]
fn a_full_disk_refuses_what_is_new_and_keeps_everything_that_it_has_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(folder.path(), "PRAGMA max_page_count = 60;");
    let mut acknowledged = 0;
    let refused = loop {
        match append(&journal, shots(acknowledged + 1..=acknowledged + 50)) {
            Ok(_) => acknowledged += 50,
            Err(error) => break error,
        }
    };
    assert_eq!(
        refused.unwritable(),
        Some(Unwritable::DiskFull),
        "{refused:?}"
    );
    assert!(acknowledged > 0);
    let again = append(&journal, shots(acknowledged + 1..=acknowledged + 50));
    assert_eq!(again.unwrap_err().unwritable(), Some(Unwritable::DiskFull));
    let known = append(&journal, shots(1..=1)).unwrap();
    assert_eq!(known.outcomes, [Outcome::Known], "it can still be read");
    journal.close();
    let opened = reopen(folder.path());
    assert_eq!(contiguous(&opened), acknowledged, "nothing of the refused");
    let journal = opened.start().unwrap();
    let batch = shots(acknowledged + 1..=acknowledged + 50);
    let committed = append(&journal, batch).unwrap();
    let position = committed.positions[0].contiguous.get();
    assert_eq!(position, acknowledged + 50, "there is room again");
}

#[test]
fn a_read_only_disk_acknowledges_nothing_and_is_let_go_until_the_journal_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(folder.path(), "");
    append(&journal, shots(1..=3)).unwrap();
    journal.close();
    let journal = start(folder.path(), "PRAGMA query_only = ON;");
    let refused = append(&journal, shots(4..=5)).unwrap_err();
    assert_eq!(refused.unwritable(), Some(Unwritable::ReadOnly));
    let text = refused.to_string();
    for part in [
        &*folder.path().display().to_string(),
        "the disk is read-only",
        "mount it for writing",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let again = append(&journal, shots(4..=5)).unwrap_err();
    assert_eq!(again.to_string(), text, "it says so to whoever asks later");
    assert_eq!(journal.why_closed().to_string(), text);
    // The handle is still there, and the folder is free: the thread may need a moment to leave.
    let until = Instant::now() + Duration::from_secs(10);
    while let Err(error) = guard::lock(folder.path()) {
        assert!(Instant::now() < until, "{error}");
        std::thread::yield_now();
    }
    let opened = reopen(folder.path());
    assert_eq!(contiguous(&opened), 3, "nothing of the refused");
    let committed = append(&opened.start().unwrap(), shots(4..=5)).unwrap();
    assert_eq!(committed.positions[0].contiguous.get(), 5);
}

#[test]
fn a_trial_of_the_disk_leaves_nothing_behind_and_takes_no_bare_mount_point_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let names = || {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let bare = guard::try_disk(folder.path()).unwrap_err();
    assert_eq!(bare.unwritable(), Some(Unwritable::DiskGone));
    assert!(names().is_empty());
    start(folder.path(), "").close();
    let before = names();
    guard::try_disk(folder.path()).unwrap();
    assert_eq!(names(), before);
}

/// Copies what the disk holds while the journal is open, as a power cut leaves it.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // The lock dies with its process, and the index beside the log is made anew.
        let name = entry.file_name().into_string().unwrap();
        if !name.ends_with(".lock") && !name.ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

#[test]
fn a_torn_tail_costs_the_write_that_was_torn_and_nothing_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(folder.path(), "");
    // The log is empty, so that its growth can be told by commits.
    let log_length = || {
        let log = folder.path().join("journal.sqlite-wal");
        std::fs::metadata(log).unwrap().len()
    };
    let mut lengths = vec![log_length()];
    for n in 0..6 {
        append(&journal, shots(10 * n + 1..=10 * n + 10)).unwrap();
        lengths.push(log_length());
    }
    for commits in 0..6_usize {
        let (before, whole) = (lengths[commits], lengths[commits + 1]);
        for length in [before, before + 1, (before + whole) / 2, whole - 1] {
            let torn = tempfile::tempdir().unwrap();
            copy(folder.path(), torn.path());
            let log = torn.path().join("journal.sqlite-wal");
            let file = std::fs::OpenOptions::new().write(true).open(log).unwrap();
            file.set_len(length).unwrap();
            let opened = reopen(torn.path());
            let held = u32::try_from(10 * commits).unwrap();
            assert_eq!(contiguous(&opened), held, "{length} bytes are left");
            let journal = opened.start().unwrap();
            let committed = append(&journal, shots(1..=60)).unwrap();
            assert_eq!(committed.positions[0].contiguous.get(), 60);
        }
    }
}
