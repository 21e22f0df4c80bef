//! The steps that people take in the room.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AdverseEventBody, ChecklistBody, CourseBody, DetailsBody, MaterialBody, NeedleBody, SyringeBody,
};

/// A step that a person takes in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RoomStepBody {
    /// Begin a session.
    Open(Box<OpenStepBody>),
    /// The questionnaire was answered (again).
    Screening(ScreeningStepBody),
    /// Age and weight.
    Patient(PatientStepBody),
    /// Papers, anaesthesia, other treatments; takes the place of what was said before.
    Details(DetailsStepBody),
    /// The course so far; takes the place of what was said before.
    Course(CourseStepBody),
    /// Begin a segment of a session.
    Segment(SegmentStepBody),
    /// Operator, gun and material of a segment; takes the place of what was said of it before.
    Material(MaterialStepBody),
    /// Another operator goes on.
    HandOver(HandOverStepBody),
    /// Points set by hand.
    Manual(ManualStepBody),
    /// Go on beyond a soft limit.
    Override(OverrideStepBody),
    /// Pause.
    Pause {
        /// The session, 32 hexadecimal digits.
        session: String,
        /// Why; absent where nobody says.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// Who pauses; needed with a reason.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        operator: Option<String>,
    },
    /// Go on.
    Resume {
        /// The session, 32 hexadecimal digits.
        session: String,
    },
    /// Answer whether this is still the same patient. `false` ends the session.
    SamePatient(SamePatientStepBody),
    /// End the session.
    End {
        /// The session, 32 hexadecimal digits.
        session: String,
        /// How: `completed`, `stopped`, `emergency`, `consent withdrawn`, `not treated`.
        outcome: String,
    },
    /// Something unwanted happened to the patient; also days after the session.
    AdverseEvent(EventStepBody),
    /// Words that are added, also after the end.
    Addendum(AddendumStepBody),
    /// Correct an event of the session; the original stays.
    Amend(AmendStepBody),
    /// Shots that were fired without a session belong to this one.
    Claim(ClaimStepBody),
}

/// What it takes to begin a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenStepBody {
    /// Commitment to the patient, made in the room, 64 hexadecimal digits.
    pub patient: String,
    /// The protocol.
    pub protocol: String,
    /// Who treats.
    pub operator: String,
    /// The steps before the first shot.
    pub checklist: ChecklistBody,
    /// Whether this is a demonstration without a patient.
    pub demo: bool,
    /// The answers of the questionnaire; absent where it is on paper, as the checklist says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub screening: Option<ScreeningAnswersBody>,
    /// Age in whole years.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age_years: Option<u16>,
    /// Body weight in g.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight_g: Option<u32>,
    /// Papers, anaesthesia, other treatments.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub details: Option<DetailsBody>,
    /// The course so far; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course: Option<CourseBody>,
}

/// A questionnaire with its answers. They stay in the room; the record carries their digest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreeningAnswersBody {
    /// Who asked.
    pub asked_by: String,
    /// For a returning patient: the digest of the full questionnaire, 64 hexadecimal digits. Only
    /// `allergy` and `changes` are asked then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirms: Option<String>,
    /// An answer to every question.
    pub answers: Vec<AnswerBody>,
    /// The prescriber's decision; needed where an answer is `yes` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decision: Option<ScreeningReasonBody>,
}

impl core::fmt::Debug for ScreeningAnswersBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Nothing of it belongs into a log.
        f.debug_struct("ScreeningAnswersBody")
            .finish_non_exhaustive()
    }
}

/// An answer to one question.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerBody {
    /// The question, as [`QuestionBody::id`] names it.
    pub question: String,
    /// `no`, `yes` or `unknown`.
    pub answer: String,
    /// What else was said.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub note: String,
    /// Hours since the last dose, where the question is about a medicine with a washout.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_dose_hours: Option<u32>,
}

/// The prescriber's decision with its reason. The system never advises to stop a medicine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreeningReasonBody {
    /// `treat`, `do not treat` or `postponed`.
    pub outcome: String,
    /// Who decided.
    pub by: String,
    /// Why; it stays in the room.
    pub reason: String,
}

impl core::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for ScreeningReasonBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ScreeningReasonBody")
            .finish_non_exhaustive()
    }
}

