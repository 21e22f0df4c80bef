//! Bundles that are as they should be, and bundles that somebody changed.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod completeness;
mod golden;
mod sample;
mod tampering;
mod whole;
