//! Emulated guns for tests and the demo, and the conformance kit for makers of real ones.
//!
//! [`gun::plan`] decides, from a seed alone, what an operator and a gun do; [`gun::process`] plays
//! such a plan in real time behind a pseudo-terminal, so that a driver sees a port like any other;
//! [`gun::log`] is what the gun itself writes down, the truth to which a store is compared.
//!
//! [`conform`] holds the published checks of the link and runs them against whatever is on a
//! port; [`gun::fault`] makes an emulated gun fail the one that it names.
//!
//! [`qemu`] runs the reference firmware in QEMU, behind a cable and at a test rig.
//!
//! [`influx`] runs a real `influxd` behind a proxy that behaves as its later versions, or badly.
//!
//! [`mosquitto`] runs a real broker that is not ours, [`alertmanager`] and [`mail`] those whom alerts
//! are told to.
//!
//! [`mqtt`] says on a topic what no program of ours would say.
//!
//! [`ports`] are for servers that are ended and started again.
//!
//! [`tcp`] stands between two programs and fails as networks fail.
//!
//! [`backlog`] makes the blocks of journals that have waited for long.
//!
//! [`samples`] are records to begin a test from.
//!
//! [`modbus`] and [`text_line`] are guns of other languages, with the same log of the truth.
//!
//! It is **not** part of the product: no core or adapter crate depends on it outside of tests.
//! Only the demo and the commands under `mesofleet gun` use it.
//!
//! Read first: [`gun::plan::Plan`], [`gun::process::run_gun`], [`gun::log::FiredShot`],
//! [`conform::CHECKS`].
//!
//! ```
//! use meso_testkit::gun::plan::{Breach, Habit, Plan, Step};
//!
//! let mut plan = Plan::new(7, Habit::Nappage, Breach::None);
//! assert!(matches!(plan.next(), Some(Step::OpenSession { .. })));
//! let again = Plan::new(7, Habit::Nappage, Breach::None);
//! let first: Vec<Step> = again.take(500).collect();
//! let second: Vec<Step> = Plan::new(7, Habit::Nappage, Breach::None).take(500).collect();
//! assert_eq!(first, second, "same seed, same shots");
//! ```

pub mod alertmanager;
pub mod backlog;
pub mod conform;
pub mod gun;
pub mod influx;
pub mod mail;
pub mod modbus;
pub mod mosquitto;
pub mod mqtt;
pub mod ports;
pub mod qemu;
pub mod samples;
pub mod tcp;
pub mod text_line;
mod unpacked;
