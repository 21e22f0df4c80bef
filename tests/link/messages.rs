//! Messages to begin from, and messages at random.

use meso_link_proto::frame::{DELIMITER, Decoded, FrameDecoder};
use meso_link_proto::message::{
    AssignEpoch, CommandResult, HostHello, IDENTIFY_SECONDS_MAX, Identify, Inhibit, Range,
    ReadSettings, Resume, SendFrom, SetLimits, TimeAnswer, TimeRequest, Watermark,
};
use meso_link_proto::{
    Capabilities, GunLimits, GunText, Hello, Inventory, LeaseLoss, Measured, Message, Purpose,
    ResultCode, SetPoints, Settings, ShotEvent, ShotFlags, ShotKey, Status, version,
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
        refused_count: 0,
    }
}

/// Settings that say nothing.
pub(crate) fn settings_of() -> Settings {
    Settings {
        session: 1,
        command: 2,
        set: SetPoints::default(),
        limits: GunLimits::default(),
        lease_ms: 3_000,
        lease_loss: LeaseLoss::Continue,
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
        limits: GunLimits::default(),
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

fn depth() -> impl Strategy<Value = Option<Micrometres>> {
    option::of((0..=13_000_u32).prop_map(|um| Micrometres::new(um).unwrap()))
}

fn volume() -> impl Strategy<Value = Option<Nanolitres>> {
    option::of((0..=10_000_000_u64).prop_map(|nl| Nanolitres::new(nl).unwrap()))
}

fn frequency() -> impl Strategy<Value = Option<ShotsPerMinute>> {
    option::of((1..=6_000_u16).prop_map(|spm| ShotsPerMinute::new(spm).unwrap()))
}

fn needles() -> impl Strategy<Value = Option<NeedleCount>> {
    option::of((1..=99_u8).prop_map(|count| NeedleCount::new(count).unwrap()))
}

fn purpose() -> impl Strategy<Value = Option<Purpose>> {
    option::of(prop::sample::select(vec![
        Purpose::Patient,
        Purpose::Prime,
        Purpose::Test,
        Purpose::Cleaning,
        Purpose::Calibration,
    ]))
}

/// Limits that a gun may be built to, or a host may set.
pub(crate) fn limits() -> impl Strategy<Value = GunLimits> {
    let volume_nl = prop_oneof![1..=10_000_000_u32, Just(u32::MAX)];
    (
        option::of((1..=13_000_u32).prop_map(|um| Micrometres::new(um).unwrap())),
        option::of(volume_nl.prop_map(|nl| Nanolitres::new(u64::from(nl)).unwrap())),
        frequency(),
    )
        .prop_map(|(depth_max, volume_max, frequency_max)| GunLimits {
            depth_max,
            volume_max,
            frequency_max,
        })
}

/// What a person may set a gun to.
pub(crate) fn set_points() -> impl Strategy<Value = SetPoints> {
    (depth(), volume(), frequency(), needles(), purpose()).prop_map(
        |(depth, volume, frequency, needles, purpose)| SetPoints {
            depth,
            volume,
            frequency,
            needles,
            purpose,
        },
    )
}

fn settings() -> impl Strategy<Value = Message> {
    (set_points(), limits(), any::<(u32, u16, u16, bool)>()).prop_map(|(set, limits, raw)| {
        Message::Settings(Settings {
            session: raw.0,
            command: raw.1,
            set,
            limits,
            lease_ms: raw.2,
            lease_loss: if raw.3 {
                LeaseLoss::Inhibit
            } else {
                LeaseLoss::Continue
            },
        })
    })
}

/// Anything that a gun may measure in one shot.
pub(crate) fn measured() -> impl Strategy<Value = Measured> {
    (
        (depth(), depth(), volume(), volume()),
        frequency(),
        needles(),
        option::of((-101_325..=1_000_000_i32).prop_map(|pa| GaugePascals::new(pa).unwrap())),
        purpose(),
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
    (
        names,
        numbers,
        inventory(),
        limits(),
        any::<(bool, bool, [u8; 16])>(),
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
                limits,
                lease_ms: numbers.7,
                lease_loss: if bits.0 {
                    LeaseLoss::Inhibit
                } else {
                    LeaseLoss::Continue
                },
                is_inhibited: bits.1,
                inhibit_number: numbers.8,
                tick,
                nonce: bits.2,
            })
        })
}

