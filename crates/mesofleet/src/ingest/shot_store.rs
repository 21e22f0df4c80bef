//! What the ingest asks of a store.

use meso_alerts::{Alert, Alerts, Track};
use meso_delivery::{Receiver, StreamKey};
use meso_domain::canonical::Canonical as _;
use meso_domain::{
    BlockHash, BlockPlace, EarlierSession, Gap, PatientMerged, RecordHash, RoomRetired,
    SessionEvent, Shot, ShotIdentity,
};
use meso_ledger::{Frontier, Hash};
use meso_store::{
    ClaimRow, Commit, InQuarantine, LoadedBlock, LogCommit, LostBlock, OutboxRow, QuarantineRoom,
    SealParts, SealedSession, SessionRow, ShotCursor, StoreError, StoredShot, Unlogged, Writer,
};
use meso_units::{ClinicId, Epoch, GunSerial, PatientCommitment, SessionId};

/// Everything that the ingest needs to go on after a restart.
#[derive(Debug)]
pub struct Recalled {
    /// The receiver at the last ledger commit.
    pub receiver: Receiver,
    /// Blocks that were stored after it.
    pub unlogged_blocks: Vec<LoadedBlock>,
    /// Whether any shot is known to be gone from where it was kept.
    pub lacks_shots: bool,
    /// Shots that were gone and came again after it.
    pub shots_back: Vec<ShotIdentity>,
    /// Gaps that the ingest has declared after it.
    pub unlogged_gaps: Vec<Gap>,
    /// Rooms that never come back, the newest last.
    pub retired: Vec<RoomRetired>,
    /// The edge of the ledger's tree.
    pub frontier: Frontier,
    /// Alerts that go on, and the newest that are resolved or part of another.
    pub alerts: Vec<Alert>,
    /// What the alert machine remembered.
    pub tracks: Vec<Track>,
    /// What waits to be told.
    pub outbox: Vec<OutboxRow>,
    /// Sessions that are not sealed, with their events and the newest block of their room that has
    /// some of them.
    pub sessions: Vec<(SessionRow, Vec<SessionEvent>, Option<BlockPlace>)>,
    /// Guns and epochs of which a session claims shots.
    pub claimed_guns: Vec<(GunSerial, Epoch)>,
    /// Ids that turned out to be one patient's, and their clinics, in the order in which they came.
    pub merges: Vec<(ClinicId, PatientMerged)>,
    /// Streams and their clinics.
    pub streams: Vec<(ClinicId, StreamKey)>,
}

/// Keeps what the ingest commits.
///
/// When a method that writes returns `Ok`, what it wrote survives a power cut. When it returns an
/// error, nothing of it is there, or all of it will be once [`ShotStore::recall`] succeeds: the
/// caller cannot tell, so it has to recall before it goes on. One instance writes at a time.
pub trait ShotStore: Send {
    /// Reads what is needed to go on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn recall(&self) -> Result<Recalled, StoreError>;

    /// The hash of the block under a place.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn block_hash(&self, place: &BlockPlace) -> Result<Option<BlockHash>, StoreError>;

