//! Pinned bytes of everything that leaves one process for another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod asyncapi;
mod golden;
mod payloads;
mod permissions;
#[path = "../../crates/meso-domain/tests/main/samples.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of the domain, which use more of it"
)]
mod samples;
#[path = "../../crates/meso-domain/tests/main/statement_samples.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of the domain, which use more of it"
)]
mod statement_samples;
mod v01;
