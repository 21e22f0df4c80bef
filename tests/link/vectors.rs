//! The vectors of the third implementation against the Rust crate; the C tests read the same files.

use std::fs;
#[cfg(feature = "full")]
use std::process::Command;

use meso_link_proto::Message;
use meso_link_proto::frame::{DELIMITER, Decoded, Frame, FrameDecoder, encode_frame};
use meso_tests::root;

use crate::bench::{hex, unhex};
use crate::describe::{describe, garbage_name, reason_name};

/// The lines of one file of vectors.
pub(crate) fn lines(name: &str) -> Vec<String> {
    let path = root().join("firmware-bridge/vectors").join(name);
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    assert!(
        lines.len() >= 20,
        "{name} holds only {} vectors",
        lines.len()
    );
    lines
}

fn decode(wire: &[u8]) -> Decoded {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[DELIMITER]);
    let mut found = decoder.push(wire);
    assert_eq!(found.len(), 1, "{}", hex(wire));
    found.remove(0)
}

fn frame(wire: &[u8]) -> Frame {
    match decode(wire) {
        Decoded::Frame(frame) => frame,
        Decoded::Garbage { reason, .. } => panic!("{reason:?}: {}", hex(wire)),
    }
}

#[test]
fn every_message_of_the_third_implementation_is_read_and_written_alike() {
    for line in lines("messages.txt") {
        let (text, wire) = line.rsplit_once(' ').unwrap();
        let frame = frame(&unhex(wire));
        let message =
            Message::decode(&frame).unwrap_or_else(|refused| panic!("{refused:?} {line}"));
        assert_eq!(format!("{} {}", frame.sequence, describe(&message)), text);
        assert_eq!(
            hex(&message.encode(frame.sequence).unwrap()),
            wire,
            "{line}"
        );
    }
}

#[test]
fn every_frame_of_the_third_implementation_is_read_and_written_alike() {
    for line in lines("frames.txt") {
        let words: Vec<_> = line.split(' ').collect();
        if let ["garbage", reason, run] = words[..] {
            let mut wire = unhex(run);
            wire.push(DELIMITER);
            match decode(&wire) {
                Decoded::Garbage { reason: why, .. } => assert_eq!(garbage_name(why), reason),
                Decoded::Frame(frame) => panic!("{frame:?} was believed: {line}"),
            }
            continue;
        }
        let [what, kind, sequence, payload, wire] = words[..] else {
            panic!("{line}");
        };
        let (kind, sequence) = (kind.parse().unwrap(), sequence.parse().unwrap());
        let found = frame(&unhex(wire));
        assert_eq!((found.kind, found.sequence), (kind, sequence), "{line}");
        assert_eq!(hex(&found.payload), payload, "{line}");
        if what == "frame" {
            let again = encode_frame(kind, sequence, &found.payload).unwrap();
            assert_eq!(hex(&again), wire, "{line}");
        }
    }
}

#[test]
fn everything_that_is_wrong_in_one_way_is_refused_for_that_reason() {
    for line in lines("rejects.txt") {
        let (reason, wire) = line.split_once(' ').unwrap();
        match Message::decode(&frame(&unhex(wire))) {
            Err(rejection) => assert_eq!(reason_name(&rejection.reason), reason, "{line}"),
            Ok(message) => panic!("{message:?} was believed: {line}"),
        }
    }
}

#[cfg(feature = "full")]
#[test]
fn the_vectors_are_those_that_the_third_implementation_writes_today() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = root().join("firmware-bridge/vectors");
    let run = Command::new("python3")
        .args(["-I", "-B"])
        .arg(vectors.join("make.py"))
        .arg(folder.path())
        .output()
        .unwrap_or_else(|error| panic!("python3 writes the vectors and cannot start: {error}"));
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{complaints}");
    for name in ["messages.txt", "frames.txt", "rejects.txt", "sealed.txt"] {
        let today = fs::read(folder.path().join(name)).unwrap();
        let kept = fs::read(vectors.join(name)).unwrap();
        assert!(
            today == kept,
            "firmware-bridge/vectors/{name} is not current: run make.py on its folder"
        );
    }
}
