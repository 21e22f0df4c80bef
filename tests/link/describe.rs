//! Messages as text, as the vectors and the C tests spell them.

use std::fmt::{Display, Write};

use meso_link_proto::frame::{Decoded, Frame, Garbage};
use meso_link_proto::message::Watermark;
use meso_link_proto::{
    GunLimits, Hello, Inventory, LeaseLoss, Message, Purpose, RejectReason, ResultCode, SetPoints,
    Settings, ShotEvent, Status,
};

use crate::bench::hex;
use crate::messages::payload_of;

/// A line that grows field by field.
struct Line(String);

impl Line {
    fn add(mut self, name: &str, value: impl Display) -> Line {
        write!(self.0, " {name}={value}").unwrap();
        self
    }

    /// A field that is zero where it is absent.
    fn optional<T>(self, name: &str, value: Option<T>, raw: impl FnOnce(T) -> i64) -> Line {
        self.add(name, value.map_or(0, raw))
    }

    fn inventory(self, held: &Inventory) -> Line {
        self.add("epoch", held.epoch.map_or(0, |epoch| epoch.get()))
            .optional("oldest", held.oldest, |c| c.get().into())
            .optional("newest", held.newest, |c| c.get().into())
            .optional("acknowledged", held.acknowledged, |c| c.get().into())
            .add("lost", held.lost_count)
    }

    fn limits(self, limits: &GunLimits) -> Line {
        self.optional("depth_max_um", limits.depth_max, |um| um.get().into())
            .add("volume_max_nl", limits.volume_max.map_or(0, |nl| nl.get()))
            .optional("frequency_max_spm", limits.frequency_max, |spm| {
                spm.get().into()
            })
    }
}

fn hello(line: Line, hello: &Hello) -> Line {
    line.add("protocol_min", hello.protocol_min)
        .add("protocol_max", hello.protocol_max)
        .add("schema", hello.schema)
        .add("session", hello.session)
        .add("serial", &hello.serial)
        .add("model", &hello.model)
        .add("firmware", &hello.firmware)
        .add("firmware_hash", hex(&hello.firmware_hash))
        .add("boot_id", hello.boot.get())
        .add("boot_count", hello.boot_count)
        .inventory(&hello.inventory)
        .add("capabilities", hello.capabilities.0)
        .limits(&hello.limits)
        .add("lease_ms", hello.lease_ms)
        .add(
            "lease_loss",
            u8::from(hello.lease_loss == LeaseLoss::Inhibit),
        )
        .add("inhibited", u8::from(hello.is_inhibited))
        .add("inhibit_number", hello.inhibit_number)
        .add("tick_us", hello.tick.get())
        .add("nonce", hex(&hello.nonce))
}

/// The number of a purpose, written here once more and not taken from the crate.
pub(crate) fn purpose_code(purpose: Option<Purpose>) -> u8 {
    match purpose {
        None => 0,
        Some(Purpose::Patient) => 1,
        Some(Purpose::Prime) => 2,
        Some(Purpose::Test) => 3,
        Some(Purpose::Cleaning) => 4,
        Some(Purpose::Calibration) => 5,
    }
}

/// The `present` bits of a shot, written here once more and not taken from the crate.
pub(crate) fn present_bits(shot: &ShotEvent) -> u16 {
    let measured = &shot.measured;
    let is_there = [
        shot.interval.is_some(),
        measured.depth_set.is_some(),
        measured.depth_sensed.is_some(),
        measured.volume_set.is_some(),
        measured.volume_sensed.is_some(),
        measured.frequency_set.is_some(),
        measured.needles_working.is_some(),
        measured.pressure.is_some(),
    ];
    let bits = is_there.iter().enumerate();
    bits.fold(0, |all, (bit, is_there)| all | u16::from(*is_there) << bit)
}

fn shot(line: Line, shot: &ShotEvent) -> Line {
    let measured = &shot.measured;
    let volume = |volume: Option<meso_units::Nanolitres>| volume.map_or(0, |nl| nl.get());
    line.add("epoch", shot.key.epoch.get())
        .add("counter", shot.key.counter.get())
        .add("boot_id", shot.boot.get())
        .add("tick_us", shot.tick.get())
        .add("interval_us", shot.interval.map_or(0, |us| us.get()))
        .optional("depth_set_um", measured.depth_set, |um| um.get().into())
        .optional("depth_sensed_um", measured.depth_sensed, |um| {
            um.get().into()
        })
        .add("volume_set_nl", volume(measured.volume_set))
        .add("volume_sensed_nl", volume(measured.volume_sensed))
        .optional("frequency_set_spm", measured.frequency_set, |spm| {
            spm.get().into()
        })
        .optional("needles", measured.needles_working, |count| {
            count.get().into()
        })
        .add("purpose", purpose_code(measured.purpose))
        .optional("pressure_pa", measured.pressure, |pa| pa.get().into())
        .add("flags", measured.flags.bits())
        .add("present", present_bits(shot))
}

