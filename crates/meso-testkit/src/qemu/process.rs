//! The QEMU process: found, started, and never left behind.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::error::{QemuError, failed};

/// The end of QEMU's own words that an error repeats, in bytes.
const SAID_BYTES_MAX: usize = 400;

/// A program and the Debian package that has it.
pub(super) type Packaged = (&'static str, &'static str);

/// The emulator of guns.
pub(super) const QEMU_ARM: Packaged = ("qemu-system-arm", "qemu-system-arm");
/// The emulator of computers.
pub(super) const QEMU_X86: Packaged = ("qemu-system-x86_64", "qemu-system-x86");
/// Lets the kernel kill QEMU with the thread that started it, even where nothing is dropped.
const SETPRIV: Packaged = ("setpriv", "util-linux");

/// A running QEMU; killed on drop.
#[derive(Debug)]
pub(super) struct QemuProcess {
    child: Child,
    said: PathBuf,
}

impl QemuProcess {
    /// Starts an emulator with these arguments; what it says goes to the file `said`.
    pub(super) fn start<S: AsRef<OsStr>>(
        emulator: Packaged,
        arguments: &[S],
        said: &Path,
    ) -> Result<QemuProcess, QemuError> {
        let (qemu, setpriv) = (find(emulator)?, find(SETPRIV)?);
        let words = File::create(said).map_err(failed("make a file for QEMU's words"))?;
        let child = Command::new(setpriv)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(qemu)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .spawn()
            .map_err(failed("start QEMU"))?;
        Ok(QemuProcess {
            child,
            said: said.to_owned(),
        })
    }

    /// Fails where it has ended.
    pub(super) fn check(&mut self) -> Result<(), QemuError> {
        let ended = self.child.try_wait().map_err(failed("look after QEMU"))?;
        match ended {
            None => Ok(()),
            Some(status) => Err(QemuError::Ended {
                said: format!(
                    "{} {}",
                    status.signal().map_or_else(
                        || format!("exit code {}", status.code().unwrap_or(-1)),
                        |signal| format!("signal {signal}")
                    ),
                    self.last_words()
                ),
            }),
        }
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.said).unwrap_or_default();
        let from = said.len().saturating_sub(SAID_BYTES_MAX);
        said.get(from..).unwrap_or(&said).trim().to_owned()
    }
}

impl Drop for QemuProcess {
    fn drop(&mut self) {
        // It may have ended already; then both only say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Demands every program that a gun in QEMU needs.
pub(super) fn check_programs() -> Result<(), QemuError> {
    find(QEMU_ARM)?;
    find(SETPRIV)?;
    Ok(())
}

/// A program of the search path.
fn find((program, package): Packaged) -> Result<PathBuf, QemuError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or(QemuError::Missing { program, package })
}
