//! What each path answers.

use crate::Site;

const SESSION: &str = "00000000000000000000000000000001";

#[tokio::test]
async fn the_board_reads_numbers_and_guns() {
    let site = Site::start();
    assert_eq!(
        site.get("/api/v1/overview").await.json()["needs_you_count"],
        3
    );
    assert_eq!(
        site.get("/api/v1/guns").await.json()[0]["serial"],
        "GUN-0001"
    );
    assert_eq!(
        site.get("/api/v1/guns/GUN-0001").await.json()["serial"],
        "GUN-0001"
    );
    let session = site.get(&format!("/api/v1/sessions/{SESSION}")).await;
    assert_eq!(session.json()["id"], SESSION);
}

#[tokio::test]
async fn an_unknown_gun_is_named_in_a_404() {
    let answer = Site::start().get("/api/v1/guns/GUN-9").await;
    answer.assert_error(404, "not_found");
    assert!(answer.json()["message"].as_str().unwrap().contains("GUN-9"));
}

#[tokio::test]
async fn lists_say_their_page_to_the_backend() {
    let site = Site::start();
    let answer = site.get("/api/v1/sessions?after=x7&limit=20").await;
    assert_eq!(answer.json()["next"], "next-one");
    assert_eq!(site.backend.last_question(), "sessions Some(\"x7\") 20");
    site.get("/api/v1/sessions").await;
    assert_eq!(site.backend.last_question(), "sessions None 50");
    site.get("/api/v1/guns/GUN-0001/shots?limit=5000").await;
    assert_eq!(site.backend.last_question(), "shots GUN-0001 5000");
    site.get(&format!("/api/v1/sessions/{SESSION}/shots")).await;
    assert_eq!(
        site.backend.last_question(),
        format!("session shots {SESSION} 500")
    );
    site.get("/api/v1/days?days=30").await;
    assert_eq!(site.backend.last_question(), "days 30");
    site.get("/api/v1/alerts?state=open&gun=GUN-0001&limit=1")
        .await;
    assert!(
        site.backend
            .last_question()
            .starts_with("alerts Some(Open) Some(GunSerial(")
    );
}

#[tokio::test]
async fn wrong_values_are_refused_with_what_is_allowed() {
    let site = Site::start();
    for path in [
        "/api/v1/sessions?limit=0",
        "/api/v1/sessions?limit=501",
        "/api/v1/sessions?limit=many",
        "/api/v1/sessions?colour=red",
        "/api/v1/sessions?after=stale",
        "/api/v1/sessions/xyz",
        "/api/v1/guns/gun%20one",
        "/api/v1/guns/GUN-0001/shots?limit=5001",
        "/api/v1/alerts?state=shut",
        "/api/v1/alerts?session=1",
        "/api/v1/days?days=732",
    ] {
        site.get(path).await.assert_error(400, "invalid");
    }
    let long = format!("/api/v1/alerts?after={}", "x".repeat(129));
    site.get(&long).await.assert_error(400, "invalid");
}

#[tokio::test]
async fn an_alert_is_acknowledged_by_a_person() {
    let site = Site::start();
    let answer = site
        .post("/api/v1/alerts/a1/acknowledge", "{\"by\":\"op-07\"}")
        .await;
    assert_eq!(answer.json()["acknowledged_by"], "op-07");
    assert_eq!(site.backend.last_question(), "acknowledge a1 op-07");
    let over = site
        .post("/api/v1/alerts/over/acknowledge", "{\"by\":\"op-07\"}")
        .await;
    over.assert_error(409, "conflict");
    let none = site
        .post("/api/v1/alerts/zz/acknowledge", "{\"by\":\"op-07\"}")
        .await;
    none.assert_error(404, "not_found");
    for body in [
        "{}",
        "{\"by\":\"\"}",
        "{\"by\":\"Jane Doe\"}",
        "{\"by\":\"a\",\"x\":1}",
        "nonsense",
    ] {
        let answer = site.post("/api/v1/alerts/a1/acknowledge", body).await;
        answer.assert_error(400, "invalid");
    }
    let odd = site
        .post("/api/v1/alerts/A_1/acknowledge", "{\"by\":\"op-07\"}")
        .await;
    odd.assert_error(400, "invalid");
}

