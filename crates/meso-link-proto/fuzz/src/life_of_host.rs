//! The host's end in any life.

use std::collections::BTreeMap;

use meso_link_proto::auth::{Keys, LinkKey, NonceSeed, SealedSession};
use meso_link_proto::clock::HostNow;
use meso_link_proto::frame::{DELIMITER, Decoded, FrameDecoder, encode_frame};
use meso_link_proto::{GunLimits, HostEvent, HostLink, Message};
use meso_units::{Epoch, ShotCounter, Timestamp};

use super::{Input, KEY, serial, session, unsealed};

/// A host, and what somebody who holds the key of its gun knows of it.
struct Host {
    link: HostLink,
    now_ms: u64,
    nonce: [u8; 16],
    gun: Option<SealedSession>,
    /// The counter that the next shot must have, since the latest `expect_from`.
    next: Option<(Epoch, u32)>,
    only_authentic: bool,
}

/// The session of every host.
const SESSION: u32 = 7;

/// The host's end in any life.
pub(crate) fn host(data: &[u8]) {
    let mut input = Input(data);
    let how = input.u8();
    let keys = if how & 1 == 0 {
        BTreeMap::new()
    } else {
        BTreeMap::from([(serial(), LinkKey::new(KEY))])
    };
    let only_authentic = how & 2 != 0;
    let keys = Keys::new(keys, only_authentic);
    let mut host = Host {
        link: HostLink::with_keys(SESSION, NonceSeed::new(KEY), keys),
        now_ms: 0,
        nonce: [0; 16],
        gun: None,
        next: None,
        only_authentic,
    };
    host.pass(0);
    while !input.0.is_empty() {
        host.happen(&mut input);
    }
}

impl Host {
    fn now(&self) -> HostNow {
        HostNow {
            monotonic_ns: self.now_ms * 1_000_000,
            utc: Timestamp::UNIX_EPOCH,
            segment: 0,
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let events = self.link.step(self.now());
        self.look_at(&events);
    }

    fn happen(&mut self, input: &mut Input<'_>) {
        let what = input.u8();
        match what & 7 {
            0 => self.pass(u64::from(input.u16() >> 3)),
            1 => {
                let length = usize::from(input.u8());
                let now = self.now();
                let events = self.link.receive(input.bytes(length), now);
                self.look_at(&events);
            }
            2 => self.hear(input, what),
            3 => self.command(input),
            4 => {
                let epoch = Epoch(input.u8().into());
                let next = ShotCounter(input.u8().into());
                if self.link.expect_from(epoch, next, self.now()).is_ok() {
                    self.next = Some((epoch, next.get()));
                }
            }
            _ => {
                let epoch = Epoch(input.u8().into());
                let counter = ShotCounter(input.u8().into());
                let _ = self.link.acknowledge(epoch, counter);
            }
        }
        self.hear_output();
    }

    fn command(&mut self, input: &mut Input<'_>) {
        let now = self.now();
        let value = input.u8();
        let _ = match value & 7 {
            0 => self.link.assign_epoch(Epoch((value >> 3).into()), now),
            1 => self.link.inhibit(value, now),
            2 => self.link.resume(now),
            3 => self.link.set_limits(GunLimits::default(), now),
            4 => self.link.read_settings(now),
            _ => self.link.identify(value, now),
        };
    }

    /// A frame of a gun; bit 3 seals it, bit 4 begins the gun's session with it.
    fn hear(&mut self, input: &mut Input<'_>, what: u8) {
        let frame = input.frame();
        if what & 0x10 != 0 {
            let nonce = frame.payload.last_chunk::<16>();
            self.gun = nonce.map(|nonce| session(self.nonce, *nonce, SESSION));
        }
        let seal = self.gun.as_mut().filter(|_| what & 8 != 0);
        let wire = match seal {
            Some(seal) => seal.seal(frame.kind, 0, &frame.payload),
            None => encode_frame(frame.kind, 0, &frame.payload),
        };
        let now = self.now();
        let mut events = self.link.receive(&[DELIMITER], now);
        events.extend(
            self.link
                .receive(&wire.expect("no layout is too long"), now),
        );
        self.look_at(&events);
    }

    /// Whatever goes out is frames of a host, sealed where the gun is known to be authentic.
    fn hear_output(&mut self) {
        let output = self.link.take_output();
        let mut decoder = FrameDecoder::new();
        decoder.push(&[DELIMITER]);
        for found in decoder.push(&output) {
            let Decoded::Frame(frame) = found else {
                panic!("garbage went out");
            };
            assert!(frame.kind & 0x80 != 0, "a host speaks as a gun");
            let message = Message::decode(&unsealed(&frame));
            match message.expect("nonsense went out") {
                Message::HostHello(hello) => {
                    assert!(!frame.is_sealed() && hello.session == SESSION);
                    self.nonce = hello.nonce;
                }
                _ => assert!(frame.is_sealed() || !self.only_authentic),
            }
        }
    }

    fn look_at(&mut self, events: &[HostEvent]) {
        for event in events {
            match event {
                HostEvent::Attached(_) => {
                    self.next = None;
                    assert!(
                        !self.only_authentic
                            || self.link.hello().is_none()
                            || self.link.is_authentic()
                    );
                }
                HostEvent::Shot(shot) => self.take((shot.key.epoch, shot.key.counter), 1),
                HostEvent::Rejected(rejection) => {
                    let of_stream = rejection.identity.map(|key| (key.epoch, key.counter));
                    if let (Some((epoch, counter)), Some((next_epoch, _))) = (of_stream, self.next)
                        && epoch == next_epoch
                    {
                        self.take((epoch, counter), 1);
                    }
                }
                HostEvent::Lost { epoch, first, last } => {
                    assert!(first <= last);
                    self.take((*epoch, *first), last.get() - first.get() + 1);
                }
                HostEvent::CounterWentBack { .. } => self.next = None,
                _ => {}
            }
        }
    }

    /// Each counter comes in its turn, once.
    fn take(&mut self, key: (Epoch, ShotCounter), count: u32) {
        let next = self.next.expect("shots come before they are asked for");
        assert_eq!((key.0, key.1.get()), next);
        self.next = Some((next.0, next.1.saturating_add(count)));
    }
}
