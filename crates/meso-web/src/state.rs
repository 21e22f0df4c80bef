//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use meso_contract::http::LiveEvent;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::answer::ApiError;
use crate::{AllowedHosts, Backend, BackendError};

/// The most questions that are put to the backend at the same time.
///
/// Each takes a blocking thread and perhaps a database reader; eight keep both far below what a
/// small server has. Further questions wait up to [`BACKEND_WAIT`] and are then answered 503.
pub const BACKEND_CALL_COUNT_MAX: usize = 8;

/// How long a question may wait for its turn.
pub const BACKEND_WAIT: Duration = Duration::from_secs(5);

/// What [`WebState::new`] needs.
pub struct WebOptions {
    /// Who has the data.
    pub backend: Arc<dyn Backend>,
    /// Where changes are announced; capacity of [`crate::EVENT_BUFFER_COUNT`] advised.
    pub events: broadcast::Sender<LiveEvent>,
    /// What `/metrics` prints.
    pub metrics: PrometheusHandle,
    /// Names under which the server may be asked.
    pub hosts: AllowedHosts,
}

/// What every handler shares; a clone is the same state.
#[derive(Clone)]
pub struct WebState {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Arc<dyn Backend>,
    events: broadcast::Sender<LiveEvent>,
    metrics: PrometheusHandle,
    hosts: AllowedHosts,
    turns: Arc<Semaphore>,
    stream_count: Arc<AtomicUsize>,
    closing: watch::Sender<bool>,
}

impl WebState {
    /// Makes the state of one server.
    pub fn new(options: WebOptions) -> WebState {
        WebState {
            inner: Arc::new(Inner {
                backend: options.backend,
                events: options.events,
                metrics: options.metrics,
                hosts: options.hosts,
                turns: Arc::new(Semaphore::new(BACKEND_CALL_COUNT_MAX)),
                stream_count: Arc::new(AtomicUsize::new(0)),
                closing: watch::Sender::new(false),
            }),
        }
    }

    /// Ends every event stream, now and for the future.
    ///
    /// A graceful shutdown waits for open responses, and an event stream has no end of its own:
    /// call this first.
    pub fn close_event_streams(&self) {
        self.inner.closing.send_replace(true);
    }

    /// The number of event streams that are open.
    pub fn event_stream_count(&self) -> usize {
        self.inner
            .stream_count
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn hosts(&self) -> &AllowedHosts {
        &self.inner.hosts
    }

    pub(crate) fn render_metrics(&self) -> String {
        self.inner.metrics.render()
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.inner.events.subscribe()
    }

    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.inner.closing.subscribe()
    }

    pub(crate) fn stream_count(&self) -> &Arc<AtomicUsize> {
        &self.inner.stream_count
    }

    /// Asks the backend on a blocking thread.
    pub(crate) async fn ask<T, Q>(&self, question: Q) -> Result<T, ApiError>
    where
        T: Send + 'static,
        Q: FnOnce(&dyn Backend) -> Result<T, BackendError> + Send + 'static,
    {
        let turns = Arc::clone(&self.inner.turns);
        let turn = tokio::time::timeout(BACKEND_WAIT, turns.acquire_owned())
            .await
            .map_err(|_| ApiError::Busy)?
            .map_err(|_| ApiError::Busy)?;
        let backend = Arc::clone(&self.inner.backend);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(backend.as_ref());
            drop(turn); // held by the thread, so that a reader who went away does not free it early
            answer
        })
        .await
        .map_err(|error| {
            tracing::error!(%error, "backend call failed");
            ApiError::Internal
        })?;
        answer.map_err(ApiError::Backend)
    }
}
