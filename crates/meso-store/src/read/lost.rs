//! Questions about shots that are gone from where they were kept.

use std::collections::BTreeMap;

use meso_domain::{RecordHash, ShotIdentity};
use meso_units::{Epoch, ShotCounter};

use super::{Reader, cell};
use crate::extent::Runs;
use crate::shelf::{self, BlockSpan, ShelvedShot};
use crate::{StoreError, pack};

/// Where a shot was that is gone.
pub(crate) struct LostHome {
    pub(crate) span: BlockSpan,
    pub(crate) position: usize,
    pub(crate) hash: RecordHash,
}

impl Reader<'_> {
    /// The hash of a shot that is stored, is known to be gone, and has not come again yet; `None` for
    /// every other one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn lost_hash(&self, identity: &ShotIdentity) -> Result<Option<RecordHash>, StoreError> {
        Ok(self.lost_home(identity)?.map(|home| home.hash))
    }

    pub(crate) fn lost_home(
        &self,
        identity: &ShotIdentity,
    ) -> Result<Option<LostHome>, StoreError> {
        let Some(span) = self.block_of(identity)?.filter(|span| span.is_lost) else {
            return Ok(None);
        };
        let counter = identity.counter.get();
        let missing = self.lost_runs(span.row)?.unwrap_or_default();
        let mut missing = missing.shots().filter(|(_, other)| *other == counter);
        let Some((position, _)) = missing.next() else {
            return Ok(None);
        };
        let came = shelf::staged(self.connection, &span)?;
        if came.iter().any(|shelved| shelved.position == position) {
            return Ok(None);
        }
        let hashes = self.record_hashes_between(span.row, span.row + 1)?;
        let hash = hashes
            .get(&span.row)
            .and_then(|hashes| hashes.get(position));
        let hash = *hash.ok_or_else(|| StoreError::damaged("a block", "a hash is missing"))?;
        Ok(Some(LostHome {
            span,
            position,
            hash,
        }))
    }

    /// What a block is known to lack, whether or not it came again.
    pub(crate) fn lost_runs(&self, block: i64) -> Result<Option<Runs>, StoreError> {
        let sql = "SELECT missing FROM lost WHERE block = ?1";
        self.one("read what a block lacks", sql, [block], |row| {
            Runs::unpack(&cell::<Vec<u8>>(row, 0)?)
        })
    }

    /// Whether any shot is known to be gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when that cannot be read.
    pub fn lacks_shots(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM lost)";
        Ok(self.one("see whether shots are gone", sql, [], |row| cell(row, 0))? == Some(true))
    }

    /// The shots that were gone and came again, of blocks of which the receiver's progress does not say
    /// yet that they lack none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn shots_back(&self) -> Result<Vec<ShotIdentity>, StoreError> {
        let rest = "b.id IN (SELECT block FROM lost)";
        let spans = self.spans("find shots that are back", rest, [])?;
        let mut back = Vec::new();
        for span in &spans {
            let came = match span.is_lost {
                // They may have left the file by now.
                false => self.lost_runs(span.row)?.unwrap_or_default(),
                true => {
                    let came = shelf::staged(self.connection, span)?;
                    let place = |it: &ShelvedShot| (it.position, it.shot.identity.counter.get());
                    Runs::of(came.iter().map(place))
                }
            };
            back.extend(came.shots().map(|(_, counter)| ShotIdentity {
                gun: span.gun.clone(),
                epoch: Epoch(span.epoch),
                counter: ShotCounter(counter),
            }));
        }
        Ok(back)
    }

    /// The hashes of all records of the blocks among some rows.
    pub(crate) fn record_hashes_between(
        &self,
        first: i64,
        end: i64,
    ) -> Result<BTreeMap<i64, Vec<RecordHash>>, StoreError> {
        let sql = "SELECT block, record_hashes FROM block_bodies WHERE block >= ?1 AND block < ?2";
        let rows = self.all("read hashes of blocks", sql, [first, end], |row| {
            Ok((cell(row, 0)?, pack::read_hashes(&cell::<Vec<u8>>(row, 1)?)?))
        })?;
        Ok(rows.into_iter().collect())
    }
}
