//! Questions about what was done to patients.

use meso_domain::canonical::Canonical as _;
use meso_domain::{EarlierSession, PatientMerged};
use meso_units::{ClinicId, PatientCommitment, Timestamp};
use rusqlite::params;

use super::{Reader, cell};
use crate::StoreError;

impl Reader<'_> {
    /// The patients of one list of a clinic with the sessions in which they were treated, in the
    /// order of their commitments.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn treated_in(
        &self,
        clinic: &ClinicId,
        list: u8,
    ) -> Result<Vec<(PatientCommitment, EarlierSession)>, StoreError> {
        // The six highest bits of the commitment are the list.
        let first = [list << 2];
        let mut last = [0xff; 32];
        last[0] = (list << 2) | 3;
        let sql = "SELECT patient, body FROM treated WHERE clinic = ?1 
            AND patient BETWEEN ?2 AND ?3 ORDER BY patient, session";
        let values = params![clinic.as_str(), first, last];
        self.all("read the patients of a list", sql, values, |row| {
            let patient = PatientCommitment::from_bytes(cell(row, 0)?);
            let earlier = EarlierSession::from_canonical(&cell::<Vec<u8>>(row, 1)?)?;
            Ok((patient, earlier))
        })
    }

    /// The sessions in which one patient of a clinic was treated.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn treated_of(
        &self,
        clinic: &ClinicId,
        patient: &PatientCommitment,
    ) -> Result<Vec<EarlierSession>, StoreError> {
        let sql = "SELECT body FROM treated WHERE clinic = ?1 AND patient = ?2 ORDER BY session";
        let values = params![clinic.as_str(), patient.as_bytes()];
        self.all("read the sessions of a patient", sql, values, |row| {
            Ok(EarlierSession::from_canonical(&cell::<Vec<u8>>(row, 0)?)?)
        })
    }

    /// Every two ids that turned out to be one patient's, in the order in which they came.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn patient_merges(&self) -> Result<Vec<(ClinicId, PatientMerged)>, StoreError> {
        let sql = "SELECT clinic, gives_way, stays, at_ns FROM patient_merges ORDER BY id";
        self.all("read merged ids", sql, [], |row| {
            let merged = PatientMerged {
                from: PatientCommitment::from_bytes(cell(row, 1)?),
                into: PatientCommitment::from_bytes(cell(row, 2)?),
                at: Timestamp::from_unix_ns(cell(row, 3)?)?,
            };
            Ok((ClinicId::parse(&cell::<String>(row, 0)?)?, merged))
        })
    }
}