fn status() -> impl Strategy<Value = Message> {
    let sensed = (
        option::of((0..=60_000_u32).prop_map(|mv| Millivolts::new(mv).unwrap())),
        option::of((-50_000..=150_000_i32).prop_map(|mc| MilliCelsius::new(mc).unwrap())),
        option::of((-101_325..=1_000_000_i32).prop_map(|pa| GaugePascals::new(pa).unwrap())),
    );
    let numbers = any::<(Option<u32>, Option<u32>, u32, bool, u32, u32)>();
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
            refused_count: numbers.5,
        })
    })
}

fn answers() -> impl Strategy<Value = Message> {
    let numbers = any::<(u32, u16, u64)>();
    let range = (numbers, 1..=u32::MAX, 1..=u32::MAX, counter()).prop_map(
        |(raw, requested, from, newest)| {
            Message::Range(Range {
                session: raw.0,
                request: raw.1,
                epoch: Epoch(raw.2),
                requested,
                from,
                newest,
            })
        },
    );
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
        ResultCode::NotEnforceable,
        ResultCode::Unknown(255),
    ]);
    let result = (any::<(u32, u16, bool, u32)>(), codes, epoch(), limits()).prop_map(
        |(raw, result, epoch, limits)| {
            Message::Result(CommandResult {
                session: raw.0,
                command: raw.1,
                result,
                is_inhibited: raw.2,
                inhibit_number: raw.3,
                epoch,
                limits,
            })
        },
    );
    prop_oneof![
        range.boxed(),
        time.boxed(),
        result.boxed(),
        settings().boxed()
    ]
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
    let hello = (session.clone(), 0..10_u8).prop_map(|(session, oddity)| {
        Message::HostHello(HostHello {
            // Now and then a host that speaks another version, another version 1, or a newer one
            // and this one.
            protocol_min: if oddity == 1 { 2 } else { 1 },
            protocol_max: match oddity {
                1 => 3,
                3 => 2,
                _ => 1,
            },
            schema: version::schema() ^ u32::from(oddity == 2 || oddity == 3),
            session,
            nonce: [u8::from(oddity == 4); 16],
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
    let resume = (session.clone(), command.clone(), 0..4_u32).prop_map(
        |(session, command, inhibit_number)| {
            Message::Resume(Resume {
                session,
                command,
                inhibit_number,
            })
        },
    );
    let about_settings = about_settings(session, command);
    prop_oneof![
        hello.boxed(),
        mark.boxed(),
        send.boxed(),
        time.boxed(),
        assign.boxed(),
        inhibit.boxed(),
        resume.boxed(),
        about_settings
    ]
    .boxed()
}

/// SET_LIMITS, READ_SETTINGS and IDENTIFY.
fn about_settings(
    session: impl Strategy<Value = u32> + Clone + 'static,
    command: impl Strategy<Value = u16> + Clone + 'static,
) -> BoxedStrategy<Message> {
    let limits =
        (session.clone(), command.clone(), limits()).prop_map(|(session, command, limits)| {
            Message::SetLimits(SetLimits {
                session,
                command,
                limits,
            })
        });
    let read = (session.clone(), command.clone())
        .prop_map(|(session, command)| Message::ReadSettings(ReadSettings { session, command }));
    let identify =
        (session, command, 0..=IDENTIFY_SECONDS_MAX).prop_map(|(session, command, seconds)| {
            Message::Identify(Identify {
                session,
                command,
                seconds,
            })
        });
    prop_oneof![limits, read, identify].boxed()
}

/// Any message of the link.
pub(crate) fn any_message() -> impl Strategy<Value = Message> {
    let host = from_host(vec![1, u32::MAX], vec![0, 1, u64::MAX], 0..=u32::MAX);
    // Boxed, because a value tree of all of them at once is too large for the stack of a test.
    prop_oneof![
        hello().boxed(),
        shot().boxed(),
        status().boxed(),
        answers().boxed(),
        host
    ]
}
