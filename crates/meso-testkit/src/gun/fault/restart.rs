//! A gun that lost its memory and does not know it.

use meso_link_proto::auth::{NonceSeed, SealedSession, SessionName, unchecked};
use meso_link_proto::frame::{DELIMITER, Decoded, Frame, FrameDecoder};
use meso_link_proto::message::{AssignEpoch, HostHello};
use meso_link_proto::{GunLink, GunSettings, Message, version};
use meso_units::{Epoch, GunTick};

/// The first frame of whole bytes.
pub(super) fn decoded(bytes: &[u8]) -> Option<Frame> {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[DELIMITER]);
    match decoder.push(bytes).into_iter().next()? {
        Decoded::Frame(frame) => Some(frame),
        Decoded::Garbage { .. } => None,
    }
}

/// A gun that has just started and believes that the epoch of before is still its own.
pub(super) fn restarted(settings: &GunSettings, start: u32, epoch: Epoch, now: GunTick) -> GunLink {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&start.to_le_bytes());
    let mut link = GunLink::new(GunSettings {
        nonce_seed: NonceSeed::new(seed),
        ..settings.clone()
    });
    link.receive(&[DELIMITER], now);
    let host = HostHello {
        protocol_min: version::MIN,
        protocol_max: version::CURRENT,
        schema: version::schema(),
        session: 1,
        nonce: [0; 16],
    };
    let assign = Message::AssignEpoch(AssignEpoch {
        session: host.session,
        command: 1,
        replaces: None,
        epoch,
    });
    link.receive(&Message::HostHello(host).encode(0).unwrap_or_default(), now);
    let sealed = settings.key.as_ref().and_then(|key| {
        let frame = decoded(&link.next_frame(now)?)?;
        let Ok(Message::Hello(hello)) = Message::decode(&unchecked(&frame)?) else {
            return None;
        };
        let name = SessionName {
            host_nonce: host.nonce,
            gun_nonce: hello.nonce,
            session: host.session,
            serial: &hello.serial,
        };
        assign
            .encode_sealed(0, &mut SealedSession::new(key, &name))
            .ok()
    });
    let plain = || assign.encode(0).unwrap_or_default();
    link.receive(&sealed.unwrap_or_else(plain), now);
    link.line_reset();
    link.receive(&[DELIMITER], now);
    link
}
