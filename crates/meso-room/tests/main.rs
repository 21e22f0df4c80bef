//! The routes, with a driver played by the test.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use jiff::tz::TimeZone;
use meso_contract::room::{
    DoorBody, LiveBody, PersonBody, RoomGunBody, RoomLibraryBody, RoomStateBody, ScannedBody,
    StepRefusedBody, StepTakenBody,
};
use meso_contract::{CheckItemBody, ChecklistBody, room};
use meso_room::{
    PatientKeys, People, Room, RoomInbox, RoomRequest, StepContext, StepFailure, Token, app,
    schemas, to_step,
};
use meso_sessions::{Refusal, Step};
use meso_units::{ClinicId, DriverId, SegmentId, SessionId};
use tower::ServiceExt;

const SESSION: &str = "0101010101010101010101010101010101010101010101010101010101010101";

const HOST: &str = "127.0.0.1:8631";

fn router() -> (Router, RoomInbox) {
    router_in(&std::env::temp_dir().join("a folder that is not there"))
}

fn router_in(folder: &std::path::Path) -> (Router, RoomInbox) {
    let token = Token::from_random([1; 32]);
    let keys = Ok(PatientKeys::from_key(&[2; 32]));
    let (room, inbox) = Room::new(token, HOST.parse().unwrap(), folder, TimeZone::UTC, keys);
    (app(room), inbox)
}

/// A request of the page: by its own name and from its own place.
fn from_page(method: &str, path: &str, cookie: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", HOST)
        .header("origin", format!("http://{HOST}"))
        .header("cookie", cookie)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn post(body: &str, token: &str) -> Request<Body> {
    Request::post("/api/v1/steps")
        .header("host", HOST)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn good_token() -> String {
    "01".repeat(32)
}

async fn answer(router: Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    (status, bytes.unwrap().to_vec())
}

/// Plays a driver that answers every step with this.
fn play(inbox: RoomInbox, answer: Result<StepTakenBody, StepFailure>) {
    let RoomInbox {
        mut requests,
        mut stops,
        ..
    } = inbox;
    tokio::spawn(async move {
        while let Some(stop) = stops.recv().await {
            let who = stop.body.operator.unwrap_or_else(|| "nobody".to_owned());
            let gun = RoomGunBody {
                serial: format!("{} by {who}", stop.gun),
                ..RoomGunBody::default()
            };
            stop.reply.send(Ok(gun)).unwrap();
        }
    });
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            match request {
                RoomRequest::Step { reply, .. } => reply.send(answer.clone()).unwrap(),
                RoomRequest::Questionnaire { reply } => {
                    reply.send(meso_room::questionnaire(None)).unwrap();
                }
                RoomRequest::History { reply } => {
                    reply.send(room::RoomHistoryBody::default()).unwrap();
                }
                RoomRequest::Patient { reply, .. } => {
                    let patient = room::PatientBody {
                        patient: "ab".repeat(32),
                        screening_digest: None,
                        course: None,
                    };
                    reply.send(Ok(patient)).unwrap();
                }
                RoomRequest::State { reply } => reply.send(RoomStateBody::default()).unwrap(),
                RoomRequest::Live { reply } => reply.send(LiveBody::default()).unwrap(),
                RoomRequest::Library { reply } => {
                    reply.send(RoomLibraryBody::default()).unwrap();
                }
                RoomRequest::ResumeGun { gun, body, reply } => {
                    let serial = format!("{gun} by {}: {}", body.operator, body.reason);
                    let gun = RoomGunBody {
                        serial,
                        ..RoomGunBody::default()
                    };
                    reply.send(Ok(gun)).unwrap();
                }
            }
        }
    });
}

#[tokio::test]
async fn a_step_that_is_on_the_disk_is_answered_with_its_session() {
    let (router, requests) = router();
    let taken = StepTakenBody {
        session: "5".to_owned(),
        segment: None,
        records: vec!["ab".repeat(32)],
    };
    play(requests, Ok(taken.clone()));
    let body = format!(r#"{{"pause":{{"session":"{}"}}}}"#, &SESSION[..32]);
    let (status, bytes) = answer(router, post(&body, &good_token())).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        serde_json::from_slice::<StepTakenBody>(&bytes).unwrap(),
        taken
    );
}

