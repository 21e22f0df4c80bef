//! The gun in C and the gun in Rust do the same, byte for byte, in any sequence of events.

use meso_link_proto::frame::DELIMITER;
use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, Housekeeping, LeaseLoss, Measured,
    Message, ShotEvent,
};
use meso_units::{BootId, GaugePascals, GunSerial, GunTick, MilliCelsius, Millivolts};
use proptest::option;
use proptest::prelude::*;

use crate::bench::{Bench, hex};
use crate::codec::with_bench;
use crate::describe::{present_bits, purpose_code};
use crate::messages::{from_host, measured, shot_of};

/// What can happen to a gun.
#[derive(Clone, Debug)]
enum Event {
    /// Time goes by.
    Wait { us: u64 },
    /// The host says something, whole.
    Hear(Message),
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
}

/// The two guns, and their clock.
struct Pair<'a> {
    rust: GunLink,
    c: &'a mut Bench,
    now_us: u64,
}

fn settings(slots: usize, lease_loss: LeaseLoss, boot: u32) -> GunSettings {
    GunSettings {
        serial: GunSerial::parse("GUN-0001").unwrap(),
        model: GunText::new("model", "TEST").unwrap(),
        firmware: GunText::new("firmware", "1.0.0").unwrap(),
        firmware_hash: [0; 8],
        boot: BootId(boot),
        boot_count: 1,
        capabilities: Capabilities::CAN_INHIBIT,
        limits: GunLimits::default(),
        lease_loss,
        ring_shots_max: slots,
    }
}

impl<'a> Pair<'a> {
    fn new(slots: usize, lease_loss: LeaseLoss, boot: u32, c: &'a mut Bench) -> Pair<'a> {
        let inhibits = u8::from(lease_loss == LeaseLoss::Inhibit);
        assert_eq!(c.ask(&format!("gun {slots} {inhibits} {boot}")), "ok");
        Pair {
            rust: GunLink::new(settings(slots, lease_loss, boot)),
            c,
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
        let volume = |volume: Option<meso_units::Nanolitres>| volume.map_or(0, |nl| nl.get());
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

    /// Compares up to so many frames, and returns how many there were.
    fn poll(&mut self, frames: usize) -> usize {
        for sent in 0..frames {
            let theirs = self.c.ask(&format!("poll {}", self.now_us));
            let ours = self.rust.next_frame(self.tick()).unwrap_or_default();
            assert_eq!(theirs, hex(&ours), "at {} us", self.now_us);
            if ours.is_empty() {
                return sent;
            }
        }
        frames
    }

    fn compare_state(&mut self) {
        let held = self.rust.inventory();
        let counter = |counter: Option<meso_units::ShotCounter>| counter.map_or(0, |c| c.get());
        let counted = self.rust.counters();
        let ours = format!(
            "{} {} {} {} {} {} {} {} {} {} {} {}",
            held.epoch.map_or(0, |epoch| epoch.get()),
            counter(held.oldest),
            counter(held.newest),
            counter(held.acknowledged),
            held.lost_count,
            u8::from(self.rust.has_host()),
            u8::from(!self.rust.is_inhibited()),
            counted.frames,
            counted.bad_crc,
            counted.bad_cobs,
            counted.oversize,
            counted.skipped_bytes,
        );
        assert_eq!(self.c.ask("state"), ours);
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Wait { us } => self.now_us += us,
            Event::Hear(message) => {
                let mut bytes = vec![DELIMITER];
                bytes.extend(message.encode(0).unwrap());
                self.receive(&bytes);
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
    let sensed = (
        option::of((0..=60_000_u32).prop_map(|mv| Millivolts::new(mv).unwrap())),
        option::of((-50_000..=150_000_i32).prop_map(|mc| MilliCelsius::new(mc).unwrap())),
        option::of((-101_325..=1_000_000_i32).prop_map(|pa| GaugePascals::new(pa).unwrap())),
        option::of(any::<u32>()),
    );
    prop_oneof![
        3 => wait.prop_map(|us| Event::Wait { us }),
        6 => message.prop_map(Event::Hear),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Event::Noise),
        4 => measured().prop_map(|measured| Event::Fire(Box::new(measured))),
        3 => (1..6_usize).prop_map(|frames| Event::Poll { frames }),
        1 => sensed.prop_map(|(battery, temperature, vacuum, shots_on_needle)| {
            Event::Sense(Housekeeping { battery, temperature, vacuum, shots_on_needle })
        }),
    ]
}

/// A life in which the host greets first and the line is reset now and then.
fn any_life() -> impl Strategy<Value = Vec<Event>> {
    let part = prop::collection::vec(any_event(), 1..60).prop_map(|events| {
        let greeting = Message::HostHello(meso_link_proto::message::HostHello {
            protocol_min: 1,
            protocol_max: 1,
            schema: meso_link_proto::version::schema(),
            session: 7,
        });
        [vec![Event::Reset, Event::Hear(greeting)], events].concat()
    });
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.concat())
}

/// Frames that a gun may still say after its life; far more than its queue and ring hold.
const FRAMES_MAX: usize = 200;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_guns_say_the_same_in_any_life(
        slots in 1..9_usize,
        inhibits in any::<bool>(),
        boot in any::<u32>(),
        life in any_life(),
    ) {
        let lease_loss = if inhibits { LeaseLoss::Inhibit } else { LeaseLoss::Continue };
        with_bench(|bench| {
            let mut pair = Pair::new(slots, lease_loss, boot, bench);
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
    with_bench(|bench| {
        let mut pair = Pair::new(4, LeaseLoss::Continue, 1, bench);
        for request in 0..40 {
            pair.happen(&Event::Hear(Message::TimeRequest(
                meso_link_proto::message::TimeRequest {
                    request,
                    host_sent_ns: -1,
                },
            )));
        }
        assert_eq!(pair.poll(FRAMES_MAX), 16);
    });
}
