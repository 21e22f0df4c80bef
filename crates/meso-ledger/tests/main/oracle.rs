//! Roots and proofs, compared with `ct-merkle` as an independent oracle.

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use meso_ledger::{
    Frontier, Hash, HashKey, LedgerError, ReadError, empty_root, leaf_hash, prove_consistency,
    prove_inclusion, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use sha2::Sha256;

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

struct Log {
    frontier: Frontier,
    stored: BTreeMap<HashKey, Hash>,
    roots: Vec<Hash>,
    oracle: Oracle,
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

fn sample_log(size: u64) -> Log {
    let mut log = Log {
        frontier: Frontier::EMPTY,
        stored: BTreeMap::new(),
        roots: vec![empty_root()],
        oracle: Oracle::new(),
    };
    for number in 0..size {
        let appended = log.frontier.append(&entry(number)).unwrap();
        assert_eq!(appended.index, number);
        log.stored.extend(appended.hashes);
        log.roots.push(log.frontier.root());
        log.oracle.push(entry(number));
    }
    log
}

fn split_hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes
        .chunks_exact(32)
        .map(|chunk| Hash::from_bytes(chunk.try_into().unwrap()))
        .collect()
}

#[test]
fn every_root_is_the_one_of_the_oracle() {
    let mut frontier = Frontier::EMPTY;
    let mut oracle = Oracle::new();
    for number in 0..130 {
        frontier.append(&entry(number)).unwrap();
        oracle.push(entry(number));
        assert_eq!(
            frontier.root().as_bytes()[..],
            oracle.root().as_bytes()[..],
            "{number}"
        );
    }
}

#[test]
fn every_inclusion_proof_is_the_one_of_the_oracle_and_verifies() {
    for size in 1..40 {
        let log = sample_log(size);
        for index in 0..size {
            let proof = prove_inclusion(index, size, &log.stored).unwrap();
            let expected = log.oracle.prove_inclusion(index as usize);
            assert_eq!(
                proof,
                split_hashes(expected.as_bytes()),
                "leaf {index} of {size}"
            );
            let leaf = leaf_hash(&entry(index));
            verify_inclusion(leaf, index, size, &proof, log.frontier.root()).unwrap();
        }
    }
}

#[test]
fn every_consistency_proof_verifies_and_is_the_one_of_the_oracle() {
    for size in 1..40 {
        let log = sample_log(size);
        for old in 0..=size {
            let proof = prove_consistency(old, size, &log.stored).unwrap();
            if old > 0 {
                let expected = log.oracle.prove_consistency((size - old) as usize);
                assert_eq!(
                    proof,
                    split_hashes(expected.as_bytes()),
                    "from {old} to {size}"
                );
            }
            let (old_root, root) = (log.roots[old as usize], log.frontier.root());
            verify_consistency(old, old_root, size, root, &proof).unwrap();
        }
    }
}

#[test]
fn an_edge_loaded_from_stored_hashes_goes_on_as_if_never_interrupted() {
    let whole = sample_log(77);
    for size in 0..77 {
        let mut frontier = Frontier::load(size, &whole.stored).unwrap();
        assert_eq!(frontier.root(), whole.roots[size as usize]);
        assert_eq!(
            Frontier::from_parts(size, frontier.edge().to_vec()),
            Ok(frontier.clone())
        );
        for number in size..77 {
            frontier.append(&entry(number)).unwrap();
        }
        assert_eq!(frontier, whole.frontier);
    }
}

#[test]
fn a_log_of_n_leaves_stores_fewer_than_two_n_hashes() {
    for size in 1..70 {
        assert!(sample_log(size).stored.len() < 2 * size as usize);
    }
}

#[test]
fn a_missing_stored_hash_is_named_and_not_made_up() {
    let mut log = sample_log(8);
    let key = HashKey { level: 2, index: 1 };
    log.stored.remove(&key);
    assert_eq!(
        prove_inclusion(0, 8, &log.stored),
        Err(ReadError::Missing { key })
    );
}

#[test]
fn questions_about_leaves_and_trees_that_cannot_be_are_refused() {
    let log = sample_log(5);
    let outside = LedgerError::LeafOutsideTree { index: 5, size: 5 };
    assert_eq!(
        prove_inclusion(5, 5, &log.stored),
        Err(ReadError::Ledger(outside.clone()))
    );
    assert_eq!(
        verify_inclusion(empty_root(), 5, 5, &[], empty_root()),
        Err(outside)
    );
    let shrinks = LedgerError::TreeShrinks {
        old_size: 5,
        new_size: 4,
    };
    assert_eq!(
        prove_consistency(5, 4, &log.stored),
        Err(ReadError::Ledger(shrinks))
    );
    assert!(Frontier::from_parts(5, vec![empty_root()]).is_err());
    assert!(Frontier::load(u64::MAX, &log.stored).is_err());
}

#[test]
fn an_entry_above_the_limit_is_refused_and_changes_nothing() {
    let mut frontier = Frontier::EMPTY;
    assert!(
        frontier
            .append(&vec![0; meso_ledger::ENTRY_BYTES_MAX + 1])
            .is_err()
    );
    assert_eq!(frontier, Frontier::EMPTY);
    assert!(
        frontier
            .append(&vec![0; meso_ledger::ENTRY_BYTES_MAX])
            .is_ok()
    );
}

proptest! {
    #[test]
    fn an_inclusion_proof_holds_for_its_own_leaf_place_and_tree_only(
        size in 1_u64..300, index in 0_u64..300, other in 0_u64..300, flip in any::<(usize, u8)>(),
    ) {
        let (index, other) = (index % size, other % size);
        let log = sample_log(size);
        let root = log.frontier.root();
        let leaf = leaf_hash(&entry(index));
        let proof = prove_inclusion(index, size, &log.stored).unwrap();
        prop_assert!(verify_inclusion(leaf, index, size, &proof, root).is_ok());
        if other != index {
            prop_assert!(verify_inclusion(leaf, other, size, &proof, root).is_err());
            let wrong_leaf = leaf_hash(&entry(other));
            prop_assert!(verify_inclusion(wrong_leaf, index, size, &proof, root).is_err());
        }
        if !proof.is_empty() {
            let mut damaged = proof.clone();
            let place = flip.0 % damaged.len();
            let mut bytes = *damaged[place].as_bytes();
            bytes[flip.0 % 32] ^= 1 << (flip.1 % 8);
            damaged[place] = Hash::from_bytes(bytes);
            prop_assert!(verify_inclusion(leaf, index, size, &damaged, root).is_err());
        }
        let mut longer = proof;
        longer.push(root);
        prop_assert!(verify_inclusion(leaf, index, size, &longer, root).is_err());
    }

    #[test]
    fn a_rewritten_past_is_not_consistent(old in 1_u64..120, more in 1_u64..120, at in 0_u64..120) {
        let log = sample_log(old + more);
        let proof = prove_consistency(old, old + more, &log.stored).unwrap();
        let mut forged = Frontier::EMPTY;
        for number in 0..old {
            let text = if number == at % old { b"forged".to_vec() } else { entry(number) };
            forged.append(&text).unwrap();
        }
        let root = log.frontier.root();
        prop_assert!(
            verify_consistency(old, forged.root(), old + more, root, &proof).is_err()
        );
    }
}
