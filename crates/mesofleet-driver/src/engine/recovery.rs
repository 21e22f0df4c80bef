//! Putting the engine together again from the journal.

use jiff::tz::TimeZone;
use meso_config::DriverConfig;
use meso_delivery::Haste;
use meso_domain::{SessionEvent, Shot, Stream};
use meso_journal::{Batch, JournalError, OpenedJournal, Recovery};
use meso_limits::SignerList;
use meso_room::PatientKeys;
use meso_units::{GunSerial, SessionId};

use super::attach::EPOCH_VALUES;
use super::clock::CLOCK_VALUES;
use super::interlock::HOLD_VALUES;
use super::resume::RESUME_COUNT_VALUE;
use super::room::LIBRARY_VALUE;
use super::stop::STOP_COUNT_VALUE;
use super::strays::STRAY_VALUES;
use super::{CLOCK_SEGMENT_VALUE, Engine, SealOrder, clock_segment_value};

/// What a start reads back from a journal.
pub trait JournalContents {
    /// Positions, open blocks and guns.
    fn recovery(&self) -> &Recovery;

    /// A named value.
    ///
    /// # Errors
    ///
    /// [`JournalError`] where the journal cannot be read.
    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError>;

    /// Every named value whose name begins like this, by the rest of its name.
    ///
    /// # Errors
    ///
    /// [`JournalError`] where the journal cannot be read.
    fn values_under(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, JournalError>;

    /// Hands over the newest session events, oldest first.
    ///
    /// # Errors
    ///
    /// [`JournalError`] where the journal cannot be read.
    fn for_each_session_event(
        &self,
        take: &mut dyn FnMut(SessionEvent),
    ) -> Result<(), JournalError>;

    /// Hands over the shots of a session, each gun's in the order of its stream.
    ///
    /// # Errors
    ///
    /// [`JournalError`] where the journal cannot be read.
    fn for_each_shot_of(
        &self,
        session: SessionId,
        take: &mut dyn FnMut(Shot),
    ) -> Result<(), JournalError>;
}

impl JournalContents for OpenedJournal {
    fn recovery(&self) -> &Recovery {
        OpenedJournal::recovery(self)
    }

    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        OpenedJournal::value(self, name)
    }

    fn values_under(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        OpenedJournal::values_under(self, prefix)
    }

    fn for_each_session_event(
        &self,
        take: &mut dyn FnMut(SessionEvent),
    ) -> Result<(), JournalError> {
        OpenedJournal::for_each_session_event(self, take)
    }

    fn for_each_shot_of(
        &self,
        session: SessionId,
        take: &mut dyn FnMut(Shot),
    ) -> Result<(), JournalError> {
        OpenedJournal::for_each_shot_of(self, session, take)
    }
}

/// The engine after a start, and what it wants to be written before anything else.
pub(crate) struct Recovered {
    pub(crate) engine: Engine,
    pub(crate) batch: Batch,
    /// Blocks that the last start left open.
    pub(crate) seals: Vec<SealOrder>,
}

impl Engine {
    /// Puts sessions, totals, positions and open blocks together again. `patients` are the keys of the
    /// room's patients, or why there are none.
    ///
    /// # Errors
    ///
    /// [`JournalError`] where the journal cannot be read.
    pub(crate) fn recover(
        config: DriverConfig,
        time_zone: TimeZone,
        signers: Option<&SignerList>,
        patients: Result<PatientKeys, String>,
        journal: &impl JournalContents,
    ) -> Result<Recovered, JournalError> {
        let recovery = journal.recovery();
        // Nobody knows what the clock did while nothing ran: each start begins a stretch.
        let segment = last_clock_segment(journal)?.saturating_add(1);
        let mut engine = Engine::new(config, time_zone, recovery.incarnation, segment);
        engine.recover_library(journal, signers)?;
        engine.recover_guns(journal)?;
        engine.recover_sessions(journal)?;
        engine.recover_screenings(journal)?;
        engine.recover_courses(journal)?;
        engine.recover_links(journal, patients)?;
        let seals = engine.recover_streams(recovery);
        let batch = Batch {
            values: vec![clock_segment_value(segment)],
            ..Batch::default()
        };
        Ok(Recovered {
            engine,
            batch,
            seals,
        })
    }

