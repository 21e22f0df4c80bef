//! Answers for the pages about rooms that never come back.

use meso_contract::http::{AwaitedGapView, RetiredRoomView, RetirementView};
use meso_domain::RoomRetired;
use meso_units::DriverId;
use meso_web::{BackendError, RetireRoom};

use super::backend::FleetBackend;
use crate::ingest::{IngestError, RetireError, Retirement, chain, narrow};

/// Retired rooms that are looked through for the newest of a name.
const LOOKED_THROUGH_MAX: u32 = 1_000;

impl FleetBackend {
    /// What retiring a room would declare.
    pub(super) fn awaited_from(&self, room: &DriverId) -> Result<RetirementView, BackendError> {
        let awaited = self
            .ingest
            .awaited_from_room(room.clone())
            .map_err(|error| refused(&error))?;
        let gaps = awaited
            .gaps
            .iter()
            .map(|(gun, epoch, range)| AwaitedGapView {
                gun: gun.to_string(),
                epoch: epoch.to_string(),
                first: narrow(range.first).get(),
                last: narrow(range.last).get(),
            });
        Ok(RetirementView {
            room: room.to_string(),
            clinic: awaited.clinic.to_string(),
            gap_count: awaited.gap_count(),
            shot_count: awaited.shot_count,
            gaps: gaps.collect(),
            left_count: awaited.left_count,
        })
    }

    /// Retires a room and gives what is recorded of it.
    pub(super) fn retire(&self, wanted: RetireRoom) -> Result<RetiredRoomView, BackendError> {
        let room = wanted.room.clone();
        let done = self.ingest.retire_room(Retirement {
            driver: wanted.room,
            by: wanted.by,
            reason: wanted.reason,
            gap_count: wanted.gap_count,
            shot_count: wanted.shot_count,
        });
        done.map_err(|error| refused(&error))?;
        let retired = self.read(|reader| reader.retired_rooms(LOOKED_THROUGH_MAX))?;
        let newest = retired.iter().rev().find(|retired| retired.driver == room);
        let newest = newest.map(retired_view);
        newest.ok_or_else(|| BackendError::Unavailable {
            reason: format!("room {room} is retired, and others since"),
        })
    }
}

fn refused(error: &IngestError) -> BackendError {
    match error {
        IngestError::Retire {
            source: RetireError::Unknown { driver },
        } => BackendError::NotFound {
            what: format!("room {driver}"),
        },
        IngestError::Retire { source } => BackendError::Conflict {
            what: "the room was not retired".to_owned(),
            reason: source.to_string(),
        },
        error => BackendError::Unavailable {
            reason: chain(error),
        },
    }
}

/// What is shown of a retired room.
pub(crate) fn retired_view(retired: &RoomRetired) -> RetiredRoomView {
    RetiredRoomView {
        room: retired.driver.to_string(),
        clinic: retired.clinic.to_string(),
        by: retired.by.to_string(),
        reason: retired.reason.clone(),
        at_ms: retired.at.unix_ms(),
        gap_count: retired.gap_count,
        shot_count: retired.shot_count,
    }
}
