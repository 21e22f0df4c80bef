//! A gun that fires, and what came of its shots.

use std::time::Duration;

use meso_testkit::gun::bank::{Bank, BankGun, Order};
use meso_testkit::gun::log::read_log;
use meso_tests::sandbox::{Driver, Sandbox, compare, wait_until};
use meso_units::GunSerial;

const GUN: &str = "GUN-0001";

/// As fast as a gun of the trade fires.
const FAST: Duration = Duration::from_millis(50);

/// Lets a gun fire at the ports of the first room.
pub(crate) fn start_gun(sandbox: &Sandbox) -> Bank {
    let ports = sandbox.folder("ports-room-1").unwrap();
    let gun = BankGun::new(GunSerial::parse(GUN).unwrap(), 7, FAST);
    Bank::start(&ports, &sandbox.folder("logs").unwrap(), vec![gun]).unwrap()
}

/// Waits until the driver has so many of its shots.
pub(crate) fn wait_for_shots(driver: &Driver, count: u32) {
    let has_them = || {
        driver
            .gun(GUN)
            .is_some_and(|gun| gun.journalled_counter >= count)
    };
    wait_until("shots", has_them).unwrap();
}

/// Ends everything, and compares what was fired with what is stored.
#[track_caller]
pub(crate) fn assert_all_arrive(mut sandbox: Sandbox, mut driver: Driver, bank: &Bank) {
    bank.order(0, Order::StopFiring).unwrap();
    let fired = read_log(&bank.logs()[0]).unwrap();
    let newest = fired.last().map_or(0, |shot| shot.counter);
    driver.settle(&[(GUN.to_owned(), newest.into())]).unwrap();
    driver.leave().unwrap();
    // Shown where the test fails.
    println!("{}", driver.log());
    let found = compare(&fired, &sandbox.stop_and_read().unwrap());
    assert!(found.is_whole(), "{found:?}");
}
