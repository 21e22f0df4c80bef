//! Whether the C library, the Rust crate and an independent third speak the same meso link.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod bench;
mod codec;
mod constants;
mod describe;
mod fuzz;
mod gun;
mod hash;
mod messages;
mod sealed;
mod vectors;
