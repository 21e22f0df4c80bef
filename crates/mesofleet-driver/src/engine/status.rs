//! How the room and its guns are, for those who ask and for the broker.

use meso_contract::room::{RoomClockBody, RoomGunBody, RoomSessionBody, RoomStateBody};
use meso_contract::{GunStatusMessage, PAYLOAD_VERSION};
use meso_domain::Stream;
use meso_sessions::OpenSession;
use meso_units::{BootId, GunSerial, GunTick, Uncertainty};

use super::gun::Gun;
use super::{Engine, Lane};
use crate::machine::Now;

/// Ports whose problem is shown; of further ones only the log tells.
const PORT_PROBLEMS_MAX: usize = 256;

/// The shortest time between two states of one gun, in ms.
const STATUS_INTERVAL_MS: u64 = 1_000;

/// The longest time between two states of a gun that is plugged in, in ms: the server takes one
/// that it does not hear of for silent.
const STATUS_INTERVAL_MS_MAX: u64 = 60_000;

impl Engine {
    /// How the room is.
    pub(crate) fn room_state(&self, now: Now, broker_connected: bool) -> RoomStateBody {
        let sessions = self.sessions.open_sessions();
        let guns = self.guns.iter();
        let guns = guns.map(|(serial, gun)| gun_body(serial, gun, now));
        RoomStateBody {
            open_sessions: sessions
                .map(|open| open.opened().session.to_string())
                .collect(),
            sessions: self
                .sessions
                .open_sessions()
                .map(|open| self.session_body(open))
                .collect(),
            guns: guns.collect(),
            unsealed_record_count: self.lanes.values().map(Lane::unsealed).sum(),
            unsettled_block_count: self.unsettled_block_count(),
            library_version: self.judge.library().map(|library| library.version().get()),
            broker_connected,
            interlock_enabled: self.config.interlock.enabled,
            clock_trusted: self.trusts_clock(now),
            patient_list_count: self.patient_list_count(),
            patient_links: self.links_body(),
            unsendable_block_count: self.unsendable_block_count,
            refused_watermark_count: self.refused_watermark_count,
            port_problems: self.port_problems.clone(),
            // The daemon measures them and knows the disk; the engine reads no clock.
            latencies: Vec::new(),
            journal_problem: None,
        }
    }

    fn session_body(&self, open: &OpenSession) -> RoomSessionBody {
        let opened = open.opened();
        let verdict = self.judge.verdict(opened.session);
        let rules = verdict.map_or_else(Vec::new, |verdict| verdict.rules);
        let numbers = open.manual().map(|entry| entry.number);
        RoomSessionBody {
            session: opened.session.to_string(),
            protocol: opened.protocol.to_string(),
            operator: opened.operator.to_string(),
            opened_at_ns: opened.at.unix_ns().to_string(),
            paused: open.paused(),
            same_patient_asked: open.asked().map(|cause| cause.to_string()),
            decision: open.decision().map(|outcome| outcome.to_string()),
            screening_digest: open.screening().map(|it| hex::encode(it.digest)),
            course: open.course().map(Into::into),
            manual_entry_count: numbers.max().unwrap_or(0),
            segments: open.segments().iter().map(Into::into).collect(),
            materials: open.materials().into_iter().map(Into::into).collect(),
            details: open.details().map(Into::into),
            findings: rules
                .iter()
                .filter_map(|rule| rule.worst.as_ref().map(Into::into))
                .collect(),
        }
    }

    /// Takes note of a port that cannot be used, until a gun greets on it.
    pub(super) fn note_port(&mut self, port: &str, problem: &str) {
        let is_known = self.port_problems.contains_key(port);
        if is_known || self.port_problems.len() < PORT_PROBLEMS_MAX {
            self.port_problems
                .insert(port.to_owned(), problem.to_owned());
        }
    }

    /// How one gun is; `None` for one that was never seen.
    pub(super) fn gun_state(&self, serial: &GunSerial, now: Now) -> Option<RoomGunBody> {
        let gun = self.guns.get(serial)?;
        Some(gun_body(serial, gun, now))
    }

