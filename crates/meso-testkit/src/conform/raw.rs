//! Frames that no sound host would send.

use meso_link_proto::frame::{DELIMITER, crc32};

/// A frame with any header; `damage` is XORed onto its checksum, so that 0 leaves it right.
pub(super) fn frame(kind: u8, version_and_flags: u8, payload: &[u8], damage: u32) -> Vec<u8> {
    let mut plain = vec![kind, version_and_flags, 0, 0];
    plain.extend_from_slice(payload);
    let sum = crc32(&plain) ^ damage;
    plain.extend_from_slice(&sum.to_le_bytes());
    let mut wire = vec![0; cobs::max_encoding_length(plain.len()) + 1];
    let length = cobs::encode(&plain, &mut wire);
    wire.truncate(length);
    wire.push(DELIMITER);
    wire
}
