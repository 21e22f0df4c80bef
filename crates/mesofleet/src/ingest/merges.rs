//! Ids of patients that turned out to be one patient's: what was done under one of them is told under
//! each.
//!
//! Not under the one that stays alone: a room may have heard one list and not yet the other, and
//! would take the patient for one whom nobody has treated. And a session that is open under an id
//! that gave way goes on under it.

use std::collections::BTreeMap;

use meso_alerts::FleetCause;
use meso_domain::canonical::Canonical as _;
use meso_domain::{EarlierSession, PatientMerged, RecordBlock, patient_list_of};
use meso_store::{StoreError, TreatedRow};
use meso_units::{ClinicId, PatientCommitment, SessionId};

use super::IngestError;
use super::arrival::quarantined;
use super::pipeline::Ingest;
use super::prepare::Preparation;
use super::shot_store::ShotStore;
use super::trouble::Trouble;

impl<S: ShotStore> Preparation<'_, S> {
    /// Follows a merge; the lists of every id of the patient are told again.
    pub(super) fn take_merge(
        &mut self,
        block: &RecordBlock,
        merged: &PatientMerged,
    ) -> Result<(), IngestError> {
        let header = block.header();
        let merges = self.ingest.merges.entry(header.clinic.clone()).or_default();
        match merges.note(merged) {
            Ok(false) => {}
            Ok(true) => {
                self.commit
                    .merges
                    .push((header.clinic.clone(), merged.clone()));
                self.rest.news.merged_count += 1;
                for id in merges.ids_of(&merged.into) {
                    let list = patient_list_of(&id);
                    self.rest.lists.insert((header.clinic.clone(), list));
                }
            }
            Err(refused) => {
                let source = header.place.to_string();
                let bytes = merged.canonical_bytes();
                let trouble = Trouble::of_block(FleetCause::Quarantine, block);
                let refused = quarantined(&source, &refused.to_string(), bytes, self.now);
                self.quarantine(refused, trouble)?;
            }
        }
        Ok(())
    }

    /// Adds rows to the commit, and the lists of their patients to those that are to be told.
    pub(super) fn add_treated(&mut self, rows: impl IntoIterator<Item = TreatedRow>) {
        for row in rows {
            let ids = match self.ingest.merges.get(&row.clinic) {
                Some(merges) => merges.ids_of(&row.patient),
                None => vec![row.patient],
            };
            for id in ids {
                let list = patient_list_of(&id);
                self.rest.lists.insert((row.clinic.clone(), list));
            }
            self.commit.treated.push(row);
        }
    }
}

impl<S: ShotStore> Ingest<S> {
    /// Takes over the merges that the store holds. One that a limit refused is in quarantine since.
    pub(super) fn recall_merges(&mut self, known: &[(ClinicId, PatientMerged)]) {
        self.merges.clear();
        for (clinic, merged) in known {
            let merges = self.merges.entry(clinic.clone()).or_default();
            if let Err(refused) = merges.note(merged) {
                tracing::warn!(%clinic, %refused, "two ids of a patient stay apart");
            }
        }
    }

    /// Adds to the sessions of a list what was done under the other ids of its patients.
    pub(super) fn add_sessions_of_other_ids(
        &self,
        clinic: &ClinicId,
        list: u8,
        sessions: &mut BTreeMap<PatientCommitment, Vec<EarlierSession>>,
    ) -> Result<(), StoreError> {
        let Some(merges) = self.merges.get(clinic) else {
            return Ok(());
        };
        for id in merges.ids().filter(|id| patient_list_of(id) == list) {
            let mut all: BTreeMap<SessionId, EarlierSession> = BTreeMap::new();
            for other in merges.ids_of(id) {
                for earlier in self.store.treated_of(clinic, &other)? {
                    all.insert(earlier.session, earlier);
                }
            }
            if !all.is_empty() {
                sessions.insert(*id, all.into_values().collect());
            }
        }
        Ok(())
    }
}
