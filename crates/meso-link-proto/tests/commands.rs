//! Limits, settings, and which gun is which.

use meso_link_proto::frame::{Decoded, FrameDecoder, encode_frame};
use meso_link_proto::message::{AssignEpoch, HostHello, kind};
use meso_link_proto::{
    Capabilities, CommandKind, CommandOutcome, FireRefused, GunLimits, GunLink, HostEvent,
    HostLink, LeaseLoss, Measured, Message, ResultCode, SetPoints, Settings, version,
};
use meso_units::{Micrometres, Nanolitres, ShotsPerMinute};

use crate::link::{Bench, Damage, EPOCH, settings};

fn depth(um: u32) -> Option<Micrometres> {
    Some(Micrometres::new(um).unwrap())
}

fn limited_to(um: u32) -> GunLimits {
    GunLimits {
        depth_max: depth(um),
        ..GunLimits::default()
    }
}

fn set_to(um: u32) -> Measured {
    Measured {
        depth_set: depth(um),
        ..Measured::default()
    }
}

/// A bench whose gun can do that, and has these limits built in.
fn bench_with(capabilities: Capabilities, limits: GunLimits) -> Bench {
    let mut bench = Bench::new(64, Damage::NONE);
    let mut settings = settings(64, 1);
    settings.capabilities = capabilities;
    settings.limits = limits;
    bench.gun = GunLink::new(settings);
    bench.run_ms(200);
    bench
}

/// What the gun answered last.
fn answer(bench: &mut Bench) -> (CommandKind, ResultCode, GunLimits) {
    bench.run_ms(10);
    let answers = bench.events.iter().rev().find_map(|event| match event {
        HostEvent::Command {
            kind,
            outcome: CommandOutcome::Answered { result, limits, .. },
            ..
        } => Some((*kind, *result, *limits)),
        _ => None,
    });
    answers.unwrap()
}

fn set_limits(bench: &mut Bench, limits: GunLimits) -> (ResultCode, GunLimits) {
    let now = bench.host_now();
    bench.host.set_limits(limits, now).unwrap();
    let (kind, result, limits) = answer(bench);
    assert_eq!(kind, CommandKind::SetLimits);
    (result, limits)
}

#[test]
fn a_trigger_above_a_limit_fires_no_shot_and_is_counted() {
    let mut bench = bench_with(Capabilities::CAN_LIMIT, GunLimits::default());
    assert_eq!(
        set_limits(&mut bench, limited_to(3_000)),
        (ResultCode::Done, limited_to(3_000))
    );
    let refused = bench.gun.fire(set_to(3_001), bench.tick());
    assert_eq!(
        refused,
        Err(FireRefused::AboveLimit {
            setting: "needle depth in µm",
            set: 3_001,
            limit: 3_000
        })
    );
    assert!(bench.gun.fire(set_to(3_000), bench.tick()).is_ok());
    assert!(bench.gun.fire(Measured::default(), bench.tick()).is_ok());
    let settled = bench.gun.inventory().newest;
    bench.run_ms(1_100);
    assert_eq!(settled.map(|newest| newest.get()), Some(2));
    let counts = bench.events.iter().rev().find_map(|event| match event {
        HostEvent::Status(status) => Some(status.refused_count),
        _ => None,
    });
    assert_eq!(counts, Some(1));
}

#[test]
fn volume_and_rate_have_limits_of_their_own() {
    let limits = GunLimits {
        depth_max: None,
        volume_max: Some(Nanolitres::new(50_000).unwrap()),
        frequency_max: Some(ShotsPerMinute::new(300).unwrap()),
    };
    let mut bench = bench_with(Capabilities::default(), limits);
    let volume = |nl| Measured {
        volume_set: Some(Nanolitres::new(nl).unwrap()),
        ..Measured::default()
    };
    let rate = |spm| Measured {
        frequency_set: Some(ShotsPerMinute::new(spm).unwrap()),
        ..Measured::default()
    };
    let tick = bench.tick();
    for (measured, fires) in [
        (volume(50_000), true),
        (volume(50_001), false),
        (rate(300), true),
        (rate(301), false),
    ] {
        assert_eq!(
            bench.gun.fire(measured.clone(), tick).is_ok(),
            fires,
            "{measured:?}"
        );
    }
}

