//! Programs that are killed or stand still.

use crate::matrix::clinic::{Clinic, Who};
use crate::matrix::{Fault, Moments, Setup, usual};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "driver-kill",
        what: "The driver is killed with -9 one to three times and started again.",
        setup: in_sessions,
        act: |clinic, moments| kill(clinic, moments, &[Who::Driver]),
    },
    Fault {
        name: "driver-stop",
        what: "The driver stands still (SIGSTOP) for one to seven seconds.",
        setup: usual,
        act: |clinic, moments| stand_still(clinic, moments, Who::Driver, 7_000),
    },
    Fault {
        name: "broker-kill",
        what: "Mosquitto is killed with -9 one to three times and started again; it forgets all.",
        setup: in_sessions,
        act: |clinic, moments| kill(clinic, moments, &[Who::Broker]),
    },
    Fault {
        name: "broker-stop",
        what: "Mosquitto stands still (SIGSTOP) for one to seven seconds.",
        setup: usual,
        act: |clinic, moments| stand_still(clinic, moments, Who::Broker, 7_000),
    },
    Fault {
        name: "ingest-kill",
        what: "The server is killed with -9 one to three times and started again.",
        setup: in_sessions,
        act: |clinic, moments| kill(clinic, moments, &[Who::Server]),
    },
    Fault {
        name: "ingest-and-embedded-broker-kill",
        what: "The same where the broker is the server's own.",
        setup: |setup| setup.broker = false,
        act: |clinic, moments| kill(clinic, moments, &[Who::Server]),
    },
    Fault {
        name: "ingest-stop",
        what: "The server stands still (SIGSTOP) for one to seven seconds.",
        setup: usual,
        act: |clinic, moments| stand_still(clinic, moments, Who::Server, 7_000),
    },
    Fault {
        name: "database-kill",
        what: "influxd is killed with -9 one to three times and started again.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| kill(clinic, moments, &[Who::Database]),
    },
    Fault {
        name: "database-stop",
        what: "influxd stands still (SIGSTOP) for one to seven seconds.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| stand_still(clinic, moments, Who::Database, 7_000),
    },
    Fault {
        name: "everything-kill",
        what: "Driver, broker, server and influxd are killed with -9 at one moment and started \
               again.",
        setup: |setup| {
            setup.database = true;
            in_sessions(setup);
        },
        act: |clinic, moments| {
            let all = [Who::Driver, Who::Broker, Who::Server, Who::Database];
            kill(clinic, moments, &all)
        },
    },
];

/// Every gun works in a session of its own that is open from before the fault until after it.
const fn in_sessions(setup: &mut Setup) {
    setup.sessions = true;
}

fn kill(clinic: &mut Clinic, moments: &mut Moments, whom: &[Who]) -> anyhow::Result<()> {
    for _ in 0..moments.between(1, 3) {
        moments.rest(100, 1_200);
        whom.iter().for_each(|who| clinic.kill(*who));
        moments.rest(0, 1_000);
        // In any order, as after a power cut.
        match moments.coin() {
            true => whom.iter().try_for_each(|who| clinic.start_again(*who))?,
            false => {
                let mut backwards = whom.iter().rev();
                backwards.try_for_each(|who| clinic.start_again(*who))?;
            }
        }
    }
    Ok(())
}

fn stand_still(
    clinic: &mut Clinic,
    moments: &mut Moments,
    who: Who,
    longest_ms: u64,
) -> anyhow::Result<()> {
    moments.rest(100, 1_500);
    clinic.freeze(who, true)?;
    moments.rest(1_000, longest_ms);
    clinic.freeze(who, false)
}
