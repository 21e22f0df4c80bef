//! Handlers that change something or make a file.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use meso_alerts::Deed;
use meso_contract::http::{
    AcknowledgeBody, AlertView, ErrorView, ReportRequest, ResolveBody, SilenceBody,
};

use crate::WebState;
use crate::answer::ApiError;
use crate::request::{ApiJson, alert_id, gun_serial, person, reason, session_id};

/// Marks an alert as seen.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/acknowledge", tag = "alerts",
    params(("id" = String, Path, description = "The alert")),
    request_body = AcknowledgeBody,
    responses((status = 200, body = AlertView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub(crate) async fn acknowledge(
    State(state): State<WebState>,
    Path(id): Path<String>,
    ApiJson(body): ApiJson<AcknowledgeBody>,
) -> Result<Json<AlertView>, ApiError> {
    let id = alert_id(&id)?;
    let by = person(&body.by)?;
    handle(&state, id, Deed::Acknowledge { by }).await
}

/// Says that an alert is over.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/resolve", tag = "alerts",
    params(("id" = String, Path, description = "The alert")),
    request_body = ResolveBody,
    responses((status = 200, body = AlertView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub(crate) async fn resolve(
    State(state): State<WebState>,
    Path(id): Path<String>,
    ApiJson(body): ApiJson<ResolveBody>,
) -> Result<Json<AlertView>, ApiError> {
    let id = alert_id(&id)?;
    let (by, reason) = (person(&body.by)?, reason(&body.reason)?);
    handle(&state, id, Deed::Close { by, reason }).await
}

/// Lets nobody hear of an alert for a while; it stays on the board.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/silence", tag = "alerts",
    params(("id" = String, Path, description = "The alert")),
    request_body = SilenceBody,
    responses((status = 200, body = AlertView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub(crate) async fn silence(
    State(state): State<WebState>,
    Path(id): Path<String>,
    ApiJson(body): ApiJson<SilenceBody>,
) -> Result<Json<AlertView>, ApiError> {
    let id = alert_id(&id)?;
    let (by, reason) = (person(&body.by)?, reason(&body.reason)?);
    let for_ns = i64::from(body.minutes) * 60 * 1_000_000_000;
    handle(&state, id, Deed::Silence { by, for_ns, reason }).await
}

async fn handle(state: &WebState, id: String, deed: Deed) -> Result<Json<AlertView>, ApiError> {
    let done = state.ask(move |backend| backend.handle_alert(&id, deed));
    done.await.map(Json)
}

/// Presses the trigger of an emulated gun that waits for it; demonstration only.
#[utoipa::path(post, path = "/api/v1/demo/guns/{serial}/trigger", tag = "demonstration",
    params(("serial" = String, Path, description = "Serial number")),
    request_body = Empty,
    responses((status = 204), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn trigger(
    State(state): State<WebState>,
    Path(serial): Path<String>,
    ApiJson(Empty {}): ApiJson<Empty>,
) -> Result<StatusCode, ApiError> {
    let serial = gun_serial(&serial)?;
    state
        .ask(move |backend| backend.trigger_demo_gun(&serial))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An empty object: the request says everything in its path.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Empty {}

/// Exports a report bundle as a ZIP file.
#[utoipa::path(post, path = "/api/v1/reports", tag = "reports",
    request_body = ReportRequest,
    responses((status = 200, content_type = "application/zip", body = Vec<u8>),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub(crate) async fn report(
    State(state): State<WebState>,
    ApiJson(request): ApiJson<ReportRequest>,
) -> Result<Response, ApiError> {
    let name = report_name(&request)?;
    let bytes = state
        .ask(move |backend| backend.export_report(&request))
        .await?;
    let headers = [
        (CONTENT_TYPE, "application/zip".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, bytes).into_response())
}

/// Checks the selection and names its file; only checked identifiers reach the header.
fn report_name(request: &ReportRequest) -> Result<String, ApiError> {
    if let (Some(from), Some(to)) = (request.from_ms, request.to_ms)
        && from >= to
    {
        return Err(ApiError::BadRequest {
            part: "to_ms",
            reason: format!("{to} is not after from_ms {from}"),
        });
    }
    let mut name = "mesofleet-report".to_owned();
    if let Some(gun) = &request.gun {
        name.push('-');
        name.push_str(gun_serial(gun)?.as_str());
    }
    if let Some(session) = &request.session {
        name.push('-');
        name.push_str(&session_id(session)?.to_string());
    }
    name.push_str(".zip");
    Ok(name)
}
