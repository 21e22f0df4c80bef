//! All ports together: the scanner thread, and the handle that the driver holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use meso_link_proto::{HostLink, LinkError};
use meso_units::{Epoch, GunSerial, ShotCounter};

use crate::reader::{Clocks, PortLine, ReaderEnd, read_port};
use crate::{GunEvent, PortEvent, PortName, PortSource, SerialError};

/// The stack of a reader thread and of the scanner. They hold one small buffer and no recursion;
/// with the usual 8 MiB the address space of 64 guns would look like a leak in a monitor.
const STACK_BYTES: usize = 256 * 1_024;
/// A port whose gun fell silent, or on which nobody answered, is left alone this long.
const REOPEN_AFTER_SILENCE: Duration = Duration::from_secs(1);
/// A port that could not be opened is tried again at the next scan, because it may just be
/// changing hands; after a second failure it is told, and tried again after this.
const REOPEN_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How ports are opened and looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialConfig {
    /// Baud rate; the meso link runs at 115 200, 8N1.
    pub baud: u32,
    /// How often the source is asked for its ports; also how late a new port is seen.
    pub scan_interval: Duration,
}

impl Default for SerialConfig {
    fn default() -> SerialConfig {
        SerialConfig {
            baud: 115_200,
            scan_interval: Duration::from_millis(250),
        }
    }
}

/// What the scanner, the readers and the handle share.
pub(crate) struct Shared {
    pub(crate) clocks: Clocks,
    pub(crate) is_stopping: AtomicBool,
    pub(crate) events: SyncSender<PortEvent>,
    /// Attached guns. Held only for a look-up or a change, never while a port is written to.
    guns: Mutex<BTreeMap<GunSerial, Arc<PortLine>>>,
}

impl Shared {
    fn guns(&self) -> MutexGuard<'_, BTreeMap<GunSerial, Arc<PortLine>>> {
        // A panic elsewhere leaves the map whole: every change to it is one call.
        self.guns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a gun; gives back the other port where it is attached already.
    pub(crate) fn attach(&self, gun: &GunSerial, line: &Arc<PortLine>) -> Option<PortName> {
        let mut guns = self.guns();
        if let Some(known) = guns.get(gun).filter(|known| !Arc::ptr_eq(known, line)) {
            return Some(known.port.clone());
        }
        guns.insert(gun.clone(), Arc::clone(line));
        None
    }

    pub(crate) fn detach(&self, gun: &GunSerial, line: &Arc<PortLine>) {
        let mut guns = self.guns();
        if guns.get(gun).is_some_and(|known| Arc::ptr_eq(known, line)) {
            guns.remove(gun);
        }
    }

    /// Hands an event on and waits while the channel is full, so that a slow driver slows the
    /// guns' ports down and loses nothing; false when it is of no use any more.
    pub(crate) fn send(&self, event: PortEvent) -> bool {
        let mut event = event;
        loop {
            match self.events.try_send(event) {
                Ok(()) => return true,
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return false,
                Err(std::sync::mpsc::TrySendError::Full(back)) => {
                    if self.is_stopping.load(Ordering::Relaxed) {
                        return false;
                    }
                    event = back;
                    thread::park_timeout(Duration::from_millis(2));
                }
            }
        }
    }
}

pub(crate) enum Wake {
    /// A reader has ended.
    Ended(PortName, ReaderEnd),
    /// The driver stops.
    Stop,
}

/// All guns on all ports of a source. Dropping it stops all threads, as [`GunPorts::stop`] does.
pub struct GunPorts {
    shared: Arc<Shared>,
    wake: Sender<Wake>,
    scanner: Option<JoinHandle<()>>,
}

