//! Reading a journal back after a start.

use meso_domain::{Record, SessionEvent, Shot, Stream};
use meso_journal::{JournalError, Recovery};
use meso_units::SessionId;
use mesofleet_driver::simulation::JournalContents;

use super::JournalModel;

/// A journal that is being read back.
pub(crate) struct OpenedModel<'j> {
    pub(super) journal: &'j JournalModel,
    pub(super) recovery: Recovery,
}

impl JournalContents for OpenedModel<'_> {
    fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.journal.values.get(name).cloned())
    }

    fn values_under(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        let values = self.journal.values.iter();
        let under = values.filter_map(|(name, bytes)| {
            let rest = name.strip_prefix(prefix)?;
            Some((rest.to_owned(), bytes.clone()))
        });
        Ok(under.collect())
    }

    fn for_each_session_event(
        &self,
        take: &mut dyn FnMut(SessionEvent),
    ) -> Result<(), JournalError> {
        let room = self.journal.streams.get(&Stream::Room);
        for row in room.iter().flat_map(|rows| rows.records.values()) {
            if let Record::Session(event) = &row.new.record {
                take(event.clone());
            }
        }
        Ok(())
    }

    fn for_each_shot_of(
        &self,
        session: SessionId,
        take: &mut dyn FnMut(Shot),
    ) -> Result<(), JournalError> {
        for row in self
            .journal
            .streams
            .values()
            .flat_map(|s| s.records.values())
        {
            if let (Some(shot), true) = (row.new.record.as_shot(), row.new.session == Some(session))
            {
                take(shot.clone());
            }
        }
        Ok(())
    }
}
