//! Shots that a real `influxd` had taken and does not have any more.

use std::process::Command;

use meso_delivery::Receiver;
use meso_domain::{Record, Shot};
use meso_store::{
    BlockRef, Commit, LoadedRecord, LogCommit, LostBlock, Store, StoreError, copy_store, find_lost,
    inspect,
};
use meso_testkit::influx::Dialect;
use serde_json::Value;

use crate::contract::Bench as _;
use crate::influx::{BUCKET, OnInflux, assert_all_twenty, store_twenty};
use crate::programs::program;
use crate::samples::*;

/// Twenty shots in four blocks that the receiver holds, of which the database lost 6 to 8 and 20.
fn four_are_gone(bench: &OnInflux) -> Store {
    let mut store = bench.open();
    store_twenty(&mut store).unwrap();
    let mut receiver = Receiver::default();
    for counter in 1..=20 {
        receiver.record_shot(&sample_shot(counter).identity);
    }
    let commit = LogCommit {
        changes: receiver.take_changes(),
        ..LogCommit::default()
    };
    store.writer.log(&commit).unwrap();
    let statement = format!(
        "DELETE FROM shot WHERE time >= {} AND time <= {}; DELETE FROM shot WHERE time = {}",
        sample_shot(6).at.unix_ns(),
        sample_shot(8).at.unix_ns(),
        sample_shot(20).at.unix_ns()
    );
    bench.server.query(&statement, BUCKET).unwrap();
    assert_eq!(bench.point_count(), 16);
    store
}

fn counters(lost: &[LostBlock]) -> Vec<u32> {
    let shots = lost.iter().flat_map(LostBlock::missing);
    shots.map(|shot| shot.counter.get()).collect()
}

fn find(store: &Store) -> Vec<LostBlock> {
    find_lost(&store.readers, |_| ()).unwrap()
}

fn refill(counters: &[u32]) -> Commit {
    Commit {
        refills: counters.iter().copied().map(sample_shot).collect(),
        ..Commit::default()
    }
}

#[test]
fn shots_that_are_gone_are_named_asked_for_and_written_again_as_they_were() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = four_are_gone(&bench);
    let first = sample_shot(1).identity;
    let read = |store: &Store| store.readers.with(|reader| reader.shots_from(&first, 100));
    let error = read(&store).unwrap_err();
    assert!(matches!(&error, StoreError::Missing { lost } if counters(lost) == [6, 7, 8, 20]));
    assert!(
        error.to_string().contains("mesofleet store repair"),
        "{error}"
    );
    assert_eq!(store.readers.lacking_count(), 2, "each block counts once");
    let lost = find(&store);
    assert_eq!(counters(&lost), [6, 7, 8, 20]);

    store.writer.note_lost(&lost).unwrap();
    assert_eq!(read(&store).unwrap().len(), 16, "what is there is read");
    assert_eq!(find(&store), [], "what is known is not found again");
    let receiver = store.writer.read().receiver().unwrap();
    let holds = |n| receiver.holds(&sample_shot(n).identity);
    let held: Vec<u32> = (1..=20).filter(|n| holds(*n)).collect();
    assert_eq!(held.len(), 16);
    assert!(!holds(6) && !holds(20));
    let lost_hash = |store: &Store, n| {
        let reader = store.writer.read();
        reader.lost_hash(&sample_shot(n).identity).unwrap()
    };
    let hash = Record::Shot(sample_shot(6)).hash();
    assert_eq!(
        (lost_hash(&store, 6), lost_hash(&store, 9)),
        (Some(hash), None)
    );
    let loaded = store.writer.read().load_block(BlockRef::new(2)).unwrap();
    let gone = |(_, record): &(_, LoadedRecord)| matches!(record, LoadedRecord::Lost(_));
    assert_eq!(loaded.records.iter().filter(|it| gone(it)).count(), 3);
    assert_eq!(inspect(&store.readers, |_| ()).unwrap().wrong_count, 2);

    // From two blocks of another life of the journal, which was cut otherwise.
    store.writer.store(&refill(&[6, 7])).unwrap();
    assert_eq!(lost_hash(&store, 6), None, "it is there");
    assert_eq!(bench.point_count(), 16, "a block goes back as a whole");
    assert_eq!(read(&store).unwrap().len(), 18, "it is read meanwhile");
    let back = |store: &Store| -> Vec<u32> {
        let back = store.writer.read().shots_back().unwrap();
        back.iter().map(|shot| shot.counter.get()).collect()
    };
    assert_eq!(back(&store), [6, 7], "a start has to hear of them");
    store.writer.store(&refill(&[8, 20])).unwrap();
    assert_eq!(
        back(&store),
        [6, 7, 8, 20],
        "also when they have left the file"
    );
    store.writer.log(&LogCommit::default()).unwrap();
    assert!(back(&store).is_empty());
    assert!(!store.writer.read().lacks_shots().unwrap());
    assert_eq!(bench.point_count(), 20);
    assert_all_twenty(&bench, &store);
    assert!(inspect(&store.readers, |_| ()).unwrap().is_sound());
    let answer = bench
        .server
        .query("SELECT sum(shot_count) FROM clinic_hour", BUCKET);
    assert!(answer.unwrap().contains("20]"), "roll-ups count once");
}

