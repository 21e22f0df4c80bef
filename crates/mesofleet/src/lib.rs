//! The parts of the `mesofleet` program: ingest, service and reports.
//!
//! [`serve::Server`] puts broker, ingest, store, ledger and web into one process.
//!
//! Read first: [`serve::Server`], [`ingest::Ingest`].

pub mod alert;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod conform;
pub mod demo;
pub mod emulate;
mod emulate_profile;
mod firmware;
pub mod ingest;
mod link_key;
pub mod logging;
pub mod protocol;
pub mod quarantine;
pub mod report_export;
pub mod room;
#[cfg(test)]
mod samples;
pub mod serve;
mod server_client;
pub mod store;
