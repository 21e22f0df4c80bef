//! A computer with a real USB stack: Debian's kernel in an emulated PC.
//!
//! Two guns are at its USB ports, each as makers build them. One hangs on a converter chip, which
//! the kernel's `ftdi_sio` drives; QEMU emulates the chip, and a pull takes it out of the machine.
//! The other is a USB device by itself, which `cdc_acm` drives; the device is the kernel's own
//! gadget driver behind a dummy controller, and a pull disconnects it from that. So enumeration,
//! serial numbers, hang-ups and the numbering of device files are those of a real computer.
//!
//! Its only user is a shell on its second serial port, which takes one command at a time.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::error::{QemuError, failed};
use super::initramfs::Initramfs;
use super::machine::{accept, listen};
use super::process::{QEMU_X86, QemuProcess};
use super::qmp::Qmp;

/// Kernel modules in the order in which they are loaded.
const MODULES: [&str; 14] = [
    "drivers/usb/common/usb-common",
    "drivers/usb/core/usbcore",
    "drivers/usb/host/xhci-hcd",
    "drivers/usb/host/xhci-pci",
    "drivers/usb/serial/usbserial",
    "drivers/usb/serial/ftdi_sio",
    "drivers/usb/class/cdc-acm",
    "drivers/usb/gadget/udc/udc-core",
    "drivers/usb/gadget/udc/dummy_hcd",
    "fs/configfs/configfs",
    "drivers/usb/gadget/libcomposite",
    "drivers/usb/gadget/function/u_serial",
    "drivers/usb/gadget/function/usb_f_acm",
    "drivers/usb/gadget/legacy/g_serial",
];
/// Folders that the start fills.
const FOLDERS: [&str; 6] = ["dev", "proc", "sys", "tmp", "run", "modules"];
/// What starts the computer. `MODULES` and `GADGET` are put in.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ip link set lo up
for module in MODULES; do insmod /modules/$module.ko; done
insmod /modules/g_serial.ko GADGET
# Bytes between the device's end of the gadget and the gun, while it is not pulled; each hang-up
# of it ends one of the two.
stty -F /dev/ttyS2 raw -echo 115200
while true; do
    if [ ! -e /pulled ]; then
        stty -F /dev/ttyGS0 raw -echo
        cat /dev/ttyGS0 > /dev/ttyS2
    fi
    sleep 0.1
done 2> /dev/null &
while true; do
    [ -e /pulled ] || cat /dev/ttyS2 > /dev/ttyGS0
    sleep 0.1
done 2> /dev/null &
stty -F /dev/ttyS1 raw -echo 115200
exec < /dev/ttyS1 > /dev/ttyS1 2>&1
echo ready
while read -r line; do
    sh -c "$line" < /dev/null
    code=$?
    echo
    echo "ended $code"
done
"#;
/// How long a start may take: many times what it takes on a busy computer.
const START_WITHIN: Duration = Duration::from_secs(180);
/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
/// Its memory, in MiB: the archive is in it twice while it starts.
const MEMORY_MIB: u32 = 768;
/// The converter's name in the machine.
const CONVERTER: &str = "converter";

/// The folder into which Debian's packages `linux-image-…` and `busybox-static` are unpacked:
/// named by `MESOFLEET_USB_SYSTEM`, or where `cargo xtask test usb` puts it.
pub fn system_folder() -> PathBuf {
    let cache = || {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        base.or_else(home)
            .unwrap_or_default()
            .join("mesofleet/tools/usb-system")
    };
    std::env::var_os("MESOFLEET_USB_SYSTEM").map_or_else(cache, PathBuf::from)
}

/// A gun's port and what the USB device in between says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cable {
    /// The port of the gun outside of the computer.
    pub port: PathBuf,
    /// The serial number of the USB device; letters, digits and dashes.
    pub usb_serial: String,
}

/// What a computer is made of.
#[derive(Clone, Debug)]
pub struct ComputerOptions {
    /// See [`system_folder`].
    pub system: PathBuf,
    /// Programs of the computer that it runs on, put into `/bin`.
    pub programs: Vec<PathBuf>,
    /// Files by their path, without a slash at its front.
    pub files: Vec<(String, String)>,
    /// The gun behind the converter chip.
    pub converter: Cable,
    /// The gun that is a USB device itself.
    pub gadget: Cable,
}

/// What a command printed, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Standard output and standard error as they came.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

