//! More than one driver.

use meso_domain::GapState;
use meso_testkit::gun::bank::Order;
use meso_testkit::gun::log::read_log;
use meso_tests::sandbox::{Driver, compare, wait_until};

use crate::scene::{FAST, GUN, Scene, gun, wait_attached, wait_for_more};

/// Waits until a driver has sent everything and the server has stored it.
fn drain(driver: &Driver) {
    wait_until("the driver's journal is settled", || {
        let state = driver.state();
        state.is_some_and(|s| s.unsealed_record_count == 0 && s.unsettled_block_count == 0)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
}

/// Everything is stored as it was fired, whoever read it, and no gap says that something is gone.
#[track_caller]
fn assert_whole_between(scene: &mut Scene) {
    let fired = read_log(&scene.bank.logs()[0]).unwrap();
    let stored = scene.sandbox.stop_and_read().unwrap();
    let found = compare(&fired, &stored);
    assert!(found.holds_every_shot(), "{found:?}");
    let declared = stored
        .gaps
        .iter()
        .filter(|gap| gap.state == GapState::Declared);
    assert_eq!(declared.count(), 0, "{:?}", stored.gaps);
    assert_eq!(stored.quarantined_count, 0);
}

#[test]
fn of_two_drivers_after_one_port_the_second_is_refused_and_takes_over_when_the_first_is_gone() {
    let mut scene = Scene::start(gun(FAST));
    scene.wait_for_more(5);
    let mut options = scene.sandbox.driver_options("room-2").unwrap();
    options.ports = scene.ports();
    let mut second = scene.sandbox.start_driver_with(options).unwrap();
    wait_until("the second driver says why", || {
        second
            .log()
            .contains("close the other program that uses it")
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", second.log()));
    scene.wait_for_more(5);
    assert!(second.gun(GUN).is_none(), "the first still has it");

    scene.driver.kill();
    wait_attached(&second, true);
    wait_for_more(&second, 5);
    // What the first had taken and not sent is in its journal.
    scene.driver.start_again().unwrap();
    scene.driver.wait_until_it_answers().unwrap();
    scene.order(Order::StopFiring);
    second.settle(&scene.newest()).unwrap();
    drain(&scene.driver);
    scene.driver.leave().unwrap();
    second.leave().unwrap();
    assert_whole_between(&mut scene);
}

#[test]
fn a_gun_that_is_carried_between_two_rooms_is_whole_at_the_server() {
    let mut scene = Scene::start(gun(FAST));
    let mut second = scene.sandbox.start_driver("room-2").unwrap();
    scene.wait_for_more(5);
    let epoch = scene.epoch();
    scene.unplug();
    let (folder, name) = (second.ports().to_owned(), GUN.to_owned());
    scene.order(Order::Plug { folder, name });
    wait_attached(&second, true);
    wait_for_more(&second, 5);
    scene.order(Order::Unplug);
    wait_attached(&second, false);
    scene.plug();
    scene.wait_until_attached(true);
    scene.wait_for_more(5);
    assert_eq!(scene.epoch(), epoch, "a gun keeps its epoch");
    scene.order(Order::StopFiring);
    scene.driver.settle(&scene.newest()).unwrap();
    drain(&second);
    scene.driver.leave().unwrap();
    second.leave().unwrap();
    assert_whole_between(&mut scene);
}
