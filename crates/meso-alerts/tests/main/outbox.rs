//! What is told to whom, and how often.

use meso_alerts::{Alerts, Channel, Item, Outbox, QuietHours};
use meso_domain::Severity;
use meso_units::ClinicId;

use crate::world::*;

const MINUTE_MS: i64 = 60_000;

fn channel(name: &str) -> Channel {
    Channel {
        name: name.to_owned(),
        severity_min: Severity::Soft,
        interval_ns: 60 * 1_000_000_000,
        quiet: None,
    }
}

/// The news of one alert.
fn items(samples: &[Sample]) -> Vec<Item> {
    let mut alerts = Alerts::default();
    let outcome = give(&mut alerts, samples);
    let item = |notification: &meso_alerts::Notification| {
        Item::of(notification, alerts.alert(notification.alert).unwrap())
    };
    outcome.notifications.iter().map(item).collect()
}

fn noon(_: &ClinicId) -> u16 {
    720
}

#[test]
fn news_goes_out_once_and_what_comes_meanwhile_goes_together() {
    let mut outbox = Outbox::new(vec![channel("ops")]);
    let news = items(&[Sample::soft(1, 0), Sample::hard(2, 100)]);
    assert_eq!(outbox.post(&news[0]), ["ops"]);
    assert!(outbox.post(&news[0]).is_empty(), "the same again");
    let first = outbox.due(at(0), noon);
    assert_eq!(first[0].items.len(), 1);
    outbox.post(&news[1]);
    assert!(outbox.due(at(10), noon).is_empty(), "one is under way");
    outbox.delivered("ops", first[0].number, at(20));
    assert!(
        outbox.due(at(20), noon).is_empty(),
        "the interval is not over"
    );
    let second = outbox.due(at(20 + MINUTE_MS), noon);
    assert_eq!(second[0].items[0].kind, "worsened");
    outbox.delivered("ops", second[0].number, at(30 + MINUTE_MS));
    assert_eq!(outbox.waiting_count("ops"), 0);
    outbox.delivered("ops", 7, at(40 + MINUTE_MS));
}

#[test]
fn a_letter_that_fails_goes_out_again_as_it_was_after_ever_longer_waits() {
    let mut outbox = Outbox::new(vec![channel("ops")]);
    let news = items(&[Sample::soft(1, 0), Sample::hard(2, 100)]);
    outbox.post(&news[0]);
    let first = outbox.due(at(0), noon);
    outbox.post(&news[1]);
    let mut now_ms = 0;
    for wait_ms in [1_000, 2_000, 4_000, 8_000] {
        outbox.failed("ops", 1, at(now_ms), 1_000);
        assert!(outbox.due(at(now_ms + wait_ms - 1), noon).is_empty());
        now_ms += wait_ms;
        assert_eq!(outbox.due(at(now_ms), noon), first);
    }
    for _ in 0..70 {
        outbox.failed("ops", 1, at(now_ms), 1_000);
        now_ms += Outbox::RETRY_NS_MAX / 1_000_000;
        assert_eq!(outbox.due(at(now_ms), noon), first, "there is no last try");
    }
}

#[test]
fn nothing_that_waits_is_lost_over_a_restart() {
    let mut outbox = Outbox::new(vec![channel("ops"), channel("gone")]);
    let news = items(&[Sample::soft(1, 0), Sample::hard(2, 100)]);
    outbox.post(&news[0]);
    let before = outbox.due(at(0), noon);
    outbox.post(&news[1]);
    let mut after = Outbox::new(vec![channel("ops")]);
    after.restore("ops", &outbox.channel_state("ops")).unwrap();
    after
        .restore("gone", &outbox.channel_state("gone"))
        .unwrap();
    assert_eq!(after.due(at(5), noon)[0], before[0], "the same letter");
    assert_eq!(after.waiting_count("ops"), 2);
    assert_eq!(after.waiting_count("gone"), 0);
    assert!(after.restore("ops", &[9]).is_err());
}