#[test]
fn what_the_maker_built_in_is_never_loosened() {
    let mut bench = bench_with(Capabilities::CAN_LIMIT, limited_to(6_000));
    let in_force = set_limits(&mut bench, limited_to(2_000));
    assert_eq!(in_force, (ResultCode::Done, limited_to(2_000)));
    let looser = set_limits(&mut bench, limited_to(6_001));
    assert_eq!(looser, (ResultCode::NotEnforceable, limited_to(2_000)));
    let none = set_limits(&mut bench, GunLimits::default());
    assert_eq!(none, (ResultCode::Done, limited_to(6_000)));
}

#[test]
fn limits_outlive_the_lease() {
    let mut bench = bench_with(Capabilities::CAN_LIMIT, GunLimits::default());
    set_limits(&mut bench, limited_to(2_000));
    bench.host = HostLink::new(0xDDDD);
    bench.gun.line_reset();
    bench.run_ms(200);
    assert_eq!(bench.host.hello().unwrap().limits, limited_to(2_000));
    assert!(bench.gun.fire(set_to(2_001), bench.tick()).is_err());
}

#[test]
fn a_gun_that_cannot_says_so_and_changes_nothing() {
    let mut bench = bench_with(Capabilities::default(), GunLimits::default());
    let unsupported = (ResultCode::Unsupported, GunLimits::default());
    assert_eq!(set_limits(&mut bench, limited_to(2_000)), unsupported);
    let now = bench.host_now();
    bench.host.identify(5, now).unwrap();
    assert_eq!(answer(&mut bench).1, ResultCode::Unsupported);
    assert!(!bench.gun.is_identifying(bench.tick()));
    let now = bench.host_now();
    bench.host.inhibit(0, now).unwrap();
    assert_eq!(answer(&mut bench).1, ResultCode::Unsupported);
    assert!(!bench.gun.is_inhibited());
}

#[test]
fn a_gun_shows_itself_for_as_long_as_asked() {
    let mut bench = bench_with(Capabilities::CAN_IDENTIFY, GunLimits::default());
    let now = bench.host_now();
    bench.host.identify(2, now).unwrap();
    assert_eq!(answer(&mut bench).1, ResultCode::Done);
    assert!(bench.gun.is_identifying(bench.tick()));
    bench.run_ms(2_000);
    assert!(!bench.gun.is_identifying(bench.tick()));
    for seconds in [60, 0] {
        let now = bench.host_now();
        bench.host.identify(seconds, now).unwrap();
        answer(&mut bench);
        assert_eq!(bench.gun.is_identifying(bench.tick()), seconds == 60);
    }
}

fn settings_heard(bench: &Bench) -> Vec<Settings> {
    let settings = bench.events.iter().filter_map(|event| match event {
        HostEvent::Settings(settings) => Some(**settings),
        _ => None,
    });
    settings.collect()
}

#[test]
fn settings_are_read_freshly() {
    let mut bench = bench_with(Capabilities::CAN_LIMIT, GunLimits::default());
    set_limits(&mut bench, limited_to(5_000));
    for um in [4_000, 4_500] {
        bench.gun.dial(SetPoints {
            depth: depth(um),
            ..SetPoints::default()
        });
        let now = bench.host_now();
        bench.host.read_settings(now).unwrap();
        bench.run_ms(10);
    }
    let heard = settings_heard(&bench);
    let depths: Vec<_> = heard.iter().map(|settings| settings.set.depth).collect();
    assert_eq!(depths, [depth(4_000), depth(4_500)]);
    assert_eq!(heard[0].limits, limited_to(5_000));
    assert_eq!(heard[0].lease_ms, 3_000);
    assert_eq!(heard[0].lease_loss, LeaseLoss::Continue);
}

