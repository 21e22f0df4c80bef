//! The InfluxDB store on a real `influxd`, behind a proxy that behaves as later versions, or badly.

use std::time::Duration;

use meso_domain::RecordBlock;
use meso_domain::canonical::Canonical as _;
use meso_store::{
    InfluxOptions, InfluxToken, Store, StoreError, StorePlace, copy_store, inspect, inspect_influx,
    prepare_influx,
};
use meso_testkit::influx::{Dialect, Fault, InfluxProxy, Influxd};
use meso_units::JournalIncarnation;

use crate::contract::{Bench, promises};

use crate::samples::*;

/// The bucket of every test: each has an `influxd` of its own.
pub(crate) const BUCKET: &str = "fleet of tests";

/// A store on an `influxd` of its own.
pub(crate) struct OnInflux {
    // In the order of their ends: the proxy goes first, the folder last.
    pub(crate) proxy: InfluxProxy,
    pub(crate) server: Influxd,
    folder: tempfile::TempDir,
}

impl OnInflux {
    pub(crate) fn new(dialect: Dialect) -> OnInflux {
        let folder = tempfile::tempdir().unwrap();
        let server = Influxd::start(&folder.path().join("influxd")).unwrap();
        server.create_database(BUCKET).unwrap();
        let proxy = InfluxProxy::start(server.address(), dialect).unwrap();
        proxy.demand_token("user:secret");
        OnInflux {
            proxy,
            server,
            folder,
        }
    }

    pub(crate) fn options(&self) -> InfluxOptions {
        let mut options = InfluxOptions::new(&self.proxy.url(), "org", BUCKET).unwrap();
        options.request_within = Duration::from_secs(2);
        options.back_off = Duration::from_millis(1);
        options.with_token(Some(InfluxToken::new("user:secret").unwrap()))
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("fleet.sqlite")
    }

    /// How many points of shots the database holds, whatever wrote them.
    pub(crate) fn point_count(&self) -> usize {
        let answer = self
            .server
            .query("SELECT counter FROM shot", BUCKET)
            .unwrap();
        answer.matches("],[").count() + usize::from(answer.contains("\"values\""))
    }
}

impl Bench for OnInflux {
    fn open(&self) -> Store {
        Store::open_on_influx(&self.path(), 42, &self.options()).unwrap()
    }

    fn case_count(&self) -> usize {
        64
    }
}

mod as_1_8 {
    use super::*;
    promises!(OnInflux::new(Dialect::V1));
}

mod as_2 {
    use super::*;
    promises!(OnInflux::new(Dialect::V2));
}

mod as_3_core {
    use super::*;
    promises!(OnInflux::new(Dialect::V3));
}

/// Block `n` of four with the shots 1 to 20.
fn block_of_five(n: u32) -> RecordBlock {
    let previous = (n > 0).then_some(7);
    sample_block(u64::from(n) + 1, previous, n * 5 + 1..=n * 5 + 5)
}

/// Stores shots 1 to 20 in four blocks of one commit.
pub(crate) fn store_twenty(store: &mut Store) -> Result<(), StoreError> {
    store.writer.store(&commit_of((0..4).map(block_of_five)))
}

#[track_caller]
pub(crate) fn assert_all_twenty(bench: &OnInflux, store: &Store) {
    let first = sample_shot(1).identity;
    let shots = store
        .readers
        .with(|reader| reader.shots_from(&first, 100))
        .unwrap();
    let expected: Vec<_> = (1..=20).map(sample_shot).collect();
    assert_eq!(shots, expected);
    let totals = store.readers.with(|reader| reader.totals()).unwrap();
    assert_eq!(totals.shot_count, 20);
    assert_eq!(
        bench.proxy.counts().different_again_count,
        0,
        "a point was rewritten"
    );
}

