//! The reference firmware on an emulated board: an Arm binary behind a wire, and the host's own
//! code on the other side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod bench;
mod board;
mod conform;
mod library;
mod session;
mod usb;
