//! A store that was put back to an older copy, as its ledger shows.

use meso_alerts::{FleetCause, Observation};
use meso_units::Timestamp;

use super::IngestError;
use super::pipeline::Ingest;
use super::prepare::Preparation;
use super::shot_store::ShotStore;
use super::steps::{Prepared, Rest};

impl<S: ShotStore> Ingest<S> {
    /// Tells people where the ledger does not continue what its key has signed before: it grows
    /// otherwise, and whoever holds a checkpoint of the time between would call that a forgery. The
    /// alert is an entry of the ledger, ahead of all that comes now.
    pub(super) fn tell_of_set_back(&mut self, now: Timestamp) -> Result<Option<Rest>, IngestError> {
        let Some(signed) = &self.options.signed_before else {
            return Ok(None);
        };
        let size = self.frontier.size();
        let root = match size >= signed.size() {
            true => self.store.root_at(signed.size())?,
            false => None,
        };
        let is_continued = root.map_or(size >= signed.size(), |root| root == signed.root());
        if is_continued {
            return Ok(None);
        }
        tracing::error!(
            signed = signed.size(),
            root = signed.root().to_base64(),
            found = size,
            "the ledger does not continue what was signed: the store is an older copy"
        );
        let lost = i64::try_from(signed.size().saturating_sub(size)).unwrap_or(i64::MAX);
        let clinics: Vec<_> = self.options.clinics.iter().cloned().collect();
        let mut preparation = Preparation::new(self, now);
        for clinic in clinics {
            preparation.observe(&Observation {
                cause: FleetCause::LedgerSetBack,
                clinic,
                driver: None,
                gun: None,
                value: lost.max(1),
                limit: 0,
            });
        }
        let Prepared { commit, rest } = preparation.finish();
        self.store.store(&commit)?;
        Ok(Some(rest))
    }
}
