//! Watches the fleet itself: which gun or driver is silent, what waits for too long, what lags.
//!
//! It knows what guns and drivers said since it began, and nothing of before: what it has not heard
//! of it calls neither wrong nor well. So an alert that was open before a restart stays open until
//! what it is about is heard of again.

mod limits;
mod newer;
mod server;

use std::collections::{BTreeMap, BTreeSet};

use meso_alerts::{Alerts, FleetCause, Observation, Subject};
use meso_contract::GunStatusMessage;
use meso_units::{ClinicId, DriverId, GunSerial, LibraryVersion, Timestamp};

use super::arrival::Arrival;
use super::pipeline::Ingest;
use super::prepare::Preparation;
use super::shot_store::ShotStore;
use super::steps::{LaggingRoom, Prepared};

pub use limits::{Look, Thresholds};

const SECOND_NS: i64 = 1_000_000_000;

/// What a driver says of a gun.
#[derive(Clone, Debug)]
struct Gun {
    clinic: ClinicId,
    driver: DriverId,
    heard_at: Timestamp,
    is_attached: bool,
    is_unstoppable: bool,
    backlog_shots: u64,
}

/// What a driver says of itself and its room.
#[derive(Clone, Debug, Default)]
struct Room {
    gone_since: Option<Timestamp>,
    /// Whether it was heard that it is there, and since when.
    is_online: bool,
    online_since: Option<Timestamp>,
    /// Since when it sends what is not understood, and when it last did.
    newer: Option<(Timestamp, Timestamp)>,
    /// Whether its clock was trusted when it last said so, and since when it is not.
    is_clock_trusted: Option<bool>,
    untrusted_since: Option<Timestamp>,
    /// The release that it judges by, once it has said so, and since when that is an older one.
    library: Option<Option<u32>>,
    lags_since: Option<Timestamp>,
    /// Since when its journal cannot be written.
    unwritable_since: Option<Timestamp>,
}

type RoomKey = (ClinicId, DriverId);

/// What is known of guns and drivers.
#[derive(Clone, Debug, Default)]
pub(super) struct FleetWatch {
    guns: BTreeMap<GunSerial, Gun>,
    rooms: BTreeMap<RoomKey, Room>,
    /// Guns of which shots are awaited, and since when.
    awaited: BTreeMap<GunSerial, (ClinicId, Timestamp)>,
    /// Silence before this moment is nobody's fault.
    deaf_until: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    /// Whether something more that is refused could not be kept.
    is_quarantine_full: bool,
    /// Blocks that lack shots of which people were told.
    lacking_told: u64,
}

impl FleetWatch {
    /// The most guns that are watched; a further one is not, until the next start.
    pub(super) const GUN_COUNT_MAX: usize = 8_192;

    /// The most rooms that are watched; a further one is not, until the next start.
    pub(super) const ROOM_COUNT_MAX: usize = 8_192;

    /// What people were told last may not have been stored: they are told again.
    pub(super) const fn tell_again(&mut self) {
        self.lacking_told = 0;
    }

    /// Where two looks are further apart, in ns, this computer slept or was stopped: 30 s. It heard
    /// nothing meanwhile.
    const LOOK_GAP_NS_MAX: i64 = 30 * SECOND_NS;

    /// Takes what a gun's or a room's driver says.
    fn hear(&mut self, arrival: &Arrival, in_force: Option<LibraryVersion>, now: Timestamp) {
        match arrival {
            Arrival::Driver {
                clinic,
                driver,
                status,
            } => {
                if let Some(room) = self.room(clinic, driver) {
                    room.online_since = match status.online {
                        true => room.online_since.or(Some(now)),
                        false => None,
                    };
                    room.is_online = status.online;
                    room.gone_since = match status.online {
                        true => None,
                        false => room.gone_since.or(Some(now)),
                    };
                    // Of one that is gone nobody knows.
                    if status.online {
                        let unwritable = status.journal_problem.as_ref();
                        room.unwritable_since =
                            unwritable.map(|_| room.unwritable_since.unwrap_or(now));
                    }
                }
            }
            Arrival::Gun {
                clinic,
                driver,
                serial,
                status,
            } => {
                self.hear_gun(clinic, driver, serial, status, now);
                if let Some(room) = self.room(clinic, driver) {
                    room.hear(status, in_force, now);
                }
            }
            Arrival::Block { .. }
            | Arrival::Refused { .. }
            | Arrival::Newer { .. }
            | Arrival::Held { .. } => {}
        }
    }

