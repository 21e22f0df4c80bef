//! The gun in C and the gun in Rust do the same, byte for byte, in any sequence of events, with a
//! key and without.

use meso_link_proto::auth::{LinkKey, NonceSeed, SealedSession, SessionName};
use meso_link_proto::frame::{DELIMITER, Decoded, FrameDecoder};
use meso_link_proto::message::{HostHello, TimeRequest};
use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, Housekeeping, LeaseLoss, Measured,
    Message, SetPoints, ShotEvent, version,
};
use meso_units::{
    BootId, GaugePascals, GunSerial, GunTick, Micrometres, MilliCelsius, Millivolts, Nanolitres,
    NeedleCount, ShotsPerMinute,
};
use proptest::option;
use proptest::prelude::*;

use crate::bench::{Bench, hex};
use crate::codec::with_bench;
use crate::describe::{present_bits, purpose_code, set_bits};
use crate::fuzz::targets::wrap;
use crate::messages::{from_host, limits, measured, set_points, shot_of};

/// The key of the guns that have one.
pub(crate) const KEY: [u8; 32] = [0x4B; 32];
/// What the guns draw their nonces from.
pub(crate) const SEED: [u8; 32] = [0x5E; 32];

/// How something that the host says is proven to be of the host.
#[derive(Clone, Copy, Debug)]
enum Proof {
    /// As a host that knows what it does: a seal in a session with a key, none otherwise.
    Right,
    /// None at all.
    None,
    /// A seal under a key that is not the session's.
    Foreign,
    /// A right seal, and a payload in which a bit was changed afterwards.
    Bent,
}

/// What can happen to a gun.
#[derive(Clone, Debug)]
enum Event {
    /// Time goes by.
    Wait { us: u64 },
    /// The host, or somebody in its place, says something, whole.
    Hear(Message, Proof),
    /// Something that was said before comes once more.
    Again(prop::sample::Index),
    /// The line says something else.
    Noise(Vec<u8>),
    /// The trigger.
    Fire(Box<Measured>),
    /// The transmitter has room for so many frames.
    Poll { frames: usize },
    /// The line was closed and opened.
    Reset,
    /// The gun senses itself.
    Sense(Housekeeping),
    /// Somebody turns the knobs.
    Dial(SetPoints),
}

/// What makes one gun differ from another.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) slots: usize,
    pub(crate) lease_loss: LeaseLoss,
    pub(crate) boot: u32,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: GunLimits,
    pub(crate) has_key: bool,
}

impl Build {
    /// The request that makes the bench build this gun.
    pub(crate) fn request(&self) -> String {
        format!(
            "gun {} {} {} {} {} {} {} {} {}",
            self.slots,
            u8::from(self.lease_loss == LeaseLoss::Inhibit),
            self.boot,
            self.capabilities.0,
            self.limits.depth_max.map_or(0, Micrometres::get),
            self.limits.volume_max.map_or(0, Nanolitres::get),
            self.limits.frequency_max.map_or(0, ShotsPerMinute::get),
            hex(if self.has_key { &KEY } else { &[] }),
            hex(&SEED),
        )
    }

    pub(crate) fn settings(&self) -> GunSettings {
        GunSettings {
            serial: serial(),
            model: GunText::new("model", "TEST").unwrap(),
            firmware: GunText::new("firmware", "1.0.0").unwrap(),
            firmware_hash: [0; 8],
            boot: BootId(self.boot),
            boot_count: 1,
            capabilities: self.capabilities,
            limits: self.limits,
            lease_loss: self.lease_loss,
            ring_shots_max: self.slots,
            key: self.has_key.then(|| LinkKey::new(KEY)),
            nonce_seed: NonceSeed::new(SEED),
        }
    }
}

pub(crate) fn serial() -> GunSerial {
    GunSerial::parse("GUN-0001").unwrap()
}

/// A host that believes every HELLO, and keeps what it has said.
#[derive(Default)]
struct Host {
    greetings: Vec<HostHello>,
    seal: Option<(HostHello, [u8; 16], SealedSession)>,
    said: Vec<Vec<u8>>,
}

