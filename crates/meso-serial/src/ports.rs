//! All ports together: the scanner thread, and the handle that the driver holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use meso_config::UsbSerial;
use meso_config::guns::LineSettings;
use meso_link_proto::auth::Keys;
use meso_link_proto::{GunLimits, HostLink, LinkError};
use meso_units::{Epoch, GunSerial, ShotCounter};

use crate::foreign::{ForeignCommand, ForeignLine, OrderRefused, Wanted};
use crate::reader::{Clocks, PortLine};
use crate::scanner::{Scanner, Wake};
use crate::{PortEvent, PortName, PortSource, ProfileRule, SerialError};

/// The stack of a reader thread and of the scanner. They hold one small buffer and no recursion;
/// with the usual 8 MiB the address space of 64 guns would look like a leak in a monitor.
pub(crate) const STACK_BYTES: usize = 256 * 1_024;

/// How ports are opened and looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialConfig {
    /// How a line is set that no profile is for.
    pub line: LineSettings,
    /// Which ports speak something else than the meso link; the first rule that fits counts.
    pub profiles: Vec<ProfileRule>,
    /// What a USB serial number must be to that of the gun behind it.
    pub usb_serial: UsbSerial,
    /// How often the source is asked for its ports; also how late a new port is seen.
    pub scan_interval: Duration,
    /// The keys of the guns, and whether guns without one are refused.
    pub keys: Keys,
}

impl Default for SerialConfig {
    fn default() -> SerialConfig {
        SerialConfig {
            line: LineSettings::NATIVE,
            profiles: Vec::new(),
            usb_serial: UsbSerial::Compare,
            scan_interval: Duration::from_millis(250),
            keys: Keys::default(),
        }
    }
}

/// What the scanner, the readers and the handle share.
pub(crate) struct Shared {
    pub(crate) clocks: Clocks,
    pub(crate) is_stopping: AtomicBool,
    pub(crate) events: SyncSender<PortEvent>,
    pub(crate) usb_serial: UsbSerial,
    pub(crate) keys: Keys,
    /// Attached guns. Held only for a look-up or a change, never while a port is written to.
    guns: Mutex<BTreeMap<GunSerial, Line>>,
}

/// The line of an attached gun.
#[derive(Clone)]
pub(crate) enum Line {
    /// It speaks the meso link.
    Native(Arc<PortLine>),
    /// It speaks something else.
    Foreign(Arc<ForeignLine>),
}

impl Line {
    pub(crate) fn port(&self) -> &PortName {
        match self {
            Line::Native(line) => &line.port,
            Line::Foreign(line) => &line.port,
        }
    }

    fn is(&self, other: &Line) -> bool {
        match (self, other) {
            (Line::Native(one), Line::Native(other)) => Arc::ptr_eq(one, other),
            (Line::Foreign(one), Line::Foreign(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Shared {
    fn guns(&self) -> MutexGuard<'_, BTreeMap<GunSerial, Line>> {
        // A panic elsewhere leaves the map whole: every change to it is one call.
        self.guns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a gun; gives back the other port where it is attached already.
    pub(crate) fn attach(&self, gun: &GunSerial, line: &Line) -> Option<PortName> {
        let mut guns = self.guns();
        if let Some(known) = guns.get(gun).filter(|known| !known.is(line)) {
            return Some(known.port().clone());
        }
        guns.insert(gun.clone(), line.clone());
        None
    }

    pub(crate) fn detach(&self, gun: &GunSerial, line: &Line) {
        let mut guns = self.guns();
        if guns.get(gun).is_some_and(|known| known.is(line)) {
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
            usb_serial: config.usb_serial,
            keys: config.keys.clone(),
            guns: Mutex::new(BTreeMap::new()),
        });
        let (wake, woken) = channel();
        let scanner = Scanner::new(source, config, Arc::clone(&shared), wake.clone());
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
        let wanted = Wanted {
            epoch,
            next,
            is_listening: false,
        };
        self.call(
            gun,
            "send shots",
            |link| link.expect_from(epoch, next, now),
            |line| line.want(wanted),
        )
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
        let wanted = Wanted {
            epoch,
            next,
            is_listening: true,
        };
        self.call(
            gun,
            "send shots",
            |link| link.listen_from(epoch, next, now),
            |line| line.want(wanted),
        )
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
        self.call(
            gun,
            "forget shots",
            |link| link.acknowledge(epoch, counter),
            |line| line.acknowledge(epoch, counter),
        )
    }

    /// Gives a gun the epoch that the driver has drawn; the gun then comes as
    /// [`crate::GunEvent::Attached`] again.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn assign_epoch(&self, gun: &GunSerial, epoch: Epoch) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(
            gun,
            "take an epoch",
            |link| link.assign_epoch(epoch, now),
            |line| line.command(ForeignCommand::AssignEpoch(epoch)),
        )
    }

    /// Asks a gun to fire no further shot. The bytes are with the port when this returns; the
    /// gun's answer comes as [`crate::GunEvent::Command`] under the returned number.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn inhibit(&self, gun: &GunSerial, reason: u8) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(
            gun,
            "fire no more",
            |link| link.inhibit(reason, now),
            |line| line.command(ForeignCommand::Inhibit),
        )
    }

