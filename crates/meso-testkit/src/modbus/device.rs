//! The registers of an emulated gun and what is behind them.

use std::collections::VecDeque;
use std::time::Instant;

use meso_config::guns::{InhibitPlace, ModbusProfile, NumberField, Registers, WordOrder};
use meso_units::GunSerial;
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use super::{ModbusGunOptions, Restart};
use crate::gun::log::FiredShot;

/// Exception codes of the standard.
pub(crate) const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_VALUE: u8 = 3;

/// The gun's clock when it starts, in µs.
const START_TICK_US: u64 = 2_000_000;

/// A gun without a line.
pub(crate) struct Device {
    profile: ModbusProfile,
    serial: GunSerial,
    random: Pcg64Mcg,
    ring: VecDeque<FiredShot>,
    ring_shots_max: u32,
    boot_id: u32,
    started: Instant,
    epoch: u64,
    head: u32,
    pub(crate) acknowledged: u32,
    lost: u32,
    window_from: u32,
    pub(crate) is_inhibited: bool,
    last_tick_us: Option<u64>,
    pub(crate) torn_windows: u32,
}

impl Device {
    pub(crate) fn new(options: &ModbusGunOptions) -> Device {
        let mut random = Pcg64Mcg::new(u128::from(options.seed));
        Device {
            profile: options.profile.clone(),
            serial: options.serial.clone(),
            boot_id: random.next_u32().max(1),
            random,
            ring: VecDeque::new(),
            ring_shots_max: options.ring_shots_max.max(1),
            started: Instant::now(),
            epoch: 0,
            head: 0,
            acknowledged: 0,
            lost: 0,
            window_from: 1,
            is_inhibited: false,
            last_tick_us: None,
            torn_windows: 0,
        }
    }

    fn tick_us(&self) -> u64 {
        let since = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        START_TICK_US.saturating_add(since)
    }

    /// The next shot, with what it measures.
    pub(crate) fn next_shot(&mut self) -> FiredShot {
        let tick_us = self.tick_us();
        let mut draw =
            |from: u32, steps: u32, step: u32| from + self.random.next_u32() % steps * step;
        let depth_um = draw(1_000, 300, 10);
        let volume_nl = draw(5_000, 200, 100);
        FiredShot {
            serial: self.serial.to_string(),
            epoch: self.epoch,
            counter: self.head + 1,
            boot_id: self.boot_id,
            tick_us,
            interval_us: self.last_tick_us.map(|last| tick_us - last),
            depth_set_um: Some(2_000),
            depth_sensed_um: Some(depth_um),
            volume_set_nl: Some(20_000),
            volume_sensed_nl: Some(u64::from(volume_nl)),
            frequency_set_spm: Some(420),
            needles_working: Some(1),
            pressure_pa: Some(-30_000),
            purpose: Some("patient".to_owned()),
            flags: 0,
        }
    }

    pub(crate) fn fire(&mut self, shot: &FiredShot) -> u32 {
        self.head = shot.counter;
        self.last_tick_us = Some(shot.tick_us);
        if self.ring.len() >= usize::try_from(self.ring_shots_max).unwrap_or(usize::MAX)
            && let Some(gone) = self.ring.pop_front()
            && gone.counter > self.acknowledged
        {
            self.lost = self.lost.saturating_add(1);
        }
        self.ring.push_back(shot.clone());
        self.head
    }

    pub(crate) fn restart(&mut self, kind: Restart) {
        self.boot_id = self.random.next_u32().max(1);
        self.started = Instant::now();
        self.last_tick_us = None;
        self.is_inhibited = false;
        self.window_from = 1;
        if kind == Restart::Volatile {
            self.clear();
            self.epoch = 0;
        }
    }

    fn clear(&mut self) {
        self.ring.clear();
        (self.head, self.acknowledged, self.lost) = (0, 0, 0);
    }

    pub(crate) fn forget_newest(&mut self, count: u32) {
        self.head = self.head.saturating_sub(count);
        self.acknowledged = self.acknowledged.min(self.head);
        let head = self.head;
        self.ring.retain(|shot| shot.counter <= head);
    }

