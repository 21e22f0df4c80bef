//! What the room asks of the driver, and why it may be refused.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use meso_contract::PayloadError;
use meso_contract::room::{
    InhibitGunBody, LiveBody, PatientBody, QuestionnaireBody, ResumeGunBody, RoomGunBody,
    RoomHistoryBody, RoomLibraryBody, RoomStateBody, RoomStepBody, StepRefusedBody, StepTakenBody,
};
use meso_sessions::Refusal;
use meso_units::{GunSerial, ProtocolId};
use tokio::sync::oneshot;

use crate::CodeTag;

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
    /// Say what was said of sessions.
    History {
        /// Takes the answer.
        reply: oneshot::Sender<RoomHistoryBody>,
    },
    /// Find the patient of a code, who is linked to an id where that is the first time, and answer when
    /// that is on the disk.
    Patient {
        /// The tag of the code; the code itself comes no further than the room's interface.
        tag: CodeTag,
        /// The protocol under which the course so far is asked for.
        protocol: Option<ProtocolId>,
        /// Takes the answer: what the room knows of the patient.
        reply: oneshot::Sender<Result<PatientBody, StepFailure>>,
    },
    /// Say how the room is.
    State {
        /// Takes the answer.
        reply: oneshot::Sender<RoomStateBody>,
    },
    /// Say how the room is as its page shows it.
    Live {
        /// Takes the answer.
        reply: oneshot::Sender<LiveBody>,
    },
    /// Say what may be chosen.
    Library {
        /// Takes the answer.
        reply: oneshot::Sender<RoomLibraryBody>,
    },
}

/// A hand at STOP. It goes another way than [`RoomRequest`], so that it waits for nothing.
#[derive(Debug)]
pub struct StopRequest {
    /// The gun.
    pub gun: GunSerial,
    /// Who, and why.
    pub body: InhibitGunBody,
    /// Takes the answer once the gun was told.
    pub reply: oneshot::Sender<Result<RoomGunBody, StepFailure>>,
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
    /// Somebody else would have to ask: 401 where nobody is known, else 403.
    #[error("{message}")]
    NotAllowed {
        /// 401 or 403.
        status: StatusCode,
        /// A stable code.
        code: &'static str,
        /// What to do.
        message: String,
    },
    /// Too many tries: 429.
    #[error("too many wrong tries: wait {wait_s} s, or ask another person to sign in")]
    TooManyTries {
        /// How long.
        wait_s: u64,
    },
    /// The driver cannot keep it now: 503.
    #[error("the step cannot be kept now: {message}")]
    Unavailable {
        /// Why.
        message: String,
    },
}

impl StepFailure {
    pub(crate) fn bad(message: impl Into<String>) -> StepFailure {
        StepFailure::BadValue {
            code: "bad_value",
            message: message.into(),
        }
    }

    /// The driver cannot keep it now.
    pub fn unavailable(message: impl Into<String>) -> StepFailure {
        StepFailure::Unavailable {
            message: message.into(),
        }
    }

    pub(crate) fn forbidden(code: &'static str, message: impl Into<String>) -> StepFailure {
        StepFailure::NotAllowed {
            status: StatusCode::FORBIDDEN,
            code,
            message: message.into(),
        }
    }
}

impl From<PayloadError> for StepFailure {
    fn from(error: PayloadError) -> StepFailure {
        StepFailure::bad(error.to_string())
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
            StepFailure::NotAllowed { status, code, .. } => (status, code),
            StepFailure::TooManyTries { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_tries"),
            StepFailure::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let body = StepRefusedBody {
            code: code.to_owned(),
            message,
        };
        (status, Json(body)).into_response()
    }
}