#[test]
fn what_a_network_and_a_database_do_wrong_for_a_moment_is_tried_again_and_stored_once() {
    let faults = [
        Fault::Status(503),
        Fault::Status(429),
        Fault::Status(500),
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Hang,
    ];
    for fault in faults {
        let bench = OnInflux::new(Dialect::V1);
        let mut store = bench.open();
        bench.proxy.fail_next(&[fault]);
        store_twenty(&mut store).unwrap();
        let counts = bench.proxy.counts();
        assert_eq!(counts.fault_count, 1, "{fault:?}");
        let sent_twice = matches!(fault, Fault::DropAfter);
        assert_eq!(counts.same_again_count > 0, sent_twice, "{fault:?}");
        assert_eq!(bench.point_count(), 20, "{fault:?}");
        assert_all_twenty(&bench, &store);
    }
}

#[test]
fn a_database_that_stays_away_fails_the_commit_and_takes_it_when_it_is_back() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    bench.proxy.fail_all(Fault::Status(503));
    let refused = store_twenty(&mut store).unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
    // A reader misses nothing meanwhile.
    assert_all_twenty(&bench, &store);
    assert_eq!(bench.point_count(), 0);
    drop(store);
    let store = bench.open();
    assert!(store.writer.settle().is_err(), "it is still away");
    bench.proxy.mend();
    store.writer.settle().unwrap();
    assert_eq!(bench.point_count(), 20);
    assert_all_twenty(&bench, &store);
}

#[test]
fn a_database_that_hangs_holds_up_nobody_who_has_something_else_to_do() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    bench.proxy.fail_all(Fault::Hang);
    for n in 0..3 {
        let commit = commit_of([block_of_five(n)]);
        store.writer.store_ahead(&commit).unwrap();
        // Whoever waited for an answer would get an error: it hangs for longer than a request may take.
        assert!(
            store.writer.settle_some().unwrap(),
            "commit {n} is on its way"
        );
    }
    assert_eq!(bench.point_count(), 0);
    bench.proxy.mend();
    while store.writer.settle_some().unwrap() {}
    assert_eq!(bench.point_count(), 15);
}

#[test]
fn commits_are_durable_and_go_on_while_their_points_are_on_their_way() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    let one = |n: u32| commit_of([block_of_five(n)]);
    bench.proxy.fail_all(Fault::Hang);
    store.writer.store_ahead(&one(0)).unwrap();
    store.writer.store_ahead(&one(1)).unwrap();
    let read = |store: &Store, counter: u32| {
        let identity = sample_shot(counter).identity;
        store.readers.with(|reader| reader.shot(&identity)).unwrap()
    };
    assert_eq!(read(&store, 5), Some(sample_shot(5)), "it is read already");
    assert_eq!(read(&store, 10), Some(sample_shot(10)));
    assert_eq!(bench.point_count(), 0);
    bench.proxy.mend();
    bench.proxy.fail_all(Fault::Status(503));
    let refused = store.writer.settle().unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
    bench.proxy.mend();
    store.writer.store_ahead(&one(2)).unwrap();
    store.writer.store_ahead(&one(3)).unwrap();
    store.writer.settle().unwrap();
    assert_eq!(bench.point_count(), 20);
    assert_all_twenty(&bench, &store);
}

#[test]
fn no_more_blocks_are_on_their_way_than_may_be() {
    const BLOCKS_PER_COMMIT: u32 = 256;
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    bench.proxy.fail_all(Fault::Hang);
    let commit = |n: u32| {
        let blocks = n * BLOCKS_PER_COMMIT..(n + 1) * BLOCKS_PER_COMMIT;
        commit_of(blocks.map(block_of_five))
    };
    for n in 0..4 {
        store.writer.store_ahead(&commit(n)).unwrap();
    }
    // One more waits for the oldest, which does not come.
    let refused = store.writer.store_ahead(&commit(4)).unwrap_err();
    assert!(refused.to_string().contains("in time"), "{refused}");
    assert_nothing_stays_under_way(&store);
    bench.proxy.mend();
    store.writer.settle().unwrap();
    assert_eq!(bench.point_count() as u32, 5 * BLOCKS_PER_COMMIT * 5);
}

