//! A treatment room on loopback.

mod gun;
mod ingest;
mod operator;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use meso_bus::Broker;
use meso_contract::LibraryMessage;
use meso_link_proto::auth::LinkKey;
use meso_testkit::gun::plan::Breach;
use tempfile::TempDir;

use gun::EmulatedGun;
use ingest::FakeIngest;
use operator::Operator;

/// Far above anything that happens here; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

const CLINIC: &str = "example-clinic";
const DRIVER: &str = "room-1";

/// What differs from a room of every day.
pub struct Setup {
    /// Lines more in the configuration.
    pub more: &'static str,
    pub breach: Breach,
    /// 64 digits.
    pub gun_key: Option<String>,
    /// What the driver takes for the gun's key.
    pub driver_key: Option<String>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            more: "",
            breach: Breach::None,
            gun_key: None,
            driver_key: None,
        }
    }
}

fn write_key(data: &Path, key: &str) {
    let keys = data.join("keys");
    std::fs::create_dir_all(&keys).unwrap();
    let path = keys.join("GUN-0001.key");
    std::fs::write(&path, key).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, private).unwrap();
}

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
        Room::start_with(Setup::default()).await
    }

    pub async fn start_with(setup: Setup) -> Room {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let broker_address = broker.address();
        let (library, signer) = library();
        let ingest = FakeIngest::start(broker_address, library).await;
        let text = format!("{}{}", config(&signer), setup.more);
        std::fs::write(folder.path().join("driver.toml"), text).unwrap();
        if let Some(key) = &setup.driver_key {
            write_key(&folder.path().join("data"), key);
        }
        let key = setup.gun_key.map(|key| LinkKey::parse(&key).unwrap());
        let gun = EmulatedGun::start(folder.path(), setup.breach, key);
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

    pub fn path(&self, name: &str) -> PathBuf {
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
        self.driver = Some(self.spawn_driver("driver.toml", "data"));
    }

    /// The configuration of a second computer, in the same room.
    pub fn write_second_config(&self) {
        let text = std::fs::read_to_string(self.path("driver.toml")).unwrap();
        let second = text.replace("\"room-1\"", "\"room-2\"");
        std::fs::write(self.path("second.toml"), second).unwrap();
    }

    /// A driver with this configuration and data folder at the ports of the room.
    pub fn spawn_driver(&self, config: &str, data: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_mesofleet-driver"))
            .args(["run", "--log", "warn"])
            .args(self.options(config, data))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    }

    /// The options with which a command means a driver of the room.
    pub fn options(&self, config: &str, data: &str) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let options = [
            ("--config", path(config)),
            ("--data-dir", path(data)),
            ("--ports-dir", path("ports")),
            ("--broker", self.broker_address.to_string()),
        ];
        let flat = options.map(|(name, value)| [name.to_owned(), value]);
        flat.concat()
    }

    /// Takes a driver in the place of the one that was killed.
    pub fn adopt(&mut self, driver: Child, data: &str) {
        self.driver = Some(driver);
        self.operator = Operator::new(self.path(data));
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

    /// Asks a driver of the room how it is until `enough`; says how it was then.
    pub async fn state_until(
        &self,
        data: &str,
        enough: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let data = self.path(data).display().to_string();
        let ask = async {
            loop {
                if let Some(state) = state(&data).await
                    && enough(&state)
                {
                    return state;
                }
            }
        };
        in_time(ask).await
    }

    /// Lets the operator do what the gun asks for until the driver is like this.
    pub async fn fire_until_state(&mut self, enough: impl Fn(&serde_json::Value) -> bool) {
        let data = self.data_folder().display().to_string();
        loop {
            tokio::select! {
                step = self.gun.next_step() => {
                    self.operator.take(step).await;
                    self.gun.go_on();
                }
                Some(state) = state(&data) => {
                    if enough(&state) {
                        return;
                    }
                }
            }
        }
    }

    /// How many shots the gun has fired.
    pub fn fired(&self) -> usize {
        self.gun.log().len()
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

/// What `status` says of the driver with this data folder; `None` while none runs.
async fn state(data: &str) -> Option<serde_json::Value> {
    let arguments = ["status", "--json", "--data-dir", data].map(str::to_owned);
    let asked = tokio::task::spawn_blocking(|| crate::commands::driver(arguments));
    let answer = asked.await.unwrap();
    (answer.code == Some(0)).then(|| answer.json()["state"].clone())
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
        signer_lists: Vec::new(),
        version: meso_contract::PAYLOAD_VERSION,
        release,
        signatures,
    };
    (message, meso_limits::public_key(&seed))
}
