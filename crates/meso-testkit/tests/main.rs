//! The emulated gun: its plan, and its process behind a pseudo-terminal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panic"
)]

mod plan;
mod process;
