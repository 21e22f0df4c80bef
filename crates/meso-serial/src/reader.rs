//! One port: its line, and the thread that reads it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meso_link_proto::clock::{HostNow, StepWatch};
use meso_link_proto::frame::LineCounters;
use meso_link_proto::{Hello, HostEvent, HostLink};
use meso_units::Timestamp;

use crate::foreign::{Teller, UsbPort, reader_end};
use crate::ports::{Line, Shared};
use crate::source::{PortReader, PortWriter};
use crate::{CompletenessGrade, DetachReason, GunEvent, PortName};

/// The longest wait for bytes; how late a stop is noticed.
const READ_PATIENCE_MAX: Duration = Duration::from_millis(100);
/// The shortest wait, so that a timer that is due just now does not spin.
const READ_PATIENCE_MIN: Duration = Duration::from_millis(1);
/// What is read at once: a third of a second of the wire at 115 200 baud.
const READ_BYTES: usize = 4_096;
/// Line counters are told at most this often.
const COUNTERS_INTERVAL: Duration = Duration::from_secs(1);

/// The host's two clocks; the only place of this crate that reads them for the link.
pub(crate) struct Clocks {
    started: Instant,
    /// Held for one reading; shared by all ports, so that a step has one number for all guns.
    steps: Mutex<StepWatch>,
}

/// Two readings of the monotonic clock further apart than this do not frame a reading of UTC.
const FRAME_MAX: Duration = Duration::from_millis(1);
/// How often the frame is tried on a busy computer; the last reading is taken as it is.
const FRAME_TRIES_MAX: u32 = 4;

impl Clocks {
    pub(crate) fn start() -> Clocks {
        Clocks {
            started: Instant::now(),
            steps: Mutex::new(StepWatch::default()),
        }
    }

    /// The monotonic clock alone.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn now(&self) -> HostNow {
        // The lock comes first, so that nobody's older reading is taken after a newer one.
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut elapsed, mut utc) = (self.started.elapsed(), utc_now());
        for _ in 1..FRAME_TRIES_MAX {
            let after = self.started.elapsed();
            if after.saturating_sub(elapsed) <= FRAME_MAX {
                break;
            }
            // This thread was put aside between the two clocks; that is no step of either.
            (elapsed, utc) = (self.started.elapsed(), utc_now());
        }
        steps.read(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), utc)
    }
}

/// UTC of the system. A clock before 1970 or after 2262 is not trusted by anybody: the driver
/// flags it.
fn utc_now() -> Timestamp {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_nanos()).ok())
        .and_then(|ns| Timestamp::from_unix_ns(ns).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Why a reader has ended, as far as the scanner needs to know.
pub(crate) enum ReaderEnd {
    /// Look again at once.
    HungUp,
    /// Leave the port alone for a moment.
    Silent,
    /// Nothing will come of it before somebody changes something; why, in words.
    Refused(String),
}

/// The link of an open port and its writing half.
struct Sender {
    link: HostLink,
    writer: Box<dyn PortWriter>,
}

/// An open port, as reader thread and driver share it.
pub(crate) struct PortLine {
    pub(crate) port: PortName,
    /// The serial number of the USB device.
    usb_serial: Option<String>,
    /// Held while bytes are taken from the link and written, so that frames never mix; never
    /// while an event waits for room in the channel.
    sender: Mutex<Sender>,
    is_broken: AtomicBool,
}

impl PortLine {
    pub(crate) fn new(
        port: PortName,
        usb_serial: Option<String>,
        writer: Box<dyn PortWriter>,
        link: HostLink,
    ) -> PortLine {
        PortLine {
            port,
            usb_serial,
            sender: Mutex::new(Sender { link, writer }),
            is_broken: AtomicBool::new(false),
        }
    }

    /// Acts on the link and writes what it has to say.
    pub(crate) fn with_link<T>(&self, act: impl FnOnce(&mut HostLink) -> T) -> (T, io::Result<()>) {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = act(&mut sender.link);
        let output = sender.link.take_output();
        let written = if output.is_empty() {
            Ok(())
        } else {
            sender.writer.write_all(&output)
        };
        if written.is_err() {
            self.is_broken.store(true, Ordering::Relaxed);
        }
        (outcome, written)
    }
}

/// A number that this opening of the port has for itself.
pub(crate) fn session_number() -> u32 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // The standard library keys its hash maps with random numbers of the system. The session
    // only tells openings apart; it is no secret.
    let random = RandomState::new().build_hasher().finish();
    u32::try_from(random & u64::from(u32::MAX))
        .unwrap_or(1)
        .max(1)
}

