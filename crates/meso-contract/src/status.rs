//! Who is there, how a gun is, and which protocol library is in force.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PayloadError;
use crate::room::RoomInterlockBody;

/// A driver's birth, or its last will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DriverStatusMessage {
    /// [`crate::PAYLOAD_VERSION`].
    pub version: u16,
    /// Whether the driver is connected.
    pub online: bool,
    /// Version of the driver program.
    pub program_version: String,
    /// Life of the journal, 16 hexadecimal digits.
    pub incarnation: String,
    /// Random number of this start of the program, 16 hexadecimal digits.
    pub start_id: String,
    /// Why its journal cannot be written, where it cannot: `disk full`, `disk read-only`,
    /// `disk fails` or `disk gone`. Its guns keep their shots meanwhile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub journal_problem: Option<String>,
}

/// Says that a driver's journal took the place of others, whose drivers stop when they hear it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuccessorMessage {
    /// [`crate::PAYLOAD_VERSION`].
    pub version: u16,
    /// Life of the journal in force, 16 hexadecimal digits.
    pub incarnation: String,
    /// Lives of the journals that it took the place of, 16 hexadecimal digits each, at most
    /// [`SuccessorMessage::REPLACED_COUNT_MAX`].
    pub replaced: Vec<String>,
}

impl SuccessorMessage {
    /// The most journals that one can take the place of; a driver that would be replaced once more
    /// gets a new id.
    pub const REPLACED_COUNT_MAX: usize = 64;
}

/// How a gun is, as its driver sees it. Written on change, at most once a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GunStatusMessage {
    /// [`crate::PAYLOAD_VERSION`].
    pub version: u16,
    /// Whether the gun is plugged in and answers.
    pub attached: bool,
    /// When this was written, milliseconds since 1970.
    pub at_ms: i64,
    /// The model, as the gun says.
    pub model: String,
    /// The firmware version, as the gun says.
    pub firmware: String,
    /// Battery charge in percent, if the gun says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub battery_percent: Option<u8>,
    /// Last counter that the journal holds.
    pub journalled_counter: u32,
    /// Shots in the journal that are not stored yet.
    pub backlog_shots: u64,
    /// Frames with a wrong check sum or framing since the driver's start.
    pub bad_frames: u64,
    /// Bytes skipped to find the next frame since the driver's start.
    pub skipped_bytes: u64,
    /// Frames with an impossible value, kept in quarantine.
    pub quarantined_frames: u64,
    /// Whether the driver inhibited the gun.
    pub inhibited: bool,
    /// How far its record can be proven to be whole, once that is known: `authenticated counter`,
    /// `counter` or `completeness not provable`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub completeness: Option<String>,
    /// What the interlock wants of it, where it wants anything. In state `failed` the gun may fire
    /// although it was told not to: somebody must take it out of the hand.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interlock: Option<RoomInterlockBody>,
    /// Clock drift against the host in parts per million, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock_drift_ppm: Option<i32>,
    /// Whether the driver trusts the clock of its computer; absent where it does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock_trusted: Option<bool>,
    /// The release of the protocol library that the driver judges by, 0 for none; absent where it
    /// does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub library_version: Option<u32>,
}

/// What is wrong with a gun and not over, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GunAlertsMessage {
    /// [`crate::PAYLOAD_VERSION`].
    pub version: u16,
    /// The alerts, at most [`GunAlertsMessage::ALERT_COUNT_MAX`], hard ones before soft ones; empty
    /// where nothing is wrong.
    pub alerts: Vec<GunAlertBody>,
    /// How many more there are.
    pub more_count: u64,
}

impl GunAlertsMessage {
    /// The most alerts that one list names; of further ones it has the number.
    pub const ALERT_COUNT_MAX: usize = 32;
}

/// An alert of a gun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GunAlertBody {
    /// The alert, 16 hexadecimal digits.
    pub id: String,
    /// Rule, or what is wrong with the fleet.
    pub rule: String,
    /// `soft` or `hard`.
    pub severity: String,
    /// `open`, `acknowledged` or `latched` (over, but hard and not seen).
    pub state: String,
    /// The session, 32 hexadecimal digits, if any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
    /// Shots past the limit; for the fleet, how often it happened.
    pub shot_count: u64,
    /// The worst value, in `unit`.
    pub worst_value: i64,
    /// The limit, in `unit`.
    pub limit: i64,
    /// The unit, such as `µm`, `nl`, `µs`, `shots` or `s`.
    pub unit: String,
    /// One line for people: what, the limit, what to do.
    pub text: String,
    /// When it opened, milliseconds since 1970.
    pub opened_at_ms: i64,
}

/// A signed release of the protocol library: the text that was signed, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LibraryMessage {
    /// [`crate::PAYLOAD_VERSION`].
    pub version: u16,
    /// The release file, exactly as signed.
    pub release: String,
    /// Signatures over the bytes of `release`: key id and signature, both hexadecimal.
    pub signatures: Vec<(String, String)>,
    /// The signer lists after the one that the room pinned, each signed by people of the one
    /// before; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signer_lists: Vec<SignedTextBody>,
}

/// A text and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedTextBody {
    /// The text, exactly as signed.
    pub text: String,
    /// Signatures over its bytes: key id and signature, both hexadecimal.
    pub signatures: Vec<(String, String)>,
}

crate::json::json_message!(
    DriverStatusMessage,
    GunAlertsMessage,
    GunStatusMessage,
    LibraryMessage,
    SuccessorMessage
);
