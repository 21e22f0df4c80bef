//! kill -9 of the driver at seeded moments. Guns and server stay; only the driver starts again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use meso_config::guns::{GunProfile, ProfileKind};
use meso_testkit::gun::bank::{Bank, BankGun};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::modbus::{ModbusGun, ModbusGunOptions, RtuPort};
use meso_tests::sandbox::{Driver, Sandbox, compare, wait_until};
use meso_units::GunSerial;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::scene::programs;

/// How many moments, where nobody says: `cargo xtask kill-driver` says.
const MOMENTS: u32 = 10;

/// The latest moment after a start: about half of the moments come before the guns have answered
/// the new driver, and half while it reads and writes.
const LATEST_MS: u64 = 700;

/// A number from the environment, for a run of another length.
fn setting<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")),
        Err(_) => otherwise,
    }
}

/// Kills the driver at seeded moments and starts it again, as often as is asked for; gives the seed.
fn kill_again_and_again(driver: &mut Driver) -> u64 {
    let moments = setting("MESOFLEET_KILL_MOMENTS", MOMENTS);
    let seed = setting("MESOFLEET_KILL_SEED", 1_u64);
    let mut random = Pcg64::seed_from_u64(seed);
    let began = Instant::now();
    for moment in 1..=moments {
        let after = Duration::from_millis(random.next_u64() % LATEST_MS);
        let until = Instant::now() + after;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(left);
        }
        driver.kill();
        driver.start_again().unwrap();
        if moment % 10 == 0 {
            println!("{moment} of {moments} moments, {:.0?}", began.elapsed());
        }
    }
    driver.wait_until_it_answers().unwrap();
    seed
}

/// Waits for everything, and compares the guns' logs with what the server has.
#[track_caller]
fn assert_whole(
    seed: u64,
    mut sandbox: Sandbox,
    mut driver: Driver,
    expected: &[(String, u64)],
    logs: &[PathBuf],
) {
    driver.settle(expected).unwrap();
    driver.leave().unwrap();
    let stored = sandbox.stop_and_read().unwrap();
    let fired: Vec<FiredShot> = logs.iter().flat_map(|log| read_log(log).unwrap()).collect();
    let found = compare(&fired, &stored);
    println!(
        "seed {seed}: {} shots fired, {} stored, {} too many, {} other copies, {} gaps",
        found.fired,
        found.stored,
        found.too_many,
        found.other_copies,
        stored.gaps.len()
    );
    assert!(found.is_whole(), "seed {seed}: {found:?}");
    assert!(stored.gaps.is_empty(), "seed {seed}: {:?}", stored.gaps);
    assert_eq!(stored.quarantined_count, 0, "seed {seed}");
}

#[test]
fn a_driver_that_is_killed_at_any_moment_loses_and_repeats_no_shot_of_native_guns() {
    let sandbox = Sandbox::start(programs()).unwrap();
    let guns: Vec<BankGun> = (1..=3_u64)
        .map(|number| {
            let serial = GunSerial::parse(&format!("GUN-{number:04}")).unwrap();
            BankGun::new(serial, number, Duration::from_millis(60 + 10 * number))
        })
        .collect();
    let serials: Vec<String> = guns.iter().map(|gun| gun.serial.to_string()).collect();
    let mut driver = sandbox.start_driver("room-1").unwrap();
    let bank = Bank::start(driver.ports(), &sandbox.folder("logs").unwrap(), guns).unwrap();
    let seed = kill_again_and_again(&mut driver);
    let fired = bank.stop_firing().unwrap();
    let expected: Vec<(String, u64)> = serials.into_iter().zip(fired).collect();
    assert_whole(seed, sandbox, driver, &expected, bank.logs());
}

/// The profile that ships for guns with the published register map.
const PROFILE: &str = include_str!("../../config/guns/example-modbus.toml");

/// One gun behind a serial port and one behind a network, which fires only when told to.
fn modbus_guns(sandbox: &Sandbox, ports: PathBuf) -> [(String, PathBuf, ModbusGun); 2] {
    let profile = GunProfile::parse("example-modbus.toml", PROFILE).unwrap();
    let ProfileKind::Modbus(profile) = profile.kind else {
        panic!("the example is no Modbus profile");
    };
    let logs = sandbox.folder("logs").unwrap();
    let options = |serial: &str, seed| ModbusGunOptions {
        serial: GunSerial::parse(serial).unwrap(),
        profile: (*profile).clone(),
        log: logs.join(format!("{serial}.jsonl")),
        seed,
        ring_shots_max: 4_096,
        fire_every: None,
    };
    let (rtu, tcp) = (options("MOD-0001", 1), options("MOD-0002", 2));
    let name = "MOD-0001".to_owned();
    let port = RtuPort {
        folder: ports,
        name,
    };
    [
        (
            "MOD-0001".to_owned(),
            rtu.log.clone(),
            ModbusGun::start_rtu(rtu, port).unwrap(),
        ),
        (
            "MOD-0002".to_owned(),
            tcp.log.clone(),
            ModbusGun::start_tcp(tcp).unwrap(),
        ),
    ]
}

#[test]
fn a_driver_that_is_killed_at_any_moment_loses_and_repeats_no_shot_of_modbus_guns() {
    let sandbox = Sandbox::start(programs()).unwrap();
    let mut options = sandbox.driver_options("room-1").unwrap();
    let guns = modbus_guns(&sandbox, options.ports.clone());
    let profile = sandbox.folder("profiles").unwrap().join("modbus.toml");
    std::fs::write(&profile, PROFILE).unwrap();
    let address = guns[1].2.address().unwrap();
    options.extra = format!(
        "[[guns]]\nprofile = {profile:?}\nport = \"MOD-*\"\n\
         [[guns]]\nprofile = {profile:?}\ntcp = \"{address}\"\n"
    );
    let mut driver = sandbox.start_driver_with(options).unwrap();
    for (serial, ..) in &guns {
        let has_epoch = || driver.gun(serial).is_some_and(|gun| gun.epoch.is_some());
        wait_until("the gun has an epoch", has_epoch)
            .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
    }
    let is_over = AtomicBool::new(false);
    let seed = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for (_, _, gun) in &guns {
                    gun.fire().unwrap();
                }
                std::thread::park_timeout(Duration::from_millis(80));
            }
        });
        let seed = kill_again_and_again(&mut driver);
        is_over.store(true, Ordering::Relaxed);
        seed
    });
    let expected: Vec<(String, u64)> = guns
        .iter()
        .map(|(serial, _, gun)| (serial.clone(), gun.stop_firing()))
        .collect();
    let logs: Vec<PathBuf> = guns.iter().map(|(_, log, _)| log.clone()).collect();
    assert_whole(seed, sandbox, driver, &expected, &logs);
}
