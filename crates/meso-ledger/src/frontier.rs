//! The right edge of a growing tree.

use crate::error::{LedgerError, ReadError};
use crate::hash::{Hash, HashKey, HashReader, empty_root, leaf_hash, node_hash};
use crate::range::{Stretch, fold, read_all};

/// The longest entry, in bytes: an entry bundle of the public format has 16 bits for the length.
/// A longer entry is refused; the caller splits its commit.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// The most leaves of a log: indices and sizes fit a signed 64-bit column. At a thousand commits
/// a second this lasts 292 million years; appending beyond is refused.
pub const LEAVES_MAX: u64 = i64::MAX as u64;

/// The edge of a tree: its size and the roots of the complete subtrees that make it up.
///
/// This is all that appending needs. It is rebuilt from stored hashes by [`Frontier::load`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One hash per binary one of `size`, from the left, that is the largest subtree first.
    edge: Vec<Hash>,
}

/// What appending one entry gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Index of the new leaf.
    pub index: u64,
    /// Hashes to be stored: the leaf, and every subtree that it completed. They must be durable
    /// before a checkpoint over this leaf is signed.
    pub hashes: Vec<(HashKey, Hash)>,
}

impl Frontier {
    /// A tree without leaves.
    pub const EMPTY: Frontier = Frontier {
        size: 0,
        edge: Vec::new(),
    };

    /// Puts an edge together from its size and its hashes, the largest subtree first.
    ///
    /// # Errors
    ///
    /// [`LedgerError::WrongEdge`] unless there is one hash per binary one of `size`,
    /// [`LedgerError::LogFull`] above [`LEAVES_MAX`].
    pub fn from_parts(size: u64, edge: Vec<Hash>) -> Result<Frontier, LedgerError> {
        if size > LEAVES_MAX {
            return Err(LedgerError::LogFull {
                leaves_max: LEAVES_MAX,
            });
        }
        let wanted = size.count_ones() as usize;
        if edge.len() != wanted {
            return Err(LedgerError::WrongEdge {
                size,
                wanted,
                given: edge.len(),
            });
        }
        Ok(Frontier { size, edge })
    }

    /// Reads the edge of a tree of `size` leaves from stored hashes.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the storage fails or lacks a hash.
    pub fn load<R: HashReader>(size: u64, reader: &R) -> Result<Frontier, ReadError<R::Error>> {
        if size > LEAVES_MAX {
            return Err(LedgerError::LogFull {
                leaves_max: LEAVES_MAX,
            }
            .into());
        }
        let keys: Vec<HashKey> = Stretch {
            first: 0,
            end: size,
        }
        .keys()
        .collect();
        Ok(Frontier {
            size,
            edge: read_all(&keys, reader)?,
        })
    }

    /// Leaves so far; also the index of the next leaf.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the edge, the largest subtree first.
    pub fn edge(&self) -> &[Hash] {
        &self.edge
    }

    /// The root of the tree as it is now.
    pub fn root(&self) -> Hash {
        fold(&self.edge).unwrap_or_else(empty_root)
    }

    /// Appends an entry and hands back what is to be stored.
    ///
    /// # Errors
    ///
    /// [`LedgerError::EntryTooLong`] above [`ENTRY_BYTES_MAX`], [`LedgerError::LogFull`] above
    /// [`LEAVES_MAX`]; the tree is then as it was.
    pub fn append(&mut self, entry: &[u8]) -> Result<Appended, LedgerError> {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(LedgerError::EntryTooLong {
                length: entry.len(),
                length_max: ENTRY_BYTES_MAX,
            });
        }
        self.append_leaf_hash(leaf_hash(entry))
    }

    /// Appends a leaf by its hash; for rebuilding a tree from stored leaf hashes.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LogFull`] above [`LEAVES_MAX`]; the tree is then as it was.
    pub fn append_leaf_hash(&mut self, leaf: Hash) -> Result<Appended, LedgerError> {
        if self.size >= LEAVES_MAX {
            return Err(LedgerError::LogFull {
                leaves_max: LEAVES_MAX,
            });
        }
        let index = self.size;
        let mut key = HashKey { level: 0, index };
        let mut hash = leaf;
        let mut hashes = vec![(key, hash)];
        // A trailing one of the old size is a subtree as large as the one just completed.
        while key.index & 1 == 1 {
            let Some(left) = self.edge.pop() else { break };
            hash = node_hash(left, hash);
            key = HashKey {
                level: key.level + 1,
                index: key.index >> 1,
            };
            hashes.push((key, hash));
        }
        self.edge.push(hash);
        self.size += 1;
        debug_assert_eq!(self.edge.len(), self.size.count_ones() as usize);
        Ok(Appended { index, hashes })
    }
}
