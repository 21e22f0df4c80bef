//! The crate as its users meet it: files and releases, every rule by scenario, and the promise
//! that order, duplicates and restarts change no verdict.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod library;
mod properties;
mod sample;
mod scenarios;
mod statements;