fn status(line: Line, status: &Status) -> Line {
    let is_there = [
        status.battery.is_some(),
        status.temperature.is_some(),
        status.vacuum.is_some(),
        status.shots_on_needle.is_some(),
        status.lifetime_shots.is_some(),
    ];
    let bits = is_there.iter().enumerate();
    let present = bits.fold(0, |all, (bit, is_there)| all | u8::from(*is_there) << bit);
    line.add("tick_us", status.tick.get())
        .inventory(&status.inventory)
        .optional("battery_mv", status.battery, |mv| mv.get().into())
        .optional("temperature_mc", status.temperature, |mc| mc.get().into())
        .optional("vacuum_pa", status.vacuum, |pa| pa.get().into())
        .optional("shots_on_needle", status.shots_on_needle, i64::from)
        .optional("lifetime_shots", status.lifetime_shots, i64::from)
        .add("faults", status.faults)
        .add("inhibited", u8::from(status.is_inhibited))
        .add("present", present)
        .add("inhibit_number", status.inhibit_number)
        .add("refused", status.refused_count)
}

/// The `present` bits of set points, written here once more and not taken from the crate.
pub(crate) fn set_bits(set: &SetPoints) -> u8 {
    let is_there = [
        set.depth.is_some(),
        set.volume.is_some(),
        set.frequency.is_some(),
        set.needles.is_some(),
    ];
    let bits = is_there.iter().enumerate();
    bits.fold(0, |all, (bit, is_there)| all | u8::from(*is_there) << bit)
}

fn settings(line: Line, settings: &Settings) -> Line {
    let set = &settings.set;
    line.add("session", settings.session)
        .add("command", settings.command)
        .optional("depth_set_um", set.depth, |um| um.get().into())
        .add("volume_set_nl", set.volume.map_or(0, |nl| nl.get()))
        .optional("frequency_set_spm", set.frequency, |spm| spm.get().into())
        .optional("needles", set.needles, |count| count.get().into())
        .add("purpose", purpose_code(set.purpose))
        .limits(&settings.limits)
        .add("lease_ms", settings.lease_ms)
        .add(
            "lease_loss",
            u8::from(settings.lease_loss == LeaseLoss::Inhibit),
        )
        .add("present", set_bits(set))
}

fn result_code(result: ResultCode) -> u8 {
    match result {
        ResultCode::Done => 0,
        ResultCode::OtherEpoch => 1,
        ResultCode::HoldsUnacknowledged => 2,
        ResultCode::OtherInhibition => 3,
        ResultCode::Unsupported => 4,
        ResultCode::NotEnforceable => 5,
        ResultCode::Unknown(code) => code,
    }
}

fn answer(message: &Message) -> Line {
    let line = |kind: &str| Line(kind.to_owned());
    match message {
        Message::Hello(fields) => hello(line("HELLO"), fields),
        Message::Shot(fields) => shot(line("SHOT"), fields),
        Message::Status(fields) => status(line("STATUS"), fields),
        Message::Range(range) => line("RANGE")
            .add("session", range.session)
            .add("request", range.request)
            .add("epoch", range.epoch.get())
            .add("requested", range.requested)
            .add("from", range.from)
            .optional("newest", range.newest, |c| c.get().into()),
        Message::TimeAnswer(time) => line("TIME_ANSWER")
            .add("request", time.request)
            .add("host_sent_ns", time.host_sent_ns)
            .add("gun_received_us", time.received.get())
            .add("gun_sent_us", time.sent.get()),
        Message::Result(result) => line("RESULT")
            .add("session", result.session)
            .add("command", result.command)
            .add("result", result_code(result.result))
            .add("inhibited", u8::from(result.is_inhibited))
            .add("inhibit_number", result.inhibit_number)
            .add("epoch", result.epoch.map_or(0, |epoch| epoch.get()))
            .limits(&result.limits),
        Message::Settings(fields) => settings(line("SETTINGS"), fields),
        other => panic!("{other:?} is none of a gun's"),
    }
}

