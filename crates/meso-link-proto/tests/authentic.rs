//! Guns that hold a key, over lines on which somebody means harm.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use meso_link_proto::auth::{Keys, LinkKey, NonceSeed};
use meso_link_proto::frame::{Decoded, Frame, FrameDecoder, encode_frame};
use meso_link_proto::message::{HostHello, Inhibit, ReadSettings, TimeRequest, Watermark, kind};
use meso_link_proto::{
    Capabilities, GunLink, GunSettings, HostEvent, HostLink, Message, RefuseReason, version,
};
use meso_units::{Epoch, GunSerial, GunTick, ShotCounter};
use proptest::prelude::*;

use crate::link::{Bench, Damage, EPOCH, settings};

const KEY: LinkKey = LinkKey::new([0x42; 32]);

fn keys(key: Option<LinkKey>, only_authentic: bool) -> Keys {
    let serial = GunSerial::parse("GUN-0001").unwrap();
    Keys::new(
        key.map(|key| (serial, key)).into_iter().collect(),
        only_authentic,
    )
}

fn host(session: u32) -> HostLink {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&session.to_le_bytes());
    HostLink::with_keys(session, NonceSeed::new(seed), keys(Some(KEY), true))
}

fn gun_settings(key: Option<LinkKey>) -> GunSettings {
    GunSettings {
        key,
        nonce_seed: NonceSeed::new([9; 32]),
        ..settings(4_096, 1)
    }
}

fn bench(damage: Damage) -> Bench {
    let mut bench = Bench::new(64, damage);
    bench.host = host(0x5E55);
    bench.gun = GunLink::new(gun_settings(Some(KEY)));
    bench
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[0]);
    let frames = decoder
        .push(bytes)
        .into_iter()
        .filter_map(|decoded| match decoded {
            Decoded::Frame(frame) => Some(frame),
            Decoded::Garbage { .. } => None,
        });
    frames.collect()
}

fn refusals(bench: &Bench) -> Vec<RefuseReason> {
    let refusals = bench.events.iter().filter_map(|event| match event {
        HostEvent::Refused { reason, .. } => Some(*reason),
        _ => None,
    });
    refusals.collect()
}

#[test]
fn a_gun_and_a_host_with_the_same_key_work_as_any_other_two() {
    let mut bench = bench(Damage::NONE);
    for _ in 0..20 {
        bench.run_ms(110);
        bench.fire();
    }
    bench.settle();
    assert_eq!(bench.order, (1..=20).collect::<Vec<u32>>());
    assert!(bench.host.is_authentic());
    assert!(
        bench
            .host
            .hello()
            .unwrap()
            .capabilities
            .contains(Capabilities::HOLDS_KEY)
    );
    assert_eq!(bench.host.counters().not_authentic, 0);
    assert_eq!(bench.gun.counters().not_authentic, 0);
}

#[test]
fn every_frame_of_the_session_but_the_hosts_greeting_is_sealed() {
    let mut bench = bench(Damage::NONE);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&heard);
    bench.tamper = Some(Box::new(move |_, bytes| {
        log.borrow_mut().extend(frames(bytes))
    }));
    bench.fire();
    bench.run_ms(3_000);
    let heard = heard.borrow();
    assert!(heard.len() > 20);
    for frame in heard.iter() {
        let is_unasked = frame.kind == kind::HELLO && frame.payload[6..10] == [0; 4];
        let is_greeting = frame.kind == kind::HOST_HELLO || is_unasked;
        assert_eq!(frame.is_sealed(), !is_greeting, "{frame:?}");
    }
}

#[test]
fn who_lacks_the_right_key_is_refused_and_shown_once() {
    let other = LinkKey::new([0x43; 32]);
    for (of_gun, of_host, only_authentic, expected) in [
        (Some(KEY), None, false, RefuseReason::KeyMissing),
        (None, Some(KEY), false, RefuseReason::KeyExpected),
        (Some(KEY), Some(other), false, RefuseReason::NotAuthentic),
        (None, None, true, RefuseReason::OnlyAuthentic),
    ] {
        let mut bench = Bench::new(64, Damage::NONE);
        bench.gun = GunLink::new(gun_settings(of_gun));
        bench.host = HostLink::with_keys(
            0x5E55,
            NonceSeed::new([7; 32]),
            keys(of_host, only_authentic),
        );
        bench.fire();
        bench.run_ms(20_000);
        assert_eq!(refusals(&bench), [expected]);
        assert_eq!(
            bench.count(|event| matches!(event, HostEvent::Attached(_))),
            0
        );
        assert!(bench.order.is_empty());
        assert_eq!(bench.gun.inventory().acknowledged, None);
    }
}