#[tokio::test]
async fn a_missing_step_is_409_and_a_bad_value_422_each_with_its_name() {
    let refusal = Refusal::SessionNotOpen {
        session: SessionId::from_bytes([1; 16]),
    };
    let body = format!(r#"{{"pause":{{"session":"{}"}}}}"#, &SESSION[..32]);
    let (router, requests) = router();
    play(requests, Err(refusal.into()));
    let (status, bytes) = answer(router.clone(), post(&body, &good_token())).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let refused: StepRefusedBody = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(refused.code, "session_not_open");
    let (status, bytes) = answer(router, post(r#"{"dance":{}}"#, &good_token())).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let refused: StepRefusedBody = serde_json::from_slice(&bytes).unwrap();
    assert!(refused.message.contains("dance"), "{}", refused.message);
}

#[tokio::test]
async fn a_gun_is_resumed_only_by_somebody_and_for_a_reason() {
    let resume = |body: &str| {
        Request::post("/api/v1/guns/GUN-1/resume")
            .header("host", HOST)
            .header("authorization", format!("Bearer {}", good_token()))
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let (router, requests) = router();
    play(
        requests,
        Err(StepFailure::Unavailable {
            message: String::new(),
        }),
    );
    let whole = r#"{"operator":"op-1","reason":"depth set right"}"#;
    let (status, bytes) = answer(router.clone(), resume(whole)).await;
    assert_eq!(status, StatusCode::OK);
    let gun: RoomGunBody = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(gun.serial, "GUN-1 by op-1: depth set right");
    for bad in [
        r#"{"operator":"op-1","reason":"  "}"#,
        r#"{"operator":"","reason":"x"}"#,
        r#"{"reason":"x"}"#,
    ] {
        let (status, _) = answer(router.clone(), resume(bad)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}

#[tokio::test]
async fn nothing_is_answered_without_the_token() {
    let (router, mut inbox) = router();
    let (status, _) = answer(router.clone(), post("{}", &"02".repeat(32))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let request = Request::get("/api/v1/state")
        .header("host", HOST)
        .body(Body::empty())
        .unwrap();
    let (status, _) = answer(router, request).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(inbox.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_driver_that_stops_is_said_to_be_unavailable() {
    let (router, requests) = router();
    drop(requests);
    let request = Request::get("/api/v1/state")
        .header("host", HOST)
        .header("authorization", format!("Bearer {}", good_token()))
        .body(Body::empty())
        .unwrap();
    let (status, _) = answer(router, request).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_body_without_end_is_refused() {
    let (router, _requests) = router();
    let (status, _) = answer(router, post(&"x".repeat(100_000), &good_token())).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

fn unavailable() -> Result<StepTakenBody, StepFailure> {
    Err(StepFailure::Unavailable {
        message: String::new(),
    })
}

/// A folder with one person, PIN 2468.
fn folder_with_somebody() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut people = People::default();
    let person = PersonBody {
        id: "op-1".to_owned(),
        name: "One".to_owned(),
    };
    let badge = Some("badge-no-0001");
    people
        .add(person, "2468", badge, [[1; 16], [2; 16]])
        .unwrap();
    people.write(folder.path()).unwrap();
    folder
}

async fn sign_in(router: &Router, body: &str) -> Result<String, StatusCode> {
    let request = from_page("POST", "/api/v1/sign-in", "", body);
    let response = router.clone().oneshot(request).await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(response.status());
    }
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    for wanted in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    Ok(cookie.split(';').next().unwrap().to_owned())
}

const PIN: &str = r#"{"person":"op-1","pin":"2468"}"#;

#[tokio::test]
async fn a_person_signs_in_by_pin_or_badge_and_acts_in_their_own_name_only() {
    let folder = folder_with_somebody();
    let (router, inbox) = router_in(folder.path());
    play(inbox, unavailable());
    let resume = |cookie: &str, who: &str| {
        let body = format!(r#"{{"operator":"{who}","reason":"looked at"}}"#);
        from_page("POST", "/api/v1/guns/GUN-1/resume", cookie, &body)
    };
    let (status, _) = answer(router.clone(), resume("", "op-1")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    for body in [PIN, r#"{"badge":"badge-no-0001"}"#] {
        let cookie = sign_in(&router, body).await.unwrap();
        let (status, _) = answer(router.clone(), resume(&cookie, "op-1")).await;
        assert_eq!(status, StatusCode::OK);
        let (status, _) = answer(router.clone(), resume(&cookie, "op-2")).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let request = from_page("GET", "/api/v1/sign-in", &cookie, "");
        let (_, bytes) = answer(router.clone(), request).await;
        let door: DoorBody = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(door.signed_in.map(|it| it.name).as_deref(), Some("One"));
        let request = from_page("DELETE", "/api/v1/sign-in", &cookie, "");
        answer(router.clone(), request).await;
        let (status, _) = answer(router.clone(), resume(&cookie, "op-1")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "signed out");
    }
}

#[tokio::test]
async fn five_wrong_pins_cost_time_even_before_a_right_one() {
    let folder = folder_with_somebody();
    let (router, inbox) = router_in(folder.path());
    play(inbox, unavailable());
    let wrong = r#"{"person":"op-1","pin":"1111"}"#;
    for _ in 0..5 {
        let refused = sign_in(&router, wrong).await;
        assert_eq!(refused, Err(StatusCode::UNAUTHORIZED));
    }
    let refused = sign_in(&router, PIN).await;
    assert_eq!(refused, Err(StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test]
async fn anybody_at_the_screen_may_stop_a_gun_and_no_page_of_another_place() {
    let folder = folder_with_somebody();
    let (router, inbox) = router_in(folder.path());
    play(inbox, unavailable());
    let path = "/api/v1/guns/GUN-1/inhibit";
    let named = r#"{"operator":"op-9","reason":""}"#;
    let serial = |bytes: &[u8]| serde_json::from_slice::<RoomGunBody>(bytes).unwrap().serial;
    let (status, bytes) = answer(router.clone(), from_page("POST", path, "", named)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        serial(&bytes),
        "GUN-1 by nobody",
        "a name that nobody proved is not believed"
    );
    let cookie = sign_in(&router, PIN).await.unwrap();
    let (_, bytes) = answer(router.clone(), from_page("POST", path, &cookie, named)).await;
    assert_eq!(serial(&bytes), "GUN-1 by op-1");
    for (name, value) in [("host", "attacker.example:8631"), ("host", "127.0.0.1:80")] {
        let mut request = from_page("POST", path, &cookie, named);
        request.headers_mut().insert(name, value.parse().unwrap());
        let (status, _) = answer(router.clone(), request).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{value}");
    }
    for origin in ["http://attacker.example", "null", "http://127.0.0.1:80"] {
        let mut request = from_page("POST", path, &cookie, named);
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        let (status, _) = answer(router.clone(), request).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{origin}");
    }
}

#[tokio::test]
async fn a_code_of_a_box_is_read_and_a_patients_code_becomes_a_commitment() {
    let folder = folder_with_somebody();
    let (router, inbox) = router_in(folder.path());
    play(inbox, unavailable());
    let cookie = sign_in(&router, PIN).await.unwrap();
    let scan = |text: &str| {
        let body = serde_json::json!({ "text": text }).to_string();
        from_page("POST", "/api/v1/scan", &cookie, &body)
    };
    let (_, bytes) = answer(router.clone(), scan("(01)09506000134352(17)200229(10)L-1")).await;
    let scanned: ScannedBody = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(scanned.lot.as_deref(), Some("L-1"));
    assert!(scanned.expired, "2020 is over");
    let (status, _) = answer(router.clone(), scan("Hello")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let patient = from_page("POST", "/api/v1/patients", &cookie, r#"{"code":"P-1"}"#);
    let (status, bytes) = answer(router.clone(), patient).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!String::from_utf8(bytes).unwrap().contains("P-1"));
}

#[tokio::test]
async fn the_page_may_load_its_own_files_only() {
    let (router, _inbox) = router();
    let response = router.oneshot(from_page("GET", "/", "", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// The committed file is what the page's types are made from. `cargo xtask golden` writes it anew.
#[test]
fn the_committed_description_of_the_bodies_is_the_one_of_the_program() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../dashboards/web/room-openapi.json");
    let now = schemas().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "{} is not current: cargo xtask golden",
        path.display()
    );
}

fn context<'a>(
    clinic: &'a ClinicId,
    room: &'a DriverId,
    library: Option<&'a meso_limits::Library>,
) -> StepContext<'a> {
    StepContext {
        new_session: SessionId::from_bytes([2; 16]),
        new_segment: SegmentId::from_bytes([3; 16]),
        clinic,
        room,
        time_zone: "Europe/Vienna",
        utc_offset_s: 3_600,
        library,
        positions: Vec::new(),
        salts: [[5; 32], [6; 32]],
        now: meso_units::Timestamp::UNIX_EPOCH,
        judge: None,
    }
}

fn open_body() -> room::OpenStepBody {
    let done = CheckItemBody::Done { reference: None };
    room::OpenStepBody {
        patient: SESSION.to_owned(),
        protocol: "mesolift-face".to_owned(),
        operator: "op-1".to_owned(),
        checklist: ChecklistBody {
            screening: done.clone(),
            consent: done.clone(),
            asepsis: done.clone(),
            emergency_kit: done,
        },
        demo: true,
        screening: None,
        age_years: None,
        weight_g: None,
        details: None,
        course: None,
    }
}

fn library() -> meso_limits::Library {
    let protocol = r#"
        [[protocols]]
        id = "mesolift-face"
        title = "Mesolift, face"
        indication = "mesolift"
        zones = ["cheek"]
        techniques = ["nappage"]
        [protocols.needle_depth]
        soft_max = "4 mm"
        source = "example to be approved by a clinician"
    "#;
    let text = meso_limits::assemble_release(3, true, &[protocol]);
    let seed = [7; 32];
    let signatures = vec![meso_limits::sign(&text, &seed)];
    let release = meso_limits::SignedRelease { text, signatures };
    let signers = meso_limits::SignerList::single_signer(&[meso_limits::public_key(&seed)]);
    release.verify(&signers.unwrap()).unwrap()
}

#[test]
fn a_session_needs_a_protocol_that_is_in_force() {
    let clinic = ClinicId::parse("riverside").unwrap();
    let room = DriverId::parse("room-1").unwrap();
    let library = library();
    let body = room::RoomStepBody::Open(Box::new(open_body()));
    let code = |failure: StepFailure| match failure {
        StepFailure::StepMissing { code, .. } | StepFailure::BadValue { code, .. } => code,
        _ => "other",
    };
    let without = to_step(&body, context(&clinic, &room, None)).unwrap_err();
    assert_eq!(code(without), "library_missing");
    let Step::Open(open) = to_step(&body, context(&clinic, &room, Some(&library))).unwrap() else {
        panic!("another step");
    };
    assert_eq!(open.library.get(), 3);
    assert_eq!(open.session, SessionId::from_bytes([2; 16]));
    let unknown = room::RoomStepBody::Open(Box::new(room::OpenStepBody {
        protocol: "other".to_owned(),
        ..open_body()
    }));
    let unknown = to_step(&unknown, context(&clinic, &room, Some(&library))).unwrap_err();
    assert_eq!(code(unknown), "protocol_unknown");
    let bad = room::RoomStepBody::Open(Box::new(room::OpenStepBody {
        patient: "x".to_owned(),
        ..open_body()
    }));
    let bad = to_step(&bad, context(&clinic, &room, Some(&library))).unwrap_err();
    assert_eq!(code(bad), "bad_value");
}
