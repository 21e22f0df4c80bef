//! What the operator and the gun will do, from a seed alone.
//!
//! The numbers are examples within the published ranges of the techniques (nappage on the face at
//! 2 to 4 mm with about 0.02 ml a point, a superficial glow at 1 to 2 mm, trigger points at 4 mm
//! with up to 0.1 ml), to be approved by a clinician before anybody treats by them. Without a
//! breach no hard limit of the example pack is crossed.

use std::collections::VecDeque;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

/// How the gun is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// Runs of many shallow points at 6 to 9 shots a second.
    Nappage,
    /// One point after the other, about one a second.
    PointByPoint,
    /// Short bursts at about 5 shots a second.
    Burst,
    /// One patient shot for each trigger command.
    WaitForTrigger,
}

/// Which limit the first session passes, once, within its first seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// None.
    None,
    /// A handful of shots at 10.2 to 11.5 mm.
    TooDeep,
    /// A run at 12 shots a second.
    TooFast,
    /// A handful of shots with more volume than the hard limit of the protocol.
    TooMuch,
}

/// One trigger of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedShot {
    /// Time since the shot before, or since the operator's last step, in µs of the gun's clock.
    pub gap_us: u64,
    /// Needle depth that the gun is set to, in µm.
    pub depth_set_um: u32,
    /// Needle depth that it will sense, in µm.
    pub depth_sensed_um: u32,
    /// Volume of the trigger that the gun is set to, in nl.
    pub volume_set_nl: u64,
    /// Volume of the trigger that it will sense, in nl.
    pub volume_sensed_nl: u64,
    /// Shot rate that the gun is set to, in shots per minute.
    pub frequency_spm: u16,
    /// Needles of the head that work.
    pub needles: u8,
    /// Vacuum (negative) at the head, in Pa; absent for a head without.
    pub pressure_pa: Option<i32>,
    /// The bits of `ShotFlags`.
    pub flags: u16,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The operator opens a session.
    OpenSession {
        /// The zone, such as `cheek`.
        zone: String,
        /// The technique, as the domain writes it, such as `point by point`.
        technique: String,
        /// The protocol of the example library, such as `mesolift-face`.
        protocol: String,
    },
    /// A shot into the air, to fill tube and needle.
    Prime(PlannedShot),
    /// A patient shot.
    Fire(PlannedShot),
    /// The next shot waits for a trigger command.
    AwaitTrigger,
    /// Nothing for a while.
    Pause {
        /// How long, in µs.
        us: u64,
    },
    /// The operator puts on a new needle.
    ChangeNeedle,
    /// The operator puts in a new syringe.
    ChangeSyringe,
    /// The operator goes on to another zone.
    NextZone {
        /// The zone.
        zone: String,
    },
    /// The operator ends the session.
    EndSession,
}

impl Step {
    /// Whether the gun waits until the operator has done it.
    pub fn needs_operator(&self) -> bool {
        matches!(
            self,
            Step::OpenSession { .. }
                | Step::ChangeNeedle
                | Step::ChangeSyringe
                | Step::NextZone { .. }
                | Step::EndSession
        )
    }
}

/// The set points of one habit.
struct Recipe {
    protocol: &'static str,
    technique: &'static str,
    zones: &'static [&'static str],
    depth_set_um: (u32, u32),
    volume_set_nl: u64,
    /// Of a breach by volume; above the hard limit of the protocol.
    volume_breach_nl: (u64, u64),
    gap_us: (u64, u64),
    frequency_spm: u16,
    run_shots: (u32, u32),
    pressure_pa: Option<(i32, i32)>,
}

const fn recipe(habit: Habit) -> Recipe {
    match habit {
        Habit::Nappage | Habit::WaitForTrigger => Recipe {
            protocol: "mesolift-face",
            technique: "nappage",
            zones: &["cheek", "forehead", "chin"],
            depth_set_um: (2_000, 3_000),
            volume_set_nl: 18_000,
            volume_breach_nl: (60_000, 80_000),
            // 6 to 8.7 shots a second: always below the nine that the gun is built for.
            gap_us: (115_000, 166_000),
            frequency_spm: 500,
            run_shots: (15, 40),
            pressure_pa: None,
        },
        Habit::PointByPoint => Recipe {
            protocol: "pain-trigger-points",
            technique: "point by point",
            zones: &["lower back", "upper back", "neck", "shoulder"],
            depth_set_um: (4_000, 5_000),
            volume_set_nl: 50_000,
            volume_breach_nl: (230_000, 270_000),
            gap_us: (800_000, 1_300_000),
            frequency_spm: 60,
            run_shots: (6, 12),
            pressure_pa: None,
        },
        Habit::Burst => Recipe {
            protocol: "mesoglow-face",
            technique: "burst",
            zones: &["cheek", "forehead", "neck"],
            depth_set_um: (1_300, 1_600),
            volume_set_nl: 12_000,
            volume_breach_nl: (60_000, 80_000),
            gap_us: (180_000, 220_000),
            frequency_spm: 300,
            run_shots: (5, 8),
            pressure_pa: Some((-45_000, -35_000)),
        },
    }
}

