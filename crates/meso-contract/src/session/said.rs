//! What is said of a session beside its begin, segments and end, as JSON.

mod convert;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AmendmentBody, CheckItemBody};
use crate::FindingBody;

/// Something that is said of a session, while it is open or after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// Who said it; absent where no person did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// What was said.
    pub said: SaidBody,
}

/// What can be said of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SaidBody {
    /// The questionnaire was answered; its answers stay in the room.
    Screening(ScreeningBody),
    /// Age and weight, erasable.
    Patient(PatientFactsBody),
    /// The course so far.
    Course(CourseBody),
    /// Papers, anaesthesia, other treatments.
    Details(DetailsBody),
    /// Operator, gun and material of a segment.
    Material(MaterialBody),
    /// Points set by hand.
    Manual(ManualEntryBody),
    /// Why the session is paused.
    PauseReason {
        /// The reason.
        reason: String,
    },
    /// A person goes on beyond a soft limit.
    Override(OverrideBody),
    /// The room is asked whether this is still the same patient.
    SamePatientAsked {
        /// `idle`, `unplugged` or `new needle`.
        cause: String,
    },
    /// It is, or it is not.
    SamePatientAnswered {
        /// Whether it is.
        is_same: bool,
    },
    /// Something unwanted happened to the patient.
    AdverseEvent(AdverseEventBody),
    /// Words that are added afterwards.
    Addendum {
        /// The words.
        text: String,
    },
    /// An event of the session is corrected.
    Amended(AmendmentBody),
    /// Shots that were fired without a session belong to this one.
    Claim(ClaimBody),
}

/// The questionnaire was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreeningBody {
    /// Digest of the answers, 64 hexadecimal digits.
    pub digest: String,
    /// Digest of the earlier questionnaire that a returning patient confirmed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirms: Option<String>,
    /// The prescriber's decision.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decision: Option<ScreeningDecisionBody>,
}

/// The prescriber's decision, without its reason, which is among the answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreeningDecisionBody {
    /// `treat`, `do not treat` or `postponed`.
    pub outcome: String,
    /// Who decided.
    pub by: String,
}

/// What limits ask of the patient. The record is erasable: its salt keeps its hash from telling.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientFactsBody {
    /// Random bytes, 64 hexadecimal digits.
    pub salt: String,
    /// Age in whole years.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age_years: Option<u16>,
    /// Body weight in g.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight_g: Option<u32>,
}

impl core::fmt::Debug for PatientFactsBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Nothing of it belongs into a log.
        f.debug_struct("PatientFactsBody").finish_non_exhaustive()
    }
}

/// The last day of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LastDayBody {
    /// A zone or a drug.
    pub name: String,
    /// Days since 1970-01-01 in the clinic's time zone.
    pub day: i64,
}

/// Earlier sessions of the patient under the same protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CourseBody {
    /// `typed` or `summaries`.
    pub source: String,
    /// Sessions of the course before this one.
    pub sessions_before: u16,
    /// Their volume in nl.
    pub volume_before_nl: u64,
    /// The last session in each zone.
    #[serde(default)]
    pub last_in_zone: Vec<LastDayBody>,
    /// When each drug was last given.
    #[serde(default)]
    pub last_of_drug: Vec<LastDayBody>,
}

/// A local anaesthetic beside the syringes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnaestheticBody {
    /// The product.
    pub product: String,
    /// Its drug, as cocktails name it.
    pub drug: String,
    /// How much of the drug, such as `"100 mg"`.
    pub dose: String,
}

/// Another treatment of the same concern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CombinedTreatmentBody {
    /// What it was.
    pub name: String,
    /// Days since 1970-01-01 in the clinic's time zone.
    pub day: i64,
}

/// Papers, anaesthesia and what else belongs to a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailsBody {
    /// Number of the patient's consent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consent: Option<String>,
    /// Number of a guardian's consent; needed where the patient is younger than 18.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub guardian_consent: Option<String>,
    /// Number of the examination before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub assessment: Option<String>,
    /// Anaesthetics beside the syringes; empty for "none", absent where nobody said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub anaesthetics: Option<Vec<AnaestheticBody>>,
    /// Other treatments.
    #[serde(default)]
    pub combined: Vec<CombinedTreatmentBody>,
    /// Whether the sheet for after the treatment was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after_care: Option<CheckItemBody>,
}

/// What is known of a product lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LotBody {
    /// The lot.
    pub lot: String,
    /// The last day on which it may be used, days since 1970-01-01.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usable_until_day: Option<i64>,
    /// Whether it was recalled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub is_recalled: Option<bool>,
}

/// What the room knew of operator, gun and material of a segment; what is absent is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaterialBody {
    /// The segment, 32 hexadecimal digits.
    pub segment: String,
    /// The last day of the operator's certificate, days since 1970-01-01.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate_until_day: Option<i64>,
    /// Whether the gun is enrolled here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gun_is_enrolled: Option<bool>,
    /// The last day of the gun's calibration, days since 1970-01-01.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calibrated_until_day: Option<i64>,
    /// Whether the gun's firmware is on the allow-list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub firmware_is_allowed: Option<bool>,
    /// The class of the product, as protocols name it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product_class: Option<String>,
    /// The lots of the cocktail; absent where nobody looked them up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lots: Option<Vec<LotBody>>,
    /// Whether needle, syringe and tube are new for this patient.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consumables_are_new: Option<bool>,
    /// Shots that the needle had fired before this segment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needle_shots_before: Option<u32>,
    /// The angle of the needle to the skin in degrees, 1 to 90.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub needle_angle_degrees: Option<u8>,
    /// What was left in the syringe at the end, in nl.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub residual_nl: Option<u64>,
}

/// Points set with a syringe in the hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualEntryBody {
    /// The segment, 32 hexadecimal digits.
    pub segment: String,
    /// Counts the entries of the session, from 1.
    pub number: u32,
    /// How many points.
    pub points: u32,
    /// Their volume together in nl.
    pub volume_nl: u64,
}

/// A person goes on beyond a soft limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    /// The verdict that it is about.
    pub finding: FindingBody,
    /// Release of the protocol library.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub library_version: Option<u32>,
    /// Version of the limit engine.
    pub engine: u16,
    /// `clinical judgement`, `patient anatomy`, `reading wrong`, `limit unsuitable` or `other`.
    pub code: String,
    /// Why, in words.
    pub text: String,
}

/// Something unwanted happened to the patient. Its texts name nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdverseEventBody {
    /// `redness`, `swelling`, `bruise`, `pain`, `allergy`, `infection`, `necrosis`, `laceration`,
    /// `flushing` or `other`.
    pub code: String,
    /// `drug`, `method` or `needle`.
    pub cause: String,
    /// Whether such a treatment is known to bring it.
    pub is_expected: bool,
    /// When it began, nanoseconds since 1970 as text.
    pub onset_ns: String,
    /// What was done.
    pub action: String,
    /// What is to follow; empty for nothing.
    #[serde(default)]
    pub follow_up: String,
}

/// Shots that were fired without a session belong to one after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimBody {
    /// The segment that they are counted in, 32 hexadecimal digits.
    pub segment: String,
    /// The gun.
    pub gun: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// First counter.
    pub first: u32,
    /// Last counter.
    pub last: u32,
    /// Why.
    pub reason: String,
}
