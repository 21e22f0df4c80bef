//! `mesofleet serve`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use meso_config::ServerConfig;
use tokio::signal::unix::{SignalKind, signal};

use super::{BrokerChoice, ServeOptions, Server};

/// The exit code for a configuration that is wrong.
const WRONG_CONFIGURATION: u8 = 2;

/// Runs the service until Ctrl-C or a polite request to end.
///
/// # Errors
///
/// The file cannot be read, an address is in use, or the data folder cannot be used.
pub fn run(config: &Path) -> anyhow::Result<ExitCode> {
    crate::logging::start();
    let text = std::fs::read_to_string(config)
        .with_context(|| format!("cannot read {}", config.display()))?;
    let config = match ServerConfig::parse(&config.display().to_string(), &text) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(WRONG_CONFIGURATION));
        }
    };
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make {}", config.data_dir.display()))?;
    let options = ServeOptions {
        data_dir: config.data_dir,
        http: config.http,
        broker: BrokerChoice::Embedded(config.broker),
        ledger_origin: config.ledger_origin.as_str().to_owned(),
        clinics: config.clinics.into_iter().map(|clinic| clinic.id).collect(),
        library: None,
        demo: false,
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
