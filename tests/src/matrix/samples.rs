//! Shots for the tests of what is counted.

use meso_domain::Shot;
use meso_testkit::gun::log::FiredShot;
use meso_testkit::samples::bare_shot;
use meso_units::{Epoch, GunSerial, GunTick, Timestamp};

pub(super) const GUN: &str = "GUN-0001";

/// A line of the gun's own log.
pub(super) fn fired(counter: u32) -> FiredShot {
    let line = format!(
        r#"{{"serial":"{GUN}","epoch":5,"counter":{counter},"boot_id":1,"tick_us":{counter},"flags":0}}"#
    );
    serde_json::from_str(&line).unwrap()
}

/// The same shot as it arrived.
pub(super) fn shot(counter: u32) -> Shot {
    let tick = GunTick::new(counter.into()).unwrap();
    let gun = GunSerial::parse(GUN).unwrap();
    Shot {
        at: Timestamp::from_unix_ns(i64::from(counter)).unwrap(),
        ..bare_shot(gun, Epoch(5), counter, tick)
    }
}
