//! The configuration of the server: broker, ingest, store, ledger and web in one process.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use meso_units::ClinicId;

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
    /// Where the embedded broker listens; always this computer, port 0 lets the system choose.
    pub broker: SocketAddr,
    /// The name under which the ledger signs.
    pub ledger_origin: LedgerOrigin,
    /// Whose signatures put a protocol library in force.
    pub library: LibraryTrust,
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
            let broker = root.section("broker", |bus| values::loopback_bind(bus, "bind", 1_883));
            let ledger_origin = root.section("ledger", |ledger| {
                ledger.text("origin", LedgerOrigin::ALLOWED, None, LedgerOrigin::parse)
            });
            let library = root.section("library", LibraryTrust::read);
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
            })
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
