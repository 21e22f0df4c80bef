//! The HTTP interface, asked without a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod backend;
mod events;
mod golden;
mod guards;
mod metrics;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use meso_contract::http::LiveEvent;
use meso_web::{AllowedHosts, WebOptions, WebState};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tokio::sync::broadcast;
use tower::ServiceExt;

use backend::FakeBackend;

/// A server without a socket.
struct Site {
    app: Router,
    state: WebState,
    events: broadcast::Sender<LiveEvent>,
    backend: Arc<FakeBackend>,
}

impl Site {
    fn start() -> Site {
        Site::with_buffer(64)
    }

    fn with_buffer(capacity: usize) -> Site {
        let backend = Arc::new(FakeBackend::default());
        let (events, _) = broadcast::channel(capacity);
        let state = WebState::new(WebOptions {
            backend: Arc::clone(&backend) as Arc<dyn meso_web::Backend>,
            events: events.clone(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            hosts: AllowedHosts::for_bind("127.0.0.1:8080".parse().unwrap()),
        });
        Site {
            app: meso_web::app(state.clone()),
            state,
            events,
            backend,
        }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        let request = request(Method::GET, path).body(Body::empty()).unwrap();
        Answer::read(self.send(request).await).await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        let request = request(Method::POST, path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        Answer::read(self.send(request).await).await
    }
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:8080")
}

/// A whole answer.
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    async fn read(response: Response<Body>) -> Answer {
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("the body is JSON")
    }

    #[track_caller]
    fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.json());
        assert_eq!(self.json()["code"], code);
        let message = self.json()["message"].as_str().unwrap().to_owned();
        assert!(message.len() > 10, "an error says what is wrong: {message}");
    }
}
