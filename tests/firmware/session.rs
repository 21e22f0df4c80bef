//! Keys and commands: what the host asks of the firmware, and who may ask.

use std::collections::BTreeMap;

use meso_link_proto::auth::{Keys, LinkKey};
use meso_link_proto::{CommandOutcome, GunLimits, Measured, RefuseReason, ResultCode};
use meso_serial::GunEvent;
use meso_testkit::qemu::Answer;
use meso_units::{Micrometres, Nanolitres, ShotsPerMinute};

use crate::bench::{Bench, Host, serial};

const KEY: [u8; 32] = [0x4B; 32];
/// `MESO_ERR_INHIBITED` and `MESO_ERR_ABOVE_LIMIT` of `meso_link.h`.
const INHIBITED: Answer = Answer::Refused(-14);
const ABOVE_LIMIT: Answer = Answer::Refused(-17);

fn keys(key: [u8; 32]) -> Keys {
    Keys::new(BTreeMap::from([(serial(), LinkKey::new(key))]), false)
}

#[track_caller]
fn assert_refused(host: &mut Host, expected: RefuseReason) {
    let reason = |host: &Host| {
        host.seen.iter().find_map(|event| match event {
            GunEvent::Refused { reason, .. } => Some(*reason),
            _ => None,
        })
    };
    host.until("a refusal", |host| reason(host).is_some());
    assert_eq!(reason(host), Some(expected));
    assert_eq!(host.count(), 0, "no shot is taken from it");
}

/// A test shot at this depth.
fn shot(depth_um: u32) -> Measured {
    Measured {
        depth_set: Micrometres::new(depth_um).ok(),
        depth_sensed: Micrometres::new(depth_um).ok(),
        volume_set: Nanolitres::new(20_000).ok(),
        frequency_set: ShotsPerMinute::new(60).ok(),
        ..Measured::default()
    }
}

#[track_caller]
fn assert_done(outcome: &CommandOutcome) {
    let is_done = matches!(
        outcome,
        CommandOutcome::Answered {
            result: ResultCode::Done,
            ..
        }
    );
    assert!(is_done, "{outcome:?}");
}

#[test]
fn a_gun_with_a_key_proves_itself_to_the_host_that_has_it() {
    let mut bench = Bench::start(40, |page| page.key = Some(KEY));
    let mut host = Host::with_keys(&bench.ports, keys(KEY));
    host.until("shots", |host| host.count() >= 30);
    assert!(host.ports.is_authentic(&serial()));
    // A reset takes the session key with it; the ring goes on under a new one.
    bench.gun.reset().unwrap();
    host.until("shots after the reset", |host| host.count() >= 60);
    let fired = bench.fired();
    host.until("the last shots", |host| host.count() >= fired.len());
    assert_eq!(host.received(), fired);
}

#[test]
fn a_host_with_another_key_or_none_gets_no_shot() {
    let bench = Bench::start(40, |page| page.key = Some(KEY));
    assert_refused(
        &mut Host::with_keys(&bench.ports, keys([1; 32])),
        RefuseReason::NotAuthentic,
    );
    assert_refused(&mut Host::start(&bench.ports), RefuseReason::KeyMissing);
}

#[test]
fn a_gun_that_lost_its_key_is_not_taken_for_the_one_that_had_it() {
    let bench = Bench::start(40, |_| {});
    assert_refused(
        &mut Host::with_keys(&bench.ports, keys(KEY)),
        RefuseReason::KeyExpected,
    );
}

#[test]
fn an_inhibited_gun_fires_nothing_until_it_is_resumed() {
    let mut bench = Bench::start(0, |_| {});
    let mut host = Host::start(&bench.ports);
    bench
        .gun
        .rig()
        .wait_until("an epoch", |_| true)
        .expect("the rig answers");
    host.until("the epoch", |host| !host.held.is_empty());
    assert_eq!(bench.gun.rig().fire(&shot(2_000)).unwrap(), Answer::Fired);
    let inhibit = host.ports.inhibit(&serial(), 3).unwrap();
    assert_done(&host.outcome(inhibit));
    assert_eq!(bench.gun.rig().fire(&shot(2_000)).unwrap(), INHIBITED);
    // It outlives a reset.
    bench.gun.reset().unwrap();
    assert_eq!(bench.gun.rig().fire(&shot(2_000)).unwrap(), INHIBITED);
    host.forget_seen();
    host.until("the greeting after the reset", |host| {
        let attached = |event: &GunEvent| matches!(event, GunEvent::Attached(_));
        host.seen.iter().any(attached)
    });
    let resume = host.ports.resume(&serial()).unwrap();
    assert_done(&host.outcome(resume));
    assert_eq!(bench.gun.rig().fire(&shot(2_000)).unwrap(), Answer::Fired);
    assert_eq!(bench.fired().len(), 2);
}

#[test]
fn a_trigger_above_a_limit_that_the_host_set_fires_nothing() {
    let mut bench = Bench::start(0, |_| {});
    let mut host = Host::start(&bench.ports);
    host.until("the epoch", |host| !host.held.is_empty());
    let limits = GunLimits {
        depth_max: Micrometres::new(3_000).ok(),
        ..GunLimits::default()
    };
    let set = host.ports.set_limits(&serial(), limits).unwrap();
    assert_done(&host.outcome(set));
    assert_eq!(bench.gun.rig().fire(&shot(3_001)).unwrap(), ABOVE_LIMIT);
    assert_eq!(bench.gun.rig().fire(&shot(3_000)).unwrap(), Answer::Fired);
    host.ports.read_settings(&serial()).unwrap();
    let settings = |host: &Host| {
        host.seen.iter().find_map(|event| match event {
            GunEvent::Settings(settings) => Some(settings.clone()),
            _ => None,
        })
    };
    host.until("the settings", |host| settings(host).is_some());
    let settings = settings(&host).unwrap();
    let expected = GunLimits {
        volume_max: Nanolitres::new(1_000_000).ok(),
        ..limits
    };
    assert_eq!(settings.limits, expected, "what is built in stays");
    assert_eq!(settings.set.depth, Micrometres::new(3_000).ok());
    assert_eq!(settings.set.frequency, ShotsPerMinute::new(60).ok());
}

#[test]
fn the_light_at_the_handle_blinks_when_the_host_asks_which_gun_it_is() {
    let mut bench = Bench::start(0, |_| {});
    let mut host = Host::start(&bench.ports);
    host.until("the epoch", |host| !host.held.is_empty());
    assert_eq!(bench.lights_seen(1), [false].into(), "dark until then");
    let identify = host.ports.identify(&serial(), 60).unwrap();
    assert_done(&host.outcome(identify));
    assert_eq!(bench.lights_seen(2), [false, true].into());
}
