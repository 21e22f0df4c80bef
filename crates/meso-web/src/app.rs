//! All routes in one place.

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::answer::ApiError;
use crate::{WebState, actions, assets, events, guard, health, lists, openapi, rooms};

/// The largest request body; a larger one is answered 413. The largest that means anything has
/// some 200 bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Builds the router of the whole HTTP interface; nothing is opened.
pub fn app(state: WebState) -> Router {
    Router::new()
        .route("/", get(assets::index))
        .route("/assets/{*path}", get(assets::asset))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .nest("/api/v1", api())
        .fallback(assets::other)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

fn api() -> Router<WebState> {
    Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/overview", get(lists::overview))
        .route("/guns", get(lists::guns))
        .route("/guns/{serial}", get(lists::gun))
        .route("/guns/{serial}/shots", get(lists::gun_shots))
        .route("/sessions", get(lists::sessions))
        .route("/sessions/{id}", get(lists::session))
        .route("/sessions/{id}/shots", get(lists::session_shots))
        .route("/alerts", get(lists::alerts))
        .route("/alerts/{id}/acknowledge", post(actions::acknowledge))
        .route("/alerts/{id}/resolve", post(actions::resolve))
        .route("/alerts/{id}/silence", post(actions::silence))
        .route(
            "/rooms/{room}/retirement",
            get(rooms::retirement).post(rooms::retire),
        )
        .route("/days", get(lists::days))
        .route("/reports", post(actions::report))
        .route("/demo/guns/{serial}/trigger", post(actions::trigger))
        .route("/events", get(events::events))
}

async fn no_such_method(request: Request) -> ApiError {
    ApiError::NoSuchMethod {
        method: crate::request::quote(request.method().as_str()),
    }
}

/// A panic is a bug of ours, but it must not take the connection and its reason with it.
fn panicked(_reason: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::Internal.into_response()
}
