//! The treatment room's loopback interface: session steps in, answers out.
//!
//! A person at the room's PC takes steps (open a session, begin a segment, end it); this crate
//! carries them over HTTP on the loopback address to the driver, which decides, writes them to its
//! journal and only then lets us answer. The bodies are in [`meso_contract::room`].
//!
//! It is **not** the session logic (that is `meso-sessions`) and it stores nothing. The room's own
//! page, sign-in by PIN and the patients' link table come later.
//!
//! Read first: [`app`], [`StepRequest`], [`RoomState`].
//!
//! ```
//! use meso_room::{RoomState, Token, app};
//!
//! let (steps, _requests) = tokio::sync::mpsc::channel(meso_room::STEP_COUNT_MAX);
//! let (_publish, state) = tokio::sync::watch::channel(Default::default());
//! let router = app(RoomState { token: Token::from_bytes([7; 32]), steps, state });
//! # let _ = router;
//! ```

mod token;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use meso_contract::room::{RoomStateBody, RoomStepBody, StepRefusedBody, StepTakenBody};
use tokio::sync::{mpsc, oneshot, watch};

pub use token::Token;

/// Steps that may wait for the driver; one more is answered with 503, nothing is lost.
pub const STEP_COUNT_MAX: usize = 32;

/// The largest body of a step, in bytes; a larger one is answered with 413.
pub const STEP_BYTES_MAX: usize = 64 * 1024;

/// A step on its way to the driver, and where its answer goes.
#[derive(Debug)]
pub struct StepRequest {
    /// What the person wants.
    pub step: RoomStepBody,
    /// Takes the answer once the step is on disk, or why it was not taken.
    pub answer: oneshot::Sender<Result<StepTakenBody, StepProblem>>,
}

/// Why a step was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepProblem {
    /// Another step is missing first.
    Refused(StepRefusedBody),
    /// A value is wrong.
    Invalid(StepRefusedBody),
    /// The journal cannot be written.
    Unavailable(StepRefusedBody),
}

/// What the interface needs of the driver.
#[derive(Clone, Debug)]
pub struct RoomState {
    /// What a caller must know.
    pub token: Token,
    /// Where steps go.
    pub steps: mpsc::Sender<StepRequest>,
    /// How the room is.
    pub state: watch::Receiver<RoomStateBody>,
}

/// The routes of the room.
pub fn app(state: RoomState) -> Router {
    Router::new()
        .route("/api/v1/steps", post(take_step))
        .route("/api/v1/state", get(read_state))
        .layer(DefaultBodyLimit::max(STEP_BYTES_MAX))
        .layer(from_fn_with_state(state.clone(), require_token))
        .with_state(state)
}

async fn require_token(State(state): State<RoomState>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if given.is_some_and(|given| state.token.matches(given)) {
        return next.run(request).await;
    }
    let message = "the token of room.json is missing or of an earlier start: read the file again";
    refusal(StatusCode::UNAUTHORIZED, "token_wrong", message)
}

async fn take_step(
    State(state): State<RoomState>,
    body: Result<Json<RoomStepBody>, JsonRejection>,
) -> Response {
    let step = match body {
        Ok(Json(step)) => step,
        Err(rejection) => {
            let status = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            return refusal(status, "body_wrong", &rejection.body_text());
        }
    };
    let (answer, answered) = oneshot::channel();
    if state.steps.try_send(StepRequest { step, answer }).is_err() {
        let message = "too many steps wait, or the driver is stopping: try again";
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
    }
    match answered.await {
        Ok(Ok(taken)) => (StatusCode::OK, Json(taken)).into_response(),
        Ok(Err(StepProblem::Refused(body))) => (StatusCode::CONFLICT, Json(body)).into_response(),
        Ok(Err(StepProblem::Invalid(body))) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
        Ok(Err(StepProblem::Unavailable(body))) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
        Err(_) => refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the driver is stopping",
        ),
    }
}

async fn read_state(State(state): State<RoomState>) -> Json<RoomStateBody> {
    Json(state.state.borrow().clone())
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = StepRefusedBody {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests;
