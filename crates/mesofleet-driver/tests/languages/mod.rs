//! Guns that do not speak the meso link, at a real daemon.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use meso_config::guns::{GunProfile, ProfileKind};
use meso_domain::GapReason;
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::modbus::{ModbusGun, ModbusGunOptions, RtuPort};
use meso_testkit::text_line::{TextGun, TextGunOptions};
use meso_units::GunSerial;

use crate::harness::{Room, Setup};

const GUNS: &str = concat!(
    "[[guns]]\nprofile = '",
    env!("CARGO_MANIFEST_DIR"),
    "/../../config/guns/example-modbus.toml'\nport = 'modbus-*'\n",
    "[[guns]]\nprofile = '",
    env!("CARGO_MANIFEST_DIR"),
    "/../../config/guns/example-text-line.toml'\nport = 'text-*'\n"
);

async fn room() -> Room {
    Room::start_with(Setup {
        more: GUNS,
        ..Setup::default()
    })
    .await
}

fn port(room: &Room, name: &str) -> RtuPort {
    RtuPort {
        folder: room.ports_folder(),
        name: name.to_owned(),
    }
}

fn modbus_gun(room: &Room, log: &Path) -> ModbusGun {
    let text = include_str!("../../../../config/guns/example-modbus.toml");
    let profile = GunProfile::parse("example-modbus.toml", text).unwrap();
    let ProfileKind::Modbus(profile) = profile.kind else {
        panic!("not a Modbus profile");
    };
    let options = ModbusGunOptions {
        serial: GunSerial::parse("GUN-0007").unwrap(),
        profile: *profile,
        log: log.to_owned(),
        seed: 5,
        ring_shots_max: 4_096,
        fire_every: Some(Duration::from_millis(20)),
    };
    ModbusGun::start_rtu(options, port(room, "modbus-gun")).unwrap()
}

fn count(log: &Path) -> usize {
    read_log(log).map_or(0, |log| log.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shots_of_a_modbus_gun_arrive_once_though_the_daemon_is_killed() {
    let mut room = room().await;
    let log = room.path("modbus.jsonl");
    let gun = modbus_gun(&room, &log);
    for shots in [20, 60] {
        room.ingest
            .wait_until(|seen| seen.shots.len() >= shots)
            .await;
        room.kill_driver();
        room.start_driver().await;
    }
    let fired = usize::try_from(gun.stop_firing()).unwrap();
    assert_eq!(count(&log), fired);
    room.ingest
        .wait_until(|seen| seen.shots.len() >= fired)
        .await;
    // The gun has written down an epoch of 0 for what it fired before it was given one.
    let fired = read_log(&log).unwrap();
    let epoch = fired.last().unwrap().epoch;
    let fired: Vec<FiredShot> = fired
        .into_iter()
        .map(|shot| FiredShot { epoch, ..shot })
        .collect();
    room.ingest.assert_holds_exactly(&fired);
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shots_of_a_text_gun_are_recorded_under_numbers_of_the_host() {
    let room = room().await;
    let log = room.path("text.jsonl");
    let gun = TextGun::start(TextGunOptions {
        serial: GunSerial::parse("GUN-0042").unwrap(),
        port: port(&room, "text-gun"),
        log: log.clone(),
        seed: 5,
        fire_every: None,
    })
    .unwrap();
    // Lines of before the opening are of nobody; the gun is attached when it is known.
    room.state_until("data", |state| {
        let guns = state["guns"].as_array();
        guns.is_some_and(|guns| guns.iter().any(|gun| gun["serial"] == "GUN-0042"))
    })
    .await;
    for _ in 0..25 {
        gun.fire().unwrap();
    }
    room.ingest.wait_until(|seen| seen.shots.len() >= 25).await;
    let fired: Vec<_> = read_log(&log).unwrap();
    room.ingest
        .wait_until(|seen| {
            let shots: Vec<_> = seen.shots.values().collect();
            let counters: BTreeSet<u32> = shots
                .iter()
                .map(|shot| shot.identity.counter.get())
                .collect();
            counters == (1..=25).collect()
                && shots.iter().zip(&fired).all(|(shot, fired)| {
                    shot.needle_depth.set.map(|depth| depth.get()) == fired.depth_set_um
                        && shot.volume.actual_value().map(|volume| volume.get())
                            == fired.volume_sensed_nl
                })
        })
        .await;
    // It does not count, so the record says at both ends that nobody can know what is missing.
    drop(gun);
    room.ingest
        .wait_until(|seen| {
            let ends = [(1, GapReason::NotCounted), (26, GapReason::EpochClosed)];
            seen.open_ended == ends
        })
        .await;
    room.leave().await;
}
