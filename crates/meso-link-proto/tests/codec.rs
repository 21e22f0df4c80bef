//! Codec: round trips, hostile bytes, flipped bits.

use meso_link_proto::frame::{DELIMITER, Decoded, Frame, FrameDecoder, encode_frame};
use meso_link_proto::message::{
    AssignEpoch, CommandResult, HostHello, Identify, Inhibit, Range, ReadSettings, Resume,
    SendFrom, SetLimits, TimeAnswer, TimeRequest, Watermark, kind,
};
use meso_link_proto::{
    Capabilities, GunLimits, GunText, Hello, Inventory, LeaseLoss, Measured, Message, Purpose,
    RejectReason, ResultCode, SetPoints, Settings, ShotEvent, ShotFlags, ShotKey, Status,
};
use meso_units::{
    BootId, Epoch, GaugePascals, GunSerial, GunTick, Micrometres, Microseconds, MilliCelsius,
    Millivolts, Nanolitres, NeedleCount, ShotCounter, ShotsPerMinute, UnitError,
};
use proptest::option;
use proptest::prelude::*;

fn decode_all(bytes: &[u8]) -> Vec<Decoded> {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[DELIMITER]);
    decoder.push(bytes)
}

fn only_frame(bytes: &[u8]) -> Frame {
    match decode_all(bytes).remove(0) {
        Decoded::Frame(frame) => frame,
        other => panic!("no frame: {other:?}"),
    }
}

fn round_trip(message: &Message) {
    let wire = message.encode(7).unwrap();
    assert_eq!(Message::decode(&only_frame(&wire)).as_ref(), Ok(message));
}

pub(crate) fn sample_shot(epoch: u64, counter: u32) -> ShotEvent {
    ShotEvent {
        key: ShotKey {
            epoch: Epoch(epoch),
            counter: ShotCounter(counter),
        },
        boot: BootId(0xB007),
        tick: GunTick::new(1_000_000).unwrap(),
        interval: Some(Microseconds::new(125_000).unwrap()),
        measured: Measured {
            depth_set: Some(Micrometres::new(2_000).unwrap()),
            depth_sensed: Some(Micrometres::new(2_017).unwrap()),
            volume_set: Some(Nanolitres::new(20_000).unwrap()),
            volume_sensed: Some(Nanolitres::new(19_730).unwrap()),
            frequency_set: Some(ShotsPerMinute::new(480).unwrap()),
            needles_working: Some(NeedleCount::new(1).unwrap()),
            pressure: None,
            purpose: Some(Purpose::Patient),
            flags: ShotFlags::default(),
        },
    }
}

fn any_purpose() -> impl Strategy<Value = Option<Purpose>> {
    option::of(prop::sample::select(vec![
        Purpose::Patient,
        Purpose::Prime,
        Purpose::Test,
        Purpose::Cleaning,
        Purpose::Calibration,
    ]))
}

fn any_measured() -> impl Strategy<Value = Measured> {
    let depth = || option::of((0..=13_000_u32).prop_map(|um| Micrometres::new(um).unwrap()));
    let volume = || option::of((0..=10_000_000_u64).prop_map(|nl| Nanolitres::new(nl).unwrap()));
    (
        (depth(), depth(), volume(), volume()),
        option::of((1..=6_000_u16).prop_map(|spm| ShotsPerMinute::new(spm).unwrap())),
        option::of((1..=99_u8).prop_map(|n| NeedleCount::new(n).unwrap())),
        option::of((-101_325..=1_000_000_i32).prop_map(|pa| GaugePascals::new(pa).unwrap())),
        any_purpose(),
        0..=ShotFlags::ALL.bits(),
    )
        .prop_map(
            |(sizes, frequency_set, needles_working, pressure, purpose, flags)| Measured {
                depth_set: sizes.0,
                depth_sensed: sizes.1,
                volume_set: sizes.2,
                volume_sensed: sizes.3,
                frequency_set,
                needles_working,
                pressure,
                purpose,
                flags: ShotFlags(flags),
            },
        )
}

fn any_shot() -> impl Strategy<Value = ShotEvent> {
    (
        1..=u64::MAX,
        1..u32::MAX,
        any::<u32>(),
        0..=GunTick::MAX.get(),
        option::of((0..=9_000_000_000_u64).prop_map(|us| Microseconds::new(us).unwrap())),
        any_measured(),
    )
        .prop_map(
            |(epoch, counter, boot, tick, interval, measured)| ShotEvent {
                key: ShotKey {
                    epoch: Epoch(epoch),
                    counter: ShotCounter(counter),
                },
                boot: BootId(boot),
                tick: GunTick::new(tick).unwrap(),
                interval,
                measured,
            },
        )
}

