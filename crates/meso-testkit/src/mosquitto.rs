//! Debian's `mosquitto` as a child process, for tests that need a broker that is not ours.
//!
//! It is **not** an emulation: what it refuses, drops and forgets, the real one does.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_port;

/// How long a start may take.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How often a start looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often a free port is looked for: somebody else may take one between look and use.
const START_TRIES_MAX: u32 = 5;

/// Where `cargo xtask setup --full` unpacks Debian's packages, below the cache folder.
const UNPACKED: &str = "mesofleet/tools/mosquitto";

/// A program of the package: named by `MESOFLEET_MOSQUITTO` (the server only), or on the search
/// path, or where `cargo xtask setup --full` unpacks it, with the libraries beside it.
fn program(name: &str, below: &str) -> io::Result<Command> {
    let named = std::env::var_os("MESOFLEET_MOSQUITTO").filter(|_| name == "mosquitto");
    if let Some(path) = named {
        return Ok(Command::new(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut on_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    if let Some(program) = on_path.find(|program| program.is_file()) {
        return Ok(Command::new(program));
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let mut roots = cache.into_iter().chain(home).map(|it| it.join(UNPACKED));
    let root = roots.find(|root| root.join(below).join(name).is_file());
    let Some(root) = root else {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "there is no mosquitto; `cargo xtask setup --full` unpacks Debian's into the cache \
             folder, or set MESOFLEET_MOSQUITTO to one",
        ));
    };
    let mut command = Command::new(root.join(below).join(name));
    command.env("LD_LIBRARY_PATH", libraries(&root)?);
    Ok(command)
}

/// The folders of the libraries that were unpacked beside the program.
fn libraries(root: &Path) -> io::Result<OsString> {
    let mut folders = Vec::new();
    for below in ["usr/lib", "lib"] {
        let Ok(entries) = std::fs::read_dir(root.join(below)) else {
            continue;
        };
        for entry in entries {
            folders.push(entry?.path());
        }
    }
    std::env::join_paths(folders).map_err(io::Error::other)
}

/// A running `mosquitto` on a free port of this computer; dropping it kills it.
#[derive(Debug)]
pub struct Mosquitto {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Mosquitto {
    /// What lets everybody in, as tests without permissions want it.
    pub const OPEN: &'static str = "allow_anonymous true\n";

    /// Starts one with its files under `folder` and waits until it listens. `lines` are further
    /// lines of its configuration, which has only its listener and where it logs; without any it
    /// lets nobody in.
    ///
    /// # Errors
    ///
    /// There is no program, or it does not listen in time.
    pub fn start(folder: &Path, lines: &str) -> io::Result<Mosquitto> {
        std::fs::create_dir_all(folder)?;
        let mut refused = io::Error::other("no free port");
        for _ in 0..START_TRIES_MAX {
            let address = free_port()?;
            let text = configuration(folder, address, lines);
            std::fs::write(folder.join("mosquitto.conf"), text)?;
            let mut broker = Mosquitto {
                child: spawn(folder)?,
                address,
                folder: folder.to_owned(),
            };
            match broker.wait() {
                Ok(()) => return Ok(broker),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn log(&self) -> io::Result<String> {
        std::fs::read_to_string(self.folder.join("mosquitto.log"))
    }

    /// Kills it, if it lives, and starts it again on the same address: without persistence among
    /// its lines it has forgotten every session and message.
    ///
    /// # Errors
    ///
    /// It does not come back.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        self.child = spawn(&self.folder)?;
        self.wait()
    }

    /// Kills it.
    pub fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        while TcpStream::connect(self.address).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() >= deadline {
                let log = self.log().unwrap_or_default();
                return Err(io::Error::other(format!(
                    "mosquitto does not start:\n{log}"
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes a file of passwords for Mosquitto's `password_file`.
///
/// # Errors
///
/// There is no program, or it refuses.
pub fn write_passwords(file: &Path, users: &[(&str, &str)]) -> io::Result<()> {
    std::fs::write(file, "")?;
    for (user, password) in users {
        let mut command = program("mosquitto_passwd", "usr/bin")?;
        let status = command
            .arg("-b")
            .arg(file)
            .args([user, password])
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!(
                "mosquitto_passwd left with {status}"
            )));
        }
    }
    Ok(())
}

fn spawn(folder: &Path) -> io::Result<Child> {
    let server = program("mosquitto", "usr/sbin")?;
    // Ends with us even where nobody can drop this; it is part of every Debian.
    let mut command = Command::new("setpriv");
    for (key, value) in server.get_envs() {
        command.env(key, value.unwrap_or_default());
    }
    command
        .args(["--pdeathsig", "KILL"])
        .arg(server.get_program())
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn configuration(folder: &Path, address: SocketAddr, lines: &str) -> String {
    // Started as root it would otherwise become a user that only the package makes.
    format!(
        "listener {} {}\nuser root\nlog_dest file {}\nset_tcp_nodelay true\n{lines}",
        address.port(),
        address.ip(),
        folder.join("mosquitto.log").display(),
    )
}
