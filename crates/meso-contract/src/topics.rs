//! The MQTT topics, version 1.
//!
//! | topic | from → to | QoS | retained | payload |
//! |---|---|---|---|---|
//! | `mesofleet/v1/{clinic}/{driver}/blocks/{partition}/{stream}` | driver → ingest | 1 | no | [`crate::BlockMessage`] |
//! | `mesofleet/v1/{clinic}/{driver}/watermark/{stream}` | ingest → driver | 1 | yes | [`crate::WatermarkMessage`] |
//! | `mesofleet/v1/{clinic}/{driver}/wanted/{serial}` | ingest → driver | 1 | no | [`crate::WantedMessage`] |
//! | `mesofleet/v1/{clinic}/{driver}/held/{serial}` | driver → ingest | 1 | no | [`crate::HeldMessage`] |
//! | `mesofleet/v1/{clinic}/{driver}/status` | driver → all (last will) | 1 | yes | [`crate::DriverStatusMessage`] |
//! | `mesofleet/v1/{clinic}/{driver}/successor` | driver → the one it replaced | 1 | yes | [`crate::SuccessorMessage`] |
//! | `mesofleet/v1/{clinic}/{driver}/guns/{serial}` | driver → all | 1 | yes | [`crate::GunStatusMessage`] |
//! | `mesofleet/v1/{clinic}/{driver}/links/{page}` | driver → drivers | 1 | yes | [`crate::LinksMessage`] |
//! | `mesofleet/v1/{clinic}/alerts/{serial}` | server → all | 1 | yes | [`crate::GunAlertsMessage`] |
//! | `mesofleet/v1/{clinic}/library` | server → drivers | 1 | yes | [`crate::LibraryMessage`] |
//! | `mesofleet/v1/{clinic}/patients/{list}` | server → drivers | 1 | yes | [`crate::PatientsMessage`] |

use meso_domain::{PATIENT_LIST_COUNT, Stream, partition_of};
use meso_units::{ClinicId, DriverId, GunSerial, Partition};

use crate::{LinksMessage, PayloadError};

/// Begins every topic.
pub const PREFIX: &str = "mesofleet/v1";

/// How many partitions there are; a constant of the contract, since a topic carries it.
pub const PARTITION_COUNT: u16 = 16;

/// The largest payload in bytes: a full block of 64 shots needs about 80 KiB; a larger one is
/// refused by sender and receiver alike.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// Where a driver publishes the blocks of a stream.
pub fn blocks(clinic: &ClinicId, driver: &DriverId, stream: &Stream) -> String {
    let partition = partition_of(stream, PARTITION_COUNT);
    format!("{PREFIX}/{clinic}/{driver}/blocks/{partition}/{stream}")
}

/// Every partition.
pub fn partitions() -> impl Iterator<Item = Partition> {
    (0..PARTITION_COUNT).map(Partition)
}

/// What the owner of a partition subscribes to.
pub fn blocks_filter(partition: Partition) -> String {
    format!("{PREFIX}/+/+/blocks/{partition}/+")
}

/// Where the ingest publishes how far it has stored a stream.
pub fn watermark(clinic: &ClinicId, driver: &DriverId, stream: &Stream) -> String {
    format!("{PREFIX}/{clinic}/{driver}/watermark/{stream}")
}

/// What a driver subscribes to for its watermarks.
pub fn watermark_filter(clinic: &ClinicId, driver: &DriverId) -> String {
    format!("{PREFIX}/{clinic}/{driver}/watermark/+")
}

/// Where the ingest asks a driver for what it lacks of a gun.
pub fn wanted(clinic: &ClinicId, driver: &DriverId, serial: &GunSerial) -> String {
    format!("{PREFIX}/{clinic}/{driver}/wanted/{serial}")
}

/// What a driver subscribes to for such questions.
pub fn wanted_filter(clinic: &ClinicId, driver: &DriverId) -> String {
    format!("{PREFIX}/{clinic}/{driver}/wanted/+")
}

/// Where a driver answers what it has of a gun.
pub fn held(clinic: &ClinicId, driver: &DriverId, serial: &GunSerial) -> String {
    format!("{PREFIX}/{clinic}/{driver}/held/{serial}")
}

/// What the ingest subscribes to for all answers.
pub fn held_filter() -> String {
    format!("{PREFIX}/+/+/held/+")
}

/// Where a driver says that it is there; the broker says for it that it is gone.
pub fn status(clinic: &ClinicId, driver: &DriverId) -> String {
    format!("{PREFIX}/{clinic}/{driver}/status")
}

/// What the server subscribes to for all drivers.
pub fn status_filter() -> String {
    format!("{PREFIX}/+/+/status")
}

