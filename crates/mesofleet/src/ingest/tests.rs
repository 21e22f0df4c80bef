//! Exactly-once effect, whatever fails and whenever.

use meso_domain::canonical::Canonical as _;
use meso_domain::{CommitEntry, RecordBlock};
use meso_ledger::{Checkpoint, LogKey};
use meso_store::{BlockSelection, Store, Writer};
use meso_units::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::samples::*;

mod claims;
mod courses;
pub(super) mod faults;
mod fleet;
mod inquiry;
mod late;
mod merges;
mod poison;
mod retire;
mod said;
mod telling;

const ORIGIN: &str = "example.org/log";

pub(super) fn options() -> IngestOptions {
    IngestOptions {
        log_key: LogKey::from_seed(ORIGIN, &[7; 32]).unwrap(),
        log_origin: ORIGIN.to_owned(),
        clinics: [sample_clinic()].into(),
        time_zones: TimeZones::default(),
        library: None,
        alerts: AlertPolicy::default(),
        signed_before: None,
        store_incarnation: 1,
        ingest_incarnation: 2,
    }
}

/// An ingest on a folder that survives it.
struct Bench {
    folder: tempfile::TempDir,
    ingest: Option<Ingest<Writer>>,
    alerts: AlertPolicy,
    library: Option<std::sync::Arc<meso_limits::Library>>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(AlertPolicy::default())
    }

    fn with(alerts: AlertPolicy) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Bench {
            folder,
            ingest: None,
            alerts,
            library: None,
        };
        bench.restart();
        bench
    }

    /// What a kill and a start leave: only what is on the disk.
    fn restart(&mut self) -> Committed {
        self.ingest = None;
        let store = Store::open(&self.folder.path().join("fleet.sqlite"), 1).unwrap();
        let options = IngestOptions {
            alerts: self.alerts.clone(),
            library: self.library.clone(),
            ..options()
        };
        let (ingest, committed) = Ingest::open(store.writer, options, now()).unwrap();
        self.ingest = Some(ingest);
        committed
    }

    fn ingest(&mut self) -> &mut Ingest<Writer> {
        self.ingest.as_mut().unwrap()
    }

    /// Takes one step, such as a tick, through all that makes it durable.
    fn take(&mut self, step: impl FnOnce(&mut Ingest<Writer>) -> Prepared) -> Committed {
        let ingest = self.ingest();
        let prepared = step(ingest);
        let stored = ingest.store(prepared).unwrap();
        let logged = ingest.log(stored, now()).unwrap();
        ingest.finish(logged)
    }

    fn deliver(&mut self, blocks: &[RecordBlock]) -> Committed {
        self.deliver_at(blocks, now())
    }

    fn deliver_at(&mut self, blocks: &[RecordBlock], at: Timestamp) -> Committed {
        self.ingest().commit(arrivals(blocks), at).unwrap()
    }

    fn store(&mut self) -> &Writer {
        &self.ingest.as_ref().unwrap().store
    }

    /// Everything that must not depend on what came twice, late, or after a kill.
    fn effect(&mut self) -> Effect {
        let reader = self.store().read();
        let leaves = reader.leaf_count().unwrap();
        let mut logged = Vec::new();
        for leaf in 0..leaves {
            let bytes = reader.leaf(leaf).unwrap().unwrap();
            let entry = CommitEntry::from_canonical(&bytes).unwrap();
            logged.extend(entry.blocks.iter().map(ToString::to_string));
            logged.extend(
                entry
                    .entries
                    .iter()
                    .map(|e| format!("{:?} {:?}", e.kind, e.digest)),
            );
        }
        logged.retain(|line| !line.starts_with("SessionSeal"));
        logged.sort_unstable();
        let session = reader.session(sample_session()).unwrap();
        let alerts = reader
            .alerts(&meso_store::AlertSelection::default(), 99)
            .unwrap();
        let shots = reader.session_shots(sample_session(), None, 99).unwrap();
        Effect {
            counts: session.as_ref().map(|s| format!("{:?}", s.counts)),
            is_sealed: session.is_some_and(|s| s.sealed_at.is_some()),
            days: format!("{:?}", reader.days(0).unwrap()),
            alerts: alerts
                .into_iter()
                .map(|a| (a.id, a.state, a.body))
                .collect(),
            shots: shots
                .into_iter()
                .map(|s| (s.shot.canonical_bytes(), s.verdict.is_some()))
                .collect(),
            logged,
            unlogged: reader.unlogged(99, 99).unwrap().blocks.len(),
            receiver: format!(
                "{:?}",
                reader
                    .receiver()
                    .unwrap()
                    .all_counters()
                    .collect::<Vec<_>>()
            ),
        }
    }

    #[track_caller]
    fn assert_ledger_sound(&mut self) {
        let reader = self.store().read();
        let note = reader.checkpoint().unwrap().unwrap();
        let verifier = options().log_key.verifier();
        let checkpoint = Checkpoint::open(&note, &verifier).unwrap();
        let mut frontier = meso_ledger::Frontier::EMPTY;
        for leaf in 0..reader.leaf_count().unwrap() {
            frontier
                .append(&reader.leaf(leaf).unwrap().unwrap())
                .unwrap();
        }
        assert_eq!(
            (checkpoint.size(), checkpoint.root()),
            (frontier.size(), frontier.root())
        );
    }
}

