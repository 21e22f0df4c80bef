//! The whole way of a shot, with the real programs: gun, driver, broker, ingest, store, report,
//! verification.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod bad_input;
mod bundle;
mod conform;
mod courses;
mod demo;
mod interfaces;
mod links;
mod programs;
mod retire;
