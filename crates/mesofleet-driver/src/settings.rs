//! Configuration and command line together.

use std::net::IpAddr;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use meso_config::{DriverConfig, PortSource, Problems};
use meso_ledger::{LedgerError, VerifierKey};
use meso_limits::{LimitsError, SignerList};
use meso_link_proto::auth::Keys;
use meso_serial::ProfileRule;

use crate::profiles::read_profiles;
use crate::{KeyProblem, read_keys};

/// What the command line may replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The folder of the journal.
    pub data_dir: Option<PathBuf>,
    /// The folder of links to ports.
    pub ports_dir: Option<PathBuf>,
    /// Host and port of the broker, such as `127.0.0.1:1883`.
    pub broker: Option<String>,
}

/// Everything that the daemon is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    config: DriverConfig,
    time_zone: TimeZone,
    signers: Option<SignerList>,
    ingest_key: Option<VerifierKey>,
}

/// Why configuration and command line are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The configuration is wrong; says everything that is.
    #[error("{problems}")]
    Config {
        /// All problems.
        problems: Problems,
    },
    /// The time zone is spelt well and unknown.
    #[error(
        "{file}: driver.time_zone {name:?} is not in the time-zone database; write a name such as \
         Europe/Vienna"
    )]
    TimeZone {
        /// The file.
        file: String,
        /// The name.
        name: String,
    },
    /// The command line names a broker that cannot be used.
    #[error(
        "--broker {value:?} is not host:port of this computer, such as 127.0.0.1:1883; others \
         only once TLS is built"
    )]
    Broker {
        /// What was written.
        value: String,
    },
    /// The signers of the configuration are no keys.
    #[error("{file}: library.signers cannot be used")]
    Signers {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: LimitsError,
    },
    /// The key of the ingest is none.
    #[error("{file}: ingest.key cannot be used")]
    IngestKey {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: LedgerError,
    },
    /// More than one of these.
    #[error("{}", lines(problems))]
    Several {
        /// All of them.
        problems: Vec<SettingsError>,
    },
}

/// One problem a line, each with its causes.
fn lines(problems: &[SettingsError]) -> String {
    let line = |problem: &SettingsError| {
        let mut line = problem.to_string();
        let mut cause = std::error::Error::source(problem);
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        line
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Settings {
    /// Reads the text of a configuration and puts the command line over it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming file, key and value.
    pub fn from_text(
        file: &str,
        text: &str,
        overrides: Overrides,
    ) -> Result<Settings, SettingsError> {
        let mut problems = Vec::new();
        let broker = overrides.broker.and_then(|value| {
            let parsed = loopback(&value);
            if parsed.is_none() {
                problems.push(SettingsError::Broker { value });
            }
            parsed
        });
        let mut config = match DriverConfig::parse(file, text) {
            Ok(config) => config,
            Err(wrong) => {
                problems.insert(0, SettingsError::Config { problems: wrong });
                return Err(one_or_several(problems));
            }
        };
        if let Some(folder) = overrides.data_dir {
            config.data_dir = folder;
        }
        if let Some(folder) = overrides.ports_dir {
            config.ports.source = PortSource::Folder(folder);
        }
        if let Some((host, port)) = broker {
            config.broker.host = host;
            config.broker.port = port;
        }
        let time_zone = time_zone(file, config.time_zone.as_str());
        let signers = signers(&config).map_err(|source| SettingsError::Signers {
            file: file.to_owned(),
            source,
        });
        let ingest_key = config.ingest_key.as_deref().map(VerifierKey::parse);
        let ingest_key = ingest_key
            .transpose()
            .map_err(|source| SettingsError::IngestKey {
                file: file.to_owned(),
                source,
            });
        match (time_zone, signers, ingest_key) {
            (Ok(time_zone), Ok(signers), Ok(ingest_key)) if problems.is_empty() => Ok(Settings {
                config,
                time_zone,
                signers,
                ingest_key,
            }),
            (time_zone, signers, ingest_key) => {
                problems.extend(ingest_key.err());
                problems.extend(time_zone.err());
                problems.extend(signers.err());
                Err(one_or_several(problems))
            }
        }
    }

    /// The folder of the guns' keys: a relative one lies in the data folder.
    pub fn keys_folder(&self) -> PathBuf {
        self.config.data_dir.join(&self.config.link.keys_folder)
    }

    /// Reads the guns' keys.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn keys(&self) -> Result<Keys, Vec<KeyProblem>> {
        let keys = read_keys(&self.keys_folder())?;
        let only_authentic = self.config.link.only_authentic;
        Ok(Keys::new(keys.into_iter().collect(), only_authentic))
    }

    /// Reads the profiles of the guns that do not speak the meso link.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn profiles(&self) -> Result<Vec<ProfileRule>, Vec<String>> {
        read_profiles(&self.config.guns)
    }

    /// The configuration, with the command line over it.
    pub const fn config(&self) -> &DriverConfig {
        &self.config
    }

    /// The clinic's time zone.
    pub(crate) const fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// Whose watermarks alone are believed; `None` believes any.
    pub(crate) const fn ingest_key(&self) -> Option<&VerifierKey> {
        self.ingest_key.as_ref()
    }

    /// Whose signatures bring a library into force; `None` where nobody's does.
    pub(crate) const fn signers(&self) -> Option<&SignerList> {
        self.signers.as_ref()
    }
}

