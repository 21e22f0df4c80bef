//! Frames: `COBS( kind u8, version|flags u8, sequence u16, payload, crc32 ) 0x00`.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 1 | kind | which message, see [`crate::version::LAYOUTS`] |
//! | 1 | low four bits: version; high four bits: flags | unknown flags refuse the frame |
//! | 2 | sequence | counts the frames of this sender; little-endian; for diagnosis only |
//! | 0 to 246 | payload | fixed layout of that kind; under the flag 0x10 a seal of 20 bytes follows it, see [`crate::auth`] |
//! | 4 | CRC-32 (IEEE 802.3) | over all bytes before it; little-endian |
//!
//! At most [`FRAME_BYTES_MAX`] bytes before COBS, so that COBS adds one byte and a two-byte worst
//! case still fits [`ENCODED_BYTES_MAX`]. A zero byte never occurs in a frame, so the decoder is
//! back in step at the next zero byte whatever came before it.

use alloc::vec::Vec;

use crate::LinkError;

/// The most bytes of a frame before COBS.
pub const FRAME_BYTES_MAX: usize = 254;
/// Kind, version and flags, sequence.
pub const HEADER_BYTES: usize = 4;
/// CRC-32.
pub const CRC_BYTES: usize = 4;
/// The most bytes of a payload; a longer one is refused by [`encode_frame`].
pub const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - HEADER_BYTES - CRC_BYTES;
/// The most bytes between two delimiters: 254 + 254 / 254 + 1. A decoder that has seen more
/// counts the run as oversize, drops it and waits for the next delimiter.
pub const ENCODED_BYTES_MAX: usize = FRAME_BYTES_MAX + 2;
/// The flag of a frame that carries a counter and a tag, among the high four bits.
pub const FLAG_SEALED: u8 = 0x01;
/// The byte that ends a frame.
pub const DELIMITER: u8 = 0;

/// CRC-32 as in IEEE 802.3, zlib and PNG.
pub fn crc32(bytes: &[u8]) -> u32 {
    const ALGORITHM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    ALGORITHM.checksum(bytes)
}

/// A frame whose checksum was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which message.
    pub kind: u8,
    /// The version of the link, 0 to 15.
    pub version: u8,
    /// Flags, 0 to 15; version 1 knows [`FLAG_SEALED`].
    pub flags: u8,
    /// The sender's frame count, wrapping.
    pub sequence: u16,
    /// The message's fields; where the frame is sealed, the seal too.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Whether it says that it carries a seal.
    pub fn is_sealed(&self) -> bool {
        self.flags & FLAG_SEALED != 0
    }

    /// The bytes before the payload, as they are on the wire.
    pub(crate) fn header(&self) -> [u8; HEADER_BYTES] {
        let [low, high] = self.sequence.to_le_bytes();
        [self.kind, self.version | self.flags << 4, low, high]
    }
}

/// The frame as it goes onto the wire, delimiter included; the caller has checked its length.
pub(crate) fn wrap_frame(frame: &Frame) -> Vec<u8> {
    let mut plain = Vec::with_capacity(HEADER_BYTES + frame.payload.len() + CRC_BYTES);
    plain.extend_from_slice(&frame.header());
    plain.extend_from_slice(&frame.payload);
    plain.extend_from_slice(&crc32(&plain).to_le_bytes());
    let mut wire = alloc::vec![0; cobs::max_encoding_length(plain.len()) + 1];
    let length = cobs::encode(&plain, &mut wire);
    wire.truncate(length);
    wire.push(DELIMITER);
    wire
}

/// Wraps a payload into a frame of the current version, delimiter included.
///
/// # Errors
///
/// [`LinkError::PayloadTooLong`] above [`PAYLOAD_BYTES_MAX`].
pub fn encode_frame(kind: u8, sequence: u16, payload: &[u8]) -> Result<Vec<u8>, LinkError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(LinkError::PayloadTooLong {
            kind,
            length: payload.len(),
            length_max: PAYLOAD_BYTES_MAX,
        });
    }
    Ok(wrap_frame(&Frame {
        kind,
        version: crate::version::CURRENT,
        flags: 0,
        sequence,
        payload: payload.to_vec(),
    }))
}

