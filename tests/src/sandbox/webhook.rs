//! A webhook that writes down what it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use meso_notify::{SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, signature};
use serde_json::Value;

/// It protects nothing.
const SECRET: &[u8] = b"correct horse battery staple";

/// A letter that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Whether it was taken, or refused.
    pub was_taken: bool,
    /// Whether its signature is right.
    pub is_signed: bool,
    /// What it says.
    pub body: Value,
}

impl Received {
    /// The keys of its news.
    pub fn keys(&self) -> Vec<String> {
        let news = self.body["news"].as_array().into_iter().flatten();
        let keys = news.filter_map(|it| it["idempotency_key"].as_str());
        keys.map(str::to_owned).collect()
    }
}

/// A running webhook; it lives as long as the process.
#[derive(Debug)]
pub struct Webhook {
    /// Where it listens.
    pub url: String,
    refuses: Arc<AtomicBool>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Webhook {
    /// How often the server may write to it, in s.
    pub const INTERVAL_S: u64 = 1;

    /// Starts one on a free port.
    ///
    /// # Errors
    ///
    /// There is no port, or no thread.
    pub fn start() -> anyhow::Result<Webhook> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for a webhook")?;
        let hook = Webhook {
            url: format!("http://{}/hook", listener.local_addr()?),
            refuses: Arc::default(),
            received: Arc::default(),
        };
        let (refuses, received) = (Arc::clone(&hook.refuses), Arc::clone(&hook.received));
        let listen = move || {
            for stream in listener.incoming().flatten() {
                // Whoever was killed in the middle has sent nothing.
                if let Some(one) = answer(stream, refuses.load(Ordering::SeqCst)) {
                    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
                    received.push(one);
                }
            }
        };
        std::thread::Builder::new()
            .name("webhook".to_owned())
            .spawn(listen)?;
        Ok(hook)
    }

    /// The section of a server's configuration that names it; the secret is written into `folder`.
    ///
    /// # Errors
    ///
    /// The secret cannot be written.
    pub fn section(&self, folder: &Path) -> anyhow::Result<String> {
        let path = folder.join("hook.secret");
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&path).context("no secret for a webhook")?;
        file.write_all(SECRET)?;
        Ok(format!(
            "[[notify]]\nname = \"hook\"\nkind = \"webhook\"\ninterval_seconds = {}\n\
             url = {:?}\nsecret_file = {path:?}\n",
            Webhook::INTERVAL_S,
            self.url
        ))
    }

    /// Refuses letters from now on, or takes them.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        let received = self.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it took of that.
    pub fn taken(&self) -> Vec<Received> {
        let received = self.received().into_iter();
        received.filter(|it| it.was_taken).collect()
    }
}

fn answer(mut stream: TcpStream, refuses: bool) -> Option<Received> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_owned();
        match (line.is_empty(), headers.is_empty()) {
            (true, true) => return None,
            (true, false) => break,
            _ => headers.push(line),
        }
    }
    let header = |name: &str| {
        headers.iter().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut body = vec![0; header("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let secret = Secret::new(SECRET).ok()?;
    let timestamp = header(TIMESTAMP_HEADER)?;
    let expected = format!("v1={}", signature(&secret, &timestamp, &body));
    let status = match refuses {
        true => "503 Service Unavailable",
        false => "204 No Content",
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    Some(Received {
        was_taken: !refuses,
        is_signed: header(SIGNATURE_HEADER) == Some(expected),
        body: serde_json::from_slice(&body).ok()?,
    })
}
