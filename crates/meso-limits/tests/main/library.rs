//! The library as a clinic meets it: files, releases, messages.

use std::path::Path;

use meso_domain::Rule;
use meso_limits::{
    Library, Limited, LimitsError, PackTopic, ProtocolFile, ReleaseHeader, Stance, assemble_release,
};
use meso_units::ProtocolId;
use proptest::prelude::*;

/// The protocol files that ship, by name, in the order of their names.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/protocols");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn file(name: &str) -> String {
    let mut files = files().into_iter();
    files.find(|(known, _)| known == name).unwrap().1
}

fn all_that_ships() -> Library {
    let files = files();
    let texts: Vec<&str> = files.iter().map(|(_, text)| text.as_str()).collect();
    Library::parse(&assemble_release(1, true, &texts)).unwrap()
}

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
    let mut named = 0;
    for (name, text) in files() {
        let file = ProtocolFile::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name == "packs" {
            assert!(file.packs.len() >= 20 && file.protocols.is_empty());
            continue;
        }
        let ids: Vec<&str> = file.protocols.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids, [name.as_str()]);
        named += 1;
    }
    assert!(named >= 40, "{named} protocols");
    assert_eq!(all_that_ships().protocols().len(), named);
}

/// The treatments that the clinic articles name; each has a file, with numbers or without.
const TREATMENTS: [&str; 38] = [
    "mesolift",
    "mesoglow",
    "fine wrinkles",
    "spot",
    "under-eye",
    "acne",
    "scars and burns",
    "stretch marks",
    "hair loss",
    "alopecia areata",
    "scalp before transplant",
    "cellulite",
    "regional fat",
    "chin fat",
    "eczema and lichen",
    "itch",
    "sweating",
    "vein stains",
    "post-liposuction",
    "mesobotox",
    "youth vaccination",
    "trigeminal neuralgia",
    "cervicobrachial neuralgia",
    "joint degeneration",
    "tendon disease",
    "myofascial pain",
    "migraine",
    "tension headache",
    "lumbar spine syndrome",
    "cervical spine syndrome",
    "disc",
    "CRPS",
    "sports injury",
    "menstrual pain",
    "abdominal pain",
    "lymph oedema",
    "venous insufficiency",
    "connective tissue pain",
];

#[test]
fn every_treatment_has_a_protocol() {
    let library = all_that_ships();
    for treatment in TREATMENTS {
        let mut protocols = library.protocols().iter();
        assert!(
            protocols.any(|protocol| protocol.indication == treatment),
            "{treatment}"
        );
    }
}

#[test]
fn every_file_that_ships_says_that_a_clinician_must_approve_it() {
    for (name, text) in files() {
        assert!(
            text.starts_with("# Example to be approved by a clinician"),
            "{name}"
        );
    }
}

#[test]
fn a_protocol_without_a_number_of_its_own_says_so() {
    for protocol in all_that_ships().protocols() {
        let has_depth = protocol.limits(Limited::NeedleDepth).is_some();
        let has_volume = protocol.limits(Limited::VolumePerPoint).is_some();
        let says = protocol.notes.iter().any(|note| {
            ["found", "number", "general", "figure"]
                .iter()
                .any(|word| note.contains(word))
        });
        assert!(has_depth && has_volume || says, "{}", protocol.id);
    }
}

#[test]
fn every_number_that_ships_has_a_source() {
    for protocol in all_that_ships().protocols() {
        for limits in protocol.limits.values() {
            assert!(!limits.sources.is_empty(), "{}", protocol.id);
            assert!(limits.sources.values().all(|source| !source.is_empty()));
        }
    }
}