/// Why a run of bytes between two delimiters is not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Garbage {
    /// The COBS code bytes do not fit the run.
    BadCobs,
    /// The checksum is wrong, or the run is too short to have one.
    BadCrc,
    /// The run is longer than [`ENCODED_BYTES_MAX`]; only its beginning is kept.
    Oversize,
}

/// What the decoder found between two delimiters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A frame whose checksum is right.
    Frame(Frame),
    /// Anything else, with its bytes as they came (at most [`ENCODED_BYTES_MAX`]).
    Garbage {
        /// Why it is not a frame.
        reason: Garbage,
        /// The bytes before COBS decoding.
        bytes: Vec<u8>,
    },
}

/// How much of the line was not a frame, since the decoder was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounters {
    /// Frames with a right checksum.
    pub frames: u64,
    /// Runs with a wrong checksum.
    pub bad_crc: u64,
    /// Runs that are not COBS.
    pub bad_cobs: u64,
    /// Runs longer than a frame can be.
    pub oversize: u64,
    /// Whole frames that were not authentic: no seal, a wrong tag or an old counter in a session
    /// of a gun with a key, or a seal in another; the two ends of the link count them.
    pub not_authentic: u64,
    /// All bytes that did not belong to a frame, those before the first delimiter included.
    pub skipped_bytes: u64,
}

/// Finds frames in a stream of bytes; holds at most [`ENCODED_BYTES_MAX`] of them.
///
/// The bytes before the first delimiter are skipped and counted: a port may hand out stale bytes
/// of an earlier opening, and a frame caught in its middle is not a frame.
///
/// ```
/// use meso_link_proto::frame::{Decoded, FrameDecoder, encode_frame};
///
/// let mut decoder = FrameDecoder::new();
/// let mut bytes = vec![0xAA, 0x00]; // the rest of some frame
/// bytes.extend(encode_frame(0x88, 1, &[1, 0, 2])?);
/// let found: Vec<_> = decoder.push(&bytes);
/// assert!(matches!(&found[..], [Decoded::Frame(frame)] if frame.payload == [1, 0, 2]));
/// assert_eq!(decoder.counters().skipped_bytes, 1);
/// # Ok::<(), meso_link_proto::LinkError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    run_bytes: u64,
    in_step: bool,
    counters: LineCounters,
}

impl FrameDecoder {
    /// A decoder that waits for its first delimiter.
    pub fn new() -> FrameDecoder {
        FrameDecoder::default()
    }

    /// What was counted so far.
    pub fn counters(&self) -> LineCounters {
        self.counters
    }

    /// Takes bytes as they come and returns what they completed, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Decoded> {
        let mut found = Vec::new();
        for &byte in bytes {
            if byte != DELIMITER {
                self.run_bytes += 1;
                if self.in_step && self.buffer.len() < ENCODED_BYTES_MAX {
                    self.buffer.push(byte);
                }
                continue;
            }
            found.extend(self.end_of_run());
        }
        found
    }

    /// Judges the run that a delimiter has just ended; an empty run is nothing.
    fn end_of_run(&mut self) -> Option<Decoded> {
        let run_bytes = core::mem::take(&mut self.run_bytes);
        let was_in_step = core::mem::replace(&mut self.in_step, true);
        let buffer = core::mem::take(&mut self.buffer);
        if run_bytes == 0 {
            return None;
        }
        if !was_in_step {
            self.counters.skipped_bytes += run_bytes;
            return None;
        }
        let reason = if run_bytes > ENCODED_BYTES_MAX as u64 {
            self.counters.oversize += 1;
            Garbage::Oversize
        } else {
            match unwrap_frame(&buffer) {
                Ok(frame) => {
                    self.counters.frames += 1;
                    return Some(Decoded::Frame(frame));
                }
                Err(Garbage::BadCobs) => {
                    self.counters.bad_cobs += 1;
                    Garbage::BadCobs
                }
                Err(reason) => {
                    self.counters.bad_crc += 1;
                    reason
                }
            }
        };
        self.counters.skipped_bytes += run_bytes;
        Some(Decoded::Garbage {
            reason,
            bytes: buffer,
        })
    }
}

