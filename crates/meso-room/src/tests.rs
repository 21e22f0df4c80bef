use axum::body::{Body, to_bytes};
use axum::http::Request as HttpRequest;
use tower::ServiceExt;

use super::*;

fn room() -> (
    Router,
    mpsc::Receiver<StepRequest>,
    watch::Sender<RoomStateBody>,
    Token,
) {
    let token = Token::from_bytes([7; 32]);
    let (steps, requests) = mpsc::channel(1);
    let (publish, state) = watch::channel(RoomStateBody::default());
    (
        app(RoomState {
            token: token.clone(),
            steps,
            state,
        }),
        requests,
        publish,
        token,
    )
}

fn request(path: &str, token: &str, body: Option<&str>) -> HttpRequest<Body> {
    let builder = HttpRequest::builder()
        .uri(path)
        .header("authorization", format!("Bearer {token}"));
    match body {
        None => builder.body(Body::empty()),
        Some(body) => builder
            .method("POST")
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned())),
    }
    .unwrap()
}

const PAUSE: &str = r#"{"pause":{"session":"11111111111111111111111111111111"}}"#;

#[tokio::test]
async fn nobody_without_the_token_is_let_in() {
    let (app, _requests, _publish, token) = room();
    let wrong = app
        .clone()
        .oneshot(request("/api/v1/state", "guess", None))
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let right = app
        .oneshot(request("/api/v1/state", token.as_str(), None))
        .await
        .unwrap();
    assert_eq!(right.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_step_is_answered_only_after_the_driver_has_taken_it() {
    let (app, mut requests, _publish, token) = room();
    let driver = tokio::spawn(async move {
        let asked = requests.recv().await.unwrap();
        assert!(matches!(asked.step, RoomStepBody::Pause { .. }));
        let taken = StepTakenBody {
            session: "11".repeat(16),
            segment: None,
        };
        asked.answer.send(Ok(taken)).unwrap();
    });
    let answer = app
        .oneshot(request("/api/v1/steps", token.as_str(), Some(PAUSE)))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    driver.await.unwrap();
}

#[tokio::test]
async fn a_missing_step_is_named() {
    let (app, mut requests, _publish, token) = room();
    tokio::spawn(async move {
        let asked = requests.recv().await.unwrap();
        let refused = StepRefusedBody {
            code: "session_missing".into(),
            message: "open a session".into(),
        };
        asked
            .answer
            .send(Err(StepProblem::Refused(refused)))
            .unwrap();
    });
    let answer = app
        .oneshot(request("/api/v1/steps", token.as_str(), Some(PAUSE)))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let body = to_bytes(answer.into_body(), 1_000).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("session_missing"));
}

#[tokio::test]
async fn a_wrong_body_is_refused_and_a_driver_that_is_gone_is_said_so() {
    let (app, requests, _publish, token) = room();
    let wrong = app
        .clone()
        .oneshot(request(
            "/api/v1/steps",
            token.as_str(),
            Some("{\"jump\":{}}"),
        ))
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    drop(requests);
    let gone = app
        .oneshot(request("/api/v1/steps", token.as_str(), Some(PAUSE)))
        .await
        .unwrap();
    assert_eq!(gone.status(), StatusCode::SERVICE_UNAVAILABLE);
}
