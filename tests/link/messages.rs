//! Messages to begin from, and messages at random.

use meso_link_proto::frame::{DELIMITER, Decoded, FrameDecoder};
use meso_link_proto::message::{
    AssignEpoch, CommandResult, HostHello, Inhibit, Range, Resume, SendFrom, TimeAnswer,
    TimeRequest, Watermark,
};
use meso_link_proto::{
    Capabilities, GunLimits, GunText, Hello, Inventory, LeaseLoss, Measured, Message, Purpose,
    ResultCode, ShotEvent, ShotFlags, ShotKey, Status, version,
};
use meso_units::{
    BootId, Epoch, GaugePascals, GunSerial, GunTick, Micrometres, Microseconds, MilliCelsius,
    Millivolts, Nanolitres, NeedleCount, ShotCounter, ShotsPerMinute,
};
use proptest::option;
use proptest::prelude::*;

/// A shot of which nothing was measured.
pub(crate) fn shot_of(epoch: u64, counter: u32) -> ShotEvent {
    ShotEvent {
        key: ShotKey {
            epoch: Epoch(epoch),
            counter: ShotCounter(counter),
        },
        boot: BootId(1),
        tick: GunTick::new(1).unwrap(),
        interval: None,
        measured: Measured::default(),
    }
}

/// A status that knows nothing.
pub(crate) fn status_of(tick_us: u64) -> Status {
    Status {
        tick: GunTick::new(tick_us).unwrap(),
        inventory: Inventory::default(),
        battery: None,
        temperature: None,
        vacuum: None,
        shots_on_needle: None,
        lifetime_shots: None,
        faults: 0,
        is_inhibited: false,
        inhibit_number: 0,
    }
}

/// An answer to a command.
pub(crate) fn result_of(result: ResultCode) -> CommandResult {
    CommandResult {
        session: 1,
        command: 2,
        result,
        is_inhibited: false,
        inhibit_number: 3,
        epoch: None,
    }
}

/// The payload of a message as the Rust crate writes it.
pub(crate) fn payload_of(message: &Message) -> Vec<u8> {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[DELIMITER]);
    match decoder.push(&message.encode(0).unwrap()).remove(0) {
        Decoded::Frame(frame) => frame.payload,
        Decoded::Garbage { reason, .. } => panic!("own frame is no frame: {reason:?}"),
    }
}

fn tick() -> impl Strategy<Value = GunTick> {
    (0..=GunTick::MAX.get()).prop_map(|us| GunTick::new(us).unwrap())
}

fn epoch() -> impl Strategy<Value = Option<Epoch>> {
    option::of((1..=u64::MAX).prop_map(Epoch))
}

fn counter() -> impl Strategy<Value = Option<ShotCounter>> {
    option::of((1..=u32::MAX).prop_map(ShotCounter))
}

fn text() -> impl Strategy<Value = GunText> {
    "[ -~]{1,16}".prop_map(|text| GunText::new("text", &text).unwrap())
}

fn inventory() -> impl Strategy<Value = Inventory> {
    (epoch(), counter(), counter(), counter(), any::<u32>()).prop_map(
        |(epoch, oldest, newest, acknowledged, lost_count)| Inventory {
            epoch,
            oldest,
            newest,
            acknowledged,
            lost_count,
        },
    )
}

