//! Handlers that read.

#![allow(
    unused_qualifications,
    reason = "the path macro repeats the parameter types with their full names"
)]

use axum::Json;
use axum::extract::{Path, State};
use meso_contract::http::{
    AlertView, DayView, ErrorView, GunView, OverviewView, Page, SessionView, ShotView,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::answer::ApiError;
use crate::request::{ApiQuery, count, gun_serial, quote, session_id};
use crate::{AlertFilter, AlertState, PageRequest, WebState};

/// The most sessions or alerts of one page; more is refused with 400.
pub const LIST_LIMIT_MAX: u32 = 500;
/// Sessions or alerts of a page that does not say.
pub const LIST_LIMIT_DEFAULT: u32 = 50;
/// The most shots of one page: about nine minutes at nine shots a second, 2 MB of JSON; more is
/// refused with 400.
pub const SHOT_LIMIT_MAX: u32 = 5_000;
/// Shots of a page that does not say.
pub const SHOT_LIMIT_DEFAULT: u32 = 500;
/// The most days of a trend, two years; more is refused with 400.
pub const DAY_COUNT_MAX: u32 = 731;
/// Days of a trend that does not say.
const DAY_COUNT_DEFAULT: u32 = 90;
/// The longest `after`, in bytes; a longer one was never given and is refused with 400.
const AFTER_LENGTH_MAX: usize = 128;

type Answer<T> = Result<Json<T>, ApiError>;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// What the page before gave as `next`.
    after: Option<String>,
    /// The most items wanted.
    limit: Option<u32>,
}

impl PageQuery {
    fn check(self, default: u32, max: u32) -> Result<PageRequest, ApiError> {
        page_request(self.after, self.limit, default, max)
    }
}

/// Which page of which alerts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AlertQuery {
    /// `open`, `acknowledged`, `latched`, `resolved` or `merged`.
    state: Option<String>,
    /// Serial number of a gun.
    gun: Option<String>,
    /// A session.
    session: Option<String>,
    /// What the page before gave as `next`.
    after: Option<String>,
    /// The most items wanted.
    limit: Option<u32>,
}

/// How many shots.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LimitQuery {
    /// The most shots wanted.
    limit: Option<u32>,
}

/// How many days.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DaysQuery {
    /// The last so many calendar days.
    days: Option<u32>,
}

fn page_request(
    after: Option<String>,
    limit: Option<u32>,
    default: u32,
    max: u32,
) -> Result<PageRequest, ApiError> {
    if after.as_ref().is_some_and(|a| a.len() > AFTER_LENGTH_MAX) {
        return Err(ApiError::BadRequest {
            part: "after",
            reason: format!("it is longer than {AFTER_LENGTH_MAX} bytes"),
        });
    }
    Ok(PageRequest {
        after,
        limit: count("limit", limit, default, max)?,
    })
}

/// The numbers at a glance.
#[utoipa::path(get, path = "/api/v1/overview", tag = "board", responses(
    (status = 200, body = OverviewView), (status = 503, body = ErrorView)))]
pub(crate) async fn overview(State(state): State<WebState>) -> Answer<OverviewView> {
    state.ask(|backend| backend.overview()).await.map(Json)
}

/// Every gun known, by serial number.
#[utoipa::path(get, path = "/api/v1/guns", tag = "board", responses(
    (status = 200, body = Vec<GunView>), (status = 503, body = ErrorView)))]
pub(crate) async fn guns(State(state): State<WebState>) -> Answer<Vec<GunView>> {
    state.ask(|backend| backend.guns()).await.map(Json)
}

/// One gun.
#[utoipa::path(get, path = "/api/v1/guns/{serial}", tag = "board",
    params(("serial" = String, Path, description = "Serial number")),
    responses((status = 200, body = GunView), (status = 404, body = ErrorView)))]
