//! Broker, ingest, store, ledger and web in one process.
//!
//! [`Server::start`] puts them together and [`Server::shutdown`] takes them apart in the order in
//! which nothing is lost. It is **not** the place of any rule: it wires.

mod backend;
mod board;
mod channels;
mod command;
mod live;
mod opening;
mod post;
mod rooms;
mod server;
mod signed_head;
mod state_files;
mod views;

pub use backend::TriggerOnPage;
pub use channels::Notify;
pub(crate) use command::ingest_options;
pub use command::run;
pub(crate) use rooms::retired_view;
pub use server::{BrokerChoice, LibraryInForce, ServeOptions, Server};
pub(crate) use views::alert_view;

#[cfg(test)]
mod tests;
