//! Canonical bytes: one and only one byte string for each record.
//!
//! # Format, version 1
//!
//! A record is `kind: u8`, `version: u8`, then its fields in the order of this crate's source.
//! Integers are little-endian and of fixed width. An optional field is `0` or `1` followed by the
//! value. Text is UTF-8 behind a `u16` length. A list is a `u16` length and its items. There is no
//! padding, no default and no other way to write a value, so equal records have equal bytes and
//! unequal records have unequal bytes.
//!
//! The record hash is SHA-256 of [`HASH_DOMAIN`] followed by the canonical bytes.
//!
//! # Version policy
//!
//! Bytes of a published version never change. A new field means a new version number beside the
//! old one, and both decode for ever.

use core::fmt;

use meso_units::{Timestamp, UnitError};
use sha2::{Digest, Sha256};

/// Put before the bytes of every record hash, so that no other hash can be taken for one.
pub const HASH_DOMAIN: &[u8] = b"mesofleet/record/v1\0";

/// The longest text in a record, in bytes; longer text is refused, never cut.
pub const TEXT_LENGTH_MAX: usize = 1_024;

/// The longest list in a record; a longer one is refused, never cut.
pub const LIST_LENGTH_MAX: usize = 4_096;

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// The bytes end inside a field.
    #[error("the record ends at byte {at} inside a field of {wanted} bytes")]
    Truncated {
        /// Where the field begins.
        at: usize,
        /// How long the field is.
        wanted: usize,
    },
    /// Bytes are left after the last field.
    #[error("{left} bytes follow the last field of the record")]
    TrailingBytes {
        /// How many.
        left: usize,
    },
    /// The record is of another kind or of an unknown version.
    #[error("record kind {kind} version {version} is not kind {expected} version 1")]
    WrongKind {
        /// The kind byte that was found.
        kind: u8,
        /// The version byte that was found.
        version: u8,
        /// The kind byte that was expected.
        expected: u8,
    },
    /// A code has no meaning in this version.
    #[error("{field} has the unknown code {code}")]
    UnknownCode {
        /// The field.
        field: &'static str,
        /// The code.
        code: u64,
    },
    /// A text or a list is longer than allowed, or not UTF-8.
    #[error("{field} of length {length} is not allowed")]
    WrongLength {
        /// The field.
        field: &'static str,
        /// The length found.
        length: usize,
    },
    /// A value is not a quantity or an identifier.
    #[error("a field is out of range")]
    Unit(#[from] UnitError),
    /// Fields contradict each other.
    #[error("a shot contradicts itself")]
    Shot(#[from] crate::ShotError),
}

/// A record with canonical bytes.
pub trait Canonical: Sized {
    /// The first byte of the record.
    const KIND: u8;

    /// Writes the fields.
    fn encode_fields(&self, encoder: &mut Encoder);

    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] for bytes that are not such a record.
    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Self, CanonicalError>;

    /// The one byte string of this record.
    fn canonical_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.u8(Self::KIND);
        encoder.u8(1);
        self.encode_fields(&mut encoder);
        encoder.into_bytes()
    }

    /// Reads a whole record.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] for bytes that are not exactly one such record.
    fn from_canonical(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let mut decoder = Decoder::new(bytes);
        let (kind, version) = (decoder.u8()?, decoder.u8()?);
        if kind != Self::KIND || version != 1 {
            return Err(CanonicalError::WrongKind {
                kind,
                version,
                expected: Self::KIND,
            });
        }
        let record = Self::decode_fields(&mut decoder)?;
        decoder.finish()?;
        Ok(record)
    }

    /// The hash that blocks and reports commit to.
    fn record_hash(&self) -> RecordHash {
        RecordHash::of_canonical(&self.canonical_bytes())
    }
}

/// The hash of a record's canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordHash(pub [u8; 32]);

impl RecordHash {
    /// Hashes canonical bytes under [`HASH_DOMAIN`].
    pub fn of_canonical(bytes: &[u8]) -> RecordHash {
        RecordHash(sha256(&[HASH_DOMAIN, bytes]))
    }
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Writes canonical fields.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Begins with room for so many bytes, so that a long record is not moved while it grows.
    pub fn with_capacity(bytes: usize) -> Encoder {
        Encoder {
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// Writes one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }
    /// Writes two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
    /// Writes four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
    /// Writes eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
    /// Writes eight bytes, two's complement.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
    /// Writes bytes of a fixed length.
    pub fn fixed(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }
    /// Writes text behind its length.
    pub fn text(&mut self, value: &str) {
        // Text is checked at construction; a longer one would be cut here rather than panic,
        // and could then not decode to the same record.
        let end = value.len().min(TEXT_LENGTH_MAX);
        self.u16(end as u16);
        self.bytes.extend_from_slice(&value.as_bytes()[..end]);
    }
    /// Writes a moment.
    pub fn timestamp(&mut self, value: Timestamp) {
        self.i64(value.unix_ns());
    }
    /// Writes an optional value.
    pub fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Encoder, &T)) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                write(self, value);
            }
        }
    }
    /// Writes a list behind its length.
    pub fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Encoder, &T)) {
        let length = values.len().min(LIST_LENGTH_MAX);
        self.u16(length as u16);
        for value in &values[..length] {
            write(self, value);
        }
    }
    /// The bytes written so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads canonical fields.
