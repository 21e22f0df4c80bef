//! Guns that print lines, emulated behind a pseudo-terminal.

use meso_config::guns::GunProfile;
use meso_serial::{CompletenessGrade, FolderSource, GunEvent, LineFault, RejectCause, SerialError};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::modbus::RtuPort;
use meso_testkit::text_line::{TextGun, TextGunOptions};
use meso_units::{GunSerial, Uncertainty};

use crate::journal::{Driver, Journal, rule};

const SERIAL: &str = "GUN-0042";

struct Bench {
    folder: tempfile::TempDir,
    gun: TextGun,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let gun = TextGun::start(TextGunOptions {
        serial: GunSerial::parse(SERIAL).unwrap(),
        port: RtuPort {
            folder: folder.path().to_owned(),
            name: "text-gun".to_owned(),
        },
        log: folder.path().join(".gun.log"),
        seed: 3,
        fire_every: None,
    })
    .unwrap();
    Bench { folder, gun }
}

impl Bench {
    fn driver(&self) -> Driver {
        let text = include_str!("../../../config/guns/example-text-line.toml");
        let profile = GunProfile::parse("example-text-line.toml", text).unwrap();
        let rule = rule(&profile, "port", "text-*");
        Driver::start(FolderSource::new(self.folder.path()), &[rule])
    }

    fn log(&self) -> Vec<FiredShot> {
        read_log(&self.folder.path().join(".gun.log")).unwrap()
    }
}

/// What a text gun itself knows of its shots.
fn known_to_gun(fired: Vec<FiredShot>) -> Vec<FiredShot> {
    let known = |shot: FiredShot| FiredShot {
        counter: 0,
        boot_id: 0,
        tick_us: 0,
        ..shot
    };
    fired.into_iter().map(known).collect()
}

#[test]
fn each_line_becomes_a_shot_with_a_number_of_the_host() {
    let bench = bench();
    let mut journal = Journal::default();
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| !journal.epochs.is_empty());
    for _ in 0..12 {
        bench.gun.fire().unwrap();
    }
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 12);
    assert_eq!(known_to_gun(journal.fired(SERIAL)), bench.log());
    let counters: Vec<u32> = journal
        .fired(SERIAL)
        .iter()
        .map(|shot| shot.counter)
        .collect();
    assert_eq!(counters, (1..=12).collect::<Vec<u32>>());
    assert!(journal.has(|event| *event == GunEvent::Grade(CompletenessGrade::NotProvable)));
    driver.ports.stop();
}

#[test]
fn each_opening_of_the_port_is_an_epoch() {
    let bench = bench();
    let mut journal = Journal::default();
    let mut driver = bench.driver();
    for opening in 1..=3 {
        driver.run_until(&mut journal, |journal| journal.epochs.len() == opening);
        for _ in 0..4 {
            bench.gun.fire().unwrap();
        }
        driver.run_until(&mut journal, |journal| journal.shot_count() >= 4 * opening);
        bench.gun.replug();
    }
    assert_eq!(known_to_gun(journal.fired(SERIAL)), bench.log());
    assert!(
        journal
            .shots
            .values()
            .all(|shots| shots[0].key.counter.get() == 1)
    );
    driver.ports.stop();
}

#[test]
fn shots_that_still_wait_for_an_epoch_when_their_gun_is_pulled_are_kept_apart() {
    let bench = bench();
    let mut journal = Journal {
        gives_no_epoch: true,
        ..Journal::default()
    };
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| {
        journal.has(|event| matches!(event, GunEvent::Attached(_)))
    });
    for _ in 0..3 {
        bench.gun.fire().unwrap();
    }
    // A line of nobody behind them says when they have been read.
    bench.gun.print(b"hello\r\n");
    let is_read = |event: &GunEvent| {
        let reason = RejectCause::Line(LineFault::NoPattern);
        matches!(event, GunEvent::Rejected { reason: told, .. } if *told == reason)
    };
    driver.run_until(&mut journal, |journal| journal.has(is_read));
    bench.gun.replug();
    driver.run_until(&mut journal, |journal| {
        journal.has(|event| matches!(event, GunEvent::Detached { .. }))
    });
    let never = RejectCause::Line(LineFault::NeverNumbered);
    let kept = journal.seen.iter().filter(|seen| {
        matches!(&seen.event, GunEvent::Rejected { reason, bytes, .. } if *reason == never && !bytes.is_empty())
    });
    assert_eq!(kept.count(), 3);
    driver.ports.stop();
}

#[test]
fn a_shot_is_dated_by_its_line_within_the_delay_of_the_profile() {
    let bench = bench();
    let mut journal = Journal::default();
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| !journal.epochs.is_empty());
    bench.gun.fire().unwrap();
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 1);
    let mut mapping = None;
    for seen in &journal.seen {
        match &seen.event {
            GunEvent::Clock(newest) => mapping = Some(*newest),
            GunEvent::Shot { shot, received_at } => {
                let (at, within) = mapping.unwrap().map(shot.boot, shot.tick).unwrap();
                assert_eq!(within, Uncertainty::Within(50_000_000));
                // The clocks are read a moment apart.
                let travel_ns = received_at.since_ns(at);
                assert!(
                    (45_000_000..=55_000_000).contains(&travel_ns),
                    "{travel_ns}"
                );
            }
            _ => {}
        }
    }
    driver.ports.stop();
}

#[test]
fn a_line_that_says_nothing_is_kept_and_stops_no_other() {
    let bench = bench();
    let mut journal = Journal::default();
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| !journal.epochs.is_empty());
    bench.gun.print(b"S;1,25;0,02\r\n");
    bench.gun.print(b"S;77,0;0,02;7\r\n");
    bench.gun.print(&[b'x'; 2_000]);
    bench.gun.print(b"\r\n# a remark\r\n");
    bench.gun.fire().unwrap();
    driver.run_until(&mut journal, |journal| journal.shot_count() >= 1);
    let rejected: Vec<_> = journal
        .seen
        .iter()
        .filter_map(|seen| match &seen.event {
            GunEvent::Rejected { reason, bytes, .. } => Some((reason.clone(), bytes.len())),
            _ => None,
        })
        .collect();
    assert_eq!(rejected.len(), 3, "{rejected:?}");
    assert_eq!(rejected[0], (RejectCause::Line(LineFault::NoPattern), 11));
    assert!(matches!(
        rejected[1].0,
        RejectCause::Line(LineFault::Impossible { .. })
    ));
    assert_eq!(rejected[2].1, 512);
    assert_eq!(known_to_gun(journal.fired(SERIAL)), bench.log());
    driver.ports.stop();
}

#[test]
fn a_gun_that_takes_nothing_back_cannot_be_inhibited_and_says_so() {
    let bench = bench();
    let mut journal = Journal::default();
    let mut driver = bench.driver();
    driver.run_until(&mut journal, |journal| !journal.epochs.is_empty());
    let serial = GunSerial::parse(SERIAL).unwrap();
    let refused = driver.ports.inhibit(&serial, 1);
    assert!(
        matches!(refused, Err(SerialError::NotOffered { .. })),
        "{refused:?}"
    );
    driver.ports.stop();
}
