//! Handlers about rooms that never come back.

use axum::Json;
use axum::extract::{Path, State};
use meso_contract::http::{ErrorView, RetireRoomBody, RetiredRoomView, RetirementView};
use meso_units::DriverId;

use crate::WebState;
use crate::answer::ApiError;
use crate::backend::RetireRoom;
use crate::request::{ApiJson, person, reason};

fn room_id(text: &str) -> Result<DriverId, ApiError> {
    DriverId::parse(text).map_err(|error| ApiError::BadRequest {
        part: "room",
        reason: error.to_string(),
    })
}

/// Says what retiring a room would declare; it changes nothing.
#[utoipa::path(get, path = "/api/v1/rooms/{room}/retirement", tag = "rooms",
    params(("room" = String, Path, description = "The room, by its driver")),
    responses((status = 200, body = RetirementView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub(crate) async fn retirement(
    State(state): State<WebState>,
    Path(room): Path<String>,
) -> Result<Json<RetirementView>, ApiError> {
    let room = room_id(&room)?;
    let asked = state.ask(move |backend| backend.retirement(&room));
    asked.await.map(Json)
}

/// Retires a room that never comes back: what is awaited from it is declared, in the ledger, on this
/// person's word. What comes after all fills it.
#[utoipa::path(post, path = "/api/v1/rooms/{room}/retirement", tag = "rooms",
    params(("room" = String, Path, description = "The room, by its driver")),
    request_body = RetireRoomBody,
    responses((status = 200, body = RetiredRoomView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub(crate) async fn retire(
    State(state): State<WebState>,
    Path(room): Path<String>,
    ApiJson(body): ApiJson<RetireRoomBody>,
) -> Result<Json<RetiredRoomView>, ApiError> {
    let wanted = RetireRoom {
        room: room_id(&room)?,
        by: person(&body.by)?,
        reason: reason(&body.reason)?,
        gap_count: body.gap_count,
        shot_count: body.shot_count,
    };
    let done = state.ask(move |backend| backend.retire_room(wanted));
    done.await.map(Json)
}