proptest! {
    #[test]
    fn any_shot_comes_back_as_it_was(shot in any_shot()) {
        round_trip(&Message::Shot(shot));
    }

    #[test]
    fn any_bytes_never_panic_and_never_hold_more_than_a_frame(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..8)
    ) {
        let mut decoder = FrameDecoder::new();
        for chunk in &chunks {
            for decoded in decoder.push(chunk) {
                if let Decoded::Frame(frame) = decoded {
                    let _ = Message::decode(&frame);
                }
            }
        }
    }

    #[test]
    fn any_payload_under_any_kind_never_panics(
        kind in any::<u8>(),
        payload in prop::collection::vec(any::<u8>(), 0..=246)
    ) {
        let wire = encode_frame(kind, 0, &payload).unwrap();
        let frame = only_frame(&wire);
        if let Err(rejection) = Message::decode(&frame) {
            prop_assert_eq!(rejection.bytes, payload);
        }
    }

    #[test]
    fn one_flipped_bit_never_yields_a_wrong_shot(shot in any_shot(), place in any::<prop::sample::Index>()) {
        let mut wire = Message::Shot(shot.clone()).encode(1).unwrap();
        let bit = place.index(wire.len() * 8);
        wire[bit / 8] ^= 1 << (bit % 8);
        wire.push(DELIMITER); // the flip may have hit the delimiter
        let next = Message::Shot(sample_shot(1, 2)).encode(2).unwrap();
        wire.extend(&next);
        let mut shots = Vec::new();
        for decoded in decode_all(&wire) {
            if let Decoded::Frame(frame) = decoded
                && let Ok(Message::Shot(shot)) = Message::decode(&frame)
            {
                shots.push(shot);
            }
        }
        prop_assert!(shots.iter().all(|found| *found == shot || *found == sample_shot(1, 2)));
        prop_assert_eq!(shots.last(), Some(&sample_shot(1, 2)), "the next shot is unharmed");
    }

    #[test]
    fn cutting_the_stream_anywhere_changes_nothing(
        shots in prop::collection::vec(any_shot(), 1..6),
        cut in any::<prop::sample::Index>()
    ) {
        let wire: Vec<u8> =
            shots.iter().flat_map(|shot| Message::Shot(shot.clone()).encode(0).unwrap()).collect();
        let (first, second) = wire.split_at(cut.index(wire.len()));
        let mut decoder = FrameDecoder::new();
        decoder.push(&[DELIMITER]);
        let mut found = decoder.push(first);
        found.extend(decoder.push(second));
        prop_assert_eq!(found, decode_all(&wire));
    }
}

fn sample_inventory() -> Inventory {
    Inventory {
        epoch: Some(Epoch(9)),
        oldest: Some(ShotCounter(5)),
        newest: Some(ShotCounter(12)),
        acknowledged: Some(ShotCounter(7)),
        lost_count: 2,
    }
}

fn sample_limits() -> GunLimits {
    GunLimits {
        depth_max: Some(Micrometres::new(13_000).unwrap()),
        volume_max: Some(Nanolitres::new(1_000_000).unwrap()),
        frequency_max: None,
    }
}

fn sample_hello() -> Hello {
    Hello {
        protocol_min: 1,
        protocol_max: 1,
        schema: meso_link_proto::version::schema(),
        session: 0x1234,
        serial: GunSerial::parse("GUN-0001-ABCDEFG").unwrap(),
        model: GunText::new("model", "MESO EMULATED 16").unwrap(),
        firmware: GunText::new("firmware", "1.0.0").unwrap(),
        firmware_hash: [1, 2, 3, 4, 5, 6, 7, 8],
        boot: BootId(3),
        boot_count: 4,
        inventory: sample_inventory(),
        capabilities: Capabilities::SENSES_DEPTH.union(Capabilities::CAN_INHIBIT),
        limits: sample_limits(),
        lease_ms: 3_000,
        lease_loss: LeaseLoss::Inhibit,
        is_inhibited: true,
        inhibit_number: 6,
        tick: GunTick::new(77).unwrap(),
        nonce: [0xA5; 16],
    }
}

