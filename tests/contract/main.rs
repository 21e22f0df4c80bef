//! Pinned bytes of everything that leaves one process for another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod v01;