    fn tail(&self) -> u32 {
        self.ring.front().map_or(self.head + 1, |shot| shot.counter)
    }

    /// Reads registers; what the map does not name is an illegal address.
    pub(crate) fn read(&mut self, address: u16, count: u16) -> Result<Vec<u16>, u8> {
        let end = usize::from(address) + usize::from(count);
        if count == 0 || count > 125 || end > 0x1_0000 {
            return Err(ILLEGAL_ADDRESS);
        }
        let mut words = vec![0; 0x1_0000];
        self.lay_out_status(&mut words);
        let window = self.profile.window;
        let window_end = usize::from(window.address) + usize::from(window.records * window.words);
        if end > usize::from(window.address) && usize::from(address) < window_end {
            self.lay_out_window(&mut words);
        }
        Ok(words[usize::from(address)..end].to_vec())
    }

    fn lay_out_status(&self, words: &mut [u16]) {
        let map = &self.profile.registers;
        let order = self.profile.word_order;
        let mut put = |at: Registers, number: u64| place(words, at, number, order);
        if let Some((at, is)) = map.map_version {
            put(at, is);
        }
        put(map.boot_id, self.boot_id.into());
        put(map.head, self.head.into());
        put(map.tail, self.tail().into());
        put(map.acknowledged, self.acknowledged.into());
        put(map.lost, self.lost.into());
        if let Some(at) = map.capacity {
            put(at, self.ring_shots_max.into());
        }
        if let Some(at) = map.epoch {
            put(at, self.epoch);
        }
        if let Some((at, step_us)) = map.clock {
            put(at, self.tick_us() / step_us.max(1));
        }
        if let Some(InhibitPlace::Register(at)) = map.inhibit {
            put(at, self.is_inhibited.into());
        }
        let texts = [
            (Some(map.serial), self.serial.as_str()),
            (map.model, "EMULATED"),
            (map.firmware, "1.0"),
        ];
        for (at, text) in texts {
            let Some(at) = at else { continue };
            for (place, pair) in text.as_bytes().chunks(2).enumerate().take(at.words.into()) {
                let low = pair.get(1).copied().unwrap_or(0);
                words[usize::from(at.address) + place] = u16::from_be_bytes([pair[0], low]);
            }
        }
    }

    /// Lays out the window as it is at this moment, so that one answer is all of one moment.
    fn lay_out_window(&mut self, words: &mut [u16]) {
        let window = self.profile.window;
        let first = match window.from {
            Some(_) => self.window_from,
            None => self.tail().max(self.acknowledged + 1),
        };
        let shots = self.ring.iter().filter(|shot| shot.counter >= first);
        let start = usize::from(window.address);
        for (place, shot) in shots.take(window.records.into()).enumerate() {
            let from = start + place * usize::from(window.words);
            let record = &mut words[from..from + usize::from(window.words)];
            self.lay_out_record(record, shot);
        }
        if self.torn_windows > 0 {
            self.torn_windows -= 1;
            let words_of_half = usize::from(window.words / 2);
            for word in &mut words[start + words_of_half..start + 2 * words_of_half] {
                *word ^= 0x5A5A;
            }
        }
    }

