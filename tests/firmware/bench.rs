//! A gun on a bench, and a host at its port.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use meso_link_proto::auth::Keys;
use meso_link_proto::{CommandOutcome, ShotEvent};
use meso_serial::{FolderSource, GunEvent, GunPorts, PortEvent, SerialConfig};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::qemu::{Page, QemuGun, QemuOptions, RigState};
use meso_tests::root;
use meso_units::{Epoch, GunSerial, ShotCounter};

/// The serial number of the gun on the bench.
pub(crate) const SERIAL: &str = "GUN-0042";
/// Longer than anything here takes; only a broken gun or host waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Where the board has the light at the handle.
const LIGHTS_ADDRESS: u32 = 0x4002_8000;
/// Looks at the light before it is believed to stay as it is; each takes about a millisecond.
const LOOKS_MAX: usize = 20_000;
/// The folder of ports is looked at so often.
const SCAN: Duration = Duration::from_millis(50);

/// The same, checked.
pub(crate) fn serial() -> GunSerial {
    GunSerial::parse(SERIAL).unwrap()
}

/// The firmware's image, built once.
pub(crate) fn image() -> PathBuf {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
        let script = root().join("firmware-bridge/firmware/build.sh");
        let built = Command::new(script).arg(&out).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(
            built.status.success(),
            "the firmware does not build; it needs `sudo apt-get install \
             --no-install-recommends gcc-arm-none-eabi`:\n{said}"
        );
        out.join("meso-gun-mps2.bin")
    };
    IMAGE.get_or_init(build).clone()
}

/// A program of ours, built on first use.
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let built = Command::new(env!("CARGO"))
            // The same three as everywhere, so that cargo builds none of them twice.
            .args(["build", "--quiet", "--bins"])
            .args(["--package", "mesofleet", "--package", "mesofleet-driver"])
            .args(["--package", "mesofleet-verify"])
            .status();
        assert!(built.unwrap().success(), "the driver does not build");
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().to_owned()
    };
    FOLDER.get_or_init(build).join(name)
}

/// A gun and the folder in which its port appears.
pub(crate) struct Bench {
    pub(crate) gun: QemuGun,
    pub(crate) ports: PathBuf,
    log: PathBuf,
    // Last: the folder goes when nobody uses it any more.
    folder: tempfile::TempDir,
}

impl Bench {
    /// A gun that fires every `period_ms`, or only for its rig where that is 0.
    pub(crate) fn start(period_ms: u32, change: impl FnOnce(&mut Page)) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let ports = folder.path().join("ports");
        std::fs::create_dir(&ports).unwrap();
        let log = folder.path().join("gun.jsonl");
        let mut page = Page::new(serial());
        page.period_us = period_ms * 1_000;
        change(&mut page);
        let gun = QemuGun::start(QemuOptions {
            image: image(),
            port: ports.join("gun"),
            log: log.clone(),
            page,
        });
        Bench {
            gun: gun.unwrap(),
            ports,
            log,
            folder,
        }
    }

    /// Waits until so many more shots were fired, host or no host.
    pub(crate) fn fire_more(&mut self, count: u64) {
        let reached = self.gun.rig().state().fired + count;
        let enough = |state: &RigState| state.fired >= reached;
        self.gun.rig().wait_until("shots", enough).unwrap();
    }

    /// Looks at the light at the handle until so many states of it were seen, or for a while.
    pub(crate) fn lights_seen(&mut self, count: usize) -> BTreeSet<bool> {
        let mut seen = BTreeSet::new();
        for _ in 0..LOOKS_MAX {
            let file = self.folder.path().join("lights");
            let qmp = self.gun.qmp().unwrap();
            qmp.save_memory(LIGHTS_ADDRESS, 4, &file).unwrap();
            seen.insert(std::fs::read(&file).unwrap()[0] & 1 != 0);
            if seen.len() >= count {
                break;
            }
        }
        seen
    }

    /// Plugs the cable in again where it was.
    pub(crate) fn plug(&self) {
        self.gun.relay().plug(&self.ports.join("gun")).unwrap();
    }

    /// Stops the firing and gives what was fired, by the firmware's own word.
    pub(crate) fn fired(&mut self) -> Vec<FiredShot> {
        self.gun.rig().set_firing(false).unwrap();
        read_log(&self.log).unwrap()
    }
}

