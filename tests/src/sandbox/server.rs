//! The server as a process.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use super::{CLINIC, Programs, end_by_force, leave, wait_until};

/// How often free ports are looked for: somebody else may take one between look and use.
const START_TRIES_MAX: u32 = 5;

/// What a server is told beside its addresses.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Further sections of its configuration.
    pub extra: String,
    /// Files of its data folder.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// A broker that runs already and lets everybody in; without one it has its own.
    pub external_broker: Option<SocketAddr>,
}

/// `mesofleet serve`: broker, ingest, store and ledger in one process.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    broker: SocketAddr,
    http: SocketAddr,
}

impl Server {
    pub(super) fn start(
        programs: &Programs,
        data: &Path,
        options: &ServerOptions,
    ) -> anyhow::Result<Server> {
        std::fs::create_dir_all(data)?;
        for (name, bytes) in &options.files {
            std::fs::write(data.join(name), bytes)?;
        }
        for _ in 0..START_TRIES_MAX {
            if let Some(server) = Server::try_start(programs, data, options)? {
                return Ok(server);
            }
        }
        let log = std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
        bail!("the server does not start:\n{log}")
    }

    /// `None` where it left at once.
    fn try_start(
        programs: &Programs,
        data: &Path,
        options: &ServerOptions,
    ) -> anyhow::Result<Option<Server>> {
        let (http, own) = (free_port()?, free_port()?);
        let broker = options.external_broker.unwrap_or(own);
        let lines = match options.external_broker {
            Some(at) => format!(
                "kind = \"external\"\nhost = \"{}\"\nport = {}",
                at.ip(),
                at.port()
            ),
            None => format!("bind = \"{own}\""),
        };
        let config = data.join("server.toml");
        let text = config_text(data, http, &lines) + &options.extra;
        std::fs::write(&config, text)?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(data.join("server.log"))?;
        let child = Command::new(programs.path("mesofleet"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the server")?;
        let mut server = Server {
            child: Some(child),
            broker,
            http,
        };
        let mut has_left = false;
        wait_until("the server listens", || {
            let child = server.child.as_mut();
            has_left = child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            has_left || (TcpStream::connect(broker).is_ok() && TcpStream::connect(http).is_ok())
        })?;
        Ok((!has_left).then_some(server))
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
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end_by_force(child);
        }
    }
}

fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

fn config_text(data: &Path, http: SocketAddr, broker: &str) -> String {
    format!(
        "version = 1\n\
         [server]\ndata_dir = {data:?}\n\
         [[clinics]]\nid = \"{CLINIC}\"\ntime_zone = \"UTC\"\n\
         [http]\nbind = \"{http}\"\n\
         [broker]\n{broker}\n\
         [ledger]\norigin = \"log.example.org/sandbox\"\n"
    )
}
