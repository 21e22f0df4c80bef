//! Computers whose clock is wrong, or is set.

use anyhow::ensure;

use crate::matrix::clinic::{Clinic, Who};
use crate::matrix::{Fault, Moments};

/// Ten minutes to thirty hours.
const STEP_S: (u64, u64) = (600, 108_000);
/// Back to the middle of the nineteen-seventies, as after an empty battery.
const NEVER_SET_S: i64 = -1_600_000_000;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "clock-forward",
        what: "The clock of driver, server or both is set forward by minutes to a day, and back.",
        setup: |setup| setup.false_clocks = true,
        act: |clinic, moments| step(clinic, moments, 1),
    },
    Fault {
        name: "clock-back",
        what: "The clock of driver, server or both is set back by minutes to a day, and forward.",
        setup: |setup| setup.false_clocks = true,
        act: |clinic, moments| step(clinic, moments, -1),
    },
    Fault {
        name: "clock-wrong-at-boot",
        what: "The room's computer starts with a clock of the 1970s; seconds later it is set.",
        setup: |setup| setup.false_clocks = true,
        act: wrong_at_boot,
    },
];

fn step(clinic: &mut Clinic, moments: &mut Moments, sign: i64) -> anyhow::Result<()> {
    moments.rest(300, 1_500);
    let step_s = sign * i64::try_from(moments.between(STEP_S.0, STEP_S.1))?;
    let whose: &[Who] = match moments.between(0, 2) {
        0 => &[Who::Driver],
        1 => &[Who::Server],
        _ => &[Who::Driver, Who::Server],
    };
    for who in whose {
        ensure!(
            clinic.has_false_clock(*who)?,
            "the clock of {who:?} is the computer's"
        );
    }
    let mut before = 0;
    clinic.wait_until("the driver knows the clock of a gun", || {
        let began_at = gun_began_at(clinic);
        before = began_at.unwrap_or(0);
        began_at.is_some()
    })?;
    whose
        .iter()
        .try_for_each(|who| clinic.set_clock(*who, step_s))?;
    moments.rest(1_500, 3_000);
    if whose.contains(&Who::Driver) {
        clinic.wait_until("the driver notices that its clock was set", || {
            let moved = gun_began_at(clinic).map(|at| at.abs_diff(before));
            moved.is_some_and(|moved_ns| moved_ns > STEP_S.0 * 500_000_000)
        })?;
    }
    whose.iter().try_for_each(|who| clinic.set_clock(*who, 0))
}

/// When a gun's clock began, by the driver's, in ns since 1970.
fn gun_began_at(clinic: &Clinic) -> Option<i64> {
    let gun = clinic.drivers[0].gun(clinic.serial(0))?;
    gun.clock.map(|clock| clock.offset_ns)
}

fn wrong_at_boot(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(300, 1_000);
    clinic.kill(Who::Driver);
    clinic.set_clock(Who::Driver, NEVER_SET_S)?;
    clinic.start_again(Who::Driver)?;
    moments.rest(2_000, 4_000);
    clinic.wait_until("the driver does not trust its clock", || {
        let state = clinic.drivers[0].state();
        state.is_some_and(|state| !state.clock_trusted)
    })?;
    clinic.set_clock(Who::Driver, 0)
}
