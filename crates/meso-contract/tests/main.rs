//! Payloads: what we write we can read, and what others write is checked.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use meso_contract::{BlockMessage, NumberRange, PayloadError, WatermarkMessage};
use meso_domain::{BlockHeader, BlockPlace, Gap, GapReason, GapState, Record, RecordBlock, Stream};
use meso_units::{
    BlockNumber, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, ShotCounter, Timestamp,
};

fn sample_block() -> RecordBlock {
    let gun = GunSerial::parse("GUN-0001").unwrap();
    let at = Timestamp::from_unix_ns(1_795_000_000_000_000_001).unwrap();
    let header = BlockHeader {
        clinic: ClinicId::parse("riverside").unwrap(),
        place: BlockPlace {
            driver: DriverId::parse("room-1").unwrap(),
            incarnation: JournalIncarnation(u64::MAX),
            stream: Stream::Gun(gun.clone()),
            number: BlockNumber(1),
        },
        previous: None,
        epoch: Some(Epoch(u64::MAX - 1)),
        session: None,
        record_count: 0,
        sealed_at: at,
        judgements_digest: [0; 32],
    };
    let gap = Gap {
        gun,
        epoch: Epoch(u64::MAX - 1),
        first: ShotCounter(3),
        last: None,
        state: GapState::Declared,
        reason: GapReason::EpochClosed,
        at,
    };
    RecordBlock::seal(header, vec![Record::Gap(gap)], Vec::new()).unwrap()
}

#[test]
fn a_block_survives_its_payload_and_every_writing_is_the_same() {
    let block = sample_block();
    let payload = BlockMessage::encode(&block).unwrap();
    assert_eq!(BlockMessage::decode(&payload).unwrap(), block);
    assert_eq!(
        BlockMessage::encode(&BlockMessage::decode(&payload).unwrap()).unwrap(),
        payload
    );
}

#[test]
fn a_payload_is_refused_with_the_field_that_is_wrong() {
    let payload = String::from_utf8(BlockMessage::encode(&sample_block()).unwrap()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(payload.contains(from), "{payload}");
        BlockMessage::decode(payload.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    assert!(matches!(
        refused("\"first\":3", "\"first\":4"),
        PayloadError::HashDiffers { .. }
    ));
    assert!(matches!(
        refused("\"version\":1", "\"version\":2"),
        PayloadError::Version { found: 2, known: 1 }
    ));
    assert!(matches!(
        refused("declared", "lost"),
        PayloadError::UnknownWord { field: "state", .. }
    ));
    assert!(matches!(
        refused("GUN-0001", "gun-0001"),
        PayloadError::Unit(_)
    ));
    assert!(matches!(
        refused("\"version\"", "\"versions\""),
        PayloadError::NotJson { .. }
    ));
    assert!(matches!(
        refused("\"number\":1", "\"number\":2"),
        PayloadError::Block(_)
    ));
}

#[test]
fn a_watermark_covers_its_prefix_and_its_ranges() {
    let mut mark = WatermarkMessage::new(JournalIncarnation(7), 1, 2);
    mark.settled_to = 10;
    mark.settled_ranges.push(NumberRange {
        first: 15,
        last: 16,
    });
    let read = WatermarkMessage::decode(&mark.encode().unwrap()).unwrap();
    assert_eq!(read, mark);
    let covered: Vec<u64> = (9..18).filter(|n| read.covers(BlockNumber(*n))).collect();
    assert_eq!(covered, [9, 10, 15, 16]);
}
