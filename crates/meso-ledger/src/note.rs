//! Text signed with Ed25519, as <https://c2sp.org/signed-note> writes it.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::error::{LedgerError, shortened};
use crate::hash::hex_digit;

/// The longest signed note that is read, in bytes: a checkpoint is under 500, and sixteen
/// post-quantum cosignatures of 5 kB each still fit. A longer one is refused.
pub const NOTE_BYTES_MAX: usize = 96 * 1024;

/// The longest key name, in bytes; a longer one is refused.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Signature type "Ed25519" of the specification.
const ED25519: u8 = 0x01;

/// The em dash and the space that begin a signature line.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// The secret key of a log.
///
/// It is made from a seed that the caller drew and keeps; this crate has no randomness. Its
/// `Debug` shows the name only, and it is wiped when dropped.
pub struct LogKey {
    secret: SigningKey,
    verifier: VerifierKey,
}

impl LogKey {
    /// Makes a key from a name and 32 secret random bytes.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotAKeyName`] for a name that a signature line cannot carry.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<LogKey, LedgerError> {
        let secret = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, secret.verifying_key())?;
        Ok(LogKey { secret, verifier })
    }

    /// The public half.
    pub fn verifier(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// The signature line for a text, without its line feed.
    pub(crate) fn signature_line(&self, text: &str) -> String {
        let mut bytes = self.verifier.key_id().to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.secret.sign(text.as_bytes()).to_bytes());
        format!(
            "{SIGNATURE_PREFIX}{} {}",
            self.verifier.name,
            STANDARD.encode(bytes)
        )
    }
}

/// Signs any text as a note; it must end with a line feed.
///
/// Checkpoints have [`crate::Checkpoint::sign`]. Any other text must differ from a checkpoint in
/// its second line, which there is a number, so that it can never be taken for one.
///
/// # Errors
///
/// [`LedgerError::NotASignedNote`] for text without a final line feed, with control characters or
/// longer than [`NOTE_BYTES_MAX`], and for text that reads as a checkpoint.
pub fn sign_note(text: &str, key: &LogKey) -> Result<String, LedgerError> {
    if crate::Checkpoint::parse(text).is_ok() {
        return Err(LedgerError::NotASignedNote {
            rule: "the text reads as a checkpoint",
        });
    }
    if !text.ends_with('\n') {
        return Err(LedgerError::NotASignedNote {
            rule: "the text must end with a line feed",
        });
    }
    let note = format!("{text}\n{}\n", key.signature_line(text));
    split_note(&note)?;
    Ok(note)
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKey")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// The public key of a log, under its name.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, public: VerifyingKey) -> Result<VerifierKey, LedgerError> {
        let clean = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || !name.chars().all(clean) {
            return Err(LedgerError::NotAKeyName {
                name: shortened(name),
                length_max: KEY_NAME_BYTES_MAX,
            });
        }
        Ok(VerifierKey {
            name: name.to_owned(),
            public,
        })
    }

    /// Reads the text form: name, key id in hexadecimal and base64 key, joined by `+`.
    ///
    /// Line ends around the text are allowed.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotAVerifierKey`] or [`LedgerError::NotAKeyName`] for anything else, and for
    /// a weak key, under which anyone could sign.
    pub fn parse(text: &str) -> Result<VerifierKey, LedgerError> {
        let wrong = |rule| LedgerError::NotAVerifierKey { rule };
        let mut parts = text.trim_matches(['\r', '\n']).splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it must be name+id+key"));
        };
        let bytes = STANDARD
            .decode(key)
            .map_err(|_| wrong("the key is not base64"))?;
        let (Some(&ED25519), Some(public)) = (bytes.first(), bytes.get(1..)) else {
            return Err(wrong("the key is not of type 1, Ed25519"));
        };
        let public = <[u8; 32]>::try_from(public)
            .ok()
            .and_then(|public| VerifyingKey::from_bytes(&public).ok())
            .filter(|public| !public.is_weak())
            .ok_or(wrong(
                "the key is not a sound Ed25519 public key of 32 bytes",
            ))?;
        let verifier = VerifierKey::new(name, public)?;
        if parse_key_id(id) != Some(verifier.key_id()) {
            return Err(wrong(
                "the id does not belong to this name and key: was one mistyped?",
            ));
        }
        Ok(verifier)
    }

    /// The name of the key; for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The short id that signature lines carry; it tells keys apart, it proves nothing.
    pub fn key_id(&self) -> u32 {
        let digest = self.digest();
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
    }

    /// What two people compare by telephone: 128 bits of SHA-256 over name and key, in groups.
    ///
    /// Finding another key with the same fingerprint takes 2^128 trials.
    pub fn fingerprint(&self) -> String {
        let groups: Vec<String> = self.digest()[..16]
            .chunks_exact(2)
            .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]))
            .collect();
        groups.join(" ")
    }

    fn digest(&self) -> [u8; 32] {
        let hasher = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519]);
        hasher
            .chain_update(self.public.as_bytes())
            .finalize()
            .into()
    }

    /// Checks a signed note and hands back its text, without the signatures.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotASignedNote`] for text of another form, [`LedgerError::NotSignedBy`] when
    /// this key did not sign, [`LedgerError::SignatureMismatch`] when what claims to be its
    /// signature is not one.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, LedgerError> {
        let (text, signatures) = split_note(note)?;
        let mut signed = false;
        for line in signatures.lines() {
            let (name, key_id, signature) = parse_signature_line(line)?;
            // The specification: pass over unknown keys, even if name or id alone is known.
            if name != self.name || key_id != self.key_id() {
                continue;
            }
            let signature = <[u8; 64]>::try_from(signature)
                .map(|b| Signature::from_bytes(&b))
                .ok();
            signature
                .and_then(|s| self.public.verify_strict(text.as_bytes(), &s).ok())
                .ok_or_else(|| LedgerError::SignatureMismatch {
                    name: name.to_owned(),
                    key_id,
                })?;
            signed = true;
        }
        if !signed {
            return Err(LedgerError::NotSignedBy {
                name: self.name.clone(),
                key_id: self.key_id(),
            });
        }
        Ok(text)
    }
}

