//! What the store promises, through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may panic"
)]

mod samples;

use meso_delivery::Receiver;
use meso_domain::canonical::Canonical as _;
use meso_domain::{CommitEntry, LedgerEntryKind, Record, SessionSeal, Severity};
use meso_ledger::{Frontier, leaf_hash, prove_inclusion, verify_inclusion};
use meso_store::{
    AlertRow, AlertSelection, BlockSelection, Commit, LeafRow, LoadedRecord, LogCommit, NewEntry,
    Quarantined, SealedSession, Store, StoreError, Writer,
};
use meso_units::{Nanolitres, ShotCounter, Timestamp};
use proptest::prelude::*;
use samples::*;

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("fleet.sqlite"), 42).unwrap();
    (folder, store)
}

/// Logs everything that is stored, as the ingest does.
fn log_all(writer: &mut Writer) -> Frontier {
    let size = writer.read().leaf_count().unwrap();
    let mut frontier = Frontier::load(size, &writer.read()).unwrap();
    let unlogged = writer.unlogged(1_024, 512).unwrap();
    let entry = CommitEntry {
        at: Timestamp::UNIX_EPOCH,
        blocks: unlogged.blocks.iter().map(|(_, hash)| *hash).collect(),
        entries: unlogged.entries.iter().map(|(_, entry)| *entry).collect(),
    };
    let bytes = entry.canonical_bytes();
    let appended = frontier.append(&bytes).unwrap();
    let leaf = LeafRow {
        leaf: appended.index,
        bytes,
        blocks: unlogged.blocks.iter().map(|(row, _)| *row).collect(),
        entries: unlogged.entries.iter().map(|(row, _)| *row).collect(),
    };
    let commit = LogCommit {
        leaves: vec![leaf],
        hashes: appended.hashes,
        checkpoint: Some("note".to_owned()),
        ..LogCommit::default()
    };
    writer.log(&commit).unwrap();
    frontier
}

#[test]
fn a_block_comes_back_as_it_went_in() {
    let (_folder, mut store) = open();
    let block = sample_block(1, None, 1..=5);
    store.writer.store(&commit_of([block.clone()])).unwrap();
    let ids = store
        .writer
        .read()
        .select_blocks(&BlockSelection::default(), 10)
        .unwrap();
    let loaded = store.writer.read().load_block(ids[0]).unwrap();
    assert_eq!(&loaded.header, block.header());
    assert_eq!(loaded.judgements, block.judgements());
    assert_eq!(loaded.leaf, None);
    let records: Vec<Record> = loaded
        .records
        .iter()
        .filter_map(|(_, r)| r.stored().cloned())
        .collect();
    assert_eq!(records, block.records());
    for (hash, record) in &loaded.records {
        assert_eq!(record.stored().unwrap().hash(), *hash);
    }
}

#[test]
fn what_is_stored_and_not_logged_is_found_until_it_is_logged() {
    let (folder, mut store) = open();
    let block = sample_block(1, None, 1..=3);
    store.writer.store(&commit_of([block.clone()])).unwrap();
    drop(store);
    let mut store = Store::open(&folder.path().join("fleet.sqlite"), 99).unwrap();
    assert_eq!(
        store.incarnation, 42,
        "a store keeps its life over a restart"
    );
    let unlogged = store.writer.unlogged(10, 10).unwrap();
    assert_eq!(unlogged.blocks.len(), 1);
    assert_eq!(unlogged.blocks[0].1, block.hash());
    let frontier = log_all(&mut store.writer);
    assert!(store.writer.unlogged(10, 10).unwrap().blocks.is_empty());
    let reader = store.writer.read();
    let leaf = reader.leaf(0).unwrap().unwrap();
    let proof = prove_inclusion(0, frontier.size(), &reader).unwrap();
    verify_inclusion(leaf_hash(&leaf), 0, 1, &proof, frontier.root()).unwrap();
    assert_eq!(reader.checkpoint().unwrap().as_deref(), Some("note"));
}

#[test]
fn a_commit_that_fails_leaves_nothing_behind() {
    let (_folder, mut store) = open();
    store
        .writer
        .store(&commit_of([sample_block(1, None, 1..=3)]))
        .unwrap();
    // The second block holds counter 3 again, which the receiver would have named.
    let again = commit_of([sample_block(2, Some(7), 3..=6)]);
    let refused = store.writer.store(&again);
    assert!(matches!(refused, Err(StoreError::Database { .. })));
    let totals = store.writer.read().totals().unwrap();
    assert_eq!((totals.shot_count, totals.block_count), (3, 1));
    store
        .writer
        .store(&commit_of([sample_block(2, Some(7), 4..=6)]))
        .unwrap();
    assert_eq!(store.writer.read().totals().unwrap().shot_count, 6);
}

