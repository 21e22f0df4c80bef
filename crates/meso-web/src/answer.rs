//! Errors as answers: a status, a stable code and a sentence.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use meso_contract::http::ErrorView;

use crate::BackendError;

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// The backend said no.
    #[error(transparent)]
    Backend(BackendError),
    /// Part of the request cannot be read.
    #[error("{part} is wrong: {reason}")]
    BadRequest { part: &'static str, reason: String },
    /// A body larger than any request needs.
    #[error("request body is above the limit of {max} bytes")]
    BodyTooLarge { max: usize },
    /// A body that does not say that it is JSON.
    #[error("content type is not application/json; send JSON and say so")]
    NotJson,
    /// Asked under a name that is not this server's.
    #[error(
        "host {host:?} is not a name of this server; open it as localhost or by the address it is bound to"
    )]
    HostNotAllowed { host: String },
    /// A page of somebody else tries to change something.
    #[error("origin {origin:?} may not change anything here; use this server's own pages")]
    OriginNotAllowed { origin: String },
    /// Nothing is here.
    #[error("nothing is at {path}; the interface is described at /api/v1/openapi.json")]
    NoSuchPath { path: String },
    /// Something is here, but not for this method.
    #[error(
        "method {method} is not for this path; the interface is described at /api/v1/openapi.json"
    )]
    NoSuchMethod { method: String },
    /// All event streams are taken.
    #[error("{max} event streams are open, which is the limit; close another page and reload")]
    TooManyStreams { max: usize },
    /// All turns are taken.
    #[error("the server is busy; try again in a moment")]
    Busy,
    /// Ours.
    #[error("the server made a mistake; its log says more")]
    Internal,
}

impl ApiError {
    /// The status and the stable code.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::Backend(error) => match error {
                BackendError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
                BackendError::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
                BackendError::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
                BackendError::Unavailable { .. } => {
                    (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
                }
            },
            ApiError::BadRequest { .. } => (StatusCode::BAD_REQUEST, "invalid"),
            ApiError::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            ApiError::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json"),
            ApiError::HostNotAllowed { .. } => {
                (StatusCode::MISDIRECTED_REQUEST, "host_not_allowed")
            }
            ApiError::OriginNotAllowed { .. } => (StatusCode::FORBIDDEN, "origin_not_allowed"),
            ApiError::NoSuchPath { .. } => (StatusCode::NOT_FOUND, "no_such_path"),
            ApiError::NoSuchMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "no_such_method"),
            ApiError::TooManyStreams { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams")
            }
            ApiError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ApiError::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        let body = ErrorView {
            code: code.to_owned(),
            message: self.to_string(),
        };
        (status, Json(body)).into_response()
    }
}