/// Where a driver that took over another computer's place says so, should that one come back.
pub fn successor(clinic: &ClinicId, driver: &DriverId) -> String {
    format!("{PREFIX}/{clinic}/{driver}/successor")
}

/// Where a driver says how a gun is.
pub fn gun(clinic: &ClinicId, driver: &DriverId, serial: &GunSerial) -> String {
    format!("{PREFIX}/{clinic}/{driver}/guns/{serial}")
}

/// What the server subscribes to for all guns.
pub fn gun_filter() -> String {
    format!("{PREFIX}/+/+/guns/+")
}

/// Where the protocol library in force is kept for the rooms of a clinic.
pub fn library(clinic: &ClinicId) -> String {
    format!("{PREFIX}/{clinic}/library")
}

/// Where the alerts of a gun are kept that are not over.
pub fn alerts(clinic: &ClinicId, serial: &GunSerial) -> String {
    format!("{PREFIX}/{clinic}/alerts/{serial}")
}

/// What somebody in a room subscribes to who shows the alerts of every gun of its clinic: a gun goes
/// from room to room.
pub fn alerts_filter(clinic: &ClinicId) -> String {
    format!("{PREFIX}/{clinic}/alerts/+")
}

/// Where a list of the clinic's patients with their earlier sessions is kept for its rooms.
pub fn patients(clinic: &ClinicId, list: u8) -> String {
    format!("{PREFIX}/{clinic}/patients/{list}")
}

/// What a driver subscribes to for all lists of patients.
pub fn patients_filter(clinic: &ClinicId) -> String {
    format!("{PREFIX}/{clinic}/patients/+")
}

/// Where a driver keeps a page of the links from codes to patients that it made, for the rooms of
/// its clinic.
pub fn links(clinic: &ClinicId, driver: &DriverId, page: u8) -> String {
    format!("{PREFIX}/{clinic}/{driver}/links/{page}")
}

/// What a driver subscribes to for the links of every room of its clinic, its own among them.
pub fn links_filter(clinic: &ClinicId) -> String {
    format!("{PREFIX}/{clinic}/+/links/+")
}

/// A topic taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Blocks of a stream.
    Blocks {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
        /// The stream.
        stream: Stream,
    },
    /// How far a stream is stored.
    Watermark {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
        /// The stream.
        stream: Stream,
    },
    /// What the ingest lacks of a gun.
    Wanted {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
        /// The gun.
        serial: GunSerial,
    },
    /// What a driver has of a gun.
    Held {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
        /// The gun.
        serial: GunSerial,
    },
    /// Whether a driver is there.
    Status {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
    },
    /// Which journals a driver's took the place of.
    Successor {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
    },
    /// How a gun is.
    Gun {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
        /// The gun.
        serial: GunSerial,
    },
    /// Links that a driver made.
    Links {
        /// The clinic.
        clinic: ClinicId,
        /// The driver.
        driver: DriverId,
        /// The page.
        page: u8,
    },
    /// What is wrong with a gun.
    Alerts {
        /// The clinic.
        clinic: ClinicId,
        /// The gun.
        serial: GunSerial,
    },
    /// The protocol library.
    Library {
        /// The clinic.
        clinic: ClinicId,
    },
    /// A list of patients.
    Patients {
        /// The clinic.
        clinic: ClinicId,
        /// The list.
        list: u8,
    },
}

impl Topic {
    /// Takes a topic apart.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] for a topic that is none of ours, or a block under the wrong partition.
    pub fn parse(topic: &str) -> Result<Topic, PayloadError> {
        let unknown = || PayloadError::UnknownWord {
            field: "topic",
            value: topic.chars().take(128).collect(),
        };
        let rest = below_prefix(topic).ok_or_else(unknown)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let clinic = ClinicId::parse(parts.first().copied().unwrap_or_default())?;
        if parts.get(1..) == Some(&["library"]) {
            return Ok(Topic::Library { clinic });
        }
        // Three parts: those of a driver that is called so have more, or another last one.
        if let [_, "alerts", serial] = parts[..]
            && serial != "status"
            && serial != "successor"
        {
            let serial = GunSerial::parse(serial)?;
            return Ok(Topic::Alerts { clinic, serial });
        }
        // A driver of that name has no topic of two levels that ends in a number.
        if let Some(["patients", list]) = parts.get(1..)
            && let Ok(list) = list.parse()
            && list < PATIENT_LIST_COUNT
        {
            return Ok(Topic::Patients { clinic, list });
        }
        let driver = DriverId::parse(parts.get(1).copied().unwrap_or_default())?;
        match parts.get(2..).unwrap_or_default() {
            ["status"] => Ok(Topic::Status { clinic, driver }),
            ["successor"] => Ok(Topic::Successor { clinic, driver }),
            ["guns", serial] => Ok(Topic::Gun {
                clinic,
                driver,
                serial: GunSerial::parse(serial)?,
            }),
            ["wanted", serial] => Ok(Topic::Wanted {
                clinic,
                driver,
                serial: GunSerial::parse(serial)?,
            }),
            ["held", serial] => Ok(Topic::Held {
                clinic,
                driver,
                serial: GunSerial::parse(serial)?,
            }),
            ["links", page] => Ok(Topic::Links {
                page: page_of(page).ok_or_else(unknown)?,
                clinic,
                driver,
            }),
            ["watermark", stream] => Ok(Topic::Watermark {
                clinic,
                driver,
                stream: Stream::parse(stream)?,
            }),
            ["blocks", partition, stream] => {
                let stream = Stream::parse(stream)?;
                if *partition != partition_of(&stream, PARTITION_COUNT).to_string() {
                    return Err(unknown());
                }
                Ok(Topic::Blocks {
                    clinic,
                    driver,
                    stream,
                })
            }
            _ => Err(unknown()),
        }
    }
}

