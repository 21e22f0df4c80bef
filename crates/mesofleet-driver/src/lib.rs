//! The driver daemon of a treatment room: from the guns' ports to the broker, with a journal
//! between.
//!
//! A shot comes from a port, gets its time and its segment, is judged, goes into the journal, and
//! only then is acknowledged to the gun. Sealed blocks go to the broker again and again until the
//! ingest's watermark covers them. After `kill -9` at any point the next start goes on with
//! nothing lost and nothing doubled: everything that counts is in the journal or still in a gun.
//!
//! It is **not** a server and keeps no treatment data longer than delivery needs. The decisions
//! are in the engine, which reads no clock and opens nothing; [`run`] owns ports, files and
//! connections.
//!
//! Read first: [`Settings`], [`run`].
//!
//! ```
//! use mesofleet_driver::{Overrides, Settings};
//!
//! let text = r#"
//!     version = 1
//!     [driver]
//!     id = "room-1"
//!     clinic = "example-clinic"
//!     time_zone = "Europe/Vienna"
//!     data_dir = "driver-data"
//! "#;
//! let settings = Settings::from_text("driver.toml", text, Overrides::default())?;
//! assert_eq!(settings.config().driver_id.as_str(), "room-1");
//! # Ok::<(), mesofleet_driver::SettingsError>(())
//! ```

mod broker;
mod daemon;
mod engine;
mod error;
mod gun_events;
mod keys;
mod latency;
mod library;
mod machine;
mod outbox;
mod platform;
mod profiles;
mod replacing;
mod settings;
pub mod simulation;
mod supervisor;

pub use broker::broker_of;
pub use daemon::run;
pub use engine::{LINK_VALUES, RESUME_VALUES, Resumed, STOP_VALUES, Stopped};
pub use error::DriverError;
pub use keys::{KeyProblem, read_keys, write_new_key};
pub use platform::terminated;
pub use replacing::{incarnation_text, make_successor};
pub use settings::{Overrides, Settings, SettingsError, loopback};
pub use supervisor::Supervisor;
