//! The emulated gun: its plan, its process behind a pseudo-terminal, and the conformance kit on it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panic"
)]

mod bank;
mod conform;
mod plan;
mod process;
