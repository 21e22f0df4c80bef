//! Rung C: the driver's own enumeration finds the gun as a USB device. The system's list of serial
//! ports is a folder of ours, seen by nobody outside of a mount namespace.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use meso_testkit::gun::log::FiredShot;
use serde_json::Value;

use crate::bench::{Bench, PATIENCE, SERIAL, program};

/// Puts our list of ports and our device files in the place of the system's, and becomes the
/// program. The real pseudo-terminals stay, because the gun's port is one.
const NAMESPACE: &str = r#"
set -eu
root=$1; shift
mount -t tmpfs none "$root/dev"
mkdir "$root/dev/pts"
mount --rbind /dev/pts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for name in null zero random urandom; do
    : > "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
# Not a link: a device file's name is its own, and the list of ports knows that name only.
: > "$root/dev/ttyACM7"
mount --bind "$(readlink -f "$root/port")" "$root/dev/ttyACM7"
mount --bind "$root/class" /sys/class/tty
mount --rbind "$root/dev" /dev
exec "$@"
"#;

/// A computer whose only serial port is this gun.
struct Computer {
    root: tempfile::TempDir,
}

impl Computer {
    /// The device lies as the kernel lays it out; the port is wherever `port` leads.
    fn with_gun_at(port: &Path, usb_serial: &str) -> Computer {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("devices/usb1/1-1");
        let interface = device.join("1-1:1.0");
        let class = root.path().join("class/ttyACM7");
        for folder in [&interface, &class, &root.path().join("bus/usb")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::create_dir(root.path().join("dev")).unwrap();
        for (name, value) in [
            ("idVendor", "1209"),
            ("idProduct", "0001"),
            ("serial", usb_serial),
            ("manufacturer", "Example"),
            ("product", "Injector"),
        ] {
            fs::write(device.join(name), format!("{value}\n")).unwrap();
        }
        symlink(root.path().join("bus/usb"), interface.join("subsystem")).unwrap();
        symlink(&interface, class.join("device")).unwrap();
        symlink(port, root.path().join("port")).unwrap();
        Computer { root }
    }

    /// The command, as this computer would run it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-c", NAMESPACE, "sh"])
            .arg(self.root.path())
            .arg(program);
        command
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let output = self.command(program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "a mount namespace needs root, and `unshare` of util-linux: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }
}

/// A driver that runs on such a computer; it leaves when its input ends.
struct Driver<'a> {
    computer: &'a Computer,
    child: Child,
    config: PathBuf,
}

impl<'a> Driver<'a> {
    fn start(computer: &'a Computer) -> Driver<'a> {
        let root = computer.root.path();
        let config = root.join("driver.toml");
        let data = toml_text(&root.join("data"));
        // Nobody listens on the broker's port: the shots wait in the journal.
        let text = format!(
            "version = 1\n\
             [driver]\nid = \"room-1\"\nclinic = \"bench\"\ntime_zone = \"UTC\"\ndata_dir = {data}\n\
             [ports]\nsource = \"enumerate\"\nrescan_ms = 100\nusb_serial = \"require\"\n\
             [broker]\nhost = \"127.0.0.1\"\nport = 9\n\
             [room]\nhttp = \"127.0.0.1:0\"\n"
        );
        fs::write(&config, text).unwrap();
        let child = computer
            .command(&program("mesofleet-driver"))
            .args(["run", "--stop-when-stdin-closes", "--config"])
            .arg(&config)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Driver {
            computer,
            child,
            config,
        }
    }

    fn ask(&self, arguments: &[&str]) -> Option<Value> {
        let asked = self
            .computer
            .command(&program("mesofleet-driver"))
            .args(arguments)
            .args(["--json", "--config"])
            .arg(&self.config)
            .output()
            .unwrap();
        serde_json::from_slice(&asked.stdout).ok()
    }

    /// Waits until the journal holds the gun's shots up to `counter`.
    fn wait_for(&mut self, counter: u32) {
        let deadline = Instant::now() + PATIENCE;
        let held = |status: &Value| status["state"]["guns"][0]["journalled_counter"].as_u64();
        loop {
            let status = self.ask(&["status"]);
            if status.as_ref().and_then(held) >= Some(u64::from(counter)) {
                return;
            }
            assert!(Instant::now() < deadline, "{status:?}");
            assert_eq!(self.child.try_wait().unwrap(), None, "the driver has ended");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Lets it leave, and gives what its journal holds.
    fn leave(mut self) -> Value {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.ask(&["journal", "inspect"])
            .expect("the journal's view")
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        // After `leave` it has ended and both only say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as a TOML string; ours hold nothing that needs an escape but quotes.
fn toml_text(path: &Path) -> String {
    format!("{:?}", path.to_str().unwrap())
}

#[test]
fn the_enumeration_shows_who_made_the_port_and_its_serial_number() {
    let bench = Bench::start(0, |_| {});
    let computer = Computer::with_gun_at(&bench.ports.join("gun"), SERIAL);
    let output = computer.run(&program("mesofleet-driver"), &["list-ports", "--json"]);
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ports = listed["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 1, "{listed}");
    for (field, expected) in [
        ("path", "/dev/ttyACM7"),
        ("usb_id", "1209:0001"),
        ("usb_serial", SERIAL),
        ("manufacturer", "Example"),
        ("product", "Injector"),
    ] {
        assert_eq!(ports[0][field], expected, "{field} of {listed}");
    }
}

#[test]
fn the_driver_takes_an_enumerated_gun_and_journals_every_shot_through_a_reset() {
    let mut bench = Bench::start(40, |_| {});
    let computer = Computer::with_gun_at(&bench.ports.join("gun"), SERIAL);
    let mut driver = Driver::start(&computer);
    driver.wait_for(20);
    bench.gun.reset().unwrap();
    driver.wait_for(50);
    let fired: Vec<FiredShot> = bench.fired();
    let last = fired.last().unwrap().counter;
    driver.wait_for(last);
    let journal = driver.leave();
    let guns = journal["guns"].as_array().unwrap();
    assert_eq!(guns.len(), 1, "one gun, one epoch: {journal}");
    assert_eq!(guns[0]["gun"], SERIAL);
    assert_eq!(guns[0]["shots"].to_string(), format!("[[1,{last}]]"));
    assert_eq!(fired.len(), last as usize);
}
