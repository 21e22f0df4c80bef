//! How the world of a seed is: which faults come, how often, how the rooms are set up.

use meso_config::DriverConfig;

use crate::SimulationError;
use crate::dice::Dice;
use crate::line::Noise;
use crate::plan::{Fault, FaultSet, Plan, Plant};

/// How this seed's world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    pub(crate) faults: FaultSet,
    /// Of so many steps one is a fault.
    pub(crate) fault_one_in: u64,
    pub(crate) noise: Noise,
    pub(crate) plant: Option<Plant>,
    /// How often a gun fires, in thousandths of the steps.
    pub(crate) fire_permille: u64,
    /// How long a step is at most in most cases, in ns.
    pub(crate) short_ns: u64,
    /// How many messages the ingest takes for one commit.
    pub(crate) commit_max: u64,
}

/// Each seed has its own faults, so that one kind does not always hide another.
pub(crate) fn temper(plan: Plan, dice: &mut Dice, fate: &mut Dice, omen: &mut Dice) -> Temper {
    let chosen = Fault::ALL.into_iter().enumerate().filter(|(index, _)| {
        let dice = match *index < Fault::SHARING_COUNT {
            true => &mut *fate,
            false => &mut *omen,
        };
        dice.below(3) > 0
    });
    let chosen = chosen.map(|(_, kind)| kind);
    let chosen: Vec<Fault> = chosen.collect();
    let chosen = chosen.into_iter().fold(FaultSet::NONE, FaultSet::with);
    let faults = chosen.and(plan.faults);
    let noise = Noise {
        corrupt_one_in: fate.between(5, 200),
        lose_one_in: fate.between(5, 200),
    };
    let is_noisy = faults.has(Fault::LineNoise);
    Temper {
        faults,
        fault_one_in: [20, 60, 200, 600][fate.index(4)],
        noise: if is_noisy { noise } else { Noise::default() },
        plant: plan.plant,
        fire_permille: [20, 60, 120, 200][dice.index(4)],
        short_ns: [200_000, 4_000_000, 30_000_000][dice.index(3)],
        commit_max: [1, 4, 32][dice.index(3)],
    }
}

pub(crate) fn config(
    room: u64,
    shots_max: u64,
    open_ms_max: u64,
) -> Result<DriverConfig, SimulationError> {
    let text = format!(
        "version = 1\n[driver]\nid = \"room-{room}\"\nclinic = \"riverside\"\n\
         time_zone = \"UTC\"\ndata_dir = \"data\"\n\
         [blocks]\nshots_max = {shots_max}\nopen_ms_max = {open_ms_max}\n"
    );
    DriverConfig::parse("driver.toml", &text).map_err(SimulationError::setup)
}
