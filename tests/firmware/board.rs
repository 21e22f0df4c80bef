//! Rung B: what happens to a gun on a desk happens to the firmware, and no shot is lost by it.

use std::num::NonZeroU32;

use meso_serial::{DetachReason, GunEvent};
use sha2::{Digest, Sha256};

use crate::bench::{Bench, Host, SERIAL, image, serial};

/// The gun's own log and the host's journal, shot by shot and field by field.
#[track_caller]
fn assert_holds_what_was_fired(bench: &mut Bench, host: &mut Host) {
    let fired = bench.fired();
    host.until("the last shots", |host| host.count() >= fired.len());
    let received = host.received();
    for (received, fired) in received.iter().zip(&fired) {
        assert_eq!(received, fired);
    }
    assert_eq!(received.len(), fired.len());
}

#[track_caller]
fn wait_for_detached(host: &mut Host, reason: DetachReason) {
    let detached = GunEvent::Detached { reason };
    host.until("the end of the port", |host| host.seen.contains(&detached));
}

#[track_caller]
fn wait_for_shots(host: &mut Host, count: usize) {
    let reached = host.count() + count;
    host.until("more shots", |host| host.count() >= reached);
}

#[test]
fn every_shot_of_the_firmware_arrives_with_every_field() {
    let mut bench = Bench::start(60, |page| {
        page.senses_pressure = true;
        page.breach_one_in = 10;
    });
    let mut host = Host::start(&bench.ports);
    wait_for_shots(&mut host, 60);
    assert_holds_what_was_fired(&mut bench, &mut host);
    let too_deep = |shot: &&meso_testkit::gun::log::FiredShot| {
        shot.depth_sensed_um.is_some_and(|um| um > 10_000)
    };
    let received = host.received();
    assert!(received.iter().filter(too_deep).count() > 1, "breaches");
    assert!(received.iter().all(|shot| shot.pressure_pa.is_some()));
}

#[test]
fn the_firmware_names_the_hash_of_its_own_image() {
    let bench = Bench::start(0, |_| {});
    let mut host = Host::start(&bench.ports);
    let hash = |host: &Host| {
        host.seen.iter().find_map(|event| match event {
            GunEvent::Attached(hello) => Some((hello.serial.clone(), hello.firmware_hash)),
            _ => None,
        })
    };
    host.until("a greeting", |host| hash(host).is_some());
    let digest = Sha256::digest(std::fs::read(image()).unwrap());
    let mut expected = [0; 8];
    expected.copy_from_slice(&digest[..8]);
    assert_eq!(hash(&host), Some((serial(), expected)));
}

#[test]
fn a_reset_with_shots_in_the_ring_loses_none() {
    let mut bench = Bench::start(30, |_| {});
    let mut host = Host::start(&bench.ports);
    wait_for_shots(&mut host, 20);
    let boots: Vec<u32> = (0..3)
        .map(|_| {
            // Unplugged, so that what is fired now can only be in the ring.
            bench.gun.relay().unplug().unwrap();
            bench.fire_more(5);
            bench.gun.reset().unwrap();
            let state = bench.gun.rig().state();
            assert!(state.continues, "the ring was whole");
            bench.plug();
            state.boot_id
        })
        .collect();
    assert!(boots[0] != boots[1] && boots[1] != boots[2], "{boots:?}");
    assert_eq!(bench.gun.rig().state().boot_count, 4);
    wait_for_shots(&mut host, 40);
    assert_holds_what_was_fired(&mut bench, &mut host);
    assert_eq!(host.held.len(), 1, "one epoch through all resets");
}

#[test]
fn resets_at_any_moment_of_a_shot_lose_none() {
    let mut bench = Bench::start(5, |_| {});
    let mut host = Host::start(&bench.ports);
    for _ in 0..20 {
        wait_for_shots(&mut host, 1);
        bench.gun.reset().unwrap();
    }
    wait_for_shots(&mut host, 50);
    assert_holds_what_was_fired(&mut bench, &mut host);
    assert_eq!(host.held.len(), 1, "one epoch through all resets");
}

#[test]
fn a_power_cut_ends_the_epoch_and_loses_only_what_was_in_the_gun() {
    let mut bench = Bench::start(30, |_| {});
    let mut host = Host::start(&bench.ports);
    wait_for_shots(&mut host, 20);
    bench.gun.relay().unplug().unwrap();
    bench.fire_more(7);
    bench.gun.power_cut().unwrap();
    wait_for_detached(&mut host, DetachReason::HungUp);
    let held_before = host.count();
    let port = bench.ports.join("gun");
    bench.gun.power_on(&port).unwrap();
    let state = bench.gun.rig().state();
    assert!(!state.continues && state.boot_count == 1, "{state:?}");
    wait_for_shots(&mut host, 20);

    let fired = bench.fired();
    let first = fired[0].epoch;
    let in_first = fired.iter().filter(|shot| shot.epoch == first).count();
    let in_second = fired.len() - in_first;
    host.until("the last shots", |host| {
        host.count() >= held_before + in_second
    });
    let received = host.received();
    assert_eq!(received[..held_before], fired[..held_before]);
    assert_eq!(received[held_before..], fired[in_first..]);
    assert_eq!(host.held.len(), 2, "two epochs");
    assert_eq!(received[held_before].counter, 1, "which counts from 1");
    assert!(in_first >= held_before + 7, "the cut destroyed sole copies");
}

