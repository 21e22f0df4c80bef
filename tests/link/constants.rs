//! The constants of the C library come from the Rust crate, and are those of today.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use meso_link_proto::message::{
    COUNTER_MAX, IDENTIFY_SECONDS_MAX, VOLUME_PER_TRIGGER_NL_MAX, kind,
};
use meso_link_proto::{
    Capabilities, Measured, Message, Purpose, ResultCode, SetPoints, ShotFlags, Status, auth,
    frame, timing, version,
};
use meso_tests::root;
use meso_units::{
    GaugePascals, GunTick, Micrometres, Microseconds, MilliCelsius, Millivolts, Nanolitres,
    NeedleCount, ShotsPerMinute,
};

use crate::messages::{payload_of, result_of, settings_of, shot_of, status_of};

/// The generated header, relative to the top folder.
const HEADER: &str = "firmware-bridge/meso_link_constants.h";

/// Set to `1`, it makes the comparison write the header instead.
const UPDATE_GOLDEN: &str = "UPDATE_GOLDEN";

/// Builds the header line by line.
struct Header(String);

impl Header {
    fn section(&mut self, title: &str) {
        writeln!(self.0, "\n/// {title} ///\n").unwrap();
    }

    fn define(&mut self, name: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "#define MESO_{name} {value}").unwrap();
    }

    fn hex(&mut self, name: &str, value: u32) {
        self.define(name, format_args!("0x{value:02X}"));
    }
}

/// The bytes of each layout, computed from the text that the schema number covers.
fn layout_bytes() -> Vec<(String, u32)> {
    let bytes_of = |field: &str| match field.split_once(':').unwrap().1 {
        "u8" => 1,
        "u16" => 2,
        "u32" | "i32" => 4,
        "u64" | "i64" | "u8x8" => 8,
        "text16" | "u8x16" => 16,
        other => panic!("the layouts have a new type {other}"),
    };
    let layouts = version::LAYOUTS.lines().map(|line| {
        let mut words = line.split(' ').skip(1);
        let name = words.next().unwrap().to_owned();
        (name, words.map(bytes_of).sum())
    });
    layouts.collect()
}

/// The `present` field of a shot in which one thing was measured.
fn shot_bit(change: impl FnOnce(&mut Measured)) -> u32 {
    let mut shot = shot_of(1, 1);
    change(&mut shot.measured);
    present_of_shot(&Message::Shot(shot))
}

fn present_of_shot(shot: &Message) -> u32 {
    let payload = payload_of(shot);
    let bytes = payload[payload.len() - 2..].try_into().unwrap();
    u32::from(u16::from_le_bytes(bytes))
}

/// The `present` field of a status that knows one thing.
fn status_bit(change: impl FnOnce(&mut Status)) -> u32 {
    let mut status = status_of(0);
    change(&mut status);
    let payload = payload_of(&Message::Status(status));
    u32::from(payload[57])
}

/// The `present` field of settings of which one is known.
fn settings_bit(change: impl FnOnce(&mut SetPoints)) -> u32 {
    let mut settings = settings_of();
    change(&mut settings.set);
    let payload = payload_of(&Message::Settings(settings));
    u32::from(payload[payload.len() - 1])
}

fn purpose_code(purpose: Purpose) -> u32 {
    let mut shot = shot_of(1, 1);
    shot.measured.purpose = Some(purpose);
    u32::from(payload_of(&Message::Shot(shot))[51])
}

fn result_code(result: ResultCode) -> u32 {
    u32::from(payload_of(&Message::Result(result_of(result)))[6])
}

fn kinds(header: &mut Header) {
    header.section("Kinds of messages; the high bit says that the host sent it");
    for (name, value) in [
        ("HELLO", kind::HELLO),
        ("SHOT", kind::SHOT),
        ("STATUS", kind::STATUS),
        ("RANGE", kind::RANGE),
        ("TIME_ANSWER", kind::TIME_ANSWER),
        ("RESULT", kind::RESULT),
        ("SETTINGS", kind::SETTINGS),
        ("HOST_HELLO", kind::HOST_HELLO),
        ("ACKNOWLEDGE", kind::ACKNOWLEDGE),
        ("SEND_FROM", kind::SEND_FROM),
        ("TIME_REQUEST", kind::TIME_REQUEST),
        ("ASSIGN_EPOCH", kind::ASSIGN_EPOCH),
        ("INHIBIT", kind::INHIBIT),
        ("RESUME", kind::RESUME),
        ("KEEP_ALIVE", kind::KEEP_ALIVE),
        ("SET_LIMITS", kind::SET_LIMITS),
        ("READ_SETTINGS", kind::READ_SETTINGS),
        ("IDENTIFY", kind::IDENTIFY),
    ] {
        header.hex(&format!("KIND_{name}"), u32::from(value));
    }
    header.section("Bytes of each payload");
    for (name, bytes) in layout_bytes() {
        header.define(&format!("{name}_BYTES"), bytes);
    }
}

