//! Opening a journal, and reading back what a start needs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meso_domain::canonical::Canonical;
use meso_domain::{Record, SessionEvent, Shot, Stream};
use meso_units::{JournalIncarnation, SessionId, Timestamp};
use rusqlite::Connection;

use crate::error::During;
use crate::recovery::recovery;
use crate::retention::Retention;
use crate::schema::{self, known_stream_id};
use crate::writer::Owner;
use crate::{Identity, Journal, JournalError, Recovery, anew, guard};

/// The name of the file in the driver's data folder.
pub(crate) const FILE_NAME: &str = "journal.sqlite";

/// Session events that are read back at a start, the newest: a month of a busy room. A session
/// that is still open has its events among them.
const SESSION_EVENTS_MAX: i64 = 8_192;

/// A journal that was opened and is not written to yet: the time to read it back.
#[derive(Debug)]
pub struct OpenedJournal {
    connection: Connection,
    identity: Identity,
    recovery: Recovery,
    least_age: Duration,
    folder: PathBuf,
    lock: File,
}

impl OpenedJournal {
    /// Opens the journal of a data folder, or makes folder and journal; `new_incarnation` is a
    /// random number for the case that it is made. Nobody else can open it until it is closed.
    ///
    /// # Errors
    ///
    /// [`JournalError::Folder`], [`JournalError::Unwritable`], [`JournalError::InUse`],
    /// [`JournalError::Stranger`], [`JournalError::Format`], or what SQLite says.
    pub fn open(
        folder: &Path,
        identity: Identity,
        new_incarnation: JournalIncarnation,
    ) -> Result<OpenedJournal, JournalError> {
        guard::make_folder(folder)?;
        let lock = guard::lock(folder)?;
        let path = folder.join(FILE_NAME);
        // Before SQLite makes it: its other files take the mode of this one.
        drop(guard::private_file(&path)?);
        let (connection, recovery) = schema::open(&path, &identity, new_incarnation)
            .and_then(|(connection, incarnation)| {
                let recovery = recovery(&connection, incarnation)?;
                Ok((connection, recovery))
            })
            .map_err(|error| error.in_folder(folder))?;
        Ok(OpenedJournal {
            connection,
            identity,
            recovery,
            least_age: Duration::ZERO,
            folder: folder.to_owned(),
            lock,
        })
    }

    /// Begins a new life: whatever records are here are sealed anew under numbers that were never
    /// given, nothing of them counts as settled, and [`OpenedJournal::recovery`] says so.
    ///
    /// It is for a journal that was put back to an older copy: its numbers name other blocks, too.
    /// `incarnation` is a random number; `sealed_at` the time of day.
    ///
    /// # Errors
    ///
    /// What SQLite says, or a record that does not decode; the journal is then as it was.
    pub fn begin_anew(
        &mut self,
        incarnation: JournalIncarnation,
        sealed_at: Timestamp,
    ) -> Result<(), JournalError> {
        anew::begin(&mut self.connection, &self.identity, incarnation, sealed_at)
            .map_err(|error| error.in_folder(&self.folder))?;
        self.recovery = recovery(&self.connection, incarnation)?;
        Ok(())
    }

    /// Keeps blocks for so long after they were settled, as far as [`crate::SETTLED_BYTES_CEILING`]
    /// allows: at least from one backup of the store to the next. Without it size alone decides.
    #[must_use]
    pub fn keep_settled_for(self, least_age: Duration) -> OpenedJournal {
        OpenedJournal { least_age, ..self }
    }

    /// What was found.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// A named value, as [`crate::Batch::values`] wrote it.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn value(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        schema::value(&self.connection, name)
    }

    /// Every named value whose name begins like this, by the rest of its name.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn values_under(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        schema::values_under(&self.connection, prefix)
    }

    /// Hands over the session events among the newest 8,192 records of sessions, oldest first.
    ///
    /// # Errors
    ///
    /// What SQLite says, or a record that does not decode.
    pub fn for_each_session_event(
        &self,
        mut take: impl FnMut(SessionEvent),
    ) -> Result<(), JournalError> {
        let Some(room) = known_stream_id(&self.connection, &Stream::Room)? else {
            return Ok(());
        };
        let mut statement = self
            .connection
            .prepare(
                "SELECT body FROM (SELECT sequence, body FROM records WHERE stream = ?1
                 AND session IS NOT NULL ORDER BY sequence DESC LIMIT ?2) ORDER BY sequence",
            )
            .during("read session events")?;
        let mut rows = statement
            .query((room, SESSION_EVENTS_MAX))
            .during("read session events")?;
        while let Some(row) = rows.next().during("read session events")? {
            let body: Vec<u8> = row.get(0).during("read session events")?;
            // A stop of a gun lies in the same stream, and may name the session that it fell into.
            if let Record::Session(event) = Record::from_canonical(&body)? {
                take(event);
            }
        }
        Ok(())
    }

    /// Hands over the shots of a session, each gun's in the order of its stream.
    ///
    /// # Errors
    ///
    /// What SQLite says, or a record that does not decode.
    pub fn for_each_shot_of(
        &self,
        session: SessionId,
        mut take: impl FnMut(Shot),
    ) -> Result<(), JournalError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT body FROM records WHERE session = ?1 AND counter IS NOT NULL
                 ORDER BY stream, sequence",
            )
            .during("read the shots of a session")?;
        let mut rows = statement
            .query([*session.as_bytes()])
            .during("read the shots of a session")?;
        while let Some(row) = rows.next().during("read the shots of a session")? {
            let body: Vec<u8> = row.get(0).during("read the shots of a session")?;
            take(Shot::from_canonical(&body)?);
        }
        Ok(())
    }

    /// Begins to take requests.
    ///
    /// # Errors
    ///
    /// [`JournalError::Folder`] when the system gives no thread.
    pub fn start(self) -> Result<Journal, JournalError> {
        let owner = Owner {
            identity: self.identity,
            incarnation: self.recovery.incarnation,
            folder: self.folder,
            retention: Retention::of_age(self.least_age),
        };
        Journal::start(self.connection, self.lock, owner)
    }
}
