//! Checking proofs, as RFC 9162 section 2.1.3.2 and 2.1.4.2 describe it.

use crate::error::LedgerError;
use crate::frontier::LEAVES_MAX;
use crate::hash::{Hash, empty_root, node_hash};
use crate::proof::{consistency_stretches, inclusion_stretches};

/// The most hashes of any proof: one for each level of a tree of [`LEAVES_MAX`] leaves, and one
/// more for consistency. A longer proof is refused before it is hashed.
pub const PROOF_HASHES_MAX: usize = 64;

/// Checks that a leaf is at `index` in the tree of `size` leaves that has this root.
///
/// # Errors
///
/// [`LedgerError::LeafOutsideTree`], [`LedgerError::WrongProofLength`] or
/// [`LedgerError::RootMismatch`]: the leaf is then not proven to be there.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), LedgerError> {
    if index >= size || size > LEAVES_MAX {
        return Err(LedgerError::LeafOutsideTree { index, size });
    }
    check_length(proof, inclusion_stretches(index, size).len())?;
    let (mut node, mut last) = (index, size - 1);
    let mut computed = leaf;
    for sibling in proof {
        if node & 1 == 1 || node == last {
            computed = node_hash(*sibling, computed);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            computed = node_hash(computed, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    check_root(computed, root)
}

/// Checks that the tree with `new_root` begins with the tree with `old_root`.
///
/// # Errors
///
/// [`LedgerError::TreeShrinks`], [`LedgerError::WrongProofLength`] or
/// [`LedgerError::RootMismatch`]: the new tree is then not proven to continue the old one.
pub fn verify_consistency(
    old_size: u64,
    old_root: Hash,
    new_size: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), LedgerError> {
    if old_size > new_size || new_size > LEAVES_MAX {
        return Err(LedgerError::TreeShrinks { old_size, new_size });
    }
    check_length(proof, consistency_stretches(old_size, new_size).len())?;
    if old_size == 0 {
        return check_root(empty_root(), old_root);
    }
    if old_size == new_size {
        return check_root(old_root, new_root);
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // A complete old tree is its own first subtree, so its root is left out of the proof.
    let (start, rest) = match (old_size.is_power_of_two(), proof.split_first()) {
        (true, _) => (old_root, proof),
        (false, Some((first, rest))) => (*first, rest),
        (false, None) => {
            return Err(LedgerError::WrongProofLength {
                given: 0,
                wanted: 1,
            });
        }
    };
    let (mut old_computed, mut new_computed) = (start, start);
    for sibling in rest {
        if node & 1 == 1 || node == last {
            old_computed = node_hash(*sibling, old_computed);
            new_computed = node_hash(*sibling, new_computed);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_computed = node_hash(new_computed, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    check_root(old_computed, old_root)?;
    check_root(new_computed, new_root)
}

/// The number of hashes follows from the sizes alone, so a proof for another tree, which could
/// by chance of its shape be walked as well, is refused at once.
fn check_length(proof: &[Hash], wanted: usize) -> Result<(), LedgerError> {
    debug_assert!(wanted <= PROOF_HASHES_MAX);
    if proof.len() != wanted {
        return Err(LedgerError::WrongProofLength {
            given: proof.len(),
            wanted,
        });
    }
    Ok(())
}

fn check_root(computed: Hash, expected: Hash) -> Result<(), LedgerError> {
    if computed != expected {
        return Err(LedgerError::RootMismatch { computed, expected });
    }
    Ok(())
}