    /// The hash of a shot that is stored, is known to be gone, and has not come again yet; `None` for
    /// every other one. A store that keeps everything in one place loses nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn lost_hash(&self, _: &ShotIdentity) -> Result<Option<RecordHash>, StoreError> {
        Ok(None)
    }

    /// Notes blocks that lack shots, which are missing from then on; [`ShotStore::recall`] has to
    /// come next.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is then noted.
    fn note_lost(&mut self, _: &[LostBlock]) -> Result<(), StoreError> {
        Ok(())
    }

    /// How often bytes of this digest came into quarantine, and whether they are kept there; `None`
    /// where they are not in it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn in_quarantine(&self, digest: &[u8; 32]) -> Result<Option<InQuarantine>, StoreError>;

    /// How much more the quarantine is sure to keep.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn quarantine_room(&self) -> Result<QuarantineRoom, StoreError>;

    /// One shot.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn shot(&self, identity: &ShotIdentity) -> Result<Option<Shot>, StoreError>;

    /// Shots of a session, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    fn session_shots(
        &self,
        session: SessionId,
        after: Option<ShotCursor>,
        limit: u32,
    ) -> Result<Vec<StoredShot>, StoreError>;

    /// The events of a session in the order of arrival.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    fn session_events(&self, session: SessionId) -> Result<Vec<SessionEvent>, StoreError>;

    /// Every claim to shots of a gun and epoch, in the order in which they were said.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    fn claims_of(&self, gun: &GunSerial, epoch: Epoch) -> Result<Vec<ClaimRow>, StoreError>;

    /// The patients of one list of a clinic with the sessions in which they were treated.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    fn treated_in(
        &self,
        clinic: &ClinicId,
        list: u8,
    ) -> Result<Vec<(PatientCommitment, EarlierSession)>, StoreError>;

    /// The sessions in which one patient of a clinic was treated.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    fn treated_of(
        &self,
        clinic: &ClinicId,
        patient: &PatientCommitment,
    ) -> Result<Vec<EarlierSession>, StoreError>;

    /// What the seal of a session is made from.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn seal_parts(&self, session: SessionId) -> Result<SealParts, StoreError>;

    /// What is stored and not logged, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn unlogged(&self, blocks_max: usize, entries_max: usize) -> Result<Unlogged, StoreError>;

    /// Makes blocks and what follows from them durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; see above.
    fn store(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// Whether a commit has a chance, as far as can be told without one.
    fn may_take_writes(&self) -> bool {
        true
    }

    /// The root that the ledger had when it had so many leaves; `None` where that is not kept.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn root_at(&self, _size: u64) -> Result<Option<Hash>, StoreError> {
        Ok(None)
    }

    /// Waits until everything that is stored lies where it is to stay; a store may still be on the
    /// way there with the last commit, which is durable all the same.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; it lies where it did, and is brought there by [`ShotStore::recall`].
    fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// As [`ShotStore::settle`], but it gives up waiting after a moment; says whether there is more
    /// to wait for.
    ///
    /// # Errors
    ///
    /// As [`ShotStore::settle`].
    fn settle_some(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Seals sessions that are not sealed yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is then sealed.
    fn seal(&mut self, sealed: &[SealedSession]) -> Result<(), StoreError>;

    /// Makes ledger leaves, checkpoint and the receiver's progress durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing of it is then stored.
    fn log(&mut self, commit: &LogCommit) -> Result<(), StoreError>;
}

/// Blocks that can be stored and not logged: one commit's.
const UNLOGGED_BLOCKS_MAX: usize = 4_096;

/// Gaps that can be declared and not logged: one commit's.
const UNLOGGED_GAPS_MAX: u32 = 4_096;

/// Retired rooms that are remembered, the newest: ten years of a thousand rooms that each lose their
/// computer twice. An older one is waited for again.
const RETIRED_ROOMS_MAX: u32 = 20_000;

impl ShotStore for Writer {
    fn recall(&self) -> Result<Recalled, StoreError> {
        self.settle()?;
        let reader = self.read();
        let unlogged = reader.unlogged(UNLOGGED_BLOCKS_MAX, 0)?;
        let blocks = unlogged.blocks.iter();
        let unlogged_gaps = reader.declared_gaps(true, UNLOGGED_GAPS_MAX)?;
        let mut alerts = reader.unresolved_alerts()?;
        for state in ["resolved", "merged"] {
            let done = meso_store::AlertSelection {
                state: Some(state),
                ..meso_store::AlertSelection::default()
            };
            alerts.extend(reader.alerts(&done, Alerts::RESOLVED_COUNT_MAX as u32)?);
        }
        let tracks = reader.tracks(Alerts::TRACK_COUNT_MAX as u32)?;
        let sessions = reader.unsealed_sessions()?.into_iter().map(|session| {
            let events = reader.session_events(session.session)?;
            let place = reader.room_block_of(session.session)?;
            Ok((session, events, place))
        });
        Ok(Recalled {
            receiver: reader.receiver()?,
            unlogged_blocks: blocks
                .map(|(block, _)| reader.load_block(*block))
                .collect::<Result<_, _>>()?,
            lacks_shots: reader.lacks_shots()?,
            shots_back: reader.shots_back()?,
            unlogged_gaps: unlogged_gaps.into_iter().map(|(gap, _)| gap).collect(),
            retired: reader.retired_rooms(RETIRED_ROOMS_MAX)?,
            frontier: Frontier::load(reader.leaf_count()?, &reader)?,
            alerts: alerts
                .iter()
                .map(|row| Alert::from_canonical(&row.body))
                .collect::<Result<_, _>>()?,
            tracks: tracks
                .iter()
                .map(|row| Track::from_canonical(&row.body))
                .collect::<Result<_, _>>()?,
            outbox: reader.outbox()?,
            sessions: sessions.collect::<Result<_, StoreError>>()?,
            claimed_guns: reader.claimed_guns()?,
            merges: reader.patient_merges()?,
            streams: reader.streams()?,
        })
    }

