//! Loopback ports for servers that a test ends and starts again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that the kernel gives nobody by itself: it begins at 32768 unless somebody says otherwise.
const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A free port that stays free while its server is dead: the system gives none of this range to a
/// connection that somebody opens meanwhile.
///
/// # Errors
///
/// No port of the range is free.
pub fn free_port() -> io::Result<SocketAddr> {
    // Test processes that run side by side begin at different places.
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (begin + step) % COUNT;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr();
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("no port from {FIRST} to {} is free", FIRST + COUNT - 1),
    ))
}
