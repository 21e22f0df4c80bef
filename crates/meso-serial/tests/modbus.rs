//! Guns that are read by Modbus, emulated behind a pseudo-terminal and behind TCP.

use std::path::Path;
use std::time::Duration;

use meso_config::guns::GunProfile;
use meso_link_proto::{CommandKind, CommandOutcome, ResultCode};
use meso_serial::{
    CompletenessGrade, DetachReason, FolderSource, GunEvent, ProfileRule, RecordFault, RejectCause,
};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::modbus::{LineFault, ModbusGun, ModbusGunOptions, Restart, RtuPort};
use meso_units::{GunSerial, Uncertainty};

use crate::journal::{Driver, Journal, modbus_example, modbus_with, registers_of, rule};

const SERIAL: &str = "GUN-0007";

/// A gun and what the driver needs to find it.
struct Bench {
    folder: tempfile::TempDir,
    gun: ModbusGun,
    rule: ProfileRule,
}

fn options(folder: &Path, profile: &GunProfile, ring_shots_max: u32) -> ModbusGunOptions {
    ModbusGunOptions {
        serial: GunSerial::parse(SERIAL).unwrap(),
        profile: registers_of(profile),
        log: folder.join(".gun.log"),
        seed: 7,
        ring_shots_max,
        fire_every: None,
    }
}

fn over_tcp(profile: &GunProfile, ring_shots_max: u32) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), profile, ring_shots_max);
    let gun = ModbusGun::start_tcp(options).unwrap();
    let rule = rule(profile, "tcp", &gun.address().unwrap().to_string());
    Bench { folder, gun, rule }
}

fn over_serial(profile: &GunProfile) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), profile, 256);
    let port = RtuPort {
        folder: folder.path().to_owned(),
        name: "usb-Example_Gun".to_owned(),
    };
    let gun = ModbusGun::start_rtu(options, port).unwrap();
    let rule = rule(profile, "port", "usb-Example_*");
    Bench { folder, gun, rule }
}

impl Bench {
    fn driver(&self) -> Driver {
        let source = FolderSource::new(self.folder.path());
        Driver::start(source, std::slice::from_ref(&self.rule))
    }

    fn fire(&self, count: usize) {
        for _ in 0..count {
            self.gun.fire().unwrap();
        }
    }

    fn log(&self) -> Vec<FiredShot> {
        let log = read_log(&self.folder.path().join(".gun.log")).unwrap();
        log.into_iter()
            .map(|shot| FiredShot { epoch: 0, ..shot })
            .collect()
    }

    /// A driver that has met the gun, so that the gun has its epoch before it fires.
    fn met(&self) -> (Driver, Journal) {
        let (mut driver, mut journal) = (self.driver(), Journal::default());
        driver.run_until(&mut journal, |journal| !journal.epochs.is_empty());
        (driver, journal)
    }
}

/// A shorter patience with the gun, so that a lost answer is soon given up.
fn hasty() -> GunProfile {
    modbus_with(&[
        ("answer_ms_max = 500", "answer_ms_max = 50"),
        ("poll_ms = 100", "poll_ms = 10"),
    ])
}

/// A gun whose epoch is computed from its boot id.
fn without_epoch_registers() -> GunProfile {
    modbus_with(&[
        (r#"counter_life = "epoch""#, r#"counter_life = "boot""#),
        ("epoch = { address = 0x0022 }\n", ""),
        ("poll_ms = 100", "poll_ms = 10"),
    ])
}

#[test]
fn every_shot_of_a_serial_gun_arrives_as_its_gun_wrote_it_down() {
    let bench = over_serial(&modbus_example());
    let (mut driver, mut journal) = bench.met();
    bench.fire(23);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 23);
    assert_eq!(journal.fired(SERIAL), bench.log());
    driver.run_until(&mut journal, |_| bench.gun.acknowledged() == 23);
    assert!(journal.has(|event| *event == GunEvent::Grade(CompletenessGrade::Counter)));
    driver.ports.stop();
}

#[test]
fn every_shot_of_a_gun_on_the_network_arrives_as_its_gun_wrote_it_down() {
    let bench = over_tcp(&modbus_example(), 256);
    let (mut driver, mut journal) = bench.met();
    bench.fire(23);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 23);
    assert_eq!(journal.fired(SERIAL), bench.log());
    driver.ports.stop();
}