#[test]
fn a_firmware_that_hangs_is_called_silent_and_goes_on_where_it_was() {
    let mut bench = Bench::start(40, |_| {});
    let mut host = Host::start(&bench.ports);
    wait_for_shots(&mut host, 10);
    bench.gun.qmp().unwrap().stop().unwrap();
    wait_for_detached(&mut host, DetachReason::Silent);
    bench.gun.qmp().unwrap().go_on().unwrap();
    wait_for_shots(&mut host, 20);
    assert_holds_what_was_fired(&mut bench, &mut host);
    assert_eq!(bench.gun.rig().state().starts, 1, "without a start");
}

#[test]
fn one_corrupt_byte_in_700_costs_no_shot() {
    let mut bench = Bench::start(40, |_| {});
    bench.gun.relay().corrupt(NonZeroU32::new(700)).unwrap();
    let mut host = Host::start(&bench.ports);
    wait_for_shots(&mut host, 250);
    assert_holds_what_was_fired(&mut bench, &mut host);
    let counted = host.seen.iter().rev().find_map(|event| match event {
        GunEvent::Counters(counters) => Some(*counters),
        _ => None,
    });
    let counted = counted.expect("the bad frames are counted");
    assert!(counted.bad_crc + counted.bad_cobs > 5, "{counted:?}");
}

#[test]
fn a_cable_pulled_in_the_middle_of_a_frame_and_put_in_elsewhere_costs_no_shot() {
    let mut bench = Bench::start(40, |_| {});
    let mut host = Host::start(&bench.ports);
    for (place, bytes) in [1, 35, 69].into_iter().enumerate() {
        wait_for_shots(&mut host, 15);
        host.forget_seen();
        bench.gun.relay().unplug_in_frame(bytes).unwrap();
        wait_for_detached(&mut host, DetachReason::HungUp);
        let port = bench.ports.join(format!("gun-{place}"));
        bench.gun.relay().plug(&port).unwrap();
    }
    wait_for_shots(&mut host, 15);
    assert_holds_what_was_fired(&mut bench, &mut host);
}

#[test]
fn stale_bytes_of_another_host_at_the_opening_are_passed_over() {
    let mut bench = Bench::start(30, |_| {});
    let mut first = Host::start(&bench.ports);
    wait_for_shots(&mut first, 10);
    // The gun streams on until the lease ends, and the adapter keeps the newest bytes of that:
    // the end of some frame, shots of a session that is over, unasked greetings.
    first.ports.stop();
    bench.fire_more(20);
    let mut second = Host::start(&bench.ports);
    wait_for_shots(&mut second, 40);
    assert_holds_what_was_fired(&mut bench, &mut second);
}

#[test]
fn what_a_full_ring_overwrites_is_told_as_lost() {
    let mut bench = Bench::start(20, |page| page.ring_slots = 16);
    let mut host = Host::start(&bench.ports);
    wait_for_shots(&mut host, 10);
    bench.gun.relay().unplug().unwrap();
    wait_for_detached(&mut host, DetachReason::HungUp);
    bench.fire_more(40);
    bench.plug();
    wait_for_shots(&mut host, 20);
    let fired = bench.fired();
    let last = fired.last().unwrap().counter;
    host.until("the last shot", |host| {
        let newest = host.held.values().filter_map(|shots| shots.last());
        newest.map(|shot| shot.key.counter.get()).max() == Some(last)
    });
    let lost: u32 = host
        .seen
        .iter()
        .map(|event| match event {
            GunEvent::Lost { first, last, .. } => last.get() - first.get() + 1,
            _ => 0,
        })
        .sum();
    assert!(lost >= 20, "{lost} lost");
    assert_eq!(host.count() + lost as usize, fired.len());
    let received = host.received();
    assert!(received.iter().all(|shot| fired.contains(shot)));
}

#[test]
fn a_gun_without_a_page_says_so_and_fires_nothing() {
    let mut bench = Bench::start(20, |page| page.ring_slots = 0);
    let mut host = Host::start(&bench.ports);
    let name = |host: &Host| {
        host.seen.iter().find_map(|event| match event {
            GunEvent::Attached(hello) => Some(hello.serial.to_string()),
            _ => None,
        })
    };
    host.until("a greeting", |host| name(host).is_some());
    assert_eq!(name(&host).as_deref(), Some("UNPROVISIONED"));
    assert!(bench.fired().is_empty());
    assert_ne!(name(&host).as_deref(), Some(SERIAL));
}
