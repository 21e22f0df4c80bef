//! The routes, with a driver played by the test.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use meso_contract::room::{RoomGunBody, RoomStateBody, StepRefusedBody, StepTakenBody};
use meso_contract::{CheckItemBody, ChecklistBody, room};
use meso_room::{RoomRequest, StepContext, StepFailure, Token, app, to_step};
use meso_sessions::{Refusal, Step};
use meso_units::{ClinicId, DriverId, SegmentId, SessionId};
use tokio::sync::mpsc;
use tower::ServiceExt;

const SESSION: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn router() -> (Router, mpsc::Receiver<RoomRequest>) {
    let (sender, receiver) = mpsc::channel(4);
    (app(&Token::from_random([1; 32]), sender), receiver)
}

fn post(body: &str, token: &str) -> Request<Body> {
    Request::post("/api/v1/steps")
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
fn play(mut requests: mpsc::Receiver<RoomRequest>, answer: Result<StepTakenBody, StepFailure>) {
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            match request {
                RoomRequest::Step { reply, .. } => reply.send(answer.clone()).unwrap(),
                RoomRequest::Questionnaire { reply } => {
                    reply.send(meso_room::questionnaire(None)).unwrap();
                }
                RoomRequest::State { reply } => reply.send(RoomStateBody::default()).unwrap(),
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
    let (router, mut requests) = router();
    let (status, _) = answer(router.clone(), post("{}", &"02".repeat(32))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let request = Request::get("/api/v1/state").body(Body::empty()).unwrap();
    let (status, _) = answer(router, request).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_driver_that_stops_is_said_to_be_unavailable() {
    let (router, requests) = router();
    drop(requests);
    let request = Request::get("/api/v1/state")
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
