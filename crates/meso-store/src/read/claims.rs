//! Questions about shots that sessions claim, and about what changed after the fact.

use meso_domain::LateVerdict;
use meso_domain::canonical::Canonical as _;
use meso_units::{Epoch, GunSerial, SegmentId, SessionId, ShotCounter, Timestamp};
use rusqlite::params;

use super::{Reader, cell};
use crate::StoreError;
use crate::commit::ClaimRow;
use crate::shot_row::{bits, from_bits};

impl Reader<'_> {
    /// Every claim to shots of a gun and epoch, in the order in which they were said.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn claims_of(&self, gun: &GunSerial, epoch: Epoch) -> Result<Vec<ClaimRow>, StoreError> {
        let sql = "SELECT at_ns, session, segment, first_counter, last_counter FROM claims
            WHERE gun = ?1 AND epoch = ?2";
        let values = params![gun.as_str(), bits(epoch.get())];
        let mut claims = self.all("read claims", sql, values, |row| {
            Ok(ClaimRow {
                at: Timestamp::from_unix_ns(cell(row, 0)?)?,
                session: SessionId::from_bytes(cell(row, 1)?),
                segment: SegmentId::from_bytes(cell(row, 2)?),
                first: ShotCounter(cell(row, 3)?),
                last: ShotCounter(cell(row, 4)?),
            })
        })?;
        claims.sort_unstable();
        Ok(claims)
    }

    /// The newest verdicts on a session that changed after the fact, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn late_findings(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<LateVerdict>, StoreError> {
        let sql = "SELECT body FROM late_findings WHERE session = ?1 ORDER BY id DESC LIMIT ?2";
        let values = params![session.as_bytes(), limit];
        let mut late = self.all("read late findings", sql, values, |row| {
            Ok(LateVerdict::from_canonical(&cell::<Vec<u8>>(row, 0)?)?)
        })?;
        late.reverse();
        Ok(late)
    }

    /// The guns and epochs of which shots are claimed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn claimed_guns(&self) -> Result<Vec<(GunSerial, Epoch)>, StoreError> {
        let sql = "SELECT DISTINCT gun, epoch FROM claims";
        self.all("read claims", sql, [], |row| {
            let gun = GunSerial::parse(&cell::<String>(row, 0)?)?;
            Ok((gun, Epoch(from_bits(cell(row, 1)?))))
        })
    }
}
