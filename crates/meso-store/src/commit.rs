//! What is written in one go, and what is read back.

use meso_delivery::Changes;
use meso_domain::{
    BlockHash, BlockHeader, EarlierSession, Judgement, LateVerdict, LedgerEntryKind, PatientMerged,
    Purpose, Record, RecordBlock, RecordHash, SessionOutcome, SessionSeal, Severity, Shot,
    ShotFlags,
};
use meso_ledger::{Hash, HashKey};
use meso_units::{
    ClinicId, GunSerial, PatientCommitment, SegmentId, SessionId, ShotCounter, Timestamp,
};

/// What becomes of one shot of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShotFate {
    /// It is stored, with the server's verdict beside it.
    Store(Judgement),
    /// The same shot is stored from another block; only its hash is kept.
    OtherCopyStored,
}

/// A block that is new.
#[derive(Clone, Debug)]
pub struct NewBlock {
    /// The block.
    pub block: RecordBlock,
    /// Its hash.
    pub hash: BlockHash,
    /// What becomes of each of its shots, in their order.
    pub fates: Vec<ShotFate>,
    /// How far the clinic's clock was ahead of UTC when its first shot was fired, in s: it decides
    /// into which of the clinic's days the shots are counted, also on days of 23 and 25 hours.
    pub utc_offset_s: i32,
}

/// Bytes that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// SHA-256 of the bytes: the same bytes again are counted, not kept twice.
    pub digest: [u8; 32],
    /// Where they came from.
    pub source: String,
    /// Why they were refused.
    pub reason: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When they were first seen.
    pub at: Timestamp,
}

/// Something in quarantine, as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// What was refused; without its bytes where those were not kept.
    pub quarantined: Quarantined,
    /// How often it came.
    pub seen_count: u64,
    /// Whether its bytes were kept.
    pub has_bytes: bool,
    /// When it was let out, if it was.
    pub released_at: Option<Timestamp>,
}

/// What is known of bytes that are in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InQuarantine {
    /// How often they came.
    pub seen_count: u64,
    /// Whether they are kept.
    pub has_bytes: bool,
}

/// How much more the quarantine can keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuarantineRoom {
    /// Things of any size, with where they came from and why they were refused.
    pub rows: u64,
    /// Of those above [`crate::QUARANTINE_SMALL_BYTES_MAX`], how many with their bytes.
    pub large: u64,
}

/// Something else than a block that the ledger is to commit to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What it is.
    pub kind: LedgerEntryKind,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// An alert as the store keeps it: what lists ask for, and the rest as the owner wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// Its id.
    pub id: String,
    /// `open`, `acknowledged`, `latched`, `resolved` or `merged`.
    pub state: String,
    /// How bad.
    pub severity: Severity,
    /// The gun; `None` for one about the fleet itself.
    pub gun: Option<GunSerial>,
    /// The session, if any.
    pub session: Option<SessionId>,
    /// When it opened.
    pub opened_at: Timestamp,
    /// The whole alert, as the owner encodes it.
    pub body: Vec<u8>,
}

/// What the alert machine remembers of a gun in a session, as the owner wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackRow {
    /// The gun.
    pub gun: GunSerial,
    /// The session, if any.
    pub session: Option<SessionId>,
    /// When its newest shot was.
    pub active_at: Timestamp,
    /// The whole of it, as the owner encodes it.
    pub body: Vec<u8>,
}

/// What waits to be told by one channel of notifications, as the owner wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The channel, by the name that the configuration gives it.
    pub channel: String,
    /// All that waits, as the owner encodes it.
    pub body: Vec<u8>,
}

/// A claim of a session to shots of a gun and epoch that were fired without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimRow {
    /// When it was said.
    pub at: Timestamp,
    /// The session.
    pub session: SessionId,
    /// The segment that the shots are counted in.
    pub segment: SegmentId,
    /// The first counter.
    pub first: ShotCounter,
    /// The last counter.
    pub last: ShotCounter,
}

/// What a session amounts to for the later ones of its patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreatedRow {
    /// The clinic.
    pub clinic: ClinicId,
    /// The patient, by commitment.
    pub patient: PatientCommitment,
    /// The session.
    pub earlier: EarlierSession,
}