/// A running computer; it ends when it is dropped.
#[derive(Debug)]
pub struct Computer {
    process: QemuProcess,
    qmp: Qmp,
    shell: BufReader<UnixStream>,
    gadget_serial: String,
    // Last: files of it are open in QEMU.
    folder: tempfile::TempDir,
}

impl Computer {
    /// Starts one; both cables are in when this returns.
    ///
    /// # Errors
    ///
    /// [`QemuError`] where a program or the system is missing, or it does not start.
    pub fn start(options: &ComputerOptions) -> Result<Computer, QemuError> {
        let folder = tempfile::Builder::new()
            .prefix("mesofleet-computer-")
            .tempdir()
            .map_err(failed("make a folder for the computer"))?;
        let archive = folder.path().join("initramfs");
        std::fs::write(&archive, first_files(options)?)
            .map_err(failed("write the computer's first files"))?;
        let [shell, qmp] = ["shell", "qmp"].map(|name| folder.path().join(name));
        let sockets = [listen(&shell)?, listen(&qmp)?];
        let arguments = arguments(options, &archive, folder.path())?;
        let said = folder.path().join("said");
        let mut process = QemuProcess::start(QEMU_X86, &arguments, &said)?;
        let [shell, qmp] = sockets;
        let shell = accept(&shell, &mut process)?;
        let qmp = accept(&qmp, &mut process)?;
        let mut computer = Computer {
            process,
            qmp: Qmp::greet(qmp)?,
            shell: BufReader::new(shell),
            gadget_serial: options.gadget.usb_serial.clone(),
            folder,
        };
        computer.plug_converter(&options.converter.usb_serial)?;
        computer.wait_for("the start of the computer", START_WITHIN, |line| {
            (line == "ready").then_some(0)
        })?;
        Ok(computer)
    }

    /// Runs one line of shell and waits for its end.
    ///
    /// # Errors
    ///
    /// [`QemuError`] where it takes too long or the computer has ended.
    pub fn run(&mut self, command: &str) -> Result<Said, QemuError> {
        let line = format!("{command}\n");
        let written = self.shell.get_mut().write_all(line.as_bytes());
        written.map_err(failed("speak to the computer's shell"))?;
        let (lines, code) = self.wait_for("a command", COMMAND_WITHIN, |line| {
            line.strip_prefix("ended ")?.parse().ok()
        })?;
        let text = lines.join("\n").trim_end().to_owned();
        Ok(Said { text, code })
    }

    /// Pulls the converter out of its port.
    ///
    /// # Errors
    ///
    /// [`QemuError`] where QEMU refuses.
    pub fn unplug_converter(&mut self) -> Result<(), QemuError> {
        self.qmp.remove_device(CONVERTER)
    }

    /// Plugs a converter of this serial number in, at the same gun.
    ///
    /// # Errors
    ///
    /// As [`Computer::unplug_converter`].
    pub fn plug_converter(&mut self, usb_serial: &str) -> Result<(), QemuError> {
        self.qmp.add_device(&json!({
            "driver": "usb-serial",
            "id": CONVERTER,
            "bus": "usb.0",
            "chardev": "converter-gun",
            "serial": usb_serial,
        }))
    }

    /// Pulls the other gun out, or plugs it in again.
    ///
    /// # Errors
    ///
    /// As [`Computer::run`].
    pub fn plug_gadget(&mut self, is_in: bool) -> Result<(), QemuError> {
        // The gadget's module can only leave when nobody has its end open; a mere disconnect is no
        // way, because this kernel's dummy controller does not find the device again after it.
        let order = if is_in {
            let gadget = gadget(&self.gadget_serial);
            format!("insmod /modules/g_serial.ko {gadget} && rm /pulled")
        } else {
            "touch /pulled; sleep 0.5; killall cat; rmmod g_serial".to_owned()
        };
        let said = self.run(&order)?;
        match said.code {
            0 => Ok(()),
            _ => Err(QemuError::Refused {
                command: order,
                answer: said.text,
            }),
        }
    }

    /// What its kernel has said, for a person who looks for a mistake.
    pub fn console(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads lines until one is an end; gives those before it.
    fn wait_for(
        &mut self,
        what: &'static str,
        patience: Duration,
        end: impl Fn(&str) -> Option<u8>,
    ) -> Result<(Vec<String>, u8), QemuError> {
        let stream = self.shell.get_ref();
        let limited = stream.set_read_timeout(Some(patience));
        limited.map_err(failed("limit the wait for the computer"))?;
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = self.shell.read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                self.process.check()?;
                return Err(QemuError::Silent {
                    what,
                    limit_ms: patience.as_millis() as u64,
                    said: format!("{}\n{}", lines.join("\n"), self.console()),
                });
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match end(&line) {
                Some(code) => return Ok((lines, code)),
                None => lines.push(line),
            }
        }
    }
}

