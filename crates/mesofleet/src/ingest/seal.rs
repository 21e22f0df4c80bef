//! Sessions whose record is complete.

use meso_delivery::StreamKey;
use meso_domain::canonical::Canonical as _;
use meso_domain::{BlockPlace, LedgerEntryKind, Record, SessionEnded, SessionSeal};
use meso_store::SealedSession;
use meso_units::{Nanolitres, SessionId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::IngestError;
use super::claims::claimed;
use super::pipeline::{Ingest, entry};
use super::shot_store::ShotStore;

impl<S: ShotStore> Ingest<S> {
    /// Seals every session whose last shots have arrived or are declared to be gone.
    pub(super) fn seal_complete(&mut self, now: Timestamp) -> Result<Vec<SessionId>, IngestError> {
        let complete: Vec<SessionId> = self
            .ended
            .iter()
            .filter(|(_, (place, ended))| self.is_complete(place, ended))
            .map(|(session, _)| *session)
            .collect();
        let mut sealed = Vec::new();
        for session in &complete {
            sealed.push(self.sealed(*session, now)?);
        }
        if !sealed.is_empty() {
            self.store.seal(&sealed)?;
        }
        for session in &complete {
            self.ended.remove(session);
            self.judge.close(*session);
            self.treatments.remove(session);
            self.mended.remove(session);
        }
        Ok(complete)
    }

    fn is_complete(&self, place: &BlockPlace, ended: &SessionEnded) -> bool {
        // Earlier events of the room must not be on their way any more. What another life of its
        // journal never brought, or what comes later, is none of this session's.
        let room = self.receiver.settled(&StreamKey::from(place), 0);
        let room_is_whole = room.to >= place.number.get();
        let settled = |position: &meso_domain::GunPosition| {
            self.receiver
                .counters(&position.gun, position.epoch)
                .is_some_and(|counters| counters.settles_session(position, ended.at))
        };
        room_is_whole && ended.last_counters.iter().all(settled)
    }

    fn sealed(&self, session: SessionId, now: Timestamp) -> Result<SealedSession, IngestError> {
        let parts = self.store.seal_parts(session)?;
        let events = self.store.session_events(session)?;
        // As they were recorded: outside of any segment.
        let claimed = claimed(&self.store, session, &events)?.shots.into_iter();
        let claimed = claimed.map(|mut shot| {
            shot.segment = None;
            (shot.identity.clone(), Record::Shot(shot).hash())
        });
        let mut shots = parts.shot_hashes;
        shots.extend(claimed);
        shots.sort_unstable();
        let mut hasher = Sha256::new();
        let shots = shots.iter().map(|(_, hash)| hash);
        for hash in parts.event_hashes.iter().chain(shots) {
            hasher.update(hash.0);
        }
        // More than any unit can hold would have been refused shot by shot.
        let volume = Nanolitres::new(parts.counts.volume_nl).unwrap_or(Nanolitres::MAX);
        let seal = SessionSeal {
            session,
            at: now,
            patient_shot_count: parts.counts.patient_shot_count,
            patient_volume: volume,
            records_digest: hasher.finalize().into(),
        };
        let bytes = seal.canonical_bytes();
        Ok(SealedSession {
            entry: entry(LedgerEntryKind::SessionSeal, bytes),
            seal,
        })
    }
}
