//! What a request may say, checked before anybody is asked.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use meso_alerts::Reason;
use meso_units::{GunSerial, OperatorId, SessionId};
use serde::de::DeserializeOwned;

use crate::answer::ApiError;
use crate::app::BODY_BYTES_MAX;

/// The longest text of a request that is repeated in an answer, in characters.
const QUOTE_LENGTH_MAX: usize = 64;

/// A query string; unknown keys and wrong values are named.
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for ApiQuery<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(value)| ApiQuery(value))
            .map_err(|rejection| ApiError::BadRequest {
                part: "query",
                reason: rejection.body_text(),
            })
    }
}

/// A JSON body of at most [`BODY_BYTES_MAX`]; it must say that it is JSON.
///
/// A form or a plain-text post is what a foreign page can send without asking first, so the
/// content type is half of the guard against forged requests; the origin is the other half.
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<T, S> FromRequest<S> for ApiJson<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let declared = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
        if !declared {
            return Err(ApiError::NotJson);
        }
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|_| ApiError::BodyTooLarge {
                    max: BODY_BYTES_MAX,
                })?;
        serde_json::from_slice(&bytes)
            .map(ApiJson)
            .map_err(|error| ApiError::BadRequest {
                part: "body",
                reason: error.to_string(),
            })
    }
}

/// Reads a gun's serial number.
pub(crate) fn gun_serial(text: &str) -> Result<GunSerial, ApiError> {
    GunSerial::parse(text).map_err(|error| ApiError::BadRequest {
        part: "gun",
        reason: error.to_string(),
    })
}

/// Reads a session's identifier.
pub(crate) fn session_id(text: &str) -> Result<SessionId, ApiError> {
    SessionId::parse(text).map_err(|error| ApiError::BadRequest {
        part: "session",
        reason: error.to_string(),
    })
}

/// Reads who acts: a staff number or alias.
pub(crate) fn person(text: &str) -> Result<OperatorId, ApiError> {
    OperatorId::parse(text).map_err(|error| ApiError::BadRequest {
        part: "by",
        reason: error.to_string(),
    })
}

/// Reads why somebody acts.
pub(crate) fn reason(text: &str) -> Result<Reason, ApiError> {
    Reason::parse(text).map_err(|error| ApiError::BadRequest {
        part: "reason",
        reason: error.to_string(),
    })
}

/// Checks an alert's identifier: 1 to 64 of `0-9 a-z -`.
pub(crate) fn alert_id(text: &str) -> Result<String, ApiError> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(ApiError::BadRequest {
            part: "alert",
            reason: format!("{:?} is not 1 to 64 of 0-9, a-z and -", quote(text)),
        })
    }
}

/// Checks a number of items that is asked for.
pub(crate) fn count(
    part: &'static str,
    wanted: Option<u32>,
    default: u32,
    max: u32,
) -> Result<u32, ApiError> {
    let wanted = wanted.unwrap_or(default);
    if (1..=max).contains(&wanted) {
        Ok(wanted)
    } else {
        Err(ApiError::BadRequest {
            part,
            reason: format!("{wanted} is outside 1 to {max}"),
        })
    }
}

/// Cuts what is repeated to the sender.
pub(crate) fn quote(text: &str) -> String {
    text.chars().take(QUOTE_LENGTH_MAX).collect()
}