fn shot_bits(header: &mut Header) {
    header.section("SHOT: which optional fields are there");
    let mut first = shot_of(1, 1);
    first.interval = Some(Microseconds::new(1).unwrap());
    let bits = [
        ("INTERVAL", present_of_shot(&Message::Shot(first))),
        (
            "DEPTH_SET",
            shot_bit(|m| m.depth_set = Some(Micrometres::MIN)),
        ),
        (
            "DEPTH_SENSED",
            shot_bit(|m| m.depth_sensed = Some(Micrometres::MIN)),
        ),
        (
            "VOLUME_SET",
            shot_bit(|m| m.volume_set = Some(Nanolitres::ZERO)),
        ),
        (
            "VOLUME_SENSED",
            shot_bit(|m| m.volume_sensed = Some(Nanolitres::ZERO)),
        ),
        (
            "FREQUENCY_SET",
            shot_bit(|m| m.frequency_set = Some(ShotsPerMinute::MIN)),
        ),
        (
            "NEEDLES",
            shot_bit(|m| m.needles_working = Some(NeedleCount::MIN)),
        ),
        (
            "PRESSURE",
            shot_bit(|m| m.pressure = Some(GaugePascals::MIN)),
        ),
    ];
    let all = bits.iter().fold(0, |all, (_, bit)| all | bit);
    for (name, bit) in bits {
        header.hex(&format!("SHOT_HAS_{name}"), bit);
    }
    header.hex("SHOT_HAS_ALL", all);
    header.section("SHOT: what the gun noticed");
    for (name, flag) in [
        ("FAILED_INJECTION", ShotFlags::FAILED_INJECTION),
        ("OCCLUSION", ShotFlags::OCCLUSION),
        ("DRY", ShotFlags::DRY),
        ("AIR", ShotFlags::AIR),
        ("VACUUM_OUT_OF_WINDOW", ShotFlags::VACUUM_OUT_OF_WINDOW),
        ("NEEDLE_BLOCKED", ShotFlags::NEEDLE_BLOCKED),
        ("ALL", ShotFlags::ALL),
    ] {
        header.hex(&format!("FLAG_{name}"), u32::from(flag.bits()));
    }
    header.section("SHOT: purpose");
    header.define("PURPOSE_NOT_KNOWN", 0);
    for (name, purpose) in [
        ("PATIENT", Purpose::Patient),
        ("PRIME", Purpose::Prime),
        ("TEST", Purpose::Test),
        ("CLEANING", Purpose::Cleaning),
        ("CALIBRATION", Purpose::Calibration),
    ] {
        header.define(&format!("PURPOSE_{name}"), purpose_code(purpose));
    }
}

fn other_codes(header: &mut Header) {
    header.section("STATUS: which optional fields are there");
    let bits = [
        ("BATTERY", status_bit(|s| s.battery = Some(Millivolts::MIN))),
        (
            "TEMPERATURE",
            status_bit(|s| s.temperature = Some(MilliCelsius::MIN)),
        ),
        ("VACUUM", status_bit(|s| s.vacuum = Some(GaugePascals::MIN))),
        (
            "SHOTS_ON_NEEDLE",
            status_bit(|s| s.shots_on_needle = Some(0)),
        ),
        ("LIFETIME_SHOTS", status_bit(|s| s.lifetime_shots = Some(0))),
    ];
    let all = bits.iter().fold(0, |all, (_, bit)| all | bit);
    for (name, bit) in bits {
        header.hex(&format!("STATUS_HAS_{name}"), bit);
    }
    header.hex("STATUS_HAS_ALL", all);
    header.section("SETTINGS: which optional fields are there");
    let bits = [
        ("DEPTH", settings_bit(|s| s.depth = Some(Micrometres::MIN))),
        (
            "VOLUME",
            settings_bit(|s| s.volume = Some(Nanolitres::ZERO)),
        ),
        (
            "FREQUENCY",
            settings_bit(|s| s.frequency = Some(ShotsPerMinute::MIN)),
        ),
        (
            "NEEDLES",
            settings_bit(|s| s.needles = Some(NeedleCount::MIN)),
        ),
    ];
    let all = bits.iter().fold(0, |all, (_, bit)| all | bit);
    for (name, bit) in bits {
        header.hex(&format!("SETTINGS_HAS_{name}"), bit);
    }
    header.hex("SETTINGS_HAS_ALL", all);
    capabilities_and_results(header);
}

