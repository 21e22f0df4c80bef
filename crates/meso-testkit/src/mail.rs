//! A real mail server, Debian's `aiosmtpd`, that takes every mail and sends none on.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::unpacked::unpacked;

/// Where Debian's modules of Python lie in a package.
const MODULES: &str = "usr/lib/python3/dist-packages";

/// What a mail server wants of those who write.
#[derive(Clone, Debug, Default)]
pub struct MailSinkOptions {
    /// Its certificate and key, PEM; with them it takes nothing in the clear.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether TLS begins with the first byte, and not by STARTTLS.
    pub is_implicit: bool,
    /// The name and password that it wants.
    pub login: Option<(String, String)>,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// Who writes, by the envelope.
    pub from: String,
    /// Who reads, by the envelope.
    pub to: Vec<String>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had signed in.
    pub user: Option<String>,
    /// Headers and body as they came.
    pub content: String,
}

/// What the script is told.
#[derive(Serialize)]
struct ScriptOptions<'o> {
    file: &'o Path,
    refuse: &'o Path,
    certificate: Option<&'o Path>,
    key: Option<&'o Path>,
    implicit: bool,
    user: &'o str,
    password: &'o str,
}

/// A running mail server on a port of this computer; dropping it kills it.
#[derive(Debug)]
pub struct MailSink {
    child: Child,
    port: u16,
    file: PathBuf,
    refuse: PathBuf,
}

impl MailSink {
    /// Starts one with its mails under `folder` and waits until it listens.
    ///
    /// # Errors
    ///
    /// There is no aiosmtpd or no python3, or it does not start.
    pub fn start(folder: &Path, options: &MailSinkOptions) -> io::Result<MailSink> {
        std::fs::create_dir_all(folder)?;
        let modules = unpacked("python3-aiosmtpd", MODULES)?.join(MODULES);
        let (file, refuse) = (folder.join("mails"), folder.join("refuse"));
        let script = ScriptOptions {
            file: &file,
            refuse: &refuse,
            certificate: options.certificate.as_ref().map(|(it, _)| it.as_path()),
            key: options.certificate.as_ref().map(|(_, key)| key.as_path()),
            implicit: options.is_implicit,
            user: options.login.as_ref().map_or("", |(user, _)| user),
            password: options.login.as_ref().map_or("", |(_, password)| password),
        };
        // Ends with us even where nobody can drop this; it is part of every Debian.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "python3", "-c"])
            .arg(include_str!("mail_sink.py"))
            .arg(serde_json::to_string(&script)?)
            .env("PYTHONPATH", modules)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("log"))?)
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let Ok(port) = line.trim().parse() else {
            // It may be dead already.
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other("the mail server does not start"));
        };
        Ok(MailSink {
            child,
            port,
            file,
            refuse,
        })
    }

    /// The TCP port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Lets it refuse every mail for now, or take mails again.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn refuse(&self, refuses: bool) -> io::Result<()> {
        match refuses {
            true => std::fs::write(&self.refuse, ""),
            false => std::fs::remove_file(&self.refuse),
        }
    }

    /// The mails that it has taken.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn mails(&self) -> io::Result<Vec<Mail>> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mails = whole.lines().map(serde_json::from_str);
        Ok(mails.collect::<Result<_, _>>()?)
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
