//! The whole way of a shot over Mosquitto.

use std::time::Duration;

use meso_testkit::gun::bank::{Bank, BankGun, Order};
use meso_testkit::gun::log::read_log;
use meso_testkit::mosquitto::Mosquitto;
use meso_tests::sandbox::{Programs, Sandbox, compare, wait_until};
use meso_units::GunSerial;

const GUN: &str = "GUN-0001";

/// As fast as a gun of the trade fires.
const FAST: Duration = Duration::from_millis(50);

#[test]
fn shots_over_a_broker_that_forgets_everything_between_arrive_whole_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Mosquitto::start(folder.path(), Mosquitto::OPEN).unwrap();
    let mut sandbox = Sandbox::start_on(Programs::built().unwrap(), broker.address(), "").unwrap();
    let ports = sandbox.folder("ports-room-1").unwrap();
    let gun = BankGun::new(GunSerial::parse(GUN).unwrap(), 7, FAST);
    let bank = Bank::start(&ports, &sandbox.folder("logs").unwrap(), vec![gun]).unwrap();
    let mut driver = sandbox.start_driver("room-1").unwrap();
    let journalled = |driver: &meso_tests::sandbox::Driver| {
        driver.gun(GUN).map_or(0, |gun| gun.journalled_counter)
    };
    wait_until("the first shots", || journalled(&driver) >= 20).unwrap();
    broker.restart().unwrap();
    wait_until("further shots", || journalled(&driver) >= 60).unwrap();
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
