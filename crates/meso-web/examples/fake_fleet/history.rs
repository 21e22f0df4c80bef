//! Made-up past: days, sessions and their shots, the same for the same number.

use meso_contract::FindingBody;
use meso_contract::http::{BoundsView, DayView, LimitsView, SessionView, ShotView};

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A small generator; the same seed gives the same numbers.
pub(crate) struct Dice(u64);

impl Dice {
    /// Begins at `seed`.
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }

    /// A number about `mean`, within `spread` on either side and denser in the middle.
    pub(crate) fn about(&mut self, mean: u64, spread: u64) -> u64 {
        let sum = self.below(spread) + self.below(spread) + self.below(spread);
        (mean + sum * 2 / 3).saturating_sub(spread)
    }
}

/// What a gun is set to.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) protocol: &'static str,
    pub(crate) zone: &'static str,
    pub(crate) depth_um: u32,
    pub(crate) volume_nl: u64,
    pub(crate) rate_mhz: u64,
}

pub(crate) const SETTINGS: [Setting; 4] = [
    Setting {
        protocol: "mesolift-face",
        zone: "face",
        depth_um: 2_600,
        volume_nl: 20_000,
        rate_mhz: 4_000,
    },
    Setting {
        protocol: "mesoglow-face",
        zone: "neck",
        depth_um: 1_600,
        volume_nl: 13_000,
        rate_mhz: 8_000,
    },
    Setting {
        protocol: "hair-scalp",
        zone: "scalp",
        depth_um: 3_000,
        volume_nl: 30_000,
        rate_mhz: 3_000,
    },
    Setting {
        protocol: "pain-trigger-points",
        zone: "back",
        depth_um: 5_000,
        volume_nl: 100_000,
        rate_mhz: 700,
    },
];

impl Setting {
    /// Limits about the setting; the fake ones of a fake clinic.
    pub(crate) fn limits(&self) -> LimitsView {
        let around = |value: i64, hard: i64| BoundsView {
            hard_min: None,
            soft_min: Some(value / 2),
            soft_max: Some(value * 3 / 2),
            hard_max: Some(hard),
        };
        LimitsView {
            needle_depth_um: around(
                i64::from(self.depth_um),
                10_000.min(i64::from(self.depth_um) * 5 / 2),
            ),
            volume_nl: around(self.volume_nl as i64, self.volume_nl as i64 * 5 / 2),
            rate_mhz: BoundsView {
                hard_max: Some(9_000),
                ..BoundsView::default()
            },
            session_volume_nl: BoundsView {
                soft_max: Some(6_000_000),
                hard_max: Some(10_000_000),
                ..BoundsView::default()
            },
        }
    }

    /// A shot about the setting.
    pub(crate) fn shot(&self, dice: &mut Dice) -> ShotView {
        let depth = dice.about(u64::from(self.depth_um), u64::from(self.depth_um) / 8);
        let volume = dice.about(self.volume_nl, self.volume_nl / 10);
        let rate = dice.about(self.rate_mhz, self.rate_mhz / 9).max(1);
        ShotView {
            needle_depth_um: Some(depth as u32),
            needle_depth_set_um: Some(self.depth_um),
            volume_nl: Some(volume),
            volume_set_nl: Some(self.volume_nl),
            interval_us: Some(1_000_000_000 / rate),
            rate_mhz: Some(rate),
            purpose: "patient".to_owned(),
            ..ShotView::default()
        }
    }
}

/// Says that a shot of twice the set depth was past a limit.
fn too_deep(setting: Setting, severity: &str, limit_um: u32) -> FindingBody {
    FindingBody {
        rule: "needle depth".to_owned(),
        severity: severity.to_owned(),
        bound: Some("maximum".to_owned()),
        value: i64::from(setting.depth_um) * 2,
        limit: i64::from(limit_um),
        reason: None,
    }
}

/// The calendar day (UTC) of a day number since 1970, as `2026-11-22`.
fn day_name(days: i64) -> String {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", doy - (153 * mp + 2) / 5 + 1)
}

