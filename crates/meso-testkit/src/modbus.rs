//! An emulated gun that is read by Modbus registers, over a pseudo-terminal or over TCP.
//!
//! Its registers are laid out as a profile says, so that it also tries out profiles. It is written
//! from the Modbus standard, not with the library that the driver uses, so that the two check each
//! other. Everything that a line and a gun can do to a host can be ordered by request number:
//! hang up before, within or behind an answer, fall silent, answer late, tear a window.
//!
//! ```no_run
//! use meso_testkit::modbus::{ModbusGun, ModbusGunOptions, RtuPort};
//! # fn run(options: ModbusGunOptions) -> std::io::Result<()> {
//! let gun = ModbusGun::start_tcp(options)?; // or start_rtu(options, folder, name)
//! gun.fire()?;
//! println!("it listens at {:?}", gun.address());
//! # Ok(())
//! # }
//! ```

mod device;
mod server;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use meso_config::guns::ModbusProfile;
use meso_units::GunSerial;

use crate::gun::log::LogWriter;
use device::Device;
use server::{RtuServer, TcpServer};

/// What an emulated Modbus gun is told at its start.
#[derive(Clone, Debug)]
pub struct ModbusGunOptions {
    /// Its serial number.
    pub serial: GunSerial,
    /// Where its registers are.
    pub profile: ModbusProfile,
    /// The file into which it writes each fired shot. The epoch there is what the gun knows of it:
    /// 0 where it keeps none.
    pub log: PathBuf,
    /// What decides everything that scatters.
    pub seed: u64,
    /// How many shots its ring holds; at the limit the oldest is overwritten and, unless
    /// acknowledged, counted as lost.
    pub ring_shots_max: u32,
    /// Fires this often with nobody at it.
    pub fire_every: Option<Duration>,
}

/// Where its serial port appears.
#[derive(Clone, Debug)]
pub struct RtuPort {
    /// The folder.
    pub folder: PathBuf,
    /// The name in it.
    pub name: String,
}

/// What goes wrong at a request, counted from the start of the gun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// The line hangs up before the request has done anything.
    HangUpBefore,
    /// The request is done, and the line hangs up within the answer.
    HangUpWithin,
    /// The request is done, and the line hangs up before the answer.
    HangUpBehind,
    /// The request is done, and no answer comes.
    Silence,
    /// The answer comes after this, when the host has given up.
    Late(Duration),
    /// The gun starts anew before the request and fires so often at once; the line stays.
    Restart(Restart, u32),
}

/// What a restart leaves of the gun's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Ring, counter and epoch are kept.
    Durable,
    /// All of it is gone.
    Volatile,
}

/// What server and handle share.
pub(crate) struct GunState {
    pub(crate) device: Device,
    pub(crate) requests: u64,
    pub(crate) faults: Vec<(u64, LineFault)>,
    log: LogWriter,
    fired: u64,
}

impl GunState {
    pub(crate) fn fire(&mut self) -> io::Result<u32> {
        let shot = self.device.next_shot();
        // Written down before anybody can read it.
        self.log.append(&shot).map_err(io::Error::other)?;
        self.fired += 1;
        Ok(self.device.fire(&shot))
    }

    /// The fault of the request that has just come in.
    pub(crate) fn next_fault(&mut self) -> Option<LineFault> {
        self.requests += 1;
        let now = self.requests;
        let place = self.faults.iter().position(|(at, _)| *at == now)?;
        let fault = self.faults.swap_remove(place).1;
        if let LineFault::Restart(kind, shots) = fault {
            self.device.restart(kind);
            for _ in 0..shots {
                // A log that cannot be written is told by the next shot of the test.
                let _ = self.fire();
            }
        }
        Some(fault)
    }
}

pub(crate) type SharedGun = Arc<Mutex<GunState>>;

pub(crate) fn lock(gun: &SharedGun) -> MutexGuard<'_, GunState> {
    gun.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An emulated Modbus gun in a thread; dropping it takes its port away.
