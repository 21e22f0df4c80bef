//! The description of the interface.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use meso_contract::http::LiveEvent;
use utoipa::OpenApi;

use crate::answer::ApiError;
use crate::{actions, events, health, lists, rooms};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Mesofleet",
        description = "Telemetry and compliance for fleets of mesotherapy injector guns. \
            Times are milliseconds since 1970 (UTC); units are in the names.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        lists::overview,
        lists::guns,
        lists::gun,
        lists::gun_shots,
        lists::sessions,
        lists::session,
        lists::session_shots,
        lists::alerts,
        actions::acknowledge,
        actions::resolve,
        actions::silence,
        rooms::retirement,
        rooms::retire,
        lists::days,
        actions::report,
        actions::trigger,
        events::events,
        health::healthz,
        health::readyz,
        health::metrics,
    ),
    components(schemas(LiveEvent))
)]
struct Description;

/// The OpenAPI description as JSON text that ends with a line feed.
///
/// The version in it is that of the interface, not of the program, so that a release alone does
/// not change the file.
///
/// # Errors
///
/// The text of the writer's error; no known description causes one.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let mut description = Description::openapi();
    description.info.version = "1".to_owned();
    let mut text = serde_json::to_string_pretty(&description)?;
    text.push('\n');
    Ok(text)
}

/// Serves the description.
pub(crate) async fn document() -> Result<Response, ApiError> {
    let text = openapi_json().map_err(|_| ApiError::Internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
