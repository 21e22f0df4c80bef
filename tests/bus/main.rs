//! The bus on a broker that is not ours: Debian's Mosquitto on a free port of this computer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod certificates;
mod clinic;
mod external;
mod permissions;
mod shots;
mod tls;
