//! The program as a person starts it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panic"
)]

mod conform;
mod protocol;
