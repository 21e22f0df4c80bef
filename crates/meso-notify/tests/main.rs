//! Letters that arrive, and letters that do not, at a real HTTP server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use meso_alerts::{Alerts, Channel, FleetCause, Item, Letter, Observation, Outbox};
use meso_domain::Severity;
use meso_notify::{Alertmanager, NotifyError, Secret, Trust, Webhook, signature};
use meso_units::{ClinicId, DriverId, Timestamp};

const SECRET: &[u8] = b"correct horse battery\n";

/// What a server was sent: the first line, the headers, the body.
struct Seen {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

/// Answers one request with this status; gives its address.
fn answer_one(status: &'static str) -> (String, JoinHandle<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let length = lines
            .iter()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .map(str::to_owned)
            })
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno").unwrap();
        Seen {
            line: lines.remove(0),
            headers: lines,
            body,
        }
    });
    (url, server)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns(seconds * 1_000_000_000).unwrap()
}

/// A letter about a driver that is silent, and about a full disk.
fn letter() -> Letter {
    let mut alerts = Alerts::default();
    let mut outbox = Outbox::new(vec![Channel {
        name: "ops".to_owned(),
        severity_min: Severity::Soft,
        interval_ns: 0,
        quiet: None,
    }]);
    for cause in [FleetCause::DriverSilent, FleetCause::DiskNearlyFull] {
        let observation = Observation {
            cause,
            clinic: ClinicId::parse("riverside").unwrap(),
            driver: Some(DriverId::parse("room-1").unwrap()),
            gun: None,
            value: 130,
            limit: 120,
        };
        let outcome = alerts.observe(&observation, at(1_000));
        let news = &outcome.notifications[0];
        outbox.post(&Item::of(news, alerts.alert(news.alert).unwrap()));
    }
    outbox.due(at(1_000), |_| 0).remove(0)
}

fn header<'s>(seen: &'s Seen, name: &str) -> &'s str {
    let found = seen.headers.iter().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    });
    found.unwrap_or_default()
}

#[test]
fn a_webhook_gets_the_letter_signed_over_time_and_body() {
    let (url, server) = answer_one("204 No Content");
    let secret = Secret::new(SECRET).unwrap();
    let webhook = Webhook::new(&format!("{url}/hook"), None, secret.clone());
    webhook.send(&letter(), 1_700_000_000).unwrap();
    let seen = server.join().unwrap();
    assert_eq!(seen.line, "POST /hook HTTP/1.1");
    assert_eq!(header(&seen, "mesofleet-timestamp"), "1700000000");
    let expected = format!("v1={}", signature(&secret, "1700000000", &seen.body));
    assert_eq!(header(&seen, "mesofleet-signature"), expected);
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["news"][0]["rule"], "driver silent");
    assert_eq!(body["news"][1]["severity"], "hard");
    let key = body["news"][0]["idempotency_key"].as_str().unwrap();
    assert!(key.ends_with("-1"), "{key}");
}

#[test]
fn another_body_time_or_secret_has_another_signature() {
    let secret = Secret::new(SECRET).unwrap();
    let signed = signature(&secret, "1", b"{}");
    assert_ne!(signed, signature(&secret, "1", b"{ }"));
    assert_ne!(signed, signature(&secret, "2", b"{}"));
    let other = Secret::new(b"correct horse batters").unwrap();
    assert_ne!(signed, signature(&other, "1", b"{}"));
    // The same as `printf '1.{}' | openssl dgst -sha256 -hmac 'correct horse battery'`.
    assert_eq!(
        signed,
        "41f327a51beedaa695ba7e5bf97611e5ea7426069e20ce38ebcb359dbd7c5f3b"
    );
}

#[test]
fn a_secret_is_long_enough_and_never_shown() {
    assert!(matches!(
        Secret::new(b"short\n"),
        Err(NotifyError::SecretTooShort)
    ));
    let webhook = Webhook::new("http://127.0.0.1:1", None, Secret::new(SECRET).unwrap());
    let shown = format!("{webhook:?}");
    assert!(
        !shown.contains("horse") && !shown.contains("99, 111"),
        "{shown}"
    );
}

#[test]
fn a_refusal_and_a_server_that_is_not_there_are_told_by_name() {
    let (url, server) = answer_one("503 Service Unavailable");
    let webhook = Webhook::new(&format!("{url}/T0KEN"), None, Secret::new(SECRET).unwrap());
    let refused = webhook.send(&letter(), 1).unwrap_err();
    server.join().unwrap();
    assert_eq!(refused.to_string(), format!("{url} answers 503: \"no\""));
    let gone = webhook.send(&letter(), 1).unwrap_err();
    assert!(matches!(gone, NotifyError::Unreachable { .. }), "{gone}");
    let shown = format!("{refused:?} {refused} {gone:?} {gone}");
    assert!(
        !shown.contains("T0KEN"),
        "a path may hold a secret: {shown}"
    );
}

#[test]
fn an_alertmanager_gets_its_alerts_and_the_end_of_what_a_hard_one_may_have_been() {
    let (url, server) = answer_one("200 OK");
    Alertmanager::new(&url, None).send(&letter()).unwrap();
    let seen = server.join().unwrap();
    assert_eq!(seen.line, "POST /api/v2/alerts HTTP/1.1");
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    let alerts = body.as_array().unwrap();
    let of = |name: &str, severity: &str| {
        let labels = |alert: &&serde_json::Value| {
            alert["labels"]["alertname"] == name && alert["labels"]["severity"] == severity
        };
        alerts.iter().find(labels).unwrap()
    };
    assert_eq!(alerts.len(), 3);
    assert_eq!(
        of("driver silent", "soft")["startsAt"],
        "1970-01-01T00:16:40Z"
    );
    assert_eq!(
        of("driver silent", "soft")["endsAt"],
        "1970-01-31T00:16:40Z"
    );
    assert_eq!(
        of("disk nearly full", "soft")["endsAt"],
        "1970-01-01T00:16:40Z"
    );
    assert_eq!(
        of("disk nearly full", "hard")["endsAt"],
        "1970-01-31T00:16:40Z"
    );
}

#[test]
fn over_tls_nothing_goes_in_the_clear_and_no_stranger_is_believed() {
    assert!(matches!(
        Trust::parse(b"no certificate"),
        Err(NotifyError::NoCertificate)
    ));
    let authority = include_bytes!("authority.pem");
    let trust = Trust::parse(authority).unwrap();
    let secret = || Secret::new(SECRET).unwrap();
    let plain = Webhook::new("http://127.0.0.1:1/", Some(&trust), secret());
    assert!(plain.send(&letter(), 1).is_err());
    // A server that answers in the clear is not spoken to.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        first[0]
    });
    let webhook = Webhook::new(&url, Some(&trust), secret());
    let refused = webhook.send(&letter(), 1).unwrap_err();
    assert!(
        matches!(refused, NotifyError::Unreachable { .. }),
        "{refused}"
    );
    assert_eq!(
        server.join().unwrap(),
        0x16,
        "a TLS handshake, and no request"
    );
}
