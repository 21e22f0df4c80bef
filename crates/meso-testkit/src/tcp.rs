//! A TCP proxy that fails as networks fail: cut, half open, slow, silent in one direction.
//!
//! It knows nothing of what it carries. Whatever it holds back or throws away is lost for good, as
//! it would be in a network, so the programs on both sides have to find out and begin again.
//!
//! ```
//! use std::io::{Read as _, Write as _};
//! use std::net::{TcpListener, TcpStream};
//! use meso_testkit::tcp::TcpProxy;
//!
//! let server = TcpListener::bind(("127.0.0.1", 0))?;
//! let proxy = TcpProxy::start(server.local_addr()?)?;
//! let mut client = TcpStream::connect(proxy.address())?;
//! client.write_all(b"passes")?;
//! let (mut served, _) = server.accept()?;
//! let mut bytes = [0; 6];
//! served.read_exact(&mut bytes)?;
//! assert_eq!(&bytes, b"passes");
//! proxy.cut();
//! assert_eq!(client.read(&mut bytes).unwrap_or(0), 0, "nobody is there any more");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that are passed on at once: small, so that a slow line is slow evenly.
const CHUNK_BYTES: usize = 1_024;

/// How fast a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Bytes a second in each direction of each connection, at least 1.
    pub bytes_per_second: u32,
    /// How long every piece of up to 1,024 bytes is under way beside that.
    pub delay: Duration,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From those who connect to the server behind.
    ToServer,
    /// Back.
    ToClient,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    speed: Option<Speed>,
    refuses: bool,
    silent: Option<Direction>,
    is_silent: bool,
    /// Connections with a lower number are half open: nothing passes, nobody is told.
    dead_below: u64,
    next: u64,
    open: BTreeMap<u64, [TcpStream; 2]>,
    harm_count: u64,
    is_stopped: bool,
}

impl State {
    fn passes(&self, number: u64, direction: Direction) -> bool {
        number >= self.dead_below && !self.is_silent && self.silent != Some(direction)
    }

    /// What becomes of some bytes: whether they pass, and how fast.
    fn fate(&mut self, number: u64, direction: Direction) -> (bool, Option<Speed>) {
        let passes = self.passes(number, direction);
        self.harm_count += u64::from(!passes || self.speed.is_some());
        (passes, self.speed)
    }
}