#[test]
fn what_was_fired_before_a_gun_had_an_epoch_is_not_lost() {
    let bench = over_tcp(&hasty(), 256);
    bench.fire(9);
    let mut journal = Journal::default();
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 9);
    assert_eq!(journal.fired(SERIAL), bench.log());
    driver.ports.stop();
}

#[test]
fn a_gun_without_epoch_and_window_registers_is_read_all_the_same() {
    let profile = modbus_with(&[
        (r#"counter_life = "epoch""#, r#"counter_life = "boot""#),
        ("epoch = { address = 0x0022 }\n", ""),
        ("from = { address = 0x0034 }\n", ""),
        (r#"word_order = "big""#, r#"word_order = "little""#),
    ]);
    let bench = over_tcp(&profile, 256);
    bench.fire(17);
    let mut journal = Journal::default();
    for fired in [17, 31, 40] {
        let mut driver = bench.driver();
        bench.fire(fired - bench.log().len());
        driver.run_until(&mut journal, |journal| journal.shot_count() >= fired);
        driver.ports.stop();
    }
    assert_eq!(journal.fired(SERIAL), bench.log());
    assert_eq!(journal.epochs.len(), 1, "the same epoch for every driver");
}

/// Hangs up at each request in turn, in each way, and looks that no shot is lost or doubled.
fn survives(fault: LineFault, bench: &Bench) {
    let (mut driver, mut journal) = bench.met();
    for request in 1..=12 {
        bench
            .gun
            .fail_at(bench.gun.request_count() + request, fault);
        bench.fire(3);
        let fired = bench.log().len();
        driver.run_until(&mut journal, |journal| journal.shot_count() >= fired);
    }
    assert_eq!(journal.fired(SERIAL), bench.log());
    assert_eq!(journal.lost, []);
    driver.ports.stop();
}

#[test]
fn a_connection_that_breaks_before_any_request_loses_no_shot() {
    survives(LineFault::HangUpBefore, &over_tcp(&hasty(), 256));
}

#[test]
fn a_connection_that_breaks_within_any_answer_loses_no_shot() {
    survives(LineFault::HangUpWithin, &over_tcp(&hasty(), 256));
}

#[test]
fn a_connection_that_breaks_behind_any_request_loses_no_shot() {
    survives(LineFault::HangUpBehind, &over_tcp(&hasty(), 256));
}

#[test]
fn a_cable_that_is_pulled_within_any_answer_loses_no_shot() {
    survives(LineFault::HangUpWithin, &over_serial(&hasty()));
}

#[test]
fn a_late_answer_is_never_taken_for_the_next_one() {
    let bench = over_serial(&hasty());
    let (mut driver, mut journal) = bench.met();
    for request in 1..=4 {
        let late = LineFault::Late(Duration::from_millis(80));
        bench.gun.fail_at(bench.gun.request_count() + request, late);
        bench.fire(3);
        let fired = bench.log().len();
        driver.run_until(&mut journal, |journal| journal.shot_count() >= fired);
    }
    assert_eq!(journal.fired(SERIAL), bench.log());
    let reason = DetachReason::NoAnswer;
    assert!(journal.has(|event| *event
        == GunEvent::Detached {
            reason: reason.clone()
        }));
    driver.ports.stop();
}

#[test]
fn a_question_without_an_answer_closes_the_port_and_loses_no_shot() {
    let bench = over_tcp(&hasty(), 256);
    let (mut driver, mut journal) = bench.met();
    bench
        .gun
        .fail_at(bench.gun.request_count() + 2, LineFault::Silence);
    bench.fire(9);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 9);
    assert_eq!(journal.fired(SERIAL), bench.log());
    driver.ports.stop();
}

#[test]
fn a_torn_window_is_read_again() {
    let bench = over_tcp(&hasty(), 256);
    let (mut driver, mut journal) = bench.met();
    bench.gun.tear_windows(2);
    bench.fire(9);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 9);
    assert_eq!(journal.fired(SERIAL), bench.log());
    assert!(!journal.has(|event| matches!(event, GunEvent::Rejected { .. })));
    driver.ports.stop();
}

