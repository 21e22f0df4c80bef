//! Emulated guns for tests and the demo.
//!
//! [`gun::plan`] decides, from a seed alone, what an operator and a gun do; [`gun::process`] plays
//! such a plan in real time behind a pseudo-terminal, so that a driver sees a port like any other;
//! [`gun::log`] is what the gun itself writes down, the truth to which a store is compared.
//!
//! It is **not** part of the product: no core or adapter crate depends on it outside of tests.
//! Only the demo uses its emulated gun.
//!
//! Read first: [`gun::plan::Plan`], [`gun::process::run_gun`], [`gun::log::FiredShot`].
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

pub mod gun;
