//! What the treatment room's page shows, as it changes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RoomGunBody, RoomStateBody};
use crate::CourseBody;

/// The room as it stands: `GET /api/v1/live`, and the data of each `live` event of
/// `GET /api/v1/events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveBody {
    /// When this held, milliseconds since 1970 by this computer's clock.
    pub at_ms: i64,
    /// The room; its guns are in [`LiveBody::guns`], and it carries no latencies.
    pub room: RoomStateBody,
    /// The clinic.
    pub clinic: String,
    /// The room, by its driver.
    pub driver: String,
    /// Whether one signature brings a protocol library into force here.
    pub single_signer: bool,
    /// Whether the library in force is that of a demonstration; absent where none is in force.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub demo_library: Option<bool>,
    /// Records in the journal, of shots and of steps, that the server has not stored yet. Nothing of
    /// them is lost.
    pub waiting_record_count: u64,
    /// The guns seen since the start.
    pub guns: Vec<LiveGunBody>,
    /// The sessions that are open.
    pub sessions: Vec<LiveSessionBody>,
}

/// A gun and its last shot against the limits in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveGunBody {
    /// The gun.
    pub gun: RoomGunBody,
    /// The model, as the gun says.
    pub model: String,
    /// Whether it can be told to fire no more. Where not, people are told: *this gun cannot be
    /// stopped*.
    pub can_be_stopped: bool,
    /// The open session that it works in, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
    /// The last shot since the start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_shot: Option<LiveShotBody>,
    /// Needle depth, volume per trigger and shot rate, in this order, also before the first shot.
    pub gauges: Vec<GaugeBody>,
    /// Patient shots that were fired without a session and are claimed by none, newest first, at most
    /// [`StrayShotsBody::COUNT_MAX`] runs. The driver knows them also after it was started anew.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub strays: Vec<StrayShotsBody>,
}

/// A run of shots that were fired without a session, none of them long after the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StrayShotsBody {
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// First counter.
    pub first: u32,
    /// Last counter.
    pub last: u32,
    /// When the first was fired, milliseconds since 1970.
    pub from_ms: i64,
    /// When the last was fired, milliseconds since 1970.
    pub to_ms: i64,
    /// Their volume in nl, as far as it is known.
    pub volume_nl: u64,
    /// Shots whose volume is not known; with any, the volume is a lower bound. After a part of a run
    /// was claimed, the rest of it is not known by shot.
    pub unknown_volume_count: u32,
}

impl StrayShotsBody {
    /// The most runs of a gun; of more the oldest is no longer offered, and is claimed by its
    /// counters on the command line.
    pub const COUNT_MAX: usize = 32;
}

/// The last shot of a gun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveShotBody {
    /// Its counter.
    pub counter: u32,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// What it was for, such as `patient`.
    pub purpose: String,
    /// The worst of its verdict: `none`, `soft`, `hard` or `not checkable`.
    pub verdict: String,
    /// What did not simply pass, a line each.
    pub findings: Vec<String>,
}

/// A value against its limits, all in `unit`; a limit that is absent does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GaugeBody {
    /// The rule, such as `needle depth`; a shot rate is told as a frequency.
    pub quantity: String,
    /// `µm`, `nl`, `mHz` or `shots`.
    pub unit: String,
    /// The zone, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone: Option<String>,
    /// What was measured, else what was set; absent where neither is known, never zero for that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<i64>,
    /// Whether the value was measured.
    pub sensed: bool,
    /// What the gun was told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub set: Option<i64>,
    /// Below this a person should look.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub soft_min: Option<i64>,
    /// Above this a person should look.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub soft_max: Option<i64>,
    /// Below this it must stop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hard_min: Option<i64>,
    /// Above this it must stop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hard_max: Option<i64>,
    /// Down from here the warning before the lower limit begins.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub near_min: Option<i64>,
    /// From here on the warning before the upper limit begins.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub near_max: Option<i64>,
    /// `waiting` for a first value, `unlimited`, `within`, `near` (the warning before the limit),
    /// `soft`, `hard`, `not checkable`, or `not judged` for a shot that was for no patient.
    pub standing: String,
    /// The finding in words, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finding: Option<String>,
}

/// An open session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveSessionBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// The protocol.
    pub protocol: String,
    /// Its name for people, where the library in force has it.
    pub title: String,
    /// Who began it.
    pub operator: String,
    /// When it began, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it is a demonstration without a patient.
    pub demo: bool,
    /// The newest segment of each gun and of the manual syringe.
    pub segments: Vec<LiveSegmentBody>,
    /// How many segments it has had.
    pub segment_count: u64,
    /// Patient shots so far.
    pub patient_shot_count: u64,
    /// Volume so far in nl, as far as it is known.
    pub volume_nl: u64,
    /// Shots that said no volume; with any, the volume is a lower bound.
    pub unknown_volume_count: u64,
    /// What adds up, against its limits: session volume, and zone volume and zone shots of each
    /// zone.
    pub sums: Vec<GaugeBody>,
    /// What the session's verdict says so far of rules that did not simply pass, a line each.
    pub findings: Vec<String>,
    /// The rules beyond whose soft limit a person has chosen to go on.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overridden: Vec<String>,
}

