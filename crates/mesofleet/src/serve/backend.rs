//! Answers for the pages, out of store and board.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use meso_alerts::{Alert, AlertError, AlertId, Deed};
use meso_contract::http::{
    AlertView, DayView, GunView, OverviewView, Page, ReadyView, ReportRequest, RetiredRoomView,
    RetirementView, SessionView, ShotView,
};
use meso_domain::canonical::Canonical as _;
use meso_ledger::LogKey;
use meso_limits::Library;
use meso_store::{AlertRow, AlertSelection, DayRow, OpenSegment, Reader, Readers, StoreError};
use meso_units::{ClinicId, DriverId, GunSerial, SessionId, Timestamp};
use meso_web::{AlertFilter, Backend, BackendError, PageRequest, RetireRoom};
use tokio::sync::watch;

use super::board::{Board, GunOnBoard};
use super::post::ChannelHealth;
use super::views::{
    alert_view, day_view, lagging_view, late_finding_view, limits_of, session_view, shot_view,
    state_word,
};
use crate::clock::now;
use crate::ingest::{IngestError, IngestHandle, Look};
use crate::report_export;

const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// Late findings that are shown of a session; of more the newest.
const LATE_FINDING_COUNT_MAX: u32 = 100;

/// Emulated guns whose trigger the page may press.
pub trait TriggerOnPage: Send + Sync + 'static {
    /// Whether this gun waits for the page.
    fn has(&self, gun: &GunSerial) -> bool;

    /// Presses it.
    ///
    /// # Errors
    ///
    /// The gun does not take it.
    fn press(&self, gun: &GunSerial) -> anyhow::Result<()>;
}

/// What the pages are answered from.
pub(super) struct FleetBackend {
    pub(super) readers: Readers,
    pub(super) board: Arc<Board>,
    pub(super) ingest: IngestHandle,
    pub(super) library: Option<Arc<Library>>,
    pub(super) log_key: Arc<LogKey>,
    pub(super) clinic: ClinicId,
    pub(super) demo: bool,
    pub(super) broker_is_there: watch::Receiver<bool>,
    /// A std lock: set once, read for a moment.
    pub(super) trigger: Mutex<Option<Arc<dyn TriggerOnPage>>>,
    /// Which channels of notifications fail.
    pub(super) health: Arc<ChannelHealth>,
    /// Where the store is, whose disk is watched.
    pub(super) data_dir: PathBuf,
    /// Whether one person's signature puts a release in force.
    pub(super) is_single_signer: bool,
}

/// What a gun's view is made from, read for all guns at once.
struct GunParts {
    shot_counts: BTreeMap<GunSerial, u64>,
    segments: BTreeMap<String, OpenSegment>,
    open_alerts: BTreeMap<GunSerial, u32>,
    board: BTreeMap<GunSerial, GunOnBoard>,
}

fn unavailable(error: &StoreError) -> BackendError {
    tracing::error!(%error, "the store cannot be read");
    BackendError::Unavailable {
        reason: "the store cannot be read".to_owned(),
    }
}

fn not_found(what: String) -> BackendError {
    BackendError::NotFound { what }
}

impl FleetBackend {
    pub(super) fn read<T>(
        &self,
        ask: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>,
    ) -> Result<T, BackendError> {
        self.readers.with(ask).map_err(|error| unavailable(&error))
    }

    /// What is seen of disk, broker and channels at the moment.
    pub(super) fn look(&self) -> Look {
        let disk = nix::sys::statvfs::statvfs(&self.data_dir).ok();
        let free_mib = disk.and_then(|disk| {
            let bytes = disk.blocks_available().checked_mul(disk.fragment_size());
            i64::try_from(bytes? / (1024 * 1024)).ok()
        });
        Look {
            is_connected: *self.broker_is_there.borrow(),
            disk_free_mib: free_mib,
            channel_failing_s: self.health.failing_s(now()),
            lacking_blocks: self.readers.lacking_count(),
        }
    }

    fn trigger(&self) -> Option<Arc<dyn TriggerOnPage>> {
        let trigger = self.trigger.lock().unwrap_or_else(PoisonError::into_inner);
        trigger.clone()
    }

    fn gun_parts(&self, reader: &Reader<'_>) -> Result<GunParts, StoreError> {
        let segments = reader.open_segments()?.into_iter();
        let mut open_alerts = BTreeMap::new();
        for alert in reader.unresolved_alerts()? {
            let waits = alert.state == "open" || alert.state == "latched";
            if let (true, Some(gun)) = (waits, alert.gun) {
                *open_alerts.entry(gun).or_default() += 1;
            }
        }
        Ok(GunParts {
            shot_counts: reader.guns()?.into_iter().collect(),
            segments: segments.map(|s| (s.gun.clone(), s)).collect(),
            open_alerts,
            board: self.board.guns(),
        })
    }

