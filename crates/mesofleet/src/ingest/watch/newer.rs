//! Rooms whose drivers are newer than this server: what they send is not all understood.

use meso_units::{ClinicId, DriverId, Timestamp};

use super::{FleetWatch, Room};
use crate::ingest::pipeline::Ingest;
use crate::ingest::shot_store::ShotStore;

impl Room {
    /// For how long it has not been understood, in s; at least one.
    pub(super) fn newer_s(&self, now: Timestamp) -> Option<i64> {
        let (since, _) = self.newer?;
        Some((now.since_ns(since) / super::SECOND_NS).max(1))
    }
}

impl FleetWatch {
    /// A room that is there and for so long sends nothing that is not understood is understood, in
    /// ns: 10 min. A driver tries a block again that is not settled within 90 s.
    const UNDERSTOOD_NS_MIN: i64 = 600 * super::SECOND_NS;

    /// Whether a room is known to be understood.
    pub(super) fn is_understood(&self, room: &Room) -> bool {
        let lasts = |since: Timestamp| {
            let since = self.deaf_until.map_or(since, |deaf| since.max(deaf));
            let now = self.looked_at.unwrap_or(since);
            now.since_ns(since) > FleetWatch::UNDERSTOOD_NS_MIN
        };
        let was_quiet = room.newer.is_none_or(|(_, last)| lasts(last));
        was_quiet && room.online_since.is_some_and(lasts)
    }

    /// Forgets that a room was not understood, where it is by now.
    pub(super) fn forget_newer(&mut self) {
        let rooms = self.rooms.iter().filter(|(_, room)| room.newer.is_some());
        let understood = rooms.filter(|(_, room)| self.is_understood(room));
        let keys: Vec<_> = understood.map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(room) = self.rooms.get_mut(&key) {
                room.newer = None;
            }
        }
    }
}

impl<S: ShotStore> Ingest<S> {
    /// Takes note that a room sends what is not understood here.
    pub(in crate::ingest) fn hear_newer(
        &mut self,
        clinic: &ClinicId,
        driver: &DriverId,
        now: Timestamp,
    ) {
        if self.options.clinics.contains(clinic)
            && let Some(room) = self.watch.room(clinic, driver)
        {
            let since = room.newer.map_or(now, |(since, _)| since);
            room.newer = Some((since, now));
        }
    }
}