/// Everything that one commit makes durable before the ledger knows of it.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// New blocks in the order of their arrival.
    pub blocks: Vec<NewBlock>,
    /// Shots that were stored, were gone from where they were kept, and came again.
    pub refills: Vec<Shot>,
    /// Alerts that changed.
    pub alerts: Vec<AlertRow>,
    /// What the alert machine remembers of guns that fired.
    pub tracks: Vec<TrackRow>,
    /// What waits to be told, of channels where that changed.
    pub outbox: Vec<OutboxRow>,
    /// Verdicts on sessions that changed after the fact.
    pub late: Vec<LateVerdict>,
    /// What the shots add up to that sessions claim; replaces what was known of it.
    pub claimed: Vec<(SessionId, SessionCounts)>,
    /// Sessions that amount to something else for later ones; what was known of them is replaced.
    pub treated: Vec<TreatedRow>,
    /// Ids that turned out to be one patient's, as far as a limit allows.
    pub merges: Vec<(ClinicId, PatientMerged)>,
    /// Further things for the ledger.
    pub entries: Vec<NewEntry>,
    /// What was refused.
    pub quarantined: Vec<Quarantined>,
    /// Blocks that came again.
    pub blocks_again_count: u64,
    /// Shots that came again in new blocks, counted before any key could hide them.
    pub shots_again_count: u64,
}

impl Commit {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
            && self.refills.is_empty()
            && self.alerts.is_empty()
            && self.tracks.is_empty()
            && self.outbox.is_empty()
            && self.late.is_empty()
            && self.claimed.is_empty()
            && self.treated.is_empty()
            && self.merges.is_empty()
            && self.entries.is_empty()
            && self.quarantined.is_empty()
            && self.blocks_again_count == 0
            && self.shots_again_count == 0
    }
}

/// A leaf, and the rows that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRow {
    /// Its index.
    pub leaf: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The blocks.
    pub blocks: Vec<BlockRef>,
    /// The other entries.
    pub entries: Vec<EntryRef>,
}

/// What the ledger commit makes durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCommit {
    /// New leaves.
    pub leaves: Vec<LeafRow>,
    /// New hashes of the tree.
    pub hashes: Vec<(HashKey, Hash)>,
    /// The signed checkpoint over all leaves; absent where there is no new leaf.
    pub checkpoint: Option<String>,
    /// How far the receiver is.
    pub changes: Changes,
}

/// A block of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockRef(pub(crate) i64);

impl BlockRef {
    /// Names a row; for a store that keeps its rows elsewhere.
    pub const fn new(row: i64) -> BlockRef {
        BlockRef(row)
    }

    /// The row.
    pub const fn row(self) -> i64 {
        self.0
    }
}

/// An entry of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryRef(pub(crate) i64);

impl EntryRef {
    /// Names a row; for a store that keeps its rows elsewhere.
    pub const fn new(row: i64) -> EntryRef {
        EntryRef(row)
    }

    /// The row.
    pub const fn row(self) -> i64 {
        self.0
    }
}

/// What is stored and not logged yet, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlogged {
    /// Blocks.
    pub blocks: Vec<(BlockRef, BlockHash)>,
    /// Other entries.
    pub entries: Vec<(EntryRef, meso_domain::LedgerEntry)>,
}

/// A record of a block as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadedRecord {
    /// It is stored.
    Stored(Box<Record>),
    /// It is a shot of which another copy is stored; this is its counter.
    OtherCopy(ShotCounter),
    /// It is a shot that was stored, and is gone from where it was kept; this is its counter.
    Lost(ShotCounter),
}

impl LoadedRecord {
    /// The record, if it is stored.
    pub fn stored(&self) -> Option<&Record> {
        match self {
            LoadedRecord::Stored(record) => Some(record),
            LoadedRecord::OtherCopy(_) | LoadedRecord::Lost(_) => None,
        }
    }
}

/// A block as it is read back.
#[derive(Clone, Debug)]
pub struct LoadedBlock {
    /// Its header.
    pub header: BlockHeader,
    /// Its records in their order, each with its hash.
    pub records: Vec<(RecordHash, LoadedRecord)>,
    /// The verdicts of the edge.
    pub judgements: Vec<Judgement>,
    /// Its leaf, once it is logged.
    pub leaf: Option<u64>,
}

/// A shot as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredShot {
    /// Counts arrivals; for paging.
    pub arrival: i64,
    /// The shot.
    pub shot: Shot,
    /// Its session, if any.
    pub session: Option<SessionId>,
    /// The server's verdict; absent where every rule passed at edge and server alike.
    pub verdict: Option<Judgement>,
}

