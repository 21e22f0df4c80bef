//! Made-up guns that fire, and the questions they answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use meso_alerts::Deed;
use meso_contract::http::{
    AlertView, DayView, FailingChannelView, GunView, LaggingRoomView, LiveEvent, OverviewView,
    Page, ReadyView, ReportRequest, RetiredRoomView, RetirementView, SessionView, ShotView,
};
use meso_units::{DriverId, GunSerial, SessionId};
use meso_web::{AlertFilter, AlertState, Backend, BackendError, PageRequest, RetireRoom};

use crate::alerts::past_alerts;
use crate::gun::{Gun, now_ms};
use crate::history;

const PAST_SESSION_COUNT: u64 = 240;

/// The fleet; every method locks it for a moment.
pub(crate) struct FakeFleet {
    inner: Mutex<Fleet>,
}

struct Fleet {
    guns: Vec<Gun>,
    alerts: Vec<AlertView>,
    ticks: u64,
    shots_today: u64,
    volume_today_nl: u64,
}

impl Fleet {
    fn overview(&self) -> OverviewView {
        let open = |severity: &str| {
            self.alerts
                .iter()
                .filter(|a| a.state == "open" && a.severity == severity)
                .count() as u32
        };
        let blocked = self
            .guns
            .iter()
            .filter(|g| g.view.state == "inhibited")
            .count() as u32;
        OverviewView {
            demo: true,
            now_ms: now_ms(),
            needs_you_count: open("hard") + blocked,
            open_hard_alert_count: open("hard"),
            open_soft_alert_count: open("soft"),
            open_session_count: self
                .guns
                .iter()
                .filter(|g| g.view.session.is_some())
                .count() as u32,
            unsealed_session_count: 0,
            attached_gun_count: self
                .guns
                .iter()
                .filter(|g| g.view.state != "offline")
                .count() as u32,
            gun_count: self.guns.len() as u32,
            shots_today_count: self.shots_today,
            volume_today_nl: self.volume_today_nl,
            declared_missing_count: 0,
            not_under_protocol_count: 0,
            quarantined_count: 2,
            ledger_size: 4_120 + self.ticks / 10,
            library_version: Some(3),
            single_signer: true,
            lagging_rooms: vec![LaggingRoomView {
                clinic: "riverside".to_owned(),
                driver: "room-2".to_owned(),
                library_version: Some(2),
                since_ms: now_ms() - 2 * 3_600_000,
            }],
            failing_channels: vec![FailingChannelView {
                channel: "ops".to_owned(),
                since_ms: now_ms() - 600_000,
                try_count: 7,
                error: "http://127.0.0.1:9093 does not answer".to_owned(),
            }],
            not_storing: None,
        }
    }

    /// Tells each gun how many of its alerts are open.
    fn count_open(&mut self) {
        for gun in &mut self.guns {
            let open = |a: &&AlertView| a.state == "open" && a.gun == gun.view.serial;
            gun.view.open_alert_count = self.alerts.iter().filter(open).count() as u32;
        }
    }

    /// Keeps one alert for the gun that goes too deep.
    fn count_breach(&mut self, shot: &ShotView) -> Option<AlertView> {
        let finding = shot.findings.first()?;
        let known = self
            .alerts
            .iter_mut()
            .find(|a| a.gun == shot.gun && a.state != "resolved" && a.severity == "hard");
        if let Some(alert) = known {
            alert.shot_count += 1;
            alert.changed_at_ms = shot.at_ms;
            return Some(alert.clone());
        }
        let alert = AlertView {
            id: format!("{:016x}", 0xBEEF + self.alerts.len()),
            rule: finding.rule.clone(),
            severity: finding.severity.clone(),
            state: "open".to_owned(),
            clinic: "riverside".to_owned(),
            gun: shot.gun.clone(),
            session: shot.session.clone(),
            episode: 1,
            shot_count: 1,
            first_shot: format!("shot {} of gun {} (epoch {})", shot.counter, shot.gun, shot.epoch),
            worst_value: finding.value,
            limit: finding.limit,
            unit: "µm".to_owned(),
            text: "needle depth 8.2 mm is above the hard limit of 7.5 mm: stop, set the depth and acknowledge".to_owned(),
            opened_at_ms: shot.at_ms,
            changed_at_ms: shot.at_ms,
            ..AlertView::default()
        };
        self.alerts.insert(0, alert.clone());
        Some(alert)
    }
}

