//! A bank of guns, and a host for all of them in the same process.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use meso_serial::{FolderSource, GunEvent, GunPorts, PortEvent, SerialConfig};
use meso_testkit::gun::bank::{Bank, BankError, BankGun, Order};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_units::{Epoch, GunSerial, ShotCounter};

/// Longer than anything here takes; only a broken gun waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn guns(count: u64) -> Vec<BankGun> {
    let gun = |number| {
        let serial = GunSerial::parse(&format!("GUN-{number:04}")).unwrap();
        BankGun::new(serial, number, Duration::from_millis(30))
    };
    (1..=count).map(gun).collect()
}

/// A host that holds what it receives, and asks each gun for what it lacks.
struct Host {
    ports: GunPorts,
    heard: Receiver<PortEvent>,
    held: BTreeMap<GunSerial, Vec<FiredShot>>,
}

impl Host {
    fn start(folder: &std::path::Path) -> Host {
        let (events, heard) = sync_channel(1_024);
        let config = SerialConfig {
            scan_interval: Duration::from_millis(20),
            ..SerialConfig::default()
        };
        Host {
            ports: GunPorts::start(FolderSource::new(folder), config, events).unwrap(),
            heard,
            held: BTreeMap::new(),
        }
    }

    /// Receives until every gun has given this many shots.
    fn receive(&mut self, guns: usize, shots: usize) {
        while self.held.len() < guns || self.held.values().any(|held| held.len() < shots) {
            let event = self.heard.recv_timeout(PATIENCE).unwrap();
            let Some(gun) = event.gun else { continue };
            match event.event {
                GunEvent::Attached(hello) => {
                    let held = self.held.get(&gun).map_or(0, Vec::len);
                    let next = ShotCounter(u32::try_from(held).unwrap() + 1);
                    // Where it has gone again in this moment, it comes again.
                    let _ = match hello.epoch() {
                        None => self.ports.assign_epoch(&gun, Epoch(77)).map(|_| ()),
                        Some(epoch) => self.ports.expect_from(&gun, epoch, next),
                    };
                }
                GunEvent::Shot { shot, .. } => {
                    let key = shot.key;
                    let fired = FiredShot::new(gun.as_str(), &shot);
                    self.held.entry(gun.clone()).or_default().push(fired);
                    let _ = self.ports.acknowledge(&gun, key.epoch, key.counter);
                }
                GunEvent::Lost { .. } | GunEvent::Rejected { .. } => panic!("{gun} lost a shot"),
                _ => {}
            }
        }
    }

    #[track_caller]
    fn assert_as_logged(&self, bank: &Bank) {
        for (held, log) in self.held.values().zip(bank.logs()) {
            assert_eq!(*held, read_log(log).unwrap()[..held.len()]);
        }
    }
}

#[test]
fn every_gun_of_a_bank_says_what_it_wrote_down() {
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports");
    std::fs::create_dir(&ports).unwrap();
    let bank = Bank::start(&ports, folder.path(), guns(8)).unwrap();
    let mut host = Host::start(&ports);
    host.receive(8, 10);
    host.assert_as_logged(&bank);
    let fired = bank.stop_firing().unwrap();
    assert!(fired.iter().all(|count| *count >= 10), "{fired:?}");
    assert_eq!(bank.fired().unwrap(), fired, "they fire no more");
}

#[test]
fn a_cable_that_is_pulled_and_put_back_and_a_reset_cost_no_shot() {
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports");
    std::fs::create_dir(&ports).unwrap();
    let bank = Bank::start(&ports, folder.path(), guns(1)).unwrap();
    let mut host = Host::start(&ports);
    host.receive(1, 5);
    bank.order(0, Order::UnplugInMidFrame).unwrap();
    bank.order(0, Order::FireBurst(20)).unwrap();
    let gone = || !ports.join("GUN-0001").exists();
    while !gone() {
        bank.fired().unwrap();
    }
    bank.order(0, Order::Reset).unwrap();
    let (folder_of_ports, name) = (ports.clone(), "GUN-0001-again".to_owned());
    let plug = Order::Plug {
        folder: folder_of_ports,
        name,
    };
    bank.order(0, plug).unwrap();
    host.receive(1, 40);
    host.assert_as_logged(&bank);
}

#[test]
fn an_order_to_a_gun_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::start(folder.path(), folder.path(), guns(2)).unwrap();
    let refused = bank.order(2, Order::Count);
    assert!(matches!(
        refused,
        Err(BankError::NoSuchGun { place: 2, count: 2 })
    ));
}
