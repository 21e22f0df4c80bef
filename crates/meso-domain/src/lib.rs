//! Guns, shots, sessions and record blocks, their canonical bytes and their hashes.
//!
//! A record is what an auditor will hold us to: once sealed it never changes, and the same record
//! gives the same [canonical bytes](canonical) wherever it was stored. [`Shot`] is the record
//! that everything else serves; [`SessionEvent`] says what a person did around it; a [`Gap`] names
//! what is missing; a [`RecordBlock`] is the unit of transport and of evidence.
//!
//! This crate does **not** decide anything: limits, delivery and alerts are its neighbours. It has
//! no clock, no I/O and no serialisation but the canonical one; JSON belongs to the contract.
//!
//! Read first: [`Shot`], [`RecordBlock`], [`canonical::Canonical`].
//!
//! ```
//! use meso_domain::canonical::Canonical;
//! use meso_domain::{Gap, GapReason, GapState};
//! use meso_units::{Epoch, GunSerial, ShotCounter, Timestamp};
//!
//! let gap = Gap {
//!     gun: GunSerial::parse("GUN-0001")?,
//!     epoch: Epoch(7),
//!     first: ShotCounter(11),
//!     last: Some(ShotCounter(14)),
//!     state: GapState::Declared,
//!     reason: GapReason::RingOverflow,
//!     at: Timestamp::from_unix_ns(1_000)?,
//! };
//! assert_eq!(Gap::from_canonical(&gap.canonical_bytes())?, gap);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod amendment;
mod block;
pub mod canonical;
mod commit;
mod custody;
mod gap;
mod interlock;
mod judgement;
mod late;
mod merge;
mod quantity;
mod record;
mod retired;
mod session;
mod shot;

pub use amendment::Amendment;
pub use block::{
    BlockError, BlockHash, BlockHeader, BlockPlace, RecordBlock, Stream, judgements_digest,
    partition_of,
};
pub use canonical::{CanonicalError, RecordHash};
pub use commit::{CommitEntry, LedgerEntry, LedgerEntryKind};
pub use custody::Custody;
pub use gap::{Gap, GapReason, GapState};
pub use interlock::{InterlockChange, InterlockEvent};
pub use judgement::{Bound, Finding, Judgement, NotCheckable, Rule, Severity};
pub use late::LateVerdict;
pub use merge::{MergeRefused, PatientMerged, PatientMerges};
pub use quantity::{Derivation, Quantity, Source, Sourced};
pub use record::Record;
pub use retired::RoomRetired;
pub use session::{
    AdverseCause, AdverseCode, AdverseEvent, Anaesthetic, Answer, AnsweredQuestion, AskCause,
    CheckItem, Checklist, CombinedTreatment, Component, CorrectionError, CourseFacts, CourseSource,
    Day, Delivery, EarlierSession, GunPosition, LastDay, LimitOverride, LotFacts, ManualEntry,
    MaterialFacts, Needle, OverrideCode, PATIENT_LIST_COUNT, PatientFacts, Said, Screening,
    ScreeningAnswers, ScreeningDecision, ScreeningOutcome, SegmentOpened, SessionDetails,
    SessionEnded, SessionEvent, SessionOpened, SessionOutcome, SessionSeal, ShotClaim, Statement,
    SyringeLoad, Technique, correct, corrected, patient_list_of, with_corrections,
};
pub use shot::{Purpose, PurposeDecidedBy, Shot, ShotError, ShotFlags, ShotIdentity};
