//! The profile of a gun that is read and written by Modbus registers.

use std::ops::Range;
use std::time::Duration;

use crate::reader::Section;

use super::{Quantity, choice};

/// The most registers of one request, by the Modbus standard.
const REGISTERS_PER_READ_MAX: u16 = 125;
/// The words of a record: its counter, its checksum and room for every field.
const RECORD_WORDS_MAX: u16 = 64;
/// A text register block of this many words holds the longest serial number, 16 characters.
const TEXT_WORDS_MAX: u16 = 8;

/// How a gun is read by Modbus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModbusProfile {
    /// Unit identifier, 1 to 247.
    pub unit: u8,
    /// Which registers are read.
    pub table: TableKind,
    /// How numbers of several registers are put together.
    pub word_order: WordOrder,
    /// How often the gun is asked while nothing is new, 10 to 1000 ms.
    pub poll: Duration,
    /// The longest that an answer may take, 50 to 5000 ms.
    pub answer_max: Duration,
    /// What the counter's life is tied to.
    pub counter_life: CounterLife,
    /// Where what stands.
    pub registers: RegisterMap,
    /// The window onto the ring.
    pub window: WindowLayout,
    /// What a record holds.
    pub record: RecordLayout,
}

/// Which registers are read; what the host writes are holding registers in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Holding registers, function code 3.
    Holding,
    /// Input registers, function code 4.
    Input,
}

/// The order of the registers of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordOrder {
    /// The most significant first.
    BigEndian,
    /// The least significant first.
    LittleEndian,
}

/// What tells the host whether a counter continues: what its epoch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterLife {
    /// The gun keeps the epoch that the host wrote, and clears it when its counter restarts.
    EpochRegisters,
    /// The counter begins anew with each boot id, and with nothing else.
    Boot,
    /// The counter never begins anew in the gun's life; its boot id says nothing of it.
    Gun,
}

/// Where a gun is told to fire no more, and says whether it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InhibitPlace {
    /// A holding register, function code 16; it lies in the status block.
    Register(Registers),
    /// A coil by its address, function codes 1 and 5; it is read after the status block.
    Coil(u16),
}

/// A run of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registers {
    /// The first one's address, from 0.
    pub address: u16,
    /// How many there are.
    pub words: u8,
}

/// Where in the gun what stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisterMap {
    /// The version of the map, and the value that this profile is for.
    pub map_version: Option<(Registers, u64)>,
    /// Serial number, as text: two ASCII characters a register, the first in the high byte,
    /// padded with zeros or spaces.
    pub serial: Registers,
    /// Model, as text, where the gun says it.
    pub model: Option<Registers>,
    /// Firmware version, as text, where the gun says it.
    pub firmware: Option<Registers>,
    /// The number of this start of the firmware; never 0.
    pub boot_id: Registers,
    /// How many shots the ring holds.
    pub capacity: Option<Registers>,
    /// The epoch, written by the host.
    pub epoch: Option<Registers>,
    /// The newest counter; 0 before the first shot.
    pub head: Registers,
    /// The oldest counter that the ring holds.
    pub tail: Registers,
    /// The counter up to which the host has acknowledged; written by the host.
    pub acknowledged: Registers,
    /// How many records were overwritten before they were acknowledged.
    pub lost: Registers,
    /// The gun's clock, and the µs of one step.
    pub clock: Option<(Registers, u64)>,
    /// 1 while the gun is inhibited; written by the host.
    pub inhibit: Option<InhibitPlace>,
}

impl RegisterMap {
    /// The registers that are read with every poll, as one block: what says where the ring
    /// stands and whose it is.
    pub fn status_block(&self) -> Range<u16> {
        let mut start = u16::MAX;
        let mut end = 0;
        for registers in self.polled() {
            start = start.min(registers.address);
            end = end.max(registers.end());
        }
        start..end
    }

