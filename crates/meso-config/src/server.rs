//! The configuration of the server: broker, ingest, store, ledger and web in one process.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use meso_units::ClinicId;

use crate::broker::BrokerAddress;
use crate::notify::{AlertsConfig, NotifyChannel};
use crate::problem::Problems;
use crate::reader::{self, Section};
use crate::values::{self, LedgerOrigin, LibraryTrust, TimeZoneName};

/// Everything that the server must know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The folder of store and ledger; a relative one starts at the working folder of the process.
    pub data_dir: PathBuf,
    /// The clinics whose drivers are let in, 1 to [`ServerConfig::CLINICS_MAX`], no id twice.
    pub clinics: Vec<ClinicConfig>,
    /// Where dashboards and interface listen; always this computer, port 0 lets the system choose.
    pub http: SocketAddr,
    /// Which broker carries the messages.
    pub broker: BrokerPlace,
    /// The name under which the ledger signs.
    pub ledger_origin: LedgerOrigin,
    /// Whose signatures put a protocol library in force.
    pub library: LibraryTrust,
    /// Where shots are kept.
    pub store: StoreKind,
    /// The InfluxDB, for [`StoreKind::Influx`].
    pub influx: InfluxConfig,
    /// When alerts escalate, and from when on something is wrong with the fleet.
    pub alerts: AlertsConfig,
    /// Whom alerts are told to, at most [`NotifyChannel::COUNT_MAX`], no name twice.
    pub notify: Vec<NotifyChannel>,
}

/// Which broker carries the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerPlace {
    /// The server's own.
    Embedded {
        /// Where it listens; always this computer, port 0 lets the system choose.
        bind: SocketAddr,
    },
    /// One that runs by itself, such as Mosquitto.
    External(BrokerAddress),
}

/// Where shots are kept; everything else is in the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// In the data folder.
    Embedded,
    /// In an InfluxDB.
    Influx,
}

/// Where the InfluxDB is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InfluxConfig {
    /// Its address: always this computer.
    pub url: String,
    /// The organisation, which only 2.x wants.
    pub org: String,
    /// The bucket; on 1.x the database.
    pub bucket: String,
    /// The file with the token, if it wants one; on 1.8 the token is `user:password`.
    pub token_file: Option<PathBuf>,
    /// Whether what is written is compressed.
    pub gzip: bool,
    /// Writes that are under way at once, 1 to 8.
    pub connections: u16,
}

/// One clinic of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClinicConfig {
    /// The clinic.
    pub id: ClinicId,
    /// The time zone whose calendar days its totals are summed by.
    pub time_zone: TimeZoneName,
}

impl ServerConfig {
    /// The most clinics of one server; a configuration with more is refused.
    pub const CLINICS_MAX: usize = 64;

    /// Reads a configuration; `file_name` is only for the messages.
    ///
    /// # Errors
    ///
    /// [`Problems`] with everything that is wrong, not only the first.
    pub fn parse(file_name: &str, text: &str) -> Result<ServerConfig, Problems> {
        reader::read(file_name, text, |root| {
            let data_dir = root.section("server", |server| values::path(server, "data_dir", None));
            let clinics = root.list("clinics", 1..=ServerConfig::CLINICS_MAX, ClinicConfig::read);
            let http = root.section("http", |http| values::loopback_bind(http, "bind", 8_080));
            let broker = root.section("broker", BrokerPlace::read);
            let ledger_origin = root.section("ledger", |ledger| {
                ledger.text("origin", LedgerOrigin::ALLOWED, None, LedgerOrigin::parse)
            });
            let library = root.section("library", LibraryTrust::read);
            let store = root.section("store", StoreKind::read);
            let influx = root.section("influx", InfluxConfig::read);
            let alerts = root.section("alerts", AlertsConfig::read);
            let notify =
                root.optional_list("notify", NotifyChannel::COUNT_MAX, NotifyChannel::read);
            if let Some(notify) = &notify {
                NotifyChannel::note_named_twice(root, notify);
            }
            if let Some(clinics) = &clinics {
                note_clinics_named_twice(root, clinics);
            }
            Some(ServerConfig {
                data_dir: data_dir?,
                clinics: clinics?,
                http: http?,
                broker: broker?,
                ledger_origin: ledger_origin?,
                library: library?,
                store: store?,
                influx: influx?,
                alerts: alerts?,
                notify: notify?,
            })
        })
    }
}

/// What `broker.kind` may say.
#[derive(Clone, Copy)]
enum BrokerKind {
    Embedded,
    External,
}

impl BrokerPlace {
    fn read(section: &Section<'_>) -> Option<BrokerPlace> {
        let allowed = r#""embedded" or "external""#;
        let kind = section.text(
            "kind",
            allowed,
            Some(BrokerKind::Embedded),
            |text| match text {
                "embedded" => Some(BrokerKind::Embedded),
                "external" => Some(BrokerKind::External),
                _ => None,
            },
        );
        match kind? {
            BrokerKind::Embedded => {
                for key in BrokerAddress::KEYS {
                    section.forbid(key, r#"only beside kind = "external""#);
                }
                let bind = values::loopback_bind(section, "bind", 1_883)?;
                Some(BrokerPlace::Embedded { bind })
            }
            BrokerKind::External => {
                section.forbid("bind", r#"only beside kind = "embedded""#);
                BrokerAddress::read(section).map(BrokerPlace::External)
            }
        }
    }
}

impl StoreKind {
    fn read(section: &Section<'_>) -> Option<StoreKind> {
        let allowed = r#""embedded" or "influx""#;
        section.text(
            "kind",
            allowed,
            Some(StoreKind::Embedded),
            |text| match text {
                "embedded" => Some(StoreKind::Embedded),
                "influx" => Some(StoreKind::Influx),
                _ => None,
            },
        )
    }
}

impl InfluxConfig {
    fn read(section: &Section<'_>) -> Option<InfluxConfig> {
        let url = values::loopback_url(section, "url", "http://127.0.0.1:8086");
        let name = |key| {
            let allowed = "1 to 256 characters";
            section.text(key, allowed, Some("mesofleet".to_owned()), |text| {
                let fits = (1..=256).contains(&text.len()) && !text.contains(char::is_control);
                fits.then(|| text.to_owned())
            })
        };
        let (org, bucket) = (name("org"), name("bucket"));
        let token_file = values::optional_file(section, "token_file");
        let gzip = section.switch("gzip", true);
        let connections = section.whole("connections", "", 1..=8, 2);
        Some(InfluxConfig {
            url: url?,
            org: org?,
            bucket: bucket?,
            token_file: token_file?,
            gzip: gzip?,
            connections: connections?,
        })
    }
}

impl ClinicConfig {
    fn read(section: &Section<'_>) -> Option<ClinicConfig> {
        let id = values::identifier(section, "id", ClinicId::parse);
        let time_zone = values::time_zone(section, "time_zone");
        Some(ClinicConfig {
            id: id?,
            time_zone: time_zone?,
        })
    }
}

fn note_clinics_named_twice(root: &Section<'_>, clinics: &[ClinicConfig]) {
    let mut seen = BTreeSet::new();
    for clinic in clinics {
        if !seen.insert(&clinic.id) {
            root.note_not_allowed("clinics", format!("{} twice", clinic.id), "each id once");
        }
    }
}