    fn hear_gun(
        &mut self,
        clinic: &ClinicId,
        driver: &DriverId,
        serial: &GunSerial,
        status: &GunStatusMessage,
        now: Timestamp,
    ) {
        let is_known = self.guns.contains_key(serial);
        if !is_known && self.guns.len() >= FleetWatch::GUN_COUNT_MAX {
            tracing::warn!(%serial, limit = FleetWatch::GUN_COUNT_MAX, "gun not watched");
            return;
        }
        let interlock = status.interlock.as_ref();
        let gun = Gun {
            clinic: clinic.clone(),
            driver: driver.clone(),
            heard_at: now,
            is_attached: status.attached,
            is_unstoppable: interlock.is_some_and(|wanted| wanted.state == "failed"),
            backlog_shots: status.backlog_shots,
        };
        self.guns.insert(serial.clone(), gun);
    }

    fn room(&mut self, clinic: &ClinicId, driver: &DriverId) -> Option<&mut Room> {
        let key = (clinic.clone(), driver.clone());
        let is_known = self.rooms.contains_key(&key);
        if !is_known && self.rooms.len() >= FleetWatch::ROOM_COUNT_MAX {
            tracing::warn!(%driver, limit = FleetWatch::ROOM_COUNT_MAX, "room not watched");
            return None;
        }
        Some(self.rooms.entry(key).or_default())
    }

    /// Misses nobody of a room any more.
    pub(super) fn forget_room(&mut self, driver: &DriverId) {
        self.rooms.retain(|(_, other), _| other != driver);
        self.guns.retain(|_, gun| gun.driver != *driver);
    }

