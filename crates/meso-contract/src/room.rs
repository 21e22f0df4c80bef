//! Bodies of the treatment room's loopback interface.
//!
//! `POST /api/v1/steps` takes a [`RoomStepBody`] and answers 200 with a [`StepTakenBody`], 409 with
//! a [`StepRefusedBody`] where a step is missing, 422 where a value is wrong.
//! `POST /api/v1/guns/{serial}/resume` takes a [`ResumeGunBody`] and answers 200 with a
//! [`RoomGunBody`], 409 where the gun is not there or not inhibited.
//! `GET /api/v1/questionnaire` answers with a [`QuestionnaireBody`]: what is to be asked before a
//! session, in the order in which it is asked.
//! `POST /api/v1/patients` takes a [`PatientCodeBody`] and answers with a [`PatientBody`]: what
//! records say in place of the code, whether the patient has answered the questionnaire here, and what
//! the room knows of the course so far.
//! `GET /api/v1/history` answers with a [`RoomHistoryBody`]: what was said of the sessions that
//! something may still be said of.
//! `POST /api/v1/guns/{serial}/inhibit` takes an [`InhibitGunBody`], with the same answers; it is
//! the one request that wants nobody's permission.
//! `GET /api/v1/state` answers with a [`RoomStateBody`], `GET /api/v1/live` and the `live` events of
//! `GET /api/v1/events` with a [`LiveBody`], `GET /api/v1/library` with a [`RoomLibraryBody`].
//! All want `Authorization: Bearer TOKEN` with the token of [`RoomAccessFile`], or the cookie of a
//! person who signed in at `POST /api/v1/sign-in`.
//!
//! # The way of a treatment
//!
//! | step | when | events that it makes |
//! |---|---|---|
//! | `open` | first; with the answers of the questionnaire, age, weight and papers where known | opened, screening, patient, details, course |
//! | `screening`, `patient`, `details`, `course` | any time while open; the newest counts | the same, later |
//! | `segment` | before the first shot, and after any change of zone, syringe, needle | segment opened |
//! | `material` | after its segment; the newest counts | material |
//! | `hand_over` | another operator goes on with the same gun or syringe | segment opened |
//! | `manual` | what a hand injected, in a segment without a gun | manual |
//! | `override` | on beyond a soft limit that the verdict names; a hard one is refused | override |
//! | `pause`, `resume` | any time while open | paused with its reason, resumed |
//! | `same_patient` | when the state says that the room is asked | the answer; `false` ends the session |
//! | `end` | last | ended |
//! | `adverse_event`, `addendum`, `amend`, `claim` | while open and after the end | the same |
//!
//! A step that must come first is a 409 whose code and message name it; a bad value is a 422.

mod history;
mod live;
mod step;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CourseBody, DetailsBody, FindingBody, MaterialBody, SegmentOpenedBody};

pub use history::{
    RoomCorrectionBody, RoomEntryBody, RoomFieldBody, RoomHistoryBody, RoomHistorySessionBody,
};
pub use live::{
    DoorBody, DoorGunBody, GaugeBody, LiveBody, LiveGunBody, LiveSegmentBody, LiveSessionBody,
    LiveShotBody, PatientBody, PatientCodeBody, PersonBody, RoomLibraryBody, RoomPhaseBody,
    RoomProtocolBody, ScanBody, ScannedBody, SignInBody, StrayShotsBody,
};
pub use step::{
    AddendumStepBody, AmendStepBody, AnswerBody, ClaimStepBody, CourseStepBody, DetailsStepBody,
    EventStepBody, HandOverStepBody, ManualStepBody, MaterialStepBody, OpenStepBody,
    OverrideStepBody, PatientStepBody, QuestionBody, QuestionnaireBody, RoomStepBody,
    SamePatientStepBody, ScreeningAnswersBody, ScreeningReasonBody, ScreeningStepBody,
    SegmentStepBody, StepTakenBody,
};

/// `room.json` in the driver's data folder, mode 0600: where the room listens, and the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomAccessFile {
    /// Address and port.
    pub address: String,
    /// Random token of this start of the driver, 64 hexadecimal digits.
    pub token: String,
}

