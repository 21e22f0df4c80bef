//! Shots that come behind the window change verdicts: that is stored, shown, and an alert.

use std::collections::BTreeMap;
use std::sync::Arc;

use meso_alerts::Alert;
use meso_domain::{Rule, Severity};
use meso_limits::{Library, assemble_release};

use super::courses::run;
use super::*;

/// 300 shots of 18 µl are 5.4 ml.
const SHOT_COUNT: u32 = 300;

fn library() -> Arc<Library> {
    let protocol = "[[protocols]]\nid = \"mesolift-face\"\ntitle = \"t\"\nindication = \"i\"\n\
                    zones = [\"cheek\"]\ntechniques = [\"nappage\"]\n\
                    session_volume = { soft_max = \"4 ml\", hard_max = \"5 ml\", source = \"s\" }\n";
    Arc::new(Library::parse(&assemble_release(1, true, &[protocol])).unwrap())
}

fn open_bench() -> Bench {
    let mut bench = Bench::new();
    bench.library = Some(library());
    bench.restart();
    bench
}

fn session() -> Vec<RecordBlock> {
    let mut driver = PaperDriver::new();
    let mut blocks = vec![
        driver.event(opened(sample_session())),
        driver.event(segment(sample_session())),
    ];
    let firsts = (1..=SHOT_COUNT).step_by(50);
    blocks.extend(firsts.map(|first| run(&mut driver, first, first + 49)));
    blocks
}

/// The worst severity and value of the alerts of each rule, gun and session. Which shots pass the limit
/// of a sum, and so how many episodes there are, is a matter of their order; that it was passed, and by
/// how much in the end, is not.
fn alerts(bench: &mut Bench) -> BTreeMap<String, (Severity, i64)> {
    let selection = meso_store::AlertSelection::default();
    let rows = bench.store().read().alerts(&selection, 99).unwrap();
    let mut worst = BTreeMap::new();
    for row in rows {
        let alert = Alert::from_canonical(&row.body).unwrap();
        let subject = format!("{:?}", alert.key.subject);
        let this = (alert.severity, alert.worst.value());
        let known = worst.entry(subject).or_insert(this);
        *known = this.max(*known);
    }
    worst
}

#[test]
fn a_late_finding_is_stored_and_raises_the_alert_that_the_shots_in_order_would_have() {
    let blocks = session();
    let mut in_order = open_bench();
    in_order.deliver(&blocks);
    let expected = alerts(&mut in_order);
    assert_eq!(expected.len(), 1, "{expected:?}");
    assert!(
        expected
            .values()
            .all(|worst| *worst == (Severity::Hard, 5_400_000))
    );

    let mut late = open_bench();
    late.deliver(&blocks[..2]);
    late.deliver(&blocks[7..]);
    for block in blocks[2..7].iter().rev() {
        late.deliver(std::slice::from_ref(block));
    }
    assert_eq!(alerts(&mut late), expected);
    let reader = late.store().read();
    let stored = reader.late_findings(sample_session(), 99).unwrap();
    let last = stored.last().unwrap().after.unwrap();
    assert_eq!(
        (last.rule, last.severity),
        (Rule::SessionVolume, Severity::Hard)
    );
    assert_eq!(last.value, 5_400_000);
    let before = late
        .store()
        .read()
        .late_findings(sample_session(), 99)
        .unwrap();
    late.restart();
    late.deliver(&blocks);
    let after = late
        .store()
        .read()
        .late_findings(sample_session(), 99)
        .unwrap();
    assert_eq!(after, before, "told once");
    assert_eq!(alerts(&mut late), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_with_duplicates_and_restarts_has_the_same_alerts_totals_and_verdict(
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        restarts in prop::collection::vec(prop::bool::weighted(0.3), 8),
        repeated in prop::collection::vec(0..8_usize, 0..4),
    ) {
        let blocks = session();
        let mut in_order = open_bench();
        in_order.deliver(&blocks);
        let mut bench = open_bench();
        for (index, is_restarted) in order.iter().zip(&restarts) {
            bench.deliver(std::slice::from_ref(&blocks[*index]));
            if *is_restarted {
                bench.restart();
            }
        }
        for index in repeated {
            bench.deliver(std::slice::from_ref(&blocks[index]));
        }
        prop_assert_eq!(alerts(&mut bench), alerts(&mut in_order));
        let verdict = |bench: &mut Bench| bench.ingest().judge.verdict(sample_session());
        prop_assert_eq!(verdict(&mut bench), verdict(&mut in_order));
        let (effect, expected) = (bench.effect(), in_order.effect());
        let sums = |counts: Option<String>| {
            counts.map(|text| text.split(", soft_count").next().map(str::to_owned))
        };
        prop_assert_eq!(sums(effect.counts), sums(expected.counts));
        prop_assert_eq!(effect.receiver, expected.receiver);
    }
}