#[test]
fn another_copy_of_a_shot_is_kept_by_hash_only() {
    let (_folder, mut store) = open();
    store
        .writer
        .store(&commit_of([sample_block(1, None, 1..=3)]))
        .unwrap();
    let mut again = commit_of([sample_block(2, Some(7), 3..=4)]);
    again.blocks[0].fates[0] = meso_store::ShotFate::OtherCopyStored;
    again.shots_again_count = 1;
    store.writer.store(&again).unwrap();
    let reader = store.writer.read();
    let ids = reader
        .select_blocks(&BlockSelection::default(), 10)
        .unwrap();
    let loaded = reader.load_block(ids[1]).unwrap();
    assert_eq!(loaded.records.len(), 2);
    assert_eq!(loaded.records[0].1, LoadedRecord::OtherCopy(ShotCounter(3)));
    assert!(loaded.records[1].1.stored().is_some());
    assert_eq!(reader.totals().unwrap().shots_again_count, 1);
}

#[test]
fn a_session_and_its_day_add_up_and_are_sealed_once() {
    let (_folder, mut store) = open();
    let events = session_block(1);
    store
        .writer
        .store(&commit_of([events, sample_block(1, None, 1..=4)]))
        .unwrap();
    let row = store
        .writer
        .read()
        .session(sample_session())
        .unwrap()
        .unwrap();
    assert_eq!(row.counts.shot_count, 4);
    assert_eq!(row.counts.volume_nl, 4 * 20_000);
    assert_eq!(row.guns, ["GUN-0001"]);
    assert_eq!(row.zones, ["cheek"]);
    let parts = store.writer.read().seal_parts(sample_session()).unwrap();
    assert_eq!(parts.record_hashes.len(), 3 + 4);
    let seal = SessionSeal {
        session: sample_session(),
        at: Timestamp::UNIX_EPOCH,
        patient_shot_count: 4,
        patient_volume: Nanolitres::new(80_000).unwrap(),
        records_digest: [1; 32],
    };
    let entry = NewEntry {
        kind: LedgerEntryKind::SessionSeal,
        digest: [2; 32],
        bytes: seal.canonical_bytes(),
    };
    let sealed = SealedSession { seal, entry };
    store.writer.seal(&[sealed.clone(), sealed]).unwrap();
    assert_eq!(store.writer.unlogged(10, 10).unwrap().entries.len(), 1);
    let days = store.writer.read().days(0).unwrap();
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].session_count, days[0].clean_session_count), (1, 1));
    assert_eq!((days[0].shot_count, days[0].volume_nl), (4, 80_000));
    assert!(store.writer.read().unsealed_sessions().unwrap().is_empty());
}

#[test]
fn shots_of_a_session_come_in_pages_oldest_first() {
    let (_folder, mut store) = open();
    let blocks = [
        sample_block(2, Some(1), 4..=6),
        sample_block(1, None, 1..=3),
    ];
    store.writer.store(&commit_of(blocks)).unwrap();
    let read = |after| {
        store
            .writer
            .read()
            .session_shots(sample_session(), after, 4)
            .unwrap()
    };
    let first = read(None);
    let counters = |shots: &[meso_store::StoredShot]| -> Vec<u32> {
        shots
            .iter()
            .map(|s| s.shot.identity.counter.get())
            .collect()
    };
    assert_eq!(counters(&first), [1, 2, 3, 4]);
    let last = first.last().unwrap();
    let second = read(Some((last.shot.at.unix_ns(), last.arrival)));
    assert_eq!(counters(&second), [5, 6]);
    let recent = store.writer.read().recent_shots(&sample_gun(), 2).unwrap();
    assert_eq!(counters(&recent), [3, 2], "newest by arrival");
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
        gun: sample_gun(),
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
fn the_receiver_is_read_back_as_it_was_written() {
    let (_folder, mut store) = open();
    let mut receiver = Receiver::default();
    for (number, counters) in [(1, 1..=3), (4, 9..=11)] {
        let block = sample_block(number, (number > 1).then_some(7), counters);
        receiver.settle(block.header(), block.hash());
        for (shot, _) in block.shots() {
            receiver.record_shot(&shot.identity);
        }
    }
    let changes = receiver.take_changes();
    store
        .writer
        .log(&LogCommit {
            changes,
            ..LogCommit::default()
        })
        .unwrap();
    assert!(store.writer.read().receiver().unwrap() == receiver);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn canonical_bytes_come_out_of_the_columns_unchanged(shot in any_shot()) {
        let (_folder, mut store) = open();
        store.writer.store(&commit_of([block_of(1, None, vec![shot.clone()])])).unwrap();
        let read = store.writer.read().shot(&shot.identity).unwrap().unwrap();
        prop_assert_eq!(read.canonical_bytes(), shot.canonical_bytes());
        prop_assert_eq!(read, shot);
    }
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
