//! Signing in at the screen, and out.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use meso_contract::room::{DoorBody, DoorGunBody, LiveBody, PersonBody, SignInBody};

use crate::guard::{COOKIE_NAME, Caller, key_of};
use crate::people::{People, PeopleError};
use crate::sign_ins::{IDLE_LOCK_MS, Standing};
use crate::{Room, RoomRequest, StepFailure};

/// Under this name the tries of all badges and of people who are not on the list are counted.
const OTHERS: &str = "";

/// Says who may sign in, who is, and which guns can be stopped.
pub(crate) async fn show_door(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, StepFailure> {
    let live = room.ask(|reply| RoomRequest::Live { reply }).await?;
    let signed_in = match &caller {
        Caller::Person(Standing::Locked(_)) => None,
        other => other.person().cloned(),
    };
    Ok(Json(door(&people(&room)?, signed_in, live)).into_response())
}

fn door(people: &People, signed_in: Option<PersonBody>, live: LiveBody) -> DoorBody {
    let guns = live.guns.into_iter().map(|it| DoorGunBody {
        serial: it.gun.serial,
        attached: it.gun.attached,
        can_be_stopped: it.can_be_stopped,
        inhibited: it.gun.inhibited,
    });
    DoorBody {
        people: people.list(),
        signed_in,
        idle_lock_s: u32::try_from(IDLE_LOCK_MS / 1_000).unwrap_or(u32::MAX),
        guns: guns.collect(),
    }
}

/// Signs somebody in.
pub(crate) async fn sign_in(
    State(room): State<Room>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StepFailure> {
    let body: SignInBody =
        serde_json::from_slice(&body).map_err(|error| StepFailure::bad(error.to_string()))?;
    let people = people(&room)?;
    let is_listed = |id: &String| people.list().iter().any(|person| person.id == *id);
    let who = body.person.clone().filter(is_listed);
    let who = who.unwrap_or_else(|| OTHERS.to_owned());
    // One after the other, so that no two tries pass the same look at the count.
    let turn = room.shared.hashing.lock().await;
    room.sign_ins()
        .may_try(room.now_ms(), &who)
        .map_err(|wait_s| StepFailure::TooManyTries { wait_s })?;
    let found = tokio::task::spawn_blocking(move || find(&people, &body));
    let found = found
        .await
        .map_err(|_| StepFailure::unavailable("the PIN could not be looked at"))??;
    let now_ms = room.now_ms();
    let Some(person) = found else {
        room.sign_ins().wrong(now_ms, &who);
        return Err(StepFailure::NotAllowed {
            status: StatusCode::UNAUTHORIZED,
            code: "not_known",
            message: "that is not right: try again".to_owned(),
        });
    };
    drop(turn);
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| StepFailure::unavailable(error.to_string()))?;
    let key = hex::encode(key);
    let cookie = format!("{COOKIE_NAME}={key}; Path=/; HttpOnly; SameSite=Strict");
    {
        let mut sign_ins = room.sign_ins();
        if let Some(before) = key_of(&headers) {
            sign_ins.sign_out(before);
        }
        sign_ins.right(now_ms, &who, person.clone(), key);
    }
    Ok(([(SET_COOKIE, cookie)], Json(person)).into_response())
}

fn find(people: &People, body: &SignInBody) -> Result<Option<PersonBody>, StepFailure> {
    let found = match (&body.person, &body.pin, &body.badge) {
        (Some(person), Some(pin), None) => people.by_pin(person, pin),
        (None, None, Some(badge)) => people.by_badge(badge),
        _ => return Err(StepFailure::bad("send person and pin, or badge")),
    };
    found.map_err(|error| StepFailure::unavailable(error.to_string()))
}

/// Keeps an open screen open.
pub(crate) async fn touch(State(room): State<Room>, headers: HeaderMap) -> StatusCode {
    if let Some(key) = key_of(&headers) {
        room.sign_ins().touch(room.now_ms(), key);
    }
    StatusCode::NO_CONTENT
}

/// Signs out.
pub(crate) async fn sign_out(State(room): State<Room>, headers: HeaderMap) -> Response {
    if let Some(key) = key_of(&headers) {
        room.sign_ins().sign_out(key);
    }
    let gone = format!("{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::NO_CONTENT, [(SET_COOKIE, gone)]).into_response()
}

fn people(room: &Room) -> Result<People, StepFailure> {
    People::read(&room.shared.folder).map_err(|error: PeopleError| {
        tracing::error!(%error, "nobody can sign in");
        StepFailure::unavailable(error.to_string())
    })
}