impl FakeFleet {
    pub(crate) fn new(gun_count: usize) -> FakeFleet {
        FakeFleet {
            inner: Mutex::new(Fleet {
                guns: (0..gun_count).map(Gun::new).collect(),
                alerts: past_alerts(),
                ticks: 0,
                shots_today: 1_204,
                volume_today_nl: 26_400_000,
            }),
        }
    }

    /// A poisoned lock only means that another question failed; what is made up stays usable.
    fn lock(&self) -> MutexGuard<'_, Fleet> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on by a tenth of a second and gives what changed.
    pub(crate) fn tick(&self) -> Vec<LiveEvent> {
        let mut fleet = self.lock();
        fleet.ticks += 1;
        fleet.count_open();
        let (now, ticks) = (now_ms(), fleet.ticks);
        let mut events = Vec::new();
        let mut shots = Vec::new();
        for (n, gun) in fleet.guns.iter_mut().enumerate() {
            shots.extend(gun.tick(n, now));
            if (ticks + n as u64).is_multiple_of(5) {
                gun.refresh(now);
                events.push(LiveEvent::Gun {
                    gun: Box::new(gun.view.clone()),
                });
                events.extend(gun.session().map(|session| LiveEvent::Session {
                    session: Box::new(session),
                }));
            }
        }
        for shot in &shots {
            fleet.shots_today += 1;
            fleet.volume_today_nl += shot.volume_nl.unwrap_or(0);
            events.extend(fleet.count_breach(shot).map(|alert| LiveEvent::Alert {
                alert: Box::new(alert),
            }));
        }
        if !shots.is_empty() {
            events.push(LiveEvent::Shots { shots });
        }
        if ticks.is_multiple_of(10) {
            events.push(LiveEvent::Overview {
                overview: Box::new(fleet.overview()),
            });
        }
        events
    }
}

fn not_found(what: impl Into<String>) -> BackendError {
    BackendError::NotFound { what: what.into() }
}

/// Cuts a page out of a whole list; the cursor is the index of the first item.
fn cut<T>(items: Vec<T>, page: &PageRequest) -> Result<Page<T>, BackendError> {
    let first = match &page.after {
        None => 0,
        Some(text) => text.parse::<usize>().map_err(|_| BackendError::Invalid {
            field: "after",
            value: text.clone(),
            reason: "it is not from this list".to_owned(),
        })?,
    };
    let end = first.saturating_add(page.limit as usize);
    let next = (end < items.len()).then(|| end.to_string());
    let items = items
        .into_iter()
        .skip(first)
        .take(page.limit as usize)
        .collect();
    Ok(Page { items, next })
}

impl Backend for FakeFleet {
    fn overview(&self) -> Result<OverviewView, BackendError> {
        Ok(self.lock().overview())
    }

    fn guns(&self) -> Result<Vec<GunView>, BackendError> {
        Ok(self
            .lock()
            .guns
            .iter()
            .map(|gun| gun.view.clone())
            .collect())
    }

    fn gun(&self, serial: &GunSerial) -> Result<GunView, BackendError> {
        let fleet = self.lock();
        let gun = fleet
            .guns
            .iter()
            .find(|gun| gun.view.serial == serial.as_str());
        gun.map(|gun| gun.view.clone())
            .ok_or_else(|| not_found(format!("gun {serial}")))
    }

    fn shots(&self, serial: &GunSerial, limit: u32) -> Result<Vec<ShotView>, BackendError> {
        let fleet = self.lock();
        let gun = fleet
            .guns
            .iter()
            .find(|gun| gun.view.serial == serial.as_str());
        gun.map(|gun| gun.shots.iter().take(limit as usize).cloned().collect())
            .ok_or_else(|| not_found(format!("gun {serial}")))
    }

    fn sessions(&self, page: &PageRequest) -> Result<Page<SessionView>, BackendError> {
        let now = now_ms();
        let open: Vec<SessionView> = self.lock().guns.iter().filter_map(Gun::session).collect();
        let past = (0..PAST_SESSION_COUNT).map(|n| history::session(now, n));
        cut(open.into_iter().chain(past).collect(), page)
    }