impl Host {
    /// Takes the key of the session from the gun's answer.
    fn hear(&mut self, wire: &[u8]) {
        let mut decoder = FrameDecoder::new();
        decoder.push(&[DELIMITER]);
        for found in decoder.push(wire) {
            let Decoded::Frame(mut frame) = found else {
                panic!("a gun says garbage: {}", hex(wire));
            };
            if frame.is_sealed() {
                frame.flags = 0;
                frame.payload.truncate(frame.payload.len() - 20);
            }
            if let Ok(Message::Hello(hello)) = Message::decode(&frame) {
                self.on_hello(hello.session, hello.nonce);
            }
        }
    }

    fn on_hello(&mut self, session: u32, gun_nonce: [u8; 16]) {
        let asked = self.greetings.iter().rev();
        let Some(greeting) = asked.clone().find(|hello| hello.session == session) else {
            return;
        };
        let is_known = self
            .seal
            .as_ref()
            .is_some_and(|(known, nonce, _)| known == greeting && *nonce == gun_nonce);
        if gun_nonce == [0; 16] || is_known {
            return;
        }
        let name = SessionName {
            host_nonce: greeting.nonce,
            gun_nonce,
            session,
            serial: &serial(),
        };
        let seal = SealedSession::new(&LinkKey::new(KEY), &name);
        self.seal = Some((*greeting, gun_nonce, seal));
    }

    fn say(&mut self, message: &Message, proof: Proof) -> Vec<u8> {
        let foreign = SessionName {
            host_nonce: [9; 16],
            gun_nonce: [9; 16],
            session: 7,
            serial: &serial(),
        };
        let mut foreign = SealedSession::new(&LinkKey::new(KEY), &foreign);
        let own = self.seal.as_mut().map(|(.., seal)| seal);
        let mut wire = match (message, proof, own) {
            (Message::HostHello(_), Proof::Right, _) | (_, Proof::None, _) | (_, _, None) => {
                message.encode(0).unwrap()
            }
            (_, Proof::Foreign, _) => message.encode_sealed(0, &mut foreign).unwrap(),
            (_, Proof::Right, Some(seal)) => message.encode_sealed(0, seal).unwrap(),
            (_, Proof::Bent, Some(seal)) => bent(&message.encode_sealed(0, seal).unwrap()),
        };
        if let Message::HostHello(hello) = message {
            self.greetings.push(*hello);
        }
        wire.insert(0, DELIMITER);
        self.said.push(wire.clone());
        wire
    }
}

/// The frame with the lowest bit of its sequence changed, its checksum right again.
fn bent(wire: &[u8]) -> Vec<u8> {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[DELIMITER]);
    let Decoded::Frame(frame) = decoder.push(wire).remove(0) else {
        panic!("an own frame is garbage");
    };
    let mut plain = vec![frame.kind, frame.version | frame.flags << 4, 1, 0];
    plain.extend(&frame.payload);
    wrap(&plain)
}

/// The two guns, their host, and their clock.
struct Pair<'a> {
    rust: GunLink,
    c: &'a mut Bench,
    host: Host,
    now_us: u64,
}