#[test]
fn a_shot_is_taken_again_only_as_it_was_and_only_where_it_is_wanted() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = four_are_gone(&bench);
    assert!(
        store.writer.store(&refill(&[6])).is_err(),
        "nobody has noted it"
    );
    let lost = find(&store);
    store.writer.note_lost(&lost).unwrap();
    assert!(store.writer.store(&refill(&[9])).is_err(), "it is there");
    let other = Commit {
        refills: vec![Shot {
            gun_tick: sample_shot(7).gun_tick,
            ..sample_shot(6)
        }],
        ..Commit::default()
    };
    assert!(store.writer.store(&other).is_err(), "it has another hash");
    assert_eq!(bench.point_count(), 16);
}

#[test]
fn a_point_that_somebody_wrote_over_is_asked_for_too() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    store_twenty(&mut store).unwrap();
    let at_ns = sample_shot(8).at.unix_ns();
    let point = format!("shot,clinic=riverside,gun=GUN-0001,slot=0 needle_depth_um=1i {at_ns}");
    bench.server.write(BUCKET, &point).unwrap();
    let lost = find(&store);
    assert_eq!(counters(&lost), [8]);
    store.writer.note_lost(&lost).unwrap();
    store.writer.store(&refill(&[8])).unwrap();
    assert!(inspect(&store.readers, |_| ()).unwrap().is_sound());
}

#[test]
fn the_command_says_what_is_gone_and_changes_nothing_until_it_is_told_to() {
    let bench = OnInflux::new(Dialect::V1);
    drop(four_are_gone(&bench));
    let folder = bench.path().parent().unwrap().display().to_string();
    let url = bench.proxy.url();
    let spec = format!("influx={url},data={folder},org=org,bucket={BUCKET}");
    let run = |words: &[&str]| {
        let output = Command::new(program("mesofleet"))
            .args(["store", "repair", "--store", &spec])
            .args(words)
            .env("MESOFLEET_INFLUX_TOKEN", "user:secret")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (
            output.status.code(),
            text,
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, said, errors) = run(&["--dry-run"]);
    assert_eq!(code, Some(1), "{said}{errors}");
    assert!(
        said.contains("block 2 of gun GUN-0001 lacks 3 of its 5 shots"),
        "{said}"
    );
    assert!(said.contains("2 blocks lack 4 shots"), "{said}");
    let (code, said, errors) = run(&[]);
    assert_eq!(code, Some(1), "nobody can be asked: {said}{errors}");
    assert!(errors.contains("--yes"), "{errors}");
    let (code, said, errors) = run(&["--yes", "--json"]);
    assert_eq!(code, Some(0), "{said}{errors}");
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let expected = serde_json::json!({ "blocks": 2, "shots": 4, "noted": true, "more": false });
    assert_eq!(last, expected);
    let (code, said, errors) = run(&["--yes"]);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.contains("nothing is to be repaired"), "{said}");
}

#[test]
fn a_history_that_lacks_shots_is_not_moved() {
    let bench = OnInflux::new(Dialect::V1);
    drop(four_are_gone(&bench));
    let from = meso_store::StorePlace::Influx {
        path: bench.path(),
        options: Box::new(bench.options()),
    };
    let to = meso_store::StorePlace::Embedded {
        path: bench.path().with_extension("moved"),
    };
    let copied = copy_store(&from, &to, |_| ());
    assert!(
        matches!(copied, Err(StoreError::Missing { .. })),
        "{copied:?}"
    );
}
