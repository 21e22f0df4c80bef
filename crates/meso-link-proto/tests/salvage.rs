//! A counter that went back under an unchanged epoch: what the gun holds is kept apart.

use meso_link_proto::message::{AssignEpoch, HostHello, kind};
use meso_link_proto::{
    CommandKind, CommandOutcome, GunLink, HostEvent, HostLink, LinkError, Message, RejectReason,
    ResultCode, version,
};
use meso_units::{Epoch, ShotCounter};

use crate::link::{Bench, Damage, EPOCH, settings};

/// A gun that lost its memory and believes that its epoch goes on.
fn forgetful(bench: &Bench) -> GunLink {
    let mut gun = GunLink::new(settings(64, 2));
    gun.receive(&[0], bench.tick());
    let hello = Message::HostHello(HostHello {
        protocol_min: version::MIN,
        protocol_max: version::CURRENT,
        schema: version::schema(),
        session: 1,
        nonce: [0; 16],
    });
    let assign = Message::AssignEpoch(AssignEpoch {
        session: 1,
        command: 1,
        replaces: None,
        epoch: EPOCH,
    });
    for message in [hello, assign] {
        gun.receive(&message.encode(0).unwrap(), bench.tick());
    }
    gun.line_reset();
    gun
}

/// A host that holds five shots, and the gun of those after it lost its memory and fired `fired`.
fn broken(fired: u32, damage: Damage) -> Bench {
    let mut bench = Bench::new(64, damage);
    bench.run_ms(200);
    (0..5).for_each(|_| bench.fire());
    bench.settle();
    bench.gun = forgetful(&bench);
    (0..fired).for_each(|_| bench.fire());
    bench.host = HostLink::new(0xCCCC);
    bench.events.clear();
    bench
}

fn salvaged(bench: &Bench) -> Vec<u32> {
    let counters = bench.events.iter().filter_map(|event| match event {
        HostEvent::Salvaged { shot } => Some(shot.key.counter.get()),
        _ => None,
    });
    counters.collect()
}

fn ends(bench: &Bench) -> Vec<u32> {
    let ends = bench.events.iter().filter_map(|event| match event {
        HostEvent::SalvageEnded { epoch, newest } => {
            assert_eq!(*epoch, EPOCH);
            Some(*newest)
        }
        _ => None,
    });
    ends.collect()
}

fn went_back(bench: &Bench) -> usize {
    bench.count(|event| {
        matches!(
            event,
            HostEvent::CounterWentBack {
                expected: ShotCounter(6),
                ..
            }
        )
    })
}

#[test]
fn what_the_gun_holds_comes_apart_from_the_record_and_is_acknowledged_when_told() {
    let mut bench = broken(3, Damage::NONE);
    bench.run_ms(1_500);
    assert_eq!(went_back(&bench), 1);
    assert_eq!(salvaged(&bench), [1, 2, 3]);
    assert_eq!(ends(&bench), [3]);
    assert_eq!(
        bench.order,
        [1, 2, 3, 4, 5],
        "nothing of it entered the record"
    );
    assert_eq!(bench.host.position(), None);
    assert_eq!(bench.gun.inventory().acknowledged, None);

    bench.host.acknowledge(EPOCH, ShotCounter(3)).unwrap();
    bench.run_ms(10);
    assert_eq!(bench.gun.inventory().acknowledged, Some(ShotCounter(3)));
    let now = bench.host_now();
    bench.host.assign_epoch(Epoch(0xF4E5), now).unwrap();
    bench.run_ms(10);
    assert_eq!(bench.gun.epoch(), Some(Epoch(0xF4E5)));
    let is_attached = |event: &HostEvent| match event {
        HostEvent::Attached(hello) => hello.epoch() == Some(Epoch(0xF4E5)),
        _ => false,
    };
    assert_eq!(bench.count(is_attached), 1);
}

