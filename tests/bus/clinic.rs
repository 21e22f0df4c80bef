//! Mosquitto as config/mosquitto tells people to run it, with users and permissions.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meso_bus::{
    Access, ClientOptions, ConnectionState, Consumer, ConsumerEvent, Delivery, Endpoint, Publisher,
};
use meso_contract::permissions::{INGEST_USER, driver_user, mosquitto_acl};
use meso_testkit::mosquitto::{Mosquitto, write_passwords};
use meso_units::{ClinicId, DriverId};
use tempfile::TempDir;

use crate::certificates::Authority;

/// Far above anything that happens here; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A driver of a clinic.
pub(crate) type Room = (ClinicId, DriverId);

pub(crate) fn room(clinic: &str, driver: &str) -> Room {
    (
        ClinicId::parse(clinic).unwrap(),
        DriverId::parse(driver).unwrap(),
    )
}

/// Two rooms of one clinic and one of another.
pub(crate) fn rooms() -> [Room; 3] {
    [
        room("riverside", "room-1"),
        room("riverside", "room-2"),
        room("hillside", "room-3"),
    ]
}

/// A broker with the published configuration on a free port.
pub(crate) struct Guarded {
    pub(crate) broker: Mosquitto,
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Guarded {
    /// As published, for [`rooms`].
    pub(crate) fn start() -> Guarded {
        Guarded::with(|published| published)
    }

    /// As published, for these rooms.
    pub(crate) fn for_rooms(rooms: &[Room]) -> Guarded {
        Guarded::made(rooms, |published| published)
    }

    /// As published, but for what `change` does to its text.
    pub(crate) fn with(change: impl FnOnce(String) -> String) -> Guarded {
        Guarded::made(&rooms(), change)
    }

    fn made(rooms: &[Room], change: impl FnOnce(String) -> String) -> Guarded {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let authority = Authority::new();
        authority.write(&at.join("ca.pem"));
        authority.issue(at, "broker", &["localhost", "127.0.0.1"]);
        let mut users: Vec<String> = rooms.iter().map(|(c, d)| driver_user(c, d)).collect();
        users.push(INGEST_USER.to_owned());
        let logins: Vec<(&str, &str)> = users.iter().map(|user| (&**user, &**user)).collect();
        write_passwords(&at.join("passwords"), &logins).unwrap();
        for user in &users {
            write_secret(&at.join(format!("{user}.password")), user);
        }
        std::fs::write(at.join("acl"), mosquitto_acl(rooms)).unwrap();
        let published = include_str!("../../config/mosquitto/mosquitto.conf")
            .replace("\nlistener 8883\n", "\n")
            .replace("/etc/mosquitto/mesofleet", &at.display().to_string())
            .replace("/var/lib/mosquitto/", &format!("{}/", at.display()));
        let broker = Mosquitto::start(at, &change(published)).unwrap();
        Guarded {
            broker,
            authority,
            folder,
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a user needs whose password is its name.
    pub(crate) fn access(&self, user: &str) -> Access {
        Access {
            ca_file: Some(self.file("ca.pem")),
            identity: None,
            login: Some((user.to_owned(), self.file(&format!("{user}.password")))),
        }
    }

    pub(crate) fn endpoint(&self, access: &Access) -> Endpoint {
        let port = self.broker.address().port();
        Endpoint::new("localhost", port)
            .with_access(access)
            .unwrap()
    }

    pub(crate) fn publisher(&self, user: &str) -> Publisher {
        let options = ClientOptions::new(user, self.endpoint(&self.access(user)));
        Publisher::start(options, None, None)
    }

    /// A consumer whose subscriptions are granted.
    pub(crate) async fn consumer(&self, user: &str, filters: Vec<String>) -> Consumer {
        let id = format!("{user}.in");
        let options = ClientOptions::new(&id, self.endpoint(&self.access(user)));
        let mut consumer = Consumer::start(options, filters);
        while !matches!(next(&mut consumer).await, ConsumerEvent::Ready { .. }) {}
        consumer
    }
}

pub(crate) fn write_secret(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("took far too long")
}

async fn next(consumer: &mut Consumer) -> ConsumerEvent {
    in_time(consumer.next()).await.unwrap()
}

/// The next message, which the consumer then acknowledges.
pub(crate) async fn next_delivery(consumer: &mut Consumer) -> Delivery {
    loop {
        if let ConsumerEvent::Message(delivery) = next(consumer).await {
            consumer.acknowledge(delivery.ticket);
            return delivery;
        }
    }
}

/// Why the publisher's connection ended, or never began.
pub(crate) async fn why_down(publisher: &Publisher) -> String {
    let mut state = publisher.state();
    let is_told =
        |state: &ConnectionState| matches!(state, ConnectionState::Down { reason: Some(_) });
    match &*in_time(state.wait_for(is_told)).await.unwrap() {
        ConnectionState::Down { reason } => reason.clone().unwrap(),
        ConnectionState::Up { .. } => unreachable!("it was down"),
    }
}