    fn polled(&self) -> impl Iterator<Item = Registers> {
        let always = [
            self.boot_id,
            self.head,
            self.tail,
            self.acknowledged,
            self.lost,
        ];
        let clock = self.clock.map(|(registers, _)| registers);
        let inhibit = match self.inhibit {
            Some(InhibitPlace::Register(at)) => Some(at),
            Some(InhibitPlace::Coil(_)) | None => None,
        };
        let sometimes = [self.epoch, clock, inhibit];
        always.into_iter().chain(sometimes.into_iter().flatten())
    }
}

impl Registers {
    /// The address behind the last one.
    pub fn end(self) -> u16 {
        self.address.saturating_add(u16::from(self.words))
    }
}

/// The window onto the ring: records in the order of their counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowLayout {
    /// The first register.
    pub address: u16,
    /// The records of the window.
    pub records: u16,
    /// The words of a record.
    pub words: u16,
    /// Where the host writes the first counter that it wants to see; without it the window begins
    /// behind what is acknowledged.
    pub from: Option<Registers>,
}

/// A number in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NumberField {
    /// The first word, from 0.
    pub word: u16,
    /// How many words, 1, 2 or 4.
    pub words: u8,
    /// Whether it is a two's complement number.
    pub is_signed: bool,
    /// How many of our smallest units one step of it has.
    pub step: i64,
    /// The raw number that says that nothing was measured.
    pub missing: Option<i64>,
}

/// What a record holds; what is `None` the gun does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordLayout {
    /// The counter, two words.
    pub counter_word: u16,
    /// The Modbus CRC-16 over all other words of the record, each with its high byte first.
    pub crc_word: u16,
    /// The gun's clock at the trigger.
    pub tick: Option<NumberField>,
    /// The start of the firmware that the tick counts from.
    pub boot_id: Option<NumberField>,
    /// The time since the trigger before.
    pub interval: Option<NumberField>,
    /// Needle depth set.
    pub depth_set: Option<NumberField>,
    /// Needle depth sensed.
    pub depth_sensed: Option<NumberField>,
    /// Volume of the trigger set.
    pub volume_set: Option<NumberField>,
    /// Volume of the trigger sensed.
    pub volume_sensed: Option<NumberField>,
    /// Shot rate set.
    pub frequency_set: Option<NumberField>,
    /// Needles that worked.
    pub needles: Option<NumberField>,
    /// Vacuum or pressure.
    pub pressure: Option<NumberField>,
    /// What the shot was for: 0 unknown, 1 patient, 2 prime, 3 test, 4 cleaning, 5 calibration.
    pub purpose: Option<NumberField>,
    /// The bits of the meso link: failed injection, occlusion, dry, air, vacuum out of window,
    /// needle blocked, from bit 0 on.
    pub flags: Option<NumberField>,
}

impl ModbusProfile {
    pub(super) fn read(root: &Section<'_>) -> Option<ModbusProfile> {
        let settings = root.section("modbus", Settings::read);
        let life = settings.as_ref().map(|settings| settings.counter_life);
        let registers = root.section("registers", |section| RegisterMap::read(section, life));
        let window = root.section("window", WindowLayout::read);
        let words = window.map_or(RECORD_WORDS_MAX, |window| window.words);
        let record = root.section("record", |section| RecordLayout::read(section, words));
        let settings = settings?;
        Some(ModbusProfile {
            unit: settings.unit,
            table: settings.table,
            word_order: settings.word_order,
            poll: settings.poll,
            answer_max: settings.answer_max,
            counter_life: settings.counter_life,
            registers: registers?,
            window: window?,
            record: record?,
        })
    }
}

/// The section `[modbus]`.
struct Settings {
    unit: u8,
    table: TableKind,
    word_order: WordOrder,
    poll: Duration,
    answer_max: Duration,
    counter_life: CounterLife,
}