    fn session(&self, id: SessionId) -> Result<SessionView, BackendError> {
        let text = id.to_string();
        let open = self
            .lock()
            .guns
            .iter()
            .filter_map(Gun::session)
            .find(|s| s.id == text);
        if let Some(session) = open {
            return Ok(session);
        }
        match u64::from_str_radix(&text, 16) {
            Ok(n) if (1..=PAST_SESSION_COUNT).contains(&n) => Ok(history::session(now_ms(), n - 1)),
            _ => Err(not_found(format!("session {id}"))),
        }
    }

    fn session_shots(
        &self,
        id: SessionId,
        page: &PageRequest,
    ) -> Result<Page<ShotView>, BackendError> {
        let text = id.to_string();
        let fleet = self.lock();
        let gun = fleet
            .guns
            .iter()
            .find(|gun| gun.view.session.as_ref() == Some(&text));
        let shots = match (gun, u64::from_str_radix(&text, 16)) {
            (Some(gun), _) => gun.shots.iter().rev().cloned().collect(),
            (None, Ok(n)) if n >= 1 => history::session_shots(now_ms(), n - 1),
            _ => return Err(not_found(format!("session {id}"))),
        };
        cut(shots, page)
    }

    fn alerts(
        &self,
        filter: &AlertFilter,
        page: &PageRequest,
    ) -> Result<Page<AlertView>, BackendError> {
        let fits = |alert: &&AlertView| {
            filter
                .state
                .is_none_or(|state| AlertState::parse(&alert.state) == Some(state))
                && filter
                    .gun
                    .as_ref()
                    .is_none_or(|gun| gun.as_str() == alert.gun)
                && filter
                    .session
                    .is_none_or(|id| alert.session == Some(id.to_string()))
        };
        cut(
            self.lock().alerts.iter().filter(fits).cloned().collect(),
            page,
        )
    }

    fn handle_alert(&self, id: &str, deed: Deed) -> Result<AlertView, BackendError> {
        let mut fleet = self.lock();
        let alert = fleet.alerts.iter_mut().find(|alert| alert.id == id);
        let alert = alert.ok_or_else(|| not_found(format!("alert {id}")))?;
        if alert.state == "resolved" {
            return Err(BackendError::Conflict {
                what: format!("alert {id}"),
                reason: "it is resolved; nothing is left to acknowledge".to_owned(),
            });
        }
        match deed {
            Deed::Acknowledge { by } => {
                alert.state = "acknowledged".to_owned();
                alert.acknowledged_by = Some(by.to_string());
            }
            Deed::Close { by, .. } => {
                alert.state = "resolved".to_owned();
                alert.acknowledged_by.get_or_insert(by.to_string());
            }
            Deed::Silence { for_ns, .. } => {
                alert.silenced_until_ms = Some(now_ms() + for_ns / 1_000_000);
            }
        }
        Ok(alert.clone())
    }

    fn retirement(&self, room: &DriverId) -> Result<RetirementView, BackendError> {
        Err(BackendError::NotFound {
            what: format!("room {room}"),
        })
    }

    fn retire_room(&self, wanted: RetireRoom) -> Result<RetiredRoomView, BackendError> {
        Err(BackendError::NotFound {
            what: format!("room {}", wanted.room),
        })
    }

    fn days(&self, count: u32) -> Result<Vec<DayView>, BackendError> {
        Ok(history::days(now_ms(), count))
    }

    fn export_report(&self, _request: &ReportRequest) -> Result<Vec<u8>, BackendError> {
        // An archive without a file: a made-up fleet has nothing to prove.
        let mut archive = b"PK\x05\x06".to_vec();
        archive.resize(22, 0);
        Ok(archive)
    }

    fn trigger_demo_gun(&self, serial: &GunSerial) -> Result<(), BackendError> {
        let mut fleet = self.lock();
        let gun = fleet
            .guns
            .iter_mut()
            .find(|gun| gun.view.serial == serial.as_str());
        let gun = gun.ok_or_else(|| not_found(format!("gun {serial}")))?;
        if !gun.view.trigger_on_page {
            return Err(BackendError::Conflict {
                what: format!("gun {serial}"),
                reason: "it does not wait for a trigger".to_owned(),
            });
        }
        let state = if gun.view.state == "treating" {
            "waiting for trigger"
        } else {
            "treating"
        };
        gun.view.state = state.to_owned();
        Ok(())
    }

    fn ready(&self) -> ReadyView {
        ReadyView {
            ready: true,
            waiting_for: Vec::new(),
            troubles: Vec::new(),
        }
    }
}
