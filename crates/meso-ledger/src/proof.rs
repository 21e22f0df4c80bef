//! Making proofs from stored hashes.

use crate::error::{LedgerError, ReadError};
use crate::frontier::LEAVES_MAX;
use crate::hash::{Hash, HashReader};
use crate::range::{Stretch, read_stretches, split};

/// The proof that leaf `index` is in the tree of `size` leaves (RFC 6962, 2.1.1), from the leaf
/// upward.
///
/// # Errors
///
/// [`LedgerError::LeafOutsideTree`] inside [`ReadError`] unless `index < size`, and [`ReadError`]
/// when the storage fails or lacks a hash.
pub fn prove_inclusion<R: HashReader>(
    index: u64,
    size: u64,
    reader: &R,
) -> Result<Vec<Hash>, ReadError<R::Error>> {
    if index >= size || size > LEAVES_MAX {
        return Err(LedgerError::LeafOutsideTree { index, size }.into());
    }
    read_stretches(&inclusion_stretches(index, size), reader)
}

/// The proof that the tree of `new_size` leaves begins with the tree of `old_size` leaves
/// (RFC 6962, 2.1.2).
///
/// # Errors
///
/// [`LedgerError::TreeShrinks`] inside [`ReadError`] unless `old_size <= new_size`, and
/// [`ReadError`] when the storage fails or lacks a hash.
pub fn prove_consistency<R: HashReader>(
    old_size: u64,
    new_size: u64,
    reader: &R,
) -> Result<Vec<Hash>, ReadError<R::Error>> {
    if old_size > new_size || new_size > LEAVES_MAX {
        return Err(LedgerError::TreeShrinks { old_size, new_size }.into());
    }
    read_stretches(&consistency_stretches(old_size, new_size), reader)
}

/// The siblings on the way from a leaf to the root, the lowest first.
pub(crate) fn inclusion_stretches(index: u64, size: u64) -> Vec<Stretch> {
    let mut tree = Stretch {
        first: 0,
        end: size,
    };
    let mut siblings = Vec::new();
    while tree.length() > 1 {
        let middle = tree.first + split(tree.length());
        if index < middle {
            siblings.push(Stretch {
                first: middle,
                ..tree
            });
            tree.end = middle;
        } else {
            siblings.push(Stretch {
                end: middle,
                ..tree
            });
            tree.first = middle;
        }
    }
    siblings.reverse();
    siblings
}

/// The stretches of a consistency proof, the lowest first; none for an empty or equal old tree.
pub(crate) fn consistency_stretches(old_size: u64, new_size: u64) -> Vec<Stretch> {
    if old_size == 0 || old_size == new_size {
        return Vec::new();
    }
    let mut tree = Stretch {
        first: 0,
        end: new_size,
    };
    let mut stretches = Vec::new();
    while tree.end != old_size {
        let middle = tree.first + split(tree.length());
        if old_size <= middle {
            stretches.push(Stretch {
                first: middle,
                ..tree
            });
            tree.end = middle;
        } else {
            stretches.push(Stretch {
                end: middle,
                ..tree
            });
            tree.first = middle;
        }
    }
    // The old root itself is known to the verifier when the old tree is one complete subtree.
    if tree.first != 0 {
        stretches.push(tree);
    }
    stretches.reverse();
    stretches
}