/// The first session's breach begins this long after its first prime, in µs.
const BREACH_AFTER_US: u64 = 2_500_000;
/// How many shots a breach by depth or volume has.
const BREACH_SHOTS: u32 = 4;
/// How many shots a breach by rate has.
const FAST_SHOTS: u32 = 12;
/// A twelfth of a second.
const FAST_GAP_US: u64 = 83_333;
/// A session has at most this many patient shots, the upper end of what a face session has; so
/// its volume stays below the soft limit of the example pack.
const SESSION_SHOTS_MAX: u32 = 200;
/// A session lasts 20 to 60 s of plan time.
const SESSION_US: (u64, u64) = (20_000_000, 60_000_000);
/// The operator turns the depth at one shot of this many.
const DIAL_ONE_IN: u32 = 40;
/// One injection of this many fails.
const FAILED_ONE_IN: u32 = 100;

/// An endless sequence of sessions; same seed, same steps.
#[derive(Debug)]
pub struct Plan {
    random: Pcg64,
    habit: Habit,
    breach: Breach,
    steps: VecDeque<Step>,
    /// Plan time since the first prime of the session, in µs.
    session_us: u64,
    is_first_session: bool,
    is_session_open: bool,
    breach_shots_left: u32,
    /// The depth that the gun is set to, in µm; 0 before the first shot.
    dial_um: u64,
    /// The time between two shots of a gun on a bench, in µs; it knows no sessions.
    bench_gap_us: Option<u64>,
}

impl Plan {
    /// A plan; `seed` decides everything that scatters.
    pub fn new(seed: u64, habit: Habit, breach: Breach) -> Plan {
        Plan {
            random: Pcg64::seed_from_u64(seed),
            habit,
            breach,
            steps: VecDeque::new(),
            session_us: 0,
            is_first_session: true,
            is_session_open: false,
            breach_shots_left: match breach {
                Breach::None => 0,
                Breach::TooDeep | Breach::TooMuch => BREACH_SHOTS,
                Breach::TooFast => FAST_SHOTS,
            },
            dial_um: 0,
            bench_gap_us: None,
        }
    }

    /// A gun on a maker's bench: a shot of nappage every `gap_us`, and nobody at it.
    ///
    /// ```
    /// use meso_testkit::gun::plan::{Plan, Step};
    ///
    /// let mut steps = Plan::on_bench(1, 200_000).take(100);
    /// assert!(steps.all(|step| matches!(step, Step::Fire(shot) if shot.gap_us == 200_000)));
    /// ```
    pub fn on_bench(seed: u64, gap_us: u64) -> Plan {
        Plan {
            bench_gap_us: Some(gap_us),
            ..Plan::new(seed, Habit::Nappage, Breach::None)
        }
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + self.random.next_u64() % span
    }

    /// A number that lies mostly near the middle of `low` to `high`: the mean of three.
    fn scatter(&mut self, low: u64, high: u64) -> u64 {
        (self.between(low, high) + self.between(low, high) + self.between(low, high)) / 3
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.between(1, u64::from(count)) == 1
    }

    /// A value around `set`, at most `per_mille` thousandths away.
    fn around(&mut self, set: u64, per_mille: u64) -> u64 {
        let reach = set * per_mille / 1_000;
        self.scatter(set - reach, set + reach)
    }

    fn begin_session(&mut self, recipe: &Recipe) {
        self.is_session_open = true;
        self.session_us = 0;
        let zone = self.zone(recipe);
        self.steps.push_back(Step::OpenSession {
            zone,
            technique: recipe.technique.to_owned(),
            protocol: recipe.protocol.to_owned(),
        });
        self.primes(recipe, 3);
    }

    fn zone(&mut self, recipe: &Recipe) -> String {
        let last = recipe.zones.len().saturating_sub(1) as u64;
        let place = self.between(0, last) as usize;
        recipe
            .zones
            .get(place)
            .copied()
            .unwrap_or("cheek")
            .to_owned()
    }

    fn primes(&mut self, recipe: &Recipe, count: u32) {
        for _ in 0..count {
            let mut shot = self.shot(recipe);
            shot.gap_us = self.between(400_000, 600_000);
            self.session_us += shot.gap_us;
            self.steps.push_back(Step::Prime(shot));
        }
    }

