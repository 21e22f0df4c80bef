//! A gun: the real ring and link, and what was truly fired.

use std::collections::HashMap;

use meso_domain::ShotIdentity;
use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, LeaseLoss, Measured, ShotEvent,
    ShotFlags,
};
use meso_units::{
    BootId, Epoch, GaugePascals, GunSerial, GunTick, Micrometres, Nanolitres, NeedleCount,
    ShotCounter, ShotsPerMinute,
};

use crate::SimulationError;
use crate::dice::Dice;

/// A shot as the gun fired it.
#[derive(Clone, Debug)]
pub(crate) struct Fired {
    pub(crate) event: ShotEvent,
    /// The simulated time, in ns.
    pub(crate) fired_at_ns: u64,
    /// A fault has destroyed its only copy; it may be missing, by name.
    pub(crate) is_destroyed: bool,
}

/// An unbroken run of a gun's counter: from a start without memory, or a new epoch, to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) shots: Vec<Fired>,
}

/// A gun.
#[derive(Debug)]
pub(crate) struct Gun {
    pub(crate) serial: GunSerial,
    pub(crate) link: GunLink,
    /// Where it is plugged in.
    pub(crate) room: Option<usize>,
    pub(crate) runs: Vec<Run>,
    run_of: HashMap<Epoch, usize>,
    ring_shots_max: usize,
    started_at_ns: u64,
    boot_count: u32,
    boot: BootId,
    /// How fast its crystal is, in parts per million off.
    drift_ppm: i64,
    newest_tick: u64,
    fired_count: u64,
    /// Up to here its acknowledgements were looked at: epoch and counter.
    pub(crate) checked: (Option<Epoch>, u32),
}

impl Gun {
    pub(crate) fn new(
        index: usize,
        ring_shots_max: usize,
        dice: &mut Dice,
    ) -> Result<Gun, SimulationError> {
        let serial =
            GunSerial::parse(&format!("GUN-{:04}", index + 1)).map_err(SimulationError::setup)?;
        let boot = BootId(new_boot(dice));
        let link = GunLink::new(settings(&serial, boot, 1, ring_shots_max)?);
        Ok(Gun {
            serial,
            link,
            room: None,
            runs: vec![Run::default()],
            run_of: HashMap::new(),
            ring_shots_max,
            started_at_ns: 0,
            boot_count: 1,
            boot,
            drift_ppm: i64::try_from(dice.below(200)).unwrap_or(0) - 100,
            newest_tick: 0,
            fired_count: 0,
            checked: (None, 0),
        })
    }

    /// The gun's clock.
    pub(crate) fn tick(&self, now_ns: u64) -> GunTick {
        let us = now_ns.saturating_sub(self.started_at_ns) / 1_000;
        let drift_us = i64::try_from(us).unwrap_or(i64::MAX) / 1_000_000 * self.drift_ppm;
        GunTick::new(us.saturating_add_signed(drift_us)).unwrap_or(GunTick::MAX)
    }

    /// Fires once; gives the counter that the ring had to overwrite for it, if any.
    pub(crate) fn fire(&mut self, now_ns: u64, dice: &mut Dice) -> Option<u32> {
        let tick = self.tick(now_ns).get().max(self.newest_tick + 1);
        let Ok(tick) = GunTick::new(tick) else {
            return None;
        };
        let before = self.link.inventory();
        self.fired_count += 1;
        let Ok(event) = self.link.fire(measured(self.fired_count, dice), tick) else {
            return None;
        };
        self.newest_tick = tick.get();
        if let Some(run) = self.runs.last_mut() {
            run.shots.push(Fired {
                event,
                fired_at_ns: now_ns,
                is_destroyed: false,
            });
        }
        let after = self.link.inventory().oldest;
        before
            .oldest
            .filter(|oldest| Some(*oldest) != after)
            .map(ShotCounter::get)
    }

    /// Takes note of the epoch: the first of a run belongs to it, another one begins the next.
    pub(crate) fn note_epoch(&mut self) {
        let Some(epoch) = self.link.epoch() else {
            return;
        };
        let current = self.runs.len() - 1;
        match self.runs[current].epoch {
            Some(known) if known == epoch => return,
            Some(_) => self.runs.push(Run::default()),
            None => {}
        }
        let current = self.runs.len() - 1;
        self.runs[current].epoch = Some(epoch);
        self.run_of.insert(epoch, current);
    }

    /// Counters that the ring holds.
    pub(crate) fn ring(&self) -> Option<(u32, u32)> {
        let inventory = self.link.inventory();
        Some((inventory.oldest?.get(), inventory.newest?.get()))
    }

