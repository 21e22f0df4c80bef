//! The configuration of a driver daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use meso_units::{ClinicId, DriverId};

use crate::broker::BrokerAddress;
use crate::guns::{GUN_RULES_MAX, GunRule};
use crate::problem::Problems;
use crate::reader::{self, Section};
use crate::values::{self, LibraryTrust, TimeZoneName};

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
    /// Which ports speak something else than the meso link; the first rule that fits counts.
    pub guns: Vec<GunRule>,
    /// Which guns are believed on the link.
    pub link: LinkTrust,
    /// Whether the driver stops guns.
    pub interlock: Interlock,
    /// When the computer's clock counts.
    pub clock: ClockTrust,
    /// The broker that the blocks go to.
    pub broker: BrokerAddress,
    /// The key of the ingest whose watermarks alone are believed; `None` believes any.
    pub ingest_key: Option<String>,
    /// Where the room's page and interface listen; always this computer, port 0 lets the system
    /// choose.
    pub room_http: SocketAddr,
    /// When a record block is sealed.
    pub blocks: BlockLimits,
    /// How long the journal keeps what the server has.
    pub journal: JournalKeeping,
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
    /// What a USB serial number must be to the serial number of the gun behind it.
    pub usb_serial: UsbSerial,
}

/// What a USB serial number must be to the serial number of the gun behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsbSerial {
    /// Where it looks like a serial number of a gun and is another one, people are told.
    Compare,
    /// It must be the same, or the gun is not taken.
    Require,
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

/// Which guns are believed on the link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkTrust {
    /// The folder of the guns' keys, one file SERIAL.key each; a relative one starts at
    /// [`DriverConfig::data_dir`]. One that is not there holds no keys.
    pub keys_folder: PathBuf,
    /// Whether a gun without a key is refused.
    pub only_authentic: bool,
}

/// Whether the driver stops guns. It acts between shots: it stops the next one, never this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interlock {
    /// Whether a shot beyond a hard limit inhibits its gun until a person resumes it.
    pub enabled: bool,
    /// Whether, beside that, a gun is inhibited while no session has a segment for it.
    pub until_session: bool,
}

/// When the computer's clock counts; before, times have no bound and no rule about time is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockTrust {
    /// Once a time service has set it since the computer was started, where the system can be asked.
    #[default]
    TimeService,
    /// As soon as it shows a date that can be right.
    Date,
}

impl ClockTrust {
    fn read(section: &Section<'_>) -> Option<ClockTrust> {
        let allowed = r#""time-service" or "date""#;
        section.text(
            "trusted_after",
            allowed,
            Some(ClockTrust::default()),
            |text| match text {
                "time-service" => Some(ClockTrust::TimeService),
                "date" => Some(ClockTrust::Date),
                _ => None,
            },
        )
    }
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

/// How long the journal keeps what the server has: a store that is put back from a backup asks for
/// what came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalKeeping {
    /// The least age at which a settled block may be forgotten, counted from when it was settled: 0 to
    /// [`JournalKeeping::HOURS_MAX`] hours.
    pub settled_min: Duration,
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
            let guns = root.optional_list("guns", GUN_RULES_MAX, GunRule::read);
            let link = root.section("link", LinkTrust::read);
            let interlock = root.section("interlock", Interlock::read);
            let clock = root.section("clock", ClockTrust::read);
            let broker = root.section("broker", BrokerAddress::read);
            let ingest_key = root.section("ingest", read_ingest_key);
            let room_http = root.section("room", |room| values::loopback_bind(room, "http", 0));
            let blocks = root.section("blocks", BlockLimits::read);
            let journal = root.section("journal", JournalKeeping::read);
            let library = root.section("library", LibraryTrust::read);
            let identity = identity?;
            Some(DriverConfig {
                driver_id: identity.driver_id,
                clinic_id: identity.clinic_id,
                time_zone: identity.time_zone,
                data_dir: identity.data_dir,
                ports: ports?,
                guns: guns?,
                link: link?,
                interlock: interlock?,
                clock: clock?,
                broker: broker?,
                ingest_key: ingest_key?,
                room_http: room_http?,
                blocks: blocks?,
                journal: journal?,
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

/// Whose watermarks are believed.
fn read_ingest_key(section: &Section<'_>) -> Option<Option<String>> {
    const ALLOWED: &str = "the line of the server's log.vkey, name+id+key, or nothing";
    section.text("key", ALLOWED, Some(None), |text| {
        match text.split('+').count() {
            _ if text.is_empty() => Some(None),
            // The key itself may have a + in it.
            3.. => Some(Some(text.to_owned())),
            _ => None,
        }
    })
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
        let allowed = r#""compare" or "require""#;
        let usb_serial =
            section.text(
                "usb_serial",
                allowed,
                Some(UsbSerial::Compare),
                |text| match text {
                    "compare" => Some(UsbSerial::Compare),
                    "require" => Some(UsbSerial::Require),
                    _ => None,
                },
            );
        kind?;
        Some(Ports {
            source: source?,
            rescan: Duration::from_millis(rescan_ms?.into()),
            usb_serial: usb_serial?,
        })
    }
}

impl LinkTrust {
    fn read(section: &Section<'_>) -> Option<LinkTrust> {
        let keys_folder = values::path(section, "keys_folder", Some("keys"));
        let only_authentic = section.switch("only_authentic", false);
        Some(LinkTrust {
            keys_folder: keys_folder?,
            only_authentic: only_authentic?,
        })
    }
}

impl Interlock {
    fn read(section: &Section<'_>) -> Option<Interlock> {
        let enabled = section.switch("enabled", false);
        let until_session = section.switch("until_session", false);
        let (enabled, until_session) = (enabled?, until_session?);
        if until_session && !enabled {
            let found = until_session.to_string();
            section.note_not_allowed("until_session", found, "only beside enabled = true");
            return None;
        }
        Some(Interlock {
            enabled,
            until_session,
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

impl JournalKeeping {
    /// The longest least age, in hours: 30 days.
    pub const HOURS_MAX: u16 = 720;

    fn read(section: &Section<'_>) -> Option<JournalKeeping> {
        let range = 0..=JournalKeeping::HOURS_MAX;
        let hours = section.whole("keep_settled_hours", " of hours", range, 48)?;
        Some(JournalKeeping {
            settled_min: Duration::from_secs(u64::from(hours) * 3_600),
        })
    }
}
