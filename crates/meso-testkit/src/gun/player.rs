//! Plays a plan on the gun's clock: pure, time comes in as an argument.

use meso_link_proto::{Measured, Purpose, SetPoints, ShotFlags};
use meso_units::{
    GaugePascals, GunTick, Micrometres, Nanolitres, NeedleCount, ShotsPerMinute, UnitError,
};

use super::plan::{Plan, PlannedShot, Step};

/// What the gun is to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Ask the operator for this step, then go on when told to.
    Ask(Step),
    /// Fire; the tick is the planned one, whenever that is played.
    Fire {
        /// What is measured.
        measured: Box<Measured>,
        /// The gun's clock at the trigger.
        tick: GunTick,
    },
}

/// What the player waits for.
#[derive(Debug)]
enum Waiting {
    Nothing,
    Operator,
    Trigger,
    Until(u64),
    Shot {
        due_us: u64,
        shot: PlannedShot,
        purpose: Purpose,
    },
}

/// A plan being played.
#[derive(Debug)]
pub(crate) struct Player {
    plan: Plan,
    waiting: Waiting,
    /// The gun's clock at the last shot, pause or operator's step.
    anchor_us: u64,
    triggers: u32,
    is_stopped: bool,
}

/// How many trigger commands may wait; a person's further presses are dropped.
const TRIGGERS_MAX: u32 = 8;

impl Player {
    pub(crate) fn new(plan: Plan, now: GunTick) -> Player {
        Player {
            plan,
            waiting: Waiting::Nothing,
            anchor_us: now.get(),
            triggers: 0,
            is_stopped: false,
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// The operator has done the step that was asked for.
    pub(crate) fn go_on(&mut self, now: GunTick) {
        if matches!(self.waiting, Waiting::Operator) {
            self.waiting = Waiting::Nothing;
            self.anchor_us = now.get();
        }
    }

    /// Somebody has pulled the trigger.
    pub(crate) fn trigger(&mut self) {
        self.triggers = (self.triggers + 1).min(TRIGGERS_MAX);
    }

    /// Nothing more is fired.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
        self.waiting = Waiting::Nothing;
    }

    /// The gun could not fire: what is due is put off until it can, and counts from then.
    pub(crate) fn hold(&mut self, now: GunTick) {
        if let Waiting::Shot { due_us, .. } = &mut self.waiting {
            *due_us = now.get().max(*due_us);
            self.anchor_us = *due_us;
        }
    }

    /// When something is due by the gun's clock; `None` while only a person can go on.
    pub(crate) fn due_us(&self) -> Option<u64> {
        match &self.waiting {
            Waiting::Nothing => (!self.is_stopped).then_some(0),
            Waiting::Operator => None,
            Waiting::Trigger => (self.triggers > 0).then_some(0),
            Waiting::Until(us) => Some(*us),
            Waiting::Shot { due_us, .. } => Some(*due_us),
        }
    }

    /// What the gun is set to for the shot that comes next, where that is known already.
    pub(crate) fn set_points(&self) -> Option<SetPoints> {
        let Waiting::Shot { shot, purpose, .. } = &self.waiting else {
            return None;
        };
        Some(SetPoints {
            depth: Micrometres::new(shot.depth_set_um).ok(),
            volume: Nanolitres::new(shot.volume_set_nl).ok(),
            frequency: ShotsPerMinute::new(shot.frequency_spm).ok(),
            needles: NeedleCount::new(shot.needles).ok(),
            purpose: Some(*purpose),
        })
    }

    /// Whether a shot is due now.
    pub(crate) fn is_shot_due(&self, now: GunTick) -> bool {
        matches!(&self.waiting, Waiting::Shot { due_us, .. } if now.get() >= *due_us)
    }

    /// The next action that is due, or `None` until [`Player::due_us`].
    ///
    /// # Errors
    ///
    /// [`UnitError`] for a plan whose numbers are not possible.
    pub(crate) fn next(&mut self, now: GunTick) -> Result<Option<Action>, UnitError> {
        while !self.is_stopped {
            match core::mem::replace(&mut self.waiting, Waiting::Nothing) {
                Waiting::Nothing => {
                    let Some(step) = self.plan.next() else {
                        return Ok(None);
                    };
                    if let Some(asked) = self.begin(step) {
                        return Ok(Some(Action::Ask(asked)));
                    }
                }
                Waiting::Operator => {
                    self.waiting = Waiting::Operator;
                    return Ok(None);
                }
                Waiting::Trigger if self.triggers > 0 => {
                    self.triggers -= 1;
                    self.anchor_us = now.get();
                }
                Waiting::Trigger => {
                    self.waiting = Waiting::Trigger;
                    return Ok(None);
                }
                Waiting::Until(us) if now.get() >= us => self.anchor_us = us,
                Waiting::Shot {
                    due_us,
                    shot,
                    purpose,
                } if now.get() >= due_us => {
                    self.anchor_us = due_us;
                    let measured = Box::new(measured(&shot, purpose)?);
                    return Ok(Some(Action::Fire {
                        measured,
                        tick: GunTick::new(due_us)?,
                    }));
                }
                waiting => {
                    self.waiting = waiting;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Begins a step; returns it when the operator is to be asked.
    fn begin(&mut self, step: Step) -> Option<Step> {
        if step.needs_operator() {
            self.waiting = Waiting::Operator;
            return Some(step);
        }
        let shot_at = |shot: &PlannedShot, anchor_us: u64| anchor_us.saturating_add(shot.gap_us);
        self.waiting = match step {
            Step::Prime(shot) => Waiting::Shot {
                due_us: shot_at(&shot, self.anchor_us),
                shot,
                purpose: Purpose::Prime,
            },
            Step::Fire(shot) => Waiting::Shot {
                due_us: shot_at(&shot, self.anchor_us),
                shot,
                purpose: Purpose::Patient,
            },
            Step::Pause { us } => Waiting::Until(self.anchor_us.saturating_add(us)),
            _ => Waiting::Trigger,
        };
        None
    }
}

/// What a planned shot measures.
pub(crate) fn measured(shot: &PlannedShot, purpose: Purpose) -> Result<Measured, UnitError> {
    Ok(Measured {
        depth_set: Some(Micrometres::new(shot.depth_set_um)?),
        depth_sensed: Some(Micrometres::new(shot.depth_sensed_um)?),
        volume_set: Some(Nanolitres::new(shot.volume_set_nl)?),
        volume_sensed: Some(Nanolitres::new(shot.volume_sensed_nl)?),
        frequency_set: Some(ShotsPerMinute::new(shot.frequency_spm)?),
        needles_working: Some(NeedleCount::new(shot.needles)?),
        pressure: shot.pressure_pa.map(GaugePascals::new).transpose()?,
        purpose: Some(purpose),
        flags: ShotFlags(shot.flags),
    })
}
