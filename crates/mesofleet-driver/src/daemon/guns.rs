//! What the guns say, on its way into the journal, and what they are told.
//!
//! Each event is looked at when it comes, also while the one before is on its way to the disk: so
//! a gun that is to fire no more hears it before anything is written (INV-13).

use meso_serial::{GunEvent, PortEvent};
use tokio::time::{Duration, Instant};

use super::Daemon;
use super::disk::Ears;
use crate::DriverError;
use crate::engine::{AfterCommit, Call, Work};
use crate::machine::random_number;

/// How long events of guns are collected for one commit, at most.
const COMMIT_WINDOW: Duration = Duration::from_millis(5);

/// The most events of one commit; more go into the next one. As many are looked at while one is under
/// way or waits for its disk; beyond them the ports are read no further.
pub(super) const COMMIT_EVENTS_MAX: usize = 256;

impl Daemon {
    /// Collects what the guns say for a few milliseconds and writes it in one go, beginning with
    /// `first` and with what came while the last commit was under way.
    pub(super) async fn handle_guns(
        &mut self,
        first: Option<PortEvent>,
    ) -> Result<(), DriverError> {
        let mut work = std::mem::take(&mut self.heard);
        if let Some(first) = first {
            self.hear(first, &mut work)?;
        }
        let until = Instant::now() + COMMIT_WINDOW;
        for _ in 1..COMMIT_EVENTS_MAX {
            match tokio::time::timeout_at(until, self.guns.recv()).await {
                Ok(Some(event)) => self.hear(event, &mut work)?,
                Ok(None) | Err(_) => break,
            }
        }
        self.write_hearing(work).await
    }

    /// Writes what the guns have said so far.
    pub(super) async fn handle_guns_so_far(&mut self) -> Result<(), DriverError> {
        let mut work = std::mem::take(&mut self.heard);
        for _ in 0..COMMIT_EVENTS_MAX {
            match self.guns.try_recv() {
                Ok(event) => self.hear(event, &mut work)?,
                Err(_) => break,
            }
        }
        self.write_hearing(work).await
    }

    /// Writes everything that the guns say until their ports are closed.
    pub(super) async fn handle_guns_to_the_end(&mut self) -> Result<(), DriverError> {
        loop {
            let next = self.guns.recv().await;
            if next.is_none() && self.heard.is_empty() {
                return Ok(());
            }
            self.handle_guns(next).await?;
        }
    }

    /// Looks at one event, and tells its gun at once what cannot wait for the disk.
    pub(super) fn hear(&mut self, event: PortEvent, work: &mut Work) -> Result<(), DriverError> {
        let mut failed = None;
        let mut new_epoch = || {
            random_number().unwrap_or_else(|error| {
                failed = Some(error);
                1
            })
        };
        let now = self.clocks.now();
        self.latency.heard(&event);
        let breach_read_ns = matches!(event.event, GunEvent::Shot { .. }).then_some(event.read_ns);
        self.engine.take_gun_event(now, event, &mut new_epoch, work);
        self.tell_first(work, breach_read_ns);
        failed.map_or(Ok(()), Err)
    }

    /// Writes work of the guns; what they say while the disk is busy waits for the next commit, so
    /// that everybody else has a turn in between.
    async fn write_hearing(&mut self, mut work: Work) -> Result<(), DriverError> {
        if work.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut work.batch);
        // They are in this batch; a further one comes with the next.
        let stop_count = self.unwritten_stops.len();
        let committed = self.commit(batch, Ears::ToGuns).await?;
        self.unwritten_stops.drain(..stop_count);
        self.follow(work, &committed).await
    }

    /// Writes work down and lets it take effect.
    pub(super) async fn write(&mut self, mut work: Work) -> Result<(), DriverError> {
        self.tell_first(&mut work, None);
        if work.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut work.batch);
        let committed = self.commit(batch, Ears::ToStops).await?;
        self.follow(work, &committed).await
    }

    /// Lets what was written take effect.
    pub(super) async fn follow(
        &mut self,
        work: Work,
        committed: &meso_journal::Committed,
    ) -> Result<(), DriverError> {
        let now = self.clocks.now();
        let AfterCommit { calls, seals } = self.engine.after_commit(now, work, committed);
        calls.into_iter().for_each(|call| self.tell_gun(&call));
        self.seal(seals).await
    }

    /// Tells what cannot wait; where a shot caused it, `read_ns` says when that was read.
    pub(super) fn tell_first(&mut self, work: &mut Work, read_ns: Option<u64>) {
        for call in std::mem::take(&mut work.first) {
            self.tell_gun(&call);
            if let (Call::Inhibit(..), Some(read_ns), Some(ports)) = (&call, read_ns, &self.ports) {
                self.latency.inhibited(read_ns, ports.clock_ns());
            }
        }
    }

    fn tell_gun(&mut self, call: &Call) {
        let Some(ports) = &self.ports else { return };
        let told = match call {
            Call::Acknowledge(gun, epoch, counter) => ports.acknowledge(gun, *epoch, *counter),
            Call::ExpectFrom(gun, epoch, next) => ports.expect_from(gun, *epoch, *next),
            Call::AssignEpoch(gun, epoch) => ports.assign_epoch(gun, *epoch).map(|_| ()),
            Call::Inhibit(gun, reason) => ports.inhibit(gun, *reason).map(|_| ()),
            Call::Resume(gun) => ports.resume(gun).map(|_| ()),
        };
        if let Err(error) = told {
            // A gun that went away greets anew, and is told then.
            tracing::debug!(?call, %error, "a gun could not be told");
            self.engine.not_told(call);
        } else if let Call::Acknowledge(gun, epoch, counter) = call {
            let now_ns = ports.clock_ns();
            self.latency.acknowledged(gun, *epoch, *counter, now_ns);
        }
    }
}
