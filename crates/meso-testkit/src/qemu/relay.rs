//! The cable: bytes between the machine's UART and a pseudo-terminal, at the speed of a wire.
//!
//! QEMU moves bytes at once; a driver must see what a wire does. While nobody has the port open,
//! the newest bytes of the gun wait in the adapter, as they do in a real one, and come first when
//! somebody opens it.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use meso_link_proto::frame::DELIMITER;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::{QemuError, failed};
use crate::gun::line::{BYTES_PER_SECOND, open_port};

/// What a UART's own buffer may send at once after a silence, in bytes.
const BURST_BYTES: u64 = 32;
/// Bytes that wait in the adapter while nobody has the port open; older ones are dropped.
const STALE_BYTES_MAX: usize = 512;
/// How soon an opened port is seen.
const WAIT_CLOSED: Duration = Duration::from_millis(10);
/// The wait while the wire is busy.
const WAIT_BUSY: Duration = Duration::from_millis(2);
/// The longest wait while all is quiet; orders and bytes end it at once.
const WAIT_QUIET: Duration = Duration::from_millis(500);
/// How long an order may take.
const ORDER_WITHIN: Duration = Duration::from_secs(10);

/// What happens to the cable.
enum Order {
    /// The machine's end, or none while it has no power.
    Gun(Option<UnixStream>),
    Unplug,
    Plug(PathBuf),
    Corrupt(Option<NonZeroU32>),
    /// Pull it after so many bytes of the next frame to the host.
    UnplugInFrame(usize),
}

/// The cable between a machine and a port; the port goes with it.
pub struct Relay {
    orders: Sender<(Order, Sender<io::Result<()>>)>,
    wake: UnixStream,
    cable: Option<JoinHandle<()>>,
}

impl Relay {
    /// A cable whose port is not plugged in yet.
    pub(super) fn start(name: &str) -> Result<Relay, QemuError> {
        let (wake, woken) = UnixStream::pair().map_err(failed("make a pair of sockets"))?;
        woken
            .set_nonblocking(true)
            .map_err(failed("set up a socket"))?;
        let (orders, taken) = channel();
        let mut cable = Cable {
            orders: taken,
            woken,
            gun: None,
            port: None,
            to_host: Direction::new(),
            to_gun: Direction::new(),
            stale: VecDeque::new(),
            pull: None,
        };
        let cable = std::thread::Builder::new()
            .name(format!("{name}-cable"))
            .spawn(move || cable.run())
            .map_err(failed("start a thread for the cable"))?;
        Ok(Relay {
            orders,
            wake,
            cable: Some(cable),
        })
    }

    pub(super) fn connect(&self, gun: Option<UnixStream>) -> Result<(), QemuError> {
        if let Some(gun) = &gun {
            gun.set_nonblocking(true)
                .map_err(failed("set up a socket"))?;
        }
        self.order(Order::Gun(gun))
    }

    /// Pulls the cable: the port is gone, and what was on its way in it too.
    ///
    /// # Errors
    ///
    /// [`QemuError`] when the cable has ended; so for all others here.
    pub fn unplug(&self) -> Result<(), QemuError> {
        self.order(Order::Unplug)
    }

    /// Puts it in again; its port is then at `link`.
    ///
    /// # Errors
    ///
    /// As [`Relay::unplug`], and when no port can be made there.
    pub fn plug(&self, link: &Path) -> Result<(), QemuError> {
        self.order(Order::Plug(link.to_owned()))
    }

    /// Flips one bit of one byte in so many, both ways; `None` for a sound cable.
    ///
    /// # Errors
    ///
    /// As [`Relay::unplug`].
    pub fn corrupt(&self, one_in: Option<NonZeroU32>) -> Result<(), QemuError> {
        self.order(Order::Corrupt(one_in))
    }

    /// Pulls the cable when `bytes` bytes of the next frame have reached the host.
    ///
    /// # Errors
    ///
    /// As [`Relay::unplug`].
    pub fn unplug_in_frame(&self, bytes: usize) -> Result<(), QemuError> {
        self.order(Order::UnplugInFrame(bytes))
    }

