//! Why a step cannot be done now, and which step must come first.

use core::fmt;

use meso_domain::{CorrectionError, RecordHash, Rule, ScreeningOutcome};
use meso_units::{GunSerial, OperatorId, SegmentId, SessionId};

/// An item of the checklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequiredCheck {
    /// Contraindications and allergies asked.
    Screening,
    /// Consent given.
    Consent,
    /// Zone disinfected.
    Asepsis,
    /// Emergency kit at hand.
    EmergencyKit,
}

impl RequiredCheck {
    /// The name in messages and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            RequiredCheck::Screening => "screening",
            RequiredCheck::Consent => "consent",
            RequiredCheck::Asepsis => "asepsis",
            RequiredCheck::EmergencyKit => "emergency kit",
        }
    }
}

impl fmt::Display for RequiredCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Several items of the checklist, as text.
struct Items<'a>(&'a [RequiredCheck]);

impl fmt::Display for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Why a step is refused; the text names what must be done first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Items of the checklist are open.
    #[error(
        "the checklist is not complete: do {}, or skip with a reason",
        Items(missing)
    )]
    ChecklistIncomplete {
        /// The items without an answer, or skipped without a reason; all at once.
        missing: Vec<RequiredCheck>,
    },
    /// The session is not open.
    #[error("session {session} is not open: open a session first")]
    SessionNotOpen {
        /// The session.
        session: SessionId,
    },
    /// The session has this id already, with other content.
    #[error("session {session} exists already: draw a new session id")]
    SessionExists {
        /// The session.
        session: SessionId,
    },
    /// The segment has this id already, with other content.
    #[error("segment {segment} exists already: draw a new segment id")]
    SegmentExists {
        /// The segment.
        segment: SegmentId,
    },
    /// The gun works in another session.
    #[error("gun {gun} works in session {session}: end that session first")]
    GunBusy {
        /// The gun.
        gun: GunSerial,
        /// The session that it works in.
        session: SessionId,
    },
    /// A segment after the first needs a reason.
    #[error("a reason is missing: say why the segment before this one ended")]
    ReasonMissing,
    /// Questions are open.
    #[error("not every question is answered: ask {}", open.join(", "))]
    QuestionsOpen {
        /// Their names; all at once.
        open: Vec<&'static str>,
    },
    /// An answer to what was not asked, or two answers to one question.
    #[error("{question:?} is not asked here, or is answered twice: answer each question once")]
    QuestionUnknown {
        /// The name that was given.
        question: String,
    },
    /// A medicine with a washout needs the time of its last dose.
    #[error("the answer to {question} is yes: say how many hours ago the last dose was")]
    LastDoseMissing {
        /// The question.
        question: &'static str,
    },
    /// Something has changed since the full questionnaire.
    #[error("something has changed since the full questionnaire: ask the full questionnaire again")]
    ScreeningChanged,
    /// An answer is `yes` or `unknown`.
    #[error(
        "{} may speak against the treatment: record the prescriber's decision with its reason",
        concerns.join(", ")
    )]
    DecisionMissing {
        /// The questions.
        concerns: Vec<&'static str>,
    },
    /// The prescriber decided not to treat, or not today.
    #[error("the prescriber decided: {outcome}; end session {session} as not treated")]
    NotTreated {
        /// The session.
        session: SessionId,
        /// The decision.
        outcome: ScreeningOutcome,
    },
    /// A minor without a guardian's consent.
    #[error(
        "the patient is younger than {} years: record a guardian's consent first",
        crate::CONSENT_AGE_YEARS
    )]
    GuardianMissing,
    /// The room was asked whether this is still the same patient.
    #[error("is this still the same patient? answer that for session {session} first")]
    SamePatientUnanswered {
        /// The session.
        session: SessionId,
    },
    /// Nobody asked whether this is the same patient.
    #[error("session {session} is not asked whether this is the same patient: go on")]
    NothingAsked {
        /// The session.
        session: SessionId,
    },
    /// The session has no such segment.
    #[error("session {session} has no segment {segment}: begin one first")]
    SegmentMissing {
        /// The session.
        session: SessionId,
        /// The segment.
        segment: SegmentId,
    },
    /// The gun, or the hand, has no segment to go on with.
    #[error("{delivery} has no segment in session {session}: begin one first")]
    NothingToHandOver {
        /// The session.
        session: SessionId,
        /// The gun, or `the manual syringe`.
        delivery: String,
    },
    /// A hand-over to who treats already.
    #[error("{operator} treats already: hand over to another operator")]
    SameOperator {
        /// The operator.
        operator: OperatorId,
    },
    /// A gun counts by itself what it injects.
    #[error("segment {segment} is of a gun, which counts by itself: begin one by hand first")]
    NotByHand {
        /// The segment.
        segment: SegmentId,
    },
    /// A manual entry out of its order.
    #[error("entry {number} is not the next one: enter {next}, or amend the earlier one")]
    EntryOutOfOrder {
        /// The number that was given.
        number: u32,
        /// The number that is next.
        next: u32,
    },
    /// A verdict that nobody can override.
    #[error("{rule} is beyond a hard limit, which nobody can override: bring it back within")]
    HardLimit {
        /// The rule.
        rule: Rule,
    },
    /// A verdict that needs no override.
    #[error("{rule} is not beyond a soft limit: there is nothing to override")]
    NothingToOverride {
        /// The rule.
        rule: Rule,
    },
    /// The session was never here.
    #[error("session {session} is not known in this room: enter it where it was held")]
    SessionUnknown {
        /// The session.
        session: SessionId,
    },
    /// No event of this session has this hash.
    #[error(
        "no event of the session has the hash {original}: give the hash that its step answered"
    )]
    OriginalUnknown {
        /// The hash.
        original: RecordHash,
    },
    /// The event cannot be corrected like that.
    #[error(transparent)]
    Correction(#[from] CorrectionError),
    /// A dose that nobody can read.
    #[error("{dose:?} is not a dose: write it as \"100 mg\" or \"50 U\"")]
    NotADose {
        /// What was written.
        dose: String,
    },
    /// This has a step of its own.
    #[error("this cannot be said on its own: pause, answer, or amend instead")]
    OwnStep,
    /// A claim that fits no segment of its gun.
    #[error("segment {segment} is not of gun {gun}: claim shots for a segment of their own gun")]
    ClaimOfOtherGun {
        /// The segment.
        segment: SegmentId,
        /// The gun.
        gun: GunSerial,
    },
    /// A text is empty or too long.
    #[error("{field} has {length} bytes: write 1 to {length_max}")]
    WrongLength {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most allowed.
        length_max: usize,
    },
    /// A number is out of range.
    #[error("{field} {value} is outside {min} to {max}")]
    OutOfRange {
        /// The field, with its unit.
        field: &'static str,
        /// The value.
        value: i64,
        /// The smallest allowed.
        min: i64,
        /// The largest allowed.
        max: i64,
    },
    /// More than a room or a session can hold.
    #[error("{count} {what} are the limit: {next}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        count: usize,
        /// What to do.
        next: &'static str,
    },
}

