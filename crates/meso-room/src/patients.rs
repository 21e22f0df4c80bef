//! From a patient's code to the commitment that records carry.
//!
//! The commitment is HMAC-SHA256 of the code under a key that never leaves the data folder, so that
//! nobody without that key can try codes. The code itself is kept nowhere. Another room has another
//! key: there the same patient has another commitment, until rooms share a table.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use meso_contract::room::PatientCodeBody;
use meso_units::PatientCommitment;
use sha2::Sha256;

use crate::StepFailure;
use crate::access::replace_privately;

/// The name of the key in the driver's data folder.
pub const PATIENT_KEY_FILE_NAME: &str = "patients.key";

/// What the key is for; another use of it gives another result.
const CONTEXT: &[u8] = b"mesofleet patient v1\0";

/// The key of a room. Whoever uses it first makes it, one at a time: two keys would make two
/// patients of one.
#[derive(Debug)]
pub(crate) struct PatientKey {
    path: PathBuf,
    turn: Mutex<()>,
}

impl PatientKey {
    /// The key of a data folder.
    pub(crate) fn of(folder: &Path) -> PatientKey {
        PatientKey {
            path: folder.join(PATIENT_KEY_FILE_NAME),
            turn: Mutex::new(()),
        }
    }

    /// The commitment to a patient. Blanks around the code and its case do not count, since people
    /// type it. Reads the disk.
    pub(crate) fn commitment(&self, code: &str) -> Result<PatientCommitment, StepFailure> {
        let code = code.trim().to_lowercase();
        let most = PatientCodeBody::CODE_BYTES_MAX;
        if !(1..=most).contains(&code.len()) {
            return Err(StepFailure::bad(format!(
                "the patient's code has {} bytes: type 1 to {most}",
                code.len()
            )));
        }
        let key = {
            // The file itself is what counts, so that a panic of another one leaves nothing half.
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            key(&self.path)
        };
        let key = key.map_err(|error| {
            StepFailure::unavailable(format!("{PATIENT_KEY_FILE_NAME} cannot be used: {error}"))
        })?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key)
            .map_err(|error| StepFailure::unavailable(error.to_string()))?;
        mac.update(CONTEXT);
        mac.update(code.as_bytes());
        Ok(PatientCommitment::from_bytes(
            mac.finalize().into_bytes().into(),
        ))
    }
}

/// The room's key, made where there is none.
fn key(path: &Path) -> io::Result<Vec<u8>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(io::Error::other)?;
            replace_privately(path, &hex::encode(key))?;
            return Ok(key.to_vec());
        }
        Err(error) => return Err(error),
    };
    let digits = text.trim().trim_matches('"');
    let key = hex::decode(digits).map_err(io::Error::other)?;
    match key.len() {
        32 => Ok(key),
        _ => Err(io::Error::other("it is no key of 32 bytes")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn a_code_has_one_commitment_in_a_room_and_another_one_elsewhere() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let of = |folder: &tempfile::TempDir, code: &str| {
            let commitment = PatientKey::of(folder.path()).commitment(code).unwrap();
            commitment.to_string()
        };
        let first = of(&here, "P-0042");
        assert_eq!(first.len(), 64);
        assert_eq!(of(&here, " p-0042 "), first);
        assert_ne!(of(&here, "P-0043"), first);
        assert_ne!(of(&there, "P-0042"), first);
        assert!(PatientKey::of(here.path()).commitment(" ").is_err());
    }

    #[test]
    fn a_key_that_is_none_is_not_replaced_silently() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PATIENT_KEY_FILE_NAME), "ab").unwrap();
        assert!(PatientKey::of(folder.path()).commitment("P-1").is_err());
    }

    #[test]
    fn many_who_use_a_room_for_the_first_time_at_once_get_one_key() {
        const HANDS: usize = 8;
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let key = PatientKey::of(folder.path());
            let start = Barrier::new(HANDS);
            let made = std::thread::scope(|scope| {
                let hand = || {
                    start.wait();
                    key.commitment("P-0042").unwrap()
                };
                let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(hand)).collect();
                let made = hands.into_iter().map(|hand| hand.join().unwrap());
                made.collect::<BTreeSet<PatientCommitment>>()
            });
            assert_eq!(made.len(), 1, "one patient has become {}", made.len());
        }
    }
}
