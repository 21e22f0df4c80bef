//! The emulated gun: its plan, its process, its own log.

pub mod bank;
pub mod fault;
pub(crate) mod line;
pub mod log;
pub mod plan;
pub(crate) mod player;
pub mod process;

pub use meso_link_proto::auth::LinkKey;