fn below_prefix(topic: &str) -> Option<&str> {
    topic.strip_prefix(PREFIX)?.strip_prefix('/')
}

fn page_of(text: &str) -> Option<u8> {
    let page = text.parse().ok()?;
    (page < LinksMessage::PAGE_COUNT_MAX).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_that_we_write_we_can_read() {
        let clinic = ClinicId::parse("riverside").unwrap();
        let driver = DriverId::parse("room-1").unwrap();
        let serial = GunSerial::parse("GUN-0001").unwrap();
        let stream = Stream::Gun(serial.clone());
        let (c, d) = (clinic.clone(), driver.clone());
        assert_eq!(
            Topic::parse(&blocks(&clinic, &driver, &stream)),
            Ok(Topic::Blocks {
                clinic: c.clone(),
                driver: d.clone(),
                stream: stream.clone()
            })
        );
        assert_eq!(
            Topic::parse(&watermark(&clinic, &driver, &Stream::Room)),
            Ok(Topic::Watermark {
                clinic: c.clone(),
                driver: d.clone(),
                stream: Stream::Room
            })
        );
        assert_eq!(
            Topic::parse(&gun(&clinic, &driver, &serial)),
            Ok(Topic::Gun {
                clinic: c.clone(),
                driver: d.clone(),
                serial
            })
        );
        let serial = GunSerial::parse("GUN-0001").unwrap();
        assert_eq!(
            Topic::parse(&wanted(&clinic, &driver, &serial)),
            Ok(Topic::Wanted {
                clinic: c.clone(),
                driver: d.clone(),
                serial: serial.clone(),
            })
        );
        assert_eq!(
            Topic::parse(&held(&clinic, &driver, &serial)),
            Ok(Topic::Held {
                clinic: c.clone(),
                driver: d.clone(),
                serial,
            })
        );
        assert_eq!(
            Topic::parse(&successor(&clinic, &driver)),
            Ok(Topic::Successor {
                clinic: c.clone(),
                driver: d.clone(),
            })
        );
        assert_eq!(
            Topic::parse(&status(&clinic, &driver)),
            Ok(Topic::Status { clinic, driver: d })
        );
        let serial = GunSerial::parse("GUN-0001").unwrap();
        assert_eq!(
            Topic::parse(&alerts(&c, &serial)),
            Ok(Topic::Alerts {
                clinic: c.clone(),
                serial,
            })
        );
        let named_so = DriverId::parse("alerts").unwrap();
        assert_eq!(
            Topic::parse(&status(&c, &named_so)),
            Ok(Topic::Status {
                clinic: c.clone(),
                driver: named_so,
            })
        );
        assert_eq!(
            Topic::parse(&patients(&c, 63)),
            Ok(Topic::Patients {
                clinic: c.clone(),
                list: 63
            })
        );
        assert!(Topic::parse(&patients(&c, 64)).is_err());
        let driver = DriverId::parse("room-1").unwrap();
        assert_eq!(
            Topic::parse(&links(&c, &driver, 63)),
            Ok(Topic::Links {
                clinic: c.clone(),
                driver: driver.clone(),
                page: 63
            })
        );
        assert!(Topic::parse(&links(&c, &driver, 64)).is_err());
        assert_eq!(Topic::parse(&library(&c)), Ok(Topic::Library { clinic: c }));
    }

    #[test]
    fn a_block_under_the_wrong_partition_is_not_believed() {
        assert!(Topic::parse("mesofleet/v1/riverside/room-1/blocks/99/GUN-0001").is_err());
        assert!(Topic::parse("other/v1/riverside").is_err());
    }
}
