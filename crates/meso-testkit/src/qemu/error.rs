//! Why a gun in QEMU cannot be started or used.

use std::io;
use std::path::PathBuf;

use meso_link_proto::LinkError;
use meso_units::UnitError;

use crate::gun::log::LogError;
use crate::gun::process::GunError;

/// Why a gun in QEMU cannot be started or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QemuError {
    /// A program is missing.
    #[error(
        "{program} is not installed: install it, on Debian with \
         `sudo apt-get install --no-install-recommends {package}`, and start again"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// There is no image.
    #[error(
        "the firmware image {} is not there: build it with `cargo xtask firmware`, or name another \
         with --firmware-image",
        path.display()
    )]
    NoImage {
        /// Where it should be.
        path: PathBuf,
    },
    /// The system of the emulated computer is not there.
    #[error(
        "the kernel for the emulated computer is not in {}: `cargo xtask test usb` fetches it, or \
         set MESOFLEET_USB_SYSTEM to a folder into which Debian's linux-image and busybox-static \
         were unpacked",
        folder.display()
    )]
    NoSystem {
        /// Where it should be.
        folder: PathBuf,
    },
    /// QEMU ended before its gun could be used.
    #[error("QEMU ended by itself: {said}")]
    Ended {
        /// The end of what it said.
        said: String,
    },
    /// Something took longer than it ever should.
    #[error("{what} took longer than {limit_ms} ms")]
    TooLong {
        /// What.
        what: &'static str,
        /// How long it may take, in ms.
        limit_ms: u64,
    },
    /// The emulated computer said nothing more.
    #[error("{what} took longer than {limit_ms} ms; the computer said:\n{said}")]
    Silent {
        /// What was waited for.
        what: &'static str,
        /// How long it may be silent, in ms.
        limit_ms: u64,
        /// What it had said before.
        said: String,
    },
    /// QEMU refused a command.
    #[error("QEMU refused {command}: {answer}")]
    Refused {
        /// The command.
        command: String,
        /// What it answered.
        answer: String,
    },
    /// The operating system refused something.
    #[error("cannot {what}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The firmware said something that is no line of the rig's port.
    #[error("the firmware said {line:?} to the test rig")]
    Line {
        /// What it said.
        line: String,
    },
    /// The log cannot be written.
    #[error("the gun's log broke")]
    Log(#[from] LogError),
    /// The plan has an impossible number.
    #[error("the gun's plan has an impossible number")]
    Number(#[from] UnitError),
    /// A setting does not fit the link.
    #[error("the gun's settings do not fit the link")]
    Settings(#[from] LinkError),
    /// The control streams broke.
    #[error("the gun cannot be controlled")]
    Control(#[from] GunError),
}

/// Names what failed.
pub(super) fn failed(what: &'static str) -> impl FnOnce(io::Error) -> QemuError {
    move |source| QemuError::System { what, source }
}
