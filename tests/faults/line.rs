//! Cables and lines.

use meso_testkit::gun::bank::Order;

use crate::scene::{FAST, GUN, Scene, gun};

#[test]
fn a_cable_that_is_pulled_in_the_middle_of_a_frame_loses_and_doubles_nothing() {
    let scene = Scene::start(gun(FAST));
    for _ in 0..3 {
        scene.wait_for_more(5);
        scene.order(Order::UnplugInMidFrame);
        scene.wait_until_attached(false);
        scene.plug();
    }
    scene.wait_for_more(5);
    scene.finish().assert_whole();
}

#[test]
fn a_gun_that_comes_back_under_another_path_goes_on_where_it_was() {
    let scene = Scene::start(gun(FAST));
    scene.wait_for_more(5);
    let epoch = scene.epoch();
    for name in ["elsewhere", "and-elsewhere"] {
        scene.unplug();
        let folder = scene.ports();
        let name = name.to_owned();
        scene.order(Order::Plug { folder, name });
        scene.wait_for_more(5);
    }
    assert!(!scene.ports().join(GUN).exists(), "its first path is gone");
    assert_eq!(scene.epoch(), epoch);
    scene.finish().assert_whole();
}

#[test]
fn one_corrupt_byte_in_700_costs_time_and_no_shot() {
    let scene = Scene::start(gun(FAST));
    scene.order(Order::CorruptOneIn(700));
    // Some 75 bytes each, so about nine of these frames come spoilt.
    scene.wait_for_more(80);
    scene.order(Order::CorruptOneIn(0));
    let outcome = scene.finish();
    assert_eq!(
        outcome.stored.quarantined_count, 0,
        "no spoilt frame was believed"
    );
    outcome.assert_whole();
}

#[test]
fn stale_bytes_at_the_opening_of_a_port_are_skipped() {
    let mut stale: Vec<u8> = (0..250).map(|byte| byte as u8).collect();
    // A frame that is cut short, and one whose checksum is of something else.
    stale.extend([
        0x03, 0x90, 0x02, 0x11, 0x22, 0x00, 0x05, 0x90, 0x01, 0x07, 0x07, 0x00, 0x41,
    ]);
    let scene = Scene::prepared(gun(FAST), |bank| {
        bank.order(0, Order::Babble(stale.clone())).unwrap();
    });
    scene.wait_for_more(5);
    scene.unplug();
    scene.order(Order::Babble(stale));
    scene.plug();
    scene.wait_for_more(5);
    scene.finish().assert_whole();
}