/// Anything that a gun may measure in one shot.
pub(crate) fn measured() -> impl Strategy<Value = Measured> {
    let depth = || option::of((0..=13_000_u32).prop_map(|um| Micrometres::new(um).unwrap()));
    let volume = || option::of((0..=10_000_000_u64).prop_map(|nl| Nanolitres::new(nl).unwrap()));
    let purpose = prop::sample::select(vec![
        Purpose::Patient,
        Purpose::Prime,
        Purpose::Test,
        Purpose::Cleaning,
        Purpose::Calibration,
    ]);
    (
        (depth(), depth(), volume(), volume()),
        option::of((1..=6_000_u16).prop_map(|spm| ShotsPerMinute::new(spm).unwrap())),
        option::of((1..=99_u8).prop_map(|count| NeedleCount::new(count).unwrap())),
        option::of((-101_325..=1_000_000_i32).prop_map(|pa| GaugePascals::new(pa).unwrap())),
        option::of(purpose),
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

fn shot() -> impl Strategy<Value = Message> {
    let interval = (0..=Microseconds::MAX.get()).prop_map(|us| Microseconds::new(us).unwrap());
    (
        1..=u64::MAX,
        1..u32::MAX,
        any::<u32>(),
        tick(),
        option::of(interval),
        measured(),
    )
        .prop_map(|(epoch, counter, boot, tick, interval, measured)| {
            Message::Shot(ShotEvent {
                boot: BootId(boot),
                tick,
                interval,
                measured,
                ..shot_of(epoch, counter)
            })
        })
}

fn hello() -> impl Strategy<Value = Message> {
    let names = ("[A-Z0-9-]{1,16}", text(), text(), any::<[u8; 8]>());
    let numbers = any::<(u8, u8, u32, u32, u32, u32, u32, u16, u32)>();
    let limits = (
        option::of(1..=13_000_u32),
        option::of(1..=u32::MAX),
        option::of(1..=6_000_u16),
    );
    (
        names,
        numbers,
        inventory(),
        limits,
        any::<(bool, bool)>(),
        tick(),
    )
        .prop_map(|(names, numbers, inventory, limits, bits, tick)| {
            Message::Hello(Hello {
                protocol_min: numbers.0,
                protocol_max: numbers.1,
                schema: numbers.2,
                session: numbers.3,
                serial: GunSerial::parse(&names.0).unwrap(),
                model: names.1,
                firmware: names.2,
                firmware_hash: names.3,
                boot: BootId(numbers.4),
                boot_count: numbers.5,
                inventory,
                capabilities: Capabilities(numbers.6),
                limits: GunLimits {
                    depth_max: limits.0.map(|um| Micrometres::new(um).unwrap()),
                    volume_max: limits.1.map(|nl| Nanolitres::new(u64::from(nl)).unwrap()),
                    frequency_max: limits.2.map(|spm| ShotsPerMinute::new(spm).unwrap()),
                },
                lease_ms: numbers.7,
                lease_loss: if bits.0 {
                    LeaseLoss::Inhibit
                } else {
                    LeaseLoss::Continue
                },
                is_inhibited: bits.1,
                inhibit_number: numbers.8,
                tick,
            })
        })
}

fn status() -> impl Strategy<Value = Message> {
    let sensed = (
        option::of((0..=60_000_u32).prop_map(|mv| Millivolts::new(mv).unwrap())),
        option::of((-50_000..=150_000_i32).prop_map(|mc| MilliCelsius::new(mc).unwrap())),
        option::of((-101_325..=1_000_000_i32).prop_map(|pa| GaugePascals::new(pa).unwrap())),
    );
    let numbers = any::<(Option<u32>, Option<u32>, u32, bool, u32)>();
    (tick(), inventory(), sensed, numbers).prop_map(|(tick, inventory, sensed, numbers)| {
        Message::Status(Status {
            tick,
            inventory,
            battery: sensed.0,
            temperature: sensed.1,
            vacuum: sensed.2,
            shots_on_needle: numbers.0,
            lifetime_shots: numbers.1,
            faults: numbers.2,
            is_inhibited: numbers.3,
            inhibit_number: numbers.4,
        })
    })
}

fn answers() -> impl Strategy<Value = Message> {
    let range = (any::<(u32, u16, u64, u32, u32)>(), counter()).prop_map(|(raw, newest)| {
        Message::Range(Range {
            session: raw.0,
            request: raw.1,
            epoch: Epoch(raw.2),
            requested: raw.3,
            from: raw.4,
            newest,
        })
    });
    let time = (any::<(u32, i64)>(), tick(), tick()).prop_map(|(raw, received, sent)| {
        Message::TimeAnswer(TimeAnswer {
            request: raw.0,
            host_sent_ns: raw.1,
            received,
            sent,
        })
    });
    let codes = prop::sample::select(vec![
        ResultCode::Done,
        ResultCode::OtherEpoch,
        ResultCode::HoldsUnacknowledged,
        ResultCode::OtherInhibition,
        ResultCode::Unsupported,
        ResultCode::Unknown(255),
    ]);
    let result =
        (any::<(u32, u16, bool, u32)>(), codes, epoch()).prop_map(|(raw, result, epoch)| {
            Message::Result(CommandResult {
                session: raw.0,
                command: raw.1,
                result,
                is_inhibited: raw.2,
                inhibit_number: raw.3,
                epoch,
            })
        });
    prop_oneof![range, time, result]
}

/// Anything that a host may send; sessions, epochs and commands from the given small sets, so
/// that they meet the gun's.
pub(crate) fn from_host(
    sessions: Vec<u32>,
    epochs: Vec<u64>,
    counters: std::ops::RangeInclusive<u32>,
) -> BoxedStrategy<Message> {
    let session = prop::sample::select(sessions);
    let epoch = prop::sample::select(epochs);
    let command = 1..12_u16;
    let hello = (session.clone(), 0..8_u8).prop_map(|(session, oddity)| {
        Message::HostHello(HostHello {
            // Now and then a host that speaks another version, or another version 1.
            protocol_min: if oddity == 1 { 2 } else { 1 },
            protocol_max: if oddity == 1 { 3 } else { 1 },
            schema: version::schema() ^ u32::from(oddity == 2),
            session,
        })
    });
    let mark = (
        session.clone(),
        epoch.clone(),
        counters.clone(),
        any::<bool>(),
    )
        .prop_map(|(session, epoch, counter, keeps_alive)| {
            let mark = Watermark {
                session,
                epoch: (epoch != 0).then_some(Epoch(epoch)),
                counter: (counter != 0).then_some(ShotCounter(counter)),
            };
            if keeps_alive {
                Message::KeepAlive(mark)
            } else {
                Message::Acknowledge(mark)
            }
        });
    let send = (session.clone(), 1..9_u16, epoch.clone(), counters).prop_map(
        |(session, request, epoch, counter)| {
            Message::SendFrom(SendFrom {
                session,
                request,
                epoch: Epoch(epoch),
                counter: ShotCounter(counter.max(1)),
            })
        },
    );
    let time = any::<(u32, i64)>().prop_map(|(request, host_sent_ns)| {
        Message::TimeRequest(TimeRequest {
            request,
            host_sent_ns,
        })
    });
    let assign = (session.clone(), command.clone(), epoch.clone(), epoch).prop_map(
        |(session, command, replaces, epoch)| {
            Message::AssignEpoch(AssignEpoch {
                session,
                command,
                replaces: (replaces != 0).then_some(Epoch(replaces)),
                epoch: Epoch(epoch.max(1)),
            })
        },
    );
    let inhibit = (session.clone(), command.clone()).prop_map(|(session, command)| {
        Message::Inhibit(Inhibit {
            session,
            command,
            reason: 1,
        })
    });
    let resume = (session, command, 0..4_u32).prop_map(|(session, command, inhibit_number)| {
        Message::Resume(Resume {
            session,
            command,
            inhibit_number,
        })
    });
    prop_oneof![hello, mark, send, time, assign, inhibit, resume].boxed()
}

/// Any message of the link.
pub(crate) fn any_message() -> impl Strategy<Value = Message> {
    let host = from_host(vec![1, u32::MAX], vec![0, 1, u64::MAX], 0..=u32::MAX);
    prop_oneof![hello(), shot(), status(), answers(), host]
}
