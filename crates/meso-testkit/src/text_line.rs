//! An emulated gun that prints lines of text, as the example profile reads them.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use meso_units::GunSerial;
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use crate::gun::line::Line;
use crate::gun::log::{FiredShot, LogWriter};
use crate::modbus::RtuPort;

/// How long the loop rests where nothing is to be done.
const REST: Duration = Duration::from_millis(1);

/// What an emulated text gun is told at its start.
#[derive(Clone, Debug)]
pub struct TextGunOptions {
    /// Its serial number; it prints it when it is asked `ID?`.
    pub serial: GunSerial,
    /// Where its port appears.
    pub port: RtuPort,
    /// The file into which it writes each fired shot; epoch and counter there are 0, because the
    /// gun has none.
    pub log: PathBuf,
    /// What decides everything that scatters.
    pub seed: u64,
    /// Fires this often with nobody at it, while somebody has its port open.
    pub fire_every: Option<Duration>,
}

enum Order {
    /// Print this.
    Print(Vec<u8>),
    /// Pull the cable and put it back.
    Replug,
}

struct Firing {
    random: Pcg64Mcg,
    log: LogWriter,
    fired: u64,
}

/// An emulated text gun in a thread; dropping it takes its port away.
pub struct TextGun {
    serial: GunSerial,
    firing: Arc<Mutex<Firing>>,
    orders: Sender<Order>,
    is_open: Arc<AtomicBool>,
    is_firing: Arc<AtomicBool>,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl TextGun {
    /// A gun behind a pseudo-terminal.
    ///
    /// # Errors
    ///
    /// Where port, log or thread cannot be had.
    pub fn start(options: TextGunOptions) -> io::Result<TextGun> {
        let (orders, ordered) = channel();
        let firing = Arc::new(Mutex::new(Firing {
            random: Pcg64Mcg::new(u128::from(options.seed)),
            log: LogWriter::create(&options.log).map_err(io::Error::other)?,
            fired: 0,
        }));
        let mut gun = TextGun {
            serial: options.serial.clone(),
            firing: Arc::clone(&firing),
            orders,
            is_open: Arc::default(),
            is_firing: Arc::new(AtomicBool::new(true)),
            is_stopping: Arc::default(),
            thread: None,
        };
        let server = Server {
            line: Line::expose(&options.port.folder, &options.port.name)?,
            options,
            firing,
            ordered,
            is_open: Arc::clone(&gun.is_open),
            is_firing: Arc::clone(&gun.is_firing),
            is_stopping: Arc::clone(&gun.is_stopping),
            asked: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("text-gun".to_owned())
            .spawn(move || server.run())?;
        gun.thread = Some(thread);
        Ok(gun)
    }

    /// Whether somebody has its port open.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Fires once and prints the line of it.
    ///
    /// # Errors
    ///
    /// Where the log cannot be written.
    pub fn fire(&self) -> io::Result<()> {
        let line = fire(&self.firing, &self.serial)?;
        self.print(&line);
        Ok(())
    }

    /// Prints any bytes.
    pub fn print(&self, bytes: &[u8]) {
        // Without its thread nobody reads its port either.
        let _ = self.orders.send(Order::Print(bytes.to_vec()));
    }

    /// Pulls the cable and puts it back.
    pub fn replug(&self) {
        // As above.
        let _ = self.orders.send(Order::Replug);
    }

    /// Fires no more by itself; says how many shots it fired in all.
    pub fn stop_firing(&self) -> u64 {
        self.is_firing.store(false, Ordering::Relaxed);
        self.firing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fired
    }
}

impl Drop for TextGun {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A broken server has been seen by its host.
            let _ = thread.join();
        }
    }
}

/// Writes a shot down and gives its line.
fn fire(firing: &Mutex<Firing>, serial: &GunSerial) -> io::Result<Vec<u8>> {
    let mut firing = firing.lock().unwrap_or_else(PoisonError::into_inner);
    let depth_um = 1_000 + firing.random.next_u32() % 300 * 10;
    let volume_nl = 5_000 + firing.random.next_u32() % 200 * 100;
    let shot = FiredShot {
        serial: serial.to_string(),
        epoch: 0,
        counter: 0,
        boot_id: 0,
        tick_us: 0,
        interval_us: None,
        depth_set_um: Some(depth_um),
        depth_sensed_um: None,
        volume_set_nl: None,
        volume_sensed_nl: Some(volume_nl.into()),
        frequency_set_spm: Some(420),
        needles_working: None,
        pressure_pa: None,
        purpose: None,
        flags: 0,
    };
    firing.log.append(&shot).map_err(io::Error::other)?;
    firing.fired += 1;
    let mut line = String::new();
    // Millimetres and millilitres with a decimal comma.
    let written = write!(
        line,
        "S;{},{:03};{},{:06};7\r\n",
        depth_um / 1_000,
        depth_um % 1_000,
        volume_nl / 1_000_000,
        volume_nl % 1_000_000
    );
    written.map_err(io::Error::other)?;
    Ok(line.into_bytes())
}

struct Server {
    options: TextGunOptions,
    line: Line,
    firing: Arc<Mutex<Firing>>,
    ordered: Receiver<Order>,
    is_open: Arc<AtomicBool>,
    is_firing: Arc<AtomicBool>,
    is_stopping: Arc<AtomicBool>,
    asked: Vec<u8>,
}

impl Server {
    fn run(mut self) -> io::Result<()> {
        let mut fire_at = Instant::now();
        while !self.is_stopping.load(Ordering::Relaxed) {
            self.line.check()?;
            self.is_open.store(self.line.is_open(), Ordering::Relaxed);
            if !self.line.is_open() {
                fire_at = Instant::now();
            }
            self.answer()?;
            match self.ordered.try_recv() {
                Ok(Order::Print(bytes)) => self.line.send(&bytes)?,
                Ok(Order::Replug) => self = self.replugged()?,
                Err(_) => std::thread::sleep(REST),
            }
            if let Some(every) = self.options.fire_every
                && self.is_firing.load(Ordering::Relaxed)
                && fire_at <= Instant::now()
                && self.line.is_open()
            {
                let line = fire(&self.firing, &self.options.serial)?;
                self.line.send(&line)?;
                fire_at += every;
            }
            self.line.flush()?;
        }
        Ok(())
    }

    fn answer(&mut self) -> io::Result<()> {
        if !self.line.is_open() {
            self.asked.clear();
            return Ok(());
        }
        self.asked.extend(self.line.read()?);
        while let Some(end) = self.asked.windows(2).position(|pair| pair == b"\r\n") {
            let question: Vec<u8> = self.asked.drain(..end + 2).collect();
            if question == b"ID?\r\n" {
                let answer = format!("ID {} FW 1.0\r\n", self.options.serial);
                self.line.send(answer.as_bytes())?;
            }
        }
        // Whatever else is written to it is forgotten.
        let surplus = self.asked.len().saturating_sub(64);
        self.asked.drain(..surplus);
        Ok(())
    }

    fn replugged(self) -> io::Result<Server> {
        let Server {
            options,
            line,
            firing,
            ordered,
            is_open,
            is_firing,
            is_stopping,
            ..
        } = self;
        drop(line);
        Ok(Server {
            line: Line::expose(&options.port.folder, &options.port.name)?,
            options,
            firing,
            ordered,
            is_open,
            is_firing,
            is_stopping,
            asked: Vec::new(),
        })
    }
}
