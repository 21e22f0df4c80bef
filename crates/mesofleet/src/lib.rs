//! The parts of the `mesofleet` program: ingest, service and reports.
//!
//! [`serve::Server`] puts broker, ingest, store, ledger and web into one process.
//!
//! Read first: [`serve::Server`], [`ingest::Ingest`].

pub mod cli;
pub mod clock;
pub mod conform;
pub mod demo;
pub mod emulate;
pub mod ingest;
pub mod logging;
pub mod report_export;
#[cfg(test)]
mod samples;
pub mod serve;
