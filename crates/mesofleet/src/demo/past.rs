//! Brings the made-up past into the store, behind the live shots.

use std::sync::Arc;
use std::thread::JoinHandle;

use meso_limits::{Judge, Library};
use meso_units::{ClinicId, DriverId};

use super::fleet::Fleet;
use super::history::{History, Place};
use super::stop::Stop;
use crate::cli::DemoOptions;
use crate::serve::Server;

/// Sessions of one import; small, so that live shots never wait long for the store.
const SESSIONS_PER_IMPORT: usize = 4;

/// The import, as it runs.
pub(crate) struct Past {
    stop: Arc<Stop>,
    worker: Option<JoinHandle<()>>,
}

impl Past {
    /// Starts the import, if any history was asked for.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub(crate) fn start(
        options: &DemoOptions,
        server: &Server,
        fleet: &Fleet,
        clinic: &ClinicId,
        driver: &DriverId,
        library: &Arc<Library>,
    ) -> anyhow::Result<Past> {
        let stop = Arc::new(Stop::default());
        let days = options.history_days();
        if days == 0 {
            return Ok(Past { stop, worker: None });
        }
        let place = Place {
            clinic: clinic.clone(),
            driver: driver.clone(),
            guns: fleet
                .guns
                .iter()
                .map(|gun| gun.plan.serial.clone())
                .collect(),
            library: library.version(),
        };
        let judge = Judge::new(Some(Arc::clone(library)));
        let history = History::new(options.seed, days, crate::clock::now(), place, judge);
        let importer = server.importer();
        let stopped = Arc::clone(&stop);
        let worker = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || {
                let mut history = history;
                while history.remaining() > 0 && !stopped.wait(std::time::Duration::ZERO) {
                    let part: anyhow::Result<Vec<_>> =
                        history.by_ref().take(SESSIONS_PER_IMPORT).collect();
                    let imported = part.and_then(|sessions| {
                        importer.import(sessions.into_iter().flatten().collect())
                    });
                    if let Err(error) = imported {
                        tracing::error!(error = format!("{error:#}"), "history cannot be imported");
                        return;
                    }
                }
            })?;
        Ok(Past {
            stop,
            worker: Some(worker),
        })
    }

    /// Ends the import after the part that it is at.
    pub(crate) fn stop(self) {
        self.stop.stop();
        if let Some(worker) = self.worker {
            // A panic has been printed; history is decoration.
            let _ = worker.join();
        }
    }
}
