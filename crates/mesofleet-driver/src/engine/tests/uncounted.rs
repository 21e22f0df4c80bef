//! Guns whose shots this host numbers.

use meso_serial::{CompletenessGrade, DetachReason};

use super::*;

fn attached(grade: CompletenessGrade) -> Vec<GunEvent> {
    vec![
        GunEvent::Grade(grade),
        GunEvent::Attached(Box::new(hello(Some(EPOCH), 0, 0))),
        GunEvent::Grade(grade),
    ]
}

fn pulled() -> GunEvent {
    let reason = DetachReason::HungUp;
    GunEvent::Detached { reason }
}

/// First and last counter of each gap, and its reason.
fn named(records: &[Record]) -> Vec<(u32, Option<u32>, GapReason)> {
    let gaps = gaps_of(records).into_iter();
    let name = |gap: &Gap| (gap.first.get(), gap.last.map(|last| last.get()), gap.reason);
    gaps.map(name).collect()
}

#[test]
fn its_epoch_begins_with_word_that_the_gun_does_not_count() {
    let mut bench = Bench::new();
    let (_, records) = bench.hear(attached(CompletenessGrade::NotProvable));
    assert_eq!(named(&records), [(1, None, GapReason::NotCounted)]);
    let (_, records) = bench.hear(attached(CompletenessGrade::NotProvable));
    assert_eq!(named(&records), [], "once for each epoch");
}

#[test]
fn its_epoch_ends_when_it_is_pulled_behind_the_shots_of_the_same_moment() {
    let mut bench = Bench::new();
    bench.hear(attached(CompletenessGrade::NotProvable));
    bench.hear(vec![shot(1)]);
    let (_, records) = bench.hear(vec![shot(2), shot(3), pulled()]);
    assert_eq!(named(&records), [(4, None, GapReason::EpochClosed)]);
    let state = bench.engine.room_state(bench.now(), false);
    assert_eq!(state.guns[0].epoch, None);
}

#[test]
fn its_epoch_ends_with_the_next_start_where_the_daemon_was_killed() {
    let mut bench = Bench::new();
    bench.hear(attached(CompletenessGrade::NotProvable));
    bench.hear(vec![shot(1), shot(2)]);
    let mut bench = bench.restart();
    let work = bench.engine.close_ended_epochs(bench.now());
    let records: Vec<Record> = work
        .batch
        .records
        .iter()
        .map(|new| new.record.clone())
        .collect();
    assert_eq!(named(&records), [(3, None, GapReason::EpochClosed)]);
    bench.write(work);
    let mut bench = bench.restart();
    assert!(
        bench.engine.close_ended_epochs(bench.now()).is_empty(),
        "it ends once"
    );
}

#[test]
fn a_gun_that_counts_keeps_its_epoch_through_a_pull_and_a_start() {
    let mut bench = Bench::new();
    let (_, records) = bench.hear(attached(CompletenessGrade::Counter));
    assert_eq!(named(&records), []);
    let (_, records) = bench.hear(vec![shot(1), pulled()]);
    assert_eq!(named(&records), []);
    let mut bench = bench.restart();
    assert!(bench.engine.close_ended_epochs(bench.now()).is_empty());
}

#[test]
fn the_state_for_the_server_says_how_far_its_record_can_be_proven() {
    let mut bench = Bench::new();
    bench.hear(attached(CompletenessGrade::NotProvable));
    let (_, status) = bench.engine.due_statuses(bench.now()).remove(0);
    let grade = status.completeness.unwrap();
    assert_eq!(grade, "completeness not provable");
}
