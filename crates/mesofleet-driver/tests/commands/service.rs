//! The driver as a service of systemd.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::driver;

/// Far above anything that happens here; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

const UNIT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../config/mesofleet-driver.service"
);

/// A driver that does not outlive the test: whoever waits for the end of the test's output would
/// wait for the driver's.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Where the test went well it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn heard(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = manager.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn write_config(folder: &Path) {
    let text = "version = 1\n[driver]\nid = \"room-1\"\nclinic = \"example-clinic\"\n\
                time_zone = \"Europe/Vienna\"\ndata_dir = \"data\"\n[ports]\nfolder = \"ports\"\n";
    std::fs::write(folder.join("driver.toml"), text).unwrap();
}

#[test]
fn the_service_manager_hears_that_the_driver_is_ready_lives_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path());
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let started = Command::new(env!("CARGO_BIN_EXE_mesofleet-driver"))
        .args(["run", "--log", "error", "--config", "driver.toml"])
        .current_dir(folder.path())
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "200000")
        .stdin(Stdio::null())
        .spawn();
    let mut driver = Running(started.unwrap());
    assert_eq!(heard(&manager), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(&manager), "WATCHDOG=1");
    }
    let killed = Command::new("kill").arg(driver.0.id().to_string()).status();
    assert!(killed.unwrap().success());
    let last = std::iter::repeat_with(|| heard(&manager)).find(|words| words != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(driver.0.wait().unwrap().success());
}

#[test]
fn the_unit_starts_the_driver_with_options_that_it_knows() {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let mut words: Vec<_> = start.split(' ').collect();
    assert!(words.remove(0).ends_with("/mesofleet-driver"), "{start}");
    words.push("--help");
    driver(words).assert_code(0);
    for line in [
        "Type=notify",
        "WatchdogSec=30",
        "RestartPreventExitStatus=2 3",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}