/// A segment that is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveSegmentBody {
    /// The segment, 32 hexadecimal digits.
    pub segment: String,
    /// The gun; absent for the manual syringe.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gun: Option<String>,
    /// The zone.
    pub zone: String,
    /// The technique.
    pub technique: String,
    /// Who treats.
    pub operator: String,
    /// What is in the syringe, a name and a lot each.
    pub components: Vec<String>,
    /// The phase of the course, counted from 1; absent where nobody said it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course_phase: Option<u8>,
}

/// What may be chosen in the room: `GET /api/v1/library`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomLibraryBody {
    /// The release in force; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u32>,
    /// Its protocols.
    pub protocols: Vec<RoomProtocolBody>,
}

/// A protocol that may be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomProtocolBody {
    /// Its name in records.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What it is for.
    pub indication: String,
    /// Where it is done.
    pub zones: Vec<String>,
    /// How it is done.
    pub techniques: Vec<String>,
    /// What a clinician should weigh.
    pub notes: Vec<String>,
    /// The phases of the course that the clinic chose for it, in their order; none where it chose no
    /// course.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub phases: Vec<RoomPhaseBody>,
}

/// A phase of a course. A limit that is absent does not exist; of a soft and a hard one the soft one
/// is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomPhaseBody {
    /// What its sessions are for.
    pub goal: String,
    /// It has at least so many sessions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_count_min: Option<i64>,
    /// It has at most so many sessions; without it the phase is open ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_count_max: Option<i64>,
    /// Days between two sessions, at least.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval_min_days: Option<i64>,
    /// Days between two sessions, at most.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval_max_days: Option<i64>,
    /// The components that belong to it; none where any does.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cocktail: Vec<String>,
}

/// Who is at the screen: `GET /api/v1/sign-in`. Also answered to whoever has not signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorBody {
    /// Who may sign in here.
    pub people: Vec<PersonBody>,
    /// Who is signed in in this browser.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signed_in: Option<PersonBody>,
    /// After how long without a touch the screen locks, in s.
    pub idle_lock_s: u32,
    /// The guns, for STOP on a locked screen.
    pub guns: Vec<DoorGunBody>,
}

/// A gun as a locked screen shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorGunBody {
    /// Serial number.
    pub serial: String,
    /// Whether it is plugged in and answers.
    pub attached: bool,
    /// Whether it can be told to fire no more.
    pub can_be_stopped: bool,
    /// Whether it says that it is inhibited.
    pub inhibited: bool,
}

/// A person of the room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonBody {
    /// Staff number or alias, as records name the person.
    pub id: String,
    /// The name on the screen; it leaves the room in no record.
    pub name: String,
}

/// Somebody signs in: `POST /api/v1/sign-in`. Either `person` and `pin`, or `badge`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInBody {
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub person: Option<String>,
    /// The person's PIN.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pin: Option<String>,
    /// What the reader read from a badge.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub badge: Option<String>,
}

impl core::fmt::Debug for SignInBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SignInBody")
            .field("person", &self.person)
            .finish_non_exhaustive()
    }
}

/// A code that a person types for a patient: `POST /api/v1/patients`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientCodeBody {
    /// The code, 1 to [`PatientCodeBody::CODE_BYTES_MAX`] bytes. It does not leave the room.
    pub code: String,
    /// The protocol under which the course so far is asked for; absent where nobody asks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub protocol: Option<String>,
}

impl PatientCodeBody {
    /// The longest code, in bytes.
    pub const CODE_BYTES_MAX: usize = 64;
}

impl core::fmt::Debug for PatientCodeBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PatientCodeBody(…)")
    }
}

/// What records say in place of a patient's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientBody {
    /// The commitment, 64 hexadecimal digits.
    pub patient: String,
    /// Digest of the newest full questionnaire that this patient answered in this room, 64
    /// hexadecimal digits: a returning patient may confirm it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub screening_digest: Option<String>,
    /// What the room knows of the patient's course so far under the protocol of the question; absent
    /// where none was named, or where the room cannot know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course: Option<CourseBody>,
}

/// A code as the scanner read it: `POST /api/v1/scan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanBody {
    /// The text of a GS1 code, FNC1 as U+001D, with or without a symbology prefix such as `]d2`;
    /// or with the application identifiers in brackets, as people read them.
    pub text: String,
}

/// What a code said of a lot, a needle or a product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScannedBody {
    /// Number of the product, 14 digits (01).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gtin: Option<String>,
    /// Lot (10).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lot: Option<String>,
    /// Last day of use (17), YYYY-MM-DD; a month without a day means its last one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expiry: Option<String>,
    /// Whether that day is over.
    pub expired: bool,
    /// Serial number (21).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serial: Option<String>,
}