pub struct ModbusGun {
    state: SharedGun,
    address: Option<SocketAddr>,
    is_stopping: Arc<AtomicBool>,
    is_firing: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl ModbusGun {
    /// A gun that listens on a free port of this computer.
    ///
    /// # Errors
    ///
    /// Where port, log or thread cannot be had.
    pub fn start_tcp(options: ModbusGunOptions) -> io::Result<ModbusGun> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let server = TcpServer::new(listener)?;
        ModbusGun::start(options, Some(address), move |gun, orders| {
            server.run(gun, orders)
        })
    }

    /// A gun behind a pseudo-terminal.
    ///
    /// # Errors
    ///
    /// Where port, log or thread cannot be had.
    pub fn start_rtu(options: ModbusGunOptions, port: RtuPort) -> io::Result<ModbusGun> {
        let server = RtuServer::new(port)?;
        ModbusGun::start(options, None, move |gun, orders| server.run(gun, orders))
    }

    fn start(
        options: ModbusGunOptions,
        address: Option<SocketAddr>,
        serve: impl FnOnce(&SharedGun, &Orders) -> io::Result<()> + Send + 'static,
    ) -> io::Result<ModbusGun> {
        let state = Arc::new(Mutex::new(GunState {
            log: LogWriter::create(&options.log).map_err(io::Error::other)?,
            device: Device::new(&options),
            requests: 0,
            faults: Vec::new(),
            fired: 0,
        }));
        let is_stopping = Arc::new(AtomicBool::new(false));
        let is_firing = Arc::new(AtomicBool::new(true));
        let orders = Orders {
            is_stopping: Arc::clone(&is_stopping),
            is_firing: Arc::clone(&is_firing),
            fire_every: options.fire_every,
        };
        let gun = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("modbus-gun".to_owned())
            .spawn(move || serve(&gun, &orders))?;
        Ok(ModbusGun {
            state,
            address,
            is_stopping,
            is_firing,
            thread: Some(thread),
        })
    }

    /// Where it listens; `None` behind a pseudo-terminal.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Fires once and gives the counter of the shot.
    ///
    /// # Errors
    ///
    /// Where the log cannot be written.
    pub fn fire(&self) -> io::Result<u32> {
        lock(&self.state).fire()
    }

    /// Fires no more by itself; says how many shots it fired in all.
    pub fn stop_firing(&self) -> u64 {
        self.is_firing.store(false, Ordering::Relaxed);
        lock(&self.state).fired
    }

    /// Starts the firmware anew, at once; the line stays.
    pub fn restart(&self, kind: Restart) {
        lock(&self.state).device.restart(kind);
    }

    /// Lets the request of this number, counted from 1, go wrong.
    pub fn fail_at(&self, request: u64, fault: LineFault) {
        lock(&self.state).faults.push((request, fault));
    }

    /// Tears the next `count` windows: the first record of each is half of another one.
    pub fn tear_windows(&self, count: u32) {
        lock(&self.state).device.torn_windows = count;
    }

    /// Moves the newest counter, as a gun does that has forgotten some.
    pub fn forget_newest(&self, count: u32) {
        lock(&self.state).device.forget_newest(count);
    }

    /// How many requests have come in.
    pub fn request_count(&self) -> u64 {
        lock(&self.state).requests
    }

    /// Up to which counter the host has acknowledged.
    pub fn acknowledged(&self) -> u32 {
        lock(&self.state).device.acknowledged
    }

    /// Whether the host has inhibited it.
    pub fn is_inhibited(&self) -> bool {
        lock(&self.state).device.is_inhibited
    }
}

impl Drop for ModbusGun {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A broken server has been seen by its host.
            let _ = thread.join();
        }
    }
}

/// What the server is to do besides answering.
pub(crate) struct Orders {
    pub(crate) is_stopping: Arc<AtomicBool>,
    is_firing: Arc<AtomicBool>,
    fire_every: Option<Duration>,
}

impl Orders {
    /// Fires what is due since `before`, and says when it was looked at.
    pub(crate) fn fire_due(
        &self,
        gun: &SharedGun,
        next: &mut std::time::Instant,
    ) -> io::Result<()> {
        let Some(every) = self.fire_every else {
            return Ok(());
        };
        while self.is_firing.load(Ordering::Relaxed) && *next <= std::time::Instant::now() {
            let mut gun = lock(gun);
            if self.is_firing.load(Ordering::Relaxed) && !gun.device.is_inhibited {
                gun.fire()?;
            }
            *next += every;
        }
        Ok(())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}
