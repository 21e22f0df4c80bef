//! What one poll reads, and the words of registers as numbers and text.

use std::ops::Range;

use meso_config::guns::{InhibitPlace, ModbusProfile, RegisterMap, Registers, WordOrder};
use meso_link_proto::Inventory;
use meso_units::{BootId, Epoch, ShotCounter};

/// Registers as they were read together.
pub(super) struct Block<'w> {
    start: u16,
    words: &'w [u16],
    order: WordOrder,
}

impl Block<'_> {
    pub(super) const fn new(start: u16, words: &[u16], order: WordOrder) -> Block<'_> {
        Block {
            start,
            words,
            order,
        }
    }

    /// The number that stands in these registers, at most four; 0 where they were not read.
    fn number(&self, at: Registers) -> u64 {
        let first = usize::from(at.address.saturating_sub(self.start));
        let words = self.words.get(first..first + usize::from(at.words));
        number(words.unwrap_or_default(), self.order)
    }
}

/// Puts at most four words together.
pub(super) fn number(words: &[u16], order: WordOrder) -> u64 {
    let join = |number: u64, word: &u16| (number << 16) | u64::from(*word);
    match order {
        WordOrder::BigEndian => words.iter().fold(0, join),
        WordOrder::LittleEndian => words.iter().rev().fold(0, join),
    }
}

/// Takes a number apart into `count` words.
pub(super) fn words(number: u64, count: u8, order: WordOrder) -> Vec<u16> {
    let word = |place: u8| u16::try_from((number >> (16 * u32::from(place))) & 0xFFFF).unwrap_or(0);
    match order {
        WordOrder::BigEndian => (0..count).rev().map(word).collect(),
        WordOrder::LittleEndian => (0..count).map(word).collect(),
    }
}

/// The text of registers: two characters each, ended by a zero, without spaces around it.
pub(super) fn text(words: &[u16]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_be_bytes());
    let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Where the ring stands and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RingStatus {
    pub(super) boot: BootId,
    /// What the epoch registers hold; `None` where there are none.
    pub(super) epoch_register: Option<u64>,
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) acknowledged: u32,
    pub(super) lost: u32,
    /// The gun's clock, in µs.
    pub(super) clock_us: Option<u64>,
    pub(super) is_inhibited: bool,
}

impl RingStatus {
    /// The registers to read for it.
    pub(super) fn block(profile: &ModbusProfile) -> Range<u16> {
        profile.registers.status_block()
    }

    pub(super) fn decode(profile: &ModbusProfile, words: &[u16]) -> RingStatus {
        let map: &RegisterMap = &profile.registers;
        let block = Block::new(map.status_block().start, words, profile.word_order);
        let small = |at: Registers| u32::try_from(block.number(at)).unwrap_or(u32::MAX);
        RingStatus {
            boot: BootId(small(map.boot_id)),
            epoch_register: map.epoch.map(|at| block.number(at)),
            head: small(map.head),
            tail: small(map.tail),
            acknowledged: small(map.acknowledged),
            lost: small(map.lost),
            clock_us: map
                .clock
                .map(|(at, step_us)| block.number(at).saturating_mul(step_us)),
            is_inhibited: match map.inhibit {
                Some(InhibitPlace::Register(at)) => block.number(at) != 0,
                // A coil is read behind this block.
                Some(InhibitPlace::Coil(_)) | None => false,
            },
        }
    }

    /// Whether the same start of the gun counts in the same epoch.
    pub(super) fn continues(&self, before: &RingStatus) -> bool {
        self.boot == before.boot && self.epoch_register == before.epoch_register
    }

    /// What the ring holds, in the words of the meso link.
    pub(super) fn inventory(&self, epoch: Option<Epoch>) -> Inventory {
        let counter = |raw: u32| (raw != 0).then_some(ShotCounter(raw));
        let holds_any = self.head >= self.tail && self.tail != 0;
        Inventory {
            epoch,
            oldest: holds_any.then_some(ShotCounter(self.tail)),
            newest: counter(self.head),
            acknowledged: counter(self.acknowledged),
            lost_count: self.lost,
        }
    }

    /// The oldest counter that can be read; the one behind the newest where there is none.
    pub(super) fn oldest(&self) -> u32 {
        match self.tail {
            0 => self.head.saturating_add(1),
            tail => tail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_in_either_order() {
        for order in [WordOrder::BigEndian, WordOrder::LittleEndian] {
            let taken_apart = words(0x0123_4567_89AB_CDEF, 4, order);
            assert_eq!(number(&taken_apart, order), 0x0123_4567_89AB_CDEF);
        }
        assert_eq!(words(0x1_0002, 2, WordOrder::BigEndian), [1, 2]);
        assert_eq!(words(0x1_0002, 2, WordOrder::LittleEndian), [2, 1]);
    }

    #[test]
    fn text_ends_at_its_zero() {
        assert_eq!(text(&[0x4755, 0x4E2D, 0x3100, 0x4141]), "GUN-1");
        assert_eq!(text(&[0x2041, 0x2020]), "A");
        assert_eq!(text(&[]), "");
    }
}