impl fmt::Display for VerifierKey {
    /// The text form that [`VerifierKey::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.public.as_bytes());
        write!(
            f,
            "{}+{:08x}+{}",
            self.name,
            self.key_id(),
            STANDARD.encode(key)
        )
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Eight lower-case hexadecimal digits.
fn parse_key_id(text: &str) -> Option<u32> {
    if text.len() != 8 {
        return None;
    }
    text.bytes().try_fold(0_u32, |id, digit| {
        Some(id << 4 | u32::from(hex_digit(digit)?))
    })
}

/// Text with its final line feed, and the signature lines.
fn split_note(note: &str) -> Result<(&str, &str), LedgerError> {
    let wrong = |rule| LedgerError::NotASignedNote { rule };
    if note.len() > NOTE_BYTES_MAX {
        return Err(wrong("it is longer than 96 KiB"));
    }
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(wrong("it holds control characters"));
    }
    let blank = note
        .rfind("\n\n")
        .ok_or(wrong("no blank line before the signatures"))?;
    let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(wrong("it must end with signature lines and a line feed"));
    }
    Ok((text, signatures))
}

fn parse_signature_line(line: &str) -> Result<(&str, u32, Vec<u8>), LedgerError> {
    let wrong = LedgerError::NotASignedNote {
        rule: "a signature line is not of the right form",
    };
    let rest = line.strip_prefix(SIGNATURE_PREFIX).ok_or(wrong.clone())?;
    let (name, encoded) = rest.split_once(' ').ok_or(wrong.clone())?;
    let bytes = STANDARD.decode(encoded).map_err(|_| wrong.clone())?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(wrong)?;
    Ok((name, u32::from_be_bytes(*id), signature.to_vec()))
}
