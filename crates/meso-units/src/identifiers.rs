//! Names and numbers of things: checked text, random ids, counters.

use alloc::string::{String, ToString};
use core::fmt;

use crate::UnitError;

/// What every identifier of checked text has, however it is kept.
macro_rules! text_id_methods {
    ($name:ident, $kind:literal, $rule:literal, $max:expr, $ok:expr) => {
        impl $name {
            /// The longest such identifier, in bytes.
            pub const LENGTH_MAX: usize = $max;

            /// Checks the text and wraps it.
            ///
            /// # Errors
            ///
            /// [`UnitError::NotAnIdentifier`] for empty, too long or wrongly spelt text.
            pub fn parse(text: &str) -> Result<$name, UnitError> {
                let fits = !text.is_empty() && text.len() <= $max && text.bytes().all($ok);
                if !fits {
                    return Err(UnitError::NotAnIdentifier {
                        kind: $kind,
                        text: text.chars().take(64).collect(),
                        rule: $rule,
                    });
                }
                Ok($name::wrap(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// Defines an identifier of checked text.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $max:expr, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            fn wrap(text: &str) -> $name {
                $name(text.to_string())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_id_methods!($name, $kind, $rule, $max, $ok);
    };
}

/// Defines an identifier of short checked text, which is copied with every shot on its way and so
/// needs no memory of its own.
macro_rules! short_text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $max:expr, $ok:expr) => {
        $(#[$doc])*
        // No allowed byte is zero, so the bytes compare as the texts do.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// Followed by zeros.
            bytes: [u8; $max],
            length: u8,
        }

        impl $name {
            fn wrap(text: &str) -> $name {
                let mut bytes = [0; $max];
                for (to, from) in bytes.iter_mut().zip(text.bytes()) {
                    *to = from;
                }
                let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
                $name { bytes, length }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                let text = self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes);
                core::str::from_utf8(text).unwrap_or_default()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        text_id_methods!($name, $kind, $rule, $max, $ok);
    };
}

const fn is_serial_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-'
}

const fn is_slug_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

short_text_id!(
    /// The serial number of a gun, as its firmware reports it: 1 to 16 of `A-Z 0-9 -`.
    GunSerial, "gun serial number", "1 to 16 of A-Z, 0-9 and -", 16, is_serial_byte
);
short_text_id!(
    /// A clinic: 1 to 32 of `a-z 0-9 -`; safe in a topic and a file name.
    ClinicId, "clinic id", "1 to 32 of a-z, 0-9 and -", 32, is_slug_byte
);
short_text_id!(
    /// A driver daemon, that is one treatment-room PC: 1 to 32 of `a-z 0-9 -`.
    DriverId, "driver id", "1 to 32 of a-z, 0-9 and -", 32, is_slug_byte
);
text_id!(
    /// A protocol of the library, such as `mesolift-face`: 1 to 64 of `a-z 0-9 -`.
    ProtocolId, "protocol id", "1 to 64 of a-z, 0-9 and -", 64, is_slug_byte
);
text_id!(
    /// A person who treats, by staff number or alias, never by name: 1 to 32 of `a-z 0-9 -`.
    OperatorId, "operator id", "1 to 32 of a-z, 0-9 and -", 32, is_slug_byte
);

/// Defines a random or derived identifier of fixed length that prints as lower-case hexadecimal.
macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:expr, $kind:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Wraps the bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> $name {
                $name(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads lower-case hexadecimal.
            ///
            /// # Errors
            ///
            /// [`UnitError::NotAnIdentifier`] for anything else.
            pub fn parse(text: &str) -> Result<$name, UnitError> {
                let wrong = || UnitError::NotAnIdentifier {
                    kind: $kind,
                    text: text.chars().take(64).collect(),
                    rule: $rule,
                };
                let digits = text.as_bytes();
                if digits.len() != $len * 2 {
                    return Err(wrong());
                }
                let mut bytes = [0_u8; $len];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    let high = hex_digit(pair[0]).ok_or_else(wrong)?;
                    let low = hex_digit(pair[1]).ok_or_else(wrong)?;
                    *byte = high << 4 | low;
                }
                Ok($name(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // As one text: it is written once for every shot on its way.
                let mut digits = [0_u8; $len * 2];
                for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
                    pair.copy_from_slice(&[to_hex_digit(byte >> 4), to_hex_digit(byte & 15)]);
                }
                f.write_str(core::str::from_utf8(&digits).unwrap_or_default())
            }
        }
    };
}

const fn to_hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' - 10 + value,
    }
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

bytes_id!(
    /// A session: 16 random bytes.
    SessionId, 16, "session id", "32 digits of 0-9 and a-f"
);
bytes_id!(
    /// A segment of a session: 16 random bytes.
    SegmentId, 16, "segment id", "32 digits of 0-9 and a-f"
);
bytes_id!(
    /// H(salt ‖ patient id): what a record may say of a patient outside the treatment room.
    PatientCommitment, 32, "patient commitment", "64 digits of 0-9 and a-f"
);

/// Defines a counter or number without a unit.
macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $repr:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            /// The raw number.
            pub const fn get(self) -> $repr {
                self.0
            }

            /// The next number, or `None` at the end of the range.
            pub const fn next(self) -> Option<$name> {
                match self.0.checked_add(1) {
                    Some(next) => Some($name(next)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id!(
    /// A run of counters that the gun can prove to be unbroken; a random number that the host
    /// assigns when the gun cannot prove that its counter continues.
    Epoch, u64
);
number_id!(
    /// The number of a shot within its gun and epoch; the first is 1.
    ShotCounter, u32
);
number_id!(
    /// A start of a gun's firmware; information only, never identity.
    BootId, u32
);
number_id!(
    /// One life of a driver's journal; a new journal draws a new random number.
    JournalIncarnation, u64
);
number_id!(
    /// The number of a record block within (driver, journal incarnation, stream); the first is 1.
    BlockNumber, u64
);
number_id!(
    /// A release of the protocol library; each release counts up by one.
    LibraryVersion, u32
);
number_id!(
    /// A share of the guns, by hash of the serial number modulo a fixed count.
    Partition, u16
);