/// Undoes COBS and checks the checksum of one run.
fn unwrap_frame(run: &[u8]) -> Result<Frame, Garbage> {
    let mut plain = run.to_vec();
    let length = cobs::decode_in_place(&mut plain).map_err(|_| Garbage::BadCobs)?;
    plain.truncate(length);
    if !(HEADER_BYTES + CRC_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(Garbage::BadCrc);
    }
    let (body, sum) = plain.split_at(length - CRC_BYTES);
    if crc32(body).to_le_bytes() != sum {
        return Err(Garbage::BadCrc);
    }
    Ok(Frame {
        kind: body[0],
        version: body[1] & 0x0F,
        flags: body[1] >> 4,
        sequence: u16::from_le_bytes([body[2], body[3]]),
        payload: body[HEADER_BYTES..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_ieee_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_payload_that_is_too_long_is_refused() {
        let too_long = [1; PAYLOAD_BYTES_MAX + 1];
        assert_eq!(
            encode_frame(2, 0, &too_long),
            Err(LinkError::PayloadTooLong {
                kind: 2,
                length: 247,
                length_max: 246
            })
        );
    }

    #[test]
    fn the_longest_payload_without_a_zero_fits_and_comes_back() {
        let payload = [7; PAYLOAD_BYTES_MAX];
        // A sequence without zero bytes makes the whole header free of zeros too.
        let wire = encode_frame(2, 0x0101, &payload).unwrap();
        assert!(wire.len() <= ENCODED_BYTES_MAX + 1, "{} bytes", wire.len());
        let mut decoder = FrameDecoder::new();
        decoder.push(&[DELIMITER]);
        let found = decoder.push(&wire);
        assert!(matches!(&found[..], [Decoded::Frame(frame)] if frame.payload == payload));
    }

    #[test]
    fn an_endless_run_is_held_to_the_buffer_and_counted_once() {
        let mut decoder = FrameDecoder::new();
        decoder.push(&[DELIMITER]);
        for _ in 0..100 {
            assert!(decoder.push(&[0x55; 100]).is_empty());
        }
        assert!(decoder.buffer.len() <= ENCODED_BYTES_MAX);
        let found = decoder.push(&[DELIMITER]);
        assert!(matches!(
            &found[..],
            [Decoded::Garbage {
                reason: Garbage::Oversize,
                ..
            }]
        ));
        assert_eq!(decoder.counters().oversize, 1);
        assert_eq!(decoder.counters().skipped_bytes, 10_000);
    }

    #[test]
    fn after_garbage_the_next_frame_is_unharmed() {
        let good = encode_frame(3, 9, &[1, 2, 3]).unwrap();
        let mut bytes = alloc::vec![DELIMITER, 0xFF, 1, DELIMITER, 3, 1, 1, DELIMITER];
        bytes.extend(&good);
        let mut decoder = FrameDecoder::new();
        let found = decoder.push(&bytes);
        assert_eq!(found.len(), 3);
        assert!(matches!(
            found[0],
            Decoded::Garbage {
                reason: Garbage::BadCobs,
                ..
            }
        ));
        assert!(matches!(
            found[1],
            Decoded::Garbage {
                reason: Garbage::BadCrc,
                ..
            }
        ));
        assert!(matches!(&found[2], Decoded::Frame(frame) if frame.payload == [1, 2, 3]));
    }
}