fn one_or_several(mut problems: Vec<SettingsError>) -> SettingsError {
    match problems.len() {
        1 => problems.remove(0),
        _ => SettingsError::Several { problems },
    }
}

fn time_zone(file: &str, name: &str) -> Result<TimeZone, SettingsError> {
    TimeZone::get(name).map_err(|_| SettingsError::TimeZone {
        file: file.to_owned(),
        name: name.to_owned(),
    })
}

fn signers(config: &DriverConfig) -> Result<Option<SignerList>, LimitsError> {
    let trust = &config.library;
    let keys: Vec<String> = trust.signers.iter().map(ToString::to_string).collect();
    SignerList::configured(&keys, trust.signatures_needed)
}

/// Host and port of a broker on this computer, such as `127.0.0.1:1883`; `None` for all else.
pub fn loopback(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let port = port.parse().ok().filter(|port| *port != 0)?;
    is_here.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        version = 1
        [driver]
        id = "room-1"
        clinic = "example-clinic"
        time_zone = "Europe/Vienna"
        data_dir = "driver-data"
    "#;

    fn with(overrides: Overrides) -> Result<Settings, SettingsError> {
        Settings::from_text("driver.toml", TEXT, overrides)
    }

    #[test]
    fn the_command_line_goes_over_the_configuration() {
        let settings = with(Overrides {
            data_dir: Some("other".into()),
            ports_dir: Some("ports".into()),
            broker: Some("[::1]:1900".to_owned()),
        })
        .unwrap();
        let config = settings.config();
        assert_eq!(config.data_dir, PathBuf::from("other"));
        assert_eq!(config.ports.source, PortSource::Folder("ports".into()));
        assert_eq!(
            (config.broker.host.as_str(), config.broker.port),
            ("::1", 1900)
        );
    }

    #[test]
    fn a_broker_elsewhere_is_refused() {
        for value in ["192.0.2.1:1883", "localhost", "localhost:0", "127.0.0.1:x"] {
            let broker = Some(value.to_owned());
            let refused = with(Overrides {
                broker,
                ..Overrides::default()
            });
            assert!(
                matches!(refused, Err(SettingsError::Broker { .. })),
                "{value}"
            );
        }
    }

    #[test]
    fn what_only_this_program_can_check_is_told_together() {
        let text = TEXT.replace("Europe/Vienna", "Europe/Atlantis");
        let overrides = Overrides {
            broker: Some("192.0.2.1:1883".to_owned()),
            ..Overrides::default()
        };
        let error = Settings::from_text("driver.toml", &text, overrides).unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("Europe/Atlantis") && told.contains("192.0.2.1"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 2, "{told}");
    }

    #[test]
    fn an_unknown_time_zone_is_named() {
        let text = TEXT.replace("Europe/Vienna", "Europe/Atlantis");
        let error = Settings::from_text("driver.toml", &text, Overrides::default()).unwrap_err();
        assert!(error.to_string().contains("Europe/Atlantis"), "{error}");
    }
}
