//! What the store promises, through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may panic"
)]

mod contract;
mod samples;

use contract::{Bench, promises};
use meso_domain::Severity;
use meso_store::{
    AlertRow, AlertSelection, Commit, OutboxRow, Quarantined, Store, StoreError, StorePlace,
    copy_store, inspect,
};
use meso_units::Timestamp;
use samples::*;

/// A store in one file.
struct InFile(tempfile::TempDir);

impl InFile {
    fn new() -> InFile {
        InFile(tempfile::tempdir().unwrap())
    }
}

impl Bench for InFile {
    fn open(&self) -> Store {
        Store::open(&self.0.path().join("fleet.sqlite"), 42).unwrap()
    }

    fn case_count(&self) -> usize {
        256
    }
}

promises!(InFile::new());

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("fleet.sqlite"), 42).unwrap();
    (folder, store)
}

#[test]
fn the_same_bytes_in_quarantine_are_counted_and_kept_once() {
    let (_folder, mut store) = open();
    let quarantined = Quarantined {
        digest: [9; 32],
        source: "mesofleet/v1/x".to_owned(),
        reason: "not JSON".to_owned(),
        bytes: b"garbage".to_vec(),
        at: Timestamp::UNIX_EPOCH,
    };
    let commit = Commit {
        quarantined: vec![quarantined.clone(), quarantined.clone()],
        ..Commit::default()
    };
    store.writer.store(&commit).unwrap();
    let kept = store.writer.read().quarantined(10).unwrap();
    assert_eq!(kept, [(quarantined, 2)]);
}

#[test]
fn alerts_are_replaced_by_id_and_listed_newest_first() {
    let (_folder, mut store) = open();
    let alert = |id: &str, at: i64, state: &str| AlertRow {
        id: id.to_owned(),
        state: state.to_owned(),
        severity: Severity::Hard,
        gun: Some(sample_gun()),
        session: None,
        opened_at: Timestamp::from_unix_ns(at).unwrap(),
        body: Vec::new(),
    };
    let alerts = vec![
        alert("a", 1, "open"),
        alert("b", 2, "open"),
        alert("a", 1, "resolved"),
    ];
    store
        .writer
        .store(&Commit {
            alerts,
            ..Commit::default()
        })
        .unwrap();
    let reader = store.writer.read();
    let ids = |selection: &AlertSelection| -> Vec<String> {
        reader
            .alerts(selection, 9)
            .unwrap()
            .into_iter()
            .map(|a| a.id)
            .collect()
    };
    assert_eq!(ids(&AlertSelection::default()), ["b", "a"]);
    let open = AlertSelection {
        state: Some("open"),
        ..AlertSelection::default()
    };
    assert_eq!(ids(&open), ["b"]);
    let after = (Timestamp::from_unix_ns(2).unwrap(), "b".to_owned());
    let rest = AlertSelection {
        after: Some(after),
        ..AlertSelection::default()
    };
    assert_eq!(ids(&rest), ["a"]);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    let first = Store::open(&path, 42).unwrap();
    let second = Store::open(&path, 43);
    assert!(matches!(second, Err(StoreError::InUse { .. })));
    drop(first.writer);
    assert_eq!(Store::open(&path, 44).unwrap().incarnation, 42);
}

#[test]
fn a_store_of_before_notifications_goes_on_with_a_table_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    drop(Store::open(&path, 42).unwrap());
    let older = rusqlite::Connection::open(&path).unwrap();
    older
        .execute_batch(
            "DROP TABLE outbox; DROP TABLE late_findings; DROP TABLE claims; DROP TABLE treated;
             DROP TABLE patient_merges; DROP TABLE lost;
             ALTER TABLE blocks DROP COLUMN stretches;
             ALTER TABLE sessions DROP COLUMN claimed_shot_count;
             ALTER TABLE sessions DROP COLUMN claimed_patient_shot_count;
             ALTER TABLE sessions DROP COLUMN claimed_volume_nl;
             ALTER TABLE sessions DROP COLUMN claimed_failed_count;
             ALTER TABLE sessions DROP COLUMN claimed_soft_count;
             ALTER TABLE sessions DROP COLUMN claimed_hard_count;
             ALTER TABLE sessions DROP COLUMN claimed_not_checkable_count;
             PRAGMA user_version = 4;",
        )
        .unwrap();
    drop(older);
    let mut store = Store::open(&path, 43).unwrap();
    assert_eq!(store.incarnation, 42);
    let row = |body: &[u8]| OutboxRow {
        channel: "ops".to_owned(),
        body: body.to_vec(),
    };
    for body in [&b"first"[..], b"second"] {
        let commit = Commit {
            outbox: vec![row(body)],
            ..Commit::default()
        };
        store.writer.store(&commit).unwrap();
    }
    drop(store);
    let store = Store::open(&path, 44).unwrap();
    assert_eq!(store.writer.read().outbox().unwrap(), [row(b"second")]);
}

