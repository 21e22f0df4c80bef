//! The scanner: which ports there are, who reads each of them, and when one is tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use meso_config::guns::{GunProfile, ModbusProfile, ProfileKind};
use meso_link_proto::HostLink;
use meso_link_proto::auth::{Keys, NonceSeed};

use crate::foreign::{ForeignLine, UsbPort};
use crate::modbus::{ModbusPort, Place, read_modbus};
use crate::ports::{STACK_BYTES, Shared};
use crate::profiles::{rule_for, tcp_name, tcp_rules};
use crate::reader::{PortLine, ReaderEnd, read_port};
use crate::text_line::{TextPort, read_text};
use crate::{GunEvent, PortEvent, PortName, PortSource, SerialConfig, SerialError};

/// A port whose gun fell silent, or on which nobody answered, is left alone this long.
const REOPEN_AFTER_SILENCE: Duration = Duration::from_secs(1);
/// A port that could not be opened is tried again at the next scan, because it may just be
/// changing hands; after a second failure it is told, and tried again after this.
const REOPEN_AFTER_FAILURE: Duration = Duration::from_secs(2);

pub(crate) enum Wake {
    /// A reader has ended.
    Ended(PortName, ReaderEnd),
    /// The driver stops.
    Stop,
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

pub(crate) struct Scanner<S> {
    source: S,
    config: SerialConfig,
    shared: Arc<Shared>,
    wake: Sender<Wake>,
    ports: BTreeMap<PortName, Slot>,
    /// What people were told of a port that nothing comes of, until something does.
    told: BTreeMap<PortName, String>,
    has_failed: bool,
}

impl<S: PortSource> Scanner<S> {
    pub(crate) fn new(
        source: S,
        config: SerialConfig,
        shared: Arc<Shared>,
        wake: Sender<Wake>,
    ) -> Scanner<S> {
        Scanner {
            source,
            config,
            shared,
            wake,
            ports: BTreeMap::new(),
            told: BTreeMap::new(),
            has_failed: false,
        }
    }

    pub(crate) fn run(mut self, woken: &Receiver<Wake>) {
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
        let mut listed = match self.source.list() {
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
        listed.extend(tcp_rules(&self.config.profiles).map(|(address, _)| tcp_name(address)));
        self.told.retain(|port, _| listed.contains(port));
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
        let opened = self.reader_of(port).and_then(|reader| {
            let (wake, port) = (self.wake.clone(), port.clone());
            thread::Builder::new()
                .name(format!("port-{port}").chars().take(15).collect())
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    let end = reader();
                    // Fails only where the scanner has ended, and then nobody asks.
                    let _ = wake.send(Wake::Ended(port, end));
                })
                .map_err(|source| SerialError::Thread {
                    thread: "port reader".to_owned(),
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
                    let cause =
                        std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
                    self.report(port, format!("{error}{}", cause.unwrap_or_default()));
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

    /// What the thread of a port is to do: open it where that can fail at once, and speak its
    /// language.
    fn reader_of(
        &mut self,
        port: &PortName,
    ) -> Result<Box<dyn FnOnce() -> ReaderEnd + Send>, SerialError> {
        let shared = Arc::clone(&self.shared);
        let over_tcp = tcp_rules(&self.config.profiles).find(|(at, _)| tcp_name(*at) == *port);
        if let Some((address, rule)) = over_tcp {
            let place = Place::Tcp(address);
            return Ok(match &rule.profile.kind {
                ProfileKind::Modbus(profile) => modbus_reader(
                    shared,
                    port,
                    (place, UsbPort::Network),
                    &rule.profile.name,
                    profile,
                ),
                _ => Box::new(|| {
                    ReaderEnd::Refused("only a Modbus profile works over TCP".to_owned())
                }),
            });
        }
        let described = self.source.describe_port(port);
        let rule = rule_for(&self.config.profiles, &described).cloned();
        let profile = rule.map_or_else(GunProfile::native, |rule| rule.profile);
        let usb_serial = described.usb.and_then(|usb| usb.serial);
        if let ProfileKind::Modbus(modbus) = &profile.kind {
            let place = Place::Serial(described.path, profile.line);
            return Ok(modbus_reader(
                shared,
                port,
                (place, UsbPort::Port(usb_serial)),
                &profile.name,
                modbus,
            ));
        }
        let config = SerialConfig {
            line: profile.line,
            ..SerialConfig::default()
        };
        let open = self.source.open(port, &config)?;
        Ok(match profile.kind {
            ProfileKind::TextLine(text) => {
                let line = Arc::new(ForeignLine::new(port.clone()));
                let port = TextPort {
                    name: profile.name,
                    profile: *text,
                    usb_serial,
                };
                Box::new(move || read_text(&shared, &line, &port, open))
            }
            _ => {
                let link = host_link(port, self.config.keys.clone())?;
                let line = Arc::new(PortLine::new(port.clone(), usb_serial, open.writer, link));
                Box::new(move || read_port(&shared, &line, open.reader))
            }
        })
    }

    /// Tells people of a port that nothing comes of.
    fn report(&mut self, port: &PortName, problem: String) {
        tracing::warn!(%port, problem, "port cannot be used");
        self.told.insert(port.clone(), problem.clone());
        let event = GunEvent::Unavailable { problem };
        self.shared.send(PortEvent {
            port: port.clone(),
            gun: None,
            event,
            read_ns: self.shared.clocks.elapsed_ns(),
        });
    }

    fn ended(&mut self, port: PortName, end: ReaderEnd) {
        let until = match end {
            ReaderEnd::HungUp => Instant::now(),
            ReaderEnd::Silent => Instant::now() + REOPEN_AFTER_SILENCE,
            ReaderEnd::Refused(problem) => {
                // Told once, and again when it is another problem.
                if self.told.get(&port) != Some(&problem) {
                    self.report(&port, problem);
                }
                Instant::now() + REOPEN_AFTER_FAILURE
            }
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

fn modbus_reader(
    shared: Arc<Shared>,
    port: &PortName,
    (place, usb): (Place, UsbPort),
    name: &str,
    profile: &ModbusProfile,
) -> Box<dyn FnOnce() -> ReaderEnd + Send> {
    let line = Arc::new(ForeignLine::new(port.clone()));
    let port = ModbusPort {
        name: name.to_owned(),
        profile: profile.clone(),
        place,
        usb,
    };
    Box::new(move || read_modbus(&shared, &line, &port))
}

/// A link for a port that was just opened, with random numbers of its own.
fn host_link(port: &PortName, keys: Keys) -> Result<HostLink, SerialError> {
    let (mut session, mut seed) = ([0; 4], [0; 32]);
    for bytes in [&mut session[..], &mut seed[..]] {
        getrandom::fill(bytes).map_err(|source| SerialError::Random {
            port: port.clone(),
            source,
        })?;
    }
    let session = u32::from_le_bytes(session);
    Ok(HostLink::with_keys(session, NonceSeed::new(seed), keys))
}

fn join(slot: Slot) {
    if let Slot::Open(thread) = slot
        && thread.join().is_err()
    {
        tracing::error!("a port reader had panicked");
    }
}