impl core::fmt::Debug for RoomAccessFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RoomAccessFile")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The name of [`RoomAccessFile`] in the driver's data folder.
pub const ROOM_ACCESS_FILE_NAME: &str = "room.json";

/// The step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRefusedBody {
    /// A stable code, such as `segment_missing`.
    pub code: String,
    /// What is missing or wrong, and what to do next.
    pub message: String,
}

/// A person lets a gun that was inhibited fire again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeGunBody {
    /// Who.
    pub operator: String,
    /// Why, in a sentence, 1 to [`ResumeGunBody::REASON_BYTES_MAX`] bytes.
    pub reason: String,
}

impl ResumeGunBody {
    /// The longest reason, in bytes.
    pub const REASON_BYTES_MAX: usize = 256;
}

/// A person stops a gun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InhibitGunBody {
    /// Who; absent where nobody is signed in: harm comes first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operator: Option<String>,
    /// Why, at most [`ResumeGunBody::REASON_BYTES_MAX`] bytes; may be empty, since a hand at STOP
    /// has no time to write.
    #[serde(default)]
    pub reason: String,
}

/// How the room is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomStateBody {
    /// Sessions that are open, 32 hexadecimal digits each.
    pub open_sessions: Vec<String>,
    /// The same sessions, with what people need to go on.
    #[serde(default)]
    pub sessions: Vec<RoomSessionBody>,
    /// The guns seen since the start.
    pub guns: Vec<RoomGunBody>,
    /// Records in the journal that are in no sealed block yet.
    pub unsealed_record_count: u64,
    /// Sealed blocks that the server has not stored yet.
    pub unsettled_block_count: u64,
    /// Release of the protocol library in force in the room.
    pub library_version: Option<u32>,
    /// Whether the broker is connected.
    pub broker_connected: bool,
    /// Whether a shot beyond a hard limit inhibits its gun.
    #[serde(default)]
    pub interlock_enabled: bool,
    /// Whether this computer's clock can be right: rules about time are not judged where not.
    #[serde(default)]
    pub clock_trusted: bool,
    /// Lists of patients that the server has told, of 64: with all of them the room knows of every
    /// patient what was done elsewhere, also while the network is down.
    #[serde(default)]
    pub patient_list_count: u32,
    /// The links from codes to patients.
    #[serde(default)]
    pub patient_links: PatientLinksBody,
    /// Why the journal cannot be written, where it cannot: the folder, the cause, and what to do. No
    /// shot is taken from the guns meanwhile, which keep them, and no step is taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub journal_problem: Option<String>,
    /// Sealed blocks that no message can carry; they stay in the journal.
    #[serde(default)]
    pub unsendable_block_count: u64,
    /// Watermarks that the ingest has not signed; they change nothing.
    #[serde(default)]
    pub refused_watermark_count: u64,
    /// Ports that cannot be used, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub port_problems: BTreeMap<String, String>,
    /// How long guns have waited for answers since the start.
    #[serde(default)]
    pub latencies: Vec<LatencyBody>,
}

/// How far a room knows the patients of the other rooms of its clinic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientLinksBody {
    /// Fingerprint of the patients' key, 16 hexadecimal digits: rooms with the same one know each
    /// other's patients. Absent where the key cannot be used.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// Why the key cannot be used: no code is taken then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
    /// Links that the room knows.
    pub known_count: u64,
    /// Of them, those that it made itself.
    pub made_here_count: u64,
    /// Of those, the ones that gave way to another room's, and are recorded so.
    pub merged_count: u64,
    /// Drivers whose links are under another patients' key: import the key to know their patients.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub other_keys: Vec<String>,
    /// Drivers of which a page of links is damaged.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub damaged: Vec<String>,
    /// Shelves of links in this room's journal that do not decrypt: kept under another key, or
    /// damaged.
    #[serde(default)]
    pub unreadable_shelf_count: u64,
    /// Pages and links that were refused since the start: no such thing, another room's id, or no
    /// place left.
    #[serde(default)]
    pub refused_count: u64,
}

