//! A room: a computer, a driver on it, and two guns that fire all the time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use meso_testkit::gun::bank::{Bank, BankGun};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::qemu::{
    Cable, Computer, ComputerOptions, Page, QemuGun, QemuOptions, system_folder,
};
use meso_tests::sandbox::Programs;
use meso_units::GunSerial;
use serde_json::Value;

/// The gun with the reference firmware, behind a converter chip.
pub(crate) const CONVERTER_GUN: &str = "GUN-000123";
/// The gun that is a USB device itself.
pub(crate) const DEVICE_GUN: &str = "GUN-000777";

/// The driver's configuration. Nobody listens on the broker's port: the shots wait in the journal.
const CONFIG: &str = r#"
version = 1
[driver]
id = "room-1"
clinic = "bench"
time_zone = "UTC"
data_dir = "/data"
[ports]
source = "enumerate"
usb_serial = "require"
[broker]
host = "127.0.0.1"
port = 9
[room]
http = "127.0.0.1:0"
"#;
/// One shot of each gun this often; the emulated computer is some ten times slower than a real one.
const FIRE_EVERY: Duration = Duration::from_millis(200);
/// Longer than anything here takes; only a broken driver is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the driver is asked; each question is a program that the computer starts.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// All of it. It ends in this order: a gun outlives neither its folder nor its log.
pub(crate) struct Room {
    pub(crate) computer: Computer,
    firmware: QemuGun,
    bank: Bank,
    folder: tempfile::TempDir,
}

impl Room {
    /// Starts guns and computer, and no driver yet.
    pub(crate) fn start() -> Room {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::built().unwrap();
        let firmware = firmware_gun(&programs, folder.path());
        let serial = GunSerial::parse(DEVICE_GUN).unwrap();
        let gun = BankGun::new(serial, 7, FIRE_EVERY);
        let bank = Bank::start(folder.path(), folder.path(), vec![gun]).unwrap();
        let cable = |port: PathBuf, serial: &str| Cable {
            port,
            usb_serial: serial.to_owned(),
        };
        let options = ComputerOptions {
            system: system_folder(),
            programs: vec![programs.path("mesofleet-driver")],
            files: vec![("etc/driver.toml".to_owned(), CONFIG.to_owned())],
            converter: cable(firmware.port().to_owned(), CONVERTER_GUN),
            gadget: cable(folder.path().join(DEVICE_GUN), DEVICE_GUN),
        };
        Room {
            computer: Computer::start(&options).unwrap(),
            firmware,
            bank,
            folder,
        }
    }

    /// Starts the driver on the computer.
    pub(crate) fn start_driver(&mut self) {
        let started = self.computer.run(
            "(mesofleet-driver run --config /etc/driver.toml; echo $? > /tmp/driver.code) \
             > /tmp/driver.log 2>&1 &",
        );
        assert_eq!(started.unwrap().code, 0);
        self.wait_until("the driver answers", |_| true);
    }

    /// The answer of a command of the driver's program.
    fn ask(&mut self, arguments: &str) -> Value {
        self.try_ask(arguments)
            .unwrap_or_else(|said| panic!("{arguments}: {said}"))
    }

    /// The list of the ports, once there are so many: the kernel enumerates in its own time.
    #[track_caller]
    pub(crate) fn ports(&mut self, count: usize) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listed = self.ask("list-ports --config /etc/driver.toml");
            let ports = listed["ports"].as_array().unwrap();
            if ports.len() == count {
                return listed;
            }
            assert!(
                Instant::now() < deadline,
                "{listed}\n{}",
                self.computer.console()
            );
            std::thread::park_timeout(ASK_EVERY);
        }
    }

    fn try_ask(&mut self, arguments: &str) -> Result<Value, String> {
        // What it says to people goes elsewhere.
        let command = format!("mesofleet-driver {arguments} --json 2> /tmp/ask.log");
        let said = self.computer.run(&command).unwrap();
        serde_json::from_str(&said.text).map_err(|_| format!("{said:?}"))
    }

    /// Looks at the driver's state until it is as wanted, and gives it.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.try_ask("status --config /etc/driver.toml");
            match &status {
                Ok(status) if is_so(&status["state"]) => return status["state"].clone(),
                _ => {}
            }
            if Instant::now() >= deadline {
                let log = self.computer.run("cat /tmp/driver.log").unwrap();
                panic!(
                    "{what}: {status:?}\n{}\n{}",
                    log.text,
                    self.computer.console()
                );
            }
            std::thread::park_timeout(ASK_EVERY);
        }
    }

    /// Waits until the driver has the gun and the gun an epoch, or until it has it no more.
    #[track_caller]
    pub(crate) fn wait_attached(&mut self, serial: &str, is_attached: bool) {
        self.wait_until("a gun comes or goes", |state| {
            gun(state, serial)["attached"] == is_attached
        });
    }

    /// Waits until the journal holds the gun's shots up to `counter`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, serial: &str, counter: u32) {
        self.wait_until("shots reach the journal", |state| {
            journalled(state, serial) >= u64::from(counter)
        });
    }

    /// Waits for so many more shots of a gun in the journal.
    #[track_caller]
    pub(crate) fn wait_for_more(&mut self, serial: &str, count: u64) {
        let state = self.wait_until("the driver answers", |_| true);
        let wanted = journalled(&state, serial) + count;
        self.wait_until("shots reach the journal", |state| {
            journalled(state, serial) >= wanted
        });
    }

    /// Stops the firing and gives what each gun fired, by its own word.
    pub(crate) fn stop_firing(&mut self) -> [(&'static str, Vec<FiredShot>); 2] {
        self.firmware.rig().set_firing(false).unwrap();
        self.bank.stop_firing().unwrap();
        [CONVERTER_GUN, DEVICE_GUN].map(|serial| {
            let log = self.folder.path().join(format!("{serial}.jsonl"));
            (serial, read_log(&log).unwrap())
        })
    }

    /// Lets the driver leave, and gives what its journal holds.
    pub(crate) fn leave(&mut self) -> Value {
        self.computer.run("killall mesofleet-driver").unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let code = self.computer.run("cat /tmp/driver.code").unwrap();
            match code.text.as_str() {
                "0" => return self.ask("journal inspect --config /etc/driver.toml"),
                _ if Instant::now() < deadline => std::thread::park_timeout(ASK_EVERY),
                other => panic!("the driver does not leave: {other}"),
            }
        }
    }
}

fn firmware_gun(programs: &Programs, folder: &Path) -> QemuGun {
    let mut page = Page::new(GunSerial::parse(CONVERTER_GUN).unwrap());
    page.period_us = FIRE_EVERY.as_micros().try_into().unwrap();
    QemuGun::start(QemuOptions {
        // `cargo xtask firmware` builds it there.
        image: programs.path("meso-gun-mps2.bin"),
        page,
        port: folder.join("firmware-gun"),
        log: folder.join(format!("{CONVERTER_GUN}.jsonl")),
    })
    .unwrap()
}

fn gun<'a>(state: &'a Value, serial: &str) -> &'a Value {
    let mut guns = state["guns"].as_array().into_iter().flatten();
    guns.find(|gun| gun["serial"] == serial)
        .unwrap_or(&Value::Null)
}

fn journalled(state: &Value, serial: &str) -> u64 {
    gun(state, serial)["journalled_counter"]
        .as_u64()
        .unwrap_or(0)
}
