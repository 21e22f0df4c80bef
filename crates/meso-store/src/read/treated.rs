//! Questions about what was done to patients.

use meso_domain::EarlierSession;
use meso_domain::canonical::Canonical as _;
use meso_units::{ClinicId, PatientCommitment};
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
}
