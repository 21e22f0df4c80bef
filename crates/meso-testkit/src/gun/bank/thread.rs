//! The thread that runs all guns of a bank.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::gun::Gun;
use super::{BankError, Order};

/// The longest wait for anything.
const LONGEST: Duration = Duration::from_millis(100);

/// An order on its way to the guns.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) place: usize,
    pub(super) order: Order,
    pub(super) done: Sender<Result<u64, BankError>>,
}

/// Runs the guns until the other end of `bell` is gone.
pub(super) fn run(mut guns: Vec<Gun>, mut bell: &UnixStream, told: &Receiver<Told>) {
    loop {
        let readable = match wait(&guns, bell) {
            Ok(readable) => readable,
            Err(error) => {
                eprintln!("the emulated guns end: {error}");
                return;
            }
        };
        if readable.is_ringing {
            let mut rings = [0_u8; 64];
            if !matches!(bell.read(&mut rings), Ok(1..)) {
                return;
            }
            obey(&mut guns, told);
        }
        let now = Instant::now();
        for (place, gun) in guns.iter_mut().enumerate() {
            let has_turn = gun.turn_at() <= now || readable.places.contains(&place);
            if has_turn && let Err(error) = gun.turn() {
                eprintln!("the emulated guns end: {error}");
                return;
            }
        }
    }
}

fn obey(guns: &mut [Gun], told: &Receiver<Told>) {
    while let Ok(Told { place, order, done }) = told.try_recv() {
        let count = guns.len();
        let outcome = match guns.get_mut(place) {
            Some(gun) => gun.obey(order),
            None => Err(BankError::NoSuchGun { place, count }),
        };
        // Who asked may have given up.
        let _ = done.send(outcome);
    }
}

struct Readable {
    is_ringing: bool,
    places: Vec<usize>,
}

/// Waits until a gun is due, a port has bytes, or an order has come.
fn wait(guns: &[Gun], bell: &UnixStream) -> std::io::Result<Readable> {
    let mut places = Vec::with_capacity(guns.len());
    let mut fds = Vec::with_capacity(guns.len() + 1);
    fds.push(PollFd::new(bell.as_fd(), PollFlags::POLLIN));
    for (place, gun) in guns.iter().enumerate() {
        if let Some(fd) = gun.readable_fd() {
            places.push(place);
            fds.push(PollFd::new(fd, PollFlags::POLLIN));
        }
    }
    let now = Instant::now();
    let turns = guns
        .iter()
        .map(|gun| gun.turn_at().saturating_duration_since(now));
    let patience = turns.min().unwrap_or(LONGEST).min(LONGEST);
    // Rounded up, or the last part of a millisecond would be spent in a busy loop.
    let ms = u16::try_from(patience.as_micros().div_ceil(1_000)).unwrap_or(100);
    match poll(&mut fds, PollTimeout::from(ms)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let has_news = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
    let is_ringing = fds.first().is_some_and(has_news);
    let news = fds.iter().skip(1).map(has_news);
    let places = places.into_iter().zip(news);
    Ok(Readable {
        is_ringing,
        places: places
            .filter_map(|(place, has_news)| has_news.then_some(place))
            .collect(),
    })
}
