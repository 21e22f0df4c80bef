//! What is said of a session beside its begin, its segments and its end: who it is about, what was
//! asked and answered, what hands injected, what was overridden, what went wrong.

mod codec;

use meso_units::{
    Epoch, GunSerial, LibraryVersion, Nanolitres, OperatorId, SegmentId, SessionId, ShotCounter,
    Timestamp,
};

use crate::canonical::coded;
use crate::{Amendment, CheckItem, Finding};

/// A calendar day in the clinic's time zone, counted from 1970-01-01.
pub type Day = i64;

/// Something that is said of a session, while it is open or after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The session.
    pub session: SessionId,
    /// When it was said.
    pub at: Timestamp,
    /// Who said it; `None` where no person did.
    pub by: Option<OperatorId>,
    /// What was said.
    pub said: Said,
}

/// What can be said of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// The questionnaire was answered. A further one takes the place of the one before.
    Screening(Screening),
    /// Who the patient is, as far as limits ask for it. Takes the place of what was said before.
    Patient(PatientFacts),
    /// The course so far. Takes the place of what was said before.
    Course(CourseFacts),
    /// Papers, anaesthesia, other treatments. Takes the place of what was said before.
    Details(SessionDetails),
    /// Operator, gun and material of a segment. Takes the place of what was said before of it.
    Material(MaterialFacts),
    /// Points set by hand.
    Manual(ManualEntry),
    /// Why the session is paused, in words.
    PauseReason(String),
    /// A person goes on beyond a soft limit.
    Override(LimitOverride),
    /// The room is asked whether this is still the same patient.
    SamePatientAsked(AskCause),
    /// It is (`true`), or it is not.
    SamePatientAnswered(bool),
    /// Something unwanted happened to the patient; days after the session is normal.
    AdverseEvent(AdverseEvent),
    /// Words that are added afterwards; they name nobody.
    Addendum(String),
    /// An event of this session is corrected; the original stays.
    Amended(Amendment),
    /// Shots that were fired without a session belong to this one.
    Claim(ShotClaim),
}

/// What the prescriber decided where the questionnaire gave cause.
///
/// The system asks and records; it never advises to treat, nor to stop a medicine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScreeningOutcome {
    /// Treat.
    Treat,
    /// Do not treat.
    DoNotTreat,
    /// Not today.
    Postponed,
}

coded!(ScreeningOutcome, "prescriber's decision",
    Treat = 1, "treat";
    DoNotTreat = 2, "do not treat";
    Postponed = 3, "postponed";
);

/// The prescriber's decision; its reason is among the answers that the digest covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScreeningDecision {
    /// What was decided.
    pub outcome: ScreeningOutcome,
    /// By whom.
    pub by: OperatorId,
}

/// The questionnaire was answered; the answers stay in the room, this is their digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Screening {
    /// SHA-256 over the canonical bytes of the answers, which begin with a random salt.
    pub digest: [u8; 32],
    /// The digest of the full questionnaire that a returning patient confirmed, where only allergies
    /// and changes were asked.
    pub confirms: Option<[u8; 32]>,
    /// What the prescriber decided, where an answer was `yes` or `unknown`.
    pub decision: Option<ScreeningDecision>,
}

/// What limits ask of the patient.
///
/// The record has a salt, so that its hash says nothing of its fields: its bytes can be erased
/// while the block that commits to it stays provable.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PatientFacts {
    /// Random bytes.
    pub salt: [u8; 32],
    /// Age in whole years, 0 to [`PatientFacts::AGE_YEARS_MAX`].
    pub age_years: Option<u16>,
    /// Body weight in grams, [`PatientFacts::WEIGHT_G_MIN`] to [`PatientFacts::WEIGHT_G_MAX`].
    pub weight_g: Option<u32>,
}

impl core::fmt::Debug for PatientFacts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Nothing of it belongs into a log.
        f.debug_struct("PatientFacts").finish_non_exhaustive()
    }
}

