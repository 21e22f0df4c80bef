//! Guns that start again, hang, run full or forget.

use std::time::Duration;

use meso_domain::{GapReason, GapState};
use meso_testkit::gun::bank::{BankGun, Order};
use meso_tests::sandbox::wait_until;
use meso_units::ShotCounter;

use crate::scene::{FAST, GUN, Scene, gun};

/// So slow that only bursts count.
const SLOW: Duration = Duration::from_secs(3_600);

#[test]
fn a_gun_that_is_reset_with_shots_in_its_ring_loses_none_of_them() {
    let scene = Scene::start(gun(FAST));
    scene.wait_for_more(5);
    scene.unplug();
    scene.order(Order::FireBurst(30));
    scene.order(Order::Reset);
    scene.plug();
    scene.wait_for_more(40);
    let outcome = scene.finish();
    assert_eq!(outcome.epochs().len(), 1, "its memory kept the epoch");
    let boots = outcome.fired.iter().map(|shot| shot.boot_id);
    assert_eq!(boots.collect::<std::collections::BTreeSet<_>>().len(), 2);
    outcome.assert_whole();
}

#[test]
fn a_power_cut_of_a_volatile_ring_is_declared_with_its_count_unknown() {
    let scene = Scene::start(gun(FAST));
    scene.wait_for_more(5);
    scene.unplug();
    scene.order(Order::FireBurst(12));
    scene.order(Order::CutPower);
    scene.plug();
    scene.wait_for_more(5);
    let outcome = scene.finish();
    assert_eq!(outcome.epochs().len(), 2, "a new epoch");
    let gap = outcome.assert_only_missing(GapReason::EpochClosed);
    assert_eq!(gap.last, None, "nobody can know how many");
    assert!(outcome.found.missing.len() >= 12, "{:?}", outcome.found);
    let first_missing = outcome.found.missing.iter().map(|(_, _, counter)| *counter);
    assert_eq!(Some(gap.first.get()), first_missing.min());
}

#[test]
fn a_gun_that_hangs_is_noticed_and_goes_on_when_it_wakes() {
    let scene = Scene::start(gun(FAST));
    scene.wait_for_more(5);
    scene.order(Order::Hang(true));
    scene.wait_until_attached(false);
    scene.order(Order::Hang(false));
    scene.wait_until_attached(true);
    scene.wait_for_more(5);
    scene.finish().assert_whole();
}

#[test]
fn a_ring_that_overflows_reaches_the_record_as_a_declared_gap() {
    let ring_shots_max = 32;
    let small = BankGun {
        ring_shots_max,
        ..gun(SLOW)
    };
    let scene = Scene::start(small);
    scene.order(Order::FireBurst(10));
    scene.wait_for_all();
    scene.unplug();
    let fired = scene.order(Order::FireBurst(100));
    scene.plug();
    scene.wait_until_attached(true);
    let outcome = scene.finish();
    let gap = outcome.assert_only_missing(GapReason::RingOverflow);
    let lost = u64::try_from(outcome.found.missing.len()).unwrap();
    assert_eq!(gap.shot_count(), Some(lost), "the gap says how many");
    let oldest_kept = fired - ring_shots_max as u64 + 1;
    assert!(u64::from(gap.last.unwrap().get()) + 1 >= oldest_kept);
}

#[test]
fn a_counter_that_went_back_under_an_unchanged_epoch_ends_the_epoch() {
    let scene = Scene::start(gun(SLOW));
    scene.order(Order::FireBurst(20));
    scene.wait_for_all();
    let epoch = scene.epoch();
    let before = 20;
    scene.unplug();
    scene.order(Order::ForgetNewest(10));
    scene.order(Order::FireBurst(3));
    scene.plug();
    wait_until("the gun gets another epoch", || {
        let gun = scene.driver.gun(GUN);
        gun.is_some_and(|gun| gun.epoch.is_some_and(|now| now != epoch))
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", scene.driver.log()));
    // Read once more before the epoch ended: ten of the old shots, and three under used numbers.
    let salvaged = scene.driver.gun(GUN).unwrap().salvaged_shots;
    assert_eq!(salvaged, 13);
    scene.order(Order::FireBurst(5));
    let outcome = scene.finish();
    assert_eq!(outcome.epochs().len(), 2);
    let [gap] = &outcome.stored.gaps[..] else {
        panic!("not one gap: {:?}", outcome.stored.gaps);
    };
    let why = (GapState::Declared, GapReason::EpochClosed);
    assert_eq!((gap.state, gap.reason), why);
    assert_eq!((gap.first, gap.last), (ShotCounter(21), None));
    // Under a number that was used twice the first shot is kept; the other is in quarantine.
    let last_epoch = outcome.epochs()[1];
    let shots = &outcome.stored.shots;
    let count_of = |epoch| {
        shots
            .iter()
            .filter(|shot| shot.identity.epoch.get() == epoch)
            .count()
    };
    assert_eq!(count_of(outcome.epochs()[0]), before);
    assert_eq!(count_of(last_epoch), 5);
    assert_eq!(outcome.found.too_many, 0);
}
