use proptest::prelude::*;

use super::*;
use crate::{DriverConfig, Problem};

const NATIVE: &str = include_str!("../../../../config/guns/example-native.toml");
const MODBUS: &str = include_str!("../../../../config/guns/example-modbus.toml");
const TEXT_LINE: &str = include_str!("../../../../config/guns/example-text-line.toml");

fn problems(text: &str) -> String {
    let problems = GunProfile::parse("gun.toml", text).unwrap_err();
    problems.to_string()
}

/// The example with one thing changed has exactly this problem.
#[track_caller]
fn assert_one_problem(example: &str, from: &str, to: &str, expected: &str) {
    assert!(example.contains(from), "{from}");
    let told = problems(&example.replacen(from, to, 1));
    assert!(told.starts_with("gun.toml has 1 problem:"), "{told}");
    assert!(told.contains(expected), "{told}");
}

fn modbus(text: &str) -> ModbusProfile {
    match GunProfile::parse("gun.toml", text).unwrap().kind {
        ProfileKind::Modbus(profile) => *profile,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_example_is_of_its_kind() {
    let native = GunProfile::parse("example-native.toml", NATIVE).unwrap();
    assert_eq!(native.kind, ProfileKind::Native);
    assert_eq!(native.line, LineSettings::NATIVE);
    let example = modbus(MODBUS);
    assert_eq!(example.registers.status_block(), 0x20..0x33);
    assert_eq!(example.window.records * example.window.words, 110);
    let pressure = example.record.pressure.unwrap();
    assert_eq!((pressure.step, pressure.missing), (10, Some(-32_768)));
    let text = GunProfile::parse("example-text-line.toml", TEXT_LINE).unwrap();
    assert!(matches!(text.kind, ProfileKind::TextLine(_)));
}

#[test]
fn the_examples_name_every_key_that_is_read() {
    for (example, sections) in [
        (NATIVE, vec!["[line]"]),
        (
            MODBUS,
            vec!["[line]", "[modbus]", "[registers]", "[window]", "[record]"],
        ),
        (TEXT_LINE, vec!["[line]", "[text]"]),
    ] {
        for section in sections {
            let with_stranger = format!("\n{section}\nno_such_key = 1\n");
            let text = example.replace(&format!("\n{section}\n"), &with_stranger);
            let problems = GunProfile::parse("gun.toml", &text).unwrap_err();
            let Some(Problem::UnknownKey { allowed, .. }) = problems.iter().next() else {
                panic!("{problems}");
            };
            for key in allowed.split(", ") {
                assert!(
                    example.contains(&format!("\n{key} = ")),
                    "{section} lacks {key}"
                );
            }
        }
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = MODBUS
        .replace("unit = 1", "unit = 248")
        .replace("baud = 115200", "baud = 1")
        .replace("poll_ms = 100", "poll_ms = 5")
        .replace(
            "capacity = { address = 0x0019, words = 1 }",
            "capacity = { words = 3 }",
        )
        .replace(r#"step = "10 Pa""#, r#"step = "10 mm""#);
    let told = problems(&text);
    assert!(told.starts_with("gun.toml has 6 problems:"), "{told}");
    for key in [
        "modbus.unit = 248",
        "line.baud = 1 ",
        "modbus.poll_ms = 5",
        "registers.capacity.address is missing",
        "registers.capacity.words = 3",
        "record.pressure.step = \"10 mm\"",
    ] {
        assert!(told.contains(key), "{key}: {told}");
    }
}

#[test]
fn an_epoch_register_is_there_exactly_where_the_counter_needs_one() {
    let epoch = "epoch = { address = 0x0022 }\n";
    assert_one_problem(MODBUS, epoch, "", "registers.epoch is missing");
    let boot = r#"counter_life = "boot""#;
    assert_one_problem(
        MODBUS,
        r#"counter_life = "epoch""#,
        boot,
        "registers.epoch = ",
    );
    let without = MODBUS
        .replace(epoch, "")
        .replace(r#"counter_life = "epoch""#, boot);
    assert_eq!(modbus(&without).counter_life, CounterLife::Boot);
}

#[test]
fn a_gun_is_inhibited_by_a_register_or_by_a_coil() {
    let register = "inhibit = { address = 0x0032 }";
    let coil = MODBUS.replace(register, "inhibit = { coil = 0x0005 }");
    let map = modbus(&coil).registers;
    assert_eq!(map.inhibit, Some(InhibitPlace::Coil(5)));
    assert_eq!(map.status_block(), 0x20..0x32, "a coil is no register");
    let both = "inhibit = { address = 0x0032, coil = 0x0005 }";
    assert_one_problem(MODBUS, register, both, "registers.inhibit.coil = 0x0005");
    let neither = "inhibit = { words = 1 }";
    let told = problems(&MODBUS.replace(register, neither));
    assert!(
        told.contains("registers.inhibit.address is missing"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_read_at_once_is_refused() {
    assert_one_problem(
        MODBUS,
        "records = 5",
        "records = 6",
        "window.records = 6 records of 22",
    );
    let far = "lost = { address = 0x012C, words = 2 }";
    assert_one_problem(
        MODBUS,
        "lost = { address = 0x002C, words = 2 }",
        far,
        "read as one block",
    );
    assert_one_problem(
        MODBUS,
        "crc = { word = 19 }",
        "crc = { word = 22 }",
        "record.crc.word = 22",
    );
    let beyond = "tick = { word = 19, words = 4";
    assert_one_problem(
        MODBUS,
        "tick = { word = 2, words = 4",
        beyond,
        "record.tick.word = 19",
    );
}

#[test]
fn a_pattern_that_is_none_or_too_large_is_refused() {
    for pattern in [
        "(",
        "(?P<depth>x)",
        r"(\d{1000}){1000}",
        r"(a)\1",
        r"\p{Greek}",
    ] {
        let text = TEXT_LINE.replacen("'''#.*'''", &format!("'''{pattern}'''"), 1);
        let told = problems(&text);
        assert!(told.contains("lines[2].pattern"), "{pattern}: {told}");
    }
}

#[test]
fn a_captured_quantity_needs_its_unit_and_no_other() {
    assert_one_problem(
        TEXT_LINE,
        r#"depth_set = "mm""#,
        r#"depth_set = "ml""#,
        "units.depth_set",
    );
    assert_one_problem(
        TEXT_LINE,
        r#"depth_set = "mm", "#,
        "",
        "units.depth_set is missing",
    );
    let more = r#"depth_set = "mm", pressure = "Pa""#;
    assert_one_problem(TEXT_LINE, r#"depth_set = "mm""#, more, "units.pressure");
}

#[test]
fn a_text_gun_must_say_who_it_is_and_what_a_shot_is() {
    let anonymous = TEXT_LINE.replace("(?P<serial>[A-Z0-9-]{1,16})", "[A-Z0-9-]{1,16}");
    assert!(problems(&anonymous).contains("(?P<serial>"), "{anonymous}");
    let no_shot = TEXT_LINE.replace(r#"kind = "shot""#, r#"kind = "ignore""#);
    assert!(problems(&no_shot).contains("no line that is a shot"));
    let fixed = r#"from = "fixed""#;
    assert_one_problem(
        TEXT_LINE,
        r#"from = "line""#,
        fixed,
        "serial.number is missing",
    );
}

fn rules(lines: &str) -> Result<Vec<GunRule>, String> {
    let text = format!(
        "version = 1\n[driver]\nid = \"room\"\nclinic = \"clinic\"\ntime_zone = \"UTC\"\n\
         data_dir = \"data\"\n[[guns]]\nprofile = \"gun.toml\"\n{lines}\n"
    );
    let config = DriverConfig::parse("driver.toml", &text);
    config
        .map(|config| config.guns)
        .map_err(|problems| problems.to_string())
}

#[test]
fn a_rule_names_one_kind_of_port() {
    let usb = GunMatch::Usb {
        vendor_id: 0x0403,
        product_id: 0x6001,
    };
    assert_eq!(rules("usb = \"0403:6001\"").unwrap()[0].matches, usb);
    assert!(rules("").unwrap_err().contains("guns[0].usb is missing"));
    let both = rules("usb = \"0403:6001\"\nport = \"x*\"").unwrap_err();
    assert!(both.contains("only one of usb, port and tcp"), "{both}");
    for wrong in ["403:6001", "0403-6001", "0403:600g", "0403:6001:0"] {
        assert!(rules(&format!("usb = {wrong:?}")).is_err(), "{wrong}");
    }
}

#[test]
fn a_gun_on_the_network_has_an_address_of_the_local_one() {
    for right in [
        "192.168.1.20:502",
        "127.0.0.1:1502",
        "[::1]:502",
        "[fd00::1]:502",
    ] {
        assert!(rules(&format!("tcp = {right:?}")).is_ok(), "{right}");
    }
    for wrong in [
        "8.8.8.8:502",
        "[2001:db8::1]:502",
        "0.0.0.0:502",
        "gun.local:502",
        "10.0.0.1:0",
    ] {
        assert!(rules(&format!("tcp = {wrong:?}")).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_what_it_was_made_of(pieces in prop::collection::vec("[a-z-]{0,6}", 1..5),
                                             between in "[a-z-]{0,6}") {
        let pattern = pieces.join("*");
        prop_assume!(!pattern.is_empty());
        let pattern = PortPattern::parse(&pattern).unwrap();
        prop_assert!(pattern.matches(&pieces.join(&between)) || pieces.len() == 1 && !pattern.matches("?"));
    }

    #[test]
    fn no_profile_makes_the_reader_panic(text in ".{0,400}") {
        let _ = GunProfile::parse("gun.toml", &text);
        let _ = GunProfile::parse("gun.toml", &format!("version = 1\nkind = \"modbus\"\n{text}"));
    }
}
