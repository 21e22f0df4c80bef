//! What rooms do to guns and drivers, with the real driver and the real server: nothing that was
//! fired is lost, nothing is stored twice, and what cannot be had is named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod clock;
mod custody;
mod gun;
mod kills;
mod line;
mod scene;
