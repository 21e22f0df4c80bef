//! The one way from a message to JSON and, with its version checked, back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{PAYLOAD_VERSION, PayloadError};

/// Writes a message; equal messages give equal bytes.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, PayloadError> {
    serde_json::to_vec(message).map_err(not_json)
}

/// Reads a message of the version that is known here.
pub(crate) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
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