#[derive(Debug, PartialEq)]
struct Effect {
    counts: Option<String>,
    is_sealed: bool,
    days: String,
    alerts: Vec<(String, String, Vec<u8>)>,
    shots: Vec<(Vec<u8>, bool)>,
    logged: Vec<String>,
    unlogged: usize,
    receiver: String,
}

/// Shots 1, 2, 5 and 6 of a gun that a room has had from the beginning.
fn bench_with_hole() -> (Bench, PaperDriver) {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    bench.deliver(&[
        driver.custody(1, 0, at(0)),
        driver.run(1, 2, None),
        driver.run(5, 6, None),
    ]);
    (bench, driver)
}

fn now() -> Timestamp {
    at(2_000)
}

pub(super) fn arrivals(blocks: &[RecordBlock]) -> Vec<Arrival> {
    let block = |block: &RecordBlock| Arrival::Block {
        block: Box::new(block.clone()),
        way: Way::Live,
    };
    blocks.iter().map(block).collect()
}

fn undisturbed() -> Effect {
    let mut bench = Bench::new();
    for block in sample_treatment() {
        bench.deliver(&[block]);
    }
    bench.assert_ledger_sound();
    bench.effect()
}

#[test]
fn a_treatment_is_stored_judged_alarmed_sealed_and_logged() {
    let mut bench = Bench::new();
    let committed = bench.deliver(&sample_treatment());
    let effect = bench.effect();
    assert_eq!(effect.shots.len(), 6);
    assert!(effect.is_sealed);
    assert_eq!(effect.unlogged, 0);
    assert_eq!(effect.alerts.len(), 1, "one hard breach, one alert");
    let settled: Vec<u64> = committed
        .watermarks
        .iter()
        .map(|w| w.message.settled_to)
        .collect();
    assert_eq!(settled, [3, 3], "gun and room");
    assert_eq!(committed.news.shots.len(), 6);
    bench.assert_ledger_sound();
}

/// The last step before the power fails.
#[derive(Clone, Copy, Debug)]
enum Step {
    Prepare,
    Store,
    Log,
    Watermark,
}

#[test]
fn a_kill_after_any_step_changes_nothing_in_the_end() {
    let expected = undisturbed();
    let steps = [Step::Prepare, Step::Store, Step::Log, Step::Watermark];
    for last in steps {
        for broken_at in 0..sample_treatment().len() {
            let mut bench = Bench::new();
            for (index, block) in sample_treatment().iter().enumerate() {
                if index == broken_at {
                    crash_in(&mut bench, block, last);
                    bench.restart();
                }
                // Nothing was acknowledged, so it comes again; after the kill as well as without.
                bench.deliver(std::slice::from_ref(block));
            }
            bench.assert_ledger_sound();
            assert_eq!(bench.effect(), expected, "{last:?} in block {broken_at}");
        }
    }
}

fn crash_in(bench: &mut Bench, block: &RecordBlock, last: Step) {
    let ingest = bench.ingest();
    let prepared = ingest
        .prepare(arrivals(std::slice::from_ref(block)), now())
        .unwrap();
    if matches!(last, Step::Prepare) {
        return;
    }
    let stored = ingest.store(prepared).unwrap();
    if matches!(last, Step::Store) {
        return;
    }
    let logged = ingest.log(stored, now()).unwrap();
    if matches!(last, Step::Log) {
        return;
    }
    ingest.finish(logged);
}

