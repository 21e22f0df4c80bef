//! Opening the store and starting the ingest on it.

use anyhow::Context;
use meso_store::Readers;

use super::live::Announcer;
use super::server::{ServeOptions, log_key};
use super::state_files::random;
use crate::ingest::{Ingest, IngestOptions, Running, start_worker};
use crate::store::store_place;

/// What opening the ingest gives.
pub(super) struct Opened {
    pub(super) readers: Readers,
    pub(super) ingest: Running,
}

/// Starts the ingest. Where its store cannot be read back because an InfluxDB is away, it waits for
/// that behind a server that runs.
pub(super) async fn open_ingest(
    options: &ServeOptions,
    announcer: Announcer,
) -> anyhow::Result<Opened> {
    let place = store_place(&options.data_dir, options.influx.clone());
    let store = place.open(u64::from_le_bytes(random()?))?;
    let log_key = log_key(&options.data_dir, &options.ledger_origin)?;
    let ingest_options = IngestOptions {
        signed_before: announcer.head.read(&log_key.verifier()),
        log_key,
        log_origin: options.ledger_origin.clone(),
        clinics: options.clinics.iter().cloned().collect(),
        time_zones: options.time_zones.clone(),
        library: options
            .library
            .as_ref()
            .map(|l| std::sync::Arc::clone(&l.library)),
        alerts: options.notify.policy.clone(),
        store_incarnation: store.incarnation,
        ingest_incarnation: u64::from_le_bytes(random()?),
    };
    announcer
        .board
        .fail("the store, which is still read back".to_owned());
    let ingest = Ingest::new(store.writer, ingest_options);
    let started = start_worker(ingest, Box::new(announcer))?;
    let running = tokio::task::spawn_blocking(move || started.wait()).await;
    let running = running.context("the start of the ingest failed")?;
    Ok(Opened {
        readers: store.readers,
        ingest: running?,
    })
}