impl Settings {
    fn read(section: &Section<'_>) -> Option<Settings> {
        let unit = section.number("unit", 1..=247, Some(1));
        let table = choice(
            section,
            "table",
            &[("holding", TableKind::Holding), ("input", TableKind::Input)],
            Some(TableKind::Holding),
        );
        let word_order = choice(
            section,
            "word_order",
            &[
                ("big", WordOrder::BigEndian),
                ("little", WordOrder::LittleEndian),
            ],
            Some(WordOrder::BigEndian),
        );
        let poll_ms = section.whole("poll_ms", " of milliseconds", 10..=1_000, 100);
        let answer_ms_max = section.whole("answer_ms_max", " of milliseconds", 50..=5_000, 500);
        let counter_life = choice(
            section,
            "counter_life",
            &[
                ("epoch", CounterLife::EpochRegisters),
                ("boot", CounterLife::Boot),
                ("gun", CounterLife::Gun),
            ],
            None,
        );
        Some(Settings {
            unit: unit?,
            table: table?,
            word_order: word_order?,
            poll: Duration::from_millis(poll_ms?.into()),
            answer_max: Duration::from_millis(answer_ms_max?.into()),
            counter_life: counter_life?,
        })
    }
}

impl RegisterMap {
    fn read(section: &Section<'_>, life: Option<CounterLife>) -> Option<RegisterMap> {
        let map_version = section.optional_section("map_version", |at| {
            let registers = registers(at, &[1], 1);
            let is = at.number("is", 0..=u16::MAX, None);
            Some((registers?, u64::from(is?)))
        });
        let text = |section: &Section<'_>| text_registers(section);
        let serial = section.section("serial", text);
        let model = section.optional_section("model", text);
        let firmware = section.optional_section("firmware", text);
        let boot_id = section.section("boot_id", |at| registers(at, &[1, 2], 2));
        let capacity = section.optional_section("capacity", |at| registers(at, &[1, 2], 1));
        let epoch = section.optional_section("epoch", |at| registers(at, &[4], 4));
        let allowed = r#"there with modbus.counter_life = "epoch", and only then"#;
        match (life, epoch.flatten()) {
            (Some(CounterLife::EpochRegisters), None) => section.note_missing("epoch", allowed),
            (Some(CounterLife::Boot | CounterLife::Gun), Some(_)) => {
                section.forbid("epoch", allowed);
            }
            _ => {}
        }
        let counter = |at: &Section<'_>| registers(at, &[2], 2);
        let head = section.section("head", counter);
        let tail = section.section("tail", counter);
        let acknowledged = section.section("acknowledged", counter);
        let lost = section.section("lost", |at| registers(at, &[1, 2], 2));
        let clock = section.optional_section("clock", |at| {
            let registers = registers(at, &[2, 4], 4);
            let step = step(at, Quantity::Duration, "1 us");
            Some((registers?, u64::try_from(step?).ok()?))
        });
        let inhibit = section.optional_section("inhibit", inhibit_place);
        let map = RegisterMap {
            map_version: map_version?,
            serial: serial?,
            model: model?,
            firmware: firmware?,
            boot_id: boot_id?,
            capacity: capacity?,
            epoch: epoch?,
            head: head?,
            tail: tail?,
            acknowledged: acknowledged?,
            lost: lost?,
            clock: clock?,
            inhibit: inhibit?,
        };
        let block = map.status_block();
        if block.len() > usize::from(REGISTERS_PER_READ_MAX) {
            let found = format!("from {:#06x} to {:#06x}", block.start, block.end);
            let allowed = format!(
                "boot_id, epoch, head, tail, acknowledged, lost, clock and inhibit within \
                 {REGISTERS_PER_READ_MAX} registers: they are read as one block"
            );
            section.note_not_allowed("head", found, &allowed);
            return None;
        }
        Some(map)
    }
}

impl WindowLayout {
    fn read(section: &Section<'_>) -> Option<WindowLayout> {
        let address = section.number("address", 0..=u16::MAX, None);
        let records = section.number("records", 1..=REGISTERS_PER_READ_MAX, None);
        let words = section.number("words", 4..=RECORD_WORDS_MAX, None);
        let from = section.optional_section("from", |at| registers(at, &[2], 2));
        let window = WindowLayout {
            address: address?,
            records: records?,
            words: words?,
            from: from?,
        };
        if window.records * window.words > REGISTERS_PER_READ_MAX {
            let found = format!("{} records of {} words", window.records, window.words);
            let allowed =
                format!("a window of at most {REGISTERS_PER_READ_MAX} words: it is read as one");
            section.note_not_allowed("records", found, &allowed);
            return None;
        }
        Some(window)
    }
}

