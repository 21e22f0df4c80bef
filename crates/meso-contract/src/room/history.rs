//! What was said of the sessions of a room, to be looked at and corrected.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LiveSegmentBody;

/// The sessions that something may still be said of: `GET /api/v1/history`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomHistoryBody {
    /// The open ones, then those that ended, the newest first, at most
    /// [`RoomHistoryBody::SESSION_COUNT_MAX`]; older ones are in the server alone.
    pub sessions: Vec<RoomHistorySessionBody>,
}

impl RoomHistoryBody {
    /// The most sessions of one answer.
    pub const SESSION_COUNT_MAX: usize = 30;
}

/// One session with its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomHistorySessionBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// The protocol's name for people, where the library in force has it.
    pub title: String,
    /// Who began it.
    pub operator: String,
    /// When it began, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// How it ended; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<String>,
    /// Its segments, in the order in which they began: shots are claimed for one of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub segments: Vec<LiveSegmentBody>,
    /// Its events in order of time, at most [`RoomHistorySessionBody::ENTRY_COUNT_MAX`], the newest
    /// where there are more.
    pub entries: Vec<RoomEntryBody>,
}

impl RoomHistorySessionBody {
    /// The most events of one session.
    pub const ENTRY_COUNT_MAX: usize = 200;
}

/// One event of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomEntryBody {
    /// Hash of its record, 64 hexadecimal digits: a correction names it.
    pub record: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Who; absent where no person did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// What it was, such as `points by hand`.
    pub what: String,
    /// What else it says, in words.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub text: String,
    /// What can be corrected of it, with the values that hold now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<RoomFieldBody>,
    /// Of a correction: what it corrects.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub correction: Option<RoomCorrectionBody>,
}

/// A field that can be corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomFieldBody {
    /// Its name, as an amendment says it, such as `volume_nl`.
    pub field: String,
    /// The value that holds now, after every correction so far.
    pub value: String,
    /// The value as it was said first; absent where it was never corrected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original: Option<String>,
}

/// What a correction says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomCorrectionBody {
    /// The field, as [`RoomFieldBody::field`] names it.
    pub field: String,
    /// The value before.
    pub old_value: String,
    /// The value after.
    pub new_value: String,
    /// Why.
    pub reason: String,
}
