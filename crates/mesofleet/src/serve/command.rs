//! `mesofleet serve`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use meso_bus::{Access, Endpoint};
use meso_config::{BrokerPlace, LibraryTrust, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};

use super::channels::{Notify, policy_of};
use super::server::log_key;
use super::state_files::random;
use super::{BrokerChoice, LibraryInForce, ServeOptions, Server};
use crate::ingest::{IngestOptions, TimeZones};
use crate::protocol::Kept;

/// The exit code for a configuration that is wrong or cannot be read.
const WRONG_CONFIGURATION: u8 = 2;

/// Runs the service until Ctrl-C or a polite request to end.
///
/// # Errors
///
/// An address is in use, or the data folder cannot be used.
pub fn run(config: &Path) -> anyhow::Result<ExitCode> {
    crate::logging::start();
    let text = match std::fs::read_to_string(config) {
        Ok(text) => text,
        Err(error) => {
            eprintln!(
                "mesofleet: cannot read the configuration {}: {error}",
                config.display()
            );
            return Ok(ExitCode::from(WRONG_CONFIGURATION));
        }
    };
    let config = match ServerConfig::parse(&config.display().to_string(), &text) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(WRONG_CONFIGURATION));
        }
    };
    let time_zones = time_zones(&config)?;
    let notify = Notify::of(&config)?;
    let data_dir = config.data_dir;
    std::fs::create_dir_all(&data_dir).with_context(|| {
        format!(
            "cannot make the folder {}; change data_dir under [server]",
            data_dir.display()
        )
    })?;
    let options = ServeOptions {
        http: config.http,
        broker: broker_choice(config.broker)?,
        ledger_origin: config.ledger_origin.as_str().to_owned(),
        time_zones,
        clinics: config.clinics.into_iter().map(|clinic| clinic.id).collect(),
        library: library_in_force(&data_dir, &config.library)?,
        influx: crate::store::influx_of(config.store, &config.influx)?,
        data_dir,
        demo: false,
        notify,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let server = Server::start(options).await?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        server.shutdown().await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn broker_choice(place: BrokerPlace) -> anyhow::Result<BrokerChoice> {
    let at = match place {
        BrokerPlace::Embedded { bind } => return Ok(BrokerChoice::Embedded(bind)),
        BrokerPlace::External(at) => at,
    };
    let access = Access {
        ca_file: at.ca_file,
        identity: at.certificate.map(|it| (it.certificate_file, it.key_file)),
        login: at.login.map(|it| (it.username, it.password_file)),
    };
    let endpoint = Endpoint::new(&at.host, at.port).with_access(&access);
    Ok(BrokerChoice::External(endpoint.context(
        "the broker of the configuration cannot be used",
    )?))
}

/// What an ingest is told that works on a server's store while the server is stopped.
///
/// # Errors
///
/// The ledger's key or the library cannot be read.
pub(crate) fn ingest_options(
    config: &ServerConfig,
    store_incarnation: u64,
) -> anyhow::Result<IngestOptions> {
    let origin = config.ledger_origin.as_str();
    let library = library_in_force(&config.data_dir, &config.library)?;
    Ok(IngestOptions {
        log_key: log_key(&config.data_dir, origin)?,
        log_origin: origin.to_owned(),
        time_zones: time_zones(config)?,
        clinics: config
            .clinics
            .iter()
            .map(|clinic| clinic.id.clone())
            .collect(),
        library: library.map(|in_force| in_force.library),
        alerts: policy_of(config),
        // The server compares when it starts, and keeps what it finds.
        signed_before: None,
        store_incarnation,
        ingest_incarnation: u64::from_le_bytes(random()?),
    })
}

fn time_zones(config: &ServerConfig) -> anyhow::Result<TimeZones> {
    let clinics = config.clinics.iter();
    let named = clinics.map(|clinic| (&clinic.id, clinic.time_zone.as_str()));
    Ok(TimeZones::named(named)?)
}

/// Reads the signed release in the data folder. Without one, or without signers, only the general
/// limits hold; one that is not rightly signed is an error, so that nobody believes it in force.
fn library_in_force(
    data_dir: &Path,
    trust: &LibraryTrust,
) -> anyhow::Result<Option<LibraryInForce>> {
    Ok(Kept::of(data_dir, trust)?.in_force)
}

#[cfg(test)]
mod tests {
    use meso_contract::{LibraryMessage, PAYLOAD_VERSION};
    use meso_limits::{assemble_release, public_key, sign};

    use super::*;

    fn trust(seeds: &[[u8; 32]]) -> LibraryTrust {
        let keys: Vec<String> = seeds.iter().map(public_key).collect();
        let file = include_str!("../../../../config/server.toml");
        let text = file.replace("signers = []", &format!("signers = {keys:?}"));
        ServerConfig::parse("server.toml", &text).unwrap().library
    }

    #[test]
    fn a_release_comes_into_force_only_with_the_signatures_that_the_configuration_names() {
        let folder = tempfile::tempdir().unwrap();
        let seeds = [[1; 32], [2; 32]];
        let none = library_in_force(folder.path(), &trust(&seeds)).unwrap();
        assert!(none.is_none(), "no file, no library");
        let protocol = include_str!("../../../../config/protocols/hair-scalp.toml");
        let packs = include_str!("../../../../config/protocols/packs.toml");
        let text = assemble_release(3, true, &[protocol, packs]);
        let message = |signed_by: &[[u8; 32]]| LibraryMessage {
            signer_lists: Vec::new(),
            version: PAYLOAD_VERSION,
            signatures: signed_by.iter().map(|seed| sign(&text, seed)).collect(),
            release: text.clone(),
        };
        let file = folder.path().join("library.json");
        std::fs::write(&file, message(&seeds[..1]).encode().unwrap()).unwrap();
        assert!(library_in_force(folder.path(), &trust(&seeds)).is_err());
        std::fs::write(&file, message(&seeds).encode().unwrap()).unwrap();
        let in_force = library_in_force(folder.path(), &trust(&seeds)).unwrap();
        assert_eq!(in_force.unwrap().library.version().get(), 3);
    }
}