#[test]
fn a_stripped_seal_and_capability_is_noticed() {
    let mut bench = bench(Damage::NONE);
    // Somebody on the line makes the gun look as if it held no key.
    bench.tamper = Some(Box::new(|to_gun, bytes| {
        if to_gun {
            return;
        }
        let stripped = frames(bytes).into_iter().flat_map(|frame| {
            let mut payload = frame.payload;
            if frame.flags == 1 {
                payload.truncate(payload.len() - 20);
            }
            if frame.kind == kind::HELLO {
                payload[98] &= !(1 << 6);
            }
            [
                vec![0],
                encode_frame(frame.kind, frame.sequence, &payload).unwrap(),
            ]
            .concat()
        });
        *bytes = stripped.collect();
    }));
    bench.run_ms(5_000);
    assert_eq!(refusals(&bench), [RefuseReason::KeyExpected]);
}

#[test]
fn a_forged_or_repeated_inhibit_is_not_obeyed_and_counted() {
    let mut bench = bench(Damage::NONE);
    bench.run_ms(500);
    let recorded = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&recorded);
    bench.tamper = Some(Box::new(move |to_gun, bytes| {
        if to_gun {
            let inhibits = frames(bytes)
                .into_iter()
                .filter(|f| f.kind == kind::INHIBIT);
            log.borrow_mut().extend(inhibits.map(|_| bytes.clone()));
        }
    }));
    let now = bench.host_now();
    bench.host.inhibit(0, now).unwrap();
    bench.run_ms(50);
    assert!(bench.gun.is_inhibited());
    let now = bench.host_now();
    bench.host.resume(now).unwrap();
    bench.run_ms(50);
    let forged = Message::Inhibit(Inhibit {
        session: 0x5E55,
        command: 999,
        reason: 0,
    });
    for bytes in [recorded.borrow()[0].clone(), forged.encode(0).unwrap()] {
        let before = bench.gun.counters().not_authentic;
        bench
            .gun
            .receive(&[&[0], bytes.as_slice()].concat(), bench.tick());
        assert!(!bench.gun.is_inhibited());
        assert!(bench.gun.counters().not_authentic > before);
    }
}

#[test]
fn what_is_not_authentic_does_not_renew_the_lease() {
    let mut bench = bench(Damage::NONE);
    bench.run_ms(500);
    let alive = Message::KeepAlive(Watermark {
        session: 0x5E55,
        epoch: None,
        counter: None,
    });
    let time = Message::TimeRequest(TimeRequest {
        request: 1,
        host_sent_ns: 0,
    });
    for _ in 0..40 {
        bench.now_us += 100_000;
        for message in [&alive, &time] {
            bench.gun.receive(&message.encode(0).unwrap(), bench.tick());
        }
        while bench.gun.next_frame(bench.tick()).is_some() {}
    }
    assert!(!bench.gun.has_host());
}

fn false_greeting() -> Vec<u8> {
    let greeting = Message::HostHello(HostHello {
        protocol_min: version::MIN,
        protocol_max: version::CURRENT,
        schema: version::schema(),
        session: 0xBAD,
        nonce: [1; 16],
    });
    greeting.encode(0).unwrap()
}

#[test]
fn a_host_that_lost_its_lease_to_a_false_greeting_takes_it_back() {
    let mut bench = bench(Damage::NONE);
    bench.run_ms(500);
    bench.gun.receive(&false_greeting(), bench.tick());
    bench.fire();
    bench.settle();
    assert_eq!(bench.order, [1]);
    assert!(bench.host.is_authentic());
}

#[test]
fn a_false_greeting_holds_the_lease_for_no_longer_than_its_time() {
    let mut gun = GunLink::new(gun_settings(Some(KEY)));
    let tick = |us| GunTick::new(us).unwrap();
    gun.receive(&[&[0], false_greeting().as_slice()].concat(), tick(1));
    for ms in 1..=3_100 {
        // The same frame again is nobody's sign of life.
        gun.receive(&false_greeting(), tick(ms * 1_000));
        while gun.next_frame(tick(ms * 1_000)).is_some() {}
        if !gun.has_host() {
            assert!(ms >= 3_000);
            return;
        }
    }
    panic!("the lease did not lapse");
}

