//! What guns and drivers say of themselves: in memory only, since they say it again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use meso_contract::GunStatusMessage;
use meso_units::{ClinicId, DriverId, GunSerial};

use crate::ingest::{Arrival, LaggingRoom, News};

/// Guns on the board; a further one is not shown until the next start, and the log says so.
const GUN_COUNT_MAX: usize = 8_192;

/// Times of shots that are kept per gun for its rate: more than 10 s at the fastest gun's rate.
const RECENT_COUNT_MAX: usize = 256;

/// How far back the rate looks.
const RATE_WINDOW_MS: i64 = 10_000;

/// What is known of a gun beside the store.
#[derive(Clone, Debug, Default)]
pub(super) struct GunOnBoard {
    /// The clinic and the driver that spoke of it last.
    pub(super) place: Option<(ClinicId, DriverId)>,
    /// What the driver said.
    pub(super) status: Option<GunStatusMessage>,
    /// Shots that are declared to be gone.
    pub(super) declared_missing_count: u64,
    /// Whether its driver is there.
    pub(super) driver_is_online: bool,
    recent_ms: VecDeque<i64>,
}

impl GunOnBoard {
    /// Shots a minute over the last ten seconds.
    pub(super) fn rate_spm(&self, now_ms: i64) -> u32 {
        let recent = self.recent_ms.iter();
        let count = recent
            .filter(|at_ms| now_ms - **at_ms < RATE_WINDOW_MS)
            .count();
        u32::try_from(count * 6).unwrap_or(u32::MAX)
    }

    /// Whether it is plugged in and its driver is there.
    pub(super) fn is_attached(&self) -> bool {
        self.driver_is_online && self.status.as_ref().is_some_and(|status| status.attached)
    }
}

#[derive(Debug, Default)]
struct Inner {
    guns: BTreeMap<GunSerial, GunOnBoard>,
    online: BTreeMap<DriverId, bool>,
    ingest_failure: Option<String>,
    lagging_rooms: Vec<LaggingRoom>,
}

/// Guns and drivers as they describe themselves.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// A std lock: held for a look or a change, never across an await or a query.
    inner: Mutex<Inner>,
}

impl Board {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what a gun or driver said of itself and names the guns that look different now.
    pub(super) fn hear(&self, arrival: Arrival) -> Vec<GunSerial> {
        match arrival {
            Arrival::Gun {
                clinic,
                driver,
                serial,
                status,
            } => self.with(|inner| {
                let Some(gun) = gun_mut(inner, &serial) else {
                    return Vec::new();
                };
                gun.place = Some((clinic, driver));
                gun.status = Some(*status);
                vec![serial]
            }),
            Arrival::Driver { driver, status, .. } => self.with(|inner| {
                inner.online.insert(driver.clone(), status.online);
                let of_driver = inner.guns.iter().filter(|(_, gun)| {
                    gun.place
                        .as_ref()
                        .is_some_and(|(_, other)| *other == driver)
                });
                of_driver.map(|(serial, _)| serial.clone()).collect()
            }),
            Arrival::Block { .. }
            | Arrival::Refused { .. }
            | Arrival::Newer { .. }
            | Arrival::Held { .. } => Vec::new(),
        }
    }

    /// Takes what a commit changed.
    pub(super) fn commit(&self, news: &News) {
        self.with(|inner| {
            if let Some(lagging) = &news.lagging_rooms {
                inner.lagging_rooms.clone_from(lagging);
            }
            for new in &news.shots {
                let Some(gun) = gun_mut(inner, &new.shot.identity.gun) else {
                    continue;
                };
                if gun.recent_ms.len() >= RECENT_COUNT_MAX {
                    gun.recent_ms.pop_front();
                }
                gun.recent_ms.push_back(new.shot.at.unix_ms());
            }
            for (serial, missing) in &news.declared_missing {
                if let Some(gun) = gun_mut(inner, serial) {
                    gun.declared_missing_count = *missing;
                }
            }
        });
    }

    /// Notes that nothing can be made durable at the moment.
    pub(super) fn fail(&self, reason: String) {
        self.with(|inner| inner.ingest_failure = Some(reason));
    }

