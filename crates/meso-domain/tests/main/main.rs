//! The public interface of the model: pinned bytes, round trips, what a block refuses.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod golden_interlock_v1;
mod golden_merge_v1;
mod golden_retired_v1;
mod golden_v1;
mod properties;
mod samples;
mod statement_samples;
mod statements;
