//! One gun: the machine, its cable, its rig, its power.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use meso_units::GunSerial;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::{QemuError, failed};
use super::page::Page;
use super::process::{self, QEMU_ARM, QemuProcess};
use super::qmp::Qmp;
use super::relay::Relay;
use super::rig::Rig;

/// Where the firmware looks for its page: `PAGE` of `mps2.ld`.
const PAGE_ADDRESS: u32 = 0x0004_0000;
/// How long QEMU may take until it has connected to us.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How often a QEMU that is starting is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a gun in QEMU is started with.
#[derive(Clone)]
pub struct QemuOptions {
    /// The firmware's image, `meso-gun-mps2.bin`.
    pub image: PathBuf,
    /// What makes this gun this gun.
    pub page: Page,
    /// Where its port is put.
    pub port: PathBuf,
    /// Where its rig writes what was fired.
    pub log: PathBuf,
}

/// The reference firmware in a machine, behind a cable, at a rig.
pub struct QemuGun {
    options: QemuOptions,
    folder: tempfile::TempDir,
    // In the order in which they end: the machine first, so that nobody talks to it any more.
    machine: Option<Machine>,
    relay: Relay,
    rig: Rig,
}

struct Machine {
    process: QemuProcess,
    qmp: Qmp,
}

impl QemuGun {
    /// Gives power to a new gun and plugs it in; its firmware has started when this returns.
    ///
    /// # Errors
    ///
    /// [`QemuError`] where a program or the image is missing, or QEMU does not start.
    pub fn start(options: QemuOptions) -> Result<QemuGun, QemuError> {
        check_tools(&options.image)?;
        let folder = tempfile::Builder::new()
            .prefix("mesofleet-qemu-")
            .tempdir()
            .map_err(failed("make a folder for QEMU's sockets"))?;
        let relay = Relay::start(options.page.serial.as_str())?;
        let rig = Rig::new(&options.page.serial, &options.log)?;
        let mut gun = QemuGun {
            options,
            folder,
            machine: None,
            relay,
            rig,
        };
        let port = gun.options.port.clone();
        gun.power_on(&port)?;
        Ok(gun)
    }

    /// The gun's serial number.
    pub fn serial(&self) -> &GunSerial {
        &self.options.page.serial
    }

    /// Where its port was put first.
    pub fn port(&self) -> &Path {
        &self.options.port
    }

    /// The cable.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// The test rig.
    pub fn rig(&mut self) -> &mut Rig {
        &mut self.rig
    }

    /// The page with which the next start of the machine begins.
    pub fn page(&mut self) -> &mut Page {
        &mut self.options.page
    }

    /// The machine's control line.
    ///
    /// # Errors
    ///
    /// [`QemuError::Ended`] while it has no power.
    pub fn qmp(&mut self) -> Result<&mut Qmp, QemuError> {
        let machine = self.machine.as_mut().ok_or_else(no_power)?;
        Ok(&mut machine.qmp)
    }

    /// Resets the processor; the firmware has started again when this returns.
    ///
    /// # Errors
    ///
    /// [`QemuError`] when the machine does not answer.
    pub fn reset(&mut self) -> Result<(), QemuError> {
        let before = self.rig.state().starts;
        self.qmp()?.system_reset()?;
        self.wait_for_start(before)
    }

    /// Cuts the power, which also takes the port away: memory and clock are gone.
    ///
    /// # Errors
    ///
    /// [`QemuError`] when the cable does not answer.
    pub fn power_cut(&mut self) -> Result<(), QemuError> {
        // Killed where it stands; what it had told before is still heard.
        self.machine = None;
        self.relay.unplug()?;
        self.relay.connect(None)?;
        self.rig.hear_out();
        Ok(())
    }

