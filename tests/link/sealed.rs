//! The sealed frames of the third implementation against the Rust crate, and a host in Rust with a
//! key against a gun in C with that key.

use std::collections::BTreeMap;

use meso_link_proto::auth::{Keys, LinkKey, NonceSeed, SealedSession, SessionName};
use meso_link_proto::clock::HostNow;
use meso_link_proto::frame::{DELIMITER, Decoded, Frame, FrameDecoder, PAYLOAD_BYTES_MAX};
use meso_link_proto::{
    Capabilities, CommandKind, CommandOutcome, GunLimits, GunLink, HostEvent, HostLink, LeaseLoss,
    RefuseReason, ResultCode,
};
use meso_units::{Epoch, GunTick, Micrometres, ShotCounter, Timestamp};
use proptest::prelude::*;

use crate::bench::{Bench, hex, unhex};
use crate::codec::with_bench;
use crate::gun::{Build, KEY, serial};
use crate::vectors::lines;

/// What the lines of the vectors are sealed with.
struct Session {
    key: LinkKey,
    host_seed: NonceSeed,
    gun_seed: NonceSeed,
    session: u32,
    host_nonce: [u8; 16],
    gun_nonce: [u8; 16],
}

impl Session {
    fn parse(line: &str) -> Session {
        let named = |name: &str| {
            let mut words = line.split(' ');
            let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("{name} is not in {line}"))
        };
        let bytes = |name| unhex(named(name));
        assert_eq!(named("serial"), serial().as_str());
        Session {
            key: LinkKey::new(bytes("key").try_into().unwrap()),
            host_seed: NonceSeed::new(bytes("host_seed").try_into().unwrap()),
            gun_seed: NonceSeed::new(bytes("gun_seed").try_into().unwrap()),
            session: named("session").parse().unwrap(),
            host_nonce: bytes("host_nonce").try_into().unwrap(),
            gun_nonce: bytes("gun_nonce").try_into().unwrap(),
        }
    }

    fn seal(&self) -> SealedSession {
        let name = SessionName {
            host_nonce: self.host_nonce,
            gun_nonce: self.gun_nonce,
            session: self.session,
            serial: &serial(),
        };
        SealedSession::new(&self.key, &name)
    }
}

fn frame(wire: &[u8]) -> Frame {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[DELIMITER]);
    match decoder.push(wire).remove(0) {
        Decoded::Frame(frame) => frame,
        Decoded::Garbage { reason, .. } => panic!("{reason:?}: {}", hex(wire)),
    }
}

/// The session of the vectors, and the lines that begin with `who`.
fn vectors_of(who: &str) -> (Session, Vec<String>) {
    let all = lines("sealed.txt");
    let session = Session::parse(&all[0]);
    let of_who = all.iter().filter_map(|line| line.strip_prefix(who));
    let of_who: Vec<_> = of_who.map(str::to_owned).collect();
    assert!(of_who.len() >= 20, "only {} lines of{who}", of_who.len());
    (session, of_who)
}

#[test]
fn every_sealed_frame_of_the_third_implementation_is_opened_and_sealed_alike() {
    let (session, lines) = vectors_of("seal ");
    let mut sealer = session.seal();
    for (line, count) in lines.iter().zip(1_u32..) {
        let words: Vec<_> = line.split(' ').collect();
        let [kind, sequence, counter, payload, wire] = words[..] else {
            panic!("{line}");
        };
        let (kind, sequence) = (kind.parse().unwrap(), sequence.parse().unwrap());
        let opened = session.seal().open(&frame(&unhex(wire))).unwrap();
        assert_eq!((opened.kind, opened.sequence), (kind, sequence), "{line}");
        assert_eq!((opened.flags, hex(&opened.payload).as_str()), (0, payload));
        // A counter cannot be chosen: the first lines count from 1, as a session does.
        let again = match counter.parse::<u32>().unwrap() {
            counter if counter == count => sealer.seal(kind, sequence, &opened.payload),
            1 => session.seal().seal(kind, sequence, &opened.payload),
            _ => continue,
        };
        assert_eq!(hex(&again.unwrap()), wire, "{line}");
    }
}

