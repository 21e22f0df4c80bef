//! The public promises of the link: the codec and the two ends over a bad line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panic"
)]

mod authentic;
mod codec;
mod commands;
mod link;
mod salvage;
mod spec;
