//! What is wrong with the server itself.

use meso_alerts::{FleetCause, Observation};
use meso_store::QUARANTINE_BYTES_ROWS_MAX;

use super::{Look, Thresholds};
use crate::ingest::pipeline::Ingest;
use crate::ingest::shot_store::ShotStore;

impl<S: ShotStore> Ingest<S> {
    pub(super) fn wrongs_of_server(&self, limits: &Thresholds, look: Look) -> Vec<Observation> {
        let is_scarce = |free: &i64| *free < limits.disk_free_mib;
        let fails_long = |failing: &i64| *failing >= limits.channel_failing_s;
        let kept_max = self
            .watch
            .is_quarantine_full
            .then_some(QUARANTINE_BYTES_ROWS_MAX);
        let lacking = look.lacking_blocks.saturating_sub(self.watch.lacking_told);
        let lacking = i64::try_from(lacking).unwrap_or(i64::MAX);
        let wrongs = [
            (
                FleetCause::QuarantineFull,
                kept_max,
                QUARANTINE_BYTES_ROWS_MAX,
            ),
            (
                FleetCause::DiskNearlyFull,
                look.disk_free_mib.filter(is_scarce),
                limits.disk_free_mib,
            ),
            (
                FleetCause::ChannelFailing,
                look.channel_failing_s.filter(fails_long),
                limits.channel_failing_s,
            ),
            (
                FleetCause::ShotsGone,
                Some(lacking).filter(|lacking| *lacking > 0),
                0,
            ),
        ];
        let Some(clinic) = self.first_clinic() else {
            return Vec::new();
        };
        let wrongs = wrongs.into_iter().filter_map(|(cause, value, limit)| {
            Some(Observation {
                cause,
                clinic: clinic.clone(),
                driver: None,
                gun: None,
                value: value?,
                limit,
            })
        });
        wrongs.collect()
    }
}
