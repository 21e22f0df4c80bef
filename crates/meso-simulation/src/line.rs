//! One opened port: the real link of the host, and the bytes between it and a gun.

use meso_link_proto::clock::HostNow;
use meso_link_proto::{HostEvent, HostLink};
use meso_serial::{DetachReason, GunEvent, PortEvent, PortName};
use meso_units::GunSerial;

use crate::dice::Dice;

/// Bytes that the line and the drivers of the system hold in one direction; further ones are lost.
const BYTES_MAX: usize = 4_096;

/// A port as the daemon has it open.
#[derive(Debug)]
pub(crate) struct Line {
    name: PortName,
    pub(crate) link: HostLink,
    /// The gun that has answered.
    gun: Option<GunSerial>,
    to_host: Vec<u8>,
    pub(crate) to_gun: Vec<u8>,
}

/// What a line does to the bytes that it carries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noise {
    /// Of so many chunks one has a wrong byte; 0 for none.
    pub(crate) corrupt_one_in: u64,
    /// Of so many chunks one is lost; 0 for none.
    pub(crate) lose_one_in: u64,
}

impl Noise {
    fn spoil(self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        if self.lose_one_in > 0 && dice.one_in(self.lose_one_in) {
            bytes.clear();
        }
        if self.corrupt_one_in > 0 && dice.one_in(self.corrupt_one_in) && !bytes.is_empty() {
            let place = dice.index(bytes.len());
            bytes[place] ^= 1 << dice.below(8);
        }
    }
}

impl Line {
    pub(crate) fn open(name: &str, session: u32) -> Line {
        Line {
            name: PortName::new(name),
            link: HostLink::new(session),
            gun: None,
            to_host: Vec::new(),
            to_gun: Vec::new(),
        }
    }

    /// Bytes that the gun wrote.
    pub(crate) fn carry(&mut self, bytes: &[u8]) {
        let room = BYTES_MAX.saturating_sub(self.to_host.len());
        self.to_host
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(crate) fn has_bytes_for_host(&self) -> bool {
        !self.to_host.is_empty()
    }

    /// The host reads what has come, as many bytes as chance gives.
    pub(crate) fn read(&mut self, now: HostNow, noise: Noise, dice: &mut Dice) -> Vec<PortEvent> {
        let count = match dice.one_in(2) {
            true => self.to_host.len(),
            false => dice.index(self.to_host.len() + 1),
        };
        let mut bytes: Vec<u8> = self.to_host.drain(..count).collect();
        noise.spoil(&mut bytes, dice);
        let events = self.link.receive(&bytes, now);
        self.collect_output(noise, dice);
        self.events(events, now)
    }

    /// The host's timers.
    pub(crate) fn step(&mut self, now: HostNow, noise: Noise, dice: &mut Dice) -> Vec<PortEvent> {
        let events = self.link.step(now);
        self.collect_output(noise, dice);
        self.events(events, now)
    }

    /// Moves what the host's link wants to say onto the line.
    pub(crate) fn collect_output(&mut self, noise: Noise, dice: &mut Dice) {
        let mut bytes = self.link.take_output();
        if bytes.is_empty() {
            return;
        }
        noise.spoil(&mut bytes, dice);
        let room = BYTES_MAX.saturating_sub(self.to_gun.len());
        self.to_gun
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The port closes; says so where a gun had answered.
    pub(crate) fn close(self, reason: DetachReason) -> Option<PortEvent> {
        self.gun.map(|gun| PortEvent {
            port: self.name,
            gun: Some(gun),
            event: GunEvent::Detached { reason },
            read_ns: 0,
        })
    }

    fn events(&mut self, events: Vec<HostEvent>, now: HostNow) -> Vec<PortEvent> {
        let mut told = Vec::with_capacity(events.len());
        for event in events {
            if let HostEvent::Attached(hello) = &event {
                self.gun = Some(hello.serial.clone());
            }
            if let Some(event) = GunEvent::of_link(event, now) {
                told.push(PortEvent {
                    port: self.name.clone(),
                    gun: self.gun.clone(),
                    event,
                    read_ns: now.monotonic_ns,
                });
            }
        }
        told
    }
}
