//! A made-up gun that fires about its setting.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use meso_contract::FindingBody;
use meso_contract::http::{GunView, SessionView, ShotView};

use crate::history::{DAY_MS, Dice, SETTINGS, Setting};

const KEPT_SHOT_COUNT: usize = 5_000;

/// What it is set to, what it fired and when it fires next.
pub(crate) struct Gun {
    pub(crate) view: GunView,
    setting: Setting,
    dice: Dice,
    pub(crate) shots: VecDeque<ShotView>,
    next_at_ms: i64,
    paused_until_ms: i64,
    opened_at_ms: i64,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

impl Gun {
    pub(crate) fn new(n: usize) -> Gun {
        let setting = SETTINGS[n % 4];
        let state = match n {
            3 => "waiting for trigger",
            4 => "idle",
            5 => "offline",
            6 => "inhibited",
            _ => "treating",
        };
        let works = state != "idle" && state != "offline";
        let now = now_ms();
        Gun {
            view: GunView {
                serial: format!("GUN-{:04}", n + 1),
                clinic: "riverside".to_owned(),
                driver: format!("room-{}", n / 2 + 1),
                model: "MESO-E1 emulated".to_owned(),
                firmware: "1.0.0".to_owned(),
                state: state.to_owned(),
                trigger_on_page: n == 3,
                battery_percent: (n != 2).then_some(92 - 9 * (n % 10) as u8),
                session: works.then(|| format!("{:032x}", 0xA000 + n)),
                protocol: works.then(|| setting.protocol.to_owned()),
                zone: works.then(|| setting.zone.to_owned()),
                limits: works.then(|| setting.limits()),
                shot_count: 18_000 + 731 * n as u64,
                seen_at_ms: if n == 5 {
                    now - 2 * DAY_MS - 7_000_000
                } else {
                    now
                },
                ..GunView::default()
            },
            setting,
            dice: Dice::new(n as u64 + 1),
            shots: VecDeque::new(),
            next_at_ms: now,
            paused_until_ms: 0,
            opened_at_ms: now - 240_000,
        }
    }

    /// Fires what is due and gives the shots.
    pub(crate) fn tick(&mut self, n: usize, now: i64) -> Vec<ShotView> {
        let mut fired = Vec::new();
        if self.view.state != "treating" || now < self.paused_until_ms {
            self.next_at_ms = now;
            return fired;
        }
        while self.next_at_ms <= now {
            fired.push(self.fire(n));
            if self.dice.below(150) == 0 {
                self.paused_until_ms = now + 2_000 + self.dice.below(3_000) as i64;
                break;
            }
        }
        fired
    }

    fn fire(&mut self, n: usize) -> ShotView {
        let mut shot = self.setting.shot(&mut self.dice);
        self.next_at_ms += shot.interval_us.unwrap_or(100_000) as i64 / 1_000;
        self.view.shot_count += 1;
        self.view.session_shot_count += 1;
        shot.gun.clone_from(&self.view.serial);
        shot.epoch = "7c0ffee000000001".to_owned();
        shot.counter = self.view.shot_count as u32;
        shot.at_ms = self.next_at_ms;
        shot.session.clone_from(&self.view.session);
        if n == 2 && self.view.session_shot_count % 40 > 36 {
            let depth = self.setting.depth_um * 5 / 2 + 700;
            shot.needle_depth_um = Some(depth);
            shot.severity = Some("hard".to_owned());
            shot.findings.push(FindingBody {
                rule: "needle depth".to_owned(),
                severity: "hard".to_owned(),
                bound: Some("maximum".to_owned()),
                value: i64::from(depth),
                limit: i64::from(self.setting.depth_um) * 5 / 2,
                reason: None,
            });
        } else if shot.session.is_none() {
            shot.severity = Some("not checkable".to_owned());
            shot.findings.push(FindingBody {
                rule: "needle depth".to_owned(),
                severity: "not checkable".to_owned(),
                bound: None,
                value: 0,
                limit: 0,
                reason: Some("the shot belongs to no session".to_owned()),
            });
        } else if self.dice.below(90) == 0 {
            shot.flags = vec!["failed injection".to_owned()];
            shot.volume_nl = Some(0);
        }
        self.view.session_volume_nl += shot.volume_nl.unwrap_or(0);
        self.view.last_shot = Some(shot.clone());
        self.shots.push_front(shot.clone());
        self.shots.truncate(KEPT_SHOT_COUNT);
        shot
    }

    pub(crate) fn refresh(&mut self, now: i64) {
        if self.view.state == "offline" {
            return;
        }
        self.view.seen_at_ms = now;
        let recent = self
            .shots
            .iter()
            .take_while(|s| s.at_ms > now - 10_000)
            .count();
        self.view.rate_spm = recent as u32 * 6;
    }

    pub(crate) fn session(&self) -> Option<SessionView> {
        let patient = |s: &&ShotView| s.purpose == "patient";
        let severe = |word: &str| {
            self.shots
                .iter()
                .filter(|s| s.severity.as_deref() == Some(word))
                .count() as u64
        };
        Some(SessionView {
            id: self.view.session.clone()?,
            clinic: self.view.clinic.clone(),
            driver: self.view.driver.clone(),
            guns: vec![self.view.serial.clone()],
            protocol: self.setting.protocol.to_owned(),
            zones: vec![self.setting.zone.to_owned()],
            operator: "op-01".to_owned(),
            library_version: 3,
            state: "open".to_owned(),
            opened_at_ms: self.opened_at_ms,
            shot_count: self.view.session_shot_count,
            patient_shot_count: self.shots.iter().filter(patient).count() as u64,
            volume_nl: self.view.session_volume_nl,
            failed_injection_count: self.shots.iter().filter(|s| !s.flags.is_empty()).count()
                as u64,
            hard_count: severe("hard"),
            soft_count: severe("soft"),
            limits: self.view.limits.clone(),
            demo: true,
            ..SessionView::default()
        })
    }
}