    /// Notes that things are made durable, for the first time or again.
    pub(super) fn recover(&self) {
        self.with(|inner| inner.ingest_failure = None);
    }

    /// Why nothing can be made durable at the moment.
    pub(super) fn ingest_failure(&self) -> Option<String> {
        self.with(|inner| inner.ingest_failure.clone())
    }

    /// Rooms that judge by an older release than the one in force, when that was last looked at.
    pub(super) fn lagging_rooms(&self) -> Vec<LaggingRoom> {
        self.with(|inner| inner.lagging_rooms.clone())
    }

    /// Every gun.
    pub(super) fn guns(&self) -> BTreeMap<GunSerial, GunOnBoard> {
        self.with(|inner| {
            let mut guns = inner.guns.clone();
            for gun in guns.values_mut() {
                let driver = gun.place.as_ref().map(|(_, driver)| driver);
                gun.driver_is_online =
                    driver.is_some_and(|driver| inner.online.get(driver) == Some(&true));
            }
            guns
        })
    }
}

fn gun_mut<'i>(inner: &'i mut Inner, serial: &GunSerial) -> Option<&'i mut GunOnBoard> {
    if inner.guns.len() >= GUN_COUNT_MAX && !inner.guns.contains_key(serial) {
        tracing::warn!(%serial, "gun not shown: the board is full");
        return None;
    }
    Some(inner.guns.entry(serial.clone()).or_default())
}

#[cfg(test)]
mod tests {
    use meso_contract::{DriverStatusMessage, PAYLOAD_VERSION};

    use super::*;
    use crate::ingest::NewShot;
    use crate::samples::{at, sample_clinic, sample_driver, sample_gun, sample_shot};

    fn gun_status() -> Arrival {
        let status = GunStatusMessage {
            version: PAYLOAD_VERSION,
            attached: true,
            at_ms: 0,
            model: "MESO".to_owned(),
            firmware: "1".to_owned(),
            battery_percent: None,
            journalled_counter: 0,
            backlog_shots: 0,
            bad_frames: 0,
            skipped_bytes: 0,
            quarantined_frames: 0,
            inhibited: false,
            completeness: None,
            interlock: None,
            clock_drift_ppm: None,
            clock_trusted: None,
            library_version: None,
        };
        Arrival::Gun {
            clinic: sample_clinic(),
            driver: sample_driver(),
            serial: sample_gun(),
            status: Box::new(status),
        }
    }

    fn driver_status(online: bool) -> Arrival {
        let status = DriverStatusMessage {
            version: PAYLOAD_VERSION,
            online,
            program_version: "1".to_owned(),
            incarnation: "0000000000000001".to_owned(),
            start_id: "0000000000000001".to_owned(),
            journal_problem: None,
        };
        Arrival::Driver {
            clinic: sample_clinic(),
            driver: sample_driver(),
            status,
        }
    }

    #[test]
    fn a_gun_is_attached_only_while_its_driver_is_there() {
        let board = Board::default();
        let is_attached = |board: &Board| board.guns()[&sample_gun()].is_attached();
        assert_eq!(board.hear(gun_status()), [sample_gun()]);
        assert!(!is_attached(&board));
        assert_eq!(board.hear(driver_status(true)), [sample_gun()]);
        assert!(is_attached(&board));
        board.hear(driver_status(false));
        assert!(!is_attached(&board));
    }

    #[test]
    fn the_rate_counts_the_last_ten_seconds() {
        let board = Board::default();
        let new = |counter| NewShot {
            shot: sample_shot(counter, 2_500),
            session: None,
            verdict: meso_limits::Judge::new(None).judge(&sample_shot(counter, 2_500), None),
        };
        board.commit(&News {
            shots: (1..=12).map(new).collect(),
            ..News::default()
        });
        let gun = board.guns()[&sample_gun()].clone();
        assert_eq!(gun.rate_spm(at(12).unix_ms()), 60);
        assert_eq!(gun.rate_spm(at(60).unix_ms()), 0);
    }
}
