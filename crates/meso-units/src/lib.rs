//! Physical quantities and identifiers as checked integers.
//!
//! Everything that the fleet measures or names is a type of this crate: a needle depth is a
//! [`Micrometres`], never a bare number, so that a depth cannot be stored as a volume and a value
//! outside the physically possible range cannot exist past the first check.
//!
//! It is **not** a general units library: there are no conversions but the ones that the field
//! uses, no floating point, and no arithmetic that could overflow without saying so.
//!
//! Read first: [`Micrometres`], [`Nanolitres`], [`GunSerial`].
//!
//! ```
//! use meso_units::Micrometres;
//!
//! let depth = Micrometres::parse("1.5 mm")?;
//! assert_eq!(depth.get(), 1_500);
//! assert!(Micrometres::new(13_001).is_err(), "no needle tip is longer than 13 mm");
//! # Ok::<(), meso_units::UnitError>(())
//! ```
#![no_std]

extern crate alloc;

mod error;
mod identifiers;
mod parse;
mod quantities;
mod time;

pub use error::UnitError;
pub use identifiers::{
    BlockNumber, BootId, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, LibraryVersion,
    OperatorId, Partition, PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter,
};
pub use quantities::{
    GaugePascals, Micrometres, Microseconds, MilliCelsius, Millivolts, Nanolitres, NeedleCount,
    ShotCount, ShotsPerMinute,
};
pub use time::{ClockSegment, GunTick, Timestamp, Uncertainty};
