//! What arrives, taken apart without believing it.

use meso_contract::topics::Topic;
use meso_contract::{
    BlockMessage, DriverStatusMessage, GunStatusMessage, HeldMessage, PayloadError,
};
use meso_delivery::{Answer, Range};
use meso_domain::{BlockPlace, RecordBlock, Stream};
use meso_store::Quarantined;
use meso_units::{BlockNumber, ClinicId, DriverId, GunSerial, JournalIncarnation, Timestamp};
use sha2::{Digest as _, Sha256};

/// How a block came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a driver, now: judged again, watched, shown live.
    Live,
    /// From an archive: stored and logged under the verdicts that it brings, without alerts.
    Import,
}

/// Something that arrived.
#[derive(Debug)]
pub enum Arrival {
    /// A block whose commitments hold.
    Block {
        /// The block.
        block: Box<RecordBlock>,
        /// How it came.
        way: Way,
    },
    /// Bytes that are nothing we know.
    Refused {
        /// For the quarantine.
        quarantined: Quarantined,
        /// The place that they claim, so that their driver need not send them for ever.
        place: Option<(ClinicId, BlockPlace)>,
    },
    /// What a newer program may have written rightly: its driver keeps it until it is understood.
    Newer {
        /// The clinic.
        clinic: ClinicId,
        /// Its driver.
        driver: DriverId,
        /// Whether it was a block, which comes again.
        is_block: bool,
        /// What is not understood.
        reason: String,
    },
    /// What a driver has of a gun and epoch.
    Held {
        /// The clinic.
        clinic: ClinicId,
        /// What it says.
        answer: Answer,
    },
    /// How a gun is.
    Gun {
        /// The clinic.
        clinic: ClinicId,
        /// Its driver.
        driver: DriverId,
        /// The gun.
        serial: GunSerial,
        /// What is said of it.
        status: Box<GunStatusMessage>,
    },
    /// Whether a driver is there.
    Driver {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
        /// What is said of it.
        status: DriverStatusMessage,
    },
}

impl Arrival {
    /// Reads a message. It never fails: what cannot be read is [`Arrival::Refused`], or
    /// [`Arrival::Newer`].
    pub fn read(topic: &str, payload: &[u8], now: Timestamp) -> Arrival {
        let parsed = match Topic::parse(topic) {
            Ok(parsed) => parsed,
            Err(error) => return refuse(topic, &error.to_string(), payload, now, None),
        };
        match read_payload(&parsed, payload) {
            Ok(arrival) => arrival,
            Err(unread) => unread.into_arrival(topic, &parsed, payload, now),
        }
    }
}

/// Why a payload is not taken.
struct Unread {
    reason: String,
    may_be_newer: bool,
}

