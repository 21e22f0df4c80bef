//! The gun's end in any life.

use meso_link_proto::auth::{LinkKey, NonceSeed, SealedSession};
use meso_link_proto::frame::{DELIMITER, Frame, encode_frame};
use meso_link_proto::message::kind;
use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, LeaseLoss, Measured, Message,
};
use meso_units::{
    BootId, GunTick, Micrometres, Nanolitres, NeedleCount, ShotCounter, ShotsPerMinute,
};

use super::{Input, KEY, frame_of, serial, session, unsealed};

/// Frames that a gun may say without anything new happening: its answers and its ring, twice.
const FRAMES_MAX: usize = 64;

fn built(how: u8) -> GunSettings {
    let text = |text| GunText::new("text", text).expect("it is one");
    let limits = GunLimits {
        depth_max: Micrometres::new(2_000).ok(),
        volume_max: Nanolitres::new(50_000).ok(),
        frequency_max: ShotsPerMinute::new(600).ok(),
    };
    GunSettings {
        serial: serial(),
        model: text("FUZZ"),
        firmware: text("1.0.0"),
        firmware_hash: [0; 8],
        boot: BootId(0),
        boot_count: 0,
        capabilities: Capabilities(if how & 8 == 0 { 0x1A0 } else { 0 }),
        limits: if how & 4 == 0 {
            GunLimits::default()
        } else {
            limits
        },
        lease_loss: if how & 2 == 0 {
            LeaseLoss::Continue
        } else {
            LeaseLoss::Inhibit
        },
        ring_shots_max: usize::from(1 + (how >> 4 & 7)),
        key: (how & 1 != 0).then(|| LinkKey::new(KEY)),
        nonce_seed: NonceSeed::new(KEY),
    }
}

/// A gun and what somebody who holds its key knows of it.
struct Gun {
    link: GunLink,
    has_key: bool,
    now_us: u64,
    /// Greetings of hosts that the gun may be answering.
    greetings: Vec<(u32, [u8; 16])>,
    host: Option<SealedSession>,
    gun_nonce: [u8; 16],
}

/// The gun's end in any life.
pub(crate) fn gun(data: &[u8]) {
    let mut input = Input(data);
    let how = input.u8();
    let mut gun = Gun {
        link: GunLink::new(built(how)),
        has_key: how & 1 != 0,
        now_us: 0,
        greetings: Vec::new(),
        host: None,
        gun_nonce: [0; 16],
    };
    while !input.0.is_empty() {
        gun.happen(&mut input);
        gun.check(usize::from(1 + (how >> 4 & 7)));
    }
    assert!(gun.poll(FRAMES_MAX) < FRAMES_MAX, "the gun never ends");
}

impl Gun {
    fn now(&self) -> GunTick {
        GunTick::new(self.now_us).expect("no input is long enough for more")
    }

    fn happen(&mut self, input: &mut Input<'_>) {
        let what = input.u8();
        match what & 7 {
            0 => self.now_us += u64::from(input.u16()) * 100,
            1 => {
                let length = usize::from(input.u8());
                let now = self.now();
                self.link.receive(input.bytes(length), now);
            }
            2 => self.hear(&input.frame(), what & 8 != 0),
            3 => {
                self.poll(usize::from(1 + (what >> 3 & 7)));
            }
            4 => self.fire(input, what),
            5 => self.link.line_reset(),
            // A restart, and limits kept over it, are the business of firmware in C.
            6 => {
                if what & 8 != 0 {
                    input.bytes(3);
                }
            }
            _ => {
                input.u16();
            }
        }
    }

    fn hear(&mut self, frame: &Frame, is_sealed: bool) {
        if let Ok(Message::HostHello(hello)) = Message::decode(frame) {
            self.greetings.push((hello.session, hello.nonce));
        }
        let seal = self.host.as_mut().filter(|_| is_sealed);
        let wire = match seal {
            Some(seal) => seal.seal(frame.kind, 0, &frame.payload),
            None => encode_frame(frame.kind, 0, &frame.payload),
        };
        let now = self.now();
        self.link.receive(&[DELIMITER], now);
        self.link
            .receive(&wire.expect("no layout is too long"), now);
    }

    /// The settings of a trigger are read as the target in C reads them.
    fn fire(&mut self, input: &mut Input<'_>, what: u8) {
        let present = input.u8();
        let (depth, volume) = (input.u16(), input.u16());
        let (frequency, needles) = (input.u8(), input.u8());
        input.u8();
        let has = |bit: u8| present & bit != 0;
        let measured = Measured {
            depth_set: Micrometres::new(depth.into()).ok().filter(|_| has(2)),
            volume_set: Nanolitres::new(volume.into()).ok().filter(|_| has(8)),
            frequency_set: ShotsPerMinute::new(frequency.into())
                .ok()
                .filter(|_| has(0x20)),
            needles_working: NeedleCount::new(needles).ok().filter(|_| has(0x40)),
            ..Measured::default()
        };
        let newest = self.newest();
        let fired = self.link.fire(measured, self.now());
        assert_eq!(self.newest(), newest + u32::from(fired.is_ok()));
        assert!(
            !(self.link.is_inhibited() && fired.is_ok()),
            "{what:#x}: an inhibited gun has fired"
        );
    }

    fn newest(&self) -> u32 {
        self.link.inventory().newest.map_or(0, ShotCounter::get)
    }

    fn poll(&mut self, frames: usize) -> usize {
        for sent in 0..frames {
            let Some(wire) = self.link.next_frame(self.now()) else {
                return sent;
            };
            let frame = frame_of(&wire);
            assert!(frame.kind & 0x80 == 0, "a gun speaks as a host");
            if frame.kind == kind::HELLO {
                self.on_hello(&frame);
            } else {
                assert_eq!(frame.is_sealed(), self.has_key, "{:#x}", frame.kind);
                let message = Message::decode(&unsealed(&frame));
                assert!(message.is_ok(), "{message:?} went out");
            }
        }
        frames
    }

    fn on_hello(&mut self, frame: &Frame) {
        let Ok(Message::Hello(hello)) = Message::decode(&unsealed(frame)) else {
            panic!("a greeting that nobody understands went out");
        };
        assert!(self.has_key || !frame.is_sealed());
        if !frame.is_sealed() {
            return;
        }
        for (number, host_nonce) in self.greetings.iter().rev() {
            let mut host = session(*host_nonce, hello.nonce, hello.session);
            if *number == hello.session && host.open(frame).is_ok() {
                if self.gun_nonce != hello.nonce {
                    self.gun_nonce = hello.nonce;
                    self.host = Some(session(*host_nonce, hello.nonce, hello.session));
                }
                return;
            }
        }
    }

    fn check(&self, slots: usize) {
        let held = self.link.inventory();
        let raw = |counter: Option<ShotCounter>| counter.map_or(0, ShotCounter::get);
        let (oldest, newest) = (raw(held.oldest), raw(held.newest));
        assert!(raw(held.acknowledged) <= newest && oldest <= newest);
        assert!(oldest == 0 || ((newest - oldest) as usize) < slots);
    }
}
