//! Rooms that never come back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What retiring a room would declare to be gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetirementView {
    /// The room, by its driver.
    pub room: String,
    /// Its clinic.
    pub clinic: String,
    /// How many gaps would be declared.
    pub gap_count: u32,
    /// How many shots these are.
    pub shot_count: u64,
    /// The gaps, at most [`RetirementView::GAPS_MAX`].
    pub gaps: Vec<AwaitedGapView>,
    /// Further gaps, which retiring the room once more would declare.
    pub left_count: u32,
}

impl RetirementView {
    /// The most gaps that are named; what one act declares at most.
    pub const GAPS_MAX: usize = 2_000;
}

/// Shots that are awaited from a room.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AwaitedGapView {
    /// The gun.
    pub gun: String,
    /// The epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// The first missing counter.
    pub first: u32,
    /// The last missing counter.
    pub last: u32,
}

/// Who says that a room never comes back, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireRoomBody {
    /// Staff number or alias.
    pub by: String,
    /// Why, 1 to 200 characters; it must name no patient.
    pub reason: String,
    /// How many gaps the person has seen that it declares; with another number nothing is done.
    pub gap_count: u32,
    /// How many shots these are; with another number nothing is done.
    pub shot_count: u64,
}

/// A room that somebody has retired.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetiredRoomView {
    /// The room, by its driver.
    pub room: String,
    /// Its clinic.
    pub clinic: String,
    /// Who said so: staff number or alias.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// How many gaps were declared by it.
    pub gap_count: u32,
    /// How many shots these are.
    pub shot_count: u64,
}