#[test]
fn soft_news_waits_for_the_end_of_the_quiet_hours_and_hard_news_does_not() {
    let quiet = QuietHours::new(22 * 60, 7 * 60);
    let mut outbox = Outbox::new(vec![Channel {
        quiet,
        ..channel("ops")
    }]);
    for item in items(&[Sample::soft(1, 0), Sample::hard(2, 100)]) {
        outbox.post(&item);
    }
    let night = outbox.due(at(0), |_| 23 * 60);
    assert_eq!(night[0].items.len(), 1);
    assert_eq!(night[0].items[0].severity, Severity::Hard);
    outbox.delivered("ops", night[0].number, at(1));
    assert!(outbox.due(at(2 * MINUTE_MS), |_| 6 * 60 + 59).is_empty());
    assert_eq!(outbox.due(at(3 * MINUTE_MS), |_| 7 * 60)[0].items.len(), 1);
}

#[test]
fn quiet_hours_may_pass_midnight() {
    let night = QuietHours::new(1_320, 420).unwrap();
    let held: Vec<bool> = [1_319, 1_320, 1_439, 0, 419, 420]
        .map(|m| night.holds(m))
        .into();
    assert_eq!(held, [false, true, true, true, true, false]);
    let day = QuietHours::new(60, 120).unwrap();
    assert!(day.holds(60) && !day.holds(120));
    assert!(QuietHours::new(1_440, 0).is_none() && QuietHours::new(5, 5).is_none());
}

#[test]
fn a_channel_hears_only_what_is_severe_enough() {
    let hard_only = Channel {
        severity_min: Severity::Hard,
        ..channel("pager")
    };
    let mut outbox = Outbox::new(vec![hard_only, channel("ops")]);
    let news = items(&[Sample::soft(1, 0), Sample::hard(2, 100)]);
    assert_eq!(outbox.post(&news[0]), ["ops"]);
    assert_eq!(outbox.post(&news[1]), ["pager", "ops"]);
}

#[test]
fn of_too_much_the_oldest_soft_news_is_folded_and_counted() {
    let mut outbox = Outbox::new(vec![channel("ops")]);
    let news = items(&[Sample::soft(1, 0), Sample::hard(2, 100)]);
    let numbered = |of: &Item, number: usize| {
        let mut item = of.clone();
        item.idempotency_key = number.to_string();
        item
    };
    outbox.post(&numbered(&news[1], 0));
    for number in 1..Outbox::WAITING_COUNT_MAX + 10 {
        outbox.post(&numbered(&news[0], number));
    }
    assert_eq!(outbox.waiting_count("ops"), Outbox::WAITING_COUNT_MAX);
    let letter = outbox.due(at(0), noon).remove(0);
    assert_eq!(letter.items.len(), Outbox::LETTER_ITEMS_MAX);
    assert_eq!(
        (letter.folded_count, letter.items[0].severity),
        (10, Severity::Hard)
    );
}

/// Every shot of 64 guns is too deep for a minute.
#[test]
fn a_storm_is_one_alert_an_episode_and_two_letters_and_nothing_is_lost() {
    let mut alerts = Alerts::default();
    let mut outbox = Outbox::new(vec![channel("ops")]);
    let names: Vec<&'static str> = (0..64)
        .map(|number| &*Box::leak(format!("GUN-{number:04}").into_boxed_str()))
        .collect();
    let mut letters = Vec::new();
    for counter in 1..=540_u32 {
        let at_ms = i64::from(counter) * 111;
        for gun in &names {
            let shot = Sample {
                gun,
                ..Sample::hard(counter, at_ms)
            };
            for notification in shot.give(&mut alerts).notifications {
                let alert = alerts.alert(notification.alert).unwrap();
                outbox.post(&Item::of(&notification, alert));
            }
        }
        for letter in outbox.due(at(at_ms), noon) {
            outbox.delivered("ops", letter.number, at(at_ms));
            letters.push(letter);
        }
    }
    letters.extend(outbox.due(at(200_000), noon));
    assert_eq!(alerts.alerts().count(), 64, "one for each gun");
    assert!(alerts.alerts().all(|alert| alert.shot_count == 540));
    let told: usize = letters.iter().map(|letter| letter.items.len()).sum();
    assert_eq!(told, 64, "every alert was told once");
    assert!(letters.len() <= 2, "{} letters", letters.len());
}