/// What is to be asked before a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionnaireBody {
    /// For a patient who comes for the first time.
    pub full: Vec<QuestionBody>,
    /// For a returning patient whose full questionnaire is known by its digest.
    pub returning: Vec<QuestionBody>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionBody {
    /// Its name.
    pub id: String,
    /// The question, in words.
    pub text: String,
    /// `do not` (sources name it a reason not to treat), `disclose` (the prescriber must know), or
    /// `washout` (it wants `last_dose_hours` with a `yes`).
    pub kind: String,
    /// The pack of the library that the clinic chose where sources disagree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pack: Option<String>,
    /// Of a washout: hours since the last dose from which on no decision is needed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub washout_hours: Option<u32>,
}

/// Age and weight. The record that they go into is erasable.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who says it.
    pub operator: String,
    /// Age in whole years.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age_years: Option<u16>,
    /// Body weight in g.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight_g: Option<u32>,
}

impl core::fmt::Debug for PatientStepBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PatientStepBody")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What it takes to begin a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Serial number of the gun; absent for a manual syringe.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gun: Option<String>,
    /// The zone.
    pub zone: String,
    /// The technique.
    pub technique: String,
    /// The phase of the course, counted from 1, where the protocol has phases.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course_phase: Option<u8>,
    /// What is in the syringe.
    pub syringe: SyringeBody,
    /// The needle or head.
    pub needle: NeedleBody,
    /// Who treats.
    pub operator: String,
    /// Why the segment before it ended; empty for the first.
    pub reason: String,
}

/// Another operator goes on with the gun's zone, syringe and needle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOverStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Serial number of the gun; absent for a manual syringe.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gun: Option<String>,
    /// Who goes on; not who treats already.
    pub operator: String,
    /// Why.
    pub reason: String,
}

/// The questionnaire was answered during a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreeningStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// The answers.
    pub screening: ScreeningAnswersBody,
}

/// Papers, anaesthesia, other treatments of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailsStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who says it.
    pub operator: String,
    /// What is said.
    pub details: DetailsBody,
}

/// The course so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CourseStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who says it.
    pub operator: String,
    /// What is said.
    pub course: CourseBody,
}

/// Operator, gun and material of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaterialStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who says it.
    pub operator: String,
    /// What is said.
    pub material: MaterialBody,
}

/// Answer whether this is still the same patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SamePatientStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who answers.
    pub operator: String,
    /// Whether it is.
    pub is_same: bool,
}

/// Words that are added to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddendumStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who adds them.
    pub operator: String,
    /// The words; they name nobody.
    pub text: String,
}

/// Points set by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who says it.
    pub operator: String,
    /// A segment without a gun, 32 hexadecimal digits; its zone is theirs.
    pub segment: String,
    /// Counts the entries of the session, from 1: the same entry with its number again changes
    /// nothing, so that a caller who never got the answer may repeat it.
    pub number: u32,
    /// How many points; 0 with no volume says that nothing was injected.
    pub points: u32,
    /// Their volume together in nl.
    pub volume_nl: u64,
}

/// Go on beyond a soft limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who takes it upon himself.
    pub operator: String,
    /// The rule that the verdict on the session names, such as `needle depth`.
    pub rule: String,
    /// `clinical judgement`, `patient anatomy`, `reading wrong`, `limit unsuitable` or `other`.
    pub code: String,
    /// Why, in words.
    pub text: String,
}

/// Something unwanted happened to the patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who says it.
    pub operator: String,
    /// What happened.
    pub event: AdverseEventBody,
}

/// Correct a field of an event of the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who corrects it.
    pub operator: String,
    /// Hash of the event's record, 64 hexadecimal digits, as [`StepTakenBody::records`] said it.
    pub original: String,
    /// The field, as the event's body names it, such as `volume_nl`.
    pub field: String,
    /// The right value.
    pub new_value: String,
    /// Why.
    pub reason: String,
}

/// Shots that were fired without a session belong to this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimStepBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// Who claims them.
    pub operator: String,
    /// A segment of the session by the same gun, 32 hexadecimal digits.
    pub segment: String,
    /// Serial number of the gun.
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

/// The step was taken and is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepTakenBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// The segment, 32 hexadecimal digits, where one began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub segment: Option<String>,
    /// Hashes of the records that it made, 64 hexadecimal digits each; none where the step was taken
    /// before.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub records: Vec<String>,
}
