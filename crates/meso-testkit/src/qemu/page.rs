//! The provisioning page, as `firmware-bridge/firmware/page.h` lays it out.

use meso_link_proto::frame::crc32;
use meso_units::{GunSerial, Micrometres, Nanolitres, ShotsPerMinute};

/// The length of the page, in bytes.
pub const PAGE_BYTES: usize = 160;
const MAGIC: &[u8; 4] = b"MSPG";
const VERSION: u16 = 1;

const HAS_KEY: u32 = 1;
const LEASE_LOSS_INHIBITS: u32 = 2;
const FIRES_WITHOUT_EPOCH: u32 = 4;
const SENSES_PRESSURE: u32 = 8;

/// What makes one gun of many equal ones, and what its simulated needle and trigger do.
#[derive(Clone)]
pub struct Page {
    /// The serial number.
    pub serial: GunSerial,
    /// The key; `None` for a gun that authenticates nobody.
    pub key: Option<[u8; 32]>,
    /// Whether it inhibits itself when its host falls silent.
    pub lease_loss_inhibits: bool,
    /// Whether it fires before it was given its first epoch.
    pub fires_without_epoch: bool,
    /// Whether it senses the pressure at its head.
    pub senses_pressure: bool,
    /// Slots of the ring, 1 to 4 096.
    pub ring_slots: u32,
    /// The limits in force at its start; `None` for one that it does not enforce.
    pub depth_max: Option<Micrometres>,
    /// As `depth_max`, of a trigger's volume; below 4.29 ml.
    pub volume_max: Option<Nanolitres>,
    /// As `depth_max`, of the shot rate.
    pub frequency_max: Option<ShotsPerMinute>,
    /// What scatters its sensors.
    pub seed: u32,
    /// How often it fires by itself, in µs; 0 = only when the rig says so.
    pub period_us: u32,
    /// The depth that it is set to, in µm.
    pub depth_set_um: u32,
    /// The volume of a trigger that it is set to, in nl.
    pub volume_set_nl: u32,
    /// The shot rate that it is set to, in shots per minute.
    pub frequency_set_spm: u16,
    /// One shot of so many is too deep; 0 = none.
    pub breach_one_in: u32,
}

impl Page {
    /// A gun without a key that fires only when the rig says so, set to 2.5 mm and 0.018 ml.
    pub fn new(serial: GunSerial) -> Page {
        Page {
            serial,
            key: None,
            lease_loss_inhibits: false,
            fires_without_epoch: false,
            senses_pressure: false,
            ring_slots: 4_096,
            depth_max: Some(Micrometres::MAX),
            volume_max: Nanolitres::new(1_000_000).ok(),
            frequency_max: None,
            seed: 1,
            period_us: 0,
            depth_set_um: 2_500,
            volume_set_nl: 18_000,
            frequency_set_spm: 500,
            breach_one_in: 0,
        }
    }

    /// The page in memory, with entropy for one start of the machine.
    pub fn to_bytes(&self, entropy: &[u8; 32]) -> [u8; PAGE_BYTES] {
        let mut bytes = Vec::with_capacity(PAGE_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((PAGE_BYTES as u16).to_le_bytes());
        let mut serial = self.serial.as_str().as_bytes().to_vec();
        serial.resize(16, 0);
        bytes.extend(serial);
        bytes.extend(self.key.unwrap_or([0; 32]));
        bytes.extend(entropy);
        let volume = self.volume_max.map_or(0, Nanolitres::get);
        let words = [
            self.options(),
            self.ring_slots,
            self.depth_max.map_or(0, Micrometres::get),
            u32::try_from(volume).unwrap_or(u32::MAX),
            self.frequency_max.map_or(0, |spm| u32::from(spm.get())),
            self.seed,
            self.period_us,
            self.depth_set_um,
            self.volume_set_nl,
            u32::from(self.frequency_set_spm),
            self.breach_one_in,
        ];
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.resize(PAGE_BYTES - 4, 0);
        let check = crc32(&bytes);
        bytes.extend(check.to_le_bytes());
        let mut page = [0; PAGE_BYTES];
        page.copy_from_slice(&bytes);
        page
    }

    fn options(&self) -> u32 {
        let bit = |is_on: bool, bit: u32| if is_on { bit } else { 0 };
        bit(self.key.is_some(), HAS_KEY)
            | bit(self.lease_loss_inhibits, LEASE_LOSS_INHIBITS)
            | bit(self.fires_without_epoch, FIRES_WITHOUT_EPOCH)
            | bit(self.senses_pressure, SENSES_PRESSURE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lies_as_the_header_says() {
        let serial = GunSerial::parse("GUN-0001").unwrap();
        let page = Page {
            key: Some([7; 32]),
            period_us: 100_000,
            ..Page::new(serial)
        };
        let bytes = page.to_bytes(&[9; 32]);
        assert_eq!(&bytes[..8], b"MSPG\x01\x00\xa0\x00");
        assert_eq!(&bytes[8..24], b"GUN-0001\0\0\0\0\0\0\0\0");
        assert_eq!(bytes[24..56], [7; 32]);
        assert_eq!(bytes[56..88], [9; 32]);
        assert_eq!(bytes[88], 1, "it has a key");
        assert_eq!(bytes[112..116], 100_000_u32.to_le_bytes());
        assert_eq!(bytes[132..156], [0; 24], "reserved");
        assert_eq!(bytes[156..], crc32(&bytes[..156]).to_le_bytes());
    }
}
