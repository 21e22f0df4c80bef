//! The emulated gun: its plan, its process, its own log.

pub mod fault;
mod line;
pub mod log;
pub mod plan;
mod player;
pub mod process;
