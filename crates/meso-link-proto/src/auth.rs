//! Authenticity: keys, session keys, and the seal of a frame.
//!
//! A gun is given a key of its own when it is made ready for a clinic, and the host keeps the keys
//! of its guns. Both sides draw a random number for each session; key and numbers make the
//! session key, and every frame of the session carries a counter and a tag under it. What has no
//! right tag, or a counter that was there before, is as if it had not come.
//!
//! It is **not** secrecy: everybody on the line can read what is said.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use meso_units::GunSerial;
use sha2::Sha256;

use crate::LinkError;
use crate::frame::{FLAG_SEALED, Frame, HEADER_BYTES, wrap_frame};

/// The bytes of a gun's key.
pub const KEY_BYTES: usize = 32;
/// The bytes of either side's random number for a session.
pub const NONCE_BYTES: usize = 16;
/// The bytes of a tag.
pub const TAG_BYTES: usize = 16;
/// The bytes of a counter and a tag, between payload and checksum.
pub const SEAL_BYTES: usize = COUNTER_BYTES + TAG_BYTES;
/// The most bytes of the payload of a sealed frame; a longer one is refused.
pub const SEALED_PAYLOAD_BYTES_MAX: usize = crate::frame::PAYLOAD_BYTES_MAX - SEAL_BYTES;

const COUNTER_BYTES: usize = 4;
/// What a session key is for, so that the same key used elsewhere makes other keys.
const PURPOSE: &[u8] = b"meso link 1";
/// The block of SHA-256, to which HMAC pads its key with zeros.
const BLOCK_BYTES: usize = 64;

/// The key of one gun; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey([u8; KEY_BYTES]);

impl LinkKey {
    /// Wraps a key that was drawn at random.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> LinkKey {
        LinkKey(bytes)
    }

    /// The bytes, for the one place that writes them into a gun.
    pub const fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Reads a key as it stands in a key file: 64 hexadecimal digits, space around them allowed.
    ///
    /// # Errors
    ///
    /// [`LinkError::KeyUnfit`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<LinkKey, LinkError> {
        let digits = text.trim().as_bytes();
        let unfit = LinkError::KeyUnfit {
            length: digits.len(),
        };
        if digits.len() != KEY_BYTES * 2 {
            return Err(unfit);
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            match (hex_digit(pair[0]), hex_digit(pair[1])) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => return Err(unfit),
            }
        }
        Ok(LinkKey(bytes))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

/// The keys that a host holds, and whether it speaks with guns that have none; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    by_serial: Arc<BTreeMap<GunSerial, LinkKey>>,
    /// Refuse a gun that holds no key.
    pub only_authentic: bool,
}

impl Keys {
    /// The keys of these guns.
    pub fn new(by_serial: BTreeMap<GunSerial, LinkKey>, only_authentic: bool) -> Keys {
        Keys {
            by_serial: Arc::new(by_serial),
            only_authentic,
        }
    }

    /// The key of a gun; `None` where the host holds none.
    pub fn get(&self, serial: &GunSerial) -> Option<&LinkKey> {
        self.by_serial.get(serial)
    }

    /// How many guns the host holds a key of.
    pub fn count(&self) -> usize {
        self.by_serial.len()
    }
}

/// Where a side's random numbers for sessions come from: number n is HMAC-SHA256(seed, n).
///
/// The seed is drawn at random each time the program starts, so that no number comes twice; a
/// side that holds no key may use the default.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NonceSeed([u8; KEY_BYTES]);

impl NonceSeed {
    /// Wraps a seed that was just drawn at random.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> NonceSeed {
        NonceSeed(bytes)
    }

    pub(crate) fn nonce(&self, number: u64) -> [u8; NONCE_BYTES] {
        first_half(mac(&self.0).chain_update(number.to_le_bytes()))
    }
}

impl fmt::Debug for NonceSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceSeed(..)")
    }
}

