//! The driver's part, with a journal in memory, for guns of any language.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use meso_config::guns::{GunProfile, GunRule, ModbusProfile, ProfileKind};
use meso_link_proto::ShotEvent;
use meso_serial::{GunEvent, GunPorts, PortEvent, PortSource, ProfileRule, SerialConfig};
use meso_testkit::gun::log::FiredShot;
use meso_units::{Epoch, GunSerial, ShotCounter};

/// Longer than anything here takes; only a broken port waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the driver holds: by epoch, the shots in the order in which they came, and what is gone.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) shots: BTreeMap<Epoch, Vec<ShotEvent>>,
    pub(crate) lost: Vec<(u32, u32)>,
    pub(crate) seen: Vec<PortEvent>,
    pub(crate) held: BTreeMap<Epoch, u32>,
    pub(crate) epochs: Vec<Epoch>,
    /// Whether guns that ask for an epoch wait for ever.
    pub(crate) gives_no_epoch: bool,
}

impl Journal {
    pub(crate) fn shot_count(&self) -> usize {
        self.shots.values().map(Vec::len).sum()
    }

    /// All shots in the order of their epochs' beginning, without the epoch that a host gave.
    pub(crate) fn fired(&self, serial: &str) -> Vec<FiredShot> {
        let shots = self.epochs.iter().flat_map(|epoch| &self.shots[epoch]);
        shots
            .map(|shot| FiredShot {
                epoch: 0,
                ..FiredShot::new(serial, shot)
            })
            .collect()
    }

    pub(crate) fn has(&self, is_wanted: impl Fn(&GunEvent) -> bool) -> bool {
        self.seen.iter().any(|seen| is_wanted(&seen.event))
    }

    #[track_caller]
    fn take_shot(&mut self, shot: &ShotEvent) {
        let held = self.held.entry(shot.key.epoch).or_default();
        let counter = shot.key.counter.get();
        assert!(counter > *held, "shot {counter} came after {held}");
        *held = counter;
        self.shots
            .entry(shot.key.epoch)
            .or_default()
            .push(shot.clone());
    }
}

/// A driver; dropping it is a crash that loses nothing of the journal.
pub(crate) struct Driver {
    pub(crate) ports: GunPorts,
    heard: Receiver<PortEvent>,
    next_epoch: u64,
}

impl Driver {
    pub(crate) fn start(source: impl PortSource, rules: &[ProfileRule]) -> Driver {
        Driver::with_config(
            source,
            SerialConfig {
                profiles: rules.to_vec(),
                ..SerialConfig::default()
            },
        )
    }

    pub(crate) fn with_config(source: impl PortSource, config: SerialConfig) -> Driver {
        let (events, heard) = sync_channel(64);
        let config = SerialConfig {
            scan_interval: Duration::from_millis(50),
            ..config
        };
        let ports = GunPorts::start(source, config, events).unwrap();
        Driver {
            ports,
            heard,
            next_epoch: u64::from(std::process::id()) << 32 | 1,
        }
    }

    /// Works off events until `is_enough`.
    #[track_caller]
    pub(crate) fn run_until(
        &mut self,
        journal: &mut Journal,
        is_enough: impl Fn(&Journal) -> bool,
    ) {
        let began = Instant::now();
        while !is_enough(journal) {
            assert!(
                began.elapsed() < PATIENCE,
                "last: {:?}",
                journal.seen.last()
            );
            if let Ok(event) = self.heard.recv_timeout(Duration::from_millis(20)) {
                self.take(journal, event);
            }
        }
    }

    #[track_caller]
    fn take(&mut self, journal: &mut Journal, event: PortEvent) {
        match &event.event {
            GunEvent::Attached(hello) => match hello.epoch() {
                None if journal.gives_no_epoch => {}
                None => self.assign(&hello.serial),
                Some(epoch) => {
                    if !journal.epochs.contains(&epoch) {
                        journal.epochs.push(epoch);
                        journal.shots.entry(epoch).or_default();
                    }
                    let next = journal.held.get(&epoch).map_or(1, |held| held + 1);
                    // A gun that is gone again by now comes back.
                    let _ = self
                        .ports
                        .expect_from(&hello.serial, epoch, ShotCounter(next));
                }
            },
            GunEvent::Shot { shot, .. } => {
                journal.take_shot(shot);
                self.acknowledge(&event, shot.key.epoch, shot.key.counter);
            }
            GunEvent::Rejected {
                identity: Some(key),
                ..
            } => {
                journal.held.insert(key.epoch, key.counter.get());
                self.acknowledge(&event, key.epoch, key.counter);
            }
            GunEvent::Lost { epoch, first, last } => {
                journal.lost.push((first.get(), last.get()));
                journal.held.insert(*epoch, last.get());
            }
            GunEvent::SalvageEnded { epoch, newest } => {
                if *newest > 0 {
                    self.acknowledge(&event, *epoch, ShotCounter(*newest));
                }
                self.assign(&event.gun.clone().unwrap());
            }
            _ => {}
        }
        journal.seen.push(event);
    }

    fn assign(&mut self, gun: &GunSerial) {
        self.next_epoch += 1;
        // As above.
        let _ = self.ports.assign_epoch(gun, Epoch(self.next_epoch));
    }

    fn acknowledge(&self, event: &PortEvent, epoch: Epoch, counter: ShotCounter) {
        let gun = event.gun.as_ref().unwrap();
        let _ = self.ports.acknowledge(gun, epoch, counter);
    }
}

pub(crate) fn modbus_example() -> GunProfile {
    let text = include_str!("../../../config/guns/example-modbus.toml");
    GunProfile::parse("example-modbus.toml", text).unwrap()
}

/// The example with other values in it.
pub(crate) fn modbus_with(changes: &[(&str, &str)]) -> GunProfile {
    let mut text = include_str!("../../../config/guns/example-modbus.toml").to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    GunProfile::parse("changed.toml", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) fn registers_of(profile: &GunProfile) -> ModbusProfile {
    let ProfileKind::Modbus(modbus) = &profile.kind else {
        panic!("not a Modbus profile");
    };
    (**modbus).clone()
}

/// A rule as a driver's configuration has it.
pub(crate) fn rule(profile: &GunProfile, key: &str, value: &str) -> ProfileRule {
    let text = format!(
        "version = 1\n[driver]\nid = \"room\"\nclinic = \"clinic\"\ntime_zone = \"UTC\"\n\
         data_dir = \"data\"\n[[guns]]\nprofile = \"gun.toml\"\n{key} = \"{value}\"\n"
    );
    let config = meso_config::DriverConfig::parse("driver.toml", &text).unwrap();
    let GunRule { matches, .. } = config.guns[0].clone();
    ProfileRule {
        matches,
        profile: profile.clone(),
    }
}
