//! The event stream: the room as it stands, whenever that changes.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderName;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use meso_contract::room::LiveBody;
use tokio::sync::watch;

use crate::guard::Caller;
use crate::{Room, StepFailure};

/// The most streams at a time; a further one is answered with 503. A browser tab holds one.
pub const STREAMS_MAX: usize = 8;

/// How often a comment is sent on a quiet stream, so that a dead one is seen.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Streams `live` events; each holds the whole picture, so that one that is missed is none lost.
pub(crate) async fn events(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, StepFailure> {
    caller.may_look()?;
    if room.shared.live.receiver_count() >= STREAMS_MAX {
        return Err(StepFailure::unavailable(format!(
            "{STREAMS_MAX} pages are the limit: close one"
        )));
    }
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let sse = Sse::new(pictures(room.shared.live.subscribe())).keep_alive(keep_alive);
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, sse).into_response())
}

fn pictures(live: watch::Receiver<LiveBody>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(live, |mut live| async move {
        live.changed().await.ok()?;
        let json = serde_json::to_string(&*live.borrow_and_update());
        let event = match json {
            Ok(json) => Event::default().event("live").data(json),
            Err(error) => {
                tracing::error!(%error, "the room could not be written");
                Event::default().comment("unreadable")
            }
        };
        Some((Ok(event), live))
    })
}
