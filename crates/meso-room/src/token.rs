//! The secret that a caller on the same computer must know.

use core::fmt::Write as _;

/// A random token of one start of the driver; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Makes the token of random bytes, which the caller draws.
    pub fn from_bytes(bytes: [u8; 32]) -> Token {
        let mut text = String::with_capacity(64);
        for byte in bytes {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Token(text)
    }

    /// The text for `room.json`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is the token, in a time that does not tell how much of it is right.
    pub fn matches(&self, given: &str) -> bool {
        let (ours, given) = (self.0.as_bytes(), given.as_bytes());
        let same = ours
            .iter()
            .zip(given)
            .fold(0, |difference, (a, b)| difference | (a ^ b));
        ours.len() == given.len() && same == 0
    }
}

impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Token(…)")
    }
}
