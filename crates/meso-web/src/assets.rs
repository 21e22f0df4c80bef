//! The dashboards' files, embedded.

use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use meso_contract::pages::content_type;
use rust_embed::RustEmbed;

use crate::answer::ApiError;
use crate::request::quote;

/// What `dashboards/web` was built into; empty where it was not built.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../dashboards/web/dist"]
#[allow_missing = true]
struct Dist;

/// The page where the dashboards were not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <title>Mesofleet</title></head><body><h1>Mesofleet</h1>\
    <p>The dashboard is not built: run <code>cargo xtask web</code>, then build again.</p>\
    <p>The interface works without it: <a href=\"/api/v1/guns\">guns</a>, \
    <a href=\"/api/v1/sessions\">sessions</a>, <a href=\"/api/v1/alerts\">alerts</a>, \
    <a href=\"/api/v1/openapi.json\">its description</a>.</p></body></html>\n";

/// Serves the board, or says how to build it.
pub(crate) async fn index() -> Response {
    match Dist::get("index.html") {
        Some(file) => ([(CACHE_CONTROL, "no-cache")], Html(file.data.into_owned())).into_response(),
        None => ([(CACHE_CONTROL, "no-store")], Html(NOT_BUILT)).into_response(),
    }
}

/// Serves a file whose name carries a hash of its content, so that it never changes.
pub(crate) async fn asset(Path(path): Path<String>) -> Result<Response, ApiError> {
    let path = format!("assets/{path}");
    match Dist::get(&path) {
        Some(file) => Ok((
            StatusCode::OK,
            [
                (CACHE_CONTROL, "public, max-age=31536000, immutable"),
                (CONTENT_TYPE, content_type(&path)),
            ],
            file.data.into_owned(),
        )
            .into_response()),
        None => Err(ApiError::NoSuchPath {
            path: format!("/{}", quote(&path)),
        }),
    }
}

/// Serves the few files that lie beside the page (its icon), else says that nothing is here.
pub(crate) async fn other(request: Request) -> Result<Response, ApiError> {
    let path = request.uri().path();
    let beside = path.trim_start_matches('/');
    let plain = !beside.contains('/') && beside.ends_with(".svg");
    match plain.then(|| Dist::get(beside)).flatten() {
        Some(file) => Ok((
            [
                (CACHE_CONTROL, "no-cache"),
                (CONTENT_TYPE, content_type(beside)),
            ],
            file.data.into_owned(),
        )
            .into_response()),
        None => Err(ApiError::NoSuchPath { path: quote(path) }),
    }
}
