//! A new life of a journal.

use meso_delivery::{CutLimits, Cutter};
use meso_journal::JournalError;
use meso_units::{JournalIncarnation, Timestamp};

use super::JournalModel;

impl JournalModel {
    /// Begins a new life: everything that is here is sealed anew.
    ///
    /// # Errors
    ///
    /// What the real journal refuses.
    pub(crate) fn begin_anew(
        &mut self,
        incarnation: JournalIncarnation,
        sealed_at: Timestamp,
    ) -> Result<(), JournalError> {
        self.incarnation = incarnation;
        let mut cuts = Vec::new();
        for (stream, rows) in &mut self.streams {
            rows.blocks.clear();
            rows.forgotten.clear();
            rows.watermark = None;
            let records = rows
                .records
                .iter()
                .map(|(sequence, row)| Ok::<_, JournalError>((*sequence, row.context)));
            let lasts = Cutter::cuts(CutLimits::anew(stream), records)?;
            cuts.extend(lasts.into_iter().map(|last| (stream.clone(), last)));
        }
        for (stream, last) in cuts {
            self.seal(&stream, last, sealed_at)?;
        }
        Ok(())
    }
}