#[test]
fn a_record_that_stays_wrong_is_quarantined_and_the_next_one_comes() {
    let bench = over_tcp(&hasty(), 256);
    let (mut driver, mut journal) = bench.met();
    bench.gun.tear_windows(3);
    bench.fire(9);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 8);
    assert_eq!(journal.fired(SERIAL), bench.log()[1..]);
    let checksum = RejectCause::Record(RecordFault::Checksum {
        counter: 1,
        tries: 3,
    });
    assert!(journal.has(
        |event| matches!(event, GunEvent::Rejected { reason, bytes, .. }
        if *reason == checksum && bytes.len() == 44)
    ));
    driver.ports.stop();
}

#[test]
fn what_the_ring_has_overwritten_is_told_as_lost() {
    let bench = over_tcp(&hasty(), 8);
    let (mut driver, mut journal) = bench.met();
    bench.fire(5);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 5);
    driver.ports.stop();
    bench.fire(20);
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 13);
    assert_eq!(journal.lost, [(6, 17)]);
    let log = bench.log();
    let expected: Vec<FiredShot> = log[..5].iter().chain(&log[17..]).cloned().collect();
    assert_eq!(journal.fired(SERIAL), expected);
    driver.ports.stop();
}

#[test]
fn a_gun_that_forgets_all_at_its_restart_gets_a_new_epoch() {
    let bench = over_tcp(&hasty(), 256);
    let (mut driver, mut journal) = bench.met();
    bench.fire(7);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 7);
    bench.gun.restart(Restart::Volatile);
    driver.run_until(&mut journal, |journal| journal.epochs.len() == 2);
    bench.fire(6);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 13);
    assert_eq!(journal.fired(SERIAL), bench.log());
    assert_eq!(journal.lost, []);
    driver.ports.stop();
}

#[test]
fn a_gun_that_keeps_its_ring_goes_on_in_its_epoch() {
    let bench = over_tcp(&hasty(), 256);
    let (mut driver, mut journal) = bench.met();
    bench.fire(7);
    bench.gun.restart(Restart::Durable);
    bench.fire(6);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 13);
    assert_eq!(journal.fired(SERIAL), bench.log());
    assert_eq!(journal.epochs.len(), 1);
    driver.ports.stop();
}

#[test]
fn a_restart_between_any_two_requests_puts_no_shot_into_the_wrong_epoch() {
    let bench = over_tcp(&without_epoch_registers(), 256);
    let (mut driver, mut journal) = bench.met();
    for request in 1..=8 {
        let epochs = journal.epochs.len();
        // More than before, so that the counters that are next are there in the new life too.
        let shots = 30 * request;
        let restart = LineFault::Restart(Restart::Volatile, shots);
        let number = bench.gun.request_count() + u64::from(request);
        bench.gun.fail_at(number, restart);
        bench.fire(7);
        driver.run_until(&mut journal, |journal| {
            let newest = journal
                .epochs
                .last()
                .map_or(0, |epoch| journal.shots[epoch].len());
            journal.epochs.len() > epochs && newest >= shots as usize
        });
    }
    let log = bench.log();
    let mut boots = std::collections::BTreeSet::new();
    for shots in journal.shots.values().filter(|shots| !shots.is_empty()) {
        for shot in shots {
            assert_eq!(shot.boot, shots[0].boot, "an epoch is one start of the gun");
        }
        assert!(
            boots.insert(shots[0].boot),
            "a start of the gun is one epoch"
        );
    }
    let fired = journal.fired(SERIAL);
    assert!(
        fired.iter().all(|shot| log.contains(shot)),
        "as the gun wrote it down"
    );
    driver.ports.stop();
}

#[test]
fn the_epoch_of_a_gun_without_registers_for_it_changes_with_its_boot_id() {
    let bench = over_tcp(&without_epoch_registers(), 256);
    let mut journal = Journal::default();
    let mut driver = bench.driver();
    for restart in 0..3 {
        bench.fire(9);
        driver.run_until(&mut journal, |journal| {
            journal.shot_count() == 9 * (restart + 1)
        });
        bench.gun.restart(Restart::Volatile);
    }
    driver.run_until(&mut journal, |journal| journal.epochs.len() == 4);
    assert_eq!(journal.fired(SERIAL), bench.log());
    driver.ports.stop();
}

