//! The life cycle of an alert: a judged shot in, transitions and notifications out.
//!
//! One breach makes one alert, not one for each shot: at nine shots a second nobody reads the
//! ninth message. An [`Alert`] is one *episode* of one rule, gun and session; it counts its shots,
//! escalates from soft to hard, is acknowledged by a person and resolves. A hard alert stays until
//! somebody acknowledges it, whatever the shots after it say.
//!
//! It does **not** judge shots, send anything, or keep anything on a disk; it has no clock. Every
//! call may be repeated, and a shot that it has seen before changes nothing.
//!
//! Read first: [`Alerts`], [`Alert`], [`Outcome`].
//!
//! ```
//! use meso_alerts::{Alerts, JudgedShot};
//! use meso_domain::{Bound, Finding, Purpose, Rule, Severity, ShotIdentity};
//! use meso_units::{ClinicId, Epoch, GunSerial, ShotCounter, Timestamp};
//!
//! let too_deep = Finding {
//!     rule: Rule::NeedleDepth,
//!     severity: Severity::Hard,
//!     bound: Some(Bound::Maximum),
//!     value: 10_800,
//!     limit: 10_000,
//!     reason: None,
//! };
//! let identity = ShotIdentity {
//!     gun: GunSerial::parse("GUN-0001")?,
//!     epoch: Epoch(7),
//!     counter: ShotCounter(12),
//! };
//! let clinic = ClinicId::parse("demo")?;
//! let mut alerts = Alerts::default();
//! let shot = JudgedShot {
//!     identity: &identity,
//!     at: Timestamp::from_unix_ns(1_000)?,
//!     purpose: Purpose::Patient,
//!     clinic: &clinic,
//!     session: None,
//!     findings: &[too_deep],
//! };
//! assert_eq!(alerts.shot(&shot).notifications.len(), 1);
//! assert!(alerts.shot(&shot).transitions.is_empty(), "the same shot again changes nothing");
//! # Ok::<(), meso_units::UnitError>(())
//! ```

mod alert;
mod codec;
mod error;
mod machine;
mod seen;
mod track;

pub use alert::{Alert, AlertId, AlertKey, AlertState, Notification, Transition, TransitionKind};
pub use error::AlertError;
pub use machine::{Alerts, JudgedShot, Outcome};
pub use seen::SeenShots;
pub use track::{RuleTrack, Track};