    /// Takes note of the guns of which shots are awaited now.
    fn await_gaps<'g>(
        &mut self,
        now: Timestamp,
        guns: impl Iterator<Item = (&'g GunSerial, Option<&'g ClinicId>)>,
        first: Option<&'g ClinicId>,
    ) {
        let before = std::mem::take(&mut self.awaited);
        for (gun, clinic) in guns {
            let Some(clinic) = clinic.or(first) else {
                continue;
            };
            let since = before.get(gun).map_or(now, |(_, since)| *since);
            self.awaited.insert(gun.clone(), (clinic.clone(), since));
        }
    }

    /// Takes note of when nothing could be heard.
    fn look(&mut self, now: Timestamp, look: Look) {
        let slept = self
            .looked_at
            .is_some_and(|at| now.since_ns(at) > FleetWatch::LOOK_GAP_NS_MAX);
        if slept || !look.is_connected {
            self.deaf_until = Some(now);
        }
        self.looked_at = Some(now);
        self.forget_newer();
    }

    /// For how long somebody was silent who could have been heard, in s.
    fn silent_s(&self, since: Timestamp, now: Timestamp) -> i64 {
        let since = self.deaf_until.map_or(since, |deaf| since.max(deaf));
        now.since_ns(since) / SECOND_NS
    }

    fn guns_of<'w>(&'w self, key: &'w RoomKey) -> impl Iterator<Item = &'w Gun> {
        let guns = self.guns.values();
        guns.filter(|gun| (&gun.clinic, &gun.driver) == (&key.0, &key.1))
    }

    /// Everything that is wrong now.
    fn wrongs(&self, now: Timestamp, limits: &Thresholds) -> Vec<Observation> {
        let mut wrongs = Vec::new();
        for (serial, gun) in &self.guns {
            let room = self.rooms.get(&(gun.clinic.clone(), gun.driver.clone()));
            let silent_s = self.silent_s(gun.heard_at, now);
            let is_heard_of = room.is_some_and(|room| room.is_online) && gun.is_attached;
            let mut of_gun = |cause, value, limit| {
                wrongs.push(Observation {
                    cause,
                    clinic: gun.clinic.clone(),
                    driver: None,
                    gun: Some(serial.clone()),
                    value,
                    limit,
                });
            };
            if is_heard_of && silent_s >= limits.gun_silent_s {
                of_gun(FleetCause::GunSilent, silent_s, limits.gun_silent_s);
            }
            if gun.is_unstoppable {
                of_gun(FleetCause::GunCannotBeStopped, 1, 0);
            }
        }
        for (serial, (clinic, since)) in &self.awaited {
            let value = now.since_ns(*since) / SECOND_NS;
            if value >= limits.gap_awaited_s {
                wrongs.push(Observation {
                    cause: FleetCause::GapAwaited,
                    clinic: clinic.clone(),
                    driver: None,
                    gun: Some(serial.clone()),
                    value,
                    limit: limits.gap_awaited_s,
                });
            }
        }
        for (key, room) in &self.rooms {
            for (cause, value, limit) in self.wrongs_of_room(key, room, now, limits) {
                wrongs.push(Observation {
                    cause,
                    clinic: key.0.clone(),
                    driver: Some(key.1.clone()),
                    gun: None,
                    value,
                    limit,
                });
            }
        }
        wrongs
    }

    fn wrongs_of_room(
        &self,
        key: &RoomKey,
        room: &Room,
        now: Timestamp,
        limits: &Thresholds,
    ) -> Vec<(FleetCause, i64, i64)> {
        let mut wrongs = Vec::new();
        let lasts_s = |since: Option<Timestamp>| since.map(|at| now.since_ns(at) / SECOND_NS);
        // A computer that is switched off with its guns unplugged is missed by nobody.
        let has_guns = self.guns_of(key).any(|gun| gun.is_attached);
        let gone_s = room.gone_since.map(|since| self.silent_s(since, now));
        let gone_s = gone_s.filter(|_| has_guns);
        let waits = [
            (FleetCause::DriverSilent, gone_s, limits.driver_silent_s),
            (
                FleetCause::ClockUntrusted,
                lasts_s(room.untrusted_since),
                limits.clock_untrusted_s,
            ),
            (
                FleetCause::LibraryLag,
                lasts_s(room.lags_since),
                limits.library_lag_s,
            ),
            // At once: every shot waits in a ring that is not endless.
            (
                FleetCause::JournalUnwritable,
                lasts_s(room.unwritable_since),
                0,
            ),
        ];
        for (cause, value, limit) in waits {
            wrongs.extend(
                value
                    .filter(|value| *value >= limit)
                    .map(|it| (cause, it, limit)),
            );
        }
        let newer_s = room.newer_s(now);
        wrongs.extend(newer_s.map(|newer_s| (FleetCause::ServerOutdated, newer_s, 0)));
        let backlog = self.backlog_of(key);
        if backlog >= limits.journal_shots {
            wrongs.push((FleetCause::JournalFilling, backlog, limits.journal_shots));
        }
        wrongs
    }

    fn backlog_of(&self, key: &RoomKey) -> i64 {
        let backlog: u64 = self.guns_of(key).map(|gun| gun.backlog_shots).sum();
        i64::try_from(backlog).unwrap_or(i64::MAX)
    }

    /// Whether what an alert is about is known to be well. What was not heard of is not.
    fn is_well(&self, subject: &Subject, limits: &Thresholds, look: Look) -> bool {
        let Subject::Fleet {
            cause,
            clinic,
            driver,
            gun,
        } = subject
        else {
            return false;
        };
        let room = || {
            let key = (clinic.clone(), driver.clone()?);
            self.rooms.get(&key).map(|room| (key, room))
        };
        let gun_is = |well: &dyn Fn(&Gun) -> bool| {
            let known = gun.as_ref().and_then(|gun| self.guns.get(gun));
            known.is_some_and(well)
        };
        match cause {
            FleetCause::GunCannotBeStopped => gun_is(&|_| true),
            FleetCause::GunSilent => gun_is(&|gun| {
                let is_heard = self.deaf_until.is_none_or(|deaf| gun.heard_at > deaf);
                is_heard || !gun.is_attached
            }),
            FleetCause::GapAwaited => gun
                .as_ref()
                .is_some_and(|gun| !self.awaited.contains_key(gun)),
            FleetCause::DriverSilent => room().is_some_and(|(key, room)| {
                room.is_online
                    || room.gone_since.is_some() && self.guns_of(&key).all(|gun| !gun.is_attached)
            }),
            FleetCause::ClockUntrusted => {
                room().is_some_and(|(_, room)| room.is_clock_trusted == Some(true))
            }
            FleetCause::LibraryLag => {
                room().is_some_and(|(_, room)| room.library.is_some() && room.lags_since.is_none())
            }
            FleetCause::JournalUnwritable => {
                room().is_some_and(|(_, room)| room.is_online && room.unwritable_since.is_none())
            }
            // Well below the threshold, so that what hovers about it is one alert.
            FleetCause::JournalFilling => room().is_some_and(|(key, _)| {
                self.guns_of(&key).next().is_some()
                    && self.backlog_of(&key) <= limits.journal_shots / 2
            }),
            FleetCause::DiskNearlyFull => {
                let enough = limits.disk_free_mib + limits.disk_free_mib / 10;
                look.disk_free_mib.is_some_and(|free| free > enough)
            }
            FleetCause::ChannelFailing => look.channel_failing_s == Some(0),
            FleetCause::ServerOutdated => room().is_some_and(|(_, room)| self.is_understood(room)),
            FleetCause::QuarantineFull => !self.is_quarantine_full,
            FleetCause::GapDeclared
            | FleetCause::VerdictsDiffer
            | FleetCause::Quarantine
            | FleetCause::Conflict
            | FleetCause::LateFinding
            | FleetCause::ShotsGone
            | FleetCause::LedgerSetBack => false,
        }
    }

    /// Rooms that judge by an older release than the one in force.
    fn lagging(&self) -> impl Iterator<Item = LaggingRoom> {
        self.rooms.iter().filter_map(|((clinic, driver), room)| {
            Some(LaggingRoom {
                clinic: clinic.clone(),
                driver: driver.clone(),
                library: room.library.flatten(),
                since: room.lags_since?,
            })
        })
    }

    /// An alert from before a restart remembers since when a room lags.
    fn remember(&mut self, alerts: &Alerts) {
        for ((clinic, driver), room) in &mut self.rooms {
            let Some(since) = &mut room.lags_since else {
                continue;
            };
            let subject = Subject::Fleet {
                cause: FleetCause::LibraryLag,
                clinic: clinic.clone(),
                driver: Some(driver.clone()),
                gun: None,
            };
            let of_room = alerts
                .alerts()
                .filter(|alert| !alert.is_done() && alert.key.subject == subject);
            for alert in of_room {
                let lasted_ns = alert.first.value.saturating_mul(SECOND_NS);
                let began_ns = alert.first.at.unix_ns().saturating_sub(lasted_ns);
                if let Ok(began) = Timestamp::from_unix_ns(began_ns) {
                    *since = began.min(*since);
                }
            }
        }
    }
}

