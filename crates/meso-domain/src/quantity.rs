//! A quantity that may be missing, and where its value came from.

use meso_units::{Micrometres, Nanolitres, NeedleCount, OperatorId};

use crate::canonical::{CanonicalError, Decoder, Encoder, coded};

/// What a computed value was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Derivation {
    /// Needle length and the angle of the needle.
    NeedleLengthAndAngle,
    /// Travel of the plunger and the cross-section of the syringe.
    PlungerTravel,
    /// Number of needles of the head that is mounted.
    MountedHead,
}

coded!(Derivation, "derivation",
    NeedleLengthAndAngle = 1, "needle length and angle";
    PlungerTravel = 2, "plunger travel";
    MountedHead = 3, "mounted head";
);

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A sensor of the gun measured it.
    Sensed,
    /// It was computed from something else.
    Computed(Derivation),
    /// A person typed it.
    Typed(OperatorId),
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

impl<T> Sourced<T> {
    /// A value that a sensor measured.
    pub const fn sensed(value: T) -> Sourced<T> {
        Sourced {
            value,
            source: Source::Sensed,
        }
    }
}

/// What a gun was told, and what it did; either may be missing, and missing is never zero.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity<T> {
    /// The set point.
    pub set: Option<T>,
    /// What happened, with its source.
    pub actual: Option<Sourced<T>>,
}

impl<T: Copy> Quantity<T> {
    /// Nothing known.
    pub const UNKNOWN: Quantity<T> = Quantity {
        set: None,
        actual: None,
    };

    /// The actual value, whatever its source.
    pub fn actual_value(&self) -> Option<T> {
        self.actual.as_ref().map(|actual| actual.value)
    }
}

/// A value of fixed width in canonical bytes.
pub(crate) trait Field: Sized {
    fn write(&self, encoder: &mut Encoder);
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, CanonicalError>;
}

impl Field for Micrometres {
    fn write(&self, encoder: &mut Encoder) {
        encoder.u32(self.get());
    }
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, CanonicalError> {
        Ok(Micrometres::new(decoder.u32()?)?)
    }
}

impl Field for Nanolitres {
    fn write(&self, encoder: &mut Encoder) {
        encoder.u64(self.get());
    }
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, CanonicalError> {
        Ok(Nanolitres::new(decoder.u64()?)?)
    }
}

impl Field for NeedleCount {
    fn write(&self, encoder: &mut Encoder) {
        encoder.u8(self.get());
    }
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, CanonicalError> {
        Ok(NeedleCount::new(decoder.u8()?)?)
    }
}

impl<T: Field> Field for Sourced<T> {
    fn write(&self, encoder: &mut Encoder) {
        self.value.write(encoder);
        match &self.source {
            Source::Sensed => encoder.u8(1),
            Source::Computed(derivation) => {
                encoder.u8(2);
                encoder.u8(derivation.code());
            }
            Source::Typed(operator) => {
                encoder.u8(3);
                encoder.text(operator.as_str());
            }
        }
    }
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, CanonicalError> {
        let value = T::read(decoder)?;
        let source = match decoder.u8()? {
            1 => Source::Sensed,
            2 => Source::Computed(Derivation::from_code(decoder.u8()?)?),
            3 => Source::Typed(OperatorId::parse(decoder.text("typed by")?)?),
            code => {
                return Err(CanonicalError::UnknownCode {
                    field: "source",
                    code: code.into(),
                });
            }
        };
        Ok(Sourced { value, source })
    }
}

impl<T: Field> Field for Quantity<T> {
    fn write(&self, encoder: &mut Encoder) {
        encoder.option(self.set.as_ref(), |e, value| value.write(e));
        encoder.option(self.actual.as_ref(), |e, value| value.write(e));
    }
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, CanonicalError> {
        Ok(Quantity {
            set: decoder.option(T::read)?,
            actual: decoder.option(Sourced::read)?,
        })
    }
}

impl core::fmt::Display for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Source::Sensed => f.write_str("sensed"),
            Source::Computed(derivation) => write!(f, "computed: {derivation}"),
            Source::Typed(operator) => write!(f, "typed: {operator}"),
        }
    }
}

impl Source {
    /// Reads text as `Display` writes it: `sensed`, `computed: plunger travel`, `typed: op-7`.
    pub fn parse(text: &str) -> Option<Source> {
        if text == "sensed" {
            return Some(Source::Sensed);
        }
        if let Some(derivation) = text.strip_prefix("computed: ") {
            return Derivation::parse(derivation).map(Source::Computed);
        }
        OperatorId::parse(text.strip_prefix("typed: ")?)
            .ok()
            .map(Source::Typed)
    }
}
