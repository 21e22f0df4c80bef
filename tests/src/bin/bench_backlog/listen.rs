//! What a page sees of a live gun while a backlog arrives.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use meso_contract::http::LiveEvent;

/// What the event stream has brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// From each shot of the live gun to its arrival here, in ms.
    pub(crate) latencies_ms: Vec<u64>,
    /// Shots of other guns.
    pub(crate) past_count: u64,
    /// How often the stream said that it had missed something.
    pub(crate) resync_count: u64,
}

/// Reads the event stream until the server ends.
pub(crate) struct Listener {
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Subscribes, and returns when the server has answered.
    pub(crate) fn start(http: SocketAddr, gun: &str) -> anyhow::Result<Listener> {
        let answer = ureq::get(format!("http://{http}/api/v1/events")).call();
        let answer = answer.context("no event stream")?;
        let lines = BufReader::new(answer.into_body().into_reader()).lines();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (told, gun) = (Arc::clone(&seen), gun.to_owned());
        let thread = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || {
                let data = lines.map_while(Result::ok);
                let data = data.filter_map(|line| line.strip_prefix("data:").map(str::to_owned));
                for event in data.filter_map(|data| serde_json::from_str(&data).ok()) {
                    note(
                        &mut told.lock().unwrap_or_else(PoisonError::into_inner),
                        event,
                        &gun,
                    );
                }
            })?;
        Ok(Listener { seen, thread })
    }

    pub(crate) fn live_count(&self) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.latencies_ms.len() as u64
    }

    /// Waits for the end of the stream; what it brought.
    pub(crate) fn finish(self) -> Seen {
        // A stream that broke has brought what it has brought.
        let _ = self.thread.join();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen)
    }
}

fn note(seen: &mut Seen, event: LiveEvent, gun: &str) {
    match event {
        LiveEvent::Shots { shots } => {
            for shot in shots {
                match shot.gun == gun {
                    true => seen.latencies_ms.push(since_ms(shot.at_ms)),
                    false => seen.past_count += 1,
                }
            }
        }
        LiveEvent::Resync => seen.resync_count += 1,
        _ => {}
    }
}

fn since_ms(at_ms: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.map_or(0, |now| now.as_millis());
    u64::try_from(now_ms)
        .unwrap_or(u64::MAX)
        .saturating_sub(u64::try_from(at_ms).unwrap_or(0))
}