#[test]
fn an_acknowledgement_of_the_record_covers_no_shot_of_the_broken_epoch() {
    let mut bench = broken(3, Damage::NONE);
    let refused = |salvaged| {
        Err(LinkError::NotSalvaged {
            counter: 5,
            salvaged,
        })
    };
    while went_back(&bench) == 0 {
        bench.step();
    }
    assert_eq!(bench.host.acknowledge(EPOCH, ShotCounter(5)), refused(0));
    bench.run_ms(1_500);
    assert_eq!(bench.host.acknowledge(EPOCH, ShotCounter(5)), refused(3));
    assert_eq!(bench.gun.inventory().acknowledged, None);
}

#[test]
fn what_is_fired_during_the_salvage_is_salvaged_too() {
    let mut bench = broken(2, Damage::NONE);
    bench.run_ms(1_500);
    assert_eq!(ends(&bench), [2]);
    bench.fire();
    bench.run_ms(50);
    bench.host.acknowledge(EPOCH, ShotCounter(2)).unwrap();
    let now = bench.host_now();
    bench.host.assign_epoch(Epoch(7), now).unwrap();
    bench.run_ms(50);
    assert_eq!(salvaged(&bench), [1, 2, 3]);
    assert_eq!(ends(&bench), [2, 3]);
    let is_refused = |event: &HostEvent| {
        matches!(
            event,
            HostEvent::Command {
                kind: CommandKind::AssignEpoch,
                outcome: CommandOutcome::Answered {
                    result: ResultCode::HoldsUnacknowledged,
                    ..
                },
                ..
            }
        )
    };
    assert_eq!(bench.count(is_refused), 1);
    bench.host.acknowledge(EPOCH, ShotCounter(3)).unwrap();
    let now = bench.host_now();
    bench.host.assign_epoch(Epoch(8), now).unwrap();
    bench.run_ms(50);
    assert_eq!(bench.gun.epoch(), Some(Epoch(8)));
}

#[test]
fn a_gun_without_a_shot_has_nothing_to_salvage() {
    let mut bench = broken(0, Damage::NONE);
    bench.run_ms(1_500);
    assert_eq!(went_back(&bench), 1);
    assert_eq!(salvaged(&bench), [0_u32; 0]);
    assert_eq!(ends(&bench), [0]);
    let now = bench.host_now();
    bench.host.assign_epoch(Epoch(7), now).unwrap();
    bench.run_ms(50);
    assert_eq!(bench.gun.epoch(), Some(Epoch(7)));
}

#[test]
fn an_impossible_shot_of_a_broken_epoch_does_not_stop_the_salvage() {
    let mut bench = broken(3, Damage::NONE);
    bench.tamper = Some(Box::new(|to_gun, bytes| {
        if !to_gun {
            *bytes = with_impossible_depth(bytes, 2);
        }
    }));
    bench.run_ms(1_500);
    assert_eq!(salvaged(&bench), [1, 3]);
    assert_eq!(ends(&bench), [3]);
    let is_rejected = |event: &HostEvent| match event {
        HostEvent::Rejected(rejection) => {
            matches!(rejection.reason, RejectReason::Impossible { .. })
        }
        _ => false,
    };
    assert_eq!(bench.count(is_rejected), 1);
}

/// The frames of `bytes`, with a depth of 20 mm in the shot of that counter.
fn with_impossible_depth(bytes: &[u8], counter: u32) -> Vec<u8> {
    use meso_link_proto::frame::{Decoded, FrameDecoder, encode_frame};
    let mut decoder = FrameDecoder::new();
    decoder.push(&[0]);
    let mut changed = Vec::new();
    for decoded in decoder.push(bytes) {
        let Decoded::Frame(mut frame) = decoded else {
            panic!("the line is sound")
        };
        if frame.kind == kind::SHOT && frame.payload[8..12] == counter.to_le_bytes() {
            frame.payload[32..36].copy_from_slice(&20_000_u32.to_le_bytes());
        }
        changed.push(0);
        changed.extend(encode_frame(frame.kind, frame.sequence, &frame.payload).unwrap());
    }
    changed
}

#[test]
fn a_salvage_over_a_bad_line_is_whole_and_in_order() {
    for state in 1..20 {
        let mut bench = broken(4, Damage { one_in: 300, state });
        bench.run_ms(20_000);
        assert_eq!(salvaged(&bench)[..4], [1, 2, 3, 4], "state {state}");
        assert_eq!(bench.order, [1, 2, 3, 4, 5]);
    }
}