#[derive(Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Begins at the first byte.
    pub const fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, at: 0 }
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::Truncated`] when fewer are left.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CanonicalError> {
        let truncated = CanonicalError::Truncated {
            at: self.at,
            wanted: N,
        };
        let end = self.at.checked_add(N).ok_or(truncated.clone())?;
        let slice = self.bytes.get(self.at..end).ok_or(truncated.clone())?;
        self.at = end;
        slice.try_into().map_err(|_| truncated)
    }
    /// Reads one byte.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, CanonicalError> {
        Ok(self.fixed::<1>()?[0])
    }
    /// Reads two bytes.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::Truncated`] at the end.
    pub fn u16(&mut self) -> Result<u16, CanonicalError> {
        Ok(u16::from_le_bytes(self.fixed()?))
    }
    /// Reads four bytes.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::Truncated`] at the end.
    pub fn u32(&mut self) -> Result<u32, CanonicalError> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }
    /// Reads eight bytes.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::Truncated`] at the end.
    pub fn u64(&mut self) -> Result<u64, CanonicalError> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }
    /// Reads eight bytes, two's complement.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::Truncated`] at the end.
    pub fn i64(&mut self) -> Result<i64, CanonicalError> {
        Ok(i64::from_le_bytes(self.fixed()?))
    }
    /// Reads a moment.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] at the end or before 1970.
    pub fn timestamp(&mut self) -> Result<Timestamp, CanonicalError> {
        Ok(Timestamp::from_unix_ns(self.i64()?)?)
    }
    /// Reads text.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] at the end, above [`TEXT_LENGTH_MAX`], or when not UTF-8.
    pub fn text(&mut self, field: &'static str) -> Result<&'a str, CanonicalError> {
        let length = usize::from(self.u16()?);
        if length > TEXT_LENGTH_MAX {
            return Err(CanonicalError::WrongLength { field, length });
        }
        let end = self.at + length;
        let slice = self
            .bytes
            .get(self.at..end)
            .ok_or(CanonicalError::Truncated {
                at: self.at,
                wanted: length,
            })?;
        self.at = end;
        core::str::from_utf8(slice).map_err(|_| CanonicalError::WrongLength { field, length })
    }
    /// Reads an optional value.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] for a presence byte that is neither 0 nor 1, or of the value.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, CanonicalError>,
    ) -> Result<Option<T>, CanonicalError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            code => Err(CanonicalError::UnknownCode {
                field: "presence",
                code: code.into(),
            }),
        }
    }
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] above [`LIST_LENGTH_MAX`], or of an item.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        mut read: impl FnMut(&mut Decoder<'a>) -> Result<T, CanonicalError>,
    ) -> Result<Vec<T>, CanonicalError> {
        let length = usize::from(self.u16()?);
        if length > LIST_LENGTH_MAX {
            return Err(CanonicalError::WrongLength { field, length });
        }
        (0..length).map(|_| read(self)).collect()
    }
    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::TrailingBytes`] when something is.
    pub const fn finish(&self) -> Result<(), CanonicalError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(CanonicalError::TrailingBytes { left }),
        }
    }
}

/// Gives an enum of codes its canonical byte and its public name, in one table.
macro_rules! coded {
    ($name:ident, $field:literal, $($variant:ident = $code:literal, $text:literal;)+) => {
        impl $name {
            /// Every value, in the order of its code.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The code in canonical bytes; it never changes.
            pub const fn code(self) -> u8 {
                match self { $($name::$variant => $code),+ }
            }

            /// Reads a code.
            ///
            /// # Errors
            ///
            /// [`crate::CanonicalError::UnknownCode`] for a code without a meaning.
            pub fn from_code(code: u8) -> Result<$name, $crate::CanonicalError> {
                match code {
                    $($code => Ok($name::$variant),)+
                    code => Err($crate::CanonicalError::UnknownCode {
                        field: $field,
                        code: code.into(),
                    }),
                }
            }

            /// The name in JSON, CSV and on the screen.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// Reads a name as [`Self::as_str`] writes it.
            pub fn parse(text: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use coded;