    fn gun_view(
        &self,
        reader: &Reader<'_>,
        serial: &GunSerial,
        parts: &GunParts,
    ) -> Result<GunView, StoreError> {
        let gun = parts.board.get(serial).cloned().unwrap_or_default();
        let segment = parts.segments.get(serial.as_str());
        let trigger_on_page = self.trigger().is_some_and(|trigger| trigger.has(serial));
        let last = reader.recent_shots(serial, 1)?.pop();
        let last_shot = last.map(|last| shot_view(&last.shot, last.session, last.verdict.as_ref()));
        let (clinic, driver) = match &gun.place {
            Some((clinic, driver)) => (clinic.to_string(), driver.to_string()),
            None => (String::new(), String::new()),
        };
        let protocol = segment.and_then(|segment| segment.protocol.clone());
        let attached = gun.is_attached();
        let status = gun.status.as_ref();
        let interlock = status.and_then(|s| s.interlock.as_ref());
        let state = match (attached, status.is_some_and(|s| s.inhibited), segment) {
            (false, _, _) => "offline",
            _ if interlock.is_some_and(|wanted| wanted.state == "failed") => "interlock failed",
            (true, true, _) => "inhibited",
            (true, false, Some(_)) if trigger_on_page => "waiting for trigger",
            (true, false, Some(_)) => "treating",
            (true, false, None) => "idle",
        };
        Ok(GunView {
            serial: serial.to_string(),
            clinic,
            driver,
            model: status.map(|s| s.model.clone()).unwrap_or_default(),
            firmware: status.map(|s| s.firmware.clone()).unwrap_or_default(),
            state: state.to_owned(),
            trigger_on_page,
            battery_percent: status.and_then(|s| s.battery_percent),
            session: segment.map(|segment| segment.session.to_string()),
            limits: limits_of(self.library.as_deref(), protocol.as_deref()),
            protocol,
            zone: segment.map(|segment| segment.zone.clone()),
            shot_count: parts.shot_counts.get(serial).copied().unwrap_or(0),
            session_shot_count: segment.map_or(0, |s| s.counts.shot_count),
            session_volume_nl: segment.map_or(0, |s| s.counts.volume_nl),
            last_shot,
            rate_spm: gun.rate_spm(now().unix_ms()),
            backlog_shots: status.map_or(0, |s| s.backlog_shots),
            bad_frames: status.map_or(0, |s| s.bad_frames),
            quarantined_frames: status.map_or(0, |s| s.quarantined_frames),
            declared_missing_count: gun.declared_missing_count,
            open_alert_count: parts.open_alerts.get(serial).copied().unwrap_or(0),
            seen_at_ms: status.map_or(0, |s| s.at_ms),
        })
    }

    /// The views of some guns, those that are not known left out.
    pub(super) fn gun_views(
        &self,
        wanted: impl Fn(&GunSerial) -> bool,
    ) -> Result<Vec<GunView>, BackendError> {
        self.read(|reader| {
            let parts = self.gun_parts(reader)?;
            let mut serials: Vec<GunSerial> = parts.board.keys().cloned().collect();
            serials.extend(parts.shot_counts.keys().cloned());
            serials.sort_unstable();
            serials.dedup();
            let wanted = serials.iter().filter(|serial| wanted(serial));
            wanted
                .map(|serial| self.gun_view(reader, serial, &parts))
                .collect()
        })
    }

    /// Every alert ever, newest first, at most so many.
    pub(super) fn all_alerts(&self, limit: u32) -> Result<Vec<AlertView>, BackendError> {
        self.read(|reader| {
            let rows = reader.alerts(&AlertSelection::default(), limit)?;
            rows.iter().map(view_of_alert).collect()
        })
    }
}

fn view_of_alert(row: &AlertRow) -> Result<AlertView, StoreError> {
    Ok(alert_view(&Alert::from_canonical(&row.body)?))
}

/// Reads `number.rest` of a page mark.
fn mark(page: &PageRequest) -> Result<Option<(i64, &str)>, BackendError> {
    let Some(after) = page.after.as_deref() else {
        return Ok(None);
    };
    let parts = after.split_once('.');
    let read = parts.and_then(|(at, rest)| Some((at.parse().ok()?, rest)));
    read.map(Some).ok_or_else(|| wrong_mark(after))
}

fn wrong_mark(after: &str) -> BackendError {
    BackendError::Invalid {
        field: "after",
        value: after.chars().take(64).collect(),
        reason: "it is what the page before gave as next".to_owned(),
    }
}

