//! What is fuzzed: the codec, the gun's end and the host's end of the link.
//!
//! An input for `decoder` is one byte and a line: even, bytes as they come; odd, a frame before
//! checksum and COBS, which nothing that guesses would ever find. An input for `gun` and `host` is
//! a life: one byte for how it is built, then one for each thing that happens, followed by what
//! that needs; a byte that is not there is zero. The targets in C read the same inputs.
//!
//! The fuzzer runs these, and so does an ordinary test on every input that was kept.

mod life_of_gun;
mod life_of_host;

use meso_link_proto::Message;
use meso_link_proto::auth::{LinkKey, SealedSession, SessionName};
use meso_link_proto::frame::{
    CRC_BYTES, DELIMITER, Decoded, ENCODED_BYTES_MAX, FRAME_BYTES_MAX, Frame, FrameDecoder,
    PAYLOAD_BYTES_MAX, crc32, encode_frame,
};
use meso_link_proto::message::kind;
use meso_link_proto::version;
use meso_units::GunSerial;

pub(crate) use life_of_gun::gun;
pub(crate) use life_of_host::host;

/// The key of every gun that has one.
const KEY: [u8; 32] = *b"the key of every gun under fuzz.";
/// The bytes of a seal.
const SEAL_BYTES: usize = 20;

/// An input that is being read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    fn bytes(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A frame of the right length for its kind, before checksum and COBS.
    fn frame(&mut self) -> Frame {
        let kind = self.u8();
        let payload = (0..layout_bytes(kind)).map(|_| self.u8()).collect();
        Frame {
            kind,
            version: version::CURRENT,
            flags: 0,
            sequence: 0,
            payload,
        }
    }
}

/// The bytes of a kind's layout; a few for one that there is not.
fn layout_bytes(kind: u8) -> usize {
    match kind {
        kind::HELLO => 144,
        kind::SHOT => 60,
        kind::STATUS => 66,
        kind::RANGE | kind::HOST_HELLO => 26,
        kind::TIME_ANSWER | kind::TIME_REQUEST => 28,
        kind::RESULT => 30,
        kind::SETTINGS => 32,
        kind::ACKNOWLEDGE | kind::KEEP_ALIVE | kind::SET_LIMITS => 16,
        kind::SEND_FROM => 18,
        kind::ASSIGN_EPOCH => 22,
        kind::INHIBIT | kind::IDENTIFY => 7,
        kind::RESUME => 10,
        kind::READ_SETTINGS => 6,
        other => usize::from(other & 0x3F),
    }
}

/// Checksum and COBS, written apart from the crate, between two delimiters.
pub(crate) fn wrap(plain: &[u8]) -> Vec<u8> {
    let plain = &plain[..plain.len().min(FRAME_BYTES_MAX - CRC_BYTES)];
    let mut wire = vec![DELIMITER, 0];
    let mut code_at = 1;
    for byte in plain.iter().copied().chain(crc32(plain).to_le_bytes()) {
        if wire.len() - code_at == 255 {
            wire[code_at] = 255;
            code_at = wire.len();
            wire.push(0);
        }
        if byte == 0 {
            wire[code_at] = code_of(&wire, code_at);
            code_at = wire.len();
        }
        wire.push(byte);
    }
    wire[code_at] = code_of(&wire, code_at);
    wire.push(DELIMITER);
    wire
}

fn code_of(wire: &[u8], code_at: usize) -> u8 {
    u8::try_from(wire.len() - code_at).expect("a block of COBS is at most 255 bytes long")
}

fn frame_of(wire: &[u8]) -> Frame {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[DELIMITER]);
    let mut found = decoder.push(wire);
    assert_eq!(found.len(), 1, "one frame at a time: {wire:?}");
    match found.remove(0) {
        Decoded::Frame(frame) => frame,
        Decoded::Garbage { reason, .. } => panic!("garbage went out: {reason:?}"),
    }
}

/// The codec on any line.
pub(crate) fn decoder(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let line = if first & 1 == 0 {
        rest.to_vec()
    } else {
        wrap(rest)
    };
    let mut decoder = FrameDecoder::new();
    let mut whole = decoder.push(&line);
    for found in &whole {
        match found {
            Decoded::Frame(frame) => look_at_frame(frame),
            Decoded::Garbage { bytes, .. } => assert!(bytes.len() <= ENCODED_BYTES_MAX),
        }
    }
    // The same bytes one by one are the same.
    let mut slow = FrameDecoder::new();
    for byte in &line {
        for found in slow.push(&[*byte]) {
            assert_eq!(found, whole.remove(0));
        }
    }
    assert!(whole.is_empty());
    assert_eq!(slow.counters(), decoder.counters());
}

fn look_at_frame(frame: &Frame) {
    assert!(frame.payload.len() <= PAYLOAD_BYTES_MAX);
    let wire = encode_frame(frame.kind, frame.sequence, &frame.payload).expect("it came so");
    assert_eq!(frame_of(&wire).payload, frame.payload);
    let mut nobody = session([0; 16], [0; 16], 1);
    assert!(nobody.open(frame).is_err(), "nobody has sealed this");
    let plain = unsealed(frame);
    if let Ok(message) = Message::decode(&plain) {
        // What was understood is written again, and that is understood as the same.
        let again = frame_of(&message.encode(frame.sequence).expect("it came so"));
        assert_eq!(Message::decode(&again).as_ref(), Ok(&message));
    }
}

/// The frame without its seal, unchecked.
fn unsealed(frame: &Frame) -> Frame {
    let mut plain = frame.clone();
    if frame.is_sealed() && frame.payload.len() >= SEAL_BYTES {
        plain.flags &= !1;
        plain.payload.truncate(frame.payload.len() - SEAL_BYTES);
    }
    plain
}

fn serial() -> GunSerial {
    GunSerial::parse("GUN-0001").expect("it is one")
}

fn session(host_nonce: [u8; 16], gun_nonce: [u8; 16], session: u32) -> SealedSession {
    let name = SessionName {
        host_nonce,
        gun_nonce,
        session,
        serial: &serial(),
    };
    SealedSession::new(&LinkKey::new(KEY), &name)
}
