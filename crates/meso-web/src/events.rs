//! The event stream: what changed, as it changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use meso_contract::http::LiveEvent;
use meso_contract::metric_names::EVENT_STREAMS;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::WebState;
use crate::answer::ApiError;

/// The most event streams at a time; the next one is answered 503 with a sentence.
///
/// A browser tab holds one. Each serialises every event for itself, at 32 guns of nine shots a
/// second about 150 kB/s.
pub const EVENT_STREAM_COUNT_MAX: usize = 64;

/// The advised capacity of the broadcast channel.
///
/// A stream that falls further behind gets one `resync` in place of what it missed. Counted in
/// events: 32 guns that each commit ten times a second fill it in about three seconds.
pub const EVENT_BUFFER_COUNT: usize = 1_024;

/// How often a comment is sent on a quiet stream, so that proxies keep it and dead ones are seen.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Streams what changes: server-sent events named `shots`, `gun`, `session`, `alert`, `overview`
/// and `resync`, each with a `LiveEvent` as data.
///
/// A stream holds no history: whoever reconnects is told first to read everything again.
#[utoipa::path(get, path = "/api/v1/events", tag = "board",
    responses((status = 200, content_type = "text/event-stream", body = LiveEvent),
        (status = 503, body = meso_contract::http::ErrorView)))]
pub(crate) async fn events(
    State(state): State<WebState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let seat = Seat::take(state.stream_count())?;
    let reconnected = headers.contains_key("last-event-id");
    let reader = Reader {
        events: state.subscribe(),
        closing: state.closing(),
        next_id: 1,
        greet: reconnected,
        _seat: seat,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let sse = Sse::new(reader.into_stream()).keep_alive(keep_alive);
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, sse).into_response())
}

/// One of the places of [`EVENT_STREAM_COUNT_MAX`]; given back when the stream is dropped.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(count: &Arc<AtomicUsize>) -> Result<Seat, ApiError> {
        let taken = count.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(count)); // dropped, and so given back, where it is one too many
        if taken >= EVENT_STREAM_COUNT_MAX {
            return Err(ApiError::TooManyStreams {
                max: EVENT_STREAM_COUNT_MAX,
            });
        }
        metrics::gauge!(EVENT_STREAMS).increment(1.0);
        Ok(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let before = self.0.fetch_sub(1, Ordering::Relaxed);
        if before <= EVENT_STREAM_COUNT_MAX {
            metrics::gauge!(EVENT_STREAMS).decrement(1.0);
        }
    }
}

/// One open stream.
struct Reader {
    events: Receiver<LiveEvent>,
    closing: watch::Receiver<bool>,
    next_id: u64,
    /// Whether to begin with a `resync`.
    greet: bool,
    _seat: Seat,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            let id = reader.next_id;
            reader.next_id += 1;
            Some((Ok(encode(id, &event)), reader))
        })
    }

    async fn next(&mut self) -> Option<LiveEvent> {
        if std::mem::take(&mut self.greet) {
            return Some(LiveEvent::Resync);
        }
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => None,
            event = self.events.recv() => match event {
                Ok(event) => Some(event),
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "event stream fell behind");
                    Some(LiveEvent::Resync)
                }
                Err(RecvError::Closed) => None,
            },
        }
    }
}

/// Writes an event; one that cannot be written becomes a `resync`, so that nothing is lost
/// silently.
fn encode(id: u64, event: &LiveEvent) -> Event {
    let named = Event::default().id(id.to_string());
    match serde_json::to_string(event) {
        Ok(json) => named.event(event.name()).data(json),
        Err(error) => {
            tracing::error!(%error, "live event could not be written");
            named
                .event(LiveEvent::Resync.name())
                .data("{\"kind\":\"resync\"}")
        }
    }
}
