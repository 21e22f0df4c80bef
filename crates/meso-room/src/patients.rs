//! The patients' key of an organisation, and what follows from it.
//!
//! A code that a person types becomes a tag under this key, so that nobody without the key can try
//! codes; the code itself is kept nowhere. The links from tags to patients travel and rest encrypted
//! under it. Rooms of an organisation know each other's patients where they hold the same key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hmac::{Hmac, Mac};
use meso_contract::room::PatientCodeBody;
use meso_domain::CanonicalError;
use meso_units::{ClinicId, DriverId};
use sha2::Sha256;

use crate::StepFailure;
use crate::access::replace_privately;
use crate::links::{LinkEntry, decode_entries, encode_entries};

/// The name of the key in the driver's data folder.
pub const PATIENT_KEY_FILE_NAME: &str = "patients.key";

/// How long the key is, in bytes.
pub const PATIENT_KEY_BYTES: usize = 32;

/// The bytes of a nonce, which go before what is encrypted.
const NONCE_BYTES: usize = 24;

/// What the keys that follow from the key are for; another use gives another key.
const LOOKUP: &[u8] = b"mesofleet patients v2 lookup\0";
const SEALING: &[u8] = b"mesofleet patients v2 sealing\0";
const NONCE: &[u8] = b"mesofleet patients v2 nonce\0";
const FINGERPRINT: &[u8] = b"mesofleet patients v2 fingerprint\0";

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatientKeyError {
    /// The file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file holds no key.
    #[error(
        "{} holds no key of {PATIENT_KEY_BYTES} bytes in hexadecimal: put the key of the other rooms there",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

/// Why encrypted links cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinksUnreadable {
    /// They were encrypted under another key or for another place, or are damaged.
    #[error("the links do not decrypt: another key, another place, or damage")]
    Sealed,
    /// What was decrypted is no list of links.
    #[error("what was decrypted is no list of links")]
    Content(#[from] CanonicalError),
}

/// What a code is looked up by: the same for a code in every room with the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeTag(pub(crate) [u8; 32]);

impl CodeTag {
    /// A tag of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> CodeTag {
        CodeTag(bytes)
    }
}

impl std::fmt::Debug for CodeTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeTag(…)")
    }
}

/// Where links lie: those of one place do not decrypt in another.
#[derive(Clone, Debug)]
pub struct LinkPlace<'a> {
    /// The clinic.
    pub clinic: &'a ClinicId,
    /// The driver that keeps or tells them.
    pub driver: &'a DriverId,
    /// `shelf` in its journal, `page` on the way to other rooms.
    pub kind: &'static str,
    /// Which one.
    pub number: u16,
}

impl LinkPlace<'_> {
    /// No identifier has a blank, so no two places have one text.
    fn text(&self) -> String {
        format!(
            "mesofleet links v1 {} {} {} {}",
            self.clinic, self.driver, self.kind, self.number
        )
    }
}

/// The keys that follow from the patients' key.
#[derive(Clone)]
pub struct PatientKeys {
    lookup: [u8; 32],
    nonce: [u8; 32],
    cipher: XChaCha20Poly1305,
    fingerprint: String,
}