/// A session and what it adds up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Counts arrivals; for paging.
    pub arrival: i64,
    /// The session.
    pub session: SessionId,
    /// The clinic.
    pub clinic: ClinicId,
    /// The room, by its driver.
    pub driver: String,
    /// The protocol; absent while its opening has not arrived, as are the next four.
    pub protocol: Option<String>,
    /// Who treats.
    pub operator: Option<String>,
    /// The release of the library.
    pub library: Option<u32>,
    /// Whether it is a demonstration.
    pub demo: bool,
    /// When it opened.
    pub opened_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<SessionOutcome>,
    /// When it was sealed.
    pub sealed_at: Option<Timestamp>,
    /// What it adds up to.
    pub counts: SessionCounts,
    /// Guns of its segments, each once.
    pub guns: Vec<String>,
    /// Zones of its segments, each once.
    pub zones: Vec<String>,
}

/// What a session adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// All shots.
    pub shot_count: u64,
    /// Patient shots.
    pub patient_shot_count: u64,
    /// Their volume in nl, by what the gun did, else by set point.
    pub volume_nl: u64,
    /// Failed injections.
    pub failed_count: u64,
    /// Shots whose worst finding is soft.
    pub soft_count: u64,
    /// Shots whose worst finding is hard.
    pub hard_count: u64,
    /// Shots whose worst finding is "not checkable".
    pub not_checkable_count: u64,
}

impl SessionCounts {
    /// What one shot adds, whose worst finding is this.
    pub fn of(shot: &Shot, worst: Option<Severity>) -> SessionCounts {
        let is = |severity| u64::from(worst == Some(severity));
        let patient = shot.purpose == Purpose::Patient;
        let volume = shot.volume.actual_value().or(shot.volume.set);
        SessionCounts {
            shot_count: 1,
            patient_shot_count: u64::from(patient),
            volume_nl: volume.filter(|_| patient).map_or(0, |v| v.get()),
            failed_count: u64::from(shot.flags.contains(ShotFlags::FAILED_INJECTION)),
            soft_count: is(Severity::Soft),
            hard_count: is(Severity::Hard),
            not_checkable_count: is(Severity::NotCheckable),
        }
    }

    /// Adds what others add up to.
    pub const fn add(&mut self, other: &SessionCounts) {
        self.shot_count += other.shot_count;
        self.patient_shot_count += other.patient_shot_count;
        self.volume_nl = self.volume_nl.saturating_add(other.volume_nl);
        self.failed_count += other.failed_count;
        self.soft_count += other.soft_count;
        self.hard_count += other.hard_count;
        self.not_checkable_count += other.not_checkable_count;
    }
}

/// Where a gun works now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSegment {
    /// The gun.
    pub gun: String,
    /// The session.
    pub session: SessionId,
    /// Its protocol.
    pub protocol: Option<String>,
    /// The zone.
    pub zone: String,
    /// What the session adds up to.
    pub counts: SessionCounts,
}

/// One day of one or all clinics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayRow {
    /// Days since 1970-01-01 in the clinic's zone.
    pub day: i64,
    /// Sessions that opened.
    pub session_count: u64,
    /// Of those sealed, the ones without a hard breach.
    pub clean_session_count: u64,
    /// All shots.
    pub all_shot_count: u64,
    /// Patient shots.
    pub shot_count: u64,
    /// Their volume in nl.
    pub volume_nl: u64,
    /// Shots whose worst finding is soft.
    pub soft_count: u64,
    /// Shots whose worst finding is hard.
    pub hard_count: u64,
}

/// Numbers at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Shots stored.
    pub shot_count: u64,
    /// Blocks stored.
    pub block_count: u64,
    /// Blocks that came again.
    pub blocks_again_count: u64,
    /// Shots that came again in new blocks.
    pub shots_again_count: u64,
    /// Things in quarantine.
    pub quarantined_count: u64,
    /// Sessions that are open.
    pub open_session_count: u64,
    /// Sessions that ended and are not sealed.
    pub unsealed_session_count: u64,
    /// Patient shots that belong to no session, and that none has claimed.
    pub not_under_protocol_count: u64,
    /// Alerts that are not resolved, of a hard limit.
    pub open_hard_alert_count: u64,
    /// Alerts that are not resolved, of a soft limit.
    pub open_soft_alert_count: u64,
    /// Leaves of the ledger.
    pub leaf_count: u64,
}

/// A session that is ready to be sealed, and its seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSession {
    /// The seal.
    pub seal: SessionSeal,
    /// The seal for the ledger.
    pub entry: NewEntry,
}
