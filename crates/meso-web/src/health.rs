//! Health, readiness and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use meso_contract::http::ReadyView;
use meso_contract::metric_names as names;

use crate::WebState;
use crate::answer::ApiError;

/// Says that the process answers; nothing else is looked at.
#[utoipa::path(get, path = "/healthz", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether it takes work: 200 if so, else 503 and what it waits for.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, body = ReadyView), (status = 503, body = ReadyView)))]
pub(crate) async fn readyz(State(state): State<WebState>) -> Result<Response, ApiError> {
    let view = state.ask(|backend| Ok(backend.ready())).await?;
    let status = if view.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(view)).into_response())
}

/// Prints the metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(State(state): State<WebState>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind)], state.render_metrics()).into_response()
}

/// Tells the installed recorder what each metric means; call it once, after installing one.
///
/// A metric without a description has no `HELP` line, and `promtool check metrics` says so.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_counter!(
        names::SHOTS_STORED_TOTAL,
        Unit::Count,
        "Shots stored since the start, by clinic."
    );
    describe_counter!(
        names::BLOCKS_COMMITTED_TOTAL,
        Unit::Count,
        "Record blocks committed since the start."
    );
    describe_counter!(
        names::BLOCKS_DUPLICATE_TOTAL,
        Unit::Count,
        "Record blocks that came again since the start."
    );
    describe_counter!(
        names::LATE_FINDINGS_TOTAL,
        Unit::Count,
        "Verdicts on sessions that late shots changed, since the start."
    );
    describe_counter!(
        names::PATIENTS_MERGED_TOTAL,
        Unit::Count,
        "Ids of patients that turned out to be another one's, too, since the start."
    );
    describe_counter!(
        names::QUARANTINED_TOTAL,
        Unit::Count,
        "Records and payloads put in quarantine since the start."
    );
    describe_counter!(
        names::CONFLICTS_TOTAL,
        Unit::Count,
        "Shots and blocks since the start that say something else than the one held in their place."
    );
    describe_counter!(
        names::CONTRADICTIONS_TOTAL,
        Unit::Count,
        "Shots since the start of which edge and server judge the same facts differently."
    );
    describe_counter!(
        names::PROVISIONAL_SHOTS_TOTAL,
        Unit::Count,
        "Shots since the start that were judged while older ones of their gun were awaited."
    );
    describe_gauge!(
        names::INQUIRIES_OPEN,
        Unit::Count,
        "Guns and epochs of which something is missing or uncertain, and asked for."
    );
    describe_histogram!(
        names::COMMIT_SECONDS,
        Unit::Seconds,
        "How long a commit of the ingest takes."
    );
    describe_gauge!(names::LEDGER_SIZE, Unit::Count, "Leaves of the ledger.");
    describe_gauge!(names::ALERTS_OPEN, Unit::Count, "Open alerts, by severity.");
    describe_gauge!(names::GUNS_ATTACHED, Unit::Count, "Guns that are attached.");
    describe_gauge!(
        names::EVENT_STREAMS,
        Unit::Count,
        "Event streams that are open."
    );
    describe_letters();
    describe_store();
}

fn describe_store() {
    use metrics::{Unit, describe_counter, describe_gauge};

    describe_counter!(
        names::BLOCKS_DEFERRED_TOTAL,
        Unit::Count,
        "Blocks that are not settled and have to come again, since the start."
    );
    describe_counter!(
        names::NOT_UNDERSTOOD_TOTAL,
        Unit::Count,
        "Messages that a newer driver may have written rightly, since the start."
    );
    describe_gauge!(
        names::INGEST_FAILING,
        Unit::Count,
        "1 while nothing can be made durable, else 0; /readyz says why."
    );
    describe_gauge!(
        names::STORE_WRITES_UNDER_WAY,
        Unit::Count,
        "Writes to the InfluxDB that are begun and not answered."
    );
}

fn describe_letters() {
    use metrics::{Unit, describe_counter};

    describe_counter!(
        names::LETTERS_POSTED_TOTAL,
        Unit::Count,
        "Letters about alerts that arrived since the start, by channel."
    );
    describe_counter!(
        names::LETTERS_FAILED_TOTAL,
        Unit::Count,
        "Tries since the start to post a letter that failed, by channel."
    );
}