#[test]
fn a_gun_hears_of_the_third_implementation_s_host_what_is_authentic_and_no_more() {
    let (session, lines) = vectors_of("host ");
    let build = Build {
        has_key: true,
        ..keyless()
    };
    let mut gun = GunLink::new(meso_link_proto::GunSettings {
        key: Some(session.key.clone()),
        nonce_seed: session.gun_seed.clone(),
        ..build.settings()
    });
    let now = GunTick::new(0).unwrap();
    gun.receive(&[DELIMITER], now);
    for line in lines {
        let (what, wire) = line.split_once(' ').unwrap();
        let before = gun.counters().not_authentic;
        gun.receive(&unhex(wire), now);
        let is_believed = gun.counters().not_authentic == before;
        assert_eq!(is_believed, what == "accepted", "{line}");
    }
    let (_, of_gun) = vectors_of("gun ");
    let hello = gun.next_frame(now).unwrap();
    let (_, expected) = of_gun[0].split_once(' ').unwrap();
    assert_eq!(hex(&hello[1..]), expected, "the answer to the greeting");
}

#[test]
fn a_host_hears_of_the_third_implementation_s_gun_what_is_authentic_and_no_more() {
    let (session, lines) = vectors_of("gun ");
    let (_, of_host) = vectors_of("host ");
    let keys = BTreeMap::from([(serial(), session.key.clone())]);
    let mut host = HostLink::with_keys(session.session, session.host_seed, Keys::new(keys, true));
    assert!(host.step(at(0)).is_empty());
    let (_, greeting) = of_host[0].split_once(' ').unwrap();
    assert_eq!(hex(&host.take_output()[1..]), greeting, "the greeting");
    host.receive(&[DELIMITER], at(0));
    for line in lines {
        let (what, wire) = line.split_once(' ').unwrap();
        let before = host.counters().not_authentic;
        let events = host.receive(&unhex(wire), at(0));
        let is_believed = host.counters().not_authentic == before;
        assert_eq!(is_believed, what == "accepted", "{line}");
        assert!(is_believed || events.is_empty(), "{events:?} of {line}");
    }
    assert!(host.is_authentic());
}

fn at(ms: u64) -> HostNow {
    HostNow {
        monotonic_ns: ms * 1_000_000,
        utc: Timestamp::UNIX_EPOCH,
        segment: 0,
    }
}

fn keyless() -> Build {
    Build {
        slots: 8,
        lease_loss: LeaseLoss::Continue,
        boot: 7,
        capabilities: Capabilities::CAN_INHIBIT,
        limits: GunLimits::default(),
        has_key: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_seal_any_frame_alike(
        kind in any::<u8>(),
        sequence in any::<u16>(),
        payload in prop::collection::vec(any::<u8>(), 0..=PAYLOAD_BYTES_MAX - 20),
    ) {
        let line = lines("sealed.txt").remove(0);
        let session = Session::parse(&line);
        let (_, session_key) = line.rsplit_once('=').unwrap();
        let asked = format!("seal {kind} {sequence} 1 {} {session_key}", hex(&payload));
        let ours = session.seal().seal(kind, sequence, &payload).unwrap();
        prop_assert_eq!(with_bench(|bench| bench.ask(&asked)), hex(&ours));
    }
}

#[test]
fn a_payload_that_leaves_no_room_for_a_seal_is_refused_by_both() {
    let too_long = [7; PAYLOAD_BYTES_MAX - 19];
    let asked = format!("seal 2 0 1 {} {}", hex(&too_long), hex(&KEY));
    assert_eq!(with_bench(|bench| bench.ask(&asked)), "too_long");
    let session = Session::parse(&lines("sealed.txt")[0]);
    assert!(session.seal().seal(2, 0, &too_long).is_err());
}

/// A host in Rust and a gun in C on one line, which may lose and repeat what goes over it.
struct Line<'a> {
    host: HostLink,
    gun: &'a mut Bench,
    ms: u64,
    /// What the host has said, for whoever wants to say it again.
    said: Vec<Vec<u8>>,
}

