//! A bank of emulated guns in one thread, whose cables and power a test can pull.
//!
//! Every gun speaks the meso link behind a pseudo-terminal of its own at the speed of the wire, and
//! writes down each shot before it can leave it, as the gun of [`crate::gun::process`] does. Unlike
//! that one it has no operator and no process: it fires at a fixed rate, dozens of them cost little,
//! and [`Bank::order`] does to it what rooms do to guns.
//!
//! It is **not** a broken gun: what it says is always right. For guns that break the link see
//! [`crate::gun::fault`].
//!
//! ```
//! use std::time::Duration;
//! use meso_testkit::gun::bank::{Bank, BankGun};
//! use meso_units::GunSerial;
//!
//! let folder = std::env::temp_dir().join(format!("meso-bank-doc-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let gun = BankGun::new(GunSerial::parse("GUN-0001")?, 7, Duration::from_millis(100));
//! let bank = Bank::start(&folder, &folder, vec![gun])?;
//! assert!(folder.join("GUN-0001").exists(), "its port is there");
//! assert_eq!(bank.stop_firing()?, [0], "no host has given it an epoch, so it has not fired");
//! drop(bank);
//! std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod gun;
mod order;
mod thread;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use meso_units::GunSerial;

pub use order::{BankError, Order};

use gun::Gun;
use thread::{Told, run};

/// What one gun of a bank is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankGun {
    /// Its serial number; also the name of its port and of its log, `SERIAL.jsonl`.
    pub serial: GunSerial,
    /// What decides everything that scatters.
    pub seed: u64,
    /// It fires this often, in whole µs.
    pub fire_every: Duration,
    /// One shot in this many goes to 11 mm, beyond what any patient may get; 0 for none.
    pub breach_one_in: u32,
    /// How many shots its ring holds, at least 1.
    pub ring_shots_max: usize,
    /// How much faster its clock runs than the host's, in millionths.
    pub drift_ppm: i32,
    /// Whether it is plugged in from the start.
    pub is_plugged: bool,
}

impl BankGun {
    /// A gun with a ring of 4,096 shots that is plugged in, passes no limit and keeps good time.
    pub fn new(serial: GunSerial, seed: u64, fire_every: Duration) -> BankGun {
        BankGun {
            serial,
            seed,
            fire_every,
            breach_one_in: 0,
            ring_shots_max: crate::gun::process::RING_SHOTS_MAX,
            drift_ppm: 0,
            is_plugged: true,
        }
    }
}

/// The running guns. Dropping it takes them and their ports away.
#[derive(Debug)]
pub struct Bank {
    orders: Sender<Told>,
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
    logs: Vec<PathBuf>,
}

impl Bank {
    /// Starts the guns; the ports appear in `ports`, the logs in `logs`.
    ///
    /// # Errors
    ///
    /// [`BankError`] where a port, a log or the thread cannot be had.
    pub fn start(ports: &Path, logs: &Path, guns: Vec<BankGun>) -> Result<Bank, BankError> {
        let log = |gun: &BankGun| logs.join(format!("{}.jsonl", gun.serial));
        let paths: Vec<PathBuf> = guns.iter().map(log).collect();
        let guns = guns
            .into_iter()
            .zip(&paths)
            .map(|(gun, log)| Gun::start(gun, ports, log))
            .collect::<Result<Vec<Gun>, BankError>>()?;
        let (bell, heard) = UnixStream::pair().map_err(|source| BankError::Thread { source })?;
        let (orders, told) = channel();
        let thread = std::thread::Builder::new()
            .name("gun-bank".to_owned())
            .spawn(move || run(guns, &heard, &told))
            .map_err(|source| BankError::Thread { source })?;
        Ok(Bank {
            orders,
            bell,
            thread: Some(thread),
            logs: paths,
        })
    }

    /// Does something to the gun at this place of the list, and says how many shots it has fired;
    /// returns when it is done.
    ///
    /// # Errors
    ///
    /// [`BankError`] where it cannot be done, or the guns have ended.
    pub fn order(&self, place: usize, order: Order) -> Result<u64, BankError> {
        let (done, answer) = channel();
        let told = Told { place, order, done };
        let rung = self.orders.send(told).is_ok() && (&self.bell).write_all(&[1]).is_ok();
        match answer.recv() {
            Ok(outcome) if rung => outcome,
            _ => Err(BankError::Ended),
        }
    }

    /// Lets no gun fire any more; says how many shots each has fired.
    ///
    /// # Errors
    ///
    /// As [`Bank::order`].
    pub fn stop_firing(&self) -> Result<Vec<u64>, BankError> {
        let places = 0..self.logs.len();
        places
            .map(|place| self.order(place, Order::StopFiring))
            .collect()
    }

    /// How many shots each gun has fired.
    ///
    /// # Errors
    ///
    /// As [`Bank::order`].
    pub fn fired(&self) -> Result<Vec<u64>, BankError> {
        let places = 0..self.logs.len();
        places
            .map(|place| self.order(place, Order::Count))
            .collect()
    }

    /// The logs of the guns, in the order of the list; [`crate::gun::log::read_log`] reads one.
    pub fn logs(&self) -> &[PathBuf] {
        &self.logs
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        // The end of this stream ends the thread.
        let _ = self.bell.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