#[test]
fn views_that_disagree_are_packs_and_a_clinic_chooses() {
    let files = files();
    let texts: Vec<&str> = files.iter().map(|(_, text)| text.as_str()).collect();
    let id = |text: &str| ProtocolId::parse(text).unwrap();
    let mut header = ReleaseHeader {
        version: 2,
        demo: true,
        ..ReleaseHeader::default()
    };
    let choices = &mut header.choices;
    choices.by_topic = [
        (PackTopic::Course, id("taper-to-monthly")),
        (PackTopic::Anticoagulants, id("anticoagulants-washout")),
        (PackTopic::Cancer, id("cancer-refuse")),
    ]
    .into();
    choices.course_of.insert(id("chin-fat"), id("chin-label"));
    let library = Library::parse(&header.assemble(&texts)).unwrap();
    let course = |name: &str| {
        let protocol = library.protocol(&id(name)).unwrap();
        library.course_of(protocol).map(|pack| pack.id.to_string())
    };
    assert_eq!(course("mesolift-face").as_deref(), Some("taper-to-monthly"));
    assert_eq!(course("chin-fat").as_deref(), Some("chin-label"));
    assert_eq!(course("mesobotox"), None, "the choice is none of its packs");
    let washout = library.chosen(PackTopic::Anticoagulants).unwrap();
    assert_eq!(washout.stance, Some(Stance::Washout));
    assert_eq!(washout.washout["general"].hard_min, Some(96 * 3_600));
}

#[test]
fn a_pack_that_is_not_there_is_a_problem() {
    let lift = file("mesolift-face");
    let problems = problems_of(&assemble_release(1, true, &[&lift]));
    assert!(problems[0].contains("course_packs"), "{problems:?}");
    let chosen = "[choices]\ncourse = \"no-such\"\n";
    let packs = file("packs");
    let problems = problems_of(&assemble_release(1, true, &[chosen, &lift, &packs]));
    assert!(problems[0].contains("choices.course"), "{problems:?}");
}

#[test]
fn the_mesolift_limits_are_in_the_units_of_their_rules() {
    let library = all_that_ships();
    let protocol = library
        .protocol(&ProtocolId::parse("mesolift-face").unwrap())
        .unwrap();
    let depth = protocol.limits(Limited::NeedleDepth).unwrap();
    assert_eq!(
        (depth.soft_max, depth.hard_max),
        (Some(4_000), Some(10_000))
    );
    let volume = protocol.limits(Limited::VolumePerPoint).unwrap();
    assert_eq!(
        (volume.soft_max, volume.hard_max),
        (Some(20_000), Some(50_000))
    );
    let rate = protocol.limits(Limited::ShotRate).unwrap();
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
soft_max = "1 per minute"
source = "s"
[protocols.session_volume]
source = "s"
[protocols.volume_per_point]
soft_max = "0.05 ml"
hard_max = "0.02 ml"
tolerance = "90 %"
"#;
    let problems = problems_of(text);
    for part in [
        "line 3: colour: found an unknown key",
        "line 2: version: found 0",
        "demo: found nothing",
        "protocols[0] (Face) id: found \"Face\"",
        "title: found \"\"",
        "zones: found []",
        "techniques: found magic, allowed is nappage",
        "line 11: protocols[0] (Face) needle_depth.soft_max: found \"4\"",
        "needle_depth: found 12000, allowed is at most the general hard limit of 10 mm",
        "shot_rate.hard_max: found \"12 per second\"",
        "shot_rate: found [",
        "session_volume: found no limit",
        "volume_per_point: found [50000, 20000]",
        "volume_per_point.tolerance: found \"90 %\"",
        "volume_per_point.soft_max: found no source",
        "volume_per_point.tolerance: found no source",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "{part}\n{problems:#?}"
        );
    }
}

#[test]
fn two_protocols_of_one_name_are_a_problem() {
    let (lift, packs) = (file("mesolift-face"), file("packs"));
    let problems = problems_of(&assemble_release(1, true, &[&lift, &lift, &packs]));
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_key_outside_any_protocol_of_a_file_is_named() {
    let lift = file("mesolift-face");
    let problems = problems_of(&assemble_release(1, true, &[&lift, "stray = 1"]));
    let stray = problems.iter().any(|problem| problem.contains("stray"));
    assert!(stray, "{problems:?}");
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
        let mut bytes = assemble_release(1, true, &[&file("mesolift-face"), &file("packs")]).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Library::parse(&String::from_utf8_lossy(&bytes));
    }
}
