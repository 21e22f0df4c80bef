//! How it stands with what is to be made durable, and how a worker goes on after it could not be.

use std::time::{Duration, Instant};

use meso_delivery::Sender;
use meso_store::LostBlock;

use super::IngestError;
use super::pipeline::Ingest;
use super::shot_store::ShotStore;
use super::worker::{Worker, chain};
use crate::clock::now;

/// How long after a failed commit it counts as failing although nothing was tried since. Drivers send
/// again what was not taken once a minute or more often, so whoever waits would have been heard.
pub(super) const DOUBT_MAX: Duration = Duration::from_millis(2 * Sender::TIMEOUT_MS_MAX);

/// How often a disk is tried at most that may be full.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// How it stands with what is to be made durable.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The store is not open yet, or the last commit failed, so memory and store may differ.
    pub(super) is_broken: bool,
    /// Blocks that lack shots, by which it failed.
    pub(super) lost: Vec<LostBlock>,
    /// What was told of a failure of which the end was not told yet.
    pub(super) told: Option<String>,
    /// When a commit failed last, where none has gone well since: that reading goes well says nothing
    /// of a disk that is full.
    pub(super) write_failed_at: Option<Instant>,
    /// It was no InfluxDB that failed, so the disk may be to blame.
    pub(super) doubts_disk: bool,
    /// When the disk was tried last, and whether it had room.
    pub(super) tried: Option<(Instant, bool)>,
}

impl Standing {
    /// Whether a commit failed so short a time ago that nothing shows yet that the next goes well.
    fn is_in_doubt(&self) -> bool {
        let failed_at = self.write_failed_at;
        failed_at.is_some_and(|at| at.elapsed() < DOUBT_MAX)
    }
}

impl<S: ShotStore> Ingest<S> {
    /// Brings some of what is stored to where it is to stay, with a moment's patience; says whether
    /// there is more: to be called again while nothing else is to be done.
    ///
    /// # Errors
    ///
    /// [`IngestError`]; drop what is known in memory and open again.
    pub fn settle_some(&self) -> Result<bool, IngestError> {
        Ok(self.store.settle_some()?)
    }

    /// Waits until what is stored lies where it is to stay: to be called before the end.
    ///
    /// # Errors
    ///
    /// [`IngestError`]; drop what is known in memory and open again.
    pub fn settle(&self) -> Result<(), IngestError> {
        Ok(self.store.settle()?)
    }
}

impl<S: ShotStore> Worker<S> {
    pub(super) fn fail(&mut self, error: &IngestError) {
        self.standing.is_broken = true;
        // What follows from being broken says nothing of it.
        if !error.lost().is_empty() {
            self.standing.lost = error.lost().to_vec();
        }
        if !matches!(error, IngestError::Closed) {
            self.tell_failure(error);
        }
    }

    /// Says why nothing can be made durable, once for each reason.
    fn tell_failure(&mut self, error: &IngestError) {
        let reason = chain(error);
        if self.standing.told.as_ref() != Some(&reason) {
            tracing::error!(error = reason, "commit failed; drivers keep their blocks");
            self.listener.failed(error);
            self.standing.told = Some(reason);
        }
    }

    /// Says that the store is open.
    pub(super) fn tell_opened(&mut self) {
        self.listener.recovered();
    }

    /// Says that things are made durable again.
    pub(super) fn tell_recovery(&mut self) {
        self.standing.write_failed_at = None;
        if self.standing.told.take().is_some() {
            tracing::info!("commits go on");
            self.listener.recovered();
        }
    }

    /// After a failed commit: begins again from what is durable, once that can be read.
    pub(super) fn mend(&mut self) {
        self.begin_again();
        if !self.standing.is_broken && !self.standing.is_in_doubt() {
            self.tell_recovery();
        }
    }

    fn begin_again(&mut self) {
        if !self.standing.is_broken {
            return;
        }
        // Silence until then, so that rooms send at once when there is word again, however long they
        // have come to wait.
        if self.standing.doubts_disk && self.standing.is_in_doubt() && !self.disk_has_room() {
            return;
        }
        let lost = std::mem::take(&mut self.standing.lost);
        let noted = match lost.as_slice() {
            [] => Ok(()),
            lost => self.ingest.note_lost(lost),
        };
        match noted.and_then(|()| self.ingest.reopen(now())) {
            Ok(committed) => {
                self.standing.is_broken = false;
                // From here on somebody may try.
                let failed_at = &mut self.standing.write_failed_at;
                *failed_at = failed_at.map(|_| Instant::now());
                self.announce(committed, Vec::new());
            }
            Err(error) => {
                // It may be another reason than at first.
                self.tell_failure(&error);
                self.standing.lost = lost;
            }
        }
    }

    /// Tries the disk, at most once in a while: that is a write which nobody needs.
    fn disk_has_room(&mut self) -> bool {
        if let Some((at, has_room)) = self.standing.tried
            && at.elapsed() < TRY_EVERY
        {
            return has_room;
        }
        let has_room = self.ingest.store.may_take_writes();
        self.standing.tried = Some((Instant::now(), has_room));
        has_room
    }
}
