//! Letters about alerts: durable before they leave, the same after a restart.

use std::collections::BTreeSet;

use meso_alerts::{Channel, Letter};
use meso_domain::{Severity, Shot};

use super::*;

fn policy() -> AlertPolicy {
    AlertPolicy {
        channels: vec![Channel {
            name: "ops".to_owned(),
            severity_min: Severity::Soft,
            interval_ns: 60 * 1_000_000_000,
            quiet: None,
        }],
        ..AlertPolicy::default()
    }
}

fn keys(letter: &Letter) -> Vec<&str> {
    let items = letter.items.iter();
    items.map(|item| item.idempotency_key.as_str()).collect()
}

fn posted(number: u64, has_arrived: bool) -> Posted {
    Posted {
        channel: "ops".to_owned(),
        number,
        has_arrived,
    }
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns(now().unix_ns() + seconds * 1_000_000_000).unwrap()
}

#[test]
fn a_letter_that_has_not_arrived_goes_out_after_a_restart_under_the_same_keys() {
    let mut bench = Bench::with(policy());
    let blocks = sample_treatment();
    let first = bench.deliver(&blocks[..4]).news.letters.remove(0);
    assert_eq!(first.items[0].kind, "opened");
    // Killed while it was under way, and after something else had happened.
    let mut other = PaperDriver::new();
    other.incarnation = meso_units::JournalIncarnation(0xdef);
    let deep = other.shots(vec![sample_shot(200, 10_800)], None);
    bench.deliver(std::slice::from_ref(&deep));
    bench.restart();
    let again = bench
        .take(|ingest| ingest.prepare_tick(now(), Look::default()))
        .news
        .letters;
    assert_eq!(again, std::slice::from_ref(&first));
    // Killed again after it had failed once.
    bench.take(|ingest| ingest.prepare_posted(&posted(1, false), now(), 0));
    bench.restart();
    let early = bench.take(|ingest| ingest.prepare_tick(now(), Look::default()));
    assert!(early.news.letters.is_empty(), "it waits after a failure");
    let third = bench.take(|ingest| ingest.prepare_tick(later(5), Look::default()));
    assert_eq!(keys(&third.news.letters[0]), keys(&first));
    bench.take(|ingest| ingest.prepare_posted(&posted(1, true), now(), 0));
    bench.restart();
    let none = bench.take(|ingest| ingest.prepare_tick(later(600), Look::default()));
    let told_again = none.news.letters.iter().flat_map(keys);
    let first: BTreeSet<&str> = keys(&first).into_iter().collect();
    assert!(told_again.into_iter().all(|key| !first.contains(key)));
}

#[test]
fn what_happens_between_two_letters_is_in_the_second_also_over_a_restart() {
    let mut bench = Bench::with(policy());
    let blocks = sample_treatment();
    let first = bench.deliver(&blocks[..4]).news.letters.remove(0);
    bench.take(|ingest| ingest.prepare_posted(&posted(1, true), now(), 0));
    // A second breach while the channel rests.
    let mut other = PaperDriver::new();
    other.incarnation = meso_units::JournalIncarnation(0xdef);
    let deep = other.shots(vec![sample_shot(200, 10_800)], None);
    let resting = bench.deliver(std::slice::from_ref(&deep));
    assert!(resting.news.letters.is_empty(), "the interval is not over");
    assert_eq!(bench.ingest().waiting_count("ops"), 1);
    bench.restart();
    assert_eq!(bench.ingest().waiting_count("ops"), 1);
    let second = bench.take(|ingest| ingest.prepare_tick(later(61), Look::default()));
    let second = second.news.letters;
    assert_eq!(second[0].number, 2);
    assert!(
        keys(&second[0])
            .iter()
            .all(|key| !keys(&first).contains(key))
    );
    // Killed while it was under way: what happens after that is in no letter of that number.
    bench.restart();
    let third = other.shots(vec![sample_shot(300, 10_800)], None);
    bench.deliver(std::slice::from_ref(&third));
    let again = bench.take(|ingest| ingest.prepare_tick(later(62), Look::default()));
    assert_eq!(again.news.letters, second);
}

#[test]
fn a_channel_that_is_configured_no_more_keeps_what_it_had_for_when_it_comes_back() {
    let mut bench = Bench::with(policy());
    bench.deliver(&sample_treatment()[..4]);
    bench.alerts = AlertPolicy::default();
    bench.restart();
    let none = bench.take(|ingest| ingest.prepare_tick(now(), Look::default()));
    assert!(none.news.letters.is_empty());
    bench.alerts = policy();
    bench.restart();
    let back = bench.take(|ingest| ingest.prepare_tick(now(), Look::default()));
    assert_eq!(back.news.letters[0].number, 1);
}