impl Refusal {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::ChecklistIncomplete { .. } => "checklist_incomplete",
            Refusal::SessionNotOpen { .. } => "session_not_open",
            Refusal::SessionExists { .. } => "session_exists",
            Refusal::SegmentExists { .. } => "segment_exists",
            Refusal::GunBusy { .. } => "gun_busy",
            Refusal::ReasonMissing => "reason_missing",
            Refusal::QuestionsOpen { .. } => "questions_open",
            Refusal::QuestionUnknown { .. } => "question_unknown",
            Refusal::LastDoseMissing { .. } => "last_dose_missing",
            Refusal::ScreeningChanged => "screening_changed",
            Refusal::DecisionMissing { .. } => "decision_missing",
            Refusal::NotTreated { .. } => "not_treated",
            Refusal::GuardianMissing => "guardian_missing",
            Refusal::SamePatientUnanswered { .. } => "same_patient_unanswered",
            Refusal::NothingAsked { .. } => "nothing_asked",
            Refusal::SegmentMissing { .. } => "segment_missing",
            Refusal::NothingToHandOver { .. } => "nothing_to_hand_over",
            Refusal::SameOperator { .. } => "same_operator",
            Refusal::NotByHand { .. } => "not_by_hand",
            Refusal::EntryOutOfOrder { .. } => "entry_out_of_order",
            Refusal::HardLimit { .. } => "hard_limit",
            Refusal::NothingToOverride { .. } => "nothing_to_override",
            Refusal::SessionUnknown { .. } => "session_unknown",
            Refusal::OriginalUnknown { .. } => "original_unknown",
            Refusal::Correction(_) => "cannot_be_corrected",
            Refusal::NotADose { .. } => "not_a_dose",
            Refusal::OwnStep => "own_step",
            Refusal::ClaimOfOtherGun { .. } => "claim_of_other_gun",
            Refusal::WrongLength { .. } => "wrong_length",
            Refusal::OutOfRange { .. } => "out_of_range",
            Refusal::TooMany { .. } => "too_many",
        }
    }

    /// Whether a value is bad, rather than a step missing: the one is mended by writing it
    /// differently, the other by doing something else first.
    pub const fn is_bad_value(&self) -> bool {
        matches!(
            self,
            Refusal::WrongLength { .. }
                | Refusal::OutOfRange { .. }
                | Refusal::QuestionUnknown { .. }
                | Refusal::NotADose { .. }
                | Refusal::Correction(_)
        )
    }
}
