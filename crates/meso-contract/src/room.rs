//! Bodies of the treatment room's loopback interface.
//!
//! `POST /api/v1/steps` takes a [`RoomStepBody`] and answers 200 with a [`StepTakenBody`], 409 with
//! a [`StepRefusedBody`] where a step is missing, 422 where a value is wrong.
//! `GET /api/v1/state` answers with a [`RoomStateBody`]. Both want `Authorization: Bearer TOKEN`
//! with the token of [`RoomAccessFile`].

use serde::{Deserialize, Serialize};

use crate::{ChecklistBody, NeedleBody, SyringeBody};

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

/// A step that a person takes in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RoomStepBody {
    /// Begin a session.
    Open(OpenStepBody),
    /// Begin a segment of a session.
    Segment(SegmentStepBody),
    /// Pause.
    Pause {
        /// The session, 32 hexadecimal digits.
        session: String,
    },
    /// Go on.
    Resume {
        /// The session, 32 hexadecimal digits.
        session: String,
    },
    /// End the session.
    End {
        /// The session, 32 hexadecimal digits.
        session: String,
        /// How: `completed`, `stopped`, `emergency`, `consent withdrawn`.
        outcome: String,
    },
}

/// What it takes to begin a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What it takes to begin a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What is in the syringe.
    pub syringe: SyringeBody,
    /// The needle or head.
    pub needle: NeedleBody,
    /// Who treats.
    pub operator: String,
    /// Why the segment before it ended; empty for the first.
    pub reason: String,
}

/// The step was taken and is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTakenBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// The segment, 32 hexadecimal digits, where one began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub segment: Option<String>,
}

/// The step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRefusedBody {
    /// A stable code, such as `segment_missing`.
    pub code: String,
    /// What is missing or wrong, and what to do next.
    pub message: String,
}

/// How the room is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomStateBody {
    /// Sessions that are open, 32 hexadecimal digits each.
    pub open_sessions: Vec<String>,
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
}

/// How a gun is, as its room sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}
