//! The routes.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use meso_contract::PayloadError;
use meso_contract::room::{
    InhibitGunBody, PatientCodeBody, ResumeGunBody, RoomStepBody, ScanBody, ScannedBody,
    ScreeningAnswersBody,
};
use meso_units::{GunSerial, OperatorId, ProtocolId};
use serde::de::DeserializeOwned;

use crate::guard::{Caller, guard};
use crate::{Room, RoomRequest, StepFailure, StopRequest, door, events, gs1, page};

/// The longest body in bytes; a longer one is answered with 413.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The room's routes and its page.
pub fn app(room: Room) -> Router {
    Router::new()
        .route("/api/v1/steps", post(take_step))
        .route("/api/v1/guns/{serial}/resume", post(resume_gun))
        .route("/api/v1/guns/{serial}/inhibit", post(inhibit_gun))
        .route("/api/v1/questionnaire", get(say_questionnaire))
        .route("/api/v1/state", get(say_state))
        .route("/api/v1/live", get(say_live))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/library", get(say_library))
        .route("/api/v1/history", get(say_history))
        .route("/api/v1/scan", post(scan))
        .route("/api/v1/patients", post(find_patient))
        .route("/api/v1/sign-in", get(door::show_door))
        .route("/api/v1/sign-in", post(door::sign_in))
        .route("/api/v1/sign-in", axum::routing::delete(door::sign_out))
        .route("/api/v1/sign-in/touch", post(door::touch))
        .route("/", get(page::index))
        .route("/icon.svg", get(page::icon))
        .route("/assets/{*path}", get(page::asset))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(room.clone(), guard))
        .with_state(room)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, StepFailure> {
    serde_json::from_slice(body).map_err(|error| StepFailure::bad(error.to_string()))
}