/// Reads a page mark of two numbers.
fn numbers(page: &PageRequest) -> Result<Option<(i64, i64)>, BackendError> {
    let Some((at, rest)) = mark(page)? else {
        return Ok(None);
    };
    let arrival = rest.parse().map_err(|_| wrong_mark(rest))?;
    Ok(Some((at, arrival)))
}

/// The mark after the last of a full page.
fn next_of<T>(items: &[T], limit: u32, mark: impl Fn(&T) -> String) -> Option<String> {
    let is_full = items.len() >= limit as usize;
    items.last().filter(|_| is_full).map(mark)
}

impl Backend for FleetBackend {
    fn overview(&self) -> Result<OverviewView, BackendError> {
        let now = now();
        let today = now.unix_ns().div_euclid(DAY_NS);
        let (totals, days) = self.read(|reader| Ok((reader.totals()?, reader.days(today)?)))?;
        let day = days.first().copied().unwrap_or_default();
        let guns = self.board.guns();
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let inhibited = guns.values().filter(|gun| {
            gun.is_attached() && gun.status.as_ref().is_some_and(|status| status.inhibited)
        });
        let needs_you =
            totals.open_hard_alert_count + totals.unsealed_session_count + inhibited.count() as u64;
        Ok(OverviewView {
            demo: self.demo,
            now_ms: now.unix_ms(),
            needs_you_count: narrow(needs_you),
            open_hard_alert_count: narrow(totals.open_hard_alert_count),
            open_soft_alert_count: narrow(totals.open_soft_alert_count),
            open_session_count: narrow(totals.open_session_count),
            unsealed_session_count: narrow(totals.unsealed_session_count),
            attached_gun_count: narrow(guns.values().filter(|g| g.is_attached()).count() as u64),
            gun_count: narrow(guns.len() as u64),
            shots_today_count: day.all_shot_count,
            volume_today_nl: day.volume_nl,
            declared_missing_count: guns.values().map(|gun| gun.declared_missing_count).sum(),
            quarantined_count: totals.quarantined_count,
            not_under_protocol_count: totals.not_under_protocol_count,
            ledger_size: totals.leaf_count,
            library_version: self.library.as_ref().map(|l| l.version().get()),
            single_signer: self.is_single_signer,
            lagging_rooms: self
                .board
                .lagging_rooms()
                .iter()
                .map(lagging_view)
                .collect(),
            failing_channels: self.health.failing(),
            not_storing: self.board.ingest_failure(),
        })
    }

    fn guns(&self) -> Result<Vec<GunView>, BackendError> {
        self.gun_views(|_| true)
    }

    fn gun(&self, serial: &GunSerial) -> Result<GunView, BackendError> {
        let mut views = self.gun_views(|other| other == serial)?;
        views
            .pop()
            .ok_or_else(|| not_found(format!("gun {serial}")))
    }

    fn shots(&self, gun: &GunSerial, limit: u32) -> Result<Vec<ShotView>, BackendError> {
        let shots = self.read(|reader| reader.recent_shots(gun, limit))?;
        if shots.is_empty() && !self.board.guns().contains_key(gun) {
            return Err(not_found(format!("gun {gun}")));
        }
        let view = |s: &meso_store::StoredShot| shot_view(&s.shot, s.session, s.verdict.as_ref());
        Ok(shots.iter().map(view).collect())
    }

    fn sessions(&self, page: &PageRequest) -> Result<Page<SessionView>, BackendError> {
        let after = numbers(page)?;
        let rows = self.read(|reader| reader.sessions(after, page.limit))?;
        let library = self.library.as_deref();
        Ok(Page {
            items: rows.iter().map(|row| session_view(row, library)).collect(),
            next: next_of(&rows, page.limit, |row| {
                let opened = row.opened_at.map_or(0, Timestamp::unix_ns);
                format!("{opened}.{}", row.arrival)
            }),
        })
    }

    fn session(&self, id: SessionId) -> Result<SessionView, BackendError> {
        let (row, late) = self.read(|reader| {
            let late = reader.late_findings(id, LATE_FINDING_COUNT_MAX)?;
            Ok((reader.session(id)?, late))
        })?;
        let row = row.ok_or_else(|| not_found(format!("session {id}")))?;
        Ok(SessionView {
            late_findings: late.iter().map(late_finding_view).collect(),
            ..session_view(&row, self.library.as_deref())
        })
    }

    fn session_shots(
        &self,
        id: SessionId,
        page: &PageRequest,
    ) -> Result<Page<ShotView>, BackendError> {
        let after = numbers(page)?;
        let shots = self.read(|reader| {
            let known = reader.session(id)?;
            let shots = reader.session_shots(id, after, page.limit)?;
            Ok(known.map(|_| shots))
        })?;
        let shots = shots.ok_or_else(|| not_found(format!("session {id}")))?;
        Ok(Page {
            items: shots
                .iter()
                .map(|s| shot_view(&s.shot, s.session, s.verdict.as_ref()))
                .collect(),
            next: next_of(&shots, page.limit, |last| {
                format!("{}.{}", last.shot.at.unix_ns(), last.arrival)
            }),
        })
    }

