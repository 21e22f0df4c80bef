//! From a run that failed to a smaller one that fails too.

use crate::{Plan, SimulationError, run};

/// Rounds of shrinking; what is left after them is small enough to read.
const ROUNDS_MAX: u32 = 4;

/// Looks for fewer steps and fewer kinds of faults with which the run still fails.
///
/// Gives the smaller plan and what it ends with; the plan itself where nothing smaller fails.
pub fn shrink(plan: Plan, error: SimulationError) -> (Plan, SimulationError) {
    let mut best = (plan, error);
    for _ in 0..ROUNDS_MAX {
        let before = best.0;
        for fault in before.faults.iter() {
            let faults = best.0.faults.without(fault);
            best = smaller(best, |plan| Plan { faults, ..plan });
        }
        for divisor in [2, 4, 8] {
            best = smaller(best, |plan| Plan {
                steps: plan.steps - plan.steps / divisor,
                ..plan
            });
        }
        if best.0 == before {
            break;
        }
    }
    best
}

fn smaller(
    best: (Plan, SimulationError),
    change: impl FnOnce(Plan) -> Plan,
) -> (Plan, SimulationError) {
    let plan = change(best.0);
    match run(plan) {
        Err(error @ SimulationError::Broken { .. }) if plan != best.0 => (plan, error),
        _ => best,
    }
}
