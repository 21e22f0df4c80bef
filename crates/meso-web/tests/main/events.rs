//! The event stream.

use axum::body::Body;
use axum::http::Method;
use http_body_util::BodyExt;
use meso_contract::http::{LiveEvent, OverviewView};
use meso_web::EVENT_STREAM_COUNT_MAX;

use crate::{Answer, Site, request};

fn overview(needs_you_count: u32) -> LiveEvent {
    LiveEvent::Overview {
        overview: Box::new(OverviewView {
            needs_you_count,
            ..OverviewView::default()
        }),
    }
}

async fn open(site: &Site) -> Body {
    let request = request(Method::GET, "/api/v1/events")
        .body(Body::empty())
        .unwrap();
    let response = site.send(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    response.into_body()
}

async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn events_are_named_numbered_and_typed() {
    let site = Site::start();
    let mut body = open(&site).await;
    site.events.send(overview(5)).unwrap();
    site.events.send(LiveEvent::Resync).unwrap();
    let first = next(&mut body).await.unwrap();
    assert!(first.contains("id: 1\n"), "{first}");
    assert!(first.contains("event: overview\n"), "{first}");
    assert!(first.contains("\"kind\":\"overview\""), "{first}");
    assert!(first.contains("\"needs_you_count\":5"), "{first}");
    let second = next(&mut body).await.unwrap();
    assert!(
        second.contains("id: 2\n") && second.contains("event: resync\n"),
        "{second}"
    );
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_to_read_again() {
    let site = Site::with_buffer(2);
    let mut body = open(&site).await;
    for n in 0..10 {
        site.events.send(overview(n)).unwrap();
    }
    assert!(next(&mut body).await.unwrap().contains("event: resync"));
    assert!(
        next(&mut body)
            .await
            .unwrap()
            .contains("\"needs_you_count\":8")
    );
}

#[tokio::test]
async fn a_reader_that_comes_back_is_told_to_read_again() {
    let site = Site::start();
    let request = request(Method::GET, "/api/v1/events")
        .header("last-event-id", "41")
        .body(Body::empty())
        .unwrap();
    let mut body = site.send(request).await.into_body();
    assert!(next(&mut body).await.unwrap().contains("event: resync"));
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_a_closed_one_gives_its_place_back() {
    let site = Site::start();
    let mut bodies = Vec::new();
    for _ in 0..EVENT_STREAM_COUNT_MAX {
        bodies.push(open(&site).await);
    }
    let refused = request(Method::GET, "/api/v1/events")
        .body(Body::empty())
        .unwrap();
    let answer = Answer::read(site.send(refused).await).await;
    answer.assert_error(503, "too_many_streams");
    assert_eq!(site.state.event_stream_count(), EVENT_STREAM_COUNT_MAX);
    bodies.pop();
    drop(open(&site).await);
    drop(bodies);
    assert_eq!(site.state.event_stream_count(), 0);
}

#[tokio::test]
async fn closing_ends_every_stream() {
    let site = Site::start();
    let mut body = open(&site).await;
    site.state.close_event_streams();
    assert_eq!(next(&mut body).await, None);
    let mut late = open(&site).await;
    assert_eq!(next(&mut late).await, None);
}