/// Reads the port until it is gone, silent, or the driver stops.
pub(crate) fn read_port(
    shared: &Shared,
    line: &Arc<PortLine>,
    mut reader: Box<dyn PortReader>,
) -> ReaderEnd {
    let entry = Line::Native(Arc::clone(line));
    let mut port = Port {
        teller: Teller::new(shared, &entry),
        line,
        counters: LineCounters::default(),
        told: None,
    };
    let mut buffer = [0_u8; READ_BYTES];
    let mut patience = Duration::ZERO;
    let reason = loop {
        if shared.is_stopping.load(Ordering::Relaxed) {
            break DetachReason::Stopped;
        }
        let count = match reader.read(&mut buffer, patience) {
            // A serial port that reads nothing without waiting has been unplugged.
            Ok(0) => break DetachReason::HungUp,
            Ok(count) => count,
            Err(error) if is_nothing_yet(&error) => 0,
            Err(_) => break DetachReason::HungUp,
        };
        // Before the lock of the clocks: latencies are counted from here.
        port.teller.read_ns = shared.clocks.elapsed_ns();
        let now = shared.clocks.now();
        let ((events, counters, due_ns), written) = line.with_link(|link| {
            let events = link.receive(&buffer[..count], now);
            (events, link.counters(), link.due_ns())
        });
        if let Some(reason) = events
            .into_iter()
            .find_map(|event| port.tell(event, now).err())
        {
            break reason;
        }
        port.tell_counters(counters);
        if written.is_err() || line.is_broken.load(Ordering::Relaxed) {
            break DetachReason::CannotWrite;
        }
        let until_due = Duration::from_nanos(due_ns.saturating_sub(now.monotonic_ns));
        patience = until_due.clamp(READ_PATIENCE_MIN, READ_PATIENCE_MAX);
    };
    port.end(reason)
}

pub(crate) fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

/// What the reader thread knows of its port.
struct Port<'a> {
    teller: Teller<'a>,
    line: &'a PortLine,
    counters: LineCounters,
    told: Option<Instant>,
}

impl Port<'_> {
    /// Hands an event of the link on; an error ends the reader with that reason.
    fn tell(&mut self, event: HostEvent, now: HostNow) -> Result<(), DetachReason> {
        match event {
            HostEvent::Attached(hello) => self.attach(hello),
            HostEvent::Silent => Err(DetachReason::Silent),
            event => match GunEvent::of_link(event, now) {
                Some(event) => self.teller.tell(event),
                None => Ok(()),
            },
        }
    }

    fn attach(&mut self, hello: Box<Hello>) -> Result<(), DetachReason> {
        let usb = UsbPort::Port(self.line.usb_serial.clone());
        self.teller.attach(&hello.serial, usb)?;
        let grade = match self.line.with_link(|link| link.is_authentic()).0 {
            true => CompletenessGrade::AuthenticatedCounter,
            false => CompletenessGrade::Counter,
        };
        self.teller.tell_attached(hello, grade)
    }

    fn tell_counters(&mut self, counters: LineCounters) {
        // Good frames alone are no news.
        let news = LineCounters {
            frames: self.counters.frames,
            ..counters
        };
        let is_due = self
            .told
            .is_none_or(|told| told.elapsed() >= COUNTERS_INTERVAL);
        if news != self.counters && is_due {
            self.counters = counters;
            self.told = Some(Instant::now());
            // A stop in between is seen by the loop.
            let _ = self.teller.tell(GunEvent::Counters(counters));
        }
    }

    fn end(mut self, reason: DetachReason) -> ReaderEnd {
        let end = reader_end(&reason, self.teller.gun.is_some());
        self.teller.detach(reason);
        end
    }
}