#[test]
fn an_alert_that_became_part_of_another_is_known_as_that_after_a_restart() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let deep = |counter| vec![sample_shot(counter, 10_800)];
    bench.deliver(&[driver.shots(deep(1), None), driver.shots(deep(100), None)]);
    let late = driver.shots(deep(50), None);
    bench.deliver(std::slice::from_ref(&late));
    bench.restart();
    let alerts = bench.effect().alerts;
    let states: Vec<&str> = alerts.iter().map(|(_, state, _)| state.as_str()).collect();
    assert!(
        states.contains(&"merged") && states.len() == 2,
        "{states:?}"
    );
    let merged = alerts
        .iter()
        .find(|(_, state, _)| state == "merged")
        .unwrap();
    let id = meso_alerts::AlertId::parse(&merged.0).unwrap();
    let by = meso_units::OperatorId::parse("fleet-1").unwrap();
    let deed = meso_alerts::Deed::Acknowledge { by };
    let refused = bench.ingest().prepare_deed(id, &deed, now());
    let Err(IngestError::Alert { source }) = refused else {
        panic!("a part of another alert was acknowledged");
    };
    assert!(
        matches!(source, meso_alerts::AlertError::Merged { .. }),
        "{source}"
    );
    // The shot that made one of two comes again, and so does one of the later episode.
    bench.deliver(&[late, PaperDriver::new().shots(deep(1), None)]);
    assert_eq!(bench.effect().alerts.len(), 2);
}

/// The shots of one gun of the storm.
fn deep_shot(gun: usize, counter: u32) -> Shot {
    let mut shot = sample_shot(counter, 10_800);
    shot.identity.gun = meso_units::GunSerial::parse(&format!("GUN-{gun:04}")).unwrap();
    // Nine a second.
    shot.at = Timestamp::from_unix_ns(at(0).unix_ns() + i64::from(counter) * 111_111_111).unwrap();
    shot
}

/// Every shot of 64 guns is too deep, blocks come twice, and the server is killed in the middle.
#[test]
fn a_storm_is_one_alert_for_each_gun_and_few_letters_and_nothing_is_lost() {
    const GUNS: usize = 64;
    let seconds: u32 = match std::env::var("MESOFLEET_STORM_SECONDS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 4,
    };
    let mut bench = Bench::with(policy());
    let mut drivers: Vec<PaperDriver> = (0..GUNS)
        .map(|gun| {
            let mut driver = PaperDriver::new();
            driver.incarnation = meso_units::JournalIncarnation(gun as u64 + 1);
            driver
        })
        .collect();
    let mut letters: Vec<Letter> = Vec::new();
    let mut post = |bench: &mut Bench, given: Vec<Letter>, second: u32| {
        for letter in given {
            let arrived = posted(letter.number, true);
            bench.take(|ingest| ingest.prepare_posted(&arrived, later(second.into()), 0));
            letters.push(letter);
        }
    };
    for second in 0..seconds {
        let blocks: Vec<RecordBlock> = drivers
            .iter_mut()
            .enumerate()
            .map(|(gun, driver)| {
                let counters = second * 9 + 1..=second * 9 + 9;
                driver.shots(
                    counters.map(|counter| deep_shot(gun, counter)).collect(),
                    None,
                )
            })
            .collect();
        let committed = bench.deliver(&blocks);
        post(&mut bench, committed.news.letters, second);
        if second == seconds / 2 {
            bench.restart();
            let again = bench.deliver(&blocks);
            assert_eq!(again.news.blocks_again_count, GUNS as u64);
        }
    }
    let last =
        bench.take(|ingest| ingest.prepare_tick(later(i64::from(seconds) + 61), Look::default()));
    post(&mut bench, last.news.letters, seconds + 61);
    let reader = bench.store().read();
    let rows = reader
        .alerts(&meso_store::AlertSelection::default(), 1_000)
        .unwrap();
    let shots_of: Vec<u64> = rows
        .iter()
        .map(|row| meso_alerts::Alert::from_canonical(&row.body).unwrap())
        .filter(|alert| alert.key.subject.rule() == Some(meso_domain::Rule::NeedleDepth))
        .map(|alert| alert.shot_count)
        .collect();
    assert_eq!(shots_of, vec![u64::from(seconds) * 9; GUNS]);
    let stored = reader.totals().unwrap().shot_count;
    assert_eq!(stored, u64::from(seconds) * 9 * GUNS as u64);
    let told: Vec<&str> = letters.iter().flat_map(keys).collect();
    let different: BTreeSet<&&str> = told.iter().collect();
    assert_eq!(different.len(), told.len(), "nothing was told twice");
    assert_eq!(told.len(), rows.len(), "every alert was told");
    let most = 2 + seconds as usize / 60 + rows.len() / meso_alerts::Outbox::LETTER_ITEMS_MAX;
    assert!(letters.len() <= most, "{} letters", letters.len());
}