    /// The guns whose state is to be published now; each at most once a second.
    pub(crate) fn due_statuses(&mut self, now: Now) -> Vec<(GunSerial, GunStatusMessage)> {
        let mut due = Vec::new();
        let library = self.judge.library().map_or(0, |it| it.version().get());
        let is_clock_trusted = self.trusts_clock(now);
        for (serial, gun) in &mut self.guns {
            let since_ms = gun
                .published_ms
                .map(|at_ms| now.monotonic_ms.saturating_sub(at_ms));
            let is_early = since_ms.is_some_and(|since_ms| since_ms < STATUS_INTERVAL_MS);
            let is_stale = since_ms.is_some_and(|since_ms| since_ms >= STATUS_INTERVAL_MS_MAX);
            let is_due = gun.is_changed || is_stale && gun.is_attached;
            if !is_due || is_early {
                continue;
            }
            gun.is_changed = false;
            gun.published_ms = Some(now.monotonic_ms);
            let lane = self.lanes.get(&Stream::Gun(serial.clone()));
            let backlog = lane.map_or(0, Lane::backlog);
            let status = status_of(gun, now, is_clock_trusted, backlog, library);
            due.push((serial.clone(), status));
        }
        due
    }

    /// A state could not be handed over: it is due again.
    pub(crate) fn status_refused(&mut self, serial: &GunSerial) {
        self.gun(serial).is_changed = true;
    }

    /// Every state is due again: there is a new connection.
    pub(crate) fn all_statuses_due(&mut self) {
        for gun in self.guns.values_mut() {
            gun.is_changed = true;
            gun.published_ms = None;
        }
    }
}

fn gun_body(serial: &GunSerial, gun: &Gun, now: Now) -> RoomGunBody {
    RoomGunBody {
        serial: serial.to_string(),
        attached: gun.is_attached,
        epoch: gun.epoch.map(|epoch| format!("{:016x}", epoch.get())),
        newest_counter: gun.newest_counter,
        journalled_counter: gun.journalled(),
        authentic: gun.is_authentic,
        refused: gun.refused.clone(),
        grade: gun.shown_grade(),
        usb_serial: gun.usb_serial.clone(),
        inhibited: gun.is_inhibited,
        interlock: gun.interlock.shown(gun.is_inhibited),
        quarantined_frames: gun.quarantined_frames,
        salvaged_shots: gun.salvaged_shots,
        clock: clock_of(gun, now),
    }
}

/// How the gun's clock maps to UTC, with the uncertainty of a shot that is fired now.
fn clock_of(gun: &Gun, now: Now) -> Option<RoomClockBody> {
    let (mapping, segment) = gun.clock.newest()?;
    let boot = BootId(mapping.boot_id);
    let (zero, _) = mapping.map(boot, GunTick::new(0).ok()?)?;
    let tick_us = u64::try_from(now.utc.since_ns(zero) / 1_000).unwrap_or(0);
    let (_, uncertainty, _) = gun.clock.time_of(boot, GunTick::new(tick_us).ok()?)?;
    Some(RoomClockBody {
        segment: segment.0,
        offset_ns: zero.unix_ns(),
        drift_ppb: mapping.drift_ppb,
        uncertainty_ns: match uncertainty {
            Uncertainty::Within(ns) => ns,
            _ => u64::MAX,
        },
    })
}

fn status_of(
    gun: &Gun,
    now: Now,
    is_clock_trusted: bool,
    backlog_shots: u64,
    library_version: u32,
) -> GunStatusMessage {
    let drift_ppb = gun.clock.newest().map(|(mapping, _)| mapping.drift_ppb);
    GunStatusMessage {
        version: PAYLOAD_VERSION,
        attached: gun.is_attached,
        at_ms: now.utc.unix_ms(),
        model: gun.model.clone(),
        firmware: gun.firmware.clone(),
        // The link tells a voltage; without the battery's curve there is no honest percentage.
        battery_percent: None,
        journalled_counter: gun.journalled(),
        backlog_shots,
        bad_frames: gun.line.bad_frames(),
        skipped_bytes: gun.line.skipped_bytes(),
        quarantined_frames: gun.quarantined_frames,
        inhibited: gun.is_inhibited,
        completeness: gun.shown_grade(),
        interlock: gun.interlock.shown(gun.is_inhibited),
        clock_drift_ppm: drift_ppb.and_then(|ppb| i32::try_from(ppb / 1_000).ok()),
        clock_trusted: Some(is_clock_trusted),
        library_version: Some(library_version),
    }
}
