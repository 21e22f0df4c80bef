//! Who is refused, and what browsers are told.

use axum::body::Body;
use axum::http::Method;

use crate::{Answer, Site, request};

#[tokio::test]
async fn a_foreign_host_name_is_refused_on_every_path() {
    let site = Site::start();
    for path in [
        "/",
        "/api/v1/guns",
        "/metrics",
        "/healthz",
        "/api/v1/events",
    ] {
        let request = axum::http::Request::get(path)
            .header("host", "attacker.example:8080")
            .body(Body::empty())
            .unwrap();
        let answer = Answer::read(site.send(request).await).await;
        answer.assert_error(421, "host_not_allowed");
    }
}

#[tokio::test]
async fn a_foreign_origin_changes_nothing() {
    let site = Site::start();
    for (origin, status) in [
        ("http://attacker.example", 403),
        ("null", 403),
        ("http://localhost:9999", 403),
        ("http://localhost:8080", 204),
        ("https://localhost:8080", 204),
    ] {
        let request = request(Method::POST, "/api/v1/demo/guns/GUN-0001/trigger")
            .header("origin", origin)
            .header("content-type", "application/json")
            .body(Body::from("{}"))
            .unwrap();
        assert_eq!(site.send(request).await.status(), status, "{origin}");
    }
    assert_eq!(site.backend.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_form_is_not_json() {
    let site = Site::start();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-patch",
    ] {
        let request = request(Method::POST, "/api/v1/demo/guns/GUN-0001/trigger")
            .header("content-type", kind)
            .body(Body::from("{}"))
            .unwrap();
        let answer = Answer::read(site.send(request).await).await;
        answer.assert_error(415, "not_json");
    }
}

#[tokio::test]
async fn a_huge_body_is_refused() {
    let body = format!("{{\"by\":\"{}\"}}", "x".repeat(meso_web::BODY_BYTES_MAX));
    let answer = Site::start()
        .post("/api/v1/alerts/a1/acknowledge", &body)
        .await;
    answer.assert_error(413, "too_large");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = Site::start();
    for path in ["/", "/api/v1/guns", "/api/v1/nothing", "/healthz"] {
        let answer = site.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(
        site.get("/api/v1/guns").await.header("cache-control"),
        "no-store"
    );
}