/// What nobody waits for any more ends within the time of the requests that are made already, not
/// with that of the tries that were still to come.
#[track_caller]
fn assert_nothing_stays_under_way(store: &Store) {
    let begun = std::time::Instant::now();
    while store.readers.writes_under_way() > 0 {
        let count = store.readers.writes_under_way();
        assert!(begun.elapsed() < Duration::from_secs(3), "{count} stay");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_database_whose_disk_was_full_gets_nothing_until_a_person_has_seen_to_it() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    bench.proxy.fail_next(&[Fault::DiskFull]);
    let refused = store_twenty(&mut store).unwrap_err().to_string();
    let told = bench.folder.path().join("influx-disk-was-full.txt");
    assert!(refused.contains("no space left on device"), "{refused}");
    assert!(refused.contains(told.to_str().unwrap()), "{refused}");
    let tries = bench.proxy.counts().write_count;
    for _ in 0..2 {
        assert!(store.writer.settle().is_err());
        drop(store);
        store = bench.open();
    }
    assert_eq!(bench.proxy.counts().write_count, tries, "it was written to");
    assert_all_twenty(&bench, &store);
    std::fs::remove_file(told).unwrap();
    store.writer.settle().unwrap();
    assert_eq!(bench.point_count(), 20);
    assert_all_twenty(&bench, &store);
}

#[test]
fn a_database_that_is_killed_after_it_took_a_commit_has_it_and_gets_it_again_unchanged() {
    let mut bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    bench.proxy.fail_all(Fault::DropAfter);
    assert!(store_twenty(&mut store).is_err(), "no answer, no commit");
    drop(store);
    bench.server.restart().unwrap();
    bench.proxy.mend();
    let store = bench.open();
    store.writer.settle().unwrap();
    assert_eq!(bench.point_count(), 20);
    assert!(bench.proxy.counts().same_again_count >= 20);
    assert_all_twenty(&bench, &store);
}

#[test]
fn a_point_that_is_refused_for_good_is_quarantined_and_holds_up_nothing() {
    for dialect in [Dialect::V1, Dialect::V2, Dialect::V3] {
        let bench = OnInflux::new(dialect);
        let mut store = bench.open();
        bench.proxy.refuse_lines_with(",counter=7i,");
        bench.proxy.find_other_type_in(",counter=13i,");
        store_twenty(&mut store).unwrap();
        assert_eq!(bench.point_count(), 18, "{dialect:?}");
        let kept = store.readers.with(|reader| reader.quarantined(10)).unwrap();
        assert_eq!(kept.len(), 2, "{dialect:?}");
        let bytes: Vec<_> = kept.iter().map(|(kept, _)| kept.bytes.clone()).collect();
        for counter in [7, 13] {
            assert!(bytes.contains(&sample_shot(counter).canonical_bytes()));
        }
        let unlogged = store.writer.unlogged(10, 10).unwrap();
        assert_eq!((unlogged.blocks.len(), unlogged.entries.len()), (4, 2));
        // It is stored all the same: nothing of the record is lost.
        assert_all_twenty(&bench, &store);
    }
}

#[test]
fn a_table_that_somebody_gave_other_columns_sets_shots_aside_and_loses_none() {
    let bench = OnInflux::new(Dialect::V3);
    let mut store = bench.open();
    bench.proxy.has_taken("shot,clinic=a,gun=b counter=1i 1");
    store_twenty(&mut store).unwrap();
    assert_eq!(bench.point_count(), 0, "the tag `slot` is new there");
    let kept = store.readers.with(|reader| reader.quarantined(30)).unwrap();
    assert_eq!(kept.len(), 20);
    assert!(kept[0].0.reason.contains("'slot'"), "{}", kept[0].0.reason);
    assert_all_twenty(&bench, &store);
}

#[test]
fn a_server_that_refuses_the_token_or_the_bucket_is_no_reason_to_set_points_aside() {
    let bench = OnInflux::new(Dialect::V2);
    let mut store = bench.open();
    bench.proxy.demand_token("another");
    let refused = store_twenty(&mut store).unwrap_err();
    assert!(refused.to_string().contains("check the token"), "{refused}");
    bench.proxy.demand_token("user:secret");
    bench
        .server
        .query(&format!("DROP DATABASE \"{BUCKET}\""), "")
        .unwrap();
    let refused = store.writer.settle().unwrap_err();
    assert!(refused.to_string().contains("store init"), "{refused}");
    let kept = store.readers.with(|reader| reader.quarantined(10)).unwrap();
    assert!(kept.is_empty());
    assert!(
        prepare_influx(&bench.options()).is_err(),
        "2.x has no CREATE DATABASE"
    );
    bench.proxy.set_dialect(Dialect::V1);
    prepare_influx(&bench.options()).unwrap();
    store.writer.settle().unwrap();
    assert_all_twenty(&bench, &store);
    assert_eq!(
        inspect_influx(&bench.options(), &store.readers)
            .unwrap()
            .shot_points,
        20
    );
}

#[test]
fn hours_and_days_add_up_to_the_shots_whatever_was_sent_twice() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    bench.proxy.fail_next(&[Fault::DropAfter, Fault::DropAfter]);
    store.writer.store(&commit_of([session_block(1)])).unwrap();
    store_twenty(&mut store).unwrap();
    for measurement in ["clinic_hour", "clinic_day"] {
        let question = format!("SELECT sum(shot_count), sum(volume_nl) FROM {measurement}");
        let answer = bench.server.query(&question, BUCKET).unwrap();
        assert!(answer.contains("20,400000]"), "{measurement}: {answer}");
    }
}

