//! The routes.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use meso_contract::PayloadError;
use meso_contract::room::{
    QuestionnaireBody, ResumeGunBody, RoomGunBody, RoomStateBody, RoomStepBody, StepRefusedBody,
    StepTakenBody,
};
use meso_sessions::Refusal;
use meso_units::{GunSerial, OperatorId};
use tokio::sync::{mpsc, oneshot};

use crate::Token;

/// Requests that may wait for the driver; a further one is answered with 503 at once.
pub const REQUESTS_WAITING_MAX: usize = 64;

/// The longest body in bytes; a longer one is answered with 413.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long a request may wait for the driver before it is answered with 503. The step may be
/// taken all the same; the state says whether it was.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the room asks of the driver.
#[derive(Debug)]
pub enum RoomRequest {
    /// Take a step, and answer when it is on the disk.
    Step {
        /// The step.
        step: Box<RoomStepBody>,
        /// Takes the answer.
        reply: oneshot::Sender<Result<StepTakenBody, StepFailure>>,
    },
    /// Let a gun that was inhibited fire again, and answer when that is on the disk.
    ResumeGun {
        /// The gun.
        gun: GunSerial,
        /// Who, and why.
        body: ResumeGunBody,
        /// Takes the answer: how the gun is now.
        reply: oneshot::Sender<Result<RoomGunBody, StepFailure>>,
    },
    /// Say what is to be asked before a session.
    Questionnaire {
        /// Takes the answer.
        reply: oneshot::Sender<QuestionnaireBody>,
    },
    /// Say how the room is.
    State {
        /// Takes the answer.
        reply: oneshot::Sender<RoomStateBody>,
    },
}

/// Why a step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepFailure {
    /// A value is wrong: 422.
    #[error("{message}")]
    BadValue {
        /// A stable code.
        code: &'static str,
        /// What is wrong.
        message: String,
    },
    /// Another step must come first: 409.
    #[error("{message}")]
    StepMissing {
        /// A stable code.
        code: &'static str,
        /// Which step, and what to do.
        message: String,
    },
    /// The driver cannot keep it now: 503.
    #[error("the step cannot be kept now: {message}")]
    Unavailable {
        /// Why.
        message: String,
    },
}

impl From<PayloadError> for StepFailure {
    fn from(error: PayloadError) -> StepFailure {
        StepFailure::BadValue {
            code: "bad_value",
            message: error.to_string(),
        }
    }
}

impl From<Refusal> for StepFailure {
    fn from(refusal: Refusal) -> StepFailure {
        let (code, message) = (refusal.code(), refusal.to_string());
        if refusal.is_bad_value() {
            StepFailure::BadValue { code, message }
        } else {
            StepFailure::StepMissing { code, message }
        }
    }
}

impl IntoResponse for StepFailure {
    fn into_response(self) -> Response {
        let message = self.to_string();
        let (status, code) = match self {
            StepFailure::BadValue { code, .. } => (StatusCode::UNPROCESSABLE_ENTITY, code),
            StepFailure::StepMissing { code, .. } => (StatusCode::CONFLICT, code),
            StepFailure::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        refused(status, code, message)
    }
}

/// The room's routes; every one wants the token.
pub fn app(token: &Token, requests: mpsc::Sender<RoomRequest>) -> Router {
    Router::new()
        .route("/api/v1/steps", post(take_step))
        .route("/api/v1/guns/{serial}/resume", post(resume_gun))
        .route("/api/v1/questionnaire", get(say_questionnaire))
        .route("/api/v1/state", get(say_state))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(token.clone(), require_token))
        .with_state(requests)
}

async fn require_token(State(token): State<Token>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    if token.is_in(given.and_then(|value| value.to_str().ok())) {
        return next.run(request).await;
    }
    let message = "send the token of room.json in the driver's data folder";
    refused(
        StatusCode::UNAUTHORIZED,
        "token_missing",
        message.to_owned(),
    )
}

async fn take_step(State(requests): State<mpsc::Sender<RoomRequest>>, body: Bytes) -> Response {
    let step: Box<RoomStepBody> = match serde_json::from_slice(&body) {
        Ok(step) => step,
        Err(error) => {
            let failure = StepFailure::BadValue {
                code: "bad_value",
                message: error.to_string(),
            };
            return failure.into_response();
        }
    };
    let (reply, answer) = oneshot::channel();
    match ask(&requests, RoomRequest::Step { step, reply }, answer).await {
        Ok(Ok(taken)) => Json(taken).into_response(),
        Ok(Err(failure)) | Err(failure) => failure.into_response(),
    }
}

async fn resume_gun(
    State(requests): State<mpsc::Sender<RoomRequest>>,
    Path(serial): Path<String>,
    body: Bytes,
) -> Response {
    let (gun, body) = match resume_of(&serial, &body) {
        Ok(asked) => asked,
        Err(failure) => return failure.into_response(),
    };
    let (reply, answer) = oneshot::channel();
    match ask(
        &requests,
        RoomRequest::ResumeGun { gun, body, reply },
        answer,
    )
    .await
    {
        Ok(Ok(gun)) => Json(gun).into_response(),
        Ok(Err(failure)) | Err(failure) => failure.into_response(),
    }
}

fn resume_of(serial: &str, body: &[u8]) -> Result<(GunSerial, ResumeGunBody), StepFailure> {
    let bad = |message: String| StepFailure::BadValue {
        code: "bad_value",
        message,
    };
    let gun = GunSerial::parse(serial).map_err(PayloadError::from)?;
    let body: ResumeGunBody =
        serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    OperatorId::parse(&body.operator).map_err(PayloadError::from)?;
    let length = body.reason.trim().len();
    if !(1..=ResumeGunBody::REASON_BYTES_MAX).contains(&length) {
        let most = ResumeGunBody::REASON_BYTES_MAX;
        return Err(bad(format!(
            "reason has {length} bytes; say in 1 to {most} why the gun may fire again"
        )));
    }
    Ok((gun, body))
}

async fn say_questionnaire(State(requests): State<mpsc::Sender<RoomRequest>>) -> Response {
    let (reply, answer) = oneshot::channel();
    match ask(&requests, RoomRequest::Questionnaire { reply }, answer).await {
        Ok(questionnaire) => Json(questionnaire).into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn say_state(State(requests): State<mpsc::Sender<RoomRequest>>) -> Response {
    let (reply, answer) = oneshot::channel();
    match ask(&requests, RoomRequest::State { reply }, answer).await {
        Ok(state) => Json(state).into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn ask<T>(
    requests: &mpsc::Sender<RoomRequest>,
    request: RoomRequest,
    answer: oneshot::Receiver<T>,
) -> Result<T, StepFailure> {
    let unavailable = |message: &str| StepFailure::Unavailable {
        message: message.to_owned(),
    };
    requests
        .try_send(request)
        .map_err(|_| unavailable("too many requests are waiting"))?;
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(unavailable("the driver is stopping")),
        Err(_) => Err(unavailable("the driver does not answer")),
    }
}

fn refused(status: StatusCode, code: &str, message: String) -> Response {
    let body = StepRefusedBody {
        code: code.to_owned(),
        message,
    };
    (status, Json(body)).into_response()
}
