//! Ports and guns: emulated ones behind pseudo-terminals, and fake ones that misbehave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panic"
)]

mod emulated;
mod fake;
mod journal;
mod misbehaving;
mod modbus;
mod text_line;
mod usb;