/// Who greets whom, and with which random numbers: what a session key is made of besides the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionName<'a> {
    /// The host's random number, of HOST_HELLO.
    pub host_nonce: [u8; NONCE_BYTES],
    /// The gun's random number, of the answering HELLO.
    pub gun_nonce: [u8; NONCE_BYTES],
    /// The session.
    pub session: u32,
    /// The gun.
    pub serial: &'a GunSerial,
}

/// One side's end of an authenticated session: it seals what goes out and opens what comes in.
///
/// ```
/// use meso_link_proto::auth::{LinkKey, SealedSession, SessionName};
/// use meso_link_proto::frame::{Decoded, FrameDecoder};
/// use meso_units::GunSerial;
///
/// let serial = GunSerial::parse("GUN-0001")?;
/// let name = SessionName { host_nonce: [1; 16], gun_nonce: [2; 16], session: 7, serial: &serial };
/// let key = LinkKey::new([3; 32]);
/// let mut host = SealedSession::new(&key, &name);
/// let mut gun = SealedSession::new(&key, &name);
///
/// let wire = host.seal(0x8A, 0, &[7, 0, 0, 0, 1, 0])?;
/// let mut decoder = FrameDecoder::new();
/// decoder.push(&[0]);
/// let Decoded::Frame(frame) = decoder.push(&wire).remove(0) else { panic!() };
/// assert_eq!(gun.open(&frame)?.payload, [7, 0, 0, 0, 1, 0]);
/// assert!(gun.open(&frame).is_err(), "the same frame again is a replay");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SealedSession {
    key: [u8; KEY_BYTES],
    sent: u32,
    heard: u32,
}

impl fmt::Debug for SealedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSession")
            .field("sent", &self.sent)
            .field("heard", &self.heard)
            .finish_non_exhaustive()
    }
}

impl SealedSession {
    /// Derives the session's key (HKDF-SHA256 of RFC 5869, one block) and begins to count.
    pub fn new(key: &LinkKey, name: &SessionName<'_>) -> SealedSession {
        let mut salt = [0; 2 * NONCE_BYTES];
        let (host_half, gun_half) = salt.split_at_mut(NONCE_BYTES);
        host_half.copy_from_slice(&name.host_nonce);
        gun_half.copy_from_slice(&name.gun_nonce);
        let mut serial = [0; crate::wire::TEXT_BYTES];
        for (place, byte) in serial.iter_mut().zip(name.serial.as_str().bytes()) {
            *place = byte;
        }
        let extracted: [u8; KEY_BYTES] = mac(&salt)
            .chain_update(key.0)
            .finalize()
            .into_bytes()
            .into();
        let expanded = mac(&extracted)
            .chain_update(PURPOSE)
            .chain_update(name.session.to_le_bytes())
            .chain_update(serial)
            .chain_update([1]);
        SealedSession {
            key: expanded.finalize().into_bytes().into(),
            sent: 0,
            heard: 0,
        }
    }

    /// Wraps a payload into a sealed frame of the current version, delimiter included.
    ///
    /// # Errors
    ///
    /// [`LinkError::PayloadTooLong`] above [`SEALED_PAYLOAD_BYTES_MAX`],
    /// [`LinkError::SessionUsedUp`] after 4 294 967 295 frames.
    pub fn seal(&mut self, kind: u8, sequence: u16, payload: &[u8]) -> Result<Vec<u8>, LinkError> {
        if payload.len() > SEALED_PAYLOAD_BYTES_MAX {
            return Err(LinkError::PayloadTooLong {
                kind,
                length: payload.len(),
                length_max: SEALED_PAYLOAD_BYTES_MAX,
            });
        }
        self.sent = self.sent.checked_add(1).ok_or(LinkError::SessionUsedUp)?;
        let mut frame = Frame {
            kind,
            version: crate::version::CURRENT,
            flags: FLAG_SEALED,
            sequence,
            payload: payload.to_vec(),
        };
        frame.payload.extend_from_slice(&self.sent.to_le_bytes());
        let tag: [u8; TAG_BYTES] = first_half(
            mac(&self.key)
                .chain_update(frame.header())
                .chain_update(&frame.payload),
        );
        frame.payload.extend_from_slice(&tag);
        Ok(wrap_frame(&frame))
    }