    fn block_hash(&self, place: &BlockPlace) -> Result<Option<BlockHash>, StoreError> {
        self.read().block_hash(place)
    }

    fn lost_hash(&self, identity: &ShotIdentity) -> Result<Option<RecordHash>, StoreError> {
        self.read().lost_hash(identity)
    }

    fn note_lost(&mut self, lost: &[LostBlock]) -> Result<(), StoreError> {
        Writer::note_lost(self, lost)
    }

    fn in_quarantine(&self, digest: &[u8; 32]) -> Result<Option<InQuarantine>, StoreError> {
        self.read().in_quarantine(digest)
    }

    fn quarantine_room(&self) -> Result<QuarantineRoom, StoreError> {
        self.read().quarantine_room()
    }

    fn shot(&self, identity: &ShotIdentity) -> Result<Option<Shot>, StoreError> {
        self.read().shot(identity)
    }

    fn session_shots(
        &self,
        session: SessionId,
        after: Option<ShotCursor>,
        limit: u32,
    ) -> Result<Vec<StoredShot>, StoreError> {
        self.read().session_shots(session, after, limit)
    }

    fn session_events(&self, session: SessionId) -> Result<Vec<SessionEvent>, StoreError> {
        self.read().session_events(session)
    }

    fn claims_of(&self, gun: &GunSerial, epoch: Epoch) -> Result<Vec<ClaimRow>, StoreError> {
        self.read().claims_of(gun, epoch)
    }

    fn treated_in(
        &self,
        clinic: &ClinicId,
        list: u8,
    ) -> Result<Vec<(PatientCommitment, EarlierSession)>, StoreError> {
        self.read().treated_in(clinic, list)
    }

    fn treated_of(
        &self,
        clinic: &ClinicId,
        patient: &PatientCommitment,
    ) -> Result<Vec<EarlierSession>, StoreError> {
        self.read().treated_of(clinic, patient)
    }

    fn seal_parts(&self, session: SessionId) -> Result<SealParts, StoreError> {
        self.read().seal_parts(session)
    }

    fn unlogged(&self, blocks_max: usize, entries_max: usize) -> Result<Unlogged, StoreError> {
        Writer::unlogged(self, blocks_max, entries_max)
    }

    fn store(&mut self, commit: &Commit) -> Result<(), StoreError> {
        Writer::store_ahead(self, commit)
    }

    fn may_take_writes(&self) -> bool {
        self.disk_takes_writes()
    }

    fn root_at(&self, size: u64) -> Result<Option<Hash>, StoreError> {
        let frontier = Frontier::load(size, &self.read())?;
        Ok(Some(frontier.root()))
    }

    fn settle(&self) -> Result<(), StoreError> {
        Writer::settle(self)
    }

    fn settle_some(&self) -> Result<bool, StoreError> {
        Writer::settle_some(self)
    }

    fn seal(&mut self, sealed: &[SealedSession]) -> Result<(), StoreError> {
        Writer::seal(self, sealed)
    }

    fn log(&mut self, commit: &LogCommit) -> Result<(), StoreError> {
        Writer::log(self, commit)
    }
}
