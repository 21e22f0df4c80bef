//! SHA-256, HMAC and HKDF of the C library are those of the crates that everybody uses.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::bench::hex;
use crate::codec::with_bench;

/// Bytes of up to a few blocks of 64, with a liking for the lengths at which blocks end.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0..300_usize, 50..70_usize, 115..135_usize];
    length.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_sum_any_bytes_alike(bytes in any_bytes()) {
        let theirs = with_bench(|bench| bench.ask(&format!("sha256 {}", hex(&bytes))));
        prop_assert_eq!(theirs, hex(&Sha256::digest(&bytes)));
    }

    #[test]
    fn both_sides_tag_any_bytes_under_any_key_alike(key in any_bytes(), bytes in any_bytes()) {
        let asked = format!("hmac {} {}", hex(&key), hex(&bytes));
        let ours = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&bytes);
        prop_assert_eq!(with_bench(|bench| bench.ask(&asked)), hex(&ours.finalize().into_bytes()));
    }

    #[test]
    fn both_sides_derive_the_same_key(
        salt in any_bytes(),
        key in any_bytes(),
        info in prop::collection::vec(any::<u8>(), 0..=95),
    ) {
        let asked = format!("hkdf {} {} {}", hex(&salt), hex(&key), hex(&info));
        let mut ours = [0; 32];
        Hkdf::<Sha256>::new(Some(&salt), &key).expand(&info, &mut ours).unwrap();
        prop_assert_eq!(with_bench(|bench| bench.ask(&asked)), hex(&ours));
    }
}
