//! The page's files, embedded.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use meso_contract::pages::content_type;
use rust_embed::RustEmbed;

/// What the room's page was built into; empty where it was not built.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../dashboards/web/dist-room"]
#[allow_missing = true]
struct Dist;

/// The page where it was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <title>Treatment room</title></head><body><h1>Treatment room</h1>\
    <p>The page is not built: run <code>cargo xtask web</code>, then build again. \
    <code>mesofleet-driver session</code> and <code>mesofleet-driver gun stop</code> work without \
    it.</p></body></html>\n";

/// Serves the page, or says how to build it.
pub(crate) async fn index() -> Response {
    match Dist::get("room.html") {
        Some(file) => ([(CACHE_CONTROL, "no-cache")], Html(file.data.into_owned())).into_response(),
        None => Html(NOT_BUILT).into_response(),
    }
}

/// Serves the page's icon.
pub(crate) async fn icon() -> Response {
    served("icon.svg", "no-cache")
}

/// Serves a file whose name carries a hash of its content, so that it never changes.
pub(crate) async fn asset(Path(path): Path<String>) -> Response {
    served(
        &format!("assets/{path}"),
        "public, max-age=31536000, immutable",
    )
}

fn served(path: &str, caching: &'static str) -> Response {
    match Dist::get(path) {
        Some(file) => (
            [(CACHE_CONTROL, caching), (CONTENT_TYPE, content_type(path))],
            file.data.into_owned(),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