#[test]
fn every_other_message_comes_back_as_it_was() {
    let tick = |us| GunTick::new(us).unwrap();
    let mark = Watermark {
        session: 1,
        epoch: Some(Epoch(2)),
        counter: Some(ShotCounter(3)),
    };
    let messages = [
        Message::Hello(sample_hello()),
        Message::Status(Status {
            tick: tick(5),
            inventory: sample_inventory(),
            battery: Some(Millivolts::new(3_700).unwrap()),
            temperature: Some(MilliCelsius::new(-1_500).unwrap()),
            vacuum: Some(GaugePascals::new(-40_000).unwrap()),
            shots_on_needle: Some(0),
            lifetime_shots: None,
            faults: 0x8000_0001,
            is_inhibited: false,
            inhibit_number: 1,
            refused_count: u32::MAX,
        }),
        Message::Range(Range {
            session: 1,
            request: 2,
            epoch: Epoch(3),
            requested: 4,
            from: 5,
            newest: None,
        }),
        Message::TimeAnswer(TimeAnswer {
            request: 1,
            host_sent_ns: -2,
            received: tick(3),
            sent: tick(4),
        }),
        Message::Result(CommandResult {
            session: 1,
            command: 2,
            result: ResultCode::Unknown(200),
            is_inhibited: true,
            inhibit_number: 3,
            epoch: None,
            limits: sample_limits(),
        }),
        Message::HostHello(HostHello {
            protocol_min: 1,
            protocol_max: 2,
            schema: 3,
            session: 4,
            nonce: [0x5A; 16],
        }),
        Message::Acknowledge(mark),
        Message::KeepAlive(Watermark {
            session: 1,
            epoch: None,
            counter: None,
        }),
        Message::SendFrom(SendFrom {
            session: 1,
            request: 2,
            epoch: Epoch(3),
            counter: ShotCounter(4),
        }),
        Message::TimeRequest(TimeRequest {
            request: 1,
            host_sent_ns: 2,
        }),
        Message::AssignEpoch(AssignEpoch {
            session: 1,
            command: 2,
            replaces: None,
            epoch: Epoch(u64::MAX),
        }),
        Message::Inhibit(Inhibit {
            session: 1,
            command: 2,
            reason: 3,
        }),
        Message::Resume(Resume {
            session: 1,
            command: 2,
            inhibit_number: 3,
        }),
        Message::Settings(Settings {
            session: 1,
            command: 2,
            set: SetPoints {
                depth: Some(Micrometres::new(4_000).unwrap()),
                volume: Some(Nanolitres::new(10_000_000).unwrap()),
                frequency: None,
                needles: Some(NeedleCount::new(9).unwrap()),
                purpose: Some(Purpose::Prime),
            },
            limits: sample_limits(),
            lease_ms: 3_000,
            lease_loss: LeaseLoss::Inhibit,
        }),
        Message::SetLimits(SetLimits {
            session: 1,
            command: 2,
            limits: sample_limits(),
        }),
        Message::ReadSettings(ReadSettings {
            session: 1,
            command: 2,
        }),
        Message::Identify(Identify {
            session: 1,
            command: 2,
            seconds: 60,
        }),
    ];
    for message in &messages {
        round_trip(message);
    }
}

#[test]
fn request_and_answer_for_the_time_are_equally_long() {
    let request = Message::TimeRequest(TimeRequest {
        request: 1,
        host_sent_ns: 2,
    });
    let tick = GunTick::new(3).unwrap();
    let answer = Message::TimeAnswer(TimeAnswer {
        request: 1,
        host_sent_ns: 2,
        received: tick,
        sent: tick,
    });
    assert_eq!(
        request.encode(0).unwrap().len(),
        answer.encode(0).unwrap().len()
    );
}

/// Changes bytes of a good shot's payload and returns what the decoder makes of it.
fn decode_with(
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<Message, Box<meso_link_proto::Rejection>> {
    let mut payload = sample_shot(9, 5).encode_payload();
    change(&mut payload);
    Message::decode(&only_frame(&encode_frame(kind::SHOT, 0, &payload).unwrap()))
}

const DEPTH_SENSED_AT: usize = 36;

#[test]
fn an_impossible_depth_is_rejected_with_its_bytes_and_its_identity() {
    let too_deep = 13_001_u32.to_le_bytes();
    let rejection = decode_with(|payload| {
        payload[DEPTH_SENSED_AT..DEPTH_SENSED_AT + 4].copy_from_slice(&too_deep);
    })
    .unwrap_err();
    assert_eq!(
        rejection.identity,
        Some(ShotKey {
            epoch: Epoch(9),
            counter: ShotCounter(5)
        })
    );
    assert!(matches!(
        rejection.reason,
        RejectReason::Impossible {
            field: "depth_sensed_um",
            source: UnitError::OutOfRange {
                value: 13_001,
                max: 13_000,
                ..
            }
        }
    ));
    assert_eq!(
        &rejection.bytes[DEPTH_SENSED_AT..DEPTH_SENSED_AT + 4],
        &too_deep
    );
}

#[test]
fn a_shot_that_is_cut_short_still_names_itself() {
    let rejection = decode_with(|payload| payload.truncate(20)).unwrap_err();
    assert_eq!(rejection.reason, RejectReason::TooShort { length: 20 });
    assert!(rejection.identity.is_some());
    let rejection = decode_with(|payload| payload.truncate(11)).unwrap_err();
    assert_eq!(rejection.identity, None);
}

#[test]
fn a_shot_without_counter_or_epoch_has_no_identity() {
    let rejection = decode_with(|payload| payload[8..12].fill(0)).unwrap_err();
    assert_eq!(
        rejection.reason,
        RejectReason::NoIdentity {
            field: "counter",
            value: 0
        }
    );
    assert_eq!(rejection.identity, None);
}

#[test]
fn the_bytes_of_a_shot_of_version_one_are_pinned() {
    // Do not change this test: guns in the field send these bytes.
    let wire = Message::Shot(sample_shot(0x0102_0304_0506_0708, 5))
        .encode(0x0A0B)
        .unwrap();
    let hex: String = wire.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "0e02010b0a08070605040302010501010307b0010440420f010101010448e8010101010103d0070103e1070103204e0103124d0105e00101010101010101027f05a0dc053d00"
    );
}

