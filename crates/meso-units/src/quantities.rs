//! Measured quantities: one checked integer type each.

use core::fmt;

use crate::UnitError;
use crate::parse::{Grammar, Unit, parse_decimal};

/// Defines a checked quantity: `new`, `get`, `MIN`, `MAX`, `Display` with its unit.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $repr:ty, $min:expr, $max:expr, $label:literal, $symbol:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($repr);

        impl $name {
            /// The smallest possible value.
            pub const MIN: $name = $name($min);
            /// The largest possible value.
            pub const MAX: $name = $name($max);

            /// Checks the raw number and wraps it.
            ///
            /// # Errors
            ///
            /// [`UnitError::OutOfRange`] outside [`Self::MIN`] to [`Self::MAX`].
            #[allow(unused_comparisons)]
            pub const fn new(raw: $repr) -> Result<$name, UnitError> {
                if raw < $min || raw > $max {
                    return Err(UnitError::OutOfRange {
                        quantity: $label,
                        value: raw as i64,
                        min: $min as i64,
                        max: $max as i64,
                    });
                }
                Ok($name(raw))
            }

            /// The raw number, in the unit of this type.
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, $symbol)
            }
        }
    };
}

quantity!(
    /// A needle depth: the travel of the needle, in whole micrometres (µm), 0 to 13 000.
    ///
    /// It is what the gun did, not where the product lies: tissue gives way, so screens and
    /// reports say *needle depth*, and layer bands are nominal. The upper end is the longest
    /// needle tip in use, 13 mm; a frame that claims more is not believed.
    Micrometres, u32, 0, 13_000, "needle depth in µm", "µm"
);

impl Micrometres {
    /// Reads `"4 mm"` or `"1500 um"`; the unit is required.
    ///
    /// # Errors
    ///
    /// [`UnitError`] for text without a known unit, finer than 1 µm, or out of range.
    ///
    /// ```
    /// # use meso_units::Micrometres;
    /// assert_eq!(Micrometres::parse("4 mm")?.get(), 4_000);
    /// assert!(Micrometres::parse("4").is_err());
    /// # Ok::<(), meso_units::UnitError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Micrometres, UnitError> {
        let grammar = Grammar {
            quantity: "needle depth in µm",
            units: &[
                Unit {
                    name: "mm",
                    decimals: 3,
                },
                Unit {
                    name: "um",
                    decimals: 0,
                },
            ],
            unit_names: "mm, um",
            step: "um",
        };
        let steps = parse_decimal(text, &grammar)?;
        u32::try_from(steps).map_or(
            Err(UnitError::OutOfRange {
                quantity: "needle depth in µm",
                value: steps,
                min: 0,
                max: i64::from(Micrometres::MAX.0),
            }),
            Micrometres::new,
        )
    }
}

quantity!(
    /// A volume in whole nanolitres (nl), of one trigger or of a total, 0 to 10 litres.
    ///
    /// The upper end only keeps sums far from overflow. What one trigger can deliver at most is
    /// a rule of the shot, not of the unit.
    Nanolitres, u64, 0, 10_000_000_000, "volume in nl", "nl"
);

impl Nanolitres {
    /// Nothing delivered; a dry shot.
    pub const ZERO: Nanolitres = Nanolitres(0);

    /// Reads `"0.02 ml"`, `"20 ul"` or `"20000 nl"`; the unit is required.
    ///
    /// # Errors
    ///
    /// [`UnitError`] for text without a known unit, finer than 1 nl, or out of range.
    ///
    /// ```
    /// # use meso_units::Nanolitres;
    /// assert_eq!(Nanolitres::parse("0.02 ml")?.get(), 20_000);
    /// # Ok::<(), meso_units::UnitError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Nanolitres, UnitError> {
        let grammar = Grammar {
            quantity: "volume in nl",
            units: &[
                Unit {
                    name: "ml",
                    decimals: 6,
                },
                Unit {
                    name: "ul",
                    decimals: 3,
                },
                Unit {
                    name: "nl",
                    decimals: 0,
                },
            ],
            unit_names: "ml, ul, nl",
            step: "nl",
        };
        let steps = parse_decimal(text, &grammar)?;
        u64::try_from(steps).map_or(
            Err(UnitError::OutOfRange {
                quantity: "volume in nl",
                value: steps,
                min: 0,
                max: i64::MAX,
            }),
            Nanolitres::new,
        )
    }

    /// Adds two volumes.
    ///
    /// # Errors
    ///
    /// [`UnitError::Overflow`] when the sum is above [`Nanolitres::MAX`].
    pub const fn checked_add(self, other: Nanolitres) -> Result<Nanolitres, UnitError> {
        let sum = self.0 + other.0; // both are at most MAX, far below u64::MAX / 2
        if sum > Nanolitres::MAX.0 {
            return Err(UnitError::Overflow {
                quantity: "volume in nl",
                left: self.0 as i64,
                right: other.0 as i64,
            });
        }
        Ok(Nanolitres(sum))
    }
}

quantity!(
    /// A duration in whole microseconds (µs), 0 to about 285 years.
    ///
    /// Used for the time since the last trigger, as the gun's own clock measured it.
    Microseconds, u64, 0, 9_000_000_000_000_000, "duration in µs", "µs"
);

impl Microseconds {
    /// The rate of events that are this far apart, in thousandths of a hertz, rounded down;
    /// `None` for an interval of zero.
    ///
    /// ```
    /// # use meso_units::Microseconds;
    /// assert_eq!(Microseconds::new(111_111)?.rate_mhz(), Some(9_000));
    /// # Ok::<(), meso_units::UnitError>(())
    /// ```
    pub const fn rate_mhz(self) -> Option<u64> {
        1_000_000_000_u64.checked_div(self.0)
    }
}

quantity!(
    /// A shot rate that a gun was set to, in shots per minute, 1 to 6 000.
    ///
    /// Automatic guns reach about 9 shots a second (540 a minute); the range leaves room for
    /// ten times that so that a wrong setting can be recorded and judged.
    ShotsPerMinute, u16, 1, 6_000, "shot rate in shots per minute", "/min"
);

quantity!(
    /// A pressure against the air around it in whole pascals (Pa); negative is suction.
    GaugePascals, i32, -101_325, 1_000_000, "gauge pressure in Pa", "Pa"
);

quantity!(
    /// How many needles of a head worked, 1 to 99.
    NeedleCount, u8, 1, 99, "needle count", "needles"
);

quantity!(
    /// A number of shots.
    ShotCount, u64, 0, 9_000_000_000_000_000, "shot count", "shots"
);

quantity!(
    /// A battery or supply voltage in whole millivolts (mV).
    Millivolts, u32, 0, 60_000, "voltage in mV", "mV"
);

quantity!(
    /// A temperature in thousandths of a degree Celsius (m°C).
    MilliCelsius, i32, -50_000, 150_000, "temperature in m°C", "m°C"
);