#[test]
fn frames_of_an_earlier_session_are_of_no_use_in_a_later_one() {
    let mut bench = bench(Damage::NONE);
    let recorded = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&recorded);
    bench.tamper = Some(Box::new(move |to_gun, bytes| {
        if !to_gun {
            log.borrow_mut().push(bytes.clone());
        }
    }));
    bench.fire();
    bench.run_ms(500);
    // The host stops for longer than the lease, and comes back under the same session.
    bench.now_us += 4_000_000;
    while bench.gun.next_frame(bench.tick()).is_some() {}
    bench.tamper = None;
    bench.run_ms(2_000);
    bench.fire();
    bench.settle();
    let before = (bench.order.clone(), bench.events.len());
    let attached = |bench: &Bench| bench.count(|event| matches!(event, HostEvent::Attached(_)));
    let attached_before = attached(&bench);
    for bytes in recorded.borrow().iter() {
        // What may not be told apart from the gun: a greeting that says nothing.
        let is_unasked = |f: &Frame| f.kind == kind::HELLO && !f.is_sealed();
        if frames(bytes).iter().any(is_unasked) {
            continue;
        }
        let now = bench.host_now();
        let events = bench.host.receive(&[&[0], bytes.as_slice()].concat(), now);
        assert!(events.is_empty(), "{events:?}");
    }
    assert_eq!(bench.order, before.0);
    assert_eq!(attached(&bench), attached_before);
    assert!(bench.host.counters().not_authentic > 5);
}

#[test]
fn a_gun_without_a_key_passes_over_sealed_frames() {
    let mut bench = Bench::new(64, Damage::NONE);
    bench.run_ms(500);
    let mut frame = frames(
        &Message::Inhibit(Inhibit {
            session: 0x5E55,
            command: 9,
            reason: 0,
        })
        .encode(0)
        .unwrap(),
    )
    .remove(0);
    frame.payload.extend([0; 20]);
    let mut plain = vec![frame.kind, frame.version | 0x10, 0, 0];
    plain.extend(&frame.payload);
    plain.extend(meso_link_proto::frame::crc32(&plain).to_le_bytes());
    let mut wire = cobs::encode_vec(&plain);
    wire.push(0);
    bench.gun.receive(&wire, bench.tick());
    assert!(!bench.gun.is_inhibited());
    assert_eq!(bench.gun.counters().not_authentic, 1);
}

#[test]
fn a_gun_with_a_key_and_without_a_lease_answers_nothing_but_a_greeting() {
    let mut gun = GunLink::new(gun_settings(Some(KEY)));
    let tick = |us| GunTick::new(us).unwrap();
    gun.receive(&[0], tick(1));
    while gun.next_frame(tick(1)).is_some() {}
    let time = Message::TimeRequest(TimeRequest {
        request: 1,
        host_sent_ns: 0,
    });
    gun.receive(&time.encode(0).unwrap(), tick(2));
    assert_eq!(gun.next_frame(tick(2)), None);
    // Who names a session believes in a lease: it is told who is here.
    let ask = Message::ReadSettings(ReadSettings {
        session: 5,
        command: 1,
    });
    gun.receive(&ask.encode(0).unwrap(), tick(3));
    let hello = frames(&gun.next_frame(tick(3)).unwrap()).remove(0);
    assert_eq!((hello.kind, hello.is_sealed()), (kind::HELLO, false));
    assert_eq!(gun.next_frame(tick(3)), None);
    assert_eq!(gun.counters().not_authentic, 2);
}

/// Somebody in the line who records, repeats, delays, changes and invents frames; the checksums of
/// what he sends are right.
struct Attacker {
    state: u64,
    one_in: u64,
    recorded: Vec<(bool, Frame)>,
}

/// What an attacker would like to be obeyed; a command number that no host here reaches.
const FORGED_COMMAND: u16 = 0x7777;