impl PatientFacts {
    /// The oldest patient that is believed, in years.
    pub const AGE_YEARS_MAX: u16 = 130;
    /// The lightest patient that is believed, in g.
    pub const WEIGHT_G_MIN: u32 = 2_000;
    /// The heaviest patient that is believed, in g.
    pub const WEIGHT_G_MAX: u32 = 650_000;
}

/// Where the course so far is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CourseSource {
    /// A person typed it.
    Typed,
    /// From summaries of the patient's earlier sessions.
    Summaries,
}

coded!(CourseSource, "source of the course",
    Typed = 1, "typed";
    Summaries = 2, "summaries";
);

/// The last day of something, by its name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LastDay {
    /// A zone or a drug.
    pub name: String,
    /// The day.
    pub day: Day,
}

/// Earlier sessions of the patient under the same protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CourseFacts {
    /// Where this is known from.
    pub source: CourseSource,
    /// Sessions of the course before this one.
    pub sessions_before: u16,
    /// Volume of those sessions.
    pub volume_before: Nanolitres,
    /// The last session in each zone.
    pub last_in_zone: Vec<LastDay>,
    /// When each drug was last given.
    pub last_of_drug: Vec<LastDay>,
}

/// A local anaesthetic beside the syringes, such as a cream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Anaesthetic {
    /// The product.
    pub product: String,
    /// Its drug, as cocktails name it.
    pub drug: String,
    /// How much of the drug, such as `"100 mg"`.
    pub dose: String,
}

/// Another treatment of the same concern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CombinedTreatment {
    /// What it was.
    pub name: String,
    /// When.
    pub day: Day,
}

/// Papers, anaesthesia and what else belongs to a session. References are numbers of documents,
/// never their text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionDetails {
    /// The patient's consent.
    pub consent: Option<String>,
    /// A guardian's consent, where the patient is a minor.
    pub guardian_consent: Option<String>,
    /// The examination before.
    pub assessment: Option<String>,
    /// Anaesthetics beside the syringes; empty for "none", `None` where nobody said.
    pub anaesthetics: Option<Vec<Anaesthetic>>,
    /// Other treatments with their days.
    pub combined: Vec<CombinedTreatment>,
    /// Whether the sheet for after the treatment was given.
    pub after_care: Option<CheckItem>,
}

/// What is known of a product lot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LotFacts {
    /// The lot.
    pub lot: String,
    /// The last day on which it may be used.
    pub usable_until: Option<Day>,
    /// Whether it was recalled.
    pub is_recalled: Option<bool>,
}

/// What the room knew of operator, gun and material of a segment; `None` is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaterialFacts {
    /// The segment.
    pub segment: SegmentId,
    /// The last day on which the operator's certificate is valid.
    pub certificate_until: Option<Day>,
    /// Whether the gun is enrolled here.
    pub gun_is_enrolled: Option<bool>,
    /// The last day on which the gun's calibration holds.
    pub calibrated_until: Option<Day>,
    /// Whether the gun's firmware is on the allow-list.
    pub firmware_is_allowed: Option<bool>,
    /// The class of the product, as protocols name it.
    pub product_class: Option<String>,
    /// The lots of the cocktail; `None` where nobody looked them up.
    pub lots: Option<Vec<LotFacts>>,
    /// Whether needle, syringe and tube are new for this patient.
    pub consumables_are_new: Option<bool>,
    /// Shots that the needle had fired before this segment.
    pub needle_shots_before: Option<u32>,
    /// The angle of the needle to the skin in degrees, 1 to 90.
    pub needle_angle_degrees: Option<u8>,
    /// What was left in the syringe at the end.
    pub residual: Option<Nanolitres>,
}

/// Points set with a syringe in the hand; none and no volume says that nothing was injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ManualEntry {
    /// The segment, one by hand.
    pub segment: SegmentId,
    /// Counts the entries of the session, from 1.
    pub number: u32,
    /// How many points.
    pub points: u32,
    /// Their volume together.
    pub volume: Nanolitres,
}

