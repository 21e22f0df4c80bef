//! Hashes of leaves and nodes, and where they are stored.

use core::convert::Infallible;
use core::fmt;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::error::{LedgerError, shortened};

/// A SHA-256 hash of a leaf, a node or a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Wraps the bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotAHash`] for anything else.
    pub fn parse(text: &str) -> Result<Hash, LedgerError> {
        let wrong = || LedgerError::NotAHash {
            text: shortened(text),
            rule: "64 digits of 0-9 and a-f",
        };
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let high = hex_digit(pair[0]).ok_or_else(wrong)?;
            let low = hex_digit(pair[1]).ok_or_else(wrong)?;
            *byte = high << 4 | low;
        }
        Ok(Hash(bytes))
    }

    /// The hash in standard base64, as checkpoints write it.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads standard base64 with padding.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotAHash`] for anything else.
    pub fn from_base64(text: &str) -> Result<Hash, LedgerError> {
        let decoded = STANDARD.decode(text).ok();
        decoded
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(Hash)
            .ok_or_else(|| LedgerError::NotAHash {
                text: shortened(text),
                rule: "44 digits of base64",
            })
    }
}

pub(crate) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of a leaf: SHA-256 of a zero byte and the entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([0])
            .chain_update(entry)
            .finalize()
            .into(),
    )
}

/// The hash of a node: SHA-256 of a one byte and its two children.
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    let hasher = Sha256::new()
        .chain_update([1])
        .chain_update(left.0)
        .chain_update(right.0);
    Hash(hasher.finalize().into())
}

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The place of a stored hash: the root of a complete subtree.
///
/// The subtree covers leaves `index · 2^level` to `(index + 1) · 2^level - 1`; level 0 is a leaf
/// hash. Only complete subtrees are stored, so a stored hash never changes, and a log of n leaves
/// stores fewer than 2n hashes. A tile of the C2SP layout is 256 such hashes whose levels are a
/// multiple of 8 apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey {
    /// Height above the leaves, 0 to 62.
    pub level: u8,
    /// Number of the subtree among those of its level, from the left.
    pub index: u64,
}

/// Reads hashes that appending handed out to be stored.
pub trait HashReader {
    /// How the storage fails.
    type Error: std::error::Error + 'static;

    /// The hashes of the keys in the order asked; `None` for one that is not stored.
    ///
    /// At most 64 keys are asked for at once.
    ///
    /// # Errors
    ///
    /// Whatever the storage says.
    fn read_hashes(&self, keys: &[HashKey]) -> Result<Vec<Option<Hash>>, Self::Error>;
}

impl HashReader for BTreeMap<HashKey, Hash> {
    type Error = Infallible;

    fn read_hashes(&self, keys: &[HashKey]) -> Result<Vec<Option<Hash>>, Infallible> {
        Ok(keys.iter().map(|key| self.get(key).copied()).collect())
    }
}