#[test]
fn a_restart_says_the_watermarks_again() {
    let mut bench = Bench::new();
    let before = bench.deliver(&sample_treatment()).watermarks;
    let after = bench.restart().watermarks;
    assert_eq!(after, before);
    let born = bench.ingest().watermarks_of(
        &sample_clinic(),
        &sample_driver(),
        PaperDriver::new().incarnation,
    );
    assert_eq!(born, before);
}

#[test]
fn what_was_stored_and_not_logged_is_logged_at_the_start() {
    let mut bench = Bench::new();
    let block = &sample_treatment()[0];
    crash_in(&mut bench, block, Step::Store);
    let committed = bench.restart();
    assert_eq!(committed.watermarks[0].message.settled_to, 1);
    assert_eq!(bench.effect().unlogged, 0);
    let again = bench.deliver(std::slice::from_ref(block));
    assert_eq!(again.news.blocks_again_count, 1);
}

#[test]
fn a_clinic_that_nobody_let_in_stores_nothing() {
    let mut bench = Bench::new();
    bench.ingest().options.clinics.clear();
    let committed = bench.deliver(&sample_treatment()[..1]);
    assert_eq!(committed.news.quarantined_count, 1);
    assert_eq!(committed.news.block_count, 0);
    assert!(committed.watermarks.is_empty());
}

#[test]
fn the_same_shot_in_another_block_is_counted_and_not_stored_twice() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    bench.deliver(&[driver.run(1, 3, None)]);
    let mut other = sample_shot(3, 2_500);
    other.at = at(77);
    let committed = bench.deliver(&[driver.shots(vec![other, sample_shot(4, 2_500)], None)]);
    assert_eq!(committed.news.shots.len(), 1);
    assert_eq!(
        committed.news.quarantined_count, 0,
        "another time is no other shot"
    );
    let totals = bench.store().read().totals().unwrap();
    assert_eq!((totals.shot_count, totals.shots_again_count), (4, 1));
}

#[test]
fn the_same_shot_with_other_fields_goes_into_quarantine_and_the_first_copy_stays() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    bench.deliver(&[driver.run(1, 3, None)]);
    let forged = driver.shots(vec![sample_shot(3, 2_600)], None);
    let committed = bench.deliver(&[forged]);
    assert_eq!(committed.news.quarantined_count, 1);
    let stored = bench
        .store()
        .read()
        .shot(&sample_shot(3, 0).identity)
        .unwrap();
    assert_eq!(stored, Some(sample_shot(3, 2_500)));
}

