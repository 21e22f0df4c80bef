//! A journal that cannot be written for now: what is done meanwhile, and how it goes on.
//!
//! No shot is acknowledged, so the guns keep everything; nothing of the room is taken, and people
//! hear why. STOP works. A full disk keeps the journal open: the same write is tried again until
//! there is room. A journal whose disk turned read-only, or failed, has let go of it, so that
//! somebody can check and mount it under the running driver. As soon as the disk takes writes the
//! daemon begins again in the same process, as after a kill: what the last write left on the disk,
//! only the disk knows.

use meso_bus::{ConnectionState, Message};
use meso_contract::room::InhibitGunBody;
use meso_contract::topics;
use meso_journal::{Batch, Committed, Journal, JournalError, Unwritable, try_disk};
use meso_room::{RoomRequest, StepFailure};
use meso_serial::PortEvent;
use meso_units::{GunSerial, Timestamp};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, sleep_until};

use super::guns::COMMIT_EVENTS_MAX;
use super::{Daemon, HOUSEKEEPING, told_to_leave};
use crate::DriverError;
use crate::engine::Work;
use crate::machine::Now;
use crate::outbox::Job;

/// How long a disk that takes no writes is given before it is tried again.
const DISK_WAIT: Duration = Duration::from_secs(1);

/// What the journal will answer.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, JournalError>>;

/// Whom the daemon hears while the journal is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ears {
    /// Hands at STOP.
    ToStops,
    /// The guns, too: what is being written changes nothing of how they are judged.
    ToGuns,
}

impl Ears {
    /// Whether a further event of a gun is looked at, after so many.
    fn hear_guns(self, heard_count: usize) -> bool {
        self == Ears::ToGuns && heard_count < COMMIT_EVENTS_MAX
    }
}

/// Why the journal cannot be written.
#[derive(Clone, Debug)]
pub(super) struct DiskProblem {
    cause: Unwritable,
    /// For people: the folder, the cause, and what to do.
    text: String,
}

/// A person stopped a gun, and that is not on the disk.
#[derive(Clone, Debug)]
pub(super) struct UnwrittenStop {
    at: Timestamp,
    gun: GunSerial,
    body: InhibitGunBody,
}

/// Says which stops end with this process: the guns are stopped, and no record says so.
pub(super) fn warn_of(stops: &[UnwrittenStop]) {
    for stop in stops {
        tracing::error!(gun = %stop.gun, by = stop.body.operator, "ALARM: a stop is in no record");
    }
}

impl Daemon {
    /// Writes a batch, however long that takes.
    ///
    /// # Errors
    ///
    /// As [`Daemon::answered`].
    pub(super) async fn commit(
        &mut self,
        batch: Batch,
        ears: Ears,
    ) -> Result<Committed, DriverError> {
        let ask = |journal: &Journal| ask_to_append(journal, batch.clone());
        self.answered(ask(&self.journal), ask, ears).await
    }

