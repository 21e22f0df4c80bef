//! The life cycle of an alert: a judged shot in, transitions and notifications out.
//!
//! One breach makes one alert, not one for each shot: at nine shots a second nobody reads the
//! ninth message. An [`Alert`] is one *episode* of one rule, gun and session, or of something wrong
//! with the fleet itself; it counts its shots, turns from soft to hard, is acknowledged by a person,
//! silenced for a while, escalates when nobody looks, and resolves. A hard alert stays until
//! somebody acknowledges it, whatever the shots after it say. Shots that come late may show that
//! two episodes were one: then they merge.
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
//!     library: None,
//!     findings: &[too_deep],
//! };
//! assert_eq!(alerts.shot(&shot).notifications.len(), 1);
//! assert!(alerts.shot(&shot).transitions.is_empty(), "the same shot again changes nothing");
//! # Ok::<(), meso_units::UnitError>(())
//! ```

mod advice;
mod alert;
mod cause;
mod codec;
mod error;
mod id;
mod machine;
mod outbox;
mod seen;
mod track;
mod transition;

pub use alert::{Alert, AlertState, Sighting, Worst};
pub use cause::FleetCause;
pub use error::AlertError;
pub use id::{AlertId, AlertKey, Subject};
pub use machine::{Alerts, Deed, Escalation, JudgedShot, LateBreach, Observation, Outcome};
pub use outbox::{Channel, Item, Letter, Outbox, QuietHours};
pub use seen::SeenShots;
pub use track::{RuleTrack, Track};
pub use transition::{Notification, Reason, Transition, TransitionKind};