impl RecordLayout {
    fn read(section: &Section<'_>, words: u16) -> Option<RecordLayout> {
        let quantity = |key, quantity, default: &str| {
            section.optional_section(key, |at| number_field(at, words, quantity, default))
        };
        let counter_word = section.section("counter", |at| at.number("word", 0..=words - 2, None));
        let crc_word = section.section("crc", |at| at.number("word", 0..=words - 1, None));
        let tick = quantity("tick", Quantity::Duration, "1 us");
        let boot_id = quantity("boot_id", Quantity::Count, "");
        let interval = quantity("interval", Quantity::Duration, "1 us");
        let depth_set = quantity("depth_set", Quantity::Depth, "1 um");
        let depth_sensed = quantity("depth_sensed", Quantity::Depth, "1 um");
        let volume_set = quantity("volume_set", Quantity::Volume, "1 nl");
        let volume_sensed = quantity("volume_sensed", Quantity::Volume, "1 nl");
        let frequency_set = quantity("frequency_set", Quantity::Rate, "1 spm");
        let needles = quantity("needles", Quantity::Count, "");
        let pressure = quantity("pressure", Quantity::Pressure, "1 Pa");
        let purpose = quantity("purpose", Quantity::Count, "");
        let flags = quantity("flags", Quantity::Count, "");
        Some(RecordLayout {
            counter_word: counter_word?,
            crc_word: crc_word?,
            tick: tick?,
            boot_id: boot_id?,
            interval: interval?,
            depth_set: depth_set?,
            depth_sensed: depth_sensed?,
            volume_set: volume_set?,
            volume_sensed: volume_sensed?,
            frequency_set: frequency_set?,
            needles: needles?,
            pressure: pressure?,
            purpose: purpose?,
            flags: flags?,
        })
    }
}

/// Reads `{ address, words }`.
fn registers(section: &Section<'_>, words: &[u8], default_words: u8) -> Option<Registers> {
    let address = section.number("address", 0..=u16::MAX, None);
    let words = if words.len() > 1 {
        section.one_of("words", words, default_words)
    } else {
        Some(default_words)
    };
    Some(Registers {
        address: address?,
        words: words?,
    })
}

/// Reads `{ address }` or `{ coil }`.
fn inhibit_place(section: &Section<'_>) -> Option<InhibitPlace> {
    match section.optional_number("coil", 0..=u16::MAX)? {
        None => registers(section, &[1], 1).map(InhibitPlace::Register),
        Some(coil) => match section.optional_number("address", 0..=u16::MAX)? {
            None => Some(InhibitPlace::Coil(coil)),
            Some(_) => {
                section.forbid("coil", "address or coil, not both");
                None
            }
        },
    }
}

fn text_registers(section: &Section<'_>) -> Option<Registers> {
    let address = section.number("address", 0..=u16::MAX, None);
    let words = section.number("words", 1..=TEXT_WORDS_MAX, Some(TEXT_WORDS_MAX));
    Some(Registers {
        address: address?,
        words: u8::try_from(words?).ok()?,
    })
}

fn number_field(
    section: &Section<'_>,
    record_words: u16,
    quantity: Quantity,
    default_step: &str,
) -> Option<NumberField> {
    let words = section.one_of("words", &[1, 2, 4], 1);
    let last = record_words.saturating_sub(words.unwrap_or(1).into());
    let word = section.number("word", 0..=last, None);
    let is_signed = section.truth("signed", quantity == Quantity::Pressure);
    let step = match quantity {
        Quantity::Count => Some(1),
        _ => step(section, quantity, default_step),
    };
    let missing = section.optional_whole("missing");
    Some(NumberField {
        word: word?,
        words: words?,
        is_signed: is_signed?,
        step: step?,
        missing: missing?,
    })
}

fn step(section: &Section<'_>, quantity: Quantity, default: &str) -> Option<i64> {
    let allowed = format!(
        "a number and a unit of {}, such as {default:?}: 1 or more of our smallest units",
        quantity.unit_names()
    );
    section.text("step", &allowed, quantity.step(default), |text| {
        quantity.step(text)
    })
}