    /// Writes what a person asked for. Where the journal cannot be written, nothing has changed and
    /// the person hears so; it is for the caller to wait for the disk then.
    ///
    /// # Errors
    ///
    /// What another try does not mend.
    pub(super) async fn commit_now(
        &mut self,
        batch: Batch,
    ) -> Result<Result<Committed, JournalError>, DriverError> {
        let answer = ask_to_append(&self.journal, batch);
        match self.heard_until(answer, Ears::ToStops, &mut 0).await? {
            Ok(committed) => {
                self.disk_is_well();
                Ok(Ok(committed))
            }
            Err(error) if error.unwritable().is_some() => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for an answer of the journal; asks `again` as long as its disk is full.
    ///
    /// # Errors
    ///
    /// [`DriverError::Journal`] where another try does not mend it, where nobody can wait, and once
    /// the journal is to be opened again ([`Daemon::is_disk_back`]).
    pub(super) async fn answered<T>(
        &mut self,
        answer: Answer<T>,
        again: impl Fn(&Journal) -> Answer<T>,
        ears: Ears,
    ) -> Result<T, DriverError> {
        let (mut answer, mut heard_count) = (answer, 0);
        loop {
            match self.heard_until(answer, ears, &mut heard_count).await? {
                Ok(value) => {
                    self.disk_is_well();
                    return Ok(value);
                }
                Err(error) => self.wait_for_disk(error, ears, &mut heard_count).await?,
            }
            answer = again(&self.journal);
        }
    }

    async fn heard_until<T>(
        &mut self,
        mut answer: Answer<T>,
        ears: Ears,
        heard_count: &mut usize,
    ) -> Result<Result<T, JournalError>, DriverError> {
        loop {
            let hears_guns = ears.hear_guns(*heard_count);
            tokio::select! {
                answer = &mut answer => {
                    return Ok(answer.unwrap_or_else(|_| Err(self.journal.why_closed())));
                }
                Some(stop) = self.stops.recv() => self.handle_stop(stop),
                Some(event) = self.guns.recv(), if hears_guns => {
                    *heard_count += 1;
                    self.hear_for_later(event)?;
                }
            }
        }
    }

    /// Waits until a write is worth another try.
    ///
    /// # Errors
    ///
    /// As [`Daemon::answered`].
    pub(super) async fn wait_for_disk(
        &mut self,
        error: JournalError,
        ears: Ears,
        heard_count: &mut usize,
    ) -> Result<(), DriverError> {
        let Some(cause) = error.unwritable() else {
            return Err(error.into());
        };
        self.note_disk_problem(cause, &error);
        if let Some(request) = self.asked.take() {
            self.answer_without_disk(request);
        }
        loop {
            let until = Instant::now() + DISK_WAIT;
            while Instant::now() < until {
                // To wait for the disk is to live: a restart would find it no better.
                self.supervisor.beat();
                self.show_live();
                self.publish_statuses();
                self.tell_of_disk();
                let until = until.min(Instant::now() + HOUSEKEEPING);
                if self.attend(until, ears, heard_count).await? {
                    return Err(error.into());
                }
            }
            if cause == Unwritable::DiskFull {
                return Ok(());
            }
            match self.tried_disk().await {
                Ok(()) => {
                    self.is_disk_back = true;
                    tracing::warn!("the disk takes writes again: the journal is opened anew");
                    return Err(error.into());
                }
                Err(still) => {
                    let cause = still.unwritable().unwrap_or(cause);
                    self.note_disk_problem(cause, &still);
                }
            }
        }
    }

    /// Does what needs no disk until then; says whether the daemon is to leave.
    async fn attend(
        &mut self,
        until: Instant,
        ears: Ears,
        heard_count: &mut usize,
    ) -> Result<bool, DriverError> {
        loop {
            let hears_guns = ears.hear_guns(*heard_count);
            tokio::select! {
                () = told_to_leave(&mut self.leaving) => return Ok(true),
                () = sleep_until(until) => return Ok(false),
                Some(stop) = self.stops.recv() => self.handle_stop(stop),
                Some(request) = self.room.recv() => self.answer_without_disk(request),
                Some(event) = self.guns.recv(), if hears_guns => {
                    *heard_count += 1;
                    self.hear_for_later(event)?;
                }
            }
        }
    }

    /// Waits until the disk takes writes although nothing waits to be written; guns are heard and
    /// judged meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Daemon::answered`].
    pub(super) async fn wait_until_disk_is_well(
        &mut self,
        error: JournalError,
    ) -> Result<(), DriverError> {
        let mut heard_count = 0;
        loop {
            self.wait_for_disk(error.clone(), Ears::ToGuns, &mut heard_count)
                .await?;
            if self.tried_disk().await.is_ok() {
                self.disk_is_well();
                return Ok(());
            }
        }
    }

    /// Tries the disk on a thread of its own: one that hangs must not keep a hand from STOP.
    async fn tried_disk(&mut self) -> Result<(), JournalError> {
        let folder = self.settings.config().data_dir.clone();
        let mut trial = tokio::task::spawn_blocking(move || try_disk(&folder));
        loop {
            tokio::select! {
                // A trial that panicked says nothing of the disk.
                tried = &mut trial => return tried.unwrap_or(Err(JournalError::Closed)),
                Some(stop) = self.stops.recv() => self.handle_stop(stop),
            }
        }
    }

    fn note_disk_problem(&mut self, cause: Unwritable, error: &JournalError) {
        let is_known = self
            .disk_problem
            .as_ref()
            .is_some_and(|it| it.cause == cause);
        if is_known {
            return;
        }
        let text = format!("{error}: no shot is taken from the guns meanwhile; they keep them");
        tracing::error!("ALARM: {text}");
        self.supervisor.waits(&text);
        self.disk_problem = Some(DiskProblem { cause, text });
    }

    fn disk_is_well(&mut self) {
        if self.disk_problem.take().is_some() {
            tracing::warn!("the journal can be written again: shots are taken from the guns");
            self.supervisor.goes_on();
            self.tell_of_disk();
        }
    }

    /// Why the journal cannot be written, in words for people.
    pub(super) fn disk_problem_text(&self) -> Option<String> {
        self.disk_problem.as_ref().map(|it| it.text.clone())
    }

    /// Whether the journal has let go of its folder.
    pub(super) fn has_let_go(&self) -> bool {
        self.journal.why_closed().unwritable().is_some()
    }

    /// Tells the server whether the journal can be written, where it does not know.
    pub(super) fn tell_of_disk(&mut self) {
        let ConnectionState::Up { epoch } = *self.connection.borrow() else {
            return;
        };
        let problem = self.disk_problem.as_ref();
        let wanted = problem.map(|problem| (epoch, problem.cause));
        if wanted == self.told_disk {
            return;
        }
        let mut status = self.status.clone();
        status.journal_problem = problem.map(|it| it.cause.as_str().to_owned());
        let config = self.settings.config();
        let topic = topics::status(&config.clinic_id, &config.driver_id);
        // Every field of it has a JSON form.
        let message = Message::retained(topic, status.encode().unwrap_or_default());
        if self.outbox.try_send(Job::Message(message)).is_ok() {
            self.told_disk = wanted;
        }
    }

    /// Shows what can be shown, and refuses what would have to be written.
    fn answer_without_disk(&mut self, request: RoomRequest) {
        let refusal = || StepFailure::unavailable(self.disk_problem_text().unwrap_or_default());
        // Whoever asked may have gone.
        match self.shown(request) {
            Some(RoomRequest::Step { reply, .. }) => drop(reply.send(Err(refusal()))),
            Some(RoomRequest::ResumeGun { reply, .. }) => drop(reply.send(Err(refusal()))),
            Some(RoomRequest::Patient { reply, .. }) => drop(reply.send(Err(refusal()))),
            _ => {}
        }
    }

    /// Takes up the stops that the daemon before this one could not write: guns stay stopped, and the
    /// record says who stopped them, and when.
    pub(super) fn take_up(&mut self, stops: Vec<UnwrittenStop>) {
        for stop in stops {
            let now = Now {
                utc: stop.at,
                ..self.clocks.now()
            };
            let mut work = std::mem::take(&mut self.heard);
            let taken = self.engine.take_stop(now, &stop.gun, &stop.body, &mut work);
            self.tell_first(&mut work, None);
            self.heard = work;
            match taken {
                Ok(()) => self.unwritten_stops.push(stop),
                Err(error) => {
                    tracing::error!(gun = %stop.gun, %error, "ALARM: a stop is in no record");
                }
            }
        }
    }

    /// Remembers a stop until it is on the disk; one of a gun is enough.
    pub(super) fn remember_stop(&mut self, gun: &GunSerial, body: &InhibitGunBody, at: Timestamp) {
        if self.unwritten_stops.iter().all(|known| known.gun != *gun) {
            self.unwritten_stops.push(UnwrittenStop {
                at,
                gun: gun.clone(),
                body: body.clone(),
            });
        }
    }

    /// Looks at an event of a gun while something is written; what is to be written of it comes
    /// with the next commit.
    fn hear_for_later(&mut self, event: PortEvent) -> Result<(), DriverError> {
        let mut work: Work = std::mem::take(&mut self.heard);
        let heard = self.hear(event, &mut work);
        self.heard = work;
        heard
    }
}

fn ask_to_append(journal: &Journal, batch: Batch) -> Answer<Committed> {
    let (done, answer) = oneshot::channel();
    journal.append(batch, |committed| {
        // Who asked may have gone.
        let _ = done.send(committed);
    });
    answer
}
