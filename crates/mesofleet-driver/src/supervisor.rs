//! What a service manager wants to hear: that the daemon is ready, lives, and leaves.
//!
//! The words are those of systemd's `sd_notify`: datagrams to the socket that `NOTIFY_SOCKET`
//! names. Where there is no such socket, and on other systems than Linux, nothing is said.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::platform::Notify;

/// Signs of life in one watchdog interval: two may get lost before the manager kills.
const BEATS_PER_INTERVAL: u32 = 4;

/// The service manager that started the daemon, if one did.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<Notify>,
    /// `None` where the manager wants no signs of life.
    beat_every: Option<Duration>,
    started: Instant,
    /// Milliseconds after the start; 0 before the first.
    last_beat_ms: AtomicU64,
}

impl Supervisor {
    /// Nobody who wants to hear anything.
    pub fn none() -> Supervisor {
        Supervisor::new(None, None)
    }

    /// What the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    ///
    /// A socket that cannot be reached is warned of and left alone: the manager's own time-out
    /// then says what is wrong.
    pub fn from_environment() -> Supervisor {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
            return Supervisor::none();
        };
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let is_for_us =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let interval = number("WATCHDOG_USEC").filter(|_| is_for_us);
        match Notify::connect(&address) {
            Ok(socket) => Supervisor::new(Some(socket), interval.map(Duration::from_micros)),
            Err(error) => {
                tracing::warn!(?address, %error, "the service manager cannot be told anything");
                Supervisor::none()
            }
        }
    }

    fn new(socket: Option<Notify>, interval: Option<Duration>) -> Supervisor {
        Supervisor {
            socket,
            beat_every: interval.map(|interval| interval / BEATS_PER_INTERVAL),
            started: Instant::now(),
            last_beat_ms: AtomicU64::new(0),
        }
    }

    /// The daemon takes shots now.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The daemon's loop goes round; a sign of life goes out where one is due.
    pub(crate) fn beat(&self) {
        let Some(every) = self.beat_every else { return };
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last_ms = self.last_beat_ms.load(Ordering::Relaxed);
        let is_due = Duration::from_millis(now_ms.saturating_sub(last_ms)) >= every;
        if is_due || last_ms == 0 {
            self.last_beat_ms.store(now_ms.max(1), Ordering::Relaxed);
            self.tell("WATCHDOG=1");
        }
    }

    /// The daemon waits for something: told so that `systemctl status` shows it.
    pub(crate) fn waits(&self, why: &str) {
        // A line is one word of the manager's language.
        self.tell(&format!("STATUS={}", why.replace('\n', " ")));
    }

    /// What it waited for is there.
    pub(crate) fn goes_on(&self) {
        self.tell("STATUS=shots are taken from the guns");
    }

    /// The daemon leaves.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, words: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(words)
        {
            tracing::debug!(words, %error, "the service manager did not hear");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    #[test]
    fn an_abstract_socket_hears_signs_of_life_no_more_often_than_it_asked() {
        let name = format!("mesofleet-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_nonblocking(true).unwrap();
        let socket = Notify::connect(format!("@{name}").as_ref()).unwrap();
        let supervisor = Supervisor::new(Some(socket), Some(Duration::from_secs(3_600)));
        supervisor.ready();
        (0..5).for_each(|_| supervisor.beat());
        supervisor.stopping();
        let mut heard = Vec::new();
        let mut buffer = [0; 64];
        while let Ok(length) = manager.recv(&mut buffer) {
            heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        assert_eq!(heard, ["READY=1", "WATCHDOG=1", "STOPPING=1"]);
    }
}