    fn lay_out_record(&self, record: &mut [u16], shot: &FiredShot) {
        let layout = &self.profile.record;
        let order = self.profile.word_order;
        let mut put = |field: Option<NumberField>, value: Option<i64>| {
            let Some(field) = field else { return };
            let raw = value.map_or(field.missing.unwrap_or(0), |value| value / field.step);
            place(
                record,
                at(field.word, field.words),
                raw.cast_unsigned(),
                order,
            );
        };
        let big = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        put(layout.tick, Some(big(shot.tick_us)));
        put(layout.boot_id, Some(shot.boot_id.into()));
        put(layout.interval, shot.interval_us.map(big));
        put(layout.depth_set, shot.depth_set_um.map(i64::from));
        put(layout.depth_sensed, shot.depth_sensed_um.map(i64::from));
        put(layout.volume_set, shot.volume_set_nl.map(big));
        put(layout.volume_sensed, shot.volume_sensed_nl.map(big));
        put(layout.frequency_set, shot.frequency_set_spm.map(i64::from));
        put(layout.needles, shot.needles_working.map(i64::from));
        put(layout.pressure, shot.pressure_pa.map(i64::from));
        put(layout.purpose, shot.purpose.as_ref().map(|_| 1));
        put(layout.flags, Some(shot.flags.into()));
        let counter = at(layout.counter_word, 2);
        place(record, counter, shot.counter.into(), order);
        let crc_word = usize::from(layout.crc_word);
        let others = record
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != crc_word);
        let bytes: Vec<u8> = others.flat_map(|(_, word)| word.to_be_bytes()).collect();
        record[crc_word] = super::server::crc16(&bytes);
    }

    /// Reads one coil; only that of the interlock is there.
    pub(crate) fn read_coil(&self, address: u16) -> Result<bool, u8> {
        match self.profile.registers.inhibit {
            Some(InhibitPlace::Coil(coil)) if coil == address => Ok(self.is_inhibited),
            _ => Err(ILLEGAL_ADDRESS),
        }
    }

    /// Switches one coil, by the values of the standard.
    pub(crate) fn write_coil(&mut self, address: u16, value: u16) -> Result<(), u8> {
        if self.profile.registers.inhibit != Some(InhibitPlace::Coil(address)) {
            return Err(ILLEGAL_ADDRESS);
        }
        self.is_inhibited = match value {
            0xFF00 => true,
            0 => false,
            _ => return Err(ILLEGAL_VALUE),
        };
        Ok(())
    }

    /// Writes registers; only those that the map gives to the host can be written.
    pub(crate) fn write(&mut self, address: u16, words: &[u16]) -> Result<(), u8> {
        let map = &self.profile.registers;
        let count = words.len();
        let order = self.profile.word_order;
        let is = |at: Registers| at.address == address && usize::from(at.words) == count;
        let value = number(words, order);
        let small = u32::try_from(value).unwrap_or(u32::MAX);
        if is(map.acknowledged) {
            // Never back, and never beyond the newest shot.
            self.acknowledged = self.acknowledged.max(small.min(self.head));
            return Ok(());
        }
        if map.epoch.is_some_and(is) {
            if value == 0 || self.epoch != 0 && self.acknowledged < self.head {
                return Err(ILLEGAL_VALUE);
            }
            // What was fired without an epoch belongs to the first one that comes.
            if self.epoch != 0 && self.epoch != value {
                self.clear();
            }
            self.epoch = value;
            return Ok(());
        }
        if self.profile.window.from.is_some_and(is) {
            self.window_from = small;
            return Ok(());
        }
        if let Some(InhibitPlace::Register(at)) = map.inhibit
            && is(at)
            && value <= 1
        {
            self.is_inhibited = value == 1;
            return Ok(());
        }
        Err(ILLEGAL_ADDRESS)
    }
}

fn at(word: u16, words: u8) -> Place {
    Place {
        first: usize::from(word),
        count: usize::from(words),
    }
}

struct Place {
    first: usize,
    count: usize,
}

impl From<Registers> for Place {
    fn from(at: Registers) -> Place {
        Place {
            first: usize::from(at.address),
            count: usize::from(at.words),
        }
    }
}

fn place(words: &mut [u16], at: impl Into<Place>, number: u64, order: WordOrder) {
    let at = at.into();
    for step in 0..at.count {
        let shift = 16
            * match order {
                WordOrder::BigEndian => at.count - 1 - step,
                WordOrder::LittleEndian => step,
            };
        words[at.first + step] = (number >> shift & 0xFFFF) as u16;
    }
}

fn number(words: &[u16], order: WordOrder) -> u64 {
    let mut words = words.to_vec();
    if order == WordOrder::LittleEndian {
        words.reverse();
    }
    words
        .iter()
        .fold(0, |number, word| number << 16 | u64::from(*word))
}