    /// A shot of the habit, without a breach.
    fn shot(&mut self, recipe: &Recipe) -> PlannedShot {
        // The dial has steps of 0.1 mm and is turned now and then, not at every shot.
        if self.dial_um == 0 || self.one_in(DIAL_ONE_IN) {
            let (low, high) = recipe.depth_set_um;
            self.dial_um = self.between(u64::from(low / 100), u64::from(high / 100)) * 100;
        }
        let depth_set_um = self.dial_um;
        let depth_sensed_um = self.around(depth_set_um, 60);
        let volume_sensed_nl = self.around(recipe.volume_set_nl, 55);
        PlannedShot {
            gap_us: self.between(recipe.gap_us.0, recipe.gap_us.1),
            depth_set_um: small(depth_set_um),
            depth_sensed_um: small(depth_sensed_um),
            volume_set_nl: recipe.volume_set_nl,
            volume_sensed_nl,
            frequency_spm: recipe.frequency_spm,
            needles: 1,
            pressure_pa: recipe.pressure_pa.map(|(low, high)| {
                let above = self.scatter(0, u64::from(high.abs_diff(low)));
                low.saturating_add_unsigned(small(above))
            }),
            flags: 0,
        }
    }

    fn patient_shot(&mut self, recipe: &Recipe) -> PlannedShot {
        let mut shot = self.shot(recipe);
        let is_due = self.is_first_session
            && self.breach_shots_left > 0
            && (self.session_us >= BREACH_AFTER_US || self.habit == Habit::WaitForTrigger);
        if is_due {
            self.breach_shots_left -= 1;
            self.overstep(recipe, &mut shot);
        } else if self.one_in(FAILED_ONE_IN) {
            shot.volume_sensed_nl = 0;
            shot.flags = FAILED_INJECTION;
        }
        shot
    }

    fn overstep(&mut self, recipe: &Recipe, shot: &mut PlannedShot) {
        match self.breach {
            Breach::None => {}
            Breach::TooDeep => {
                shot.depth_sensed_um = small(self.between(10_200, 11_500));
                shot.depth_set_um = shot.depth_sensed_um / 100 * 100;
            }
            Breach::TooFast => {
                shot.gap_us = FAST_GAP_US;
                shot.frequency_spm = 720;
            }
            Breach::TooMuch => {
                let (low, high) = recipe.volume_breach_nl;
                shot.volume_sensed_nl = self.between(low, high);
                shot.volume_set_nl = shot.volume_sensed_nl / 1_000 * 1_000;
            }
        }
    }

    /// Lays out a run of shots and says how many they are.
    fn run(&mut self, recipe: &Recipe) -> u32 {
        let count = small(self.between(recipe.run_shots.0.into(), recipe.run_shots.1.into()));
        for _ in 0..count {
            let shot = self.patient_shot(recipe);
            self.session_us += shot.gap_us;
            self.steps.push_back(Step::Fire(shot));
        }
        count
    }

    /// What lies between two runs: a breath, now and then a longer pause or an operator's step.
    fn between_runs(&mut self, recipe: &Recipe) {
        // Before the breach is done nobody pauses, so that it comes within the first seconds.
        let is_before_breach = self.is_first_session && self.breach_shots_left > 0;
        if is_before_breach {
            return;
        }
        let us = if self.one_in(6) {
            self.between(3_000_000, 6_000_000)
        } else {
            self.between(500_000, 1_500_000)
        };
        self.session_us += us;
        self.steps.push_back(Step::Pause { us });
        match self.between(0, 9) {
            0 => self.steps.push_back(Step::ChangeNeedle),
            1 => {
                self.steps.push_back(Step::ChangeSyringe);
                self.primes(recipe, 2);
            }
            2 | 3 => {
                let zone = self.zone(recipe);
                self.steps.push_back(Step::NextZone { zone });
            }
            _ => {}
        }
    }

    fn end_session(&mut self) {
        self.is_session_open = false;
        self.is_first_session = false;
        self.steps.push_back(Step::EndSession);
        let us = self.between(2_000_000, 5_000_000);
        self.steps.push_back(Step::Pause { us });
    }

    /// Lays out a whole session, or for the habit that waits, the next shot.
    fn lay_out(&mut self) {
        let recipe = recipe(self.habit);
        if let Some(gap_us) = self.bench_gap_us {
            let shot = self.shot(&recipe);
            self.steps
                .push_back(Step::Fire(PlannedShot { gap_us, ..shot }));
            return;
        }
        if !self.is_session_open {
            self.begin_session(&recipe);
        }
        if self.habit == Habit::WaitForTrigger {
            let mut shot = self.patient_shot(&recipe);
            if self.breach != Breach::TooFast {
                shot.gap_us = 0;
            }
            self.steps.extend([Step::AwaitTrigger, Step::Fire(shot)]);
            return;
        }
        let length_us = self.between(SESSION_US.0, SESSION_US.1);
        let mut shots_left = SESSION_SHOTS_MAX;
        while self.session_us < length_us && shots_left >= recipe.run_shots.1 {
            shots_left -= self.run(&recipe);
            self.between_runs(&recipe);
        }
        self.end_session();
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.steps.is_empty() {
            self.lay_out();
        }
        self.steps.pop_front()
    }
}

/// The flag bit of a failed injection.
const FAILED_INJECTION: u16 = meso_link_proto::ShotFlags::FAILED_INJECTION.bits();

/// A number of the plan that is far below the end of `u32`.
fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