#[test]
fn blocks_of_two_journals_with_one_number_in_one_hour_are_both_added_up() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    let block = sample_block(1, None, 1..=5);
    let other = sample_block(1, None, 6..=10);
    let mut header = other.header().clone();
    // Equal by the second, and by any other number of them that divides an hour.
    header.place.incarnation = JournalIncarnation(header.place.incarnation.get() - 3_600);
    let (records, judgements) = (other.records().to_vec(), other.judgements().to_vec());
    let other = RecordBlock::seal(header, records, judgements).unwrap();
    store.writer.store(&commit_of([block, other])).unwrap();
    for measurement in ["clinic_hour", "clinic_day"] {
        let question = format!("SELECT sum(shot_count) FROM {measurement}");
        let answer = bench.server.query(&question, BUCKET).unwrap();
        assert!(answer.contains(",10]"), "{measurement}: {answer}");
    }
    assert_eq!(bench.proxy.counts().different_again_count, 0);
}

#[test]
fn a_day_of_25_hours_is_one_day_of_points() {
    // 2026-10-25 in Vienna: its first second, its last and the one after.
    const FIRST_S: i64 = 1_792_879_200;
    const DRAWN_AT_S: i64 = FIRST_S + 7_200;
    let moments = [
        (FIRST_S, 7_200),
        (FIRST_S + 25 * 3_600 - 1, 3_600),
        (FIRST_S + 25 * 3_600, 3_600),
    ];
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    for (counter, (at_s, utc_offset_s)) in (1..).zip(moments) {
        let shot = meso_domain::Shot {
            at: meso_units::Timestamp::from_unix_ns(at_s * 1_000_000_000).unwrap(),
            ..sample_shot(counter)
        };
        let block = block_of(counter.into(), (counter > 1).then_some(7), vec![shot]);
        let mut commit = commit_of([block]);
        commit.blocks[0].utc_offset_s = utc_offset_s;
        store.writer.store(&commit).unwrap();
    }
    for (day, count) in [(-1, None), (0, Some(2)), (1, Some(1)), (2, None)] {
        let from_s = DRAWN_AT_S + day * 86_400;
        let question = format!(
            "SELECT sum(shot_count) FROM clinic_day WHERE time >= {from_s}s AND time < {}s",
            from_s + 86_400
        );
        let answer = bench.server.query(&question, BUCKET).unwrap();
        let found = (1..=3).find(|count| answer.contains(&format!(",{count}]")));
        assert_eq!(found, count, "day {day}: {answer}");
    }
}

#[test]
fn a_store_is_not_opened_as_another_than_it_is() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    store_twenty(&mut store).unwrap();
    drop(store);
    let refused = Store::open(&bench.path(), 42);
    assert!(matches!(refused, Err(StoreError::OtherShelf { .. })));
    let other = InfluxOptions::new(&bench.proxy.url(), "org", "other").unwrap();
    let refused = Store::open_on_influx(&bench.path(), 42, &other);
    assert!(matches!(refused, Err(StoreError::OtherShelf { .. })));
    assert_all_twenty(&bench, &bench.open());
}