#[test]
fn a_counter_that_goes_back_is_told_and_its_shots_are_salvaged() {
    let bench = over_tcp(&hasty(), 256);
    let (mut driver, mut journal) = bench.met();
    bench.fire(9);
    driver.run_until(&mut journal, |_| bench.gun.acknowledged() == 9);
    driver.ports.stop();
    bench.gun.forget_newest(6);
    bench.fire(2);
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| journal.epochs.len() == 2);
    assert!(journal.has(|event| matches!(event, GunEvent::CounterWentBack { newest: 5, .. })));
    // A line that broke within the salvage tells it once more.
    let salvaged: std::collections::BTreeSet<u32> = journal
        .seen
        .iter()
        .filter_map(|seen| match &seen.event {
            GunEvent::Salvaged { shot, .. } => Some(shot.key.counter.get()),
            _ => None,
        })
        .collect();
    assert_eq!(salvaged, (1..=5).collect());
    bench.fire(3);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 12);
    driver.ports.stop();
}

#[test]
fn a_shot_is_dated_by_the_clock_of_its_gun() {
    let bench = over_tcp(&hasty(), 256);
    let (mut driver, mut journal) = bench.met();
    bench.fire(5);
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 5);
    let mapping = journal.seen.iter().find_map(|seen| match &seen.event {
        GunEvent::Clock(mapping) => Some(*mapping),
        _ => None,
    });
    let mapping = mapping.expect("the gun has a clock");
    for seen in &journal.seen {
        let GunEvent::Shot { shot, received_at } = &seen.event else {
            continue;
        };
        let (at, within) = mapping.map(shot.boot, shot.tick).expect("the same start");
        let Uncertainty::Within(within_ns) = within else {
            panic!("the clock bounds the uncertainty");
        };
        let travel_ns = received_at.since_ns(at);
        assert!(
            travel_ns >= -i64::try_from(within_ns).unwrap(),
            "{travel_ns}"
        );
    }
    driver.ports.stop();
}

#[test]
fn a_gun_with_an_inhibit_register_is_inhibited_and_resumed() {
    inhibit_and_resume(&over_tcp(&hasty(), 256));
}

#[test]
fn a_gun_with_an_inhibit_coil_is_inhibited_and_resumed_over_either_line() {
    let register = "inhibit = { address = 0x0032 }";
    let coil = "inhibit = { coil = 0x0005 }";
    let profile = modbus_with(&[(register, coil), ("poll_ms = 100", "poll_ms = 10")]);
    inhibit_and_resume(&over_tcp(&profile, 256));
    inhibit_and_resume(&over_serial(&profile));
}

fn inhibit_and_resume(bench: &Bench) {
    let (mut driver, mut journal) = bench.met();
    let serial = GunSerial::parse(SERIAL).unwrap();
    let answered = |journal: &Journal, number: u16, kind: CommandKind| {
        journal.has(|event| {
            matches!(event, GunEvent::Command { command, kind: told, outcome:
                CommandOutcome::Answered { result: ResultCode::Done, is_inhibited, .. } }
                if *command == number && *told == kind
                    && *is_inhibited == (kind == CommandKind::Inhibit))
        })
    };
    let number = driver.ports.inhibit(&serial, 1).unwrap();
    driver.run_until(&mut journal, |journal| {
        answered(journal, number, CommandKind::Inhibit)
    });
    assert!(bench.gun.is_inhibited());
    let number = driver.ports.resume(&serial).unwrap();
    driver.run_until(&mut journal, |journal| {
        answered(journal, number, CommandKind::Resume)
    });
    assert!(!bench.gun.is_inhibited());
    driver.ports.stop();
}

#[test]
fn a_gun_with_another_map_is_told_once_and_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let emulated = options(folder.path(), &modbus_example(), 16);
    let gun = ModbusGun::start_tcp(emulated).unwrap();
    let expected = modbus_with(&[("is = 1", "is = 2")]);
    let rule = rule(&expected, "tcp", &gun.address().unwrap().to_string());
    let mut driver = Driver::start(FolderSource::new(folder.path()), &[rule]);
    let mut journal = Journal::default();
    let tries = |gun: &ModbusGun| gun.request_count();
    driver.run_until(&mut journal, |_| tries(&gun) >= 2);
    let told: Vec<_> = journal.seen.iter().map(|seen| &seen.event).collect();
    assert!(
        matches!(told[..], [GunEvent::Unavailable { problem }] if problem.contains("version")),
        "{told:?}"
    );
    driver.ports.stop();
}
