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
    let message = message.map_err(not_json)?;
    let found = version(&message);
    if found != PAYLOAD_VERSION {
        return Err(PayloadError::Version {
            found,
            known: PAYLOAD_VERSION,
        });
    }
    Ok(message)
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
