//! Emulated guns behind pseudo-terminals in a folder.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use meso_link_proto::auth::{Keys, LinkKey};
use meso_link_proto::{CommandKind, CommandOutcome, RefuseReason, ResultCode, ShotEvent};
use meso_serial::{DetachReason, FolderSource, GunEvent, GunPorts, PortEvent, SerialConfig};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::gun::plan::{Breach, Habit};
use meso_testkit::gun::process::{
    BenchOptions, GunCommand, GunError, GunNotice, GunOptions, run_bench_gun,
};
use meso_units::{Epoch, GunSerial, ShotCounter, Uncertainty};

/// Longer than anything here takes; only a broken link waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

struct EmulatedGun {
    serial: GunSerial,
    log: PathBuf,
    control: UnixStream,
    thread: JoinHandle<Result<(), GunError>>,
}

/// A gun whose operator says yes to everything at once.
fn start_gun(folder: &Path, number: u64, habit: Habit) -> EmulatedGun {
    start_gun_with(folder, number, habit, BenchOptions::default())
}

fn start_gun_with(folder: &Path, number: u64, habit: Habit, bench: BenchOptions) -> EmulatedGun {
    let serial = GunSerial::parse(&format!("GUN-{number:04}")).unwrap();
    let log = folder.join(format!(".{serial}.log"));
    let options = GunOptions {
        serial: serial.clone(),
        ports_folder: folder.to_owned(),
        log: log.clone(),
        seed: number,
        habit,
        breach: Breach::None,
        drift_ppm: 120,
    };
    let (control, input) = UnixStream::pair().unwrap();
    let (output, events) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || run_bench_gun(&options, &bench, input, output));
    let mut operator = control.try_clone().unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(events).lines().map_while(Result::ok) {
            let notice: GunNotice = serde_json::from_str(&line).unwrap();
            let go_on = serde_json::to_string(&GunCommand::Continue).unwrap() + "\n";
            if matches!(notice, GunNotice::Operator { .. })
                && operator.write_all(go_on.as_bytes()).is_err()
            {
                return;
            }
        }
    });
    EmulatedGun {
        serial,
        log,
        control,
        thread,
    }
}

impl EmulatedGun {
    /// Takes the gun away, as when its cable is pulled for good.
    fn end(self) {
        self.control.shutdown(std::net::Shutdown::Both).unwrap();
        self.thread.join().unwrap().unwrap();
    }
}

/// The driver's part: a journal in memory.
#[derive(Default)]
struct Journal {
    held: BTreeMap<GunSerial, Vec<ShotEvent>>,
    seen: Vec<PortEvent>,
}

struct Driver {
    ports: GunPorts,
    heard: Receiver<PortEvent>,
}

impl Driver {
    fn start(folder: &Path) -> Driver {
        Driver::start_with(folder, Keys::default())
    }

    fn start_with(folder: &Path, keys: Keys) -> Driver {
        let (events, heard) = sync_channel(64);
        let source = FolderSource::new(folder);
        let config = SerialConfig {
            keys,
            ..SerialConfig::default()
        };
        let ports = GunPorts::start(source, config, events).unwrap();
        Driver { ports, heard }
    }

    /// Works off events until `is_enough`.
    fn run_until(&self, journal: &mut Journal, is_enough: impl Fn(&Journal) -> bool) {
        let began = Instant::now();
        while !is_enough(journal) {
            assert!(began.elapsed() < PATIENCE, "{:?}", journal.seen.last());
            if let Ok(event) = self.heard.recv_timeout(Duration::from_millis(100)) {
                self.on_event(journal, event);
            }
        }
    }

