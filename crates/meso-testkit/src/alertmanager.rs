//! Debian's `prometheus-alertmanager` as a child process.
//!
//! It is **not** an emulation: what it takes for an alert, and when it takes one for over, the real
//! one does.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_port;
use crate::unpacked::{on_path, unpacked};

/// How long a start or an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a start looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const PROGRAM: &str = "prometheus-alertmanager";

/// It notifies nobody: the tests ask what it knows.
const CONFIGURATION: &str = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n";

/// A running Alertmanager on a free port of this computer; dropping it kills it.
#[derive(Debug)]
pub struct AlertmanagerServer {
    child: Child,
    address: SocketAddr,
    is_tls: bool,
}

impl AlertmanagerServer {
    /// Starts one with its files under `folder` and waits until it answers.
    ///
    /// # Errors
    ///
    /// There is no program, or it does not answer in time.
    pub fn start(folder: &Path) -> io::Result<AlertmanagerServer> {
        AlertmanagerServer::start_with(folder, None)
    }

    /// As [`AlertmanagerServer::start`], over TLS with this certificate and key, PEM: it takes alerts,
    /// and cannot be asked by [`AlertmanagerServer::alerts`].
    ///
    /// # Errors
    ///
    /// As [`AlertmanagerServer::start`].
    pub fn start_tls(folder: &Path, pair: (&Path, &Path)) -> io::Result<AlertmanagerServer> {
        AlertmanagerServer::start_with(folder, Some(pair))
    }

    fn start_with(folder: &Path, tls: Option<(&Path, &Path)>) -> io::Result<AlertmanagerServer> {
        std::fs::create_dir_all(folder)?;
        let config = folder.join("alertmanager.yml");
        std::fs::write(&config, CONFIGURATION)?;
        let address = free_port()?;
        let log = std::fs::File::create(folder.join("alertmanager.log"))?;
        let mut command = program()?;
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            // No other Alertmanager is looked for.
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some((certificate, key)) = tls {
            let web = folder.join("web.yml");
            let (certificate, key) = (certificate.display(), key.display());
            let text =
                format!("tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n");
            std::fs::write(&web, text)?;
            command.arg(format!("--web.config.file={}", web.display()));
        }
        let mut server = AlertmanagerServer {
            child: command.spawn()?,
            address,
            is_tls: tls.is_some(),
        };
        let deadline = Instant::now() + PATIENCE;
        while !server.is_ready() {
            if server.child.try_wait()?.is_some() || Instant::now() >= deadline {
                let log = std::fs::read_to_string(folder.join("alertmanager.log"));
                let log = log.unwrap_or_default();
                return Err(io::Error::other(format!("it does not start:\n{log}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(server)
    }

    /// Where it begins, such as `http://127.0.0.1:9093`.
    pub fn url(&self) -> String {
        match self.is_tls {
            true => format!("https://{}", self.address),
            false => format!("http://{}", self.address),
        }
    }

    fn is_ready(&self) -> bool {
        match self.is_tls {
            true => TcpStream::connect(self.address).is_ok(),
            false => self
                .get("/-/ready")
                .is_ok_and(|answer| answer.starts_with("OK")),
        }
    }

    /// The alerts that it holds for active, as JSON.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn alerts(&self) -> io::Result<String> {
        self.get("/api/v2/alerts")
    }

    /// The body of an answer.
    fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // HTTP 1.0: the answer ends with the connection and is in one piece.
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.address
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        Ok(body.unwrap_or_default().to_owned())
    }
}

/// The program, to be given its arguments.
fn program() -> io::Result<Command> {
    // Ends with us even where nobody can drop this; it is part of every Debian.
    let mortal = ["setpriv", "--pdeathsig", "KILL", "--"];
    if let Some(program) = on_path(PROGRAM) {
        let mut command = Command::new(mortal[0]);
        command.args(&mortal[1..]).arg(program);
        return Ok(command);
    }
    let below = format!("usr/bin/{PROGRAM}");
    let root = unpacked(PROGRAM, &below)?;
    // Debian's looks for its templates below /usr/share and nowhere else: it gets one of its own.
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$0/usr/share\" /usr/share && exec \"$@\"")
        .arg(&root)
        .args(mortal)
        .arg(root.join(below));
    Ok(command)
}

impl Drop for AlertmanagerServer {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