    /// Checks the seal of a frame and gives the frame without it. Only a right one counts; a
    /// frame that was lost leaves a gap, one that comes late is refused.
    ///
    /// # Errors
    ///
    /// [`NotAuthentic`].
    pub fn open(&mut self, frame: &Frame) -> Result<Frame, NotAuthentic> {
        let tagged = frame.payload.len().checked_sub(TAG_BYTES);
        let (true, Some(tagged)) = (frame.is_sealed(), tagged) else {
            return Err(NotAuthentic::NoSeal);
        };
        let (signed, tag) = frame.payload.split_at(tagged);
        // In constant time.
        mac(&self.key)
            .chain_update(frame.header())
            .chain_update(signed)
            .verify_truncated_left(tag)
            .map_err(|_| NotAuthentic::WrongTag)?;
        let Some((payload, counter)) = signed.split_last_chunk::<COUNTER_BYTES>() else {
            return Err(NotAuthentic::NoSeal);
        };
        let counter = u32::from_le_bytes(*counter);
        if counter <= self.heard {
            return Err(NotAuthentic::OldCounter {
                counter,
                heard: self.heard,
            });
        }
        self.heard = counter;
        Ok(Frame {
            flags: frame.flags & !FLAG_SEALED,
            payload: payload.to_vec(),
            ..*frame
        })
    }
}

/// Why a frame is not believed to be of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAuthentic {
    /// It has no seal.
    #[error("the frame has no seal")]
    NoSeal,
    /// Its tag is not what the session key makes of it.
    #[error("the tag of the frame is wrong")]
    WrongTag,
    /// It was here before, or one that was sent later was.
    #[error("the frame has counter {counter} after {heard}")]
    OldCounter {
        /// Its counter.
        counter: u32,
        /// The largest counter that was taken.
        heard: u32,
    },
}

/// HMAC-SHA256 under a key of at most a block.
fn mac<const N: usize>(key: &[u8; N]) -> Hmac<Sha256> {
    // Padded here as HMAC itself pads: so there is no length that could be refused.
    let mut block = [0; BLOCK_BYTES];
    block[..N].copy_from_slice(key);
    Hmac::new(&block.into())
}

fn first_half(mac: Hmac<Sha256>) -> [u8; TAG_BYTES] {
    let whole: [u8; KEY_BYTES] = mac.finalize().into_bytes().into();
    let mut half = [0; TAG_BYTES];
    half.copy_from_slice(&whole[..TAG_BYTES]);
    half
}

/// The frame without its seal, which is not checked; `None` where it has none. For tools that look
/// at a line; an end of the link uses [`SealedSession::open`].
pub fn unchecked(frame: &Frame) -> Option<Frame> {
    let length = frame.payload.len().checked_sub(SEAL_BYTES)?;
    frame.is_sealed().then(|| Frame {
        flags: frame.flags & !FLAG_SEALED,
        payload: frame.payload[..length].to_vec(),
        ..*frame
    })
}

// The header that is signed is the one that goes onto the wire.
const _: () = assert!(HEADER_BYTES == 4);

#[cfg(test)]
mod tests {
    use super::*;

    fn serial() -> GunSerial {
        GunSerial::parse("GUN-0001").unwrap()
    }

    fn pair() -> (SealedSession, SealedSession) {
        let serial = serial();
        let name = SessionName {
            host_nonce: [1; 16],
            gun_nonce: [2; 16],
            session: 0x5E55,
            serial: &serial,
        };
        let key = LinkKey::new([3; 32]);
        (
            SealedSession::new(&key, &name),
            SealedSession::new(&key, &name),
        )
    }