    fn on_event(&self, journal: &mut Journal, event: PortEvent) {
        match &event.event {
            GunEvent::Attached(hello) => {
                let held = journal.held.entry(hello.serial.clone()).or_default();
                let next = u32::try_from(held.len()).unwrap() + 1;
                // A gun may be gone again by the time it is answered; it comes back.
                let _ = match hello.epoch() {
                    None => self
                        .ports
                        .assign_epoch(&hello.serial, Epoch(0xC0FFEE))
                        .map(|_| ()),
                    Some(epoch) => self
                        .ports
                        .expect_from(&hello.serial, epoch, ShotCounter(next)),
                };
            }
            GunEvent::Shot { shot, .. } => {
                let gun = event.gun.clone().unwrap();
                let _ = self
                    .ports
                    .acknowledge(&gun, shot.key.epoch, shot.key.counter);
                journal.held.entry(gun).or_default().push((**shot).clone());
            }
            _ => {}
        }
        journal.seen.push(event);
    }
}

#[track_caller]
fn assert_as_logged(journal: &Journal, gun: &EmulatedGun) {
    let logged = read_log(&gun.log).unwrap();
    let received: Vec<FiredShot> = journal.held[&gun.serial]
        .iter()
        .map(|shot| FiredShot::new(gun.serial.as_str(), shot))
        .collect();
    assert!(!received.is_empty());
    assert_eq!(received, logged[..received.len()]);
}

#[test]
fn every_shot_of_four_guns_arrives_as_its_gun_wrote_it_down() {
    let folder = tempfile::tempdir().unwrap();
    let habits = [
        Habit::Nappage,
        Habit::Nappage,
        Habit::Burst,
        Habit::PointByPoint,
    ];
    let guns: Vec<EmulatedGun> = (1..)
        .zip(habits)
        .map(|(number, habit)| start_gun(folder.path(), number, habit))
        .collect();
    let driver = Driver::start(folder.path());
    let mut journal = Journal::default();
    driver.run_until(&mut journal, |journal| {
        journal.held.len() == 4 && journal.held.values().all(|held| held.len() >= 5)
    });
    assert_eq!(driver.ports.attached().len(), 4);
    for gun in &guns {
        assert_as_logged(&journal, gun);
    }
    driver.ports.stop();
    guns.into_iter().for_each(EmulatedGun::end);
}

#[test]
fn a_driver_that_starts_again_goes_on_where_its_journal_ends() {
    let folder = tempfile::tempdir().unwrap();
    let gun = start_gun(folder.path(), 1, Habit::Nappage);
    let mut journal = Journal::default();
    for round in 1..=3 {
        let driver = Driver::start(folder.path());
        driver.run_until(&mut journal, |journal| {
            journal.held.values().any(|held| held.len() >= round * 8)
        });
        driver.ports.stop();
    }
    assert_as_logged(&journal, &gun);
    gun.end();
}

#[test]
fn the_first_shot_can_be_mapped_and_the_map_agrees_with_its_arrival() {
    let folder = tempfile::tempdir().unwrap();
    let gun = start_gun(folder.path(), 1, Habit::Nappage);
    let driver = Driver::start(folder.path());
    let mut journal = Journal::default();
    driver.run_until(&mut journal, |journal| {
        journal.held.values().any(|held| held.len() >= 6)
    });
    let mut mapping = None;
    let mut mapped = 0;
    for event in &journal.seen {
        match &event.event {
            GunEvent::Clock(newest) => mapping = Some(*newest),
            GunEvent::Shot { shot, received_at } => {
                let (at, within) = mapping.unwrap().map(shot.boot, shot.tick).unwrap();
                let Uncertainty::Within(within_ns) = within else {
                    panic!("bounded")
                };
                let travel_ns = received_at.since_ns(at);
                let slack_ns = i64::try_from(within_ns).unwrap();
                assert!(
                    travel_ns >= -slack_ns,
                    "received {travel_ns} ns after the trigger"
                );
                mapped += 1;
            }
            _ => {}
        }
    }
    assert!(mapped >= 6);
    driver.ports.stop();
    gun.end();
}

