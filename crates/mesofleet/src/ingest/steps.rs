//! What the steps of a commit hand to each other, and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};

use meso_alerts::{Alert, Letter};
use meso_contract::{PatientsMessage, WatermarkMessage};
use meso_delivery::StreamKey;
use meso_domain::{Judgement, Shot, Stream};
use meso_store::Commit;
use meso_units::{ClinicId, DriverId, GunSerial, SessionId, Timestamp};

use super::gun_alerts::{GunAlerts, GunKey};

/// A shot that was stored just now.
#[derive(Clone, Debug)]
pub struct NewShot {
    /// The shot.
    pub shot: Shot,
    /// Its session, if any.
    pub session: Option<SessionId>,
    /// The verdict that counts.
    pub verdict: Judgement,
}

/// What a commit changed, for those who show it.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// New shots from drivers, the newest [`News::SHOTS_OF_A_GUN_MAX`] of each gun and second;
    /// imported ones are not news.
    pub shots: Vec<NewShot>,
    /// New shots from drivers while older ones of their guns were awaited, so that totals may
    /// change.
    pub provisional_count: u64,
    /// Guns of new shots, imported ones left out.
    pub guns: BTreeSet<GunSerial>,
    /// New shots by clinic, imported ones too.
    pub stored_counts: BTreeMap<ClinicId, u64>,
    /// Sessions that changed; imported ones are not news.
    pub sessions: BTreeSet<SessionId>,
    /// Alerts that changed.
    pub alerts: Vec<Alert>,
    /// Letters that are to go out now; of each, what became of it is to be told to the ingest.
    pub letters: Vec<Letter>,
    /// Rooms that judge by an older release than the one in force, where that was looked at.
    pub lagging_rooms: Option<Vec<LaggingRoom>>,
    /// Ids of patients that turned out to be another one's, too.
    pub merged_count: u64,
    /// New blocks.
    pub block_count: u64,
    /// Blocks that came again.
    pub blocks_again_count: u64,
    /// Verdicts on sessions that shots changed which came late.
    pub late_finding_count: u64,
    /// Things that went into quarantine.
    pub quarantined_count: u64,
    /// Shots and blocks that say something else than the one that is held in their place; they are
    /// in quarantine.
    pub conflict_count: u64,
    /// Shots of which edge and server judge the same facts differently: one of them is wrong.
    pub contradiction_count: u64,
    /// Guns and epochs of which something is missing or uncertain after the commit.
    pub inquiry_count: u64,
    /// Blocks that have to come again later: a limit is reached, they came damaged, or are not
    /// understood.
    pub deferred_count: u64,
    /// Messages that a newer program may have written rightly.
    pub not_understood_count: u64,
    /// For each gun whose counters changed: shots that are declared to be gone.
    pub declared_missing: BTreeMap<GunSerial, u64>,
    /// Leaves of the ledger after the commit.
    pub leaf_count: u64,
    /// Whether there was anything to make durable: then the store takes what it is given.
    pub is_written: bool,
    /// The checkpoint that was signed, where the ledger grew.
    pub checkpoint: Option<String>,
    /// Whether the ledger was found not to continue what was signed.
    pub was_set_back: bool,
}

impl News {
    /// Shots of one gun that one second shows at most: the fastest gun fires a third of that. The
    /// others are in the lists at once.
    pub const SHOTS_OF_A_GUN_MAX: usize = 32;
}

/// A room that judges by an older release of the protocol library than the one in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaggingRoom {
    /// The clinic.
    pub clinic: ClinicId,
    /// Its driver.
    pub driver: DriverId,
    /// The release that it judges by; `None` for none at all.
    pub library: Option<u32>,
    /// Since when.
    pub since: Timestamp,
}

impl LaggingRoom {
    /// The most rooms that are named; of further ones only the alerts tell.
    pub const COUNT_MAX: usize = 64;
}

/// How far a stream is settled, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The clinic.
    pub clinic: ClinicId,
    /// The driver.
    pub driver: DriverId,
    /// The stream.
    pub stream: Stream,
    /// What is said.
    pub message: WatermarkMessage,
}

/// What the rooms of a clinic are told of the patients of a list, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientsTold {
    /// The clinic.
    pub clinic: ClinicId,
    /// What is said.
    pub message: PatientsMessage,
}

/// The first step is done: everything is decided, nothing is durable.
#[derive(Debug)]
pub struct Prepared {
    pub(super) commit: Commit,
    pub(super) rest: Rest,
}

impl Prepared {
    /// Whether there is nothing to make durable.
    pub fn is_empty(&self) -> bool {
        self.commit.is_empty()
    }
}

/// The second step is done: blocks and what follows from them are durable.
#[derive(Debug)]
pub struct Stored {
    pub(super) rest: Rest,
}

/// The third step is done: the ledger and the receiver's progress are durable too.
#[derive(Debug)]
pub struct Logged {
    pub(super) rest: Rest,
}

/// All is done: the watermarks may be published and the messages acknowledged.
#[derive(Debug, Default)]
pub struct Committed {
    /// The watermarks of every stream that was touched.
    pub watermarks: Vec<Watermark>,
    /// Of each gun with which something else is wrong than before, what is wrong now.
    pub gun_alerts: Vec<GunAlerts>,
    /// Lists of patients that changed.
    pub patients: Vec<PatientsTold>,
    /// What changed.
    pub news: News,
}

/// What travels through the steps beside the commit.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) touched: BTreeSet<(ClinicId, StreamKey)>,
    /// Guns with which something else is wrong than before.
    pub(super) alerted: BTreeSet<GunKey>,
    pub(super) news: News,
    /// Lists of patients that changed.
    pub(super) lists: BTreeSet<(ClinicId, u8)>,
    pub(super) patients: Vec<PatientsTold>,
}

impl Rest {
    /// Adds what followed from the commit.
    pub(super) fn add(&mut self, later: Rest) {
        self.lists.extend(later.lists);
        self.alerted.extend(later.alerted);
        self.news.sessions.extend(later.news.sessions);
        for alert in later.news.alerts {
            self.news.alerts.retain(|other| other.id != alert.id);
            self.news.alerts.push(alert);
        }
        self.news.letters.extend(later.news.letters);
        self.news.late_finding_count += later.news.late_finding_count;
        self.news.quarantined_count += later.news.quarantined_count;
        self.news.conflict_count += later.news.conflict_count;
    }
}