impl GunPorts {
    /// Starts to look for ports; what happens on them goes to `events`, in order for each port.
    ///
    /// # Errors
    ///
    /// [`SerialError::Thread`] when the scanner cannot be started.
    pub fn start(
        source: impl PortSource,
        config: SerialConfig,
        events: SyncSender<PortEvent>,
    ) -> Result<GunPorts, SerialError> {
        let shared = Arc::new(Shared {
            clocks: Clocks::start(),
            is_stopping: AtomicBool::new(false),
            events,
            guns: Mutex::new(BTreeMap::new()),
        });
        let (wake, woken) = channel();
        let scanner = Scanner {
            source,
            config,
            shared: Arc::clone(&shared),
            wake: wake.clone(),
            ports: BTreeMap::new(),
            has_failed: false,
        };
        let thread = thread::Builder::new()
            .name("port-scanner".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || scanner.run(&woken))
            .map_err(|source| SerialError::Thread {
                thread: "port-scanner".to_owned(),
                source,
            })?;
        Ok(GunPorts {
            shared,
            wake,
            scanner: Some(thread),
        })
    }

    /// The guns that are attached now.
    pub fn attached(&self) -> Vec<GunSerial> {
        self.shared.guns().keys().cloned().collect()
    }

    /// Says what the driver durably holds of a gun: `next` is the first counter of `epoch` that
    /// its journal lacks. Shots begin to come from there.
    ///
    /// # Errors
    ///
    /// [`SerialError::NotAttached`], [`SerialError::Link`] for another epoch or counter 0,
    /// [`SerialError::Write`].
    pub fn expect_from(
        &self,
        gun: &GunSerial,
        epoch: Epoch,
        next: ShotCounter,
    ) -> Result<(), SerialError> {
        let now = self.shared.clocks.now();
        self.call(gun, |link| link.expect_from(epoch, next, now))
    }

    /// Listens to a gun from this counter on and acknowledges nothing, for a listener that keeps
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn listen_from(
        &self,
        gun: &GunSerial,
        epoch: Epoch,
        next: ShotCounter,
    ) -> Result<(), SerialError> {
        let now = self.shared.clocks.now();
        self.call(gun, |link| link.listen_from(epoch, next, now))
    }

    /// Tells the gun that the journal durably holds every shot of `epoch` up to `counter`.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn acknowledge(
        &self,
        gun: &GunSerial,
        epoch: Epoch,
        counter: ShotCounter,
    ) -> Result<(), SerialError> {
        self.call(gun, |link| link.acknowledge(epoch, counter))
    }

    /// Gives a gun the epoch that the driver has drawn; the gun then comes as
    /// [`GunEvent::Attached`] again.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn assign_epoch(&self, gun: &GunSerial, epoch: Epoch) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(gun, |link| link.assign_epoch(epoch, now))
    }

    /// Asks a gun to fire no further shot. The bytes are with the port when this returns; the
    /// gun's answer comes as [`GunEvent::Command`] under the returned number.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn inhibit(&self, gun: &GunSerial, reason: u8) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(gun, |link| link.inhibit(reason, now))
    }

    /// Lets a gun fire again.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn resume(&self, gun: &GunSerial) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(gun, |link| link.resume(now))
    }

    /// Closes all ports and waits for all threads, for at most about a tenth of a second.
    pub fn stop(mut self) {
        self.stop_threads();
    }

    fn call<T>(
        &self,
        gun: &GunSerial,
        act: impl FnOnce(&mut HostLink) -> Result<T, LinkError>,
    ) -> Result<T, SerialError> {
        let line = self.shared.guns().get(gun).cloned();
        let line = line.ok_or_else(|| SerialError::NotAttached { gun: gun.clone() })?;
        let (outcome, written) = line.with_link(act);
        written.map_err(|source| SerialError::Write {
            gun: gun.clone(),
            source,
        })?;
        outcome.map_err(|source| SerialError::Link {
            gun: gun.clone(),
            source,
        })
    }

    fn stop_threads(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        // Fails only where the scanner has ended already.
        let _ = self.wake.send(Wake::Stop);
        if let Some(scanner) = self.scanner.take()
            && scanner.join().is_err()
        {
            tracing::error!("the port scanner had panicked");
        }
    }
}

