//! The server as a process.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use meso_contract::http::{GunView, ReadyView};
use meso_testkit::ports::free_port;
use serde::de::DeserializeOwned;

use super::{CLINIC, Programs, end_by_force, leave, wait_until};

/// How often free ports are looked for: somebody else may take one between look and use.
const START_TRIES_MAX: u32 = 5;
/// How long an answer of its pages may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What a server is told beside its addresses.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Further sections of its configuration.
    pub extra: String,
    /// Files of its data folder.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// A broker that runs already, and further lines of the section `[broker]`; without it the
    /// server has one of its own.
    pub broker: Option<(SocketAddr, String)>,
    /// Variables of its environment beside our own.
    pub environment: Vec<(String, String)>,
}

/// `mesofleet serve`: ingest, store, ledger and mostly a broker in one process, which can be killed
/// and started again on the same folder and ports.
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    data: PathBuf,
    options: ServerOptions,
    child: Option<Child>,
    http: SocketAddr,
    broker: SocketAddr,
}

impl Server {
    /// Starts it on a folder and waits until it listens.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(
        programs: &Programs,
        data: &Path,
        options: &ServerOptions,
    ) -> anyhow::Result<Server> {
        std::fs::create_dir_all(data)?;
        for (name, bytes) in &options.files {
            std::fs::write(data.join(name), bytes)?;
        }
        for _ in 0..START_TRIES_MAX {
            let mut server = Server {
                programs: programs.clone(),
                data: data.to_owned(),
                options: options.clone(),
                child: None,
                http: free_port()?,
                broker: match &options.broker {
                    Some((broker, _)) => *broker,
                    None => free_port()?,
                },
            };
            server.start_again()?;
            if server.wait_until_it_listens()? {
                return Ok(server);
            }
        }
        let log = std::fs::read_to_string(log_path(data)).unwrap_or_default();
        bail!("the server does not start:\n{log}")
    }

    /// Starts it on its folder and ports, and waits for nothing.
    ///
    /// # Errors
    ///
    /// The process cannot be made.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let config = self.data.with_extension("toml");
        std::fs::write(&config, self.config_text())?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log_path(&self.data))?;
        let child = self
            .programs
            .command("mesofleet")
            .args(["serve", "--config"])
            .arg(&config)
            .envs(self.options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the server")?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it listens; `false` where it left at once.
    ///
    /// # Errors
    ///
    /// It does neither.
    pub fn wait_until_it_listens(&mut self) -> anyhow::Result<bool> {
        let mut has_left = false;
        let (broker, http) = (self.broker, self.http);
        wait_until("the server listens", || {
            has_left = self.has_left();
            has_left || (TcpStream::connect(broker).is_ok() && TcpStream::connect(http).is_ok())
        })?;
        Ok(!has_left)
    }

    /// Whether it ended by itself, or was never there.
    pub fn has_left(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end_by_force(&mut child);
        }
    }

    /// The folder of its store and ledger.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it was told.
    pub const fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_path(&self.data)).unwrap_or_default()
    }

    /// Whether it is ready and what it waits for, as it says; `None` while it does not answer.
    pub fn ready(&self) -> Option<ReadyView> {
        self.get("/readyz")
    }

    /// What it shows of its guns; none while it does not answer.
    pub fn guns(&self) -> Vec<GunView> {
        let asked = self.get("/api/v1/guns");
        asked.unwrap_or_default()
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWERS_WITHIN))
            .http_status_as_error(false)
            .build()
            .into();
        let answer = agent.get(format!("http://{}{path}", self.http)).call();
        answer.ok()?.body_mut().read_json().ok()
    }

    /// Where the broker listens, its own or the other one.
    pub const fn broker(&self) -> SocketAddr {
        self.broker
    }

    /// Where its dashboards listen.
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process id; `None` once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Asks it to leave and waits for it.
    ///
    /// # Errors
    ///
    /// It does not leave well.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        match self.child.take() {
            Some(mut child) => leave(&mut child).context("the server"),
            None => Ok(()),
        }
    }

    fn config_text(&self) -> String {
        let (data, http, at) = (&self.data, self.http, self.broker);
        let broker = match &self.options.broker {
            Some((_, lines)) => {
                let (host, port) = (at.ip(), at.port());
                format!("kind = \"external\"\nhost = \"{host}\"\nport = {port}\n{lines}")
            }
            None => format!("bind = \"{at}\""),
        };
        format!(
            "version = 1\n\
             [server]\ndata_dir = {data:?}\n\
             [[clinics]]\nid = \"{CLINIC}\"\ntime_zone = \"UTC\"\n\
             [http]\nbind = \"{http}\"\n\
             [broker]\n{broker}\n\
             [ledger]\norigin = \"log.example.org/sandbox\"\n"
        ) + &self.options.extra
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Beside its folder, whose disk may be full.
fn log_path(data: &Path) -> PathBuf {
    data.with_extension("log")
}