    fn alerts(
        &self,
        filter: &AlertFilter,
        page: &PageRequest,
    ) -> Result<Page<AlertView>, BackendError> {
        let after = match mark(page)? {
            Some((at, id)) => {
                let at = Timestamp::from_unix_ns(at).map_err(|_| wrong_mark(id))?;
                Some((at, id.to_owned()))
            }
            None => None,
        };
        let selection = AlertSelection {
            state: filter.state.map(state_word),
            gun: filter.gun.clone(),
            session: filter.session,
            after,
        };
        self.read(|reader| {
            let rows = reader.alerts(&selection, page.limit)?;
            Ok(Page {
                items: rows.iter().map(view_of_alert).collect::<Result<_, _>>()?,
                next: next_of(&rows, page.limit, |row| {
                    format!("{}.{}", row.opened_at.unix_ns(), row.id)
                }),
            })
        })
    }

    fn handle_alert(&self, id: &str, deed: Deed) -> Result<AlertView, BackendError> {
        let unknown = || not_found(format!("alert {id}"));
        let conflict = |reason: String| BackendError::Conflict {
            what: format!("alert {id}"),
            reason,
        };
        let row = self.read(|reader| reader.alert(id))?.ok_or_else(unknown)?;
        if row.state == "resolved" {
            return Err(conflict(
                "it is resolved, so nothing is left to do".to_owned(),
            ));
        }
        let number = AlertId::parse(id).map_err(|_| unknown())?;
        match self.ingest.handle_alert(number, deed) {
            Ok(()) => {}
            Err(IngestError::Alert {
                source: AlertError::Unknown { .. },
            }) => return Err(unknown()),
            Err(IngestError::Alert { source }) => return Err(conflict(source.to_string())),
            Err(error) => {
                return Err(BackendError::Unavailable {
                    reason: error.to_string(),
                });
            }
        }
        let row = self.read(|reader| reader.alert(id))?.ok_or_else(unknown)?;
        view_of_alert(&row).map_err(|error| unavailable(&error))
    }

    fn retirement(&self, room: &DriverId) -> Result<RetirementView, BackendError> {
        self.awaited_from(room)
    }

    fn retire_room(&self, wanted: RetireRoom) -> Result<RetiredRoomView, BackendError> {
        self.retire(wanted)
    }

    fn days(&self, count: u32) -> Result<Vec<DayView>, BackendError> {
        let today = now().unix_ns().div_euclid(DAY_NS);
        let first = today - i64::from(count) + 1;
        let rows = self.read(|reader| reader.days(first))?;
        let known: BTreeMap<i64, DayRow> = rows.into_iter().map(|row| (row.day, row)).collect();
        let row = |day| {
            let empty = DayRow {
                day,
                ..DayRow::default()
            };
            known.get(&day).copied().unwrap_or(empty)
        };
        Ok((first..=today).map(|day| day_view(&row(day))).collect())
    }

    fn export_report(&self, request: &ReportRequest) -> Result<Vec<u8>, BackendError> {
        let export = report_export::Export {
            clinic: &self.clinic,
            demo: self.demo,
            log_key: &self.log_key,
            now: now(),
        };
        export.run(&self.readers, request)
    }

    fn trigger_demo_gun(&self, serial: &GunSerial) -> Result<(), BackendError> {
        let trigger = self.trigger().filter(|trigger| trigger.has(serial));
        let Some(trigger) = trigger else {
            return match self.gun(serial) {
                Ok(_) => Err(BackendError::Conflict {
                    what: format!("gun {serial}"),
                    reason: "its trigger is not pressed on this page".to_owned(),
                }),
                Err(error) => Err(error),
            };
        };
        trigger
            .press(serial)
            .map_err(|error| BackendError::Conflict {
                what: format!("gun {serial}"),
                reason: format!("{error:#}"),
            })
    }

    fn ready(&self) -> ReadyView {
        let mut waiting_for = Vec::new();
        if !*self.broker_is_there.borrow() {
            waiting_for.push("the broker".to_owned());
        }
        waiting_for.extend(self.board.ingest_failure());
        if self.read(|reader| reader.leaf_count()).is_err() {
            waiting_for.push("the store".to_owned());
        }
        let troubles = self.health.failing().into_iter().map(|failing| {
            let (channel, error) = (failing.channel, failing.error);
            format!("notifications by {channel} fail: {error}")
        });
        ReadyView {
            ready: waiting_for.is_empty(),
            waiting_for,
            troubles: troubles.collect(),
        }
    }
}