    /// Asks a gun to enforce these limits; an absent one goes back to what the maker built in.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn set_limits(&self, gun: &GunSerial, limits: GunLimits) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(
            gun,
            "limits",
            |link| link.set_limits(limits, now),
            |_| Err(OrderRefused::NotOffered),
        )
    }

    /// Asks a gun what it is set to; the answer comes as [`crate::GunEvent::Settings`].
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn read_settings(&self, gun: &GunSerial) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(
            gun,
            "settings",
            |link| link.read_settings(now),
            |_| Err(OrderRefused::NotOffered),
        )
    }

    /// Asks a gun to blink or beep for `seconds`, 0 to 60; 0 stops it.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn identify(&self, gun: &GunSerial, seconds: u8) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(
            gun,
            "identification",
            |link| link.identify(seconds, now),
            |_| Err(OrderRefused::NotOffered),
        )
    }

    /// Whether a gun is attached and has proven that it holds its key.
    pub fn is_authentic(&self, gun: &GunSerial) -> bool {
        let line = self.shared.guns().get(gun).cloned();
        match line {
            Some(Line::Native(line)) => line.with_link(|link| link.is_authentic()).0,
            _ => false,
        }
    }

    /// Lets a gun fire again.
    ///
    /// # Errors
    ///
    /// As [`GunPorts::expect_from`].
    pub fn resume(&self, gun: &GunSerial) -> Result<u16, SerialError> {
        let now = self.shared.clocks.now();
        self.call(
            gun,
            "fire again",
            |link| link.resume(now),
            |line| line.command(ForeignCommand::Resume),
        )
    }

    /// The monotonic clock of [`PortEvent::read_ns`], in ns since the start.
    pub fn clock_ns(&self) -> u64 {
        self.shared.clocks.elapsed_ns()
    }

    /// Closes all ports and waits for all threads, for at most about a tenth of a second.
    pub fn stop(mut self) {
        self.stop_threads();
    }

    /// Tells a gun something in its own language; `what` names it where that has no words for it.
    fn call<T>(
        &self,
        gun: &GunSerial,
        what: &'static str,
        native: impl FnOnce(&mut HostLink) -> Result<T, LinkError>,
        foreign: impl FnOnce(&ForeignLine) -> Result<T, OrderRefused>,
    ) -> Result<T, SerialError> {
        let line = self.shared.guns().get(gun).cloned();
        let gun = gun.clone();
        match line {
            None => Err(SerialError::NotAttached { gun }),
            Some(Line::Native(line)) => {
                let (outcome, written) = line.with_link(native);
                if let Err(source) = written {
                    return Err(SerialError::Write { gun, source });
                }
                outcome.map_err(|source| SerialError::Link { gun, source })
            }
            Some(Line::Foreign(line)) => foreign(&line).map_err(|refused| match refused {
                OrderRefused::Link(source) => SerialError::Link { gun, source },
                OrderRefused::NotOffered => SerialError::NotOffered { gun, what },
            }),
        }
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
