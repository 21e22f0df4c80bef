//! The library as a clinic meets it: files, releases, messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use meso_domain::Rule;
use meso_limits::{Library, LimitsError, assemble_release};
use meso_units::ProtocolId;
use proptest::prelude::*;

const FILES: [(&str, &str); 4] = [
    (
        "mesolift-face",
        include_str!("../../../config/protocols/mesolift-face.toml"),
    ),
    (
        "mesoglow-face",
        include_str!("../../../config/protocols/mesoglow-face.toml"),
    ),
    (
        "hair-scalp",
        include_str!("../../../config/protocols/hair-scalp.toml"),
    ),
    (
        "pain-trigger-points",
        include_str!("../../../config/protocols/pain-trigger-points.toml"),
    ),
];

#[track_caller]
fn problems_of(text: &str) -> Vec<String> {
    match Library::parse(text) {
        Err(LimitsError::NotALibrary { problems }) => {
            problems.iter().map(ToString::to_string).collect()
        }
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn every_protocol_that_ships_is_read_and_named_as_its_file() {
    let texts = FILES.map(|(_, text)| text);
    let library = Library::parse(&assemble_release(1, true, &texts)).unwrap();
    assert!(library.demo());
    let names: Vec<&str> = library.protocols().iter().map(|p| p.id.as_str()).collect();
    assert_eq!(names, FILES.map(|(name, _)| name));
}

#[test]
fn every_limit_that_ships_says_that_a_clinician_must_approve_it() {
    for (name, text) in FILES {
        assert!(
            text.starts_with("# Example to be approved by a clinician"),
            "{name}"
        );
        let tables = text.matches("\n[protocols.").count();
        let joined = text.replace("\\\n", "");
        let approvals = joined
            .matches("xample to be approved by a clinician.")
            .count();
        assert_eq!(approvals, tables, "{name}");
    }
}

#[test]
fn the_mesolift_limits_are_in_the_units_of_their_rules() {
    let library = Library::parse(&assemble_release(1, true, &[FILES[0].1])).unwrap();
    let protocol = library
        .protocol(&ProtocolId::parse("mesolift-face").unwrap())
        .unwrap();
    let depth = protocol.needle_depth.as_ref().unwrap();
    assert_eq!(
        (depth.soft_max, depth.hard_max),
        (Some(4_000), Some(10_000))
    );
    let volume = protocol.volume_per_point.as_ref().unwrap();
    assert_eq!(
        (volume.soft_max, volume.hard_max),
        (Some(20_000), Some(50_000))
    );
    let rate = protocol.shot_rate.as_ref().unwrap();
    assert_eq!((rate.hard_min, rate.hard_max), (Some(111_111), None));
    assert_eq!(Rule::ShotRate.unit(), "µs");
}

#[test]
fn all_problems_of_a_release_are_named_at_once() {
    let text = r#"
version = 0
colour = "red"
[[protocols]]
id = "Face"
title = ""
indication = "x"
zones = []
techniques = ["magic"]
[protocols.needle_depth]
soft_max = "4"
hard_max = "12 mm"
source = "s"
[protocols.shot_rate]
hard_max = "12 per second"
soft_min = "1 per second"
source = "s"
[protocols.session_volume]
source = "s"
[protocols.volume_per_point]
soft_max = "0.05 ml"
hard_max = "0.02 ml"
tolerance_percent = 90
"#;
    let problems = problems_of(text);
    for part in [
        "colour: found an unknown key",
        "version: found 0",
        "demo: found nothing",
        "protocols[0] (Face) id: found \"Face\"",
        "title: found \"\"",
        "zones: found []",
        "techniques: found magic, allowed is nappage",
        "needle_depth.soft_max: found \"4\"",
        "needle_depth: found 12000, allowed is at most the general hard limit of 10 mm",
        "shot_rate.soft_min: found an unknown key",
        "shot_rate: found 83333",
        "session_volume: found no limit",
        "volume_per_point: found [50000, 20000]",
        "volume_per_point.tolerance_percent: found 90",
        "volume_per_point.source: found nothing",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "{part}\n{problems:#?}"
        );
    }
}

#[test]
fn two_protocols_of_one_name_are_a_problem() {
    let problems = problems_of(&assemble_release(1, true, &[FILES[0].1, FILES[0].1]));
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_key_outside_any_protocol_of_a_file_is_named() {
    let problems = problems_of(&assemble_release(1, true, &[FILES[0].1, "stray = 1"]));
    assert!(problems[0].contains("stray"), "{problems:?}");
}

#[test]
fn a_release_that_is_too_long_is_refused_before_it_is_read() {
    let text = "#".repeat(Library::LENGTH_MAX + 1);
    assert!(matches!(
        Library::parse(&text),
        Err(LimitsError::TooLong { .. })
    ));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,300}") {
        let _ = Library::parse(&text);
    }

    #[test]
    fn a_release_with_one_altered_byte_is_read_or_refused_but_never_panics(
        at in any::<prop::sample::Index>(),
        byte in 32_u8..127,
    ) {
        let mut bytes = assemble_release(1, true, &FILES.map(|(_, text)| text)).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Library::parse(&String::from_utf8_lossy(&bytes));
    }
}