impl Attacker {
    fn draw(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    fn attack(&mut self, to_gun: bool, bytes: &mut Vec<u8>) {
        for frame in frames(bytes) {
            if self.recorded.len() < 400 {
                self.recorded.push((to_gun, frame));
            }
        }
        if self.draw(self.one_in) != 0 {
            return;
        }
        let evil = match self.draw(4) {
            0 => self.repeated(to_gun),
            1 => self.changed(to_gun),
            2 => Some(raw(&self.invented(to_gun))),
            _ => {
                bytes.clear(); // swallowed
                None
            }
        };
        if let Some(evil) = evil {
            let evil = [vec![0], evil].concat();
            // Before or after what was on the line.
            if self.draw(2) == 0 {
                bytes.splice(0..0, evil);
            } else {
                bytes.extend(evil);
            }
        }
    }

    /// A recorded frame, of either direction. The greetings are let alone: whoever can send them
    /// can keep two sides from talking, which the link does not prevent.
    fn pick(&mut self) -> Option<Frame> {
        let place = usize::try_from(self.draw(self.recorded.len().max(1) as u64)).unwrap();
        let (_, frame) = self.recorded.get(place)?;
        frame.is_sealed().then(|| frame.clone())
    }

    fn repeated(&mut self, _: bool) -> Option<Vec<u8>> {
        Some(raw(&self.pick()?))
    }

    fn changed(&mut self, _: bool) -> Option<Vec<u8>> {
        let mut frame = self.pick()?;
        let place = usize::try_from(self.draw(frame.payload.len() as u64)).unwrap();
        frame.payload[place] ^= 1 << self.draw(8);
        Some(raw(&frame))
    }

    fn invented(&mut self, to_gun: bool) -> Frame {
        let session = 0x5E55;
        let message = if to_gun {
            match self.draw(2) {
                0 => Message::Inhibit(Inhibit {
                    session,
                    command: FORGED_COMMAND,
                    reason: 1,
                }),
                _ => Message::Acknowledge(Watermark {
                    session,
                    epoch: Some(EPOCH),
                    counter: Some(ShotCounter(4_000)),
                }),
            }
        } else {
            Message::Shot(crate::codec::sample_shot(
                EPOCH.get(),
                1 + self.draw(50) as u32,
            ))
        };
        let mut frame = frames(&message.encode(0).unwrap()).remove(0);
        if self.draw(2) == 0 {
            frame.flags = 1;
            frame.payload.extend([0xEE; 20]);
        }
        frame
    }
}

/// A frame as it is on the wire, whatever its flags.
fn raw(frame: &Frame) -> Vec<u8> {
    let [low, high] = frame.sequence.to_le_bytes();
    let mut plain = vec![frame.kind, frame.version | frame.flags << 4, low, high];
    plain.extend(&frame.payload);
    plain.extend(meso_link_proto::frame::crc32(&plain).to_le_bytes());
    let mut wire = cobs::encode_vec(&plain);
    wire.push(0);
    wire
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn over_a_hostile_line_nothing_forged_is_obeyed_and_each_shot_comes_once(
        one_in in 3_u64..60,
        state in 1_u64..u64::MAX,
        damaged_one_in in 400_u64..4_000,
        gaps_ms in prop::collection::vec(1_u64..200, 1..60),
    ) {
        let mut bench = bench(Damage { one_in: damaged_one_in, state });
        let mut attacker = Attacker { state, one_in, recorded: Vec::new() };
        bench.tamper = Some(Box::new(move |to_gun, bytes| attacker.attack(to_gun, bytes)));
        for gap_ms in &gaps_ms {
            bench.run_ms(*gap_ms);
            // Whatever is not of the host would show here: `fire` fails when inhibited.
            bench.fire();
            let handed_on = bench.order.len() as u32;
            let mark = bench.gun.inventory().acknowledged.map_or(0, ShotCounter::get);
            prop_assert!(mark <= handed_on, "{mark} acknowledged, {handed_on} handed on");
        }
        bench.tamper = None;
        bench.settle();
        let expected: Vec<u32> = (1..=bench.fired).collect();
        prop_assert_eq!(&bench.order, &expected);
        prop_assert!(bench.lost.is_empty());
        prop_assert!(!bench.gun.is_inhibited());
        let shots: BTreeMap<u32, u32> = bench
            .held
            .iter()
            .map(|(counter, shot)| (*counter, shot.measured.depth_set.unwrap().get()))
            .collect();
        for (counter, depth_um) in shots {
            prop_assert_eq!(depth_um, 1_000 + (counter - 1) % 1_000);
        }
        prop_assert_eq!(bench.gun.epoch(), Some(Epoch(EPOCH.get())));
    }

    #[test]
    fn any_frames_at_all_leave_a_gun_with_a_key_as_it_was(
        payloads in prop::collection::vec(
            (0x81_u8..0x8C, 0_u8..16, prop::collection::vec(any::<u8>(), 0..60)),
            0..40,
        )
    ) {
        let mut bench = bench(Damage::NONE);
        bench.run_ms(500);
        let before = (bench.gun.inventory(), bench.gun.limits(), bench.gun.is_inhibited());
        for (kind, flags, payload) in payloads {
            let frame = Frame { kind, version: 1, flags, sequence: 0, payload };
            bench.gun.receive(&[vec![0], raw(&frame)].concat(), bench.tick());
        }
        let after = (bench.gun.inventory(), bench.gun.limits(), bench.gun.is_inhibited());
        prop_assert_eq!(after, before);
    }
}