impl Drop for GunPorts {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

/// What the scanner knows of a port.
enum Slot {
    Open(JoinHandle<()>),
    /// Not to be opened before this; how often it could not be opened in a row.
    Waiting {
        until: Instant,
        failure_count: u32,
    },
}

struct Scanner<S> {
    source: S,
    config: SerialConfig,
    shared: Arc<Shared>,
    wake: Sender<Wake>,
    ports: BTreeMap<PortName, Slot>,
    has_failed: bool,
}

impl<S: PortSource> Scanner<S> {
    fn run(mut self, woken: &Receiver<Wake>) {
        let mut scan_at = Instant::now();
        loop {
            let now = Instant::now();
            if now >= scan_at {
                self.scan(now);
                scan_at = now + self.config.scan_interval;
            }
            let patience = scan_at.saturating_duration_since(Instant::now());
            match woken.recv_timeout(patience) {
                Ok(Wake::Ended(port, end)) => self.ended(port, end),
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        for (_, slot) in core::mem::take(&mut self.ports) {
            join(slot);
        }
    }

    fn scan(&mut self, now: Instant) {
        let listed = match self.source.list() {
            Ok(listed) => listed,
            Err(error) => {
                // Said once until it works again: the next scan is a quarter of a second away.
                if !core::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(%error, "ports cannot be listed");
                }
                return;
            }
        };
        self.has_failed = false;
        // A port that went away is forgotten, so that its return is tried at once.
        self.ports
            .retain(|port, slot| matches!(slot, Slot::Open(_)) || listed.contains(port));
        for port in listed {
            let failure_count = match self.ports.get(&port) {
                None => 0,
                Some(Slot::Waiting {
                    until,
                    failure_count,
                }) if now >= *until => *failure_count,
                Some(_) => continue,
            };
            let slot = self.open(&port, failure_count, now);
            self.ports.insert(port, slot);
        }
    }

    fn open(&mut self, port: &PortName, failure_count: u32, now: Instant) -> Slot {
        let opened = self.source.open(port, &self.config).and_then(|open| {
            let line = Arc::new(PortLine::new(port.clone(), open.writer));
            let (shared, wake) = (Arc::clone(&self.shared), self.wake.clone());
            thread::Builder::new()
                .name(format!("port-{port}").chars().take(15).collect())
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    let end = read_port(&shared, &line, open.reader);
                    // Fails only where the scanner has ended, and then nobody asks.
                    let _ = wake.send(Wake::Ended(line.port.clone(), end));
                })
                .map_err(|source| SerialError::Thread {
                    thread: format!("port-{port}"),
                    source,
                })
        });
        match opened {
            Ok(thread) => Slot::Open(thread),
            // It comes back when it is listed again.
            Err(SerialError::Gone { .. }) => Slot::Waiting {
                until: now,
                failure_count,
            },
            Err(error) => {
                let failure_count = failure_count.saturating_add(1);
                if failure_count == 2 {
                    self.report(port, &error);
                }
                let patience = if failure_count == 1 {
                    self.config.scan_interval
                } else {
                    REOPEN_AFTER_FAILURE
                };
                Slot::Waiting {
                    until: now + patience,
                    failure_count,
                }
            }
        }
    }

    fn report(&self, port: &PortName, error: &SerialError) {
        let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})"));
        let problem = format!("{error}{}", cause.unwrap_or_default());
        tracing::warn!(%port, problem, "port cannot be opened");
        let event = GunEvent::Unavailable { problem };
        self.shared.send(PortEvent {
            port: port.clone(),
            gun: None,
            event,
        });
    }

    fn ended(&mut self, port: PortName, end: ReaderEnd) {
        let until = match end {
            ReaderEnd::HungUp => Instant::now(),
            ReaderEnd::Silent => Instant::now() + REOPEN_AFTER_SILENCE,
        };
        let slot = Slot::Waiting {
            until,
            failure_count: 0,
        };
        if let Some(before) = self.ports.insert(port, slot) {
            join(before);
        }
    }
}

fn join(slot: Slot) {
    if let Slot::Open(thread) = slot
        && thread.join().is_err()
    {
        tracing::error!("a port reader had panicked");
    }
}
