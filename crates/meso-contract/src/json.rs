//! The one way from a message to JSON and, with its version checked, back.

use serde::{Deserialize, Serialize};

use crate::{PAYLOAD_VERSION, PayloadError};

/// Writes a message; equal messages give equal bytes.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, PayloadError> {
    serde_json::to_vec(message).map_err(not_json)
}

/// Reads a message of the version that is known here.
pub(crate) fn decode<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    version: impl Fn(&T) -> u16,
) -> Result<T, PayloadError> {
    // Checked as text once, and not again at each of its thousand strings.
    let message: Result<T, _> = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    let message = message.map_err(|error| refused(bytes, &error))?;
    known_version(version(&message))?;
    Ok(message)
}

fn known_version(found: u16) -> Result<(), PayloadError> {
    match found {
        PAYLOAD_VERSION => Ok(()),
        _ => Err(PayloadError::Version {
            found,
            known: PAYLOAD_VERSION,
        }),
    }
}

/// The only thing that every version says in the same place.
#[derive(Deserialize)]
struct Versioned {
    version: u16,
}

/// Why a payload could not be read. Another version may have another shape altogether.
fn refused(bytes: &[u8], error: &serde_json::Error) -> PayloadError {
    let said: Result<Versioned, _> = serde_json::from_slice(bytes);
    if let Err(other) = said.map_or(Ok(()), |said| known_version(said.version)) {
        return other;
    }
    let detail = error.to_string();
    // The words of serde's own `unknown_field` and `unknown_variant`; there is no code for them.
    let is_unknown =
        detail.starts_with("unknown field `") || detail.starts_with("unknown variant `");
    match is_unknown {
        true => PayloadError::UnknownPart { detail },
        false => PayloadError::NotJson { detail },
    }
}

fn not_json(error: serde_json::Error) -> PayloadError {
    PayloadError::NotJson {
        detail: error.to_string(),
    }
}

/// Gives messages `encode` and `decode`; a path beside one names what is looked at once it is read.
macro_rules! json_message {
    ($($name:ident $(checked by $check:path)?),+ $(,)?) => {$(
        impl $name {
            /// Writes the payload.
            ///
            /// # Errors
            ///
            /// [`PayloadError::NotJson`] never in practice: every field has a JSON form.
            pub fn encode(&self) -> Result<Vec<u8>, PayloadError> {
                crate::json::encode(self)
            }

            /// Reads a payload.
            ///
            /// # Errors
            ///
            /// [`PayloadError`] naming what is wrong.
            pub fn decode(bytes: &[u8]) -> Result<$name, PayloadError> {
                let message = crate::json::decode(bytes, |message: &$name| message.version)?;
                $($check(&message)?;)?
                Ok(message)
            }
        }
    )+};
}
pub(crate) use json_message;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::GunStatusMessage;

    fn read(text: &str) -> PayloadError {
        GunStatusMessage::decode(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_later_version_is_told_from_damage_whatever_its_shape_is() {
        let later = read(r#"{"version":2,"all":{"is":"new"}}"#);
        assert!(later.may_be_newer(), "{later}");
        let key = read(r#"{"version":1,"colour":"red"}"#);
        assert!(matches!(key, PayloadError::UnknownPart { .. }), "{key}");
        assert!(key.may_be_newer());
        for damaged in [r#"{"version":1}"#, r#"{"version":0}"#, "{", "[]", ""] {
            assert!(!read(damaged).may_be_newer(), "{damaged}");
        }
    }
}