impl std::fmt::Debug for PatientKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatientKeys")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl PatientKeys {
    /// The keys of a patients' key.
    pub fn from_key(key: &[u8; PATIENT_KEY_BYTES]) -> PatientKeys {
        PatientKeys {
            lookup: hmac(key, &[LOOKUP]),
            nonce: hmac(key, &[NONCE]),
            cipher: XChaCha20Poly1305::new(&hmac(key, &[SEALING]).into()),
            fingerprint: hex::encode(&hmac(key, &[FINGERPRINT])[..8]),
        }
    }

    /// The keys of a data folder; the key is made where there is none.
    ///
    /// # Errors
    ///
    /// [`PatientKeyError`]; a file that holds no key stays as it is.
    pub fn open(folder: &Path) -> Result<PatientKeys, PatientKeyError> {
        if let Some(key) = read_patient_key(folder)? {
            return Ok(PatientKeys::from_key(&key));
        }
        let mut key = [0; PATIENT_KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| PatientKeyError::Io {
            path: folder.join(PATIENT_KEY_FILE_NAME),
            source: io::Error::other(error),
        })?;
        write_patient_key(&folder.join(PATIENT_KEY_FILE_NAME), &key)?;
        Ok(PatientKeys::from_key(&key))
    }

    /// What people compare keys by, 16 hexadecimal digits; it says nothing of the key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The tag of a code. Blanks around the code and its case do not count, since people type it.
    ///
    /// # Errors
    ///
    /// [`StepFailure::BadValue`] for a code that is empty or too long.
    pub fn tag(&self, code: &str) -> Result<CodeTag, StepFailure> {
        let code = code.trim().to_lowercase();
        let most = PatientCodeBody::CODE_BYTES_MAX;
        if !(1..=most).contains(&code.len()) {
            return Err(StepFailure::bad(format!(
                "the patient's code has {} bytes: type 1 to {most}",
                code.len()
            )));
        }
        Ok(CodeTag(hmac(&self.lookup, &[code.as_bytes()])))
    }

    /// Encrypts links for a place. `seed` is random; links, place and seed make the nonce, so that even
    /// a seed that came twice would give no two texts one nonce.
    pub fn seal(&self, place: &LinkPlace<'_>, seed: &[u8; 32], entries: &[LinkEntry]) -> Vec<u8> {
        let place = place.text();
        let text = encode_entries(entries);
        let nonce = hmac(&self.nonce, &[seed, place.as_bytes(), b"\0", &text]);
        let nonce: [u8; NONCE_BYTES] = std::array::from_fn(|at| nonce[at]);
        let payload = Payload {
            msg: &text,
            aad: place.as_bytes(),
        };
        let mut sealed = nonce.to_vec();
        // It fails for texts of 256 GiB only; nothing then goes out, and nobody can read it.
        sealed.extend(
            self.cipher
                .encrypt(&nonce.into(), payload)
                .unwrap_or_default(),
        );
        sealed
    }

    /// Decrypts links of a place.
    ///
    /// # Errors
    ///
    /// [`LinksUnreadable`] saying whether the key or the content is wrong.
    pub fn open_sealed(
        &self,
        place: &LinkPlace<'_>,
        sealed: &[u8],
    ) -> Result<Vec<LinkEntry>, LinksUnreadable> {
        let (nonce, text) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(LinksUnreadable::Sealed)?;
        let place = place.text();
        let payload = Payload {
            msg: text,
            aad: place.as_bytes(),
        };
        let text = self
            .cipher
            .decrypt(&(*nonce).into(), payload)
            .map_err(|_| LinksUnreadable::Sealed)?;
        Ok(decode_entries(&text)?)
    }
}

/// The patients' key of a data folder; `None` where there is none yet.
///
/// # Errors
///
/// [`PatientKeyError`] where the file cannot be read or holds no key.
pub fn read_patient_key(folder: &Path) -> Result<Option<[u8; PATIENT_KEY_BYTES]>, PatientKeyError> {
    read_patient_key_file(&folder.join(PATIENT_KEY_FILE_NAME))
}

/// The patients' key of a file, wherever it lies; `None` where there is no file.
///
/// # Errors
///
/// [`PatientKeyError`] where the file cannot be read or holds no key.
pub fn read_patient_key_file(
    path: &Path,
) -> Result<Option<[u8; PATIENT_KEY_BYTES]>, PatientKeyError> {
    let path = path.to_owned();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(PatientKeyError::NoKey { path });
        }
        Err(source) => return Err(PatientKeyError::Io { path, source }),
    };
    let digits = text.trim().trim_matches('"');
    let key = hex::decode(digits).ok();
    match key.and_then(|key| key.try_into().ok()) {
        Some(key) => Ok(Some(key)),
        None => Err(PatientKeyError::NoKey { path }),
    }
}

/// Writes a patients' key for its owner alone, in one step.
///
/// # Errors
///
/// [`PatientKeyError::Io`] where the file cannot be written.
pub fn write_patient_key(
    path: &Path,
    key: &[u8; PATIENT_KEY_BYTES],
) -> Result<(), PatientKeyError> {
    replace_privately(path, &hex::encode(key)).map_err(|source| PatientKeyError::Io {
        path: path.to_owned(),
        source,
    })
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // Shorter keys are filled up with zeros to the length of a block: with one of that length nothing
    // can fail.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