impl From<PayloadError> for Unread {
    fn from(error: PayloadError) -> Unread {
        Unread {
            may_be_newer: error.may_be_newer(),
            reason: error.to_string(),
        }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Unread {
        Unread {
            reason,
            may_be_newer: false,
        }
    }
}

impl Unread {
    fn into_arrival(self, source: &str, topic: &Topic, payload: &[u8], now: Timestamp) -> Arrival {
        let from = match topic {
            Topic::Blocks { clinic, driver, .. }
            | Topic::Gun { clinic, driver, .. }
            | Topic::Held { clinic, driver, .. }
            | Topic::Status { clinic, driver } => Some((clinic, driver)),
            _ => None,
        };
        match from.filter(|_| self.may_be_newer) {
            Some((clinic, driver)) => Arrival::Newer {
                clinic: clinic.clone(),
                driver: driver.clone(),
                is_block: matches!(topic, Topic::Blocks { .. }),
                reason: self.reason,
            },
            None => {
                let place = claimed_place(topic, payload);
                refuse(source, &self.reason, payload, now, place)
            }
        }
    }
}

fn read_payload(topic: &Topic, payload: &[u8]) -> Result<Arrival, Unread> {
    Ok(match topic {
        Topic::Blocks {
            clinic,
            driver,
            stream,
        } => read_block(payload, clinic, driver, stream)?,
        Topic::Gun {
            clinic,
            driver,
            serial,
        } => Arrival::Gun {
            clinic: clinic.clone(),
            driver: driver.clone(),
            serial: serial.clone(),
            status: Box::new(GunStatusMessage::decode(payload)?),
        },
        Topic::Held {
            clinic,
            driver,
            serial,
        } => Arrival::Held {
            clinic: clinic.clone(),
            answer: read_answer(payload, driver, serial)?,
        },
        Topic::Status { clinic, driver } => Arrival::Driver {
            clinic: clinic.clone(),
            driver: driver.clone(),
            status: DriverStatusMessage::decode(payload)?,
        },
        Topic::Watermark { .. }
        | Topic::Wanted { .. }
        | Topic::Successor { .. }
        | Topic::Alerts { .. }
        | Topic::Library { .. }
        | Topic::Patients { .. }
        | Topic::Links { .. } => {
            return Err("nobody sends this topic to the ingest".to_owned().into());
        }
    })
}

fn read_block(
    payload: &[u8],
    clinic: &ClinicId,
    driver: &DriverId,
    stream: &Stream,
) -> Result<Arrival, Unread> {
    let block = BlockMessage::decode(payload)?;
    let header = block.header();
    let fits = header.clinic == *clinic
        && header.place.driver == *driver
        && header.place.stream == *stream;
    if !fits {
        return Err(format!("{} came under the topic of another", header.place).into());
    }
    Ok(Arrival::Block {
        block: Box::new(block),
        way: Way::Live,
    })
}

fn read_answer(
    payload: &[u8],
    driver: &DriverId,
    serial: &GunSerial,
) -> Result<Answer, PayloadError> {
    let message = HeldMessage::decode(payload)?;
    let ranges = message.held.iter().map(|range| Range {
        first: range.first,
        last: range.last,
    });
    Ok(Answer {
        driver: driver.clone(),
        incarnation: message.journal_incarnation()?,
        gun: serial.clone(),
        epoch: message.epoch()?,
        held: ranges.collect(),
        present: message.present_epoch()?,
    })
}

fn refuse(
    source: &str,
    reason: &str,
    bytes: &[u8],
    now: Timestamp,
    place: Option<(ClinicId, BlockPlace)>,
) -> Arrival {
    Arrival::Refused {
        quarantined: quarantined(source, reason, bytes.to_vec(), now),
        place,
    }
}

/// Bytes for the quarantine.
pub(super) fn quarantined(
    source: &str,
    reason: &str,
    bytes: Vec<u8>,
    now: Timestamp,
) -> Quarantined {
    Quarantined {
        digest: Sha256::digest(&bytes).into(),
        source: source.chars().take(256).collect(),
        reason: reason.chars().take(512).collect(),
        bytes,
        at: now,
    }
}

/// The place that a damaged block claims; clinic, driver and stream are those of its topic.
fn claimed_place(topic: &Topic, payload: &[u8]) -> Option<(ClinicId, BlockPlace)> {
    let Topic::Blocks {
        clinic,
        driver,
        stream,
    } = topic
    else {
        return None;
    };
    let message: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let header = message.get("header")?;
    let number = header.get("number")?.as_u64()?;
    let incarnation = header.get("incarnation")?.as_str()?;
    let place = BlockPlace {
        driver: driver.clone(),
        incarnation: JournalIncarnation(u64::from_str_radix(incarnation, 16).ok()?),
        stream: stream.clone(),
        number: BlockNumber(number),
    };
    Some((clinic.clone(), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_block_is_refused_and_its_place_is_read_where_that_can_be() {
        let gun = GunSerial::parse("GUN-0001").unwrap();
        let clinic = ClinicId::parse("riverside").unwrap();
        let driver = DriverId::parse("room-1").unwrap();
        let topic = meso_contract::topics::blocks(&clinic, &driver, &Stream::Gun(gun));
        let payload = br#"{"header":{"number":7,"incarnation":"00000000000000ff"}}"#;
        let arrival = Arrival::read(&topic, payload, Timestamp::UNIX_EPOCH);
        let Arrival::Refused { place, quarantined } = arrival else {
            panic!("a block without records was believed");
        };
        assert_eq!(place.unwrap().1.number.get(), 7);
        assert_eq!(quarantined.bytes, payload);
        let garbage = Arrival::read(&topic, b"\xff\x00", Timestamp::UNIX_EPOCH);
        assert!(matches!(garbage, Arrival::Refused { place: None, .. }));
        let stranger = Arrival::read("weather/today", b"{}", Timestamp::UNIX_EPOCH);
        assert!(matches!(stranger, Arrival::Refused { place: None, .. }));
    }

    #[test]
    fn what_a_newer_driver_says_is_no_damage() {
        let later = br#"{"version":2,"header":{"number":7,"incarnation":"00000000000000ff"}}"#;
        for (topic, wanted) in [
            ("mesofleet/v1/riverside/room-1/status", false),
            (&*blocks_of_the_room(), true),
        ] {
            match Arrival::read(topic, later, Timestamp::UNIX_EPOCH) {
                Arrival::Newer { is_block, .. } => assert_eq!(is_block, wanted, "{topic}"),
                other => panic!("{topic}: {other:?}"),
            }
        }
    }

    fn blocks_of_the_room() -> String {
        let clinic = ClinicId::parse("riverside").unwrap();
        let driver = DriverId::parse("room-1").unwrap();
        meso_contract::topics::blocks(&clinic, &driver, &Stream::Room)
    }
}
