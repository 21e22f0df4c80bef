//! What people did around the shots: a session, its segments, its end.

mod answers;
mod codec;
mod correction;
mod earlier;
mod statement;

use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, LibraryVersion, Micrometres, Nanolitres, OperatorId,
    PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter, Timestamp,
};

use crate::canonical::coded;
pub use answers::{Answer, AnsweredQuestion, ScreeningAnswers};
pub use correction::{CorrectionError, correct, corrected, with_corrections};
pub use earlier::{EarlierSession, PATIENT_LIST_COUNT, patient_list_of};
pub use statement::{
    AdverseCause, AdverseCode, AdverseEvent, Anaesthetic, AskCause, CombinedTreatment, CourseFacts,
    CourseSource, Day, LastDay, LimitOverride, LotFacts, ManualEntry, MaterialFacts, OverrideCode,
    PatientFacts, Said, Screening, ScreeningDecision, ScreeningOutcome, SessionDetails, ShotClaim,
    Statement,
};

/// How a point is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Technique {
    /// Many shallow points in quick succession.
    Nappage,
    /// One painful or marked point after the other.
    PointByPoint,
    /// A papule at each point.
    Papule,
    /// Along a line while the needle is drawn back.
    Retrograde,
    /// Bursts of a multi-needle or automatic head.
    Burst,
    /// Needling without product.
    Dry,
}

coded!(Technique, "technique",
    Nappage = 1, "nappage";
    PointByPoint = 2, "point by point";
    Papule = 3, "papule";
    Retrograde = 4, "retrograde";
    Burst = 5, "burst";
    Dry = 6, "dry";
);

/// One step of the checklist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CheckItem {
    /// Done; the reference (a document number, never its text) where there is one.
    Done(Option<String>),
    /// Skipped, and why.
    Skipped(String),
}

/// The steps before the first shot, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checklist {
    /// Contraindications and allergies asked.
    pub screening: CheckItem,
    /// Consent given.
    pub consent: CheckItem,
    /// Zone disinfected.
    pub asepsis: CheckItem,
    /// Adrenaline, antihistamine and breathing support at hand.
    pub emergency_kit: CheckItem,
}

/// A session begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionOpened {
    /// The session.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// The clinic.
    pub clinic: ClinicId,
    /// The room, by its driver.
    pub room: DriverId,
    /// IANA name of the clinic's time zone.
    pub time_zone: String,
    /// Offset from UTC at that moment, in seconds.
    pub utc_offset_s: i32,
    /// The patient, by commitment only.
    pub patient: PatientCommitment,
    /// SHA-256 of the screening answers, which are kept erasably in the room.
    pub screening_digest: Option<[u8; 32]>,
    /// The protocol chosen.
    pub protocol: ProtocolId,
    /// The release of the library in force.
    pub library: LibraryVersion,
    /// Who treats.
    pub operator: OperatorId,
    /// The steps before the first shot.
    pub checklist: Checklist,
    /// Whether this is a demonstration without a patient.
    pub demo: bool,
}

/// One component of a cocktail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Component {
    /// What it is.
    pub name: String,
    /// Concentration with its unit, as on the label.
    pub concentration: String,
    /// The product lot.
    pub lot: String,
}

/// What is in the syringe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyringeLoad {
    /// The components.
    pub components: Vec<Component>,
    /// Whether it came ready-made; otherwise somebody compounded it.
    pub ready_made: bool,
    /// Who prepared it.
    pub prepared_by: OperatorId,
    /// Loaded volume.
    pub loaded: Nanolitres,
    /// What stays in tube and head.
    pub dead_volume: Nanolitres,
}

/// The needle or head.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Needle {
    /// Length of the tip.
    pub length: Micrometres,
    /// Gauge number, such as 30.
    pub gauge: u8,
    /// Needles on the head.
    pub count: u8,
    /// The lot.
    pub lot: String,
}

/// How the product is delivered in a segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// By this gun.
    Gun(GunSerial),
    /// By hand.
    ManualSyringe,
}