#[tokio::test]
async fn an_alert_is_resolved_or_silenced_by_a_person_with_a_reason() {
    let site = Site::start();
    let answer = site
        .post(
            "/api/v1/alerts/a1/silence",
            "{\"by\":\"op-07\",\"minutes\":30,\"reason\":\"head changed\"}",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        site.backend.last_question(),
        "silence a1 op-07 1800000000000 head changed"
    );
    let answer = site
        .post(
            "/api/v1/alerts/a1/resolve",
            "{\"by\":\"op-07\",\"reason\":\"head changed\"}",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(site.backend.last_question(), "close a1 op-07 head changed");
    for body in [
        "{\"by\":\"op-07\"}",
        "{\"by\":\"op-07\",\"reason\":\" \"}",
        "{\"by\":\"op-07\",\"reason\":\"a\\nb\"}",
    ] {
        let answer = site.post("/api/v1/alerts/a1/resolve", body).await;
        answer.assert_error(400, "invalid");
    }
}

#[tokio::test]
async fn a_room_is_retired_by_a_person_with_a_reason_and_what_was_seen() {
    let site = Site::start();
    let path = "/api/v1/rooms/room-2/retirement";
    let preview = site.get(path).await;
    assert_eq!(preview.status, 200);
    assert_eq!(preview.json()["shot_count"], 4);
    assert_eq!(site.backend.last_question(), "retirement room-2");
    let unknown = site.get("/api/v1/rooms/room-9/retirement").await;
    unknown.assert_error(404, "not_found");
    site.get("/api/v1/rooms/Room%202/retirement")
        .await
        .assert_error(400, "invalid");
    let body = |gaps: u32| {
        format!("{{\"by\":\"op-07\",\"reason\":\"stolen\",\"gap_count\":{gaps},\"shot_count\":4}}")
    };
    assert_eq!(site.post(path, &body(1)).await.status, 200);
    assert_eq!(
        site.backend.last_question(),
        "retire room-2 op-07 1 4 stolen"
    );
    site.post(path, &body(2))
        .await
        .assert_error(409, "conflict");
    let anonymous = "{\"reason\":\"stolen\",\"gap_count\":1,\"shot_count\":4}";
    site.post(path, anonymous)
        .await
        .assert_error(400, "invalid");
}

#[tokio::test]
async fn a_report_is_a_zip_file_named_after_its_selection() {
    let site = Site::start();
    let answer = site
        .post(
            "/api/v1/reports",
            "{\"gun\":\"GUN-0001\",\"from_ms\":1,\"to_ms\":2}",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/zip");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"mesofleet-report-GUN-0001.zip\""
    );
    assert_eq!(answer.bytes, b"PK\x03\x04");
    for body in [
        "{\"from_ms\":2,\"to_ms\":2}",
        "{\"gun\":\"a\\\"b\"}",
        "{\"session\":\"1\"}",
    ] {
        site.post("/api/v1/reports", body)
            .await
            .assert_error(400, "invalid");
    }
}

#[tokio::test]
async fn the_waiting_gun_is_triggered_from_the_page() {
    let site = Site::start();
    let answer = site.post("/api/v1/demo/guns/GUN-0001/trigger", "{}").await;
    assert_eq!(answer.status, 204);
    assert_eq!(site.backend.last_question(), "trigger GUN-0001");
    let unknown = site.post("/api/v1/demo/guns/GUN-9/trigger", "{}").await;
    unknown.assert_error(404, "not_found");
}

#[tokio::test]
async fn readiness_says_what_it_waits_for() {
    let site = Site::start();
    assert_eq!(site.get("/healthz").await.status, 200);
    let waiting = site.get("/readyz").await;
    assert_eq!(waiting.status, 503);
    assert_eq!(waiting.json()["waiting_for"][0], "the store");
    *site.backend.ready.lock().unwrap() = true;
    assert_eq!(site.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_are_json_and_never_the_page() {
    let site = Site::start();
    for path in [
        "/api/v1/nothing",
        "/api/",
        "/assets/none.js",
        "/assets/../index.html",
        "/x/y",
    ] {
        let answer = site.get(path).await;
        answer.assert_error(404, "no_such_path");
    }
    site.post("/api/v1/guns", "{}")
        .await
        .assert_error(405, "no_such_method");
}

#[tokio::test]
async fn a_panic_of_the_backend_is_an_answer() {
    let site = Site::start();
    site.get("/api/v1/guns/PANIC")
        .await
        .assert_error(500, "internal");
    assert_eq!(site.get("/api/v1/guns").await.status, 200);
}

#[tokio::test]
async fn the_page_is_the_board_or_says_how_to_build_it() {
    let answer = Site::start().get("/").await;
    assert_eq!(answer.status, 200);
    let page = String::from_utf8(answer.bytes).unwrap();
    assert!(
        page.contains("/assets/") || page.contains("cargo xtask web"),
        "{page}"
    );
}

#[tokio::test]
async fn every_file_that_the_page_names_is_served_and_kept_for_ever() {
    let site = Site::start();
    let page = String::from_utf8(site.get("/").await.bytes).unwrap();
    for path in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.header("cache-control").contains("immutable"),
            "{path}"
        );
        let kind = answer.header("content-type");
        assert!(kind.starts_with("text/"), "{path} is {kind}");
    }
}