/// The host's own code on the folder of ports, with a journal in memory.
pub(crate) struct Host {
    pub(crate) ports: GunPorts,
    events: Receiver<PortEvent>,
    /// Each shot that came, by its epoch, in the order of the counters.
    pub(crate) held: BTreeMap<Epoch, Vec<ShotEvent>>,
    /// Everything that happened but shots, clocks and states of the gun.
    pub(crate) seen: Vec<GunEvent>,
    epochs: u64,
}

impl Host {
    /// A host without keys.
    pub(crate) fn start(folder: &Path) -> Host {
        Host::with_keys(folder, Keys::default())
    }

    /// A host that knows some guns' keys.
    pub(crate) fn with_keys(folder: &Path, keys: Keys) -> Host {
        let (sender, events) = sync_channel(1_024);
        let config = SerialConfig {
            scan_interval: SCAN,
            keys,
            ..SerialConfig::default()
        };
        let ports = GunPorts::start(FolderSource::new(folder), config, sender).unwrap();
        Host {
            ports,
            events,
            held: BTreeMap::new(),
            seen: Vec::new(),
            epochs: 0,
        }
    }

    /// Shots that it holds, of all epochs.
    pub(crate) fn count(&self) -> usize {
        self.held.values().map(Vec::len).sum()
    }

    /// Works off events until `is_enough`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_enough: impl Fn(&Host) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_enough(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => self.take(event),
                Err(error) => panic!("{what}: {error}; {:?}", self.seen),
            }
        }
    }

    /// Forgets what was seen, so that the same can be waited for again.
    pub(crate) fn forget_seen(&mut self) {
        self.seen.clear();
    }

    fn take(&mut self, event: PortEvent) {
        match event.event {
            GunEvent::Attached(hello) => {
                // A gun may be gone again by the time it is answered; it comes back.
                let _ = match hello.epoch() {
                    None => {
                        self.epochs += 1;
                        let epoch = Epoch(0xC0FFEE + self.epochs);
                        self.ports.assign_epoch(&hello.serial, epoch).map(drop)
                    }
                    Some(epoch) => {
                        let held = self.held.entry(epoch).or_default();
                        let next = held.last().map_or(1, |shot| shot.key.counter.get() + 1);
                        self.ports
                            .expect_from(&hello.serial, epoch, ShotCounter(next))
                    }
                };
                self.seen.push(GunEvent::Attached(hello));
            }
            GunEvent::Shot { shot, .. } => {
                let gun = event.gun.expect("a shot has a gun");
                let key = shot.key;
                // Likewise; it is acknowledged again with the next one.
                let _ = self.ports.acknowledge(&gun, key.epoch, key.counter);
                self.held.entry(key.epoch).or_default().push(*shot);
            }
            GunEvent::Clock(_) | GunEvent::Status(_) => {}
            other => self.seen.push(other),
        }
    }

    /// What it holds, as a gun's log has it.
    pub(crate) fn received(&self) -> Vec<FiredShot> {
        let shots = self.held.values().flatten();
        shots.map(|shot| FiredShot::new(SERIAL, shot)).collect()
    }

    /// Waits until the gun has answered a command, and gives the answer.
    #[track_caller]
    pub(crate) fn outcome(&mut self, number: u16) -> CommandOutcome {
        let answer = |host: &Host| {
            host.seen.iter().find_map(|event| match event {
                GunEvent::Command {
                    command, outcome, ..
                } if *command == number => Some(*outcome),
                _ => None,
            })
        };
        self.until("the answer to a command", |host| answer(host).is_some());
        answer(self).expect("just seen")
    }
}
