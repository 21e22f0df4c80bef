//! What a page sees of a live gun while a backlog arrives.

use std::net::SocketAddr;

use meso_contract::http::LiveEvent;
use meso_tests::sandbox::{EventStream, since_ms};

/// What the event stream has brought.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From each shot of the live gun to its arrival here, in ms.
    pub(crate) latencies_ms: Vec<u64>,
    /// Shots of other guns.
    pub(crate) past_count: u64,
    /// How often the stream said that it had missed something.
    pub(crate) resync_count: u64,
}

/// Subscribes for what a page sees of this gun, and of others.
pub(crate) fn listen(http: SocketAddr, gun: &str) -> anyhow::Result<EventStream<Seen>> {
    let gun = gun.to_owned();
    EventStream::start(http, move |seen: &mut Seen, event| seen.note(event, &gun))
}

impl Seen {
    /// Shots of the live gun.
    pub(crate) fn live_count(&self) -> u64 {
        self.latencies_ms.len() as u64
    }

    fn note(&mut self, event: LiveEvent, gun: &str) {
        match event {
            LiveEvent::Shots { shots } => {
                for shot in shots {
                    match shot.gun == gun {
                        true => self.latencies_ms.push(since_ms(shot.at_ms)),
                        false => self.past_count += 1,
                    }
                }
            }
            LiveEvent::Resync => self.resync_count += 1,
            _ => {}
        }
    }
}