/// A segment begins: any change of gun, zone, cocktail, syringe, needle or operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SegmentOpened {
    /// The segment.
    pub segment: SegmentId,
    /// Its session.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// Gun or hand.
    pub delivery: Delivery,
    /// The zone, such as `cheek`.
    pub zone: String,
    /// The technique.
    pub technique: Technique,
    /// The protocol.
    pub protocol: ProtocolId,
    /// The release of the library in force.
    pub library: LibraryVersion,
    /// The phase of the course, counted from 1, where the protocol has phases.
    pub course_phase: Option<u8>,
    /// What is in the syringe.
    pub syringe: SyringeLoad,
    /// The needle or head.
    pub needle: Needle,
    /// Who treats.
    pub operator: OperatorId,
    /// Why the segment before it ended, in words; empty for the first.
    pub reason: String,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionOutcome {
    /// As planned.
    Completed,
    /// Stopped early.
    Stopped,
    /// An emergency.
    Emergency,
    /// The patient withdrew consent.
    ConsentWithdrawn,
    /// Nobody ended it.
    TimedOut,
    /// The prescriber decided not to treat, or not today.
    NotTreated,
}

coded!(SessionOutcome, "session outcome",
    Completed = 1, "completed";
    Stopped = 2, "stopped";
    Emergency = 3, "emergency";
    ConsentWithdrawn = 4, "consent withdrawn";
    TimedOut = 5, "timed out";
    NotTreated = 6, "not treated";
);

/// How far a gun had counted at a moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GunPosition {
    /// The gun.
    pub gun: GunSerial,
    /// Its epoch.
    pub epoch: Epoch,
    /// The last counter that belongs to the session, as far as the driver knew.
    pub counter: ShotCounter,
    /// The gun was not plugged in: it may have fired more than the driver knew.
    pub is_away: bool,
}

/// A session ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionEnded {
    /// The session.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: SessionOutcome,
    /// The last counter that the driver knew of each gun of the session.
    pub last_counters: Vec<GunPosition>,
}

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionEvent {
    /// It began.
    Opened(SessionOpened),
    /// A segment began, and the one before it ended.
    SegmentOpened(SegmentOpened),
    /// The operator paused.
    Paused {
        /// The session.
        session: SessionId,
        /// When.
        at: Timestamp,
    },
    /// The operator went on.
    Resumed {
        /// The session.
        session: SessionId,
        /// When.
        at: Timestamp,
    },
    /// It ended.
    Ended(SessionEnded),
    /// Something is said of it, while it is open or after it.
    Stated(Box<Statement>),
}

impl SessionEvent {
    /// The session that this is about.
    pub fn session(&self) -> SessionId {
        match self {
            SessionEvent::Opened(opened) => opened.session,
            SessionEvent::SegmentOpened(segment) => segment.session,
            SessionEvent::Paused { session, .. } | SessionEvent::Resumed { session, .. } => {
                *session
            }
            SessionEvent::Ended(ended) => ended.session,
            SessionEvent::Stated(statement) => statement.session,
        }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            SessionEvent::Opened(opened) => opened.at,
            SessionEvent::SegmentOpened(segment) => segment.at,
            SessionEvent::Paused { at, .. } | SessionEvent::Resumed { at, .. } => *at,
            SessionEvent::Ended(ended) => ended.at,
            SessionEvent::Stated(statement) => statement.at,
        }
    }
}

/// The end of the record of a session: totals that later amendments can be held against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionSeal {
    /// The session.
    pub session: SessionId,
    /// When it was sealed.
    pub at: Timestamp,
    /// Patient shots.
    pub patient_shot_count: u64,
    /// Volume of the patient shots, by what the gun did, else by set point.
    pub patient_volume: Nanolitres,
    /// SHA-256 over the record hashes of its events and shots, in order of (gun, epoch, counter).
    pub records_digest: [u8; 32],
}