#[derive(Debug)]
struct Shared {
    /// A std lock: held for a moment, never while bytes are waited for.
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands before a server; dropping it cuts everything.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl TcpProxy {
    /// Starts one on a free loopback port before a server, which need not be there yet.
    ///
    /// # Errors
    ///
    /// No port or no thread can be had.
    pub fn start(target: SocketAddr) -> io::Result<TcpProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                target,
                speed: None,
                refuses: false,
                silent: None,
                is_silent: false,
                dead_below: 0,
                next: 0,
                open: BTreeMap::new(),
                harm_count: 0,
                is_stopped: false,
            }),
        });
        let accepting = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("tcp-proxy".into())
            .spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if accepting.lock().is_stopped {
                        return;
                    }
                    // One that cannot be served is closed, and its client tries again.
                    let _ = begin(client, &accepting);
                }
            })?;
        Ok(TcpProxy { address, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection; new ones work.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        let open = std::mem::take(&mut state.open);
        state.harm_count += open.len() as u64;
        for stream in open.into_values().flatten() {
            // Either side may have broken it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets nobody in from now on, or lets them in again.
    pub fn refuse(&self, refuses: bool) {
        self.shared.lock().refuses = refuses;
    }

    /// Leaves every present connection half open: both sides go on writing, nothing arrives, and
    /// nobody is told when one of them leaves. New connections work.
    pub fn leave_half_open(&self) {
        let mut state = self.shared.lock();
        state.dead_below = state.next;
    }

    /// Throws away what comes in both directions, also of new connections, or ends that.
    ///
    /// A connection of which something was thrown away is of no use to anybody afterwards.
    pub fn silence(&self, is_silent: bool) {
        let mut state = self.shared.lock();
        state.is_silent = is_silent;
        state.dead_below = state.next;
    }

    /// Throws away what goes this way, or ends that: the other side hears, and is not heard.
    pub fn silence_only(&self, direction: Option<Direction>) {
        let mut state = self.shared.lock();
        state.silent = direction;
        if direction.is_none() {
            state.dead_below = state.next;
        }
    }

    /// Makes the line slow, or as fast as it can be.
    pub fn set_speed(&self, speed: Option<Speed>) {
        self.shared.lock().speed = speed;
    }

    /// How many connections there have been.
    pub fn connection_count(&self) -> u64 {
        self.shared.lock().next
    }

    /// How often anybody was harmed: pieces that were thrown away or held back, connections that were
    /// cut or not let in. What is done to a line on which nobody speaks harms nobody.
    pub fn harm_count(&self) -> u64 {
        self.shared.lock().harm_count
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.shared.lock().is_stopped = true;
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn begin(client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let target = {
        let mut state = shared.lock();
        if state.refuses {
            state.harm_count += 1;
            return Ok(());
        }
        state.target
    };
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = {
        let mut state = shared.lock();
        let number = state.next;
        state.next += 1;
        state
            .open
            .insert(number, [client.try_clone()?, server.try_clone()?]);
        number
    };
    let ways = [
        (
            Direction::ToServer,
            client.try_clone()?,
            server.try_clone()?,
        ),
        (Direction::ToClient, server, client),
    ];
    for (direction, from, to) in ways {
        let shared = Arc::clone(shared);
        std::thread::Builder::new().spawn(move || pump(number, direction, from, to, &shared))?;
    }
    Ok(())
}

/// Passes bytes on until one side leaves.
fn pump(
    number: u64,
    direction: Direction,
    mut from: TcpStream,
    mut to: TcpStream,
    shared: &Shared,
) {
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).unwrap_or(0);
        if length == 0 {
            let is_dead = number < shared.lock().dead_below;
            if !is_dead {
                close(number, shared);
            }
            return;
        }
        let (passes, speed) = shared.lock().fate(number, direction);
        if let Some(speed) = speed {
            let bytes = u32::try_from(length).unwrap_or(u32::MAX);
            let line = Duration::from_secs(1) * bytes / speed.bytes_per_second.max(1);
            std::thread::sleep(line + speed.delay);
        }
        if passes && to.write_all(&chunk[..length]).is_err() {
            close(number, shared);
            return;
        }
    }
}

fn close(number: u64, shared: &Shared) {
    let streams = shared.lock().open.remove(&number);
    for stream in streams.into_iter().flatten() {
        // The other side may have left, too.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A server that sends everything back.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut back = stream.try_clone().unwrap();
                    let mut stream = stream;
                    let _ = io::copy(&mut stream, &mut back);
                });
            }
        });
        address
    }

    fn client(proxy: &TcpProxy) -> TcpStream {
        let client = TcpStream::connect(proxy.address()).unwrap();
        client
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        client
    }

    fn answers(client: &mut TcpStream) -> bool {
        let mut byte = [0];
        client.write_all(&[7]).is_ok() && client.read_exact(&mut byte).is_ok()
    }

    #[test]
    fn a_cut_ends_what_is_there_and_lets_others_in() {
        let proxy = TcpProxy::start(echo()).unwrap();
        let mut first = client(&proxy);
        assert!(answers(&mut first));
        proxy.cut();
        assert_eq!(first.read(&mut [0]).unwrap_or(0), 0, "the end is seen");
        assert!(answers(&mut client(&proxy)));
        assert_eq!(proxy.connection_count(), 2);
        assert_eq!(proxy.harm_count(), 1, "one was cut");
    }

    #[test]
    fn a_half_open_connection_takes_bytes_and_tells_nobody() {
        let proxy = TcpProxy::start(echo()).unwrap();
        let mut first = client(&proxy);
        assert!(answers(&mut first));
        proxy.leave_half_open();
        assert_eq!(proxy.harm_count(), 0, "nobody has noticed");
        assert!(!answers(&mut first));
        assert_eq!(proxy.harm_count(), 1);
        let end = first.read(&mut [0]).map_err(|error| error.kind());
        let is_silent = matches!(
            end,
            Err(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        );
        assert!(is_silent, "no end is seen: {end:?}");
        assert!(answers(&mut client(&proxy)));
    }

    #[test]
    fn one_direction_can_be_silent_and_nobody_may_be_let_in() {
        let proxy = TcpProxy::start(echo()).unwrap();
        proxy.silence_only(Some(Direction::ToClient));
        assert!(!answers(&mut client(&proxy)));
        proxy.silence_only(None);
        assert!(answers(&mut client(&proxy)));
        let before = proxy.harm_count();
        proxy.refuse(true);
        assert!(!answers(&mut client(&proxy)));
        proxy.refuse(false);
        assert_eq!(proxy.harm_count(), before + 1);
        proxy.silence(true);
        assert!(!answers(&mut client(&proxy)));
        proxy.silence(false);
        assert!(answers(&mut client(&proxy)));
    }

    #[test]
    fn a_slow_line_takes_its_time() {
        let proxy = TcpProxy::start(echo()).unwrap();
        proxy.set_speed(Some(Speed {
            bytes_per_second: 1_000,
            delay: Duration::from_millis(20),
        }));
        let begun = Instant::now();
        assert!(answers(&mut client(&proxy)));
        assert!(begun.elapsed() >= Duration::from_millis(40), "both ways");
        assert_eq!(proxy.harm_count(), 2);
    }
}
