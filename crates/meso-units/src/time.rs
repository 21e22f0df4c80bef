//! The two clocks: UTC as the host maps it, and the gun's own tick.

use core::fmt;

use crate::UnitError;

/// A moment in UTC, in nanoseconds since 1970, from 1970 to the year 2262.
///
/// It is assigned once, by the driver, and never changes. It is never an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Timestamp = Timestamp(0);

    /// 2025-01-01T00:00:00Z: a computer whose clock shows less was never set.
    pub const PLAUSIBLE_FROM: Timestamp = Timestamp(1_735_689_600_000_000_000);

    /// Wraps nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`UnitError::OutOfRange`] for a moment before 1970.
    pub const fn from_unix_ns(ns: i64) -> Result<Timestamp, UnitError> {
        if ns < 0 {
            return Err(UnitError::OutOfRange {
                quantity: "time in ns since 1970",
                value: ns,
                min: 0,
                max: i64::MAX,
            });
        }
        Ok(Timestamp(ns))
    }

    /// Nanoseconds since 1970.
    pub const fn unix_ns(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn unix_ms(self) -> i64 {
        self.0 / 1_000_000
    }

    /// The moment `ns` nanoseconds later, held at the last representable moment.
    pub const fn saturating_add_ns(self, ns: i64) -> Timestamp {
        let later = self.0.saturating_add(ns);
        Timestamp(if later < 0 { 0 } else { later })
    }

    /// Nanoseconds from `earlier` to `self`; negative when `earlier` is later.
    pub const fn since_ns(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ns since 1970", self.0)
    }
}

/// The gun's own clock: microseconds since that gun's start (boot), 0 to about 285 years.
///
/// It never converts into a [`Timestamp`] by itself: the driver's clock mapping does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GunTick(u64);

impl GunTick {
    /// The largest tick that is believed.
    pub const MAX: GunTick = GunTick(9_000_000_000_000_000);

    /// Wraps microseconds since the gun's start.
    ///
    /// # Errors
    ///
    /// [`UnitError::OutOfRange`] above [`GunTick::MAX`].
    pub const fn new(us: u64) -> Result<GunTick, UnitError> {
        if us > GunTick::MAX.0 {
            return Err(UnitError::OutOfRange {
                quantity: "gun tick in µs",
                value: i64::MAX,
                min: 0,
                max: GunTick::MAX.0 as i64,
            });
        }
        Ok(GunTick(us))
    }

    /// Microseconds since the gun's start.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// How far a mapped time may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Uncertainty {
    /// At most this many nanoseconds to either side.
    Within(u64),
    /// The clock is not trusted yet; rules about time answer "not checkable".
    Unbounded,
}

/// A stretch of one driver's clock without a step; a step begins the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockSegment(pub u32);
