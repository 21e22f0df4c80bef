//! What a report is made from.

use meso_domain::{
    BlockHeader, Gap, Judgement, Record, RecordBlock, RecordHash, Rule, Severity, Stream,
};
use meso_ledger::Hash;
use meso_units::{
    BlockNumber, ClinicId, DriverId, GunSerial, JournalIncarnation, SessionId, ShotCounter,
    Timestamp,
};

/// Everything that goes into a bundle, as the caller read it from store and ledger.
#[derive(Debug)]
pub struct Facts {
    /// When the report is made; the caller's clock.
    pub generated_at: Timestamp,
    /// Whether this is a demonstration, marked as such everywhere.
    pub demo: bool,
    /// What was asked for.
    pub selection: Selection,
    /// Every block that the selection touches, in any order.
    pub blocks: Vec<BlockFacts>,
    /// Every commit that lists one of the blocks or gaps; all commits of the log if
    /// [`Selection::whole_log`].
    pub commits: Vec<CommitFacts>,
    /// Gaps that the ingest found; those that drivers declared are records of the blocks.
    pub gaps: Vec<Gap>,
    /// Alerts of the selection.
    pub alerts: Vec<AlertFacts>,
    /// How far each stream was settled.
    pub watermarks: Vec<WatermarkFacts>,
    /// The signed checkpoint that the proofs of the commits lead to.
    pub checkpoint: String,
}

/// What was asked for.
///
/// Select whole blocks where possible, so that nothing has to be withheld. Unless sessions are
/// named, the blocks of a stream must follow one another without a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The clinic.
    pub clinic: ClinicId,
    /// From this moment on, if given.
    pub from: Option<Timestamp>,
    /// Up to but not including this moment, if given.
    pub to: Option<Timestamp>,
    /// These guns only; empty means all.
    pub guns: Vec<GunSerial>,
    /// These sessions only; empty means all, and shots outside any session as well.
    pub sessions: Vec<SessionId>,
    /// Everything that the log ever recorded: the verifier then counts every leaf and block.
    pub whole_log: bool,
}

impl Selection {
    /// Everything that the log ever recorded.
    pub const fn whole_log(clinic: ClinicId) -> Selection {
        Selection {
            clinic,
            from: None,
            to: None,
            guns: Vec::new(),
            sessions: Vec::new(),
            whole_log: true,
        }
    }
}

/// One block, whole or cut.
#[derive(Clone, Debug)]
pub struct BlockFacts {
    /// Its header.
    pub header: BlockHeader,
    /// Its records in their order, some of them perhaps by hash only.
    pub records: Vec<RecordFact>,
    /// The verdicts of the edge on all its shots; `None` where they are not kept.
    pub judgements: Option<Vec<Judgement>>,
}

impl BlockFacts {
    /// A block with all its records.
    pub fn whole(block: &RecordBlock) -> BlockFacts {
        BlockFacts::cut(block, |_| None)
    }

    /// A block without those records for which `withhold` gives a reason.
    pub fn cut(
        block: &RecordBlock,
        mut withhold: impl FnMut(&Record) -> Option<Withheld>,
    ) -> BlockFacts {
        let fact = |record: &Record| match withhold(record) {
            None => RecordFact::Included(Box::new(record.clone())),
            Some(reason) => RecordFact::Withheld {
                hash: record.hash(),
                shot: record.as_shot().map(|shot| shot.identity.counter),
                reason,
            },
        };
        BlockFacts {
            header: block.header().clone(),
            records: block.records().iter().map(fact).collect(),
            judgements: Some(block.judgements().to_vec()),
        }
    }
}

/// One record of a block.
#[derive(Clone, Debug)]
pub enum RecordFact {
    /// It is part of the report.
    Included(Box<Record>),
    /// It is not, but its hash is needed to prove the others.
    Withheld {
        /// Its hash.
        hash: RecordHash,
        /// Its counter, if it is a shot, so that its absence is not taken for a hole.
        shot: Option<ShotCounter>,
        /// Why it is not part of the report.
        reason: Withheld,
    },
}

/// Why a record is given by hash only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Withheld {
    /// Nobody asked for it.
    OutsideSelection,
    /// The first stored copy of the same shot is in another block.
    OtherCopyStored,
    /// It was stored, and the database that kept it does not have it any more. Its counter is missing
    /// like every other.
    Gone,
    /// It says what limits ask of a patient, which can be erased and leaves the clinic with no
    /// report.
    Erasable,
}

impl Withheld {
    /// Every reason.
    pub const ALL: [Withheld; 4] = [
        Withheld::OutsideSelection,
        Withheld::OtherCopyStored,
        Withheld::Gone,
        Withheld::Erasable,
    ];

    /// The reason in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Withheld::OutsideSelection => "outside the selection",
            Withheld::OtherCopyStored => "another copy of this shot is stored",
            Withheld::Gone => "this shot is gone from where it was kept",
            Withheld::Erasable => "age and weight of a patient, which can be erased",
        }
    }
}

/// One leaf of the ledger and the proof that it is there.
#[derive(Clone, Debug)]
pub struct CommitFacts {
    /// Its index.
    pub leaf: u64,
    /// Its bytes: the canonical bytes of a commit entry.
    pub entry: Vec<u8>,
    /// The inclusion proof to the checkpoint of the report.
    pub proof: Vec<Hash>,
}

/// One alert as it stood when the report was made.
#[derive(Clone, Debug)]
pub struct AlertFacts {
    /// Its id.
    pub id: String,
    /// The rule that was broken.
    pub rule: Rule,
    /// How bad.
    pub severity: Severity,
    /// The gun, if it is about one.
    pub gun: Option<GunSerial>,
    /// The session, if it is about one.
    pub session: Option<SessionId>,
    /// Its state in words, such as `open`.
    pub state: String,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// How many shots it covers.
    pub shot_count: u64,
    /// What a person reads.
    pub text: String,
}

/// How far one stream was settled: stored and logged, declared or quarantined.
#[derive(Clone, Debug)]
pub struct WatermarkFacts {
    /// The driver.
    pub driver: DriverId,
    /// The life of its journal.
    pub incarnation: JournalIncarnation,
    /// The stream.
    pub stream: Stream,
    /// Every block up to this one is settled.
    pub settled_to: BlockNumber,
}
