//! A page's event stream, read as it comes.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use meso_contract::http::LiveEvent;

/// Reads the event stream until the server ends, and keeps what is made of it.
#[derive(Debug)]
pub struct EventStream<T> {
    seen: Arc<Mutex<T>>,
    thread: JoinHandle<()>,
}

impl<T: Default + Send + 'static> EventStream<T> {
    /// Subscribes, and returns when the server has answered; `note` takes each event as it comes.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub fn start(
        http: SocketAddr,
        mut note: impl FnMut(&mut T, LiveEvent) + Send + 'static,
    ) -> anyhow::Result<EventStream<T>> {
        let answer = ureq::get(format!("http://{http}/api/v1/events")).call();
        let answer = answer.context("no event stream")?;
        let lines = BufReader::new(answer.into_body().into_reader()).lines();
        let seen = Arc::new(Mutex::new(T::default()));
        let told = Arc::clone(&seen);
        let thread = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || {
                let data = lines.map_while(Result::ok);
                let data = data.filter_map(|line| line.strip_prefix("data:").map(str::to_owned));
                for event in data.filter_map(|data| serde_json::from_str(&data).ok()) {
                    note(
                        &mut told.lock().unwrap_or_else(PoisonError::into_inner),
                        event,
                    );
                }
            })?;
        Ok(EventStream { seen, thread })
    }

    /// Looks at what it has brought so far.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the end of the stream; what it brought.
    pub fn finish(self) -> T {
        // A stream that broke has brought what it has brought.
        let _ = self.thread.join();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen)
    }
}

/// Now, in ms since 1970.
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

/// How long a moment is past, in ms; 0 for one that is still to come.
pub fn since_ms(at_ms: i64) -> u64 {
    u64::try_from(now_ms() - at_ms).unwrap_or(0)
}