async fn take_step(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, StepFailure> {
    // Whoever may not act learns nothing of what is wrong with the step.
    caller.may_act_as(&[])?;
    let step: Box<RoomStepBody> = read(&body)?;
    caller.may_act_as(&names_in(&step))?;
    if let RoomStepBody::Override(body) = &*step {
        caller.may_answer_for(&body.operator)?;
    }
    let taken = room
        .ask(|reply| RoomRequest::Step { step, reply })
        .await??;
    Ok(Json(taken).into_response())
}

/// In whose name a step is taken. Where a prescriber decides on answers, it is the prescriber,
/// whoever asked.
fn names_in(step: &RoomStepBody) -> Vec<&str> {
    match step {
        RoomStepBody::Open(open) => {
            let asked = open.screening.as_ref().map(said_by);
            std::iter::once(open.operator.as_str())
                .chain(asked)
                .collect()
        }
        RoomStepBody::Screening(body) => vec![said_by(&body.screening)],
        RoomStepBody::Patient(body) => vec![&body.operator],
        RoomStepBody::Details(body) => vec![&body.operator],
        RoomStepBody::Course(body) => vec![&body.operator],
        RoomStepBody::Segment(body) => vec![&body.operator],
        RoomStepBody::Material(body) => vec![&body.operator],
        RoomStepBody::HandOver(body) => vec![&body.operator],
        RoomStepBody::Manual(body) => vec![&body.operator],
        RoomStepBody::Override(body) => vec![&body.operator],
        RoomStepBody::Pause { operator, .. } => operator.iter().map(String::as_str).collect(),
        RoomStepBody::SamePatient(body) => vec![&body.operator],
        RoomStepBody::AdverseEvent(body) => vec![&body.operator],
        RoomStepBody::Addendum(body) => vec![&body.operator],
        RoomStepBody::Amend(body) => vec![&body.operator],
        RoomStepBody::Claim(body) => vec![&body.operator],
        RoomStepBody::Resume { .. } | RoomStepBody::End { .. } => Vec::new(),
    }
}

fn said_by(answers: &ScreeningAnswersBody) -> &str {
    let decision = answers.decision.as_ref();
    decision.map_or(&answers.asked_by, |decision| &decision.by)
}

async fn resume_gun(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
    Path(serial): Path<String>,
    body: Bytes,
) -> Result<Response, StepFailure> {
    caller.may_act_as(&[])?;
    let gun = GunSerial::parse(&serial).map_err(PayloadError::from)?;
    let body: ResumeGunBody = read(&body)?;
    OperatorId::parse(&body.operator).map_err(PayloadError::from)?;
    let length = body.reason.trim().len();
    if !(1..=ResumeGunBody::REASON_BYTES_MAX).contains(&length) {
        let most = ResumeGunBody::REASON_BYTES_MAX;
        return Err(StepFailure::bad(format!(
            "reason has {length} bytes; say in 1 to {most} why the gun may fire again"
        )));
    }
    caller.may_answer_for(&body.operator)?;
    let ask = |reply| RoomRequest::ResumeGun { gun, body, reply };
    Ok(Json(room.ask(ask).await??).into_response())
}

/// Stops a gun. Nobody needs permission for that: what is wrong is the gun that goes on. Who is
/// signed in is put down; of a program, whom it names.
async fn inhibit_gun(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
    Path(serial): Path<String>,
    body: Bytes,
) -> Result<Response, StepFailure> {
    let gun = GunSerial::parse(&serial).map_err(PayloadError::from)?;
    let mut body: InhibitGunBody = read(&body)?;
    // A reason that is too long stops the gun all the same.
    let mut length = body.reason.len().min(ResumeGunBody::REASON_BYTES_MAX);
    while !body.reason.is_char_boundary(length) {
        length -= 1;
    }
    body.reason.truncate(length);
    let is_named = |name: &String| OperatorId::parse(name).is_ok();
    body.operator = match &caller {
        Caller::Program => body.operator.filter(is_named),
        other => other
            .may_act_as(&[])
            .ok()
            .and(other.person())
            .map(|it| it.id.clone()),
    };
    let stop = |reply| StopRequest { gun, body, reply };
    Ok(Json(room.stop(stop).await??).into_response())
}

async fn say_questionnaire(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, StepFailure> {
    caller.may_look()?;
    let questions = room
        .ask(|reply| RoomRequest::Questionnaire { reply })
        .await?;
    Ok(Json(questions).into_response())
}

async fn say_state(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, StepFailure> {
    caller.may_look()?;
    let state = room.ask(|reply| RoomRequest::State { reply }).await?;
    Ok(Json(state).into_response())
}

async fn say_live(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, StepFailure> {
    caller.may_look()?;
    let live = room.ask(|reply| RoomRequest::Live { reply }).await?;
    Ok(Json(live).into_response())
}

async fn say_library(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, StepFailure> {
    caller.may_look()?;
    let library = room.ask(|reply| RoomRequest::Library { reply }).await?;
    Ok(Json(library).into_response())
}

/// Reads a code; nothing is kept of it.
async fn scan(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, StepFailure> {
    caller.may_look()?;
    let body: ScanBody = read(&body)?;
    let today = room.today();
    let scanned = gs1::parse(&body.text, today.year()).map_err(|error| StepFailure::BadValue {
        code: "code_unreadable",
        message: error.to_string(),
    })?;
    let said = ScannedBody {
        gtin: scanned.gtin,
        lot: scanned.lot,
        expiry: scanned.expiry.map(|day| day.to_string()),
        expired: scanned.expiry.is_some_and(|day| day < today),
        serial: scanned.serial,
    };
    Ok(Json(said).into_response())
}

async fn find_patient(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, StepFailure> {
    caller.may_act_as(&[])?;
    let body: PatientCodeBody = read(&body)?;
    let protocol = body.protocol.as_deref().map(ProtocolId::parse);
    let protocol = protocol.transpose().map_err(PayloadError::from)?;
    let keys = room.shared.patients.as_ref();
    let tag = keys
        .map_err(|problem| StepFailure::unavailable(problem.clone()))?
        .tag(&body.code)?;
    let known = room
        .ask(|reply| RoomRequest::Patient {
            tag,
            protocol,
            reply,
        })
        .await??;
    Ok(Json(known).into_response())
}

async fn say_history(
    State(room): State<Room>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, StepFailure> {
    // Whom a session is about is none of a locked screen's business, nor is what was said of it.
    caller.may_act_as(&[])?;
    let history = room.ask(|reply| RoomRequest::History { reply }).await?;
    Ok(Json(history).into_response())
}
