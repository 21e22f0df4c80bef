//! Which habits of the house are rules: each is a test here, and each checker is itself tested on
//! something that breaks the rule.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod crates;
mod decisions;
mod layout;
mod lengths;
mod paths;
mod platform;
mod purity;
mod source;
mod words;