impl Room {
    fn hear(
        &mut self,
        status: &GunStatusMessage,
        in_force: Option<LibraryVersion>,
        now: Timestamp,
    ) {
        if let Some(trusted) = status.clock_trusted {
            self.is_clock_trusted = Some(trusted);
            self.untrusted_since = match trusted {
                true => None,
                false => self.untrusted_since.or(Some(now)),
            };
        }
        // A driver of before it said so is no lagging room.
        let Some(library) = status.library_version else {
            return;
        };
        let library = (library > 0).then_some(library);
        self.library = Some(library);
        let lags = in_force.is_some_and(|in_force| library.is_none_or(|it| it < in_force.get()));
        self.lags_since = match lags {
            true => self.lags_since.or(Some(now)),
            false => None,
        };
    }
}

impl<S: ShotStore> Ingest<S> {
    /// Takes what a driver says of itself or of a gun.
    pub fn hear(&mut self, arrival: &Arrival, now: Timestamp) {
        let (Arrival::Driver { clinic, driver, .. } | Arrival::Gun { clinic, driver, .. }) =
            arrival
        else {
            return;
        };
        // What the broker keeps of a room that never comes back is no news of it.
        let is_there = matches!(arrival, Arrival::Driver { status, .. } if status.online);
        let is_gone = !is_there && self.inquiries.is_retired(driver);
        if self.options.clinics.contains(clinic) && !is_gone {
            let in_force = self.options.library.as_ref().map(|it| it.version());
            self.watch.hear(arrival, in_force, now);
        }
    }

    /// Lets time pass for alerts and looks at the fleet, as a commit of its own; to be called about
    /// once a second.
    pub fn prepare_tick(&mut self, now: Timestamp, look: Look) -> Prepared {
        let limits = self.options.alerts.thresholds;
        self.watch.look(now, look);
        let room = self.quarantine_room;
        self.watch.is_quarantine_full = room.rows == 0 || room.large == 0;
        let first = self.options.clinics.first();
        self.watch
            .await_gaps(now, self.inquiries.guns_awaited(), first);
        self.watch.remember(&self.alerts);
        let mut wrongs = self.watch.wrongs(now, &limits);
        wrongs.extend(self.wrongs_of_server(&limits, look));
        self.watch.lacking_told = look.lacking_blocks;
        let wrong: BTreeSet<Subject> = wrongs.iter().map(Observation::subject).collect();
        let lasting = self.alerts.fleet_subjects();
        let lasting = lasting.filter(|subject| !wrong.contains(subject));
        let is_well = |subject: &&Subject| self.watch.is_well(subject, &limits, look);
        let well: Vec<Subject> = lasting.filter(is_well).cloned().collect();
        let lagging = self.watch.lagging().take(LaggingRoom::COUNT_MAX).collect();
        let outcome = self.alerts.tick(now);
        let mut preparation = Preparation::new(self, now);
        preparation.note(outcome);
        for wrong in &wrongs {
            preparation.observe(wrong);
        }
        for subject in &well {
            let outcome = preparation.ingest.alerts.well_again(subject, now);
            preparation.note(outcome);
        }
        preparation.rest.news.lagging_rooms = Some(lagging);
        preparation.finish()
    }
}