    /// The battery was taken out: the ring is gone, and the counter cannot be proven.
    pub(crate) fn cut_power(
        &mut self,
        now_ns: u64,
        dice: &mut Dice,
    ) -> Result<(), SimulationError> {
        self.boot = BootId(new_boot(dice));
        self.boot_count += 1;
        let settings = settings(
            &self.serial,
            self.boot,
            self.boot_count,
            self.ring_shots_max,
        )?;
        self.link = GunLink::new(settings);
        self.started_at_ns = now_ns;
        self.newest_tick = 0;
        self.runs.push(Run::default());
        self.checked = (None, 0);
        Ok(())
    }

    /// What was fired under an identity.
    pub(crate) fn fired(&self, epoch: Epoch, counter: ShotCounter) -> Option<&Fired> {
        let run = self.runs.get(*self.run_of.get(&epoch)?)?;
        let place = usize::try_from(counter.get().checked_sub(1)?).ok()?;
        run.shots.get(place)
    }

    /// Every shot that has an identity.
    pub(crate) fn identified(&self) -> impl Iterator<Item = (ShotIdentity, &Fired)> {
        self.runs.iter().flat_map(move |run| {
            let epoch = run.epoch;
            run.shots.iter().filter_map(move |fired| {
                let identity = ShotIdentity {
                    gun: self.serial.clone(),
                    epoch: epoch?,
                    counter: fired.event.key.counter,
                };
                Some((identity, fired))
            })
        })
    }

    /// Whether it holds shots that nobody has acknowledged, or has no epoch yet.
    pub(crate) fn waits(&self) -> bool {
        let inventory = self.link.inventory();
        inventory.epoch.is_none() || inventory.acknowledged < inventory.newest
    }

    /// Marks shots of a run with an epoch as destroyed, where nobody has them any more.
    pub(crate) fn destroy_known(&mut self, run: usize, is_safe: impl Fn(Epoch, u32) -> bool) {
        if self.runs.get(run).is_some_and(|run| run.epoch.is_some()) {
            self.destroy(run, (0, u32::MAX), is_safe);
        }
    }

    /// Marks shots of the present run as destroyed, where nobody else has them.
    pub(crate) fn destroy(
        &mut self,
        run: usize,
        counters: (u32, u32),
        is_safe: impl Fn(Epoch, u32) -> bool,
    ) {
        let Some(run) = self.runs.get_mut(run) else {
            return;
        };
        for fired in &mut run.shots {
            let counter = fired.event.key.counter.get();
            if counters.0 <= counter && counter <= counters.1 {
                fired.is_destroyed |= !run.epoch.is_some_and(|epoch| is_safe(epoch, counter));
            }
        }
    }
}

fn new_boot(dice: &mut Dice) -> u32 {
    u32::try_from(dice.name() & u64::from(u32::MAX)).unwrap_or(1)
}

fn settings(
    serial: &GunSerial,
    boot: BootId,
    boot_count: u32,
    ring_shots_max: usize,
) -> Result<GunSettings, SimulationError> {
    let text = |field, text| GunText::new(field, text).map_err(SimulationError::setup);
    Ok(GunSettings {
        serial: serial.clone(),
        model: text("model", "SIM")?,
        firmware: text("firmware", "1.0.0")?,
        firmware_hash: [0; 8],
        boot,
        boot_count,
        capabilities: Capabilities::SENSES_VOLUME,
        limits: GunLimits::default(),
        lease_loss: LeaseLoss::Continue,
        ring_shots_max,
        key: None,
        nonce_seed: meso_link_proto::auth::NonceSeed::new([7; 32]),
    })
}

/// What one trigger measures; the sensed volume counts the triggers, so that no two are alike.
fn measured(number: u64, dice: &mut Dice) -> Measured {
    let depth_um = u32::try_from(dice.between(500, 9_000)).unwrap_or(500);
    let depth = Micrometres::new(depth_um).ok();
    Measured {
        depth_set: depth,
        depth_sensed: depth.filter(|_| !dice.one_in(8)),
        volume_set: Nanolitres::new(20_000).ok(),
        volume_sensed: Nanolitres::new(number % 9_000_000 + 1).ok(),
        frequency_set: ShotsPerMinute::new(300).ok().filter(|_| dice.one_in(2)),
        needles_working: NeedleCount::new(5).ok().filter(|_| dice.one_in(2)),
        pressure: GaugePascals::new(-30_000).ok().filter(|_| dice.one_in(2)),
        purpose: None,
        flags: ShotFlags(u16::try_from(dice.below(4)).unwrap_or(0)),
    }
}
