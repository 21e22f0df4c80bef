//! The carriers alone, at real servers.

use meso_alerts::{Alerts, Channel, FleetCause, Item, Letter, Observation, Outbox};
use meso_domain::Severity;
use meso_notify::{Alertmanager, Email, Encryption, MailServer, NotifyError, Trust};
use meso_testkit::alertmanager::AlertmanagerServer;
use meso_testkit::mail::{MailSink, MailSinkOptions};
use meso_units::{ClinicId, Timestamp};
use serde_json::Value;

use crate::certificates::Authority;

fn at(seconds: i64) -> Timestamp {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let now_s = i64::try_from(since.as_secs()).unwrap();
    Timestamp::from_unix_ns((now_s + seconds) * 1_000_000_000).unwrap()
}

/// An alert opens, and is over.
fn letters() -> [Letter; 2] {
    let mut alerts = Alerts::default();
    let mut outbox = Outbox::new(vec![Channel {
        name: "ops".to_owned(),
        severity_min: Severity::Soft,
        interval_ns: 0,
        quiet: None,
    }]);
    let observation = Observation {
        cause: FleetCause::LibraryLag,
        clinic: ClinicId::parse("riverside").unwrap(),
        driver: None,
        gun: None,
        value: 7_200,
        limit: 3_600,
    };
    let mut letter = |outcome: meso_alerts::Outcome, alerts: &Alerts| {
        for news in &outcome.notifications {
            outbox.post(&Item::of(news, alerts.alert(news.alert).unwrap()));
        }
        let letter = outbox.due(at(0), |_| 0).remove(0);
        outbox.delivered("ops", letter.number, at(-1));
        letter
    };
    let outcome = alerts.observe(&observation, at(-60));
    let opened = letter(outcome, &alerts);
    let outcome = alerts.well_again(&observation.subject(), at(0));
    let over = letter(outcome, &alerts);
    [opened, over]
}

#[test]
fn an_alertmanager_holds_an_alert_for_active_until_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let server = AlertmanagerServer::start(folder.path()).unwrap();
    let alertmanager = Alertmanager::new(&server.url(), None);
    let [opened, over] = letters();
    alertmanager.send(&opened).unwrap();
    alertmanager.send(&opened).unwrap();
    let alerts: Value = serde_json::from_str(&server.alerts().unwrap()).unwrap();
    assert_eq!(
        alerts.as_array().unwrap().len(),
        1,
        "the same alert: {alerts}"
    );
    assert_eq!(alerts[0]["labels"]["alertname"], "library lags");
    assert_eq!(alerts[0]["labels"]["severity"], "soft");
    assert_eq!(alerts[0]["status"]["state"], "active");
    alertmanager.send(&over).unwrap();
    assert_eq!(server.alerts().unwrap().trim(), "[]");
}

#[test]
fn over_tls_only_the_right_authority_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.issue(folder.path());
    let server = AlertmanagerServer::start_tls(folder.path(), (&certificate, &key)).unwrap();
    let [opened, _] = letters();
    let trust = Trust::parse(authority.pem.as_bytes()).unwrap();
    let trusted = Alertmanager::new(&server.url(), Some(&trust));
    trusted.send(&opened).unwrap();
    let stranger = Trust::parse(Authority::new().pem.as_bytes()).unwrap();
    let refused = Alertmanager::new(&server.url(), Some(&stranger)).send(&opened);
    assert!(
        matches!(refused, Err(NotifyError::Unreachable { .. })),
        "{refused:?}"
    );
}

fn email(port: u16, encryption: Encryption, login: Option<(&str, &str)>) -> Email {
    let server = MailServer {
        host: "127.0.0.1".to_owned(),
        port,
        encryption,
        login: login.map(|(name, password)| (name.to_owned(), password.to_owned())),
    };
    let to = ["duty@example.org", "chief@example.org"].map(str::to_owned);
    Email::new(&server, "mesofleet@example.org", &to).unwrap()
}

#[test]
fn a_mail_says_what_is_wrong_and_is_known_when_it_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let sink = MailSink::start(folder.path(), &MailSinkOptions::default()).unwrap();
    let email = email(sink.port(), Encryption::None, None);
    let [opened, over] = letters();
    for letter in [&opened, &opened, &over] {
        email.send(letter).unwrap();
    }
    let mails = sink.mails().unwrap();
    assert_eq!(mails.len(), 3);
    assert_eq!(mails[0].from, "mesofleet@example.org");
    assert_eq!(mails[0].to, ["duty@example.org", "chief@example.org"]);
    let id = |content: &str| {
        let line = content.lines().find(|line| line.starts_with("Message-ID:"));
        line.unwrap().to_owned()
    };
    assert_eq!(id(&mails[0].content), id(&mails[1].content));
    assert_ne!(id(&mails[0].content), id(&mails[2].content));
    let key = &opened.items[0].idempotency_key;
    let content = mails[0].content.replace("=\r\n", "");
    for wanted in [
        "Subject: Mesofleet, soft: library lags of riverside opened",
        key,
    ] {
        assert!(content.contains(wanted), "{wanted} is not in {content}");
    }
    sink.refuse(true).unwrap();
    let refused = email.send(&opened).unwrap_err();
    assert!(
        matches!(refused, NotifyError::MailRefused { .. }),
        "{refused}"
    );
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains("451"), "{source}");
}

#[test]
fn a_mail_server_is_spoken_to_over_tls_and_only_if_it_is_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let certificate = authority.issue(folder.path());
    let login = Some(("mesofleet", "correct horse"));
    let trust = Trust::parse(authority.pem.as_bytes()).unwrap();
    let [opened, _] = letters();
    for is_implicit in [false, true] {
        let encryption = |trust: &Trust| match is_implicit {
            true => Encryption::Tls(trust.clone()),
            false => Encryption::StartTls(trust.clone()),
        };
        let options = MailSinkOptions {
            certificate: Some(certificate.clone()),
            is_implicit,
            login: login.map(|(name, password)| (name.to_owned(), password.to_owned())),
        };
        let below = folder.path().join(format!("sink-{is_implicit}"));
        let sink = MailSink::start(&below, &options).unwrap();
        email(sink.port(), encryption(&trust), login)
            .send(&opened)
            .unwrap();
        let mail = sink.mails().unwrap().remove(0);
        assert!(mail.tls, "{mail:?}");
        assert_eq!(mail.user.as_deref(), Some("mesofleet"));
        let stranger = Trust::parse(Authority::new().pem.as_bytes()).unwrap();
        let wrong = [
            email(sink.port(), encryption(&stranger), login),
            email(
                sink.port(),
                encryption(&trust),
                Some(("mesofleet", "wrong")),
            ),
            email(sink.port(), Encryption::None, None),
        ];
        for email in wrong {
            assert!(email.send(&opened).is_err());
        }
        assert_eq!(sink.mails().unwrap().len(), 1);
    }
    // A server that speaks no TLS gets nothing, the password neither.
    let plain = MailSink::start(&folder.path().join("plain"), &MailSinkOptions::default()).unwrap();
    let refused = email(plain.port(), Encryption::StartTls(trust), login).send(&opened);
    assert!(refused.is_err());
    assert!(plain.mails().unwrap().is_empty());
}