    fn order(&self, order: Order) -> Result<(), QemuError> {
        let (done, answer) = channel();
        let gone = || failed("use the cable")(io::ErrorKind::BrokenPipe.into());
        self.orders.send((order, done)).map_err(|_| gone())?;
        (&self.wake)
            .write_all(&[0])
            .map_err(failed("use the cable"))?;
        let answer = answer.recv_timeout(ORDER_WITHIN).map_err(|_| gone())?;
        answer.map_err(failed("make a port"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The cable ends when its orders do.
        let (orders, _) = channel();
        self.orders = orders;
        let _ = (&self.wake).write_all(&[0]);
        if let Some(cable) = self.cable.take() {
            // A panic of the cable has been printed.
            let _ = cable.join();
        }
    }
}

/// One way of the wire.
struct Direction {
    /// Bytes that may go now, in millionths of a byte.
    budget: u64,
    at: Instant,
    /// Taken from one end and not yet given to the other.
    unsent: Vec<u8>,
    corrupt_one_in: Option<NonZeroU32>,
    bytes: u32,
}

impl Direction {
    fn new() -> Direction {
        Direction {
            budget: 0,
            at: Instant::now(),
            unsent: Vec::new(),
            corrupt_one_in: None,
            bytes: 0,
        }
    }

    /// How many bytes the wire has room for.
    fn room(&mut self, now: Instant) -> usize {
        let since = now.saturating_duration_since(self.at);
        self.at = now;
        let more = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        self.budget = self
            .budget
            .saturating_add(more.saturating_mul(BYTES_PER_SECOND))
            .min(BURST_BYTES * 1_000_000);
        if self.unsent.is_empty() {
            (self.budget / 1_000_000) as usize
        } else {
            0
        }
    }

    /// Puts bytes on the wire.
    fn take(&mut self, bytes: &[u8]) {
        self.budget = self.budget.saturating_sub(bytes.len() as u64 * 1_000_000);
        for byte in bytes {
            self.bytes = self.bytes.wrapping_add(1);
            let is_hit = self
                .corrupt_one_in
                .is_some_and(|one_in| self.bytes.is_multiple_of(one_in.get()));
            // Another bit each time.
            let flip = if is_hit {
                1 << (self.bytes.count_ones() % 8)
            } else {
                0
            };
            self.unsent.push(byte ^ flip);
        }
    }
}

/// A pseudo-terminal under a name.
struct Port {
    master: OwnedFd,
    link: PathBuf,
    is_open: bool,
}

impl Port {
    fn plug(link: PathBuf) -> io::Result<Port> {
        Ok(Port {
            master: open_port(&link)?,
            link,
            is_open: false,
        })
    }

    /// Looks whether somebody has it open; a new terminal takes its place after a close, as with
    /// the emulated gun, because a killed driver leaves its exclusive mark on the old one.
    fn check(&mut self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO)?;
        let events = fds[0].revents().unwrap_or(PollFlags::empty());
        let was_open = self.is_open;
        self.is_open = !events.contains(PollFlags::POLLHUP);
        if was_open && !self.is_open {
            self.master = open_port(&self.link)?;
        }
        Ok(self.is_open && !was_open)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // The folder may be gone already; then there is no name left to take away.
        let _ = fs::remove_file(&self.link);
    }
}

/// When to pull the cable.
struct Pull {
    after: usize,
    /// Bytes of the present frame; `None` until one begins.
    sent: Option<usize>,
}

struct Cable {
    orders: Receiver<(Order, Sender<io::Result<()>>)>,
    woken: UnixStream,
    gun: Option<UnixStream>,
    port: Option<Port>,
    to_host: Direction,
    to_gun: Direction,
    stale: VecDeque<u8>,
    pull: Option<Pull>,
}

impl Cable {
    fn run(&mut self) {
        loop {
            if !self.obey() || self.pump().is_err() {
                return;
            }
        }
    }

    /// Takes all orders; false when there will be none any more.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok((order, done)) => {
                    let result = self.take_order(order);
                    // Who gave the order may have given up.
                    let _ = done.send(result);
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => return true,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take_order(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Gun(gun) => {
                self.gun = gun;
                self.to_gun.unsent.clear();
            }
            Order::Unplug => self.unplug(),
            Order::Plug(link) => {
                self.unplug();
                self.port = Some(Port::plug(link)?);
            }
            Order::Corrupt(one_in) => {
                self.to_host.corrupt_one_in = one_in;
                self.to_gun.corrupt_one_in = one_in;
            }
            Order::UnplugInFrame(after) => self.pull = Some(Pull { after, sent: None }),
        }
        Ok(())
    }

    fn unplug(&mut self) {
        self.port = None;
        self.pull = None;
        self.stale.clear();
        self.to_host.unsent.clear();
        self.to_gun.unsent.clear();
    }

    fn is_open(&self) -> bool {
        self.port.as_ref().is_some_and(|port| port.is_open)
    }

    fn pump(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let (to_host, to_gun) = (self.to_host.room(now), self.to_gun.room(now));
        self.wait(to_host > 0, to_gun > 0)?;
        if let Some(port) = &mut self.port {
            let was_open = port.is_open;
            let is_newly_open = port.check()?;
            if is_newly_open {
                self.to_host.unsent.extend(self.stale.drain(..));
            } else if was_open && !port.is_open {
                self.to_host.unsent.clear();
                self.to_gun.unsent.clear();
            }
        }
        if to_host > 0 {
            let bytes = self.read_gun(to_host.min(BURST_BYTES as usize));
            self.to_host.take(&bytes);
        }
        if to_gun > 0 && self.is_open() {
            let bytes = self.read_port(to_gun.min(BURST_BYTES as usize));
            self.to_gun.take(&bytes);
        }
        self.give_host()?;
        self.give_gun();
        Ok(())
    }