/// What the decoder says to a good frame of the host whose bytes at `at` are made zero.
fn zeroed(message: &Message, at: std::ops::Range<usize>) -> RejectReason {
    let mut frame = only_frame(&message.encode(0).unwrap());
    frame.payload[at].fill(0);
    Message::decode(&frame).unwrap_err().reason
}

fn names_nothing(field: &'static str) -> RejectReason {
    RejectReason::NoIdentity { field, value: 0 }
}

#[test]
fn no_frame_of_a_host_has_session_zero() {
    let mark = Watermark {
        session: 1,
        epoch: Some(Epoch(2)),
        counter: Some(ShotCounter(3)),
    };
    let (session, command) = (1, 2);
    let at_first = [
        Message::Acknowledge(mark),
        Message::KeepAlive(mark),
        Message::SendFrom(SendFrom {
            session,
            request: 2,
            epoch: Epoch(3),
            counter: ShotCounter(4),
        }),
        Message::AssignEpoch(AssignEpoch {
            session,
            command,
            replaces: None,
            epoch: Epoch(1),
        }),
        Message::Inhibit(Inhibit {
            session,
            command,
            reason: 0,
        }),
        Message::Resume(Resume {
            session,
            command,
            inhibit_number: 3,
        }),
        Message::SetLimits(SetLimits {
            session,
            command,
            limits: GunLimits::default(),
        }),
        Message::ReadSettings(ReadSettings { session, command }),
        Message::Identify(Identify {
            session,
            command,
            seconds: 1,
        }),
    ];
    for message in &at_first {
        assert_eq!(
            zeroed(message, 0..4),
            names_nothing("session"),
            "{message:?}"
        );
    }
    let hello = Message::HostHello(HostHello {
        protocol_min: 1,
        protocol_max: 1,
        schema: 0,
        session,
        nonce: [1; 16],
    });
    assert_eq!(zeroed(&hello, 6..10), names_nothing("session"));
}

#[test]
fn a_request_without_number_or_counter_names_nothing() {
    let request = Message::SendFrom(SendFrom {
        session: 1,
        request: 2,
        epoch: Epoch(3),
        counter: ShotCounter(4),
    });
    assert_eq!(zeroed(&request, 4..6), names_nothing("request"));
    assert_eq!(zeroed(&request, 14..18), names_nothing("counter"));
    let range = Message::Range(Range {
        session: 1,
        request: 0,
        epoch: Epoch(3),
        requested: 4,
        from: 5,
        newest: None,
    });
    assert_eq!(zeroed(&range, 14..18), names_nothing("requested"));
    assert_eq!(zeroed(&range, 18..22), names_nothing("from"));
}

#[test]
fn an_unknown_flag_is_refused_and_a_sealed_frame_is_not_read_unopened() {
    let mut frame = only_frame(&Message::Shot(sample_shot(1, 2)).encode(0).unwrap());
    for flags in [1, 2, 8] {
        frame.flags = flags;
        let reason = Message::decode(&frame).unwrap_err().reason;
        assert_eq!(reason, RejectReason::UnknownFlags { flags });
    }
}

#[test]
fn a_gun_is_asked_to_blink_for_a_minute_at_most() {
    let mut frame = only_frame(
        &Message::Identify(Identify {
            session: 1,
            command: 2,
            seconds: 60,
        })
        .encode(0)
        .unwrap(),
    );
    frame.payload[6] = 61;
    assert_eq!(
        Message::decode(&frame).unwrap_err().reason,
        RejectReason::UnknownCode {
            field: "seconds",
            code: 61
        }
    );
}