impl<'a> Pair<'a> {
    fn new(build: &Build, c: &'a mut Bench) -> Pair<'a> {
        assert_eq!(c.ask(&build.request()), "ok");
        Pair {
            rust: GunLink::new(build.settings()),
            c,
            host: Host::default(),
            now_us: 0,
        }
    }

    fn tick(&self) -> GunTick {
        GunTick::new(self.now_us).unwrap()
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.rust.receive(bytes, self.tick());
        assert_eq!(
            self.c
                .ask(&format!("receive {} {}", self.now_us, hex(bytes))),
            "ok"
        );
    }

    fn fire(&mut self, measured: &Measured) {
        let shot = ShotEvent {
            measured: measured.clone(),
            ..shot_of(1, 1)
        };
        let volume = |volume: Option<Nanolitres>| volume.map_or(0, |nl| nl.get());
        let theirs = self.c.ask(&format!(
            "fire {} {} {} {} {} {} {} {} {} {} {}",
            self.now_us,
            measured.depth_set.map_or(0, |um| um.get()),
            measured.depth_sensed.map_or(0, |um| um.get()),
            volume(measured.volume_set),
            volume(measured.volume_sensed),
            measured.frequency_set.map_or(0, |spm| spm.get()),
            measured.needles_working.map_or(0, |count| count.get()),
            purpose_code(measured.purpose),
            measured.pressure.map_or(0, GaugePascals::get),
            measured.flags.bits(),
            present_bits(&shot),
        ));
        let ours = match self.rust.fire(measured.clone(), self.tick()) {
            Ok(shot) => shot.key.counter.get().to_string(),
            Err(meso_link_proto::FireRefused::AboveLimit { .. }) => "above_limit".to_owned(),
            Err(_) => "inhibited".to_owned(),
        };
        assert_eq!(theirs, ours);
    }

    fn sense(&mut self, sensed: Housekeeping) {
        let is_there = [
            sensed.battery.is_some(),
            sensed.temperature.is_some(),
            sensed.vacuum.is_some(),
            sensed.shots_on_needle.is_some(),
        ];
        let bits = is_there.iter().enumerate();
        let present = bits.fold(0, |all, (bit, is_there)| all | u8::from(*is_there) << bit);
        self.rust.set_housekeeping(sensed);
        let told = self.c.ask(&format!(
            "housekeeping {} {} {} {} {present}",
            sensed.battery.map_or(0, Millivolts::get),
            sensed.temperature.map_or(0, MilliCelsius::get),
            sensed.vacuum.map_or(0, GaugePascals::get),
            sensed.shots_on_needle.unwrap_or(0),
        ));
        assert_eq!(told, "ok");
    }

    fn dial(&mut self, set: SetPoints) {
        self.rust.dial(set);
        let told = self.c.ask(&format!(
            "set {} {} {} {} {} {}",
            set.depth.map_or(0, Micrometres::get),
            set.volume.map_or(0, Nanolitres::get),
            set.frequency.map_or(0, ShotsPerMinute::get),
            set.needles.map_or(0, NeedleCount::get),
            purpose_code(set.purpose),
            set_bits(&set),
        ));
        assert_eq!(told, "ok");
    }

    /// Compares up to so many frames, and returns how many there were.
    fn poll(&mut self, frames: usize) -> usize {
        for sent in 0..frames {
            let theirs = self.c.ask(&format!("poll {}", self.now_us));
            let ours = self.rust.next_frame(self.tick()).unwrap_or_default();
            assert_eq!(theirs, hex(&ours), "at {} us", self.now_us);
            if ours.is_empty() {
                return sent;
            }
            self.host.hear(&ours);
        }
        frames
    }

    fn compare_state(&mut self) {
        let held = self.rust.inventory();
        let counter = |counter: Option<meso_units::ShotCounter>| counter.map_or(0, |c| c.get());
        let counted = self.rust.counters();
        let limits = self.rust.limits();
        let ours = format!(
            "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
            held.epoch.map_or(0, |epoch| epoch.get()),
            counter(held.oldest),
            counter(held.newest),
            counter(held.acknowledged),
            held.lost_count,
            u8::from(self.rust.has_host()),
            u8::from(!self.rust.is_inhibited()),
            limits.depth_max.map_or(0, Micrometres::get),
            limits.volume_max.map_or(0, Nanolitres::get),
            limits.frequency_max.map_or(0, ShotsPerMinute::get),
            u8::from(self.rust.is_identifying(self.tick())),
            counted.frames,
            counted.bad_crc,
            counted.bad_cobs,
            counted.oversize,
            counted.skipped_bytes,
            counted.not_authentic,
        );
        assert_eq!(self.c.ask(&format!("state {}", self.now_us)), ours);
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Wait { us } => self.now_us += us,
            Event::Hear(message, proof) => {
                let bytes = self.host.say(message, *proof);
                self.receive(&bytes);
            }
            Event::Again(which) => {
                if !self.host.said.is_empty() {
                    let bytes = which.get(&self.host.said).clone();
                    self.receive(&bytes);
                }
            }
            Event::Noise(bytes) => self.receive(bytes),
            Event::Fire(measured) => self.fire(measured),
            Event::Poll { frames } => {
                self.poll(*frames);
            }
            Event::Reset => {
                self.rust.line_reset();
                assert_eq!(self.c.ask("reset"), "ok");
            }
            Event::Sense(sensed) => self.sense(*sensed),
            Event::Dial(set) => self.dial(*set),
        }
        self.compare_state();
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let wait = prop_oneof![
        0..2_000_u64,
        0..600_000_u64,
        Just(3_000_000),
        Just(2_999_999)
    ];
    // Few sessions, epochs and counters, so that most of what the host says fits the gun.
    let message = from_host(vec![7, 7, 7, 7, 9, 0], vec![0, 1, 1, 1, 2], 0..=12);
    let proof = prop_oneof![
        6 => Just(Proof::Right),
        1 => Just(Proof::None),
        1 => Just(Proof::Foreign),
        1 => Just(Proof::Bent),
    ];
    let sensed = (
        option::of((0..=60_000_u32).prop_map(|mv| Millivolts::new(mv).unwrap())),
        option::of((-50_000..=150_000_i32).prop_map(|mc| MilliCelsius::new(mc).unwrap())),
        option::of((-101_325..=1_000_000_i32).prop_map(|pa| GaugePascals::new(pa).unwrap())),
        option::of(any::<u32>()),
    );
    prop_oneof![
        3 => wait.prop_map(|us| Event::Wait { us }),
        8 => (message, proof).prop_map(|(message, proof)| Event::Hear(message, proof)),
        1 => any::<prop::sample::Index>().prop_map(Event::Again),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Event::Noise),
        4 => measured().prop_map(|measured| Event::Fire(Box::new(measured))),
        4 => (1..6_usize).prop_map(|frames| Event::Poll { frames }),
        1 => sensed.prop_map(|(battery, temperature, vacuum, shots_on_needle)| {
            Event::Sense(Housekeeping { battery, temperature, vacuum, shots_on_needle })
        }),
        1 => set_points().prop_map(Event::Dial),
    ]
}

