//! One life for each breach.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod bytes;
mod fleet;
mod late;
mod life;
mod merging;
mod order;
mod outbox;
mod people;
mod world;
