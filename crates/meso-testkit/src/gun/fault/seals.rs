//! Between a gun with a key and its host: what goes through is opened, changed, and sealed anew.

use meso_link_proto::auth::{
    LinkKey, NONCE_BYTES, NotAuthentic, SealedSession, SessionName, unchecked,
};
use meso_link_proto::frame::{Frame, encode_frame};
use meso_link_proto::message::HostHello;
use meso_link_proto::{GunSettings, Hello};

use super::Fault;

/// The random number of a gun that has only one.
const OLD_NONCE: [u8; NONCE_BYTES] = [0x11; NONCE_BYTES];

/// The sessions on both sides of the fault.
#[derive(Debug)]
struct Pair {
    /// As the gun, towards the host.
    outside: SealedSession,
    /// As the host, towards the gun.
    inside: SealedSession,
    /// What names the session: host's number, session, gun's number.
    name: ([u8; NONCE_BYTES], u32, [u8; NONCE_BYTES]),
}

/// What a fault knows of the keys.
#[derive(Debug)]
pub(super) struct Seals {
    fault: Fault,
    key: LinkKey,
    host: Option<(u32, [u8; NONCE_BYTES])>,
    pair: Option<Pair>,
}

impl Seals {
    /// `None` for a gun without a key.
    pub(super) fn new(fault: Fault, settings: &GunSettings) -> Option<Seals> {
        let key = settings.key.clone()?;
        Some(Seals {
            fault,
            key,
            host: None,
            pair: None,
        })
    }

    pub(super) fn on_host_hello(&mut self, hello: &HostHello) {
        self.host = Some((hello.session, hello.nonce));
    }

    /// Begins the sessions of a greeting, if it begins one.
    pub(super) fn on_hello(&mut self, hello: &Hello) {
        let Some((session, host_nonce)) = self.host.filter(|host| host.0 == hello.session) else {
            return;
        };
        let name = (host_nonce, session, hello.nonce);
        if self.pair.as_ref().is_some_and(|pair| pair.name == name) {
            return;
        }
        let of = |key: &LinkKey, gun_nonce| {
            let name = SessionName {
                host_nonce,
                gun_nonce,
                session,
                serial: &hello.serial,
            };
            SealedSession::new(key, &name)
        };
        let outer_nonce = self.outer_nonce(hello.nonce);
        self.pair = Some(Pair {
            outside: of(&self.key, outer_nonce),
            inside: of(&self.key, hello.nonce),
            name,
        });
    }

    /// The gun's random number as the host hears it.
    pub(super) fn outer_nonce(&self, nonce: [u8; NONCE_BYTES]) -> [u8; NONCE_BYTES] {
        if self.fault == Fault::RepeatsNonce {
            OLD_NONCE
        } else {
            nonce
        }
    }

    /// A frame of the host without its seal, if this gun believes it.
    pub(super) fn open_from_host(&mut self, frame: &Frame) -> Option<Frame> {
        let pair = self.pair.as_mut()?;
        match (pair.outside.open(frame), self.fault) {
            (Ok(plain), _) => Some(plain),
            (Err(NotAuthentic::OldCounter { .. }), Fault::AcceptsReplays) => unchecked(frame),
            (Err(NotAuthentic::NoSeal), Fault::ObeysUnsealed) => Some(frame.clone()),
            (Err(_), _) => None,
        }
    }

    /// The same for the gun behind the fault.
    pub(super) fn seal_to_gun(&mut self, frame: &Frame) -> Vec<u8> {
        let sealed = self.pair.as_mut().and_then(|pair| {
            pair.inside
                .seal(frame.kind, frame.sequence, &frame.payload)
                .ok()
        });
        sealed.unwrap_or_default()
    }

    /// A frame of the gun as the host hears it.
    pub(super) fn seal_to_host(&mut self, frame: &Frame) -> Vec<u8> {
        let Some(pair) = self.pair.as_mut() else {
            return plain(frame);
        };
        let sealed = pair
            .outside
            .seal(frame.kind, frame.sequence, &frame.payload);
        match self.fault {
            Fault::StripsSeal => plain(frame),
            Fault::WrongKey => spoiled(sealed.unwrap_or_default()),
            _ => sealed.unwrap_or_default(),
        }
    }
}

pub(super) fn plain(frame: &Frame) -> Vec<u8> {
    // Cannot fail: the payload is no longer than it came.
    encode_frame(frame.kind, frame.sequence, &frame.payload).unwrap_or_default()
}

/// A sealed frame whose tag is that of another key, its checksum right.
fn spoiled(wire: Vec<u8>) -> Vec<u8> {
    let run = wire.strip_suffix(&[0]).unwrap_or(&wire);
    let Ok(mut bytes) = cobs::decode_vec(run) else {
        return wire;
    };
    let body = bytes.len() - 4;
    bytes[body - 1] ^= 0xFF;
    let sum = meso_link_proto::frame::crc32(&bytes[..body]).to_le_bytes();
    bytes[body..].copy_from_slice(&sum);
    let mut wire = cobs::encode_vec(&bytes);
    wire.push(0);
    wire
}
