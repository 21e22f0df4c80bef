//! What a person wants to do next.

use meso_domain::{
    CheckItem, Delivery, GunPosition, Needle, RecordHash, Said, SessionOutcome, SyringeLoad,
    Technique,
};
use meso_units::{
    ClinicId, DriverId, LibraryVersion, OperatorId, PatientCommitment, ProtocolId, SegmentId,
    SessionId,
};

/// One step of a treatment. A step that was done already, word for word, is accepted again and
/// makes no events, so that a caller who never got the answer may simply repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin a session.
    Open(OpenStep),
    /// Begin a segment: the first one, or after any change of zone, syringe, needle, operator.
    Segment(SegmentStep),
    /// Another operator goes on.
    HandOver(HandOverStep),
    /// Say something of the session.
    Say(SayStep),
    /// Correct an event of the session.
    Amend(AmendStep),
    /// Answer whether this is still the same patient.
    SamePatient(SamePatientStep),
    /// Pause.
    Pause {
        /// The session.
        session: SessionId,
        /// Who pauses, and why; `None` where nobody says.
        reason: Option<(OperatorId, String)>,
    },
    /// Go on.
    Resume {
        /// The session.
        session: SessionId,
    },
    /// End the session.
    End(EndStep),
}

/// The answers to the checklist; an answer that is not there is a step that is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChecklistAnswers {
    /// Contraindications and allergies asked.
    pub screening: Option<CheckItem>,
    /// Consent given.
    pub consent: Option<CheckItem>,
    /// Zone disinfected.
    pub asepsis: Option<CheckItem>,
    /// Adrenaline, antihistamine and breathing support at hand.
    pub emergency_kit: Option<CheckItem>,
}

/// Begin a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenStep {
    /// The session: 16 random bytes that the caller drew.
    pub session: SessionId,
    /// The clinic.
    pub clinic: ClinicId,
    /// The room, by its driver.
    pub room: DriverId,
    /// IANA name of the clinic's time zone.
    pub time_zone: String,
    /// Offset from UTC now, in seconds, at most 18 hours to either side.
    pub utc_offset_s: i32,
    /// The patient, by commitment only.
    pub patient: PatientCommitment,
    /// SHA-256 of the screening answers.
    pub screening_digest: Option<[u8; 32]>,
    /// The protocol chosen.
    pub protocol: ProtocolId,
    /// The release of the library in force.
    pub library: LibraryVersion,
    /// Who treats.
    pub operator: OperatorId,
    /// The steps before the first shot.
    pub checklist: ChecklistAnswers,
    /// Whether this is a demonstration without a patient.
    pub demo: bool,
    /// What is known from the start, and by whom: screening, patient, details, course.
    pub said: Vec<(OperatorId, Said)>,
}

/// Begin a segment. It ends the segment before it of the same gun (or of the manual syringe) in
/// that session; another gun's segment goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStep {
    /// The segment: 16 random bytes that the caller drew.
    pub segment: SegmentId,
    /// Its session, which must be open.
    pub session: SessionId,
    /// Gun or hand.
    pub delivery: Delivery,
    /// The zone, such as `cheek`.
    pub zone: String,
    /// The technique.
    pub technique: Technique,
    /// The phase of the course, counted from 1.
    pub course_phase: Option<u8>,
    /// What is in the syringe.
    pub syringe: SyringeLoad,
    /// The needle or head.
    pub needle: Needle,
    /// Who treats.
    pub operator: OperatorId,
    /// Why the segment before it ended, in words; needed for every segment but the first.
    pub reason: String,
}

/// End a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndStep {
    /// The session.
    pub session: SessionId,
    /// How it ended.
    pub outcome: SessionOutcome,
    /// How far the driver has journalled its guns; guns that did not work in the session are left
    /// out of the event.
    pub last_counters: Vec<GunPosition>,
}

/// Another operator goes on with zone, syringe and needle of the present segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOverStep {
    /// The session.
    pub session: SessionId,
    /// The new segment: 16 random bytes that the caller drew.
    pub segment: SegmentId,
    /// The gun, or the manual syringe, that changes hands.
    pub delivery: Delivery,
    /// Who goes on.
    pub operator: OperatorId,
    /// Why.
    pub reason: String,
}

/// Say something of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SayStep {
    /// The session.
    pub session: SessionId,
    /// Who says it.
    pub by: OperatorId,
    /// What is said. Of [`Said`], `PauseReason`, `SamePatientAsked`, `SamePatientAnswered` and
    /// `Amended` have steps of their own and are refused here.
    pub said: Said,
}

/// Correct one field of an event of a session, which may have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmendStep {
    /// The session.
    pub session: SessionId,
    /// Who corrects it.
    pub by: OperatorId,
    /// The hash of the event that is corrected.
    pub original: RecordHash,
    /// The field, as [`meso_domain::correct`] knows it.
    pub field: String,
    /// The right value.
    pub new_value: String,
    /// Why.
    pub reason: String,
}

/// Answer whether this is still the same patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamePatientStep {
    /// The session.
    pub session: SessionId,
    /// Who answers.
    pub by: OperatorId,
    /// Whether it is. Where not, the session ends: nobody had ended it.
    pub is_same: bool,
    /// How far the driver has journalled its guns, for the end.
    pub last_counters: Vec<GunPosition>,
}