#[test]
fn a_pulled_gun_is_told_as_detached_and_a_new_one_as_attached() {
    let folder = tempfile::tempdir().unwrap();
    let driver = Driver::start(folder.path());
    let mut journal = Journal::default();
    for number in 1..=2 {
        let gun = start_gun(folder.path(), number, Habit::Nappage);
        let serial = gun.serial.clone();
        driver.run_until(&mut journal, |journal| journal.held.contains_key(&serial));
        gun.end();
        driver.run_until(&mut journal, |journal| {
            journal.seen.last().is_some_and(|last| {
                last.gun.as_ref() == Some(&serial)
                    && last.event
                        == GunEvent::Detached {
                            reason: DetachReason::HungUp,
                        }
            })
        });
        assert!(driver.ports.attached().is_empty());
    }
    driver.ports.stop();
}

#[test]
fn an_inhibited_gun_fires_nothing_until_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let gun = start_gun(folder.path(), 1, Habit::Nappage);
    let driver = Driver::start(folder.path());
    let mut journal = Journal::default();
    driver.run_until(&mut journal, |journal| {
        journal.held.values().any(|held| held.len() >= 5)
    });
    let answered = |journal: &Journal, wanted: u16, kind: CommandKind| {
        journal.seen.iter().any(|seen| {
            matches!(&seen.event, GunEvent::Command { command, kind: told, outcome:
                CommandOutcome::Answered { result: ResultCode::Done, is_inhibited, .. } }
                if *command == wanted && *told == kind
                    && *is_inhibited == (kind == CommandKind::Inhibit))
        })
    };
    let number = driver.ports.inhibit(&gun.serial, 1).unwrap();
    driver.run_until(&mut journal, |j| answered(j, number, CommandKind::Inhibit));
    let statuses = |journal: &Journal| {
        journal
            .seen
            .iter()
            .filter(|seen| matches!(seen.event, GunEvent::Status(_)))
            .count()
    };
    // Two signs of life later nothing has been fired, though the plan had eight a second.
    let fired_before = read_log(&gun.log).unwrap().len();
    let wanted = statuses(&journal) + 2;
    driver.run_until(&mut journal, |journal| statuses(journal) >= wanted);
    assert_eq!(read_log(&gun.log).unwrap().len(), fired_before);
    let number = driver.ports.resume(&gun.serial).unwrap();
    driver.run_until(&mut journal, |j| answered(j, number, CommandKind::Resume));
    let wanted = journal.held[&gun.serial].len() + 3;
    driver.run_until(&mut journal, |journal| {
        journal.held[&gun.serial].len() >= wanted
    });
    assert_as_logged(&journal, &gun);
    driver.ports.stop();
    gun.end();
}

fn keys_of(gun: &GunSerial, key: LinkKey) -> Keys {
    Keys::new([(gun.clone(), key)].into(), true)
}

#[test]
fn a_gun_with_a_key_is_authentic_to_who_has_it_and_refused_by_who_has_another() {
    let folder = tempfile::tempdir().unwrap();
    let key = LinkKey::new([0x42; 32]);
    let bench = BenchOptions {
        key: Some(key.clone()),
        ..BenchOptions::default()
    };
    let gun = start_gun_with(folder.path(), 7, Habit::Nappage, bench);
    let wrong = keys_of(&gun.serial, LinkKey::new([0x43; 32]));
    let driver = Driver::start_with(folder.path(), wrong);
    let is_refused = |journal: &Journal| {
        journal.seen.iter().any(|seen| {
            let reason = RefuseReason::NotAuthentic;
            matches!(&seen.event, GunEvent::Refused { reason: told, .. } if *told == reason)
        })
    };
    let mut journal = Journal::default();
    driver.run_until(&mut journal, is_refused);
    assert!(journal.held.is_empty());
    driver.ports.stop();

    let driver = Driver::start_with(folder.path(), keys_of(&gun.serial, key));
    let serial = gun.serial.clone();
    driver.run_until(&mut journal, |journal| {
        journal
            .held
            .get(&serial)
            .is_some_and(|shots| shots.len() >= 5)
    });
    assert!(driver.ports.is_authentic(&serial));
    driver.ports.stop();
    gun.end();
}