fn capabilities_and_results(header: &mut Header) {
    header.section("HELLO: what the gun can do, and what it does when it loses its host");
    for (name, capability) in [
        ("SENSE_DEPTH", Capabilities::SENSES_DEPTH),
        ("SENSE_VOLUME", Capabilities::SENSES_VOLUME),
        ("SENSE_PRESSURE", Capabilities::SENSES_PRESSURE),
        ("TELL_PURPOSE", Capabilities::KNOWS_PURPOSE),
        ("KEEP_RING", Capabilities::DURABLE_RING),
        ("INHIBIT", Capabilities::CAN_INHIBIT),
        ("AUTHENTICATE", Capabilities::HOLDS_KEY),
        ("SET_LIMITS", Capabilities::CAN_LIMIT),
        ("IDENTIFY", Capabilities::CAN_IDENTIFY),
    ] {
        header.hex(&format!("CAN_{name}"), capability.0);
    }
    header.define("LEASE_LOSS_CONTINUE", 0);
    header.define("LEASE_LOSS_INHIBIT", 1);
    header.section("RESULT: what became of a command");
    for (name, result) in [
        ("DONE", ResultCode::Done),
        ("OTHER_EPOCH", ResultCode::OtherEpoch),
        ("HOLDS_UNACKNOWLEDGED", ResultCode::HoldsUnacknowledged),
        ("OTHER_INHIBITION", ResultCode::OtherInhibition),
        ("UNSUPPORTED", ResultCode::Unsupported),
        ("OUTSIDE", ResultCode::NotEnforceable),
    ] {
        header.define(&format!("RESULT_{name}"), result_code(result));
    }
}

fn ranges(header: &mut Header) {
    header.section("Ranges");
    header.define("COUNTER_MAX", format_args!("{COUNTER_MAX}U"));
    header.define("TICK_US_MAX", format_args!("{}U", GunTick::MAX.get()));
    header.define("DEPTH_UM_MAX", Micrometres::MAX.get());
    header.define("VOLUME_NL_MAX", VOLUME_PER_TRIGGER_NL_MAX);
    header.define("FREQUENCY_SPM_MIN", ShotsPerMinute::MIN.get());
    header.define("FREQUENCY_SPM_MAX", ShotsPerMinute::MAX.get());
    header.define("NEEDLES_MIN", NeedleCount::MIN.get());
    header.define("NEEDLES_MAX", NeedleCount::MAX.get());
    header.define(
        "PRESSURE_PA_MIN",
        format_args!("(-{})", -GaugePascals::MIN.get()),
    );
    header.define("PRESSURE_PA_MAX", GaugePascals::MAX.get());
    header.define("BATTERY_MV_MAX", Millivolts::MAX.get());
    header.define(
        "TEMPERATURE_MC_MIN",
        format_args!("(-{})", -MilliCelsius::MIN.get()),
    );
    header.define("TEMPERATURE_MC_MAX", MilliCelsius::MAX.get());
    header.define("IDENTIFY_SECONDS_MAX", IDENTIFY_SECONDS_MAX);
}

fn generated() -> String {
    let mut header = Header(
        "/*\n * Written by a test of the workspace from crates/meso-link-proto: do not edit. \
         `cargo xtask golden`\n * writes it anew.\n */\n\
         #ifndef MESO_LINK_CONSTANTS_H\n#define MESO_LINK_CONSTANTS_H\n"
            .to_owned(),
    );
    header.section("Versions of the link");
    header.define("PROTOCOL_MIN", version::MIN);
    header.define("PROTOCOL_MAX", version::CURRENT);
    header.define("SCHEMA", format_args!("0x{:08X}U", version::schema()));
    header.section("Frame");
    header.define("DELIMITER", frame::DELIMITER);
    header.define("HEADER_BYTES", frame::HEADER_BYTES);
    header.define("CRC_BYTES", frame::CRC_BYTES);
    header.define("FRAME_BYTES_MAX", frame::FRAME_BYTES_MAX);
    header.define("PAYLOAD_BYTES_MAX", frame::PAYLOAD_BYTES_MAX);
    header.define("ENCODED_BYTES_MAX", frame::ENCODED_BYTES_MAX);
    header.define("TEXT_BYTES", 16);
    header.section("Authenticity");
    header.hex("FRAME_AUTHENTIC", u32::from(frame::FLAG_SEALED));
    header.define("KEY_BYTES", auth::KEY_BYTES);
    header.define("NONCE_BYTES", auth::NONCE_BYTES);
    header.define("TAG_BYTES", auth::TAG_BYTES);
    header.define("SEAL_BYTES", auth::SEAL_BYTES);
    header.define("SEALED_PAYLOAD_BYTES_MAX", auth::SEALED_PAYLOAD_BYTES_MAX);
    kinds(&mut header);
    shot_bits(&mut header);
    other_codes(&mut header);
    ranges(&mut header);
    header.section("Timers, in microseconds");
    for (name, duration) in [
        ("GREETING_INTERVAL", timing::GREETING_INTERVAL),
        ("STATUS_INTERVAL", timing::STATUS_INTERVAL),
        ("LEASE", timing::LEASE),
    ] {
        let us = |duration: Duration| duration.as_micros();
        header.define(&format!("{name}_US"), us(duration));
    }
    header.0 + "\n#endif\n"
}

#[test]
fn the_constants_of_the_c_library_are_those_of_the_rust_crate() {
    let path = root().join(HEADER);
    let expected = generated();
    if std::env::var(UPDATE_GOLDEN).as_deref() == Ok("1") {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{HEADER} is not current: run `cargo xtask golden` and look at the difference"
    );
}