/// Why a person goes on beyond a soft limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OverrideCode {
    /// The prescriber judges the case differently.
    ClinicalJudgement,
    /// Anatomy or skin of this patient.
    PatientAnatomy,
    /// The measured value is wrong.
    ReadingWrong,
    /// The limit does not fit this treatment.
    LimitUnsuitable,
    /// Something else, as the text says.
    Other,
}

coded!(OverrideCode, "reason for an override",
    ClinicalJudgement = 1, "clinical judgement";
    PatientAnatomy = 2, "patient anatomy";
    ReadingWrong = 3, "reading wrong";
    LimitUnsuitable = 4, "limit unsuitable";
    Other = 5, "other";
);

/// A person goes on beyond a soft limit; a hard one cannot be overridden.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LimitOverride {
    /// The verdict that it is about.
    pub finding: Finding,
    /// The release of the library that the verdict is under.
    pub library: Option<LibraryVersion>,
    /// The version of the limit engine.
    pub engine: u16,
    /// Why.
    pub code: OverrideCode,
    /// Why, in words.
    pub text: String,
}

/// Why it is asked whether this is the same patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AskCause {
    /// Nothing has happened for long.
    Idle,
    /// The gun was unplugged.
    Unplugged,
    /// A needle was mounted.
    NewNeedle,
}

coded!(AskCause, "cause of the question",
    Idle = 1, "idle";
    Unplugged = 2, "unplugged";
    NewNeedle = 3, "new needle";
);

/// What happened to the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdverseCode {
    /// Redness.
    Redness,
    /// Swelling.
    Swelling,
    /// A bruise or haematoma.
    Bruise,
    /// Tenderness or pain.
    Pain,
    /// An allergic reaction.
    Allergy,
    /// An infection.
    Infection,
    /// Necrosis.
    Necrosis,
    /// A laceration or scratch.
    Laceration,
    /// Flushing of face and upper body.
    Flushing,
    /// Something else, as its text says.
    Other,
}

coded!(AdverseCode, "adverse event",
    Redness = 1, "redness";
    Swelling = 2, "swelling";
    Bruise = 3, "bruise";
    Pain = 4, "pain";
    Allergy = 5, "allergy";
    Infection = 6, "infection";
    Necrosis = 7, "necrosis";
    Laceration = 8, "laceration";
    Flushing = 9, "flushing";
    Other = 10, "other";
);

/// What an adverse event is put down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdverseCause {
    /// A drug.
    Drug,
    /// The method.
    Method,
    /// The needle.
    Needle,
}

coded!(AdverseCause, "cause of an adverse event",
    Drug = 1, "drug";
    Method = 2, "method";
    Needle = 3, "needle";
);

/// Something unwanted happened to the patient. Its texts name nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdverseEvent {
    /// What.
    pub code: AdverseCode,
    /// What it is put down to.
    pub cause: AdverseCause,
    /// Whether it belongs to what such a treatment is known to bring.
    pub is_expected: bool,
    /// When it began.
    pub onset: Timestamp,
    /// What was done.
    pub action: String,
    /// What is to follow; empty for nothing.
    pub follow_up: String,
}

/// Shots that were fired without a session belong to one after all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShotClaim {
    /// The segment that they are counted in.
    pub segment: SegmentId,
    /// The gun.
    pub gun: GunSerial,
    /// Its epoch.
    pub epoch: Epoch,
    /// The first counter.
    pub first: ShotCounter,
    /// The last counter.
    pub last: ShotCounter,
    /// Why, in a sentence.
    pub reason: String,
}

impl ShotClaim {
    /// The most shots of one claim: more than any gun's ring holds; claim further ones by another.
    pub const SHOT_COUNT_MAX: u32 = 4_096;
}
