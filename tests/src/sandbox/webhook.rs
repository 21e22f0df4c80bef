//! A webhook that writes down what it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use meso_notify::{SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, signature};
use serde_json::Value;

pub(crate) const SECRET: &[u8] = b"correct horse battery staple";

/// What it was sent, whether it took it or not.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) was_taken: bool,
    pub(crate) is_signed: bool,
    pub(crate) body: Value,
}

impl Seen {
    /// The keys of its news.
    pub(crate) fn keys(&self) -> Vec<String> {
        let news = self.body["news"].as_array().unwrap().iter();
        let key = |it: &Value| it["idempotency_key"].as_str().unwrap().to_owned();
        news.map(key).collect()
    }
}

/// A running webhook; it lives as long as the test.
pub(crate) struct Hook {
    pub(crate) url: String,
    refuses: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Hook {
    pub(crate) fn start() -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hook = Hook {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            refuses: Arc::default(),
            seen: Arc::default(),
        };
        let (refuses, seen) = (Arc::clone(&hook.refuses), Arc::clone(&hook.seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever was killed in the middle has sent nothing.
                if let Some(one) = answer(stream, refuses.load(Ordering::SeqCst)) {
                    seen.lock().unwrap().push(one);
                }
            }
        });
        hook
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn taken(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|it| it.was_taken).collect()
    }
}

fn answer(stream: TcpStream, refuses: bool) -> Option<Seen> {
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
    let secret = Secret::new(SECRET).unwrap();
    let timestamp = header(TIMESTAMP_HEADER)?;
    let expected = format!("v1={}", signature(&secret, &timestamp, &body));
    let status = match refuses {
        true => "503 Service Unavailable",
        false => "204 No Content",
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    Some(Seen {
        was_taken: !refuses,
        is_signed: header(SIGNATURE_HEADER) == Some(expected),
        body: serde_json::from_slice(&body).ok()?,
    })
}
