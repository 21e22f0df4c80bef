//! The gun's side of a pseudo-terminal that stands for a serial port.
//!
//! Nobody's slave descriptor is held here: so the end of the driver is seen as a hang-up. After
//! each hang-up a new pseudo-terminal takes the place of the old one under the same name, as when
//! a cable is pulled and put back. That also clears the "exclusive" mark which a driver that was
//! killed leaves on a terminal and which would keep its successor out.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{read, write};

/// What 115 200 baud carry with one start and one stop bit, in bytes per second.
pub(crate) const BYTES_PER_SECOND: u64 = 11_520;
/// The most bytes that may go out at once after a silence; a real UART has a small buffer too.
const BURST_BYTES_MAX: u64 = 256;

/// A frame may go out when this much of the budget is there, in millionths of a byte.
const FRAME_BUDGET: u64 = BURST_BYTES_MAX * 1_000_000 / 2;

/// What changed on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineChange {
    /// Somebody has opened the port.
    Opened,
    /// Who had opened it is gone.
    Closed,
}

/// A pseudo-terminal under a stable name.
#[derive(Debug)]
pub(crate) struct Line {
    master: OwnedFd,
    link: PathBuf,
    is_open: bool,
    unsent: Vec<u8>,
    /// Bytes that may go out now, in millionths of a byte.
    budget: u64,
    budget_at_us: u64,
}

impl Line {
    /// Makes the port and shows it as `folder/name`.
    pub(crate) fn expose(folder: &Path, name: &str) -> io::Result<Line> {
        let link = folder.join(name);
        Ok(Line {
            master: open_port(&link)?,
            link,
            is_open: false,
            unsent: Vec::new(),
            budget: 0,
            budget_at_us: 0,
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The descriptor to wait on for bytes; only while somebody has the port open, because a
    /// hang-up is reported at once for as long as it lasts.
    pub(crate) fn readable_fd(&self) -> Option<BorrowedFd<'_>> {
        self.is_open.then(|| self.master.as_fd())
    }

    /// Whether bytes wait for the wire.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.budget < FRAME_BUDGET
    }

    /// Looks whether the port was opened or closed; makes a new one after a close.
    pub(crate) fn check(&mut self) -> io::Result<Option<LineChange>> {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO)?;
        let events = fds[0].revents().unwrap_or(PollFlags::empty());
        let is_open = !events.contains(PollFlags::POLLHUP);
        match (self.is_open, is_open) {
            (false, true) => {
                self.is_open = true;
                Ok(Some(LineChange::Opened))
            }
            (true, false) => {
                self.master = open_port(&self.link)?;
                self.is_open = false;
                self.unsent.clear();
                Ok(Some(LineChange::Closed))
            }
            _ => Ok(None),
        }
    }

    /// What has come in; empty when nothing has, or when the other side has just gone.
    pub(crate) fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = [0_u8; 512];
        match read(&self.master, &mut bytes) {
            Ok(count) => Ok(bytes[..count].to_vec()),
            Err(Errno::EAGAIN | Errno::EIO | Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Fills the budget up to `now_us` and says whether a frame may go out.
    pub(crate) fn may_send(&mut self, now_us: u64) -> bool {
        let since_us = now_us.saturating_sub(self.budget_at_us);
        self.budget_at_us = now_us;
        self.budget = self
            .budget
            .saturating_add(since_us.saturating_mul(BYTES_PER_SECOND))
            .min(BURST_BYTES_MAX * 1_000_000);
        self.is_open && self.unsent.is_empty() && self.budget >= FRAME_BUDGET
    }

    /// Takes a frame to send; the budget may run into the frames that come after it.
    pub(crate) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.budget = self.budget.saturating_sub(frame.len() as u64 * 1_000_000);
        self.unsent.extend_from_slice(frame);
        self.flush()
    }

    /// Writes what could not be written before.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        match write(&self.master, &self.unsent) {
            Ok(count) => {
                self.unsent.drain(..count);
                Ok(())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            // The other side has gone; the check will say so.
            Err(Errno::EIO) => {
                self.unsent.clear();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The folder may be gone already; then there is no name left to take away.
        let _ = fs::remove_file(&self.link);
    }
}

/// Makes a pseudo-terminal and puts its name at `link`, in one step as seen from outside.
pub(crate) fn open_port(link: &Path) -> io::Result<OwnedFd> {
    // Closed on exec: a child of this program that had it would keep a pulled cable plugged in.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let target = ptsname_r(&master)?;
    // Raw before anybody can open it: a cooked terminal echoes the gun's bytes back to the gun.
    let slave = open(
        target.as_str(),
        OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let mut settings = tcgetattr(&slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&slave, SetArg::TCSANOW, &settings)?;
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    // A leading dot: who scans the folder passes it over.
    let hidden = link.with_file_name(format!(".{name}.new"));
    let _ = fs::remove_file(&hidden);
    symlink(target, &hidden)?;
    fs::rename(&hidden, link)?;
    Ok(master.into())
}