    /// Waits for bytes that there is room for, or for an order.
    fn wait(&mut self, to_host: bool, to_gun: bool) -> io::Result<()> {
        let is_open = self.is_open();
        let mut fds = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        if let Some(gun) = self.gun.as_ref().filter(|_| to_host) {
            fds.push(PollFd::new(gun.as_fd(), PollFlags::POLLIN));
        }
        if let Some(port) = self.port.as_ref().filter(|port| port.is_open && to_gun) {
            fds.push(PollFd::new(port.master.as_fd(), PollFlags::POLLIN));
        }
        let is_busy = !to_host || (is_open && !to_gun);
        let longest = match (&self.port, is_open) {
            _ if is_busy => WAIT_BUSY,
            (Some(_), false) => WAIT_CLOSED,
            _ => WAIT_QUIET,
        };
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut drained = [0; 64];
        // One byte for each order; more than are read here wake us again.
        let _ = self.woken.read(&mut drained);
        Ok(())
    }

    /// At most `room` bytes of the gun; none where it has no power any more.
    fn read_gun(&mut self, room: usize) -> Vec<u8> {
        let mut bytes = [0; BURST_BYTES as usize];
        let Some(gun) = &mut self.gun else {
            return Vec::new();
        };
        match gun.read(&mut bytes[..room]) {
            Ok(0) => {
                self.gun = None;
                Vec::new()
            }
            Ok(count) => bytes[..count].to_vec(),
            Err(_) => Vec::new(),
        }
    }

    fn read_port(&mut self, room: usize) -> Vec<u8> {
        let mut bytes = [0; BURST_BYTES as usize];
        let Some(port) = &self.port else {
            return Vec::new();
        };
        match nix::unistd::read(&port.master, &mut bytes[..room]) {
            Ok(count) => bytes[..count].to_vec(),
            Err(_) => Vec::new(),
        }
    }

    fn give_host(&mut self) -> io::Result<()> {
        let Some(port) = self.port.as_ref() else {
            self.to_host.unsent.clear();
            return Ok(());
        };
        if !port.is_open {
            self.stale.extend(self.to_host.unsent.drain(..));
            let too_many = self.stale.len().saturating_sub(STALE_BYTES_MAX);
            self.stale.drain(..too_many);
            return Ok(());
        }
        let (count, is_pulled) = match &mut self.pull {
            Some(pull) => pull.count(&self.to_host.unsent),
            None => (self.to_host.unsent.len(), false),
        };
        match nix::unistd::write(&port.master, &self.to_host.unsent[..count]) {
            Ok(count) => drop(self.to_host.unsent.drain(..count)),
            // Full: what is left waits. Gone: the next look finds out.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::EIO) => {}
            Err(error) => return Err(error.into()),
        }
        if is_pulled {
            self.unplug();
        }
        Ok(())
    }

    fn give_gun(&mut self) {
        let Some(gun) = &mut self.gun else {
            self.to_gun.unsent.clear();
            return;
        };
        // A machine that is stopped takes nothing for a while, and one without power never.
        if let Ok(count) = gun.write(&self.to_gun.unsent) {
            self.to_gun.unsent.drain(..count);
        }
    }
}

impl Pull {
    /// How many of the bytes go out, and whether the cable is pulled then.
    fn count(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (place, byte) in bytes.iter().enumerate() {
            self.sent = match (*byte, self.sent) {
                (DELIMITER, _) => Some(0),
                (_, Some(sent)) => Some(sent + 1),
                (_, None) => None,
            };
            if self.sent.is_some_and(|sent| sent >= self.after) {
                return (place + 1, true);
            }
        }
        (bytes.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_is_as_slow_as_its_baud_rate() {
        let mut wire = Direction::new();
        let start = wire.at;
        assert_eq!(wire.room(start), 0);
        assert_eq!(wire.room(start + Duration::from_millis(1)), 11);
        wire.take(&[1; 11]);
        wire.unsent.clear();
        let later = start + Duration::from_secs(60);
        assert_eq!(wire.room(later), BURST_BYTES as usize, "no more at once");
    }

    #[test]
    fn one_byte_in_seven_has_one_wrong_bit() {
        let mut wire = Direction::new();
        wire.corrupt_one_in = NonZeroU32::new(7);
        wire.take(&[0; 70]);
        let wrong: Vec<u32> = wire.unsent.iter().map(|byte| byte.count_ones()).collect();
        assert_eq!(wrong.iter().sum::<u32>(), 10);
        assert_eq!(wrong[6], 1);
        assert_eq!(wrong[..6], [0; 6]);
    }

    #[test]
    fn the_cable_is_pulled_in_the_middle_of_the_next_frame() {
        let mut pull = Pull {
            after: 3,
            sent: None,
        };
        assert_eq!(pull.count(&[9, 9, 9, 9]), (4, false), "of the frame before");
        assert_eq!(pull.count(&[DELIMITER, 1, 2]), (3, false));
        assert_eq!(pull.count(&[3, 4, 5]), (1, true));
    }
}