pub(crate) async fn gun(
    State(state): State<WebState>,
    Path(serial): Path<String>,
) -> Answer<GunView> {
    let serial = gun_serial(&serial)?;
    state
        .ask(move |backend| backend.gun(&serial))
        .await
        .map(Json)
}

/// The newest shots of a gun, newest first.
#[utoipa::path(get, path = "/api/v1/guns/{serial}/shots", tag = "board",
    params(("serial" = String, Path, description = "Serial number"), LimitQuery),
    responses((status = 200, body = Vec<ShotView>), (status = 404, body = ErrorView)))]
pub(crate) async fn gun_shots(
    State(state): State<WebState>,
    Path(serial): Path<String>,
    ApiQuery(query): ApiQuery<LimitQuery>,
) -> Answer<Vec<ShotView>> {
    let serial = gun_serial(&serial)?;
    let limit = count("limit", query.limit, SHOT_LIMIT_DEFAULT, SHOT_LIMIT_MAX)?;
    state
        .ask(move |backend| backend.shots(&serial, limit))
        .await
        .map(Json)
}

/// Sessions, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(PageQuery),
    responses((status = 200, body = Page<SessionView>), (status = 400, body = ErrorView)))]
pub(crate) async fn sessions(
    State(state): State<WebState>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Answer<Page<SessionView>> {
    let page = query.check(LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX)?;
    state
        .ask(move |backend| backend.sessions(&page))
        .await
        .map(Json)
}

/// One session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session, 32 hexadecimal digits")),
    responses((status = 200, body = SessionView), (status = 404, body = ErrorView)))]
pub(crate) async fn session(
    State(state): State<WebState>,
    Path(id): Path<String>,
) -> Answer<SessionView> {
    let id = session_id(&id)?;
    state
        .ask(move |backend| backend.session(id))
        .await
        .map(Json)
}

/// The shots of a session, oldest first.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/shots", tag = "sessions",
    params(("id" = String, Path, description = "The session, 32 hexadecimal digits"), PageQuery),
    responses((status = 200, body = Page<ShotView>), (status = 404, body = ErrorView)))]
pub(crate) async fn session_shots(
    State(state): State<WebState>,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Answer<Page<ShotView>> {
    let id = session_id(&id)?;
    let page = query.check(SHOT_LIMIT_DEFAULT, SHOT_LIMIT_MAX)?;
    state
        .ask(move |backend| backend.session_shots(id, &page))
        .await
        .map(Json)
}

/// Alerts, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertQuery),
    responses((status = 200, body = Page<AlertView>), (status = 400, body = ErrorView)))]
pub(crate) async fn alerts(
    State(state): State<WebState>,
    ApiQuery(query): ApiQuery<AlertQuery>,
) -> Answer<Page<AlertView>> {
    let filter = AlertFilter {
        state: query.state.as_deref().map(alert_state).transpose()?,
        gun: query.gun.as_deref().map(gun_serial).transpose()?,
        session: query.session.as_deref().map(session_id).transpose()?,
    };
    let page = page_request(query.after, query.limit, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX)?;
    state
        .ask(move |backend| backend.alerts(&filter, &page))
        .await
        .map(Json)
}

fn alert_state(word: &str) -> Result<AlertState, ApiError> {
    AlertState::parse(word).ok_or_else(|| ApiError::BadRequest {
        part: "state",
        reason: format!(
            "{:?} is not open, acknowledged, latched, resolved or merged",
            quote(word)
        ),
    })
}

/// The last days, oldest first.
#[utoipa::path(get, path = "/api/v1/days", tag = "trends", params(DaysQuery),
    responses((status = 200, body = Vec<DayView>), (status = 400, body = ErrorView)))]
pub(crate) async fn days(
    State(state): State<WebState>,
    ApiQuery(query): ApiQuery<DaysQuery>,
) -> Answer<Vec<DayView>> {
    let days = count("days", query.days, DAY_COUNT_DEFAULT, DAY_COUNT_MAX)?;
    state.ask(move |backend| backend.days(days)).await.map(Json)
}
