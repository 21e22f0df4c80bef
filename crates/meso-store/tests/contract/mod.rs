//! What every store promises, wherever it keeps its shots.

use meso_delivery::Receiver;
use meso_domain::canonical::Canonical as _;
use meso_domain::{CommitEntry, LedgerEntryKind, Record, SessionSeal, Shot};
use meso_ledger::{Frontier, leaf_hash, prove_inclusion, verify_inclusion};
use meso_store::{
    BlockSelection, LeafRow, LoadedRecord, LogCommit, NewEntry, SealedSession, Store, StoreError,
    Writer, inspect,
};
use meso_units::{Nanolitres, ShotCounter, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::samples::*;

/// Opens the same store again and again; its incarnation is 42.
pub(crate) trait Bench {
    fn open(&self) -> Store;

    /// How many random shots it is worth trying.
    fn case_count(&self) -> usize;
}

/// Makes a test of each promise, each with a bench of its own.
macro_rules! promises {
    ($bench:expr) => {
        $crate::contract::promises! { $bench;
            a_block_comes_back_as_it_went_in,
            what_is_stored_and_not_logged_is_found_until_it_is_logged,
            a_commit_that_fails_leaves_nothing_behind,
            another_copy_of_a_shot_is_kept_by_hash_only,
            a_session_and_its_day_add_up_and_are_sealed_once,
            days_of_23_and_25_hours_end_when_the_clinics_clock_says_so,
            shots_of_a_session_come_in_pages_oldest_first,
            the_receiver_is_read_back_as_it_was_written,
            canonical_bytes_come_back_unchanged,
            two_shots_of_one_nanosecond_are_both_kept,
            a_block_of_many_days_comes_back_whole,
            shots_of_many_blocks_come_back_in_the_order_of_their_counters,
            a_seal_has_the_hashes_of_events_and_of_shots_with_their_names,
        }
    };
    ($bench:expr; $($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                $crate::contract::$name(&$bench);
            }
        )*
    };
}
pub(crate) use promises;

