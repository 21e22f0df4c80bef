//! What a person wants to do next.

use meso_domain::{
    CheckItem, Delivery, GunPosition, Needle, SessionOutcome, SyringeLoad, Technique,
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
    /// Pause.
    Pause {
        /// The session.
        session: SessionId,
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