    fn frame_of(wire: &[u8]) -> Frame {
        let mut decoder = crate::frame::FrameDecoder::new();
        decoder.push(&[0]);
        match decoder.push(wire).remove(0) {
            crate::frame::Decoded::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_session_key_is_what_rfc_5869_says() {
        let info = [
            b"meso link 1".as_slice(),
            &[0x55, 0x5E, 0, 0],
            b"GUN-0001",
            &[0; 8],
        ]
        .concat();
        let salt = [[1; 16], [2; 16]].concat();
        let mut expected = [0; 32];
        hkdf::Hkdf::<Sha256>::new(Some(&salt), &[3; 32])
            .expand(&info, &mut expected)
            .unwrap();
        assert_eq!(pair().0.key, expected);
    }

    #[test]
    fn one_changed_bit_anywhere_is_not_authentic() {
        let (mut host, mut gun) = pair();
        let frame = frame_of(&host.seal(0x86, 9, &[1, 2, 3]).unwrap());
        for bit in 0..frame.payload.len() * 8 {
            let mut forged = frame.clone();
            forged.payload[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(gun.open(&forged), Err(NotAuthentic::WrongTag), "bit {bit}");
        }
        for forged in [
            Frame {
                kind: 0x06,
                ..frame.clone()
            },
            Frame {
                sequence: 8,
                ..frame.clone()
            },
            Frame {
                version: 2,
                ..frame.clone()
            },
            Frame {
                flags: 3,
                ..frame.clone()
            },
        ] {
            assert_eq!(gun.open(&forged), Err(NotAuthentic::WrongTag));
        }
        let plain = Frame {
            flags: 0,
            ..frame.clone()
        };
        assert_eq!(gun.open(&plain), Err(NotAuthentic::NoSeal));
        assert_eq!(gun.open(&frame).unwrap().payload, [1, 2, 3]);
    }

    #[test]
    fn a_late_frame_is_refused_and_a_gap_is_not() {
        let (mut host, mut gun) = pair();
        let frames: Vec<Frame> = (0..3)
            .map(|n| frame_of(&host.seal(0x88, n, &[]).unwrap()))
            .collect();
        assert!(gun.open(&frames[0]).is_ok());
        assert!(gun.open(&frames[2]).is_ok());
        let old = Err(NotAuthentic::OldCounter {
            counter: 2,
            heard: 3,
        });
        assert_eq!(gun.open(&frames[1]), old);
    }

    #[test]
    fn a_used_up_session_seals_no_more() {
        let (mut host, _) = pair();
        host.sent = u32::MAX;
        assert_eq!(host.seal(0x88, 0, &[]), Err(LinkError::SessionUsedUp));
    }

    #[test]
    fn every_other_ingredient_makes_another_key() {
        let (own, _) = pair();
        let (serial, other) = (serial(), GunSerial::parse("GUN-0002").unwrap());
        let name = SessionName {
            host_nonce: [1; 16],
            gun_nonce: [2; 16],
            session: 0x5E55,
            serial: &serial,
        };
        let key = LinkKey::new([3; 32]);
        for (key, name) in [
            (LinkKey::new([4; 32]), name),
            (
                key.clone(),
                SessionName {
                    host_nonce: [9; 16],
                    ..name
                },
            ),
            (
                key.clone(),
                SessionName {
                    gun_nonce: [9; 16],
                    ..name
                },
            ),
            (key.clone(), SessionName { session: 1, ..name }),
            (
                key,
                SessionName {
                    serial: &other,
                    ..name
                },
            ),
        ] {
            assert_ne!(SealedSession::new(&key, &name).key, own.key);
        }
    }

    #[test]
    fn a_key_is_64_digits_and_never_printed() {
        let text = alloc::format!(" {}\n", "aB".repeat(32));
        let key = LinkKey::parse(&text).unwrap();
        assert_eq!(key, LinkKey::new([0xAB; 32]));
        assert_eq!(alloc::format!("{key:?}"), "LinkKey(..)");
        for wrong in ["", "ab", &"g".repeat(64), &"ab".repeat(33)] {
            let error = LinkKey::parse(wrong).unwrap_err();
            assert!(wrong.is_empty() || !alloc::format!("{error}").contains(wrong));
        }
    }
}