#[test]
fn the_state_of_inhibition_comes_with_the_refused_triggers() {
    let mut bench = bench_with(Capabilities::CAN_INHIBIT, GunLimits::default());
    let now = bench.host_now();
    bench.host.inhibit(0, now).unwrap();
    bench.run_ms(10);
    for _ in 0..3 {
        assert!(bench.gun.fire(Measured::default(), bench.tick()).is_err());
    }
    bench.run_ms(1_100);
    let counts = bench.events.iter().rev().find_map(|event| match event {
        HostEvent::Status(status) => Some(status.refused_count),
        _ => None,
    });
    assert_eq!(counts, Some(3));
}

/// The kinds of the frames that a gun says now.
fn kinds_said(bench: &mut Bench) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some(frame) = bench.gun.next_frame(bench.tick()) {
        let mut decoder = FrameDecoder::new();
        decoder.push(&[0]);
        for decoded in decoder.push(&frame) {
            if let Decoded::Frame(frame) = decoded {
                said.push(frame.kind);
            }
        }
    }
    said
}

fn assign(session: u32) -> Vec<u8> {
    let command = Message::AssignEpoch(AssignEpoch {
        session,
        command: 1,
        replaces: Some(EPOCH),
        epoch: EPOCH,
    });
    command.encode(0).unwrap()
}

#[test]
fn a_foreign_session_is_not_answered_while_there_is_a_host_and_greeted_when_there_is_none() {
    let mut bench = bench_with(Capabilities::default(), GunLimits::default());
    kinds_said(&mut bench);
    bench.gun.receive(&assign(0xF0E1), bench.tick());
    assert_eq!(kinds_said(&mut bench), [0_u8; 0]);
    // The host's own: it has that epoch already, which is told and greeted.
    bench.gun.receive(&assign(0x5E55), bench.tick());
    assert_eq!(kinds_said(&mut bench), [kind::RESULT, kind::HELLO]);
    bench.gun.line_reset();
    bench.gun.receive(&[0], bench.tick());
    kinds_said(&mut bench);
    bench.gun.receive(&assign(0xF0E1), bench.tick());
    assert_eq!(kinds_said(&mut bench), [kind::HELLO]);
}

#[test]
fn a_schema_number_of_a_later_version_says_nothing_about_this_one() {
    let strange = !version::schema();
    for (protocol_max, schema, is_taken) in [
        (version::CURRENT, version::schema(), true),
        (version::CURRENT, strange, false),
        (version::CURRENT + 1, strange, true),
    ] {
        let mut bench = Bench::new(64, Damage::NONE);
        let hello = Message::HostHello(HostHello {
            protocol_min: version::MIN,
            protocol_max,
            schema,
            session: 7,
            nonce: [0; 16],
        });
        bench.gun.receive(&[0], bench.tick());
        bench.gun.receive(&hello.encode(0).unwrap(), bench.tick());
        assert_eq!(bench.gun.has_host(), is_taken, "{protocol_max} {schema:#x}");

        // And the same of a gun, as the host sees it.
        let mut bench = Bench::new(64, Damage::NONE);
        bench.tamper = Some(Box::new(move |to_gun, bytes| {
            if !to_gun {
                *bytes = with_versions(bytes, protocol_max, schema);
            }
        }));
        bench.run_ms(500);
        assert_eq!(bench.host.hello().is_some(), is_taken);
    }
}

/// The frames of `bytes`, with these versions in each HELLO.
fn with_versions(bytes: &[u8], protocol_max: u8, schema: u32) -> Vec<u8> {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[0]);
    let mut changed = vec![0];
    for decoded in decoder.push(bytes) {
        let Decoded::Frame(mut frame) = decoded else {
            panic!("the line is sound")
        };
        if frame.kind == kind::HELLO {
            frame.payload[1] = protocol_max;
            frame.payload[2..6].copy_from_slice(&schema.to_le_bytes());
        }
        changed.extend(encode_frame(frame.kind, frame.sequence, &frame.payload).unwrap());
    }
    changed
}
