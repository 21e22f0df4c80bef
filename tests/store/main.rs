//! The stores as a whole: the InfluxDB one on a real `influxd`, and the commands on both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may panic"
)]

#[path = "../../crates/meso-store/tests/contract/mod.rs"]
mod contract;
mod demo;
mod influx;
mod lost;
#[path = "../e2e/programs.rs"]
#[allow(
    dead_code,
    reason = "shared with the end-to-end tests, which use more of it"
)]
mod programs;
#[path = "../../crates/meso-store/tests/samples/mod.rs"]
mod samples;
mod start;
