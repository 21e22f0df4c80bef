//! The fault matrix: what is done to real programs while guns fire, and what came of it.
//!
//! Every round has a clinic of its own: emulated guns behind pseudo-terminals, the real driver, the
//! real server with its ingest, store and ledger, and where the fault is one of theirs a real
//! broker or database, with proxies on the lines between. While the guns fire, one fault happens
//! at seeded moments and ends. Then everything must be stored: the guns' own logs are compared
//! field by field with everything that arrived, before any key could hide a copy.
//!
//! What may be missing is computed by the fault itself, at the moment at which it destroys
//! something: the shots of which it destroys the sole copy, and nothing else.
//!
//! It is **not** a simulation: what the operating system does between two moments is different
//! each time. The simulation of the same way is `meso-simulation`, and repeats to the last step.

mod clinic;
mod clock;
mod count;
mod database;
mod disk;
mod faults;
mod moments;
mod round;
mod row;
#[cfg(test)]
mod samples;
mod sessions;
mod setup;

pub use clinic::{Clinic, PATIENCE, Who};
pub use count::{Allowed, Count};
pub use database::Database;
pub use disk::{Ext4Disk, SmallDisk};
pub use faults::all_faults;
pub use moments::Moments;
pub use round::{Finished, Plan, run, run_round};
pub use row::{Row, markdown};
pub use sessions::Sessions;
pub use setup::Setup;

/// Something that happens to a clinic.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name in the table and on the command line.
    pub name: &'static str,
    /// What is done, in one sentence.
    pub what: &'static str,
    /// What its rounds begin with, where that is not the usual.
    pub setup: fn(&mut Setup),
    /// Does it and undoes it; the guns fire meanwhile.
    pub act: fn(&mut Clinic, &mut Moments) -> anyhow::Result<()>,
}

/// The usual clinic.
const fn usual(_: &mut Setup) {}
