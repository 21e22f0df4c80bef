//! From a run that failed to a smaller one that fails too.

use crate::{Plan, SimulationError, run};

/// Rounds of shrinking; what is left after them is small enough to read.
const ROUNDS_MAX: u32 = 4;

/// Looks for fewer steps and fewer kinds of faults with which the run still breaks the same promise.
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
    if plan == best.0 {
        return best;
    }
    match run(plan) {
        Err(error) if is_same_kind(&error, &best.1) => (plan, error),
        _ => best,
    }
}

/// Another promise is another mistake, which would hide the first.
fn is_same_kind(error: &SimulationError, found: &SimulationError) -> bool {
    error.promise().is_some() && error.promise() == found.promise()
}
