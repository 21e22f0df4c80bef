//! The bytes of a retired room, version 1. **Do not change this test**: a ledger that somebody has
//! holds their hashes. A new field is a new version beside this one.

use meso_domain::canonical::Canonical as _;
use meso_domain::{Gap, GapReason, GapState, LedgerEntryKind, RoomRetired};
use meso_units::{ClinicId, DriverId, JournalIncarnation, OperatorId};

use crate::samples::{at, sample_gap};

#[test]
fn the_bytes_of_a_retired_room_are_pinned() {
    let retired = RoomRetired {
        clinic: ClinicId::parse("riverside").unwrap(),
        driver: DriverId::parse("room-2").unwrap(),
        journals: vec![JournalIncarnation(7), JournalIncarnation(0x0102_0304)],
        by: OperatorId::parse("op-1").unwrap(),
        reason: "the computer was stolen".to_owned(),
        gap_count: 2,
        shot_count: 12,
        at: at(1_795_000_002_000_000_000),
    };
    let bytes = retired.canonical_bytes();
    assert_eq!(
        hex::encode(&bytes),
        "1201090072697665727369646506\
         00726f6f6d2d320200070000000000000004030201000000000400\
         6f702d31170074686520636f6d707574657220776173207374\
         6f6c656e020000000c00000000000000001409d3fd1ee918"
    );
    assert_eq!(RoomRetired::from_canonical(&bytes).unwrap(), retired);
    assert_eq!(LedgerEntryKind::RoomRetired.code(), 6);
}

#[test]
fn the_bytes_of_a_gap_of_a_retired_room_are_pinned() {
    let gap = Gap {
        state: GapState::Declared,
        reason: GapReason::RoomRetired,
        ..sample_gap()
    };
    let bytes = gap.canonical_bytes();
    assert_eq!(GapReason::RoomRetired.code(), 7);
    assert_eq!(
        bytes[bytes.len() - 9],
        7,
        "the reason stands before the time"
    );
    assert_eq!(Gap::from_canonical(&bytes).unwrap(), gap);
    assert_eq!(gap.reason.as_str(), "room retired");
}