/// An open session, as its room sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomSessionBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// The protocol.
    pub protocol: String,
    /// Who began it.
    pub operator: String,
    /// When it began, nanoseconds since 1970 as text.
    pub opened_at_ns: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Why the room is asked whether this is still the same patient: `idle`, `unplugged` or
    /// `new needle`. Until a `same_patient` step answers, no segment begins.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub same_patient_asked: Option<String>,
    /// What the prescriber decided, where the questionnaire gave cause.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decision: Option<String>,
    /// Digest of the questionnaire, 64 hexadecimal digits: a returning patient may confirm it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub screening_digest: Option<String>,
    /// Entries of points by hand; the next has this number plus one.
    pub manual_entry_count: u32,
    /// Its segments, in the order in which they began.
    pub segments: Vec<SegmentOpenedBody>,
    /// What is known of the material of each segment, as it was said last.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub materials: Vec<MaterialBody>,
    /// Papers, anaesthesia and other treatments, as they were said last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub details: Option<DetailsBody>,
    /// The course so far, as it was said last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course: Option<CourseBody>,
    /// The rules that did not pass so far, and those that lack a fact.
    pub findings: Vec<FindingBody>,
}

/// How long something took, since the start of the driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyBody {
    /// `shot_to_acknowledgement` or `breach_to_inhibit`: from the return of the read that brought
    /// the shot to the return of the write that answers it.
    pub name: String,
    /// How often it was measured.
    pub count: u64,
    /// Half of all took at most this long, in µs; like all quantiles here at most 6 % too high.
    pub p50_us: u64,
    /// 99 in 100 took at most this long, in µs.
    pub p99_us: u64,
    /// 999 in 1000 took at most this long, in µs.
    pub p999_us: u64,
    /// The longest, in µs.
    pub max_us: u64,
    /// The histogram, shortest first, without empty steps.
    pub buckets: Vec<LatencyBucketBody>,
}

/// One step of a histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyBucketBody {
    /// The longest time of this step, in µs.
    pub up_to_us: u64,
    /// How many took longer than the step before and at most this long.
    pub count: u64,
}

/// How a gun is, as its room sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomGunBody {
    /// Serial number.
    pub serial: String,
    /// Whether it is plugged in and answers.
    pub attached: bool,
    /// Epoch, 16 hexadecimal digits, once one is known.
    pub epoch: Option<String>,
    /// Newest counter that the gun has spoken of.
    pub newest_counter: u32,
    /// Newest counter that the journal holds on disk without a hole before it.
    pub journalled_counter: u32,
    /// Whether its link is authenticated with its key.
    #[serde(default)]
    pub authentic: bool,
    /// Why the driver does not speak with it, where it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refused: Option<String>,
    /// How far its record can be proven to be whole, in words, once that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grade: Option<String>,
    /// The serial number of its USB device, where that names another gun.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usb_serial: Option<String>,
    /// Whether the gun says that it is inhibited.
    #[serde(default)]
    pub inhibited: bool,
    /// What the interlock wants of it, where it wants anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interlock: Option<RoomInterlockBody>,
    /// Frames and shots in quarantine since the start.
    #[serde(default)]
    pub quarantined_frames: u64,
    /// Shots read back under a number that the journal holds, after the gun's counter had gone
    /// back; they are in quarantine.
    #[serde(default)]
    pub salvaged_shots: u64,
    /// How its clock maps to UTC, once that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock: Option<RoomClockBody>,
}

/// Why a gun is to fire no more, and whether it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomInterlockBody {
    /// `inhibiting`, `inhibited`, `resuming`, or `failed`: the gun may fire and was told not to.
    pub state: String,
    /// Why, in words.
    pub cause: String,
    /// What went wrong, where something did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// How the clock of a gun maps to UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomClockBody {
    /// The stretch of the driver's clock in which this holds.
    pub segment: u32,
    /// UTC at the gun's tick 0, in ns since 1970.
    pub offset_ns: i64,
    /// How much faster UTC runs than the gun's clock, in parts per 10⁹.
    pub drift_ppb: i64,
    /// How far the time of a shot of now may be off, in ns.
    pub uncertainty_ns: u64,
}
