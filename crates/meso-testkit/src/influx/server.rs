//! Debian's `influxd` as a child process.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_port;

/// How long a start may take.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How often a start looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The program of the tests: named by `MESOFLEET_INFLUXD`, or on the search path, or where `cargo
/// xtask setup --full` unpacks it.
///
/// # Errors
///
/// It is in none of these places; the message says how to get it.
pub fn influxd_program() -> io::Result<PathBuf> {
    let named = std::env::var_os("MESOFLEET_INFLUXD").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("influxd"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let unpacked = cache
        .into_iter()
        .chain(home)
        .map(|folder| folder.join("mesofleet/tools/influxdb/usr/bin/influxd"));
    named
        .into_iter()
        .chain(on_path)
        .chain(unpacked)
        .find(|program| program.is_file())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "there is no influxd; `cargo xtask setup --full` unpacks Debian's into the cache \
                 folder, or set MESOFLEET_INFLUXD to one",
            )
        })
}

/// A running `influxd`; dropping it kills it. Its data stay in the folder that was given.
#[derive(Debug)]
pub struct Influxd {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Influxd {
    /// Starts one with its data under `folder` and waits until it answers.
    ///
    /// # Errors
    ///
    /// There is no program, or it does not answer in time.
    pub fn start(folder: &Path) -> io::Result<Influxd> {
        let program = influxd_program()?;
        let [http, rpc] = [free_port()?.port(), free_port()?.port()];
        let config = folder.join("influxd.conf");
        std::fs::create_dir_all(folder)?;
        std::fs::write(&config, configuration(folder, http, rpc))?;
        let log = std::fs::File::create(folder.join("influxd.log"))?;
        // Ends with us even where nobody can drop this; it is part of every Debian.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .arg("-config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut server = Influxd {
            child: command.spawn()?,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, http)),
            folder: folder.to_owned(),
        };
        server.wait()?;
        Ok(server)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Makes a database.
    ///
    /// # Errors
    ///
    /// It does not answer, or refuses.
    pub fn create_database(&self, name: &str) -> io::Result<()> {
        let answer = self.query(&format!("CREATE DATABASE \"{name}\""), "")?;
        match answer.contains("\"error\"") {
            true => Err(io::Error::other(answer)),
            false => Ok(()),
        }
    }

    /// The JSON that it answers to a statement.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn query(&self, statement: &str, database: &str) -> io::Result<String> {
        let body = format!("q={}&db={}", encoded(statement), encoded(database));
        self.post("/query?epoch=ns", &body)
    }

    /// Writes lines, as somebody might who is not us.
    ///
    /// # Errors
    ///
    /// It does not answer, or refuses.
    pub fn write(&self, database: &str, lines: &str) -> io::Result<()> {
        let answer = self.post(&format!("/write?db={}", encoded(database)), lines)?;
        match answer.starts_with("HTTP/1.1 204") {
            true => Ok(()),
            false => Err(io::Error::other(answer)),
        }
    }

    fn post(&self, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: influxd\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Kills it and starts it again on the same data and address.
    ///
    /// # Errors
    ///
    /// It does not come back.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let config = self.folder.join("influxd.conf");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(influxd_program()?)
            .arg("-config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = command.spawn()?;
        self.wait()
    }

    /// Kills it; what it has acknowledged is in its write-ahead log.
    pub fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if self.query("SHOW DATABASES", "").is_ok() {
                return Ok(());
            }
            let log = self.folder.join("influxd.log");
            if self.child.try_wait()?.is_some() || Instant::now() >= deadline {
                return Err(io::Error::other(format!(
                    "influxd does not start; see {}",
                    log.display()
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Influxd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A text as an address may hold it.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Debian's own configuration listens on every interface; this one does not.
fn configuration(folder: &Path, http: u16, rpc: u16) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "reporting-disabled = true\n\
         bind-address = \"127.0.0.1:{rpc}\"\n\
         [meta]\ndir = {:?}\n\
         [data]\ndir = {:?}\nwal-dir = {:?}\nindex-version = \"tsi1\"\nquery-log-enabled = false\n\
         [monitor]\nstore-enabled = false\n\
         [http]\nbind-address = \"127.0.0.1:{http}\"\nlog-enabled = false\n",
        path("meta"),
        path("data"),
        path("wal"),
    )
}
