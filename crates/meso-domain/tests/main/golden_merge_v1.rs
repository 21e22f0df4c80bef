//! Pinned bytes of merged ids of patients, version 1. **Do not change this test.**
//!
//! The values were computed apart from this program, by the rules of `canonical`.

use meso_domain::Record;
use meso_domain::canonical::Canonical;

use crate::samples::sample_merged;

#[test]
fn the_bytes_and_the_hash_of_a_merge_are_pinned() {
    let merged = sample_merged();
    let bytes = "0c012222222222222222222222222222222222222222222222222222222222222222212121212121212121212121212121212121212121212121212121212121212100dea30efe1ee918";
    let hash = "eb99d843234674309e550c13766fcc3425f55a5a2675c6e12cc8a94ae19ddb19";
    assert_eq!(hex::encode(merged.canonical_bytes()), bytes);
    assert_eq!(Record::Patient(merged).hash().to_string(), hash);
}
