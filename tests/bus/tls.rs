//! Client and broker believe each other's certificates, or do not speak at all.

use meso_bus::{Access, ClientOptions, Endpoint, Message, Publisher};
use meso_contract::permissions::{INGEST_USER, driver_user};
use meso_contract::topics;
use meso_domain::Stream;
use meso_tests::sandbox::{CLINIC, Programs, Sandbox};

use crate::certificates::Authority;
use crate::clinic::{Guarded, in_time, room, rooms, why_down};
use crate::shots::{assert_all_arrive, start_gun, wait_for_shots};

fn publisher(endpoint: Endpoint) -> Publisher {
    Publisher::start(ClientOptions::new("anybody", endpoint), None, None)
}

#[tokio::test]
async fn a_broker_that_somebody_else_has_signed_is_refused() {
    let guarded = Guarded::start();
    let stranger = guarded.file("stranger.pem");
    Authority::new().write(&stranger);
    let access = Access {
        ca_file: Some(stranger),
        ..guarded.access(INGEST_USER)
    };
    let reason = why_down(&publisher(guarded.endpoint(&access))).await;
    assert!(
        reason.contains("TLS") && reason.contains("certificate"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_broker_whose_certificate_holds_another_name_is_refused() {
    let guarded = Guarded::start();
    guarded
        .authority
        .issue(&guarded.file(""), "elsewhere", &["elsewhere.example.org"]);
    let elsewhere = Guarded::with(|published| {
        let file = |name: &str| format!("file {}", guarded.file(name).display());
        let own = |name: &str| format!("file {}", guarded_path(&published, name));
        published
            .replace(&own("broker.pem"), &file("elsewhere.pem"))
            .replace(&own("broker.key"), &file("elsewhere.key"))
    });
    let access = Access {
        ca_file: Some(guarded.file("ca.pem")),
        ..elsewhere.access(INGEST_USER)
    };
    let reason = why_down(&publisher(elsewhere.endpoint(&access))).await;
    assert!(reason.contains("not valid for name"), "{reason}");
}

/// The path of a file as the configuration has it.
fn guarded_path(configuration: &str, name: &str) -> String {
    let line = configuration
        .lines()
        .find(|line| line.ends_with(name))
        .unwrap();
    line.split_once(' ').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_client_that_speaks_without_tls_gets_no_answer() {
    let guarded = Guarded::start();
    let plain = Endpoint::from(guarded.broker.address());
    assert!(!why_down(&publisher(plain)).await.is_empty());
}

#[tokio::test]
async fn a_certificate_stands_for_name_and_password() {
    let guarded = Guarded::with(|published| {
        published
            .replace("#cafile", "cafile")
            .replace("#require_certificate", "require_certificate")
            .replace("#use_identity_as_username", "use_identity_as_username")
    });
    let [(clinic, driver), other, _] = rooms();
    let user = driver_user(&clinic, &driver);
    let folder = guarded.file("");
    guarded.authority.issue(&folder, &user, &[]);
    let access = |name: &str| Access {
        ca_file: Some(guarded.file("ca.pem")),
        identity: Some((
            guarded.file(&format!("{name}.pem")),
            guarded.file(&format!("{name}.key")),
        )),
        login: None,
    };
    let ours = publisher(guarded.endpoint(&access(&user)));
    in_time(ours.connected()).await.unwrap();
    let foreign = topics::blocks(&other.0, &other.1, &Stream::Room);
    in_time(ours.publish(Message::new(foreign, "forged")))
        .await
        .unwrap();
    assert!(why_down(&ours).await.contains("does not let us publish"));

    let stranger = Authority::new();
    stranger.issue(&folder, "stranger", &[]);
    let refused = publisher(guarded.endpoint(&access("stranger")));
    assert!(!why_down(&refused).await.is_empty());
}

#[test]
fn shots_go_the_whole_way_over_tls_with_names_and_passwords() {
    let guarded = Guarded::for_rooms(&[room(CLINIC, "room-1")]);
    let lines = |user: &str| {
        format!(
            "ca_file = {:?}\nusername = \"{user}\"\npassword_file = {:?}\n",
            guarded.file("ca.pem"),
            guarded.file(&format!("{user}.password")),
        )
    };
    let programs = Programs::built().unwrap();
    let broker = guarded.broker.address();
    let sandbox = Sandbox::start_on(programs, broker, &lines(INGEST_USER)).unwrap();
    let bank = start_gun(&sandbox);
    let mut options = sandbox.driver_options("room-1").unwrap();
    options.extra = lines(&format!("{CLINIC}.room-1"));
    let driver = sandbox.start_driver_with(options).unwrap();
    wait_for_shots(&driver, 30);
    assert_all_arrive(sandbox, driver, &bank);
}
