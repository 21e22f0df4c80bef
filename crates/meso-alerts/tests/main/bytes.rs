//! Names and bytes that stay.

use meso_alerts::{Alert, AlertId, AlertState, Alerts, Track, Transition};
use meso_domain::canonical::Canonical as _;
use meso_units::ShotCounter;

use crate::world::*;

fn hex(bytes: Vec<u8>) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// What was stored before episodes could merge. Do not change it.
const OLD_ALERT: &str = "190101080047554e2d303030310101010101010101010101010101010101010000000600636c696e69630301010000000000000007000000000000000100000000e1f50500000000030102302a00000000000010270000000000000000e1f5050000000000e1f505000000000000";
const OLD_TRACK: &str = "1a01080047554e2d3030303101010101010101010101010101010101010100070000000000000001000000010000000000e1f505000000000100010100000000e1f505000000000000000000000000";

/// Do not change this test: alerts that were stored must keep their names.
#[test]
fn the_name_and_the_bytes_of_a_known_alert_are_pinned() {
    let mut alerts = Alerts::default();
    let outcome = give(&mut alerts, &[Sample::hard(1, 100)]);
    assert_eq!(only(&alerts).id.to_string(), "d00f56c5c5bb1da9");
    assert_eq!(
        hex(outcome.transitions[0].canonical_bytes()),
        "1801a91dbbc5c5560fd00100e1f50500000000030100000000000000"
    );
    assert_eq!(
        hex(only(&alerts).canonical_bytes()),
        "1b010101080047554e2d303030310101010101010101010101010101010101010000000600636c696e69630301010000000000000000e1f50500000000302a0000000000000107000000000000000100000000e1f50500000000302a00000000000001070000000000000001000000030102302a000000000000102700000000000000010700000000e1f5050000000000e1f50500000000000000000000000001000000010000000000000000e1f50500000000"
    );
    let track = alerts.tracks().next().unwrap();
    assert_eq!(
        hex(track.canonical_bytes()),
        "1c01080047554e2d3030303101010101010101010101010101010101010100070000000000000001000000010000000000e1f505000000000100010100000000"
    );
}

/// Do not change this test: what was stored must be readable.
#[test]
fn an_alert_that_was_stored_before_episodes_could_merge_goes_on() {
    let alert = Alert::from_canonical(&unhex(OLD_ALERT)).unwrap();
    let track = Track::from_canonical(&unhex(OLD_TRACK)).unwrap();
    assert_eq!(alert.id, AlertId::parse("d00f56c5c5bb1da9").unwrap());
    assert_eq!(alert.first.shot.clone().unwrap().counter, ShotCounter(1));
    assert_eq!(
        (alert.worst.value(), alert.state),
        (10_800, AlertState::Open)
    );
    let mut alerts = Alerts::restore([alert], [track]);
    let again = give(&mut alerts, &[Sample::hard(1, 100)]);
    assert!(again.changed.is_empty(), "it was seen");
    give(&mut alerts, &[Sample::hard(2, 200)]);
    assert_eq!(only(&alerts).shot_count, 2);
}

#[test]
fn bytes_of_another_kind_are_no_alert() {
    let mut wrong = unhex(OLD_ALERT);
    wrong[0] = 24;
    assert!(Alert::from_canonical(&wrong).is_err());
    let mut newer = unhex(OLD_ALERT);
    newer[1] = 2;
    assert!(Alert::from_canonical(&newer).is_err());
    assert!(Transition::from_canonical(&unhex(OLD_TRACK)).is_err());
}
