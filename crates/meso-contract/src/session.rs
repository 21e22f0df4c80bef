//! Session events as JSON.

mod convert;
mod said;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use said::{
    AdverseEventBody, AnaestheticBody, ClaimBody, CombinedTreatmentBody, CourseBody, DetailsBody,
    LastDayBody, LotBody, ManualEntryBody, MaterialBody, OverrideBody, PatientFactsBody, SaidBody,
    ScreeningBody, ScreeningDecisionBody, StatementBody,
};

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SessionEventBody {
    /// It began.
    Opened(SessionOpenedBody),
    /// A segment began.
    SegmentOpened(SegmentOpenedBody),
    /// The operator paused.
    Paused {
        /// The session.
        session: String,
        /// When, nanoseconds since 1970 as text.
        at_ns: String,
    },
    /// The operator went on.
    Resumed {
        /// The session.
        session: String,
        /// When, nanoseconds since 1970 as text.
        at_ns: String,
    },
    /// It ended.
    Ended(SessionEndedBody),
    /// Something is said of it, while it is open or after it.
    Stated(StatementBody),
}

/// A step of the checklist: done, with a reference or without, or skipped with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CheckItemBody {
    /// Done.
    Done {
        /// Number of a document, never its text.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
    },
    /// Skipped.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// The steps before the first shot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecklistBody {
    /// Contraindications and allergies asked.
    pub screening: CheckItemBody,
    /// Consent given.
    pub consent: CheckItemBody,
    /// Zone disinfected.
    pub asepsis: CheckItemBody,
    /// Emergency kit at hand.
    pub emergency_kit: CheckItemBody,
}

/// A session begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionOpenedBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// The clinic.
    pub clinic: String,
    /// The room, by its driver.
    pub room: String,
    /// IANA name of the time zone.
    pub time_zone: String,
    /// Offset from UTC in seconds.
    pub utc_offset_s: i32,
    /// Commitment to the patient, 64 hexadecimal digits.
    pub patient: String,
    /// Digest of the screening answers, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub screening_digest: Option<String>,
    /// The protocol.
    pub protocol: String,
    /// Release of the library in force.
    pub library_version: u32,
    /// Who treats.
    pub operator: String,
    /// The steps before the first shot.
    pub checklist: ChecklistBody,
    /// Whether this is a demonstration without a patient.
    pub demo: bool,
}

/// One component of a cocktail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentBody {
    /// What it is.
    pub name: String,
    /// Concentration with its unit.
    pub concentration: String,
    /// Product lot.
    pub lot: String,
}

/// What is in the syringe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyringeBody {
    /// The components.
    pub components: Vec<ComponentBody>,
    /// Whether it came ready-made.
    pub ready_made: bool,
    /// Who prepared it.
    pub prepared_by: String,
    /// Loaded volume in nl.
    pub loaded_nl: u64,
    /// Volume that stays in tube and head, in nl.
    pub dead_volume_nl: u64,
}

/// The needle or head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeedleBody {
    /// Length of the tip in µm.
    pub length_um: u32,
    /// Gauge number.
    pub gauge: u8,
    /// Needles on the head.
    pub needle_count: u8,
    /// The lot.
    pub lot: String,
}

/// A segment begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentOpenedBody {
    /// The segment, 32 hexadecimal digits.
    pub segment: String,
    /// Its session.
    pub session: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// Serial number of the gun; absent for a manual syringe.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gun: Option<String>,
    /// The zone.
    pub zone: String,
    /// The technique.
    pub technique: String,
    /// The protocol.
    pub protocol: String,
    /// Release of the library in force.
    pub library_version: u32,
    /// Phase of the course, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course_phase: Option<u8>,
    /// What is in the syringe.
    pub syringe: SyringeBody,
    /// The needle or head.
    pub needle: NeedleBody,
    /// Who treats.
    pub operator: String,
    /// Why the segment before it ended.
    pub reason: String,
}

/// How far a gun had counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GunPositionBody {
    /// The gun.
    pub gun: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// Last counter of the session, as far as the driver knew.
    pub counter: u32,
    /// The gun was not plugged in: it may have fired more; absent where it was.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_away: bool,
}

/// A session ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionEndedBody {
    /// The session.
    pub session: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// How.
    pub outcome: String,
    /// Last counter of each gun.
    pub last_counters: Vec<GunPositionBody>,
}

/// A correction that points at its original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendmentBody {
    /// Hash of the record that is corrected, 64 hexadecimal digits.
    pub original: String,
    /// Who.
    pub by: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// Why.
    pub reason: String,
    /// The field.
    pub field: String,
    /// Value before.
    pub old_value: String,
    /// Value after.
    pub new_value: String,
    /// Ed25519 signature, 128 hexadecimal digits.
    pub signature: String,
}