/// The last `count` days, oldest first; Sundays rest.
pub(crate) fn days(now_ms: i64, count: u32) -> Vec<DayView> {
    let today = now_ms / DAY_MS;
    (today - i64::from(count) + 1..=today)
        .map(|day| {
            let mut dice = Dice::new(day as u64);
            let sessions = if day % 7 == 3 { 0 } else { 5 + dice.below(7) };
            let hard = if sessions > 0 && dice.below(6) == 0 {
                1 + dice.below(2)
            } else {
                0
            };
            DayView {
                day: day_name(day),
                session_count: sessions,
                clean_session_count: sessions - hard.min(sessions),
                shot_count: sessions * (240 + dice.below(140)),
                volume_nl: sessions * (4_500_000 + dice.below(2_500_000)),
                hard_count: hard * (1 + dice.below(4)),
                soft_count: sessions * dice.below(3),
            }
        })
        .collect()
}

/// The past session number `n`, 0 being the newest.
pub(crate) fn session(now_ms: i64, n: u64) -> SessionView {
    let mut dice = Dice::new(n + 7_000);
    let setting = SETTINGS[(n % 4) as usize];
    let day = now_ms / DAY_MS - 1 - (n / 8) as i64;
    let opened =
        day * DAY_MS + 28_800_000 + (8 - n % 8) as i64 * 3_600_000 + dice.below(900_000) as i64;
    let shots = session_shots(now_ms, n);
    let count = |severity: &str| {
        shots
            .iter()
            .filter(|shot| shot.severity.as_deref() == Some(severity))
            .count() as u64
    };
    SessionView {
        id: format!("{:032x}", n + 1),
        clinic: "riverside".to_owned(),
        driver: format!("room-{}", n % 3 + 1),
        guns: vec![format!("GUN-{:04}", n % 4 + 1)],
        protocol: setting.protocol.to_owned(),
        zones: vec![setting.zone.to_owned()],
        operator: format!("op-{:02}", n % 3 + 1),
        library_version: 3,
        state: "sealed".to_owned(),
        outcome: Some("completed".to_owned()),
        opened_at_ms: opened,
        ended_at_ms: Some(shots.last().map_or(opened, |shot| shot.at_ms) + 40_000),
        shot_count: shots.len() as u64,
        patient_shot_count: shots
            .iter()
            .filter(|shot| shot.purpose == "patient")
            .count() as u64,
        volume_nl: shots
            .iter()
            .filter(|s| s.purpose == "patient")
            .filter_map(|s| s.volume_nl)
            .sum(),
        failed_injection_count: shots.iter().filter(|shot| !shot.flags.is_empty()).count() as u64,
        soft_count: count("soft"),
        hard_count: count("hard"),
        not_checkable_count: 0,
        limits: Some(setting.limits()),
        late_findings: Vec::new(),
        demo: true,
    }
}

/// The shots of the past session number `n`, oldest first.
pub(crate) fn session_shots(now_ms: i64, n: u64) -> Vec<ShotView> {
    let mut dice = Dice::new(n + 9_000);
    let setting = SETTINGS[(n % 4) as usize];
    let day = now_ms / DAY_MS - 1 - (n / 8) as i64;
    let mut at_ms = day * DAY_MS + 29_000_000 + (8 - n % 8) as i64 * 3_600_000;
    (1..=200 + dice.below(250) as u32)
        .map(|counter| {
            let mut shot = setting.shot(&mut dice);
            at_ms += shot.interval_us.unwrap_or(0) as i64 / 1_000;
            if dice.below(60) == 0 {
                at_ms += 15_000 + dice.below(30_000) as i64;
                shot.rate_mhz = None;
            }
            shot.gun = format!("GUN-{:04}", n % 4 + 1);
            shot.epoch = "7c0ffee000000001".to_owned();
            shot.counter = counter;
            shot.at_ms = at_ms;
            shot.session = Some(format!("{:032x}", n + 1));
            if counter <= 3 {
                shot.purpose = "prime".to_owned();
            } else if dice.below(120) == 0 {
                shot.flags = vec!["failed injection".to_owned()];
                shot.volume_nl = Some(0);
            }
            if n.is_multiple_of(5) && counter == 90 {
                shot.needle_depth_um = Some(setting.depth_um * 2);
                shot.severity = Some("soft".to_owned());
                shot.findings
                    .push(too_deep(setting, "soft", setting.depth_um * 3 / 2));
            }
            shot
        })
        .collect()
}
