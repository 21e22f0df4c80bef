//! Pinned bytes of stops of guns, version 1. **Do not change this test.**
//!
//! The values were computed apart from this program, by the rules of `canonical`.

use meso_domain::canonical::Canonical;
use meso_domain::{InterlockChange, InterlockEvent, Record};

use crate::samples::sample_interlock;

#[test]
fn the_bytes_and_the_hash_of_a_stop_are_pinned() {
    let by_hand = sample_interlock();
    let by_nobody = InterlockEvent {
        session: None,
        change: InterlockChange::NotStopped,
        by: None,
        reason: String::new(),
        ..sample_interlock()
    };
    for (event, bytes, hash) in [
        (
            by_hand,
            "0901080047554e2d303030310111111111111111111111111111111111001409d3fd1ee918010104006f702d370d0070617469656e74206d6f766564",
            "875eb70908269966005885306d4225e1e5ce264da8abf2cac985f390dab2acbb",
        ),
        (
            by_nobody,
            "0901080047554e2d3030303100001409d3fd1ee91804000000",
            "c731d9d601f700dc5639815eea6bd9ba4089cddc8f687f0cb74d80cb05123a0f",
        ),
    ] {
        assert_eq!(hex::encode(event.canonical_bytes()), bytes);
        assert_eq!(Record::Interlock(event).hash().to_string(), hash);
    }
}
