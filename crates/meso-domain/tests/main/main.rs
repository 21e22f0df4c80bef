//! The public interface of the model: pinned bytes, round trips, what a block refuses.

mod golden_v1;
mod properties;
mod samples;