/// QEMU's arguments.
fn arguments(
    options: &ComputerOptions,
    archive: &Path,
    folder: &Path,
) -> Result<Vec<String>, QemuError> {
    let file = |name: &str| folder.join(name).display().to_string();
    let chardevs = [
        format!("file,id=console,path={}", file("console")),
        format!("socket,id=shell,path={},server=off", file("shell")),
        format!(
            "serial,id=gadget-gun,path={}",
            options.gadget.port.display()
        ),
        format!(
            "serial,id=converter-gun,path={}",
            options.converter.port.display()
        ),
        format!("socket,id=qmp,path={},server=off", file("qmp")),
    ];
    let kernel = kernel(&options.system)?;
    let mut words: Vec<String> = [
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-m",
        &MEMORY_MIB.to_string(),
    ]
    .into_iter()
    .chain([
        "-nodefaults",
        "-display",
        "none",
        "-monitor",
        "none",
        "-no-reboot",
    ])
    .chain(["-kernel", &kernel.display().to_string()])
    .chain(["-initrd", &archive.display().to_string()])
    .chain(["-append", "console=ttyS0 panic=-1"])
    .chain(["-device", "qemu-xhci,id=usb"])
    .map(str::to_owned)
    .collect();
    for chardev in chardevs {
        words.extend(["-chardev".to_owned(), chardev]);
    }
    for serial in ["console", "shell", "gadget-gun"] {
        words.extend(["-serial".to_owned(), format!("chardev:{serial}")]);
    }
    words.extend(["-mon", "chardev=qmp,mode=control"].map(str::to_owned));
    Ok(words)
}

/// The archive that the kernel unpacks.
fn first_files(options: &ComputerOptions) -> Result<Vec<u8>, QemuError> {
    let missing = || QemuError::NoSystem {
        folder: options.system.clone(),
    };
    let read = |path: PathBuf| std::fs::read(path).map_err(|_| missing());
    let modules = only_entry(&options.system.join("lib/modules")).ok_or_else(missing)?;
    let mut archive = Initramfs::default();
    FOLDERS.iter().for_each(|folder| archive.folder(folder));
    let name = |module: &str| format!("{}.ko", module.rsplit('/').next().unwrap_or(module));
    for module in MODULES {
        let file = modules.join("kernel").join(format!("{module}.ko"));
        archive.file(format!("modules/{}", name(module)), 0o644, &read(file)?);
    }
    let busybox = read(options.system.join("bin/busybox"))?;
    archive.file("bin/busybox", 0o755, &busybox);
    archive.file("init", 0o755, init(&options.gadget.usb_serial).as_bytes());
    for program in &options.programs {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        archive.program(&format!("bin/{name}"), program)?;
    }
    for (path, content) in &options.files {
        archive.file(path, 0o644, content.as_bytes());
    }
    Ok(archive.finish())
}

fn init(gadget_serial: &str) -> String {
    let names = MODULES.map(|module| module.rsplit('/').next().unwrap_or(module));
    // The last one is the gadget, which is loaded with what it says of itself.
    let before = names.iter().take(MODULES.len() - 1);
    let list: Vec<&str> = before.copied().collect();
    INIT.replace("MODULES", &list.join(" "))
        .replace("GADGET", &gadget(gadget_serial))
}

/// What the USB device says of itself, as its module is told.
fn gadget(serial: &str) -> String {
    format!(
        "idVendor=0x1209 idProduct=0x0001 iManufacturer=Example iProduct=Injector \
         iSerialNumber={serial} use_acm=1"
    )
}

fn kernel(system: &Path) -> Result<PathBuf, QemuError> {
    let missing = || QemuError::NoSystem {
        folder: system.to_owned(),
    };
    let entries = std::fs::read_dir(system.join("boot")).map_err(|_| missing())?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("vmlinuz-")
        })
        .ok_or_else(missing)
}

/// The one entry of a folder.
fn only_entry(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?;
    let entry = entries.next()?.ok()?;
    entries.next().is_none().then(|| entry.path())
}