#[test]
fn a_history_moves_from_one_file_to_influx_and_back_and_is_proven_equal() {
    let bench = OnInflux::new(Dialect::V3);
    let file = |name: &str| bench.folder.path().join(name);
    let embedded = |name: &str| StorePlace::Embedded { path: file(name) };
    let on_influx = |name: &str| StorePlace::Influx {
        path: file(name),
        options: Box::new(bench.options()),
    };
    let mut store = embedded("a").open(42).unwrap();
    store.writer.store(&commit_of([session_block(1)])).unwrap();
    store_twenty(&mut store).unwrap();
    crate::contract::log_all(&mut store.writer);
    drop(store);
    bench
        .proxy
        .fail_next(&[Fault::DropAfter, Fault::Status(503)]);
    let there = copy_store(&embedded("a"), &on_influx("b"), |_| {}).unwrap();
    assert_eq!(
        (there.shot_count, there.leaf_count, there.is_sound()),
        (20, 1, true)
    );
    assert_eq!(bench.point_count(), 20);
    let back = copy_store(&on_influx("b"), &embedded("c"), |_| {}).unwrap();
    assert_eq!(back, there);
    let again = copy_store(&embedded("a"), &embedded("c"), |_| {});
    assert!(matches!(again, Err(StoreError::Exists { .. })));
    let (was, is) = (
        embedded("a").open(0).unwrap(),
        embedded("c").open(0).unwrap(),
    );
    assert_eq!((was.incarnation, is.incarnation), (42, 42));
    assert_all_twenty(&bench, &is);
    let shots = |store: &Store| {
        store
            .readers
            .with(|reader| reader.session_shots(sample_session(), None, 99))
    };
    assert_eq!(shots(&was).unwrap(), shots(&is).unwrap());
}

#[test]
fn a_check_finds_a_point_that_somebody_changed_or_took_away() {
    let bench = OnInflux::new(Dialect::V1);
    let mut store = bench.open();
    store_twenty(&mut store).unwrap();
    let sound = inspect(&store.readers, |_| {}).unwrap();
    assert!(sound.is_sound());
    let at_ns = sample_shot(8).at.unix_ns();
    let point = format!("shot,clinic=riverside,gun=GUN-0001,slot=0 needle_depth_um=1i {at_ns}");
    bench.server.write(BUCKET, &point).unwrap();
    let changed = inspect(&store.readers, |_| {}).unwrap();
    assert_eq!(changed.wrong_count, 1, "{:?}", changed.wrong);
    assert_ne!(changed.digest, sound.digest);
    let statement = format!("DELETE FROM shot WHERE time = {at_ns}");
    bench.server.query(&statement, BUCKET).unwrap();
    let gone = inspect(&store.readers, |_| {}).unwrap();
    assert_eq!(gone.wrong_count, 1, "{:?}", gone.wrong);
}

#[test]
fn a_refused_shot_that_is_released_goes_where_the_others_are_and_is_counted_once() {
    let bench = OnInflux::new(Dialect::V2);
    let mut store = bench.open();
    bench.proxy.refuse_lines_with(",counter=7i,");
    store_twenty(&mut store).unwrap();
    let refused = sample_shot(7).identity;
    assert!(
        !store.writer.send_again(&refused).unwrap(),
        "it is refused again"
    );
    assert_eq!(
        store.readers.with(|reader| reader.quarantined(9)).unwrap()[0].1,
        2
    );
    bench.proxy.mend();
    assert!(store.writer.send_again(&refused).unwrap());
    assert!(
        !store.writer.send_again(&refused).unwrap(),
        "it is where it should be"
    );
    assert_eq!(bench.point_count(), 20);
    let answer = bench
        .server
        .query("SELECT sum(shot_count) FROM clinic_hour", BUCKET)
        .unwrap();
    assert!(answer.contains("20]"), "{answer}");
    assert_all_twenty(&bench, &store);
}
