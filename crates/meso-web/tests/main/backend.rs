//! A backend that answers fixed things and remembers what it was asked.

use std::sync::Mutex;

use meso_alerts::Deed;
use meso_contract::http::{
    AlertView, DayView, GunView, OverviewView, Page, ReadyView, ReportRequest, RetiredRoomView,
    RetirementView, SessionView, ShotView,
};
use meso_units::{DriverId, GunSerial, SessionId};
use meso_web::{AlertFilter, Backend, BackendError, PageRequest, RetireRoom};

/// Knows one gun `GUN-0001`, one session `00…01` and one alert `a1`.
#[derive(Default)]
pub(crate) struct FakeBackend {
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) ready: Mutex<bool>,
}

impl FakeBackend {
    fn note(&self, question: String) {
        self.asked.lock().unwrap().push(question);
    }

    pub(crate) fn last_question(&self) -> String {
        self.asked
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or_default()
    }

    fn known_gun(serial: &GunSerial) -> Result<(), BackendError> {
        match serial.as_str() {
            "GUN-0001" => Ok(()),
            "PANIC" => panic!("a bug in the backend"),
            _ => Err(BackendError::NotFound {
                what: format!("gun {serial}"),
            }),
        }
    }
}

impl Backend for FakeBackend {
    fn overview(&self) -> Result<OverviewView, BackendError> {
        Ok(OverviewView {
            demo: true,
            needs_you_count: 3,
            ..OverviewView::default()
        })
    }

    fn guns(&self) -> Result<Vec<GunView>, BackendError> {
        Ok(vec![GunView {
            serial: "GUN-0001".into(),
            ..GunView::default()
        }])
    }

    fn gun(&self, serial: &GunSerial) -> Result<GunView, BackendError> {
        FakeBackend::known_gun(serial)?;
        Ok(GunView {
            serial: serial.to_string(),
            ..GunView::default()
        })
    }

    fn shots(&self, gun: &GunSerial, limit: u32) -> Result<Vec<ShotView>, BackendError> {
        FakeBackend::known_gun(gun)?;
        self.note(format!("shots {gun} {limit}"));
        Ok(Vec::new())
    }

    fn sessions(&self, page: &PageRequest) -> Result<Page<SessionView>, BackendError> {
        self.note(format!("sessions {:?} {}", page.after, page.limit));
        if page.after.as_deref() == Some("stale") {
            return Err(BackendError::Invalid {
                field: "after",
                value: "stale".into(),
                reason: "it is not from this list".into(),
            });
        }
        Ok(Page {
            items: Vec::new(),
            next: Some("next-one".into()),
        })
    }

    fn session(&self, id: SessionId) -> Result<SessionView, BackendError> {
        Ok(SessionView {
            id: id.to_string(),
            ..SessionView::default()
        })
    }

    fn session_shots(
        &self,
        id: SessionId,
        page: &PageRequest,
    ) -> Result<Page<ShotView>, BackendError> {
        self.note(format!("session shots {id} {}", page.limit));
        Ok(Page::default())
    }

    fn alerts(
        &self,
        filter: &AlertFilter,
        page: &PageRequest,
    ) -> Result<Page<AlertView>, BackendError> {
        self.note(format!(
            "alerts {:?} {:?} {}",
            filter.state, filter.gun, page.limit
        ));
        Ok(Page::default())
    }

    fn handle_alert(&self, id: &str, deed: Deed) -> Result<AlertView, BackendError> {
        let by = match &deed {
            Deed::Acknowledge { by } => {
                self.note(format!("acknowledge {id} {by}"));
                by
            }
            Deed::Close { by, reason } => {
                self.note(format!("close {id} {by} {reason}"));
                by
            }
            Deed::Silence { by, for_ns, reason } => {
                self.note(format!("silence {id} {by} {for_ns} {reason}"));
                by
            }
        };
        match id {
            "a1" => Ok(AlertView {
                id: id.into(),
                acknowledged_by: Some(by.to_string()),
                ..AlertView::default()
            }),
            "over" => Err(BackendError::Conflict {
                what: "alert over".into(),
                reason: "it is resolved".into(),
            }),
            _ => Err(BackendError::NotFound {
                what: format!("alert {id}"),
            }),
        }
    }

    fn retirement(&self, room: &DriverId) -> Result<RetirementView, BackendError> {
        self.note(format!("retirement {room}"));
        match room.as_str() {
            "room-2" => Ok(RetirementView {
                room: room.to_string(),
                gap_count: 1,
                shot_count: 4,
                ..RetirementView::default()
            }),
            _ => Err(BackendError::NotFound {
                what: format!("room {room}"),
            }),
        }
    }

    fn retire_room(&self, wanted: RetireRoom) -> Result<RetiredRoomView, BackendError> {
        let RetireRoom {
            room,
            by,
            reason,
            gap_count,
            shot_count,
        } = &wanted;
        self.note(format!(
            "retire {room} {by} {gap_count} {shot_count} {reason}"
        ));
        match gap_count {
            1 => Ok(RetiredRoomView {
                room: room.to_string(),
                ..RetiredRoomView::default()
            }),
            _ => Err(BackendError::Conflict {
                what: "the room was not retired".into(),
                reason: "look again".into(),
            }),
        }
    }

    fn days(&self, count: u32) -> Result<Vec<DayView>, BackendError> {
        self.note(format!("days {count}"));
        Ok(Vec::new())
    }

    fn export_report(&self, request: &ReportRequest) -> Result<Vec<u8>, BackendError> {
        self.note(format!("report {:?}", request.gun));
        Ok(b"PK\x03\x04".to_vec())
    }

    fn trigger_demo_gun(&self, serial: &GunSerial) -> Result<(), BackendError> {
        FakeBackend::known_gun(serial)?;
        self.note(format!("trigger {serial}"));
        Ok(())
    }

    fn ready(&self) -> ReadyView {
        let ready = *self.ready.lock().unwrap();
        ReadyView {
            ready,
            waiting_for: if ready {
                vec![]
            } else {
                vec!["the store".into()]
            },
            troubles: Vec::new(),
        }
    }
}
