//! Alerts on their way to people: real servers at the other end, and the real server on this one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod certificates;
mod servers;
mod way;
