//! What rooms tell each other of the links from codes to ids of patients, and what a room records of
//! them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meso_domain::PatientMerged;
use meso_units::PatientCommitment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shot::parse_at;
use crate::{PAYLOAD_VERSION, PayloadError};

/// A page of the links that a driver made, under the patients' key of its organisation: broker and
/// server cannot read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinksMessage {
    /// [`PAYLOAD_VERSION`].
    pub version: u16,
    /// The page, from 0 to [`LinksMessage::PAGE_COUNT_MAX`] less one; a driver begins the next one
    /// when one is full.
    pub page: u8,
    /// Fingerprint of the patients' key, 16 hexadecimal digits: a driver with another key says so.
    pub key: String,
    /// The links, encrypted; base64.
    pub sealed: String,
}

impl LinksMessage {
    /// The most pages of one driver; a driver that has filled them makes no further link.
    pub const PAGE_COUNT_MAX: u8 = 64;

    /// The most encrypted bytes of a page: 256 links of some 150 bytes; a longer one is refused by
    /// sender and receiver alike.
    pub const SEALED_BYTES_MAX: usize = 64 * 1024;

    /// A page.
    pub fn new(page: u8, key: &str, sealed: &[u8]) -> LinksMessage {
        LinksMessage {
            version: PAYLOAD_VERSION,
            page,
            key: key.to_owned(),
            sealed: STANDARD.encode(sealed),
        }
    }

    /// The encrypted bytes.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] where they are not base64 or more than
    /// [`LinksMessage::SEALED_BYTES_MAX`].
    pub fn sealed_bytes(&self) -> Result<Vec<u8>, PayloadError> {
        let bytes = STANDARD.decode(&self.sealed).ok();
        bytes
            .filter(|bytes| bytes.len() <= LinksMessage::SEALED_BYTES_MAX)
            .ok_or_else(|| PayloadError::UnknownWord {
                field: "sealed",
                value: self.sealed.chars().take(64).collect(),
            })
    }

    fn check(&self) -> Result<(), PayloadError> {
        let wrong = |field, value: String| PayloadError::UnknownWord { field, value };
        if self.page >= LinksMessage::PAGE_COUNT_MAX {
            return Err(wrong("page", self.page.to_string()));
        }
        let is_fingerprint = self.key.len() == 16 && self.key.bytes().all(is_digit);
        if !is_fingerprint {
            return Err(wrong("key", self.key.chars().take(64).collect()));
        }
        self.sealed_bytes().map(|_| ())
    }
}
crate::json::json_message!(LinksMessage checked by LinksMessage::check);

const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Two ids are the same patient's, both by commitment only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientMergedBody {
    /// The id that gives way, 64 hexadecimal digits.
    pub from: String,
    /// The id that further sessions carry, 64 hexadecimal digits.
    pub into: String,
    /// When the room learnt it, nanoseconds since 1970 as text.
    pub at_ns: String,
}

impl From<&PatientMerged> for PatientMergedBody {
    fn from(merged: &PatientMerged) -> PatientMergedBody {
        PatientMergedBody {
            from: merged.from.to_string(),
            into: merged.into.to_string(),
            at_ns: merged.at.unix_ns().to_string(),
        }
    }
}

impl TryFrom<&PatientMergedBody> for PatientMerged {
    type Error = PayloadError;

    fn try_from(body: &PatientMergedBody) -> Result<PatientMerged, PayloadError> {
        Ok(PatientMerged {
            from: PatientCommitment::parse(&body.from)?,
            into: PatientCommitment::parse(&body.into)?,
            at: parse_at("at_ns", &body.at_ns)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> LinksMessage {
        LinksMessage::new(3, "00112233445566ff", &[7; 40])
    }

    #[test]
    fn a_page_is_heard_as_it_was_told() {
        let heard = LinksMessage::decode(&message().encode().unwrap()).unwrap();
        assert_eq!(heard, message());
        assert_eq!(heard.sealed_bytes().unwrap(), [7; 40]);
    }

    #[test]
    fn a_page_that_is_none_is_refused() {
        let changes: [fn(&mut LinksMessage); 5] = [
            |message| message.page = LinksMessage::PAGE_COUNT_MAX,
            |message| message.key = "0011".to_owned(),
            |message| message.key = "00112233445566FF".to_owned(),
            |message| message.sealed = "§".to_owned(),
            |message| {
                let much = vec![0; LinksMessage::SEALED_BYTES_MAX + 1];
                *message = LinksMessage::new(0, &message.key, &much);
            },
        ];
        for change in changes {
            let mut changed = message();
            change(&mut changed);
            let bytes = serde_json::to_vec(&changed).unwrap();
            assert!(LinksMessage::decode(&bytes).is_err(), "{changed:?}");
        }
    }

    #[test]
    fn a_full_page_fits_into_a_message() {
        let full = vec![0; LinksMessage::SEALED_BYTES_MAX];
        let bytes = LinksMessage::new(0, "00112233445566ff", &full).encode();
        assert!(bytes.unwrap().len() <= crate::topics::PAYLOAD_BYTES_MAX);
    }
}
