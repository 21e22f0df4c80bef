//! What a log commits to, as <https://c2sp.org/tlog-checkpoint> writes it.

use crate::error::LedgerError;
use crate::frontier::LEAVES_MAX;
use crate::hash::Hash;
use crate::note::{LogKey, VerifierKey};

/// The state of a log: its name, its size and its root.
///
/// A log must never sign two checkpoints of which one does not continue the other; the caller
/// that signs keeps that promise, consistency proofs show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

impl Checkpoint {
    /// Puts a checkpoint together.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotACheckpoint`] for an origin that is empty or holds a control character,
    /// or a size above [`LEAVES_MAX`].
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Checkpoint, LedgerError> {
        if origin.is_empty() || origin.chars().any(char::is_control) {
            return Err(LedgerError::NotACheckpoint {
                rule: "the origin must be one line of text, not empty",
            });
        }
        if size > LEAVES_MAX {
            return Err(LedgerError::NotACheckpoint {
                rule: "the size is above 2^63 - 1",
            });
        }
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Leaves of the log.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// The text that is signed: origin, size and base64 root, one line each.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }

    /// The signed note.
    pub fn sign(&self, key: &LogKey) -> String {
        let text = self.text();
        let signature = key.signature_line(&text);
        format!("{text}\n{signature}\n")
    }

    /// Checks the signature of a signed note and reads the checkpoint in it.
    ///
    /// # Errors
    ///
    /// As [`VerifierKey::open`], [`LedgerError::NotACheckpoint`] for a text of another form or
    /// whose origin is not the name of the key.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint, LedgerError> {
        let checkpoint = Checkpoint::parse(key.open(note)?)?;
        if checkpoint.origin != key.name() {
            return Err(LedgerError::NotACheckpoint {
                rule: "the origin is not the name of the key that signed it",
            });
        }
        Ok(checkpoint)
    }

    /// Reads the text of a checkpoint, without checking any signature.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotACheckpoint`] for anything that [`Checkpoint::text`] would not write, but
    /// for extension lines, which are read over.
    pub fn parse(text: &str) -> Result<Checkpoint, LedgerError> {
        let wrong = |rule| LedgerError::NotACheckpoint { rule };
        let body = text
            .strip_suffix('\n')
            .ok_or(wrong("it must end with a line feed"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(wrong("it must have the lines origin, size and root"));
        };
        if lines.any(str::is_empty) {
            return Err(wrong("an extension line is empty"));
        }
        let number: u64 = size
            .parse()
            .map_err(|_| wrong("the size is not a number"))?;
        if number.to_string() != size {
            return Err(wrong("the size is written with a sign or leading zeroes"));
        }
        let root = Hash::from_base64(root).map_err(|_| wrong("the root is not a base64 hash"))?;
        Checkpoint::new(origin, number, root)
    }
}
