//! Shots as points of an InfluxDB: 1.8 and later, 2.x, 3 Core.
//!
//! Written by `/api/v2/write`, read by InfluxQL over `/query`; what these servers share, and where
//! they differ, decides how: a body with a bad line is halved until the line stands alone, a point
//! is only ever sent again as it was, and every question has a time window.

mod admin;
mod bisect;
mod client;
mod doubt;
mod fetch;
mod line;
mod options;
mod point;
mod query;
mod roll_up;
mod shelf;

pub use admin::{InfluxReport, InitOutcome, inspect_influx, prepare_influx};
pub use options::{InfluxOptions, InfluxToken};
pub(crate) use shelf::InfluxShelf;
