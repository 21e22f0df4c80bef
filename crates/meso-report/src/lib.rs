//! Facts and proofs to a report bundle, and the verification of one.
//!
//! A bundle is a ZIP archive that an auditor can check on a laptop with no network and no trust in
//! us: shots as CSV and JSON, session events, gaps, alerts, the record blocks with the hash of each
//! record, inclusion proofs to a signed checkpoint of the log, and a signed manifest. [`build`]
//! makes one from [`Facts`]; [`verify`] needs nothing but its bytes and the key of the log, and
//! names each record that was altered, deleted, added or never delivered.
//!
//! It is **not** the PDF, which is a view made from a bundle, and it reads neither store nor
//! ledger: the caller hands the facts over. It has no clock and no I/O. It does not judge limits
//! again: verdicts are shown as they were committed to.
//!
//! Read first: [`Facts`], [`build`], [`Verdict`].
//!
//! ```
//! use meso_ledger::{Checkpoint, Frontier, LogKey};
//! use meso_report::{Facts, Selection, build, verify};
//! use meso_units::{ClinicId, Timestamp};
//!
//! let key = LogKey::from_seed("mesofleet.example/log", &[7; 32])?;
//! let checkpoint = Checkpoint::new("mesofleet.example/log", 0, Frontier::EMPTY.root())?;
//! let facts = Facts {
//!     generated_at: Timestamp::UNIX_EPOCH,
//!     demo: true,
//!     selection: Selection::whole_log(ClinicId::parse("clinic-one")?),
//!     blocks: Vec::new(),
//!     commits: Vec::new(),
//!     gaps: Vec::new(),
//!     alerts: Vec::new(),
//!     watermarks: Vec::new(),
//!     checkpoint: checkpoint.sign(&key),
//! };
//! let verdict = verify(&build(&facts, &key)?, Some(&key.verifier()))?;
//! assert!(verdict.is_ok(), "{:?}", verdict.findings);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod bundle;
mod columns;
mod error;
mod events;
mod facts;
mod manifest;
mod proofs;
mod readme;
mod text;
mod verify;

pub use archive::{BUNDLE_BYTES_MAX, FILE_COUNT_MAX, FILES_BYTES_MAX};
pub use bundle::{COMMIT_COUNT_MAX, SHOT_COUNT_MAX, build};
pub use error::ReportError;
pub use facts::{
    AlertFacts, BlockFacts, CommitFacts, Facts, RecordFact, Selection, WatermarkFacts, Withheld,
};
pub use manifest::Counts;
pub use verify::{
    FINDINGS_PER_KIND_MAX, Finding, FindingKind, NOTICE_COUNT_MAX, UsedKey, Verdict, verify,
};
