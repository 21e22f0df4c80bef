//! The protocol library and the limit engine: an observation in, verdicts out.
//!
//! A [`Library`] is a signed release of the limits that a clinician approved; nothing is in force
//! until [`SignedRelease::verify`] accepted it. A [`Judge`] folds shots into session totals and
//! says of each which limits it passed. Edge and server run this same engine, so that equal facts
//! give equal [`Judgement`](meso_domain::Judgement)s, byte for byte.
//!
//! It does **not** act: it raises no alert, stops no gun and keeps nothing on a disk. It has no
//! clock. Every limit that ships with it is an example to be approved by a clinician; what is
//! built into the engine itself are the two [general] limits only.
//!
//! Read first: [`Library`], [`Judge`], [`Limits`].
//!
//! ```
//! use meso_limits::{Library, assemble_release, public_key, sign, SignedRelease, SignerList};
//!
//! let protocol = r#"
//! [[protocols]]
//! id = "mesolift-face"
//! title = "Mesolift, face"
//! indication = "mesolift"
//! zones = ["cheek"]
//! techniques = ["nappage"]
//! [protocols.needle_depth]
//! soft_max = "4 mm"
//! source = "example to be approved by a clinician"
//! "#;
//! let text = assemble_release(1, true, &[protocol]);
//! let seed = [7_u8; 32];
//! let release = SignedRelease { signatures: vec![sign(&text, &seed)], text };
//! let signers = SignerList::single_signer(&[public_key(&seed)])?;
//! assert_eq!(release.verify(&signers)?.protocols().len(), 1);
//! # Ok::<(), meso_limits::LimitsError>(())
//! ```

mod amount;
mod error;
mod judge;
mod library;
mod limited;
mod parse;
mod release;
mod signers;

pub use amount::{Concentration, Dose, DoseUnit};
pub use error::{LimitsError, Problem};
pub use judge::{
    Arrival, CourseHistory, Day, ENGINE_VERSION, EVEN_SHOT_COUNT_MIN, Judge, LateFinding, LotFact,
    ManualInjection, NEAR_PERCENT, Nearness, RuleVerdict, SegmentFacts, SessionFacts,
    SessionVerdict, Weighed, ZoneSum, general, nearness, rules_of_protocol, warning,
};
pub use library::{
    Check, Choices, Drug, Layer, Library, Limits, Pack, PackTopic, Phase, Protocol, ProtocolFile,
    ReleaseHeader, Stance, assemble_release,
};
pub use limited::Limited;
pub use release::{SignedRelease, public_key, sign};
pub use signers::{ListedSigner, SignedSignerList, SignerList, sign_signer_list};

/// One line for people: `needle depth 10.8 mm is above the hard limit of 10 mm`.
pub fn describe(finding: &meso_domain::Finding) -> String {
    finding.to_string()
}
