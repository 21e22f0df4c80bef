//! A treatment room on loopback.

mod gun;
mod ingest;
mod operator;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use meso_bus::Broker;
use meso_contract::LibraryMessage;
use tempfile::TempDir;

use gun::EmulatedGun;
use ingest::FakeIngest;
use operator::Operator;

/// Far above anything that happens here; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

const CLINIC: &str = "example-clinic";
const DRIVER: &str = "room-1";

/// Gun, daemon, broker and ingest.
pub struct Room {
    folder: TempDir,
    broker_address: SocketAddr,
    broker: Option<Broker>,
    driver: Option<Child>,
    gun: EmulatedGun,
    operator: Operator,
    pub ingest: FakeIngest,
}

impl Room {
    pub async fn start() -> Room {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let broker_address = broker.address();
        let (library, signer) = library();
        let ingest = FakeIngest::start(broker_address, library).await;
        std::fs::write(folder.path().join("driver.toml"), config(&signer)).unwrap();
        let gun = EmulatedGun::start(folder.path());
        let mut room = Room {
            operator: Operator::new(folder.path().join("data")),
            folder,
            broker_address,
            broker: Some(broker),
            driver: None,
            gun,
            ingest,
        };
        room.start_driver().await;
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data_folder(&self) -> PathBuf {
        self.path("data")
    }

    pub const fn broker_address(&self) -> SocketAddr {
        self.broker_address
    }

    pub fn ports_folder(&self) -> PathBuf {
        self.path("ports")
    }

    /// Starts the daemon and waits until it has said that it is there.
    pub async fn start_driver(&mut self) {
        let births = self.ingest.birth_count();
        self.start_driver_without_broker();
        self.ingest.wait_until(|seen| seen.births > births).await;
    }

    pub fn start_driver_without_broker(&mut self) {
        let _ = std::fs::remove_file(self.path("data").join("room.json"));
        let child = Command::new(env!("CARGO_BIN_EXE_mesofleet-driver"))
            .args(["run", "--log", "warn", "--config"])
            .arg(self.path("driver.toml"))
            .arg("--data-dir")
            .arg(self.path("data"))
            .arg("--ports-dir")
            .arg(self.path("ports"))
            .args(["--broker", &self.broker_address.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.driver = Some(child);
    }

    /// kill -9.
    pub fn kill_driver(&mut self) {
        let mut driver = self.driver.take().unwrap();
        driver.kill().unwrap();
        driver.wait().unwrap();
    }

    pub async fn stop_broker(&mut self) {
        self.broker.take().unwrap().shutdown().await;
    }

    pub async fn start_broker(&mut self) {
        // The port may be held for a moment by connections that are closing.
        let broker = loop {
            match Broker::start(self.broker_address).await {
                Ok(broker) => break broker,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.broker = Some(broker);
    }

    /// Lets the operator do what the gun asks for until the ingest has this many shots.
    pub async fn fire_until(&mut self, shots: usize) {
        while self.ingest.shot_count() < shots {
            tokio::select! {
                step = self.gun.next_step() => {
                    self.operator.take(step).await;
                    self.gun.go_on();
                }
                () = self.ingest.wait_until(|seen| seen.shots.len() >= shots) => {}
            }
        }
    }

    /// Lets the operator do what the gun asks for until it has fired this many shots, wherever
    /// they are.
    pub async fn wait_until_fired(&mut self, shots: usize) {
        let log = self.gun.log_reader();
        self.fire_while(|| log().len() < shots).await;
    }

    /// Lets the operator do what the gun asks for while `goes_on`.
    pub async fn fire_while(&mut self, goes_on: impl Fn() -> bool) {
        while goes_on() {
            let pause = tokio::time::sleep(Duration::from_millis(50));
            tokio::select! {
                step = self.gun.next_step() => {
                    self.operator.take(step).await;
                    self.gun.go_on();
                }
                () = pause => {}
            }
        }
    }

    /// Stops the gun and waits until the ingest has as many shots as it fired.
    pub async fn stop_firing_and_settle(&mut self) {
        let fired = self.gun.stop().await;
        self.ingest
            .wait_until(|seen| seen.shots.len() >= fired)
            .await;
    }

    #[track_caller]
    pub fn assert_stored_as_fired(&self) {
        self.ingest.assert_holds_exactly(&self.gun.log());
    }

    /// Asks the daemon to leave and waits for it.
    pub async fn leave(mut self) {
        let mut driver = self.driver.take().unwrap();
        let killed = Command::new("kill").arg(driver.id().to_string()).status();
        assert!(killed.unwrap().success());
        let status = tokio::task::spawn_blocking(move || driver.wait().unwrap());
        let status = in_time(status).await.unwrap();
        assert!(status.success(), "the daemon left with {status}");
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(driver) = &mut self.driver {
            let _ = driver.kill();
            let _ = driver.wait();
        }
    }
}

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("took far too long")
}

fn config(signer: &str) -> String {
    format!(
        r#"
            version = 1
            [driver]
            id = "{DRIVER}"
            clinic = "{CLINIC}"
            time_zone = "Europe/Vienna"
            data_dir = "data"
            [ports]
            rescan_ms = 50
            [blocks]
            open_ms_max = 200
            [library]
            signers = ["{signer}"]
            signatures_needed = 1
        "#
    )
}

/// A release of the example library signed with a key of this test.
fn library() -> (LibraryMessage, String) {
    let protocol = r#"
        [[protocols]]
        id = "mesolift-face"
        title = "Mesolift, face"
        indication = "mesolift"
        zones = ["forehead", "cheek", "mouth contour", "chin", "neck"]
        techniques = ["nappage", "point by point", "papule", "burst"]
        [protocols.needle_depth]
        soft_max = "4 mm"
        source = "example to be approved by a clinician"
    "#;
    let seed = [9; 32];
    let release = meso_limits::assemble_release(1, true, &[protocol]);
    let signatures = vec![meso_limits::sign(&release, &seed)];
    let message = LibraryMessage {
        version: meso_contract::PAYLOAD_VERSION,
        release,
        signatures,
    };
    (message, meso_limits::public_key(&seed))
}