#[test]
fn another_block_in_the_same_place_goes_into_quarantine() {
    let mut bench = Bench::new();
    bench.deliver(&[PaperDriver::new().run(1, 3, None)]);
    let other = PaperDriver::new().run(1, 2, None);
    let committed = bench.deliver(&[other]);
    assert_eq!(committed.news.quarantined_count, 1);
    assert_eq!(committed.news.conflict_count, 1);
    let reader = bench.store().read();
    assert_eq!(
        reader
            .select_blocks(&BlockSelection::default(), 9)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_driver_whose_block_is_another_one_hears_which_is_held_and_that_its_own_is_not() {
    let mut bench = Bench::new();
    let mut first = PaperDriver::new();
    let held = first.run(1, 3, None);
    bench.deliver(std::slice::from_ref(&held));
    // A copy of its journal from before gives the number to another block, and goes on from there.
    let mut copy = PaperDriver::new();
    let forked = [copy.run(1, 2, None), copy.run(3, 5, None)];
    let committed = bench.deliver(&forked);
    let said = &committed.watermarks[0].message;
    assert_eq!((said.settled_to, said.settled_ranges.len()), (1, 0));
    let named = meso_contract::NumberedHash::new(1, &held.hash());
    assert_eq!(said.settled_hashes, [named]);
    assert_eq!(committed.news.conflict_count, 2);
    let again = bench.deliver(&forked);
    assert_eq!(again.watermarks[0].message, *said, "as often as it asks");
    let kept = bench.store().read().quarantined(9).unwrap();
    assert_eq!(kept.len(), 2, "once each: {kept:?}");
}

#[test]
fn a_session_is_not_sealed_before_its_last_shot_or_a_gap_in_its_place() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let session = Some(sample_session());
    let opened = driver.event(opened(sample_session()));
    let first = driver.run(1, 2, session);
    let ended = driver.event(ended(sample_session(), 4));
    bench.deliver(&[opened, first, ended]);
    assert!(!bench.effect().is_sealed, "shots 3 and 4 are missing");
    bench.restart();
    let committed = bench.deliver(&[driver.gap(3, 4)]);
    assert!(bench.effect().is_sealed);
    assert!(committed.news.sessions.contains(&sample_session()));
    assert_eq!(committed.news.declared_missing.get(&sample_gun()), Some(&2));
}

#[test]
fn a_hole_that_another_life_of_the_journal_left_holds_up_no_seal() {
    let mut bench = Bench::new();
    let mut lost = PaperDriver::new();
    lost.incarnation = meso_units::JournalIncarnation(0xdead);
    let other = meso_units::SessionId::from_bytes([0x0d; 16]);
    lost.event(opened(other));
    bench.deliver(&[lost.event(segment(other))]);
    let blocks = sample_treatment();
    bench.deliver(&blocks[..4]);
    bench.deliver(&blocks[5..]);
    assert!(!bench.effect().is_sealed, "shots 5 and 6 are missing");
    bench.restart();
    bench.deliver(&blocks[4..5]);
    assert!(bench.effect().is_sealed);
}

#[test]
fn a_session_whose_earlier_events_are_on_their_way_is_not_sealed() {
    let blocks = sample_treatment();
    for is_restarted in [false, true] {
        let mut bench = Bench::new();
        bench.deliver(&blocks[..1]);
        bench.deliver(&blocks[2..]);
        assert!(!bench.effect().is_sealed, "its segment is missing");
        if is_restarted {
            bench.restart();
        }
        bench.deliver(&blocks[1..2]);
        assert!(bench.effect().is_sealed);
    }
}

#[test]
fn an_alert_is_acknowledged_once_and_stays_so_over_a_restart() {
    let mut bench = Bench::new();
    bench.deliver(&sample_treatment());
    let id = bench.effect().alerts[0].0.clone();
    let id = meso_alerts::AlertId::parse(&id).unwrap();
    let by = meso_units::OperatorId::parse("fleet-1").unwrap();
    let deed = meso_alerts::Deed::Acknowledge { by };
    for _ in 0..2 {
        let prepared = bench.ingest().prepare_deed(id, &deed, now()).unwrap();
        let stored = bench.ingest().store(prepared).unwrap();
        bench.ingest().log(stored, now()).unwrap();
    }
    let leaves = bench.store().read().leaf_count().unwrap();
    assert_eq!(leaves, 2, "the treatment and one acknowledgement");
    bench.restart();
    assert_ne!(bench.effect().alerts[0].1, "open");
}

#[test]
fn imported_blocks_are_stored_and_logged_without_alerts() {
    let mut bench = Bench::new();
    let arrivals = sample_treatment().into_iter().map(|block| Arrival::Block {
        block: Box::new(block),
        way: Way::Import,
    });
    let committed = bench.ingest().commit(arrivals.collect(), now()).unwrap();
    assert!(committed.news.shots.is_empty() && committed.watermarks.is_empty());
    let effect = bench.effect();
    assert_eq!(
        (effect.shots.len(), effect.alerts.len(), effect.is_sealed),
        (6, 0, true)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_grouping_and_any_repetition_of_blocks_has_the_same_effect(
        order in prop::collection::vec((0_usize..6, any::<bool>()), 0..12),
    ) {
        let blocks = sample_treatment();
        let mut bench = Bench::new();
        // Each stream in order, with repetitions of what went before, grouped and cut anywhere.
        let mut sent = 0;
        let mut batch = Vec::new();
        for (pick, flush) in order {
            let next = pick.min(sent);
            sent = sent.max(next + 1).min(blocks.len());
            batch.push(blocks[next.min(blocks.len() - 1)].clone());
            if flush {
                bench.deliver(&std::mem::take(&mut batch));
            }
        }
        bench.deliver(&batch);
        bench.deliver(&blocks);
        bench.assert_ledger_sound();
        let effect = bench.effect();
        prop_assert_eq!(effect.shots.len(), 6);
        prop_assert_eq!(effect, undisturbed());
    }
}