    fn recover_library(
        &mut self,
        journal: &impl JournalContents,
        signers: Option<&SignerList>,
    ) -> Result<(), JournalError> {
        let Some(payload) = journal.value(LIBRARY_VALUE)? else {
            return Ok(());
        };
        match self.check_release(&payload, signers) {
            Ok(library) => self.set_library(library),
            Err(error) => tracing::warn!(%error, "the library of the last start is not in force"),
        }
        Ok(())
    }

    fn recover_guns(&mut self, journal: &impl JournalContents) -> Result<(), JournalError> {
        // Also of guns of which no shot was read yet: their epoch is closed by name like any other.
        for (serial, bytes) in journal.values_under(EPOCH_VALUES)? {
            self.gun(&GunSerial::parse(&serial)?).restore_epoch(&bytes);
        }
        for (serial, bytes) in journal.values_under(CLOCK_VALUES)? {
            self.gun(&GunSerial::parse(&serial)?).clock.restore(&bytes);
        }
        for (serial, bytes) in journal.values_under(STRAY_VALUES)? {
            let serial = GunSerial::parse(&serial)?;
            self.gun(&serial).strays.restore(&bytes);
        }
        for (serial, bytes) in journal.values_under(HOLD_VALUES)? {
            let serial = GunSerial::parse(&serial)?;
            self.gun(&serial).interlock.restore(&bytes);
        }
        let count = |bytes: Option<Vec<u8>>| {
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u64::from_le_bytes)
        };
        self.resume_count = count(journal.value(RESUME_COUNT_VALUE)?);
        self.stop_count = count(journal.value(STOP_COUNT_VALUE)?);
        for found in &journal.recovery().guns {
            let gun = self.gun(&found.position.gun);
            gun.held
                .insert(found.position.epoch, found.position.contiguous);
            if gun.epoch == Some(found.position.epoch) {
                gun.judged_to = found.position.contiguous.get();
                gun.newest_counter = found.position.contiguous.get();
            }
        }
        Ok(())
    }

    fn recover_sessions(&mut self, journal: &impl JournalContents) -> Result<(), JournalError> {
        journal.for_each_session_event(&mut |event| self.apply_events(&[event]))?;
        let open: Vec<SessionId> = self
            .sessions
            .open_sessions()
            .map(|open| open.opened().session)
            .collect();
        for session in open {
            let judge = &mut self.judge;
            journal.for_each_shot_of(session, &mut |shot| {
                judge.observe(&shot, Some(session));
            })?;
        }
        for found in &journal.recovery().guns {
            if let Some(at) = found.newest_at {
                self.sessions.note_shot(&found.position.gun, at);
            }
        }
        Ok(())
    }

    /// Takes over where the streams stand; what was in no block is sealed now.
    fn recover_streams(&mut self, recovery: &Recovery) -> Vec<SealOrder> {
        for extent in &recovery.extents {
            self.lane(&extent.stream).restore(extent);
        }
        for position in &recovery.positions {
            self.restore_stream(position.clone());
        }
        let mut seals = Vec::new();
        for unsealed in &recovery.unsealed {
            let stream: &Stream = &unsealed.stream;
            let lane = self.lane(stream);
            let due = lane.recorded(0, unsealed.sequence, unsealed.context, Haste::None);
            seals.extend(due.into_iter().map(|last_sequence| SealOrder {
                stream: stream.clone(),
                last_sequence,
            }));
        }
        seals.extend(self.all_seals());
        seals
    }
}

fn last_clock_segment(journal: &impl JournalContents) -> Result<u32, JournalError> {
    let value = journal.value(CLOCK_SEGMENT_VALUE)?;
    let bytes = value.and_then(|bytes| bytes.try_into().ok());
    Ok(bytes.map_or(0, u32::from_le_bytes))
}
