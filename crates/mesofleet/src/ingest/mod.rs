//! From the broker into store and ledger: what arrives is decided, made durable, proven, and only
//! then acknowledged.
//!
//! [`Ingest`] is the part without threads and sockets: one commit as four steps, each of which may
//! be the last before the power fails. The worker drives it from one thread of its own; the bus
//! part brings messages to the worker and takes watermarks and acknowledgements back.
//!
//! It is **not** where limits or alerts are decided (their crates do), nor where anything is
//! shown: [`News`] says what changed.

mod amended;
mod arrival;
mod batch;
mod bus;
mod claims;
mod courses;
mod error;
mod gun_alerts;
mod inquiry;
mod late;
mod merges;
mod newest;
mod pipeline;
mod prepare;
mod reading;
mod refill;
mod retire;
mod seal;
mod set_back;
mod shot_store;
mod standing;
mod start;
mod steps;
mod telling;
#[cfg(test)]
mod tests;
mod time_zones;
mod trouble;
mod verdicts;
mod watch;
mod watermarks;
mod worker;

pub use arrival::{Arrival, Way};
pub use bus::{BusOptions, run_bus};
pub use error::IngestError;
pub use gun_alerts::GunAlerts;
pub(crate) use inquiry::narrow;
pub use pipeline::{Ingest, IngestOptions};
pub use retire::{Awaited, RetireError, Retirement};
pub use shot_store::{Recalled, ShotStore};
pub use start::{Running, Started, start_worker};
pub use steps::{
    Committed, LaggingRoom, Logged, NewShot, News, PatientsTold, Prepared, Stored, Watermark,
};
pub use telling::{AlertPolicy, Posted};
pub use time_zones::TimeZones;
pub use watch::{Look, Thresholds};
pub(crate) use worker::chain;
pub use worker::{IMPORT_BLOCKS_MAX, IngestHandle, Listener, Outgoing};
