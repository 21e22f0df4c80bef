//! The command line, run as a program.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod command;
mod sample;