#[test]
fn a_store_of_before_merges_goes_on_with_a_table_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    drop(Store::open(&path, 42).unwrap());
    let older = rusqlite::Connection::open(&path).unwrap();
    older
        .execute_batch(
            "DROP TABLE patient_merges; DROP TABLE lost; ALTER TABLE blocks DROP COLUMN stretches;
             PRAGMA user_version = 6;",
        )
        .unwrap();
    drop(older);
    let store = Store::open(&path, 43).unwrap();
    assert_eq!(store.incarnation, 42);
    assert_eq!(store.writer.read().patient_merges().unwrap(), []);
}

#[test]
fn a_store_of_before_stretches_keeps_its_blocks_and_takes_further_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    let mut store = Store::open(&path, 42).unwrap();
    let block =
        |number: u32| sample_block(number.into(), (number > 1).then_some(1), number..=number);
    store.writer.store(&commit_of([block(1)])).unwrap();
    drop(store);
    let older = rusqlite::Connection::open(&path).unwrap();
    older
        .execute_batch(
            "DROP TABLE lost; ALTER TABLE blocks DROP COLUMN stretches; PRAGMA user_version = 7;",
        )
        .unwrap();
    drop(older);
    let mut store = Store::open(&path, 43).unwrap();
    store.writer.store(&commit_of([block(2)])).unwrap();
    let inspection = inspect(&store.readers, |_| ()).unwrap();
    assert_eq!((inspection.shot_count, inspection.wrong_count), (2, 0));
}

#[cfg(unix)]
#[test]
fn nobody_but_the_owner_can_read_the_store_even_where_an_older_one_was_open_to_all() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    drop(Store::open(&path, 42).unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut store = Store::open(&path, 42).unwrap();
    store.writer.store(&Commit::default()).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn a_copy_that_was_interrupted_goes_on_unless_the_source_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| StorePlace::Embedded {
        path: folder.path().join(name),
    };
    let mut source = place("a").open(42).unwrap();
    source.writer.store(&commit_of([session_block(1)])).unwrap();
    let block =
        |number: u32| sample_block(number.into(), (number > 1).then_some(1), number..=number);
    source
        .writer
        .store(&commit_of((1..=1_200).map(block)))
        .unwrap();
    drop(source);
    // Killed when the first part is there: nothing of the progress is told to anybody any more.
    let interrupt = || {
        let killed = std::panic::catch_unwind(|| {
            copy_store(&place("a"), &place("b"), |progress| {
                assert!(progress.done <= 512, "killed");
            })
        });
        assert!(killed.is_err(), "it was killed");
    };
    let first_told = || {
        let mut told = Vec::new();
        let copied = copy_store(&place("a"), &place("b"), |progress| {
            told.push(progress.done)
        });
        (told[0], copied.unwrap())
    };
    interrupt();
    let (first, copied) = first_told();
    assert!(first > 512, "{first}");
    assert_eq!((copied.shot_count, copied.is_sound()), (1_200, true));
    let other = place("b").open(0).unwrap();
    let found = inspect(&other.readers, |_| {}).unwrap();
    assert_eq!(found, copied);
    drop(other);

    std::fs::remove_file(folder.path().join("b")).unwrap();
    interrupt();
    let mut source = place("a").open(0).unwrap();
    source.writer.store(&commit_of([block(1_201)])).unwrap();
    drop(source);
    let (first, copied) = first_told();
    assert_eq!((first, copied.shot_count), (512, 1_201));
}