/// Logs everything that is stored, as the ingest does.
pub(crate) fn log_all(writer: &mut Writer) -> Frontier {
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

pub(crate) fn a_block_comes_back_as_it_went_in(bench: &dyn Bench) {
    let mut store = bench.open();
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

pub(crate) fn what_is_stored_and_not_logged_is_found_until_it_is_logged(bench: &dyn Bench) {
    let mut store = bench.open();
    let block = sample_block(1, None, 1..=3);
    store.writer.store(&commit_of([block.clone()])).unwrap();
    drop(store);
    let mut store = bench.open();
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

pub(crate) fn a_commit_that_fails_leaves_nothing_behind(bench: &dyn Bench) {
    let mut store = bench.open();
    store
        .writer
        .store(&commit_of([sample_block(1, None, 1..=3)]))
        .unwrap();
    // The second block holds counter 3 again, which the receiver would have named.
    let again = commit_of([sample_block(2, Some(7), 3..=6)]);
    let refused = store.writer.store(&again);
    assert!(matches!(
        refused,
        Err(StoreError::StoredTwice { counter: 3, .. })
    ));
    let totals = store.writer.read().totals().unwrap();
    assert_eq!((totals.shot_count, totals.block_count), (3, 1));
    store
        .writer
        .store(&commit_of([sample_block(2, Some(7), 4..=6)]))
        .unwrap();
    assert_eq!(store.writer.read().totals().unwrap().shot_count, 6);
}

pub(crate) fn another_copy_of_a_shot_is_kept_by_hash_only(bench: &dyn Bench) {
    let mut store = bench.open();
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

pub(crate) fn a_session_and_its_day_add_up_and_are_sealed_once(bench: &dyn Bench) {
    let mut store = bench.open();
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
    assert_eq!((parts.event_hashes.len(), parts.shot_hashes.len()), (3, 4));
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

pub(crate) fn days_of_23_and_25_hours_end_when_the_clinics_clock_says_so(bench: &dyn Bench) {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let mut store = bench.open();
    // 2026-03-29 and 2026-10-25 in Vienna: the first second, the last and the one after.
    let moments = [
        (1_774_738_800, 3_600, 0),
        (1_774_738_800 + 23 * 3_600 - 1, 7_200, 0),
        (1_774_738_800 + 23 * 3_600, 7_200, 1),
        (1_792_879_200, 7_200, 210),
        (1_792_879_200 + 25 * 3_600 - 1, 3_600, 210),
        (1_792_879_200 + 25 * 3_600, 3_600, 211),
    ];
    let mut expected = std::collections::BTreeMap::new();
    for (counter, (at_s, utc_offset_s, day)) in (1..).zip(moments) {
        let shot = Shot {
            at: Timestamp::from_unix_ns(at_s * (HOUR_NS / 3_600)).unwrap(),
            ..sample_shot(counter)
        };
        let block = block_of(counter.into(), (counter > 1).then_some(7), vec![shot]);
        let mut commit = commit_of([block]);
        commit.blocks[0].utc_offset_s = utc_offset_s;
        store.writer.store(&commit).unwrap();
        *expected.entry(20_541 + day).or_insert(0_u64) += 1;
    }
    let days = store.writer.read().days(0).unwrap();
    let found = days.iter().map(|day| (day.day, day.all_shot_count));
    assert_eq!(
        found.collect::<std::collections::BTreeMap<_, _>>(),
        expected
    );
}

pub(crate) fn shots_of_a_session_come_in_pages_oldest_first(bench: &dyn Bench) {
    let mut store = bench.open();
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

pub(crate) fn the_receiver_is_read_back_as_it_was_written(bench: &dyn Bench) {
    let mut store = bench.open();
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

pub(crate) fn canonical_bytes_come_back_unchanged(bench: &dyn Bench) {
    let mut runner = TestRunner::default();
    let mut store = bench.open();
    let mut used = std::collections::BTreeSet::new();
    let mut shots = Vec::new();
    while shots.len() < bench.case_count() {
        let shot = any_shot().new_tree(&mut runner).unwrap().current();
        if used.insert((shot.identity.epoch, shot.identity.counter)) {
            shots.push(shot);
        }
    }
    let blocks = (1..).zip(&shots).map(|(number, shot)| {
        let previous = (number > 1).then_some(7);
        block_of(number, previous, vec![shot.clone()])
    });
    store.writer.store(&commit_of(blocks)).unwrap();
    drop(store);
    let store = bench.open();
    for shot in shots {
        let read = store
            .readers
            .with(|reader| reader.shot(&shot.identity))
            .unwrap()
            .unwrap();
        assert_eq!(read.canonical_bytes(), shot.canonical_bytes());
        assert_eq!(read, shot);
    }
}

pub(crate) fn two_shots_of_one_nanosecond_are_both_kept(bench: &dyn Bench) {
    let mut store = bench.open();
    let shot = |counter: u32| Shot {
        at: sample_shot(1).at,
        ..sample_shot(counter)
    };
    let blocks = [
        block_of(1, None, vec![shot(1), shot(2)]),
        block_of(2, Some(7), vec![shot(3)]),
        block_of(3, Some(7), vec![shot(4), sample_shot(5), shot(6)]),
    ];
    for block in blocks {
        store.writer.store(&commit_of([block])).unwrap();
    }
    drop(store);
    let store = bench.open();
    let first = sample_shot(1).identity;
    let read = store
        .readers
        .with(|reader| reader.shots_from(&first, 10))
        .unwrap();
    let expected = [shot(1), shot(2), shot(3), shot(4), sample_shot(5), shot(6)];
    assert_eq!(read, expected);
}

/// A gun that was away for days gives them all at once.
pub(crate) fn a_block_of_many_days_comes_back_whole(bench: &dyn Bench) {
    let mut store = bench.open();
    let hours = |counter: u32, hours: i64| Shot {
        at: after_hours(hours),
        ..sample_shot(counter)
    };
    let five_days: Vec<Shot> = (1..=6).map(|n| hours(n, i64::from(n - 1) * 24)).collect();
    // The clock of the room stood in another century.
    let apart = vec![hours(7, -300_000), hours(8, 121)];
    let blocks = [
        block_of(1, None, five_days.clone()),
        block_of(2, Some(7), apart.clone()),
        sample_block(3, Some(7), 9..=12),
    ];
    store.writer.store(&commit_of(blocks)).unwrap();
    drop(store);
    let store = bench.open();
    let first = sample_shot(1).identity;
    let read = store.readers.with(|reader| reader.shots_from(&first, 100));
    let others = (9..=12).map(sample_shot);
    let expected: Vec<Shot> = five_days.into_iter().chain(apart).chain(others).collect();
    assert_eq!(read.unwrap(), expected);
    let inspection = inspect(&store.readers, |_| ()).unwrap();
    assert!(inspection.is_sound(), "{:?}", inspection.wrong);
    assert_eq!(inspection.shot_count, 12);
}

pub(crate) fn shots_of_many_blocks_come_back_in_the_order_of_their_counters(bench: &dyn Bench) {
    let mut store = bench.open();
    let blocks: Vec<_> = (0..90_u32)
        .map(|n| {
            let previous = (n > 0).then_some(7);
            sample_block(u64::from(n) + 1, previous, n * 10 + 1..=n * 10 + 10)
        })
        .collect();
    // Newest first, as live blocks overtake a backlog.
    for part in blocks.chunks(30).rev() {
        store.writer.store(&commit_of(part.to_vec())).unwrap();
    }
    drop(store);
    let store = bench.open();
    let mut first = sample_shot(1).identity;
    first.counter = ShotCounter(5);
    let read = store
        .readers
        .with(|reader| reader.shots_from(&first, 700))
        .unwrap();
    let expected: Vec<Shot> = (5..705).map(sample_shot).collect();
    assert_eq!(read, expected);
    let newest = store
        .readers
        .with(|reader| reader.recent_shots(&sample_gun(), 305))
        .unwrap();
    let arrivals: Vec<i64> = newest.iter().map(|shot| shot.arrival).collect();
    assert_eq!(arrivals, (596..=900).rev().collect::<Vec<_>>());
    let totals = store.readers.with(|reader| reader.totals()).unwrap();
    assert_eq!(totals.shot_count, 900);
}

pub(crate) fn a_seal_has_the_hashes_of_events_and_of_shots_with_their_names(bench: &dyn Bench) {
    let mut store = bench.open();
    let late = sample_block(3, Some(7), 1..=2);
    let early = sample_block(2, Some(7), 3..=5);
    let events = session_block(1);
    store
        .writer
        .store(&commit_of([events.clone(), early, late]))
        .unwrap();
    let parts = store
        .readers
        .with(|reader| reader.seal_parts(sample_session()))
        .unwrap();
    assert_eq!(parts.event_hashes, events.record_hashes());
    let mut shots = parts.shot_hashes;
    shots.sort();
    let expected = (1..=5).map(|n| {
        let shot = sample_shot(n);
        (shot.identity.clone(), Record::Shot(shot).hash())
    });
    assert_eq!(shots, expected.collect::<Vec<_>>());
    assert_eq!(parts.counts.shot_count, 5);
}