    /// Gives power to a gun that has none, and plugs it in at `port`.
    ///
    /// # Errors
    ///
    /// [`QemuError`] when QEMU does not start.
    pub fn power_on(&mut self, port: &Path) -> Result<(), QemuError> {
        let before = self.rig.state().starts;
        let page = self.write_page()?;
        let [link, rig, qmp] = ["link", "rig", "qmp"].map(|name| self.folder.path().join(name));
        let sockets = [listen(&link)?, listen(&rig)?, listen(&qmp)?];
        let image = self.options.image.display();
        let chardev =
            |id: &str, path: &Path| format!("socket,id={id},path={},server=off", path.display());
        let arguments: Vec<String> = [
            "-M",
            "mps2-an385",
            "-display",
            "none",
            "-monitor",
            "none",
            "-nodefaults",
            "-kernel",
            &image.to_string(),
            "-chardev",
            &chardev("link", &link),
            "-serial",
            "chardev:link",
            "-chardev",
            &chardev("rig", &rig),
            "-serial",
            "chardev:rig",
            "-chardev",
            &chardev("qmp", &qmp),
            "-mon",
            "chardev=qmp,mode=control",
            "-device",
            &format!(
                "loader,file={},addr={PAGE_ADDRESS:#x},force-raw=on",
                page.display()
            ),
        ]
        .map(str::to_owned)
        .to_vec();
        let said = self.folder.path().join("said");
        let mut process = QemuProcess::start(QEMU_ARM, &arguments, &said)?;
        let [link, rig, qmp] = sockets;
        let link = accept(&link, &mut process)?;
        let rig = accept(&rig, &mut process)?;
        let qmp = accept(&qmp, &mut process)?;
        self.rig.listen(rig)?;
        self.relay.connect(Some(link))?;
        let qmp = Qmp::greet(qmp)?;
        self.machine = Some(Machine { process, qmp });
        self.wait_for_start(before)?;
        self.relay.plug(port)
    }

    /// Fails where QEMU has ended by itself.
    ///
    /// # Errors
    ///
    /// [`QemuError::Ended`], with its last words.
    pub fn check(&mut self) -> Result<(), QemuError> {
        let machine = self.machine.as_mut().ok_or_else(no_power)?;
        machine.process.check()
    }

    fn wait_for_start(&mut self, before: u32) -> Result<(), QemuError> {
        let started = self
            .rig
            .wait_until("a start of the firmware", |state| state.starts > before);
        if started.is_err() {
            self.check()?;
        }
        started.map(drop)
    }

    /// The page with fresh entropy, as a file that QEMU loads.
    fn write_page(&self) -> Result<PathBuf, QemuError> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy)
            .map_err(io::Error::other)
            .map_err(failed("draw random numbers"))?;
        let path = self.folder.path().join("page.bin");
        std::fs::write(&path, self.options.page.to_bytes(&entropy))
            .map_err(failed("write the provisioning page"))?;
        Ok(path)
    }
}

/// Demands the programs that a gun in QEMU needs, and its image.
///
/// # Errors
///
/// [`QemuError::Missing`] or [`QemuError::NoImage`], each with the next step.
pub fn check_tools(image: &Path) -> Result<(), QemuError> {
    process::check_programs()?;
    if image.is_file() {
        Ok(())
    } else {
        Err(QemuError::NoImage {
            path: image.to_owned(),
        })
    }
}

fn no_power() -> QemuError {
    QemuError::Ended {
        said: "it has no power".to_owned(),
    }
}

pub(super) fn listen(path: &Path) -> Result<UnixListener, QemuError> {
    // Left from a start before.
    let _ = std::fs::remove_file(path);
    UnixListener::bind(path).map_err(failed("make a socket for QEMU"))
}

/// The connection that QEMU makes when it starts.
pub(super) fn accept(
    listener: &UnixListener,
    process: &mut QemuProcess,
) -> Result<UnixStream, QemuError> {
    let deadline = Instant::now() + START_WITHIN;
    let look = PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::ZERO);
    loop {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, look).unwrap_or(0);
        if ready > 0 {
            let (stream, _) = listener.accept().map_err(failed("talk to QEMU"))?;
            return Ok(stream);
        }
        process.check()?;
        if Instant::now() >= deadline {
            return Err(QemuError::TooLong {
                what: "the start of QEMU",
                limit_ms: START_WITHIN.as_millis() as u64,
            });
        }
    }
}