fn watermark(kind: &str, mark: &Watermark) -> Line {
    Line(kind.to_owned())
        .add("session", mark.session)
        .add("epoch", mark.epoch.map_or(0, |epoch| epoch.get()))
        .optional("counter", mark.counter, |c| c.get().into())
}

/// `KIND FIELD=VALUE...` in the order of the specification.
pub(crate) fn describe(message: &Message) -> String {
    let line = |kind: &str| Line(kind.to_owned());
    let line = match message {
        Message::HostHello(hello) => line("HOST_HELLO")
            .add("protocol_min", hello.protocol_min)
            .add("protocol_max", hello.protocol_max)
            .add("schema", hello.schema)
            .add("session", hello.session)
            .add("nonce", hex(&hello.nonce)),
        Message::Acknowledge(mark) => watermark("ACKNOWLEDGE", mark),
        Message::KeepAlive(mark) => watermark("KEEP_ALIVE", mark),
        Message::SendFrom(request) => line("SEND_FROM")
            .add("session", request.session)
            .add("request", request.request)
            .add("epoch", request.epoch.get())
            .add("counter", request.counter.get()),
        Message::TimeRequest(request) => line("TIME_REQUEST")
            .add("request", request.request)
            .add("host_sent_ns", request.host_sent_ns),
        Message::AssignEpoch(command) => line("ASSIGN_EPOCH")
            .add("session", command.session)
            .add("command", command.command)
            .add("replaces", command.replaces.map_or(0, |epoch| epoch.get()))
            .add("epoch", command.epoch.get()),
        Message::Inhibit(command) => line("INHIBIT")
            .add("session", command.session)
            .add("command", command.command)
            .add("reason", command.reason),
        Message::Resume(command) => line("RESUME")
            .add("session", command.session)
            .add("command", command.command)
            .add("inhibit_number", command.inhibit_number),
        Message::SetLimits(command) => line("SET_LIMITS")
            .add("session", command.session)
            .add("command", command.command)
            .limits(&command.limits),
        Message::ReadSettings(command) => line("READ_SETTINGS")
            .add("session", command.session)
            .add("command", command.command),
        Message::Identify(command) => line("IDENTIFY")
            .add("session", command.session)
            .add("command", command.command)
            .add("seconds", command.seconds),
        of_gun => answer(of_gun),
    };
    line.0
}

/// The name of a reason as the vectors spell it.
pub(crate) fn reason_name(reason: &RejectReason) -> &'static str {
    match reason {
        RejectReason::UnknownKind { .. } => "unknown_kind",
        RejectReason::UnknownVersion { .. } => "unknown_version",
        RejectReason::UnknownFlags { .. } => "unknown_flags",
        RejectReason::TooShort { .. } => "too_short",
        RejectReason::TooLong { .. } => "too_long",
        RejectReason::Impossible { .. } => "impossible",
        RejectReason::UnknownCode { .. } => "unknown_code",
        RejectReason::BadText { .. } => "bad_text",
        RejectReason::NoIdentity { .. } => "no_identity",
        other => panic!("{other:?} is none of the codec's"),
    }
}

/// The name of what is no frame.
pub(crate) fn garbage_name(garbage: Garbage) -> &'static str {
    match garbage {
        Garbage::BadCobs => "bad_cobs",
        Garbage::BadCrc => "bad_crc",
        Garbage::Oversize => "oversize",
    }
}

fn describe_frame(frame: &Frame) -> String {
    match Message::decode(frame) {
        Ok(message) => {
            let wire = message.encode(frame.sequence).unwrap();
            // The bytes that mean nothing are zero when they are written again.
            assert_eq!(payload_of(&message).len(), frame.payload.len());
            format!(
                "message {} {} {}",
                frame.sequence,
                describe(&message),
                hex(&wire)
            )
        }
        Err(rejection) => format!("reject {}", reason_name(&rejection.reason)),
    }
}

/// What a decoder found, as the C side says it.
pub(crate) fn describe_found(found: &Decoded) -> String {
    match found {
        Decoded::Frame(frame) => describe_frame(frame),
        Decoded::Garbage { reason, .. } => format!("garbage {}", garbage_name(*reason)),
    }
}