impl<'a> Line<'a> {
    fn new(build: &Build, keys: Keys, gun: &'a mut Bench) -> Line<'a> {
        assert_eq!(gun.ask(&build.request()), "ok");
        Line {
            host: HostLink::with_keys(9, NonceSeed::new([0x17; 32]), keys),
            gun,
            ms: 0,
            said: Vec::new(),
        }
    }

    fn tell(&mut self, bytes: &[u8]) {
        let asked = format!("receive {} {}", self.ms * 1_000, hex(bytes));
        assert_eq!(self.gun.ask(&asked), "ok");
    }

    /// Lets so many milliseconds go by, 20 at a time.
    fn run(&mut self, ms: u64) -> Vec<HostEvent> {
        let mut events = Vec::new();
        for _ in 0..ms / 20 {
            self.ms += 20;
            events.extend(self.host.step(at(self.ms)));
            let output = self.host.take_output();
            if !output.is_empty() {
                self.tell(&output);
                self.said.push(output);
            }
            loop {
                let frame = unhex(&self.gun.ask(&format!("poll {}", self.ms * 1_000)));
                if frame.is_empty() {
                    break;
                }
                events.extend(self.host.receive(&frame, at(self.ms)));
            }
        }
        events
    }

    fn fire(&mut self) -> String {
        let us = self.ms * 1_000;
        // Set to 1 500 µm.
        self.gun.ask(&format!("fire {us} 1500 0 0 0 0 0 0 0 0 2"))
    }
}

fn keys_with(key: [u8; 32]) -> Keys {
    Keys::new(BTreeMap::from([(serial(), LinkKey::new(key))]), false)
}

fn answered(events: &[HostEvent]) -> Vec<(CommandKind, ResultCode)> {
    let of_command = |event: &HostEvent| match event {
        HostEvent::Command {
            kind,
            outcome: CommandOutcome::Answered { result, .. },
            ..
        } => Some((*kind, *result)),
        _ => None,
    };
    events.iter().filter_map(of_command).collect()
}

#[test]
fn a_host_and_a_gun_of_one_key_carry_shots_and_commands() {
    let build = Build {
        has_key: true,
        capabilities: Capabilities(0x1A0),
        ..keyless()
    };
    with_bench(|bench| {
        let mut line = Line::new(&build, keys_with(KEY), bench);
        assert_eq!(line.fire(), "1");
        let events = line.run(100);
        assert!(matches!(events[0], HostEvent::Attached(_)), "{events:?}");
        assert!(line.host.is_authentic());
        line.host.assign_epoch(Epoch(5), at(line.ms)).unwrap();
        let events = line.run(100);
        assert_eq!(
            answered(&events),
            [(CommandKind::AssignEpoch, ResultCode::Done)]
        );
        line.host
            .expect_from(Epoch(5), ShotCounter(1), at(line.ms))
            .unwrap();
        let events = line.run(600);
        let shots = events
            .iter()
            .filter(|event| matches!(event, HostEvent::Shot(_)));
        assert_eq!(shots.count(), 1, "{events:?}");
        let limits = GunLimits {
            depth_max: Some(Micrometres::new(1_499).unwrap()),
            ..GunLimits::default()
        };
        line.host.set_limits(limits, at(line.ms)).unwrap();
        line.host.read_settings(at(line.ms)).unwrap();
        line.host.identify(3, at(line.ms)).unwrap();
        let events = line.run(100);
        let answers = answered(&events);
        assert!(answers.contains(&(CommandKind::SetLimits, ResultCode::Done)));
        assert!(answers.contains(&(CommandKind::Identify, ResultCode::Done)));
        let told = events.iter().find_map(|event| match event {
            HostEvent::Settings(settings) => Some(settings.limits),
            _ => None,
        });
        assert_eq!(told, Some(limits));
        assert_eq!(line.fire(), "above_limit");
        assert_eq!(line.host.counters().not_authentic, 0);
    });
}

#[test]
fn a_lease_that_lapsed_is_taken_again_under_another_key() {
    let build = Build {
        has_key: true,
        ..keyless()
    };
    with_bench(|bench| {
        let mut line = Line::new(&build, keys_with(KEY), bench);
        line.run(100);
        assert!(line.host.is_authentic());
        line.ms += 3_000;
        line.gun.ask(&format!("poll {}", line.ms * 1_000));
        let events = line.run(1_000);
        assert!(
            events
                .iter()
                .any(|event| matches!(event, HostEvent::Attached(_))),
            "{events:?}"
        );
        line.host.inhibit(1, at(line.ms)).unwrap();
        let inhibited = line.run(100);
        assert_eq!(
            answered(&inhibited),
            [(CommandKind::Inhibit, ResultCode::Done)]
        );
        line.host.resume(at(line.ms)).unwrap();
        line.run(100);
        assert_eq!(line.fire(), "1");
        // Whatever the host ever said, said again by somebody else, inhibits nothing.
        for said in line.said.clone() {
            line.tell(&said);
        }
        assert_eq!(line.fire(), "2");
    });
}

#[test]
fn a_gun_with_another_key_is_refused_and_shown() {
    let build = Build {
        has_key: true,
        ..keyless()
    };
    for (keys, expected) in [
        (keys_with([1; 32]), RefuseReason::NotAuthentic),
        (Keys::default(), RefuseReason::KeyMissing),
    ] {
        with_bench(|bench| {
            let mut line = Line::new(&build, keys, bench);
            let events = line.run(2_000);
            let reasons: Vec<_> = events
                .iter()
                .filter_map(|event| match event {
                    HostEvent::Refused { reason, .. } => Some(*reason),
                    _ => None,
                })
                .collect();
            assert_eq!(reasons, [expected]);
            assert!(line.host.hello().is_none());
        });
    }
}
