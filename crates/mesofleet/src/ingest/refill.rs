//! Shots that are gone from where they were kept, and come again.

use meso_alerts::FleetCause;
use meso_domain::canonical::Canonical as _;
use meso_domain::{Record, RecordBlock, Shot};

use super::IngestError;
use super::arrival::quarantined;
use super::prepare::Preparation;
use super::shot_store::ShotStore;
use super::trouble::Trouble;

impl<S: ShotStore> Preparation<'_, S> {
    /// Takes what is gone out of a block that is held; says whether there was any of it.
    pub(super) fn refill_from(&mut self, block: &RecordBlock) -> Result<bool, IngestError> {
        if !self.ingest.lacks_shots {
            return Ok(false);
        }
        let before = self.commit.refills.len();
        for (shot, _) in block.shots() {
            let hash = Record::Shot(shot.clone()).hash();
            if self.ingest.store.lost_hash(&shot.identity)? == Some(hash) {
                self.take_again_whole(block, shot);
            }
        }
        Ok(self.commit.refills.len() > before)
    }

    /// Takes a shot of a new block that is stored with another one and is gone there; says whether
    /// that is so. It cannot be stored with this block as well. Where the two copies are not one byte for
    /// byte, as those of two rooms are, this one is kept aside, since it may be the last.
    pub(super) fn take_gone(
        &mut self,
        block: &RecordBlock,
        shot: &Shot,
    ) -> Result<bool, IngestError> {
        if !self.ingest.lacks_shots {
            return Ok(false);
        }
        let Some(gone) = self.ingest.store.lost_hash(&shot.identity)? else {
            return Ok(false);
        };
        if gone == Record::Shot(shot.clone()).hash() {
            self.take_again_whole(block, shot);
            return Ok(true);
        }
        let reason = format!(
            "{} is another copy of a shot that is gone from where it was kept",
            shot.identity
        );
        let source = shot.identity.to_string();
        let trouble = Trouble::of_shot(FleetCause::Conflict, block, shot);
        let refused = quarantined(&source, &reason, shot.canonical_bytes(), self.now);
        self.quarantine(refused, trouble)?;
        Ok(true)
    }

    /// It is no news: it was judged, counted and logged when it came first.
    fn take_again_whole(&mut self, block: &RecordBlock, shot: &Shot) {
        if self
            .commit
            .refills
            .iter()
            .any(|other| other.identity == shot.identity)
        {
            return;
        }
        let session = block.header().session;
        self.ingest.receiver.record_shot(&shot.identity);
        // Sums that were read back meanwhile lack it.
        self.ingest.judge.observe(shot, session);
        if session.is_none() {
            self.ingest.note_claimed(&shot.identity);
        }
        let gun = shot.identity.gun.clone();
        self.rest.news.guns.insert(gun.clone());
        self.rest.news.declared_missing.insert(gun, 0);
        self.rest.news.sessions.extend(session);
        tracing::info!(shot = %shot.identity, "a shot that was gone came again");
        self.commit.refills.push(shot.clone());
    }
}
