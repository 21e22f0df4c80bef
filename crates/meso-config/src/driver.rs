//! The configuration of a driver daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use meso_units::{ClinicId, DriverId};

use crate::problem::Problems;
use crate::reader::{self, Section};
use crate::values::{self, BrokerAddress, LibraryTrust, TimeZoneName};

/// Everything that a driver daemon must know of its room before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverConfig {
    /// This driver; unique in the fleet.
    pub driver_id: DriverId,
    /// The clinic of the room.
    pub clinic_id: ClinicId,
    /// The time zone whose calendar days the room lives by.
    pub time_zone: TimeZoneName,
    /// The folder of the journal; a relative one starts at the working folder of the process.
    pub data_dir: PathBuf,
    /// Where guns are looked for.
    pub ports: Ports,
    /// The broker that the blocks go to.
    pub broker: BrokerAddress,
    /// Where the room's page and interface listen; always this computer, port 0 lets the system
    /// choose.
    pub room_http: SocketAddr,
    /// When a record block is sealed.
    pub blocks: BlockLimits,
    /// Whose signatures put a protocol library in force.
    pub library: LibraryTrust,
}

/// Where guns are looked for, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ports {
    /// The places.
    pub source: PortSource,
    /// How long a newly plugged gun may wait to be seen, 10 to 500 ms.
    pub rescan: Duration,
}

/// The places where guns are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortSource {
    /// Every entry of a folder of links to serial ports.
    Folder(PathBuf),
    /// Every serial port that the system knows.
    Enumerate,
}

/// When a record block is sealed, whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockLimits {
    /// The most records of one block, 1 to 64.
    pub shots_max: u16,
    /// The longest time that a block stays open, 10 to 5000 ms.
    pub open_max: Duration,
}

impl DriverConfig {
    /// Reads a configuration; `file_name` is only for the messages.
    ///
    /// # Errors
    ///
    /// [`Problems`] with everything that is wrong, not only the first.
    pub fn parse(file_name: &str, text: &str) -> Result<DriverConfig, Problems> {
        reader::read(file_name, text, |root| {
            let identity = root.section("driver", Identity::read);
            let ports = root.section("ports", Ports::read);
            let broker = root.section("broker", BrokerAddress::read);
            let room_http = root.section("room", |room| values::loopback_bind(room, "http", 0));
            let blocks = root.section("blocks", BlockLimits::read);
            let library = root.section("library", LibraryTrust::read);
            let identity = identity?;
            Some(DriverConfig {
                driver_id: identity.driver_id,
                clinic_id: identity.clinic_id,
                time_zone: identity.time_zone,
                data_dir: identity.data_dir,
                ports: ports?,
                broker: broker?,
                room_http: room_http?,
                blocks: blocks?,
                library: library?,
            })
        })
    }
}

/// The section `[driver]`.
struct Identity {
    driver_id: DriverId,
    clinic_id: ClinicId,
    time_zone: TimeZoneName,
    data_dir: PathBuf,
}

impl Identity {
    fn read(section: &Section<'_>) -> Option<Identity> {
        let driver_id = values::identifier(section, "id", DriverId::parse);
        let clinic_id = values::identifier(section, "clinic", ClinicId::parse);
        let time_zone = values::time_zone(section, "time_zone");
        let data_dir = values::path(section, "data_dir", None);
        Some(Identity {
            driver_id: driver_id?,
            clinic_id: clinic_id?,
            time_zone: time_zone?,
            data_dir: data_dir?,
        })
    }
}

/// What `ports.source` may say.
#[derive(Clone, Copy)]
enum SourceKind {
    Folder,
    Enumerate,
}

impl Ports {
    fn read(section: &Section<'_>) -> Option<Ports> {
        let allowed = r#""folder" or "enumerate""#;
        let kind = section.text(
            "source",
            allowed,
            Some(SourceKind::Folder),
            |text| match text {
                "folder" => Some(SourceKind::Folder),
                "enumerate" => Some(SourceKind::Enumerate),
                _ => None,
            },
        );
        let source = match kind {
            Some(SourceKind::Enumerate) => {
                section.forbid("folder", r#"only beside source = "folder""#);
                Some(PortSource::Enumerate)
            }
            Some(SourceKind::Folder) | None => {
                values::path(section, "folder", Some("/dev/serial/by-id")).map(PortSource::Folder)
            }
        };
        let rescan_ms = section.whole("rescan_ms", " of milliseconds", 10..=500, 500);
        kind?;
        Some(Ports {
            source: source?,
            rescan: Duration::from_millis(rescan_ms?.into()),
        })
    }
}

impl BlockLimits {
    fn read(section: &Section<'_>) -> Option<BlockLimits> {
        let shots_max = section.whole("shots_max", " of records", 1..=64, 64);
        let open_ms_max = section.whole("open_ms_max", " of milliseconds", 10..=5_000, 500);
        Some(BlockLimits {
            shots_max: shots_max?,
            open_max: Duration::from_millis(open_ms_max?.into()),
        })
    }
}
