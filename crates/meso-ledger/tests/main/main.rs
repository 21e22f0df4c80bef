#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

//! The public face of the log: proofs against another implementation, and pinned bytes.

mod golden;
mod oracle;
mod signatures;