fn greeting() -> Message {
    Message::HostHello(HostHello {
        protocol_min: 1,
        protocol_max: 1,
        schema: version::schema(),
        session: 7,
        nonce: [0; 16],
    })
}

/// A life in which the host greets first and the line is reset now and then.
fn any_life() -> impl Strategy<Value = Vec<Event>> {
    let part = prop::collection::vec(any_event(), 1..60).prop_map(|events| {
        let begun = vec![
            Event::Reset,
            Event::Hear(greeting(), Proof::Right),
            Event::Poll { frames: 2 },
        ];
        [begun, events].concat()
    });
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.concat())
}

fn any_build() -> impl Strategy<Value = Build> {
    (
        1..9_usize,
        any::<(bool, u32, bool)>(),
        prop_oneof![Just(0x1A0_u32), 0..0x200_u32],
        prop_oneof![Just(GunLimits::default()), limits()],
    )
        .prop_map(
            |(slots, (inhibits, boot, has_key), capabilities, limits)| Build {
                slots,
                lease_loss: if inhibits {
                    LeaseLoss::Inhibit
                } else {
                    LeaseLoss::Continue
                },
                boot,
                capabilities: Capabilities(capabilities),
                limits,
                has_key,
            },
        )
}

/// Frames that a gun may still say after its life; far more than its queue and ring hold.
const FRAMES_MAX: usize = 200;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_guns_say_the_same_in_any_life(build in any_build(), life in any_life()) {
        with_bench(|bench| {
            let mut pair = Pair::new(&build, bench);
            for event in &life {
                pair.happen(event);
            }
            let sent = pair.poll(FRAMES_MAX);
            assert!(sent < FRAMES_MAX, "neither gun stops talking");
        });
    }
}

#[test]
fn more_answers_than_the_queue_holds_drop_the_same_ones() {
    let build = Build {
        slots: 4,
        lease_loss: LeaseLoss::Continue,
        boot: 1,
        capabilities: Capabilities::CAN_INHIBIT,
        limits: GunLimits::default(),
        has_key: false,
    };
    with_bench(|bench| {
        let mut pair = Pair::new(&build, bench);
        for request in 0..40 {
            let message = Message::TimeRequest(TimeRequest {
                request,
                host_sent_ns: -1,
            });
            pair.happen(&Event::Hear(message, Proof::Right));
        }
        assert_eq!(pair.poll(FRAMES_MAX), 16);
    });
}
