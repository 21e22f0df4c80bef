//! The whole way of a shot over Mosquitto.

use meso_testkit::mosquitto::Mosquitto;
use meso_tests::sandbox::{Programs, Sandbox};

use crate::shots::{assert_all_arrive, start_gun, wait_for_shots};

#[test]
fn shots_over_a_broker_that_forgets_everything_between_arrive_whole_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Mosquitto::start(folder.path(), Mosquitto::OPEN).unwrap();
    let sandbox = Sandbox::start_on(Programs::built().unwrap(), broker.address(), "").unwrap();
    let bank = start_gun(&sandbox);
    let driver = sandbox.start_driver("room-1").unwrap();
    wait_for_shots(&driver, 20);
    broker.restart().unwrap();
    wait_for_shots(&driver, 60);
    assert_all_arrive(sandbox, driver, &bank);
}
