//! Both codecs give the same answer to the same bytes, whatever these are.

use std::cell::RefCell;

use meso_link_proto::frame::{DELIMITER, FrameDecoder, PAYLOAD_BYTES_MAX, encode_frame};
use meso_link_proto::message::kind;
use proptest::prelude::*;

use crate::bench::{Bench, hex};
use crate::describe::describe_found;
use crate::fuzz::targets::wrap;
use crate::messages::{any_message, payload_of};

/// What the Rust decoder finds, in the words of the C side.
fn decode(bytes: &[u8]) -> Vec<String> {
    let mut decoder = FrameDecoder::new();
    let mut found: Vec<_> = decoder.push(bytes).iter().map(describe_found).collect();
    let counted = decoder.counters();
    found.push(format!(
        "end {} {} {} {} {} {}",
        counted.frames,
        counted.bad_crc,
        counted.bad_cobs,
        counted.oversize,
        counted.skipped_bytes,
        counted.not_authentic
    ));
    found
}

/// Reasons are compared where there is one only: with several, each side may name another.
fn without_reasons(found: Vec<String>) -> Vec<String> {
    let cut = |line: String| {
        if line.starts_with("reject ") {
            "reject".to_owned()
        } else {
            line
        }
    };
    found.into_iter().map(cut).collect()
}

/// Every kind that has a name, and a few that have none.
fn any_kind() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => kind::HELLO..=kind::SETTINGS,
        4 => kind::HOST_HELLO..=kind::IDENTIFY,
        1 => any::<u8>(),
    ]
}

/// Bytes with many zeros and long runs without any, which is what COBS is about.
fn lumpy_bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let lump = prop_oneof![
        (any::<u8>(), 1..260_usize).prop_map(|(byte, count)| vec![byte; count]),
        (1..20_usize).prop_map(|count| vec![0; count]),
        prop::collection::vec(any::<u8>(), 1..40),
    ];
    prop::collection::vec(lump, 0..6).prop_map(move |lumps| {
        let mut bytes = lumps.concat();
        bytes.truncate(longest);
        bytes
    })
}

/// A run of the line: good frames, frames with a byte changed or missing, and garbage.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let good = (any_message(), any::<u16>())
        .prop_map(|(message, sequence)| message.encode(sequence).unwrap());
    let hurt = (any_message(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(message, at, change)| {
            let mut wire = message.encode(1).unwrap();
            let at = at.index(wire.len());
            if change == 0 {
                wire.remove(at);
            } else {
                wire[at] ^= change;
            }
            wire
        },
    );
    let whole = (any_kind(), lumpy_bytes(PAYLOAD_BYTES_MAX))
        .prop_map(|(kind, payload)| encode_frame(kind, 0x0101, &payload).unwrap());
    let sealed = (any_message(), any::<u16>(), any::<(u8, bool)>()).prop_map(
        |(message, sequence, (version_and_flags, is_cut))| {
            let payload = payload_of(&message);
            let [low, high] = sequence.to_le_bytes();
            let mut plain = vec![message.kind(), version_and_flags, low, high];
            plain.extend(&payload);
            if !is_cut {
                plain.extend([7; 20]);
            }
            wrap(&plain)
        },
    );
    let piece = prop_oneof![good, hurt, whole, sealed, lumpy_bytes(600)];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| {
        let mut line = pieces.concat();
        line.push(DELIMITER);
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_encoders_write_the_same_frame(
        kind in any::<u8>(),
        sequence in any::<u16>(),
        payload in lumpy_bytes(PAYLOAD_BYTES_MAX),
    ) {
        let asked = format!("encode {kind} {sequence} {}", hex(&payload));
        let ours = encode_frame(kind, sequence, &payload).unwrap();
        prop_assert_eq!(with_bench(|bench| bench.ask(&asked)), hex(&ours));
    }

    #[test]
    fn both_decoders_find_the_same_in_any_line(line in any_line()) {
        let theirs = with_bench(|bench| bench.decode(&line));
        prop_assert_eq!(without_reasons(theirs), without_reasons(decode(&line)));
    }

    #[test]
    fn both_codecs_read_and_write_any_message_alike(message in any_message(), sequence in any::<u16>()) {
        let mut line = vec![DELIMITER];
        line.extend(message.encode(sequence).unwrap());
        let theirs = with_bench(|bench| bench.decode(&line));
        prop_assert!(theirs[0].starts_with("message "), "{}", theirs[0]);
        prop_assert_eq!(theirs, decode(&line));
    }

    /// A payload of the right length with a few bytes changed: most fields are good, some are
    /// at their ends or beyond.
    #[test]
    fn what_one_side_believes_the_other_believes_too(
        message in any_message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut payload = payload_of(&message);
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let mut line = vec![DELIMITER];
        line.extend(encode_frame(message.kind(), 1, &payload).unwrap());
        let theirs = with_bench(|bench| bench.decode(&line));
        prop_assert_eq!(without_reasons(theirs), without_reasons(decode(&line)));
    }
}

/// Lends the child of this thread, started at its first use.
pub(crate) fn with_bench<T>(act: impl FnOnce(&mut Bench) -> T) -> T {
    thread_local! {
        static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
    }
    BENCH.with_borrow_mut(|bench| act(bench.get_or_insert_with(Bench::start)))
}

#[test]
fn a_payload_that_is_too_long_is_refused_by_both() {
    let too_long = [7; PAYLOAD_BYTES_MAX + 1];
    let asked = format!("encode 2 0 {}", hex(&too_long));
    assert_eq!(with_bench(|bench| bench.ask(&asked)), "too_long");
    assert!(encode_frame(2, 0, &too_long).is_err());
}
