//! The whole way of a shot under one seeded scheduler, with faults.
//!
//! The state machines are the real ones: the gun's ring and both ends of the link, the driver's
//! engine with its sender, the ingest with its receiver, and the ledger. Around them lie models of
//! what the real ones touch: lines, clocks, a journal's disk, a broker, a store's disk. One
//! scheduler takes one step after the other, each chosen by the seed; a fault may come between any
//! two effects. After every step what must always hold is looked at, now and then everything is
//! compared with what the guns have truly fired, and at the end all faults cease and everything
//! must be there: each shot once, with the fields that the gun measured, and nothing missing but
//! what a fault has destroyed, by name.
//!
//! A panic breaks a promise like any other, and `cargo xtask simulate` builds with checked sums, so
//! that one that would wrap around in silence is a panic.
//!
//! It is **not** a measurement and no replacement for the tests on real processes: the time is
//! simulated, the models are only as bad as we made them, and threads do not occur.
//!
//! Read first: [`Plan`], [`run`], [`shrink`].
//!
//! ```
//! use meso_simulation::{Plan, run};
//!
//! let outcome = run(Plan::new(7, 300))?;
//! assert_eq!(outcome.lost, 0);
//! # Ok::<(), meso_simulation::SimulationError>(())
//! ```

mod broker;
mod compare;
mod dice;
mod error;
mod gun;
mod journal;
mod line;
mod plan;
mod room;
mod server;
mod shrink;
mod store;
mod temper;
mod world;

pub use error::SimulationError;
pub use plan::{Fault, FaultSet, Plan, Plant};
pub use shrink::shrink;
pub use world::{Outcome, run};
