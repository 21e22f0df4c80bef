//! Payloads: what we write we can read, and what others write is checked.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use meso_contract::{
    BlockFileError, BlockFileHeader, BlockFileWriter, BlockMessage, NumberRange, PayloadError,
    WatermarkMessage, read_block_file,
};
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
        PayloadError::UnknownPart { .. }
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

fn sample_block_file() -> Vec<u8> {
    let header = BlockFileHeader::new("riverside/room-1".to_owned(), "0".repeat(16));
    let mut writer = BlockFileWriter::begin(Vec::new(), &header).unwrap();
    writer.push(&sample_block()).unwrap();
    writer.push(&sample_block()).unwrap();
    writer.finish().unwrap().0
}

fn read_blocks(bytes: &[u8]) -> Result<Vec<RecordBlock>, BlockFileError> {
    let mut blocks = Vec::new();
    read_block_file(bytes, |block| {
        blocks.push(block);
        Ok(())
    })?;
    Ok(blocks)
}

#[test]
fn a_file_of_blocks_gives_back_what_was_written_and_its_middle_is_the_payload_itself() {
    let file = sample_block_file();
    let blocks = [sample_block(), sample_block()];
    assert_eq!(read_blocks(&file).unwrap(), blocks);
    let lines: Vec<_> = file.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines[1], BlockMessage::encode(&blocks[0]).unwrap());
    let (header, trailer) = read_block_file(&file[..], |_| Ok(())).unwrap();
    assert_eq!(header.owner, "riverside/room-1");
    assert_eq!(trailer.blocks, 2);
}

#[test]
fn a_file_of_blocks_that_is_cut_off_or_changed_anywhere_is_refused() {
    let file = sample_block_file();
    for length in 0..file.len() {
        assert!(read_blocks(&file[..length]).is_err(), "{length} bytes");
    }
    for place in 0..file.len() {
        let mut changed = file.clone();
        changed[place] ^= 1;
        assert!(read_blocks(&changed).is_err(), "byte {place}");
    }
    let text = String::from_utf8(file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let without_one = [lines[0], lines[1], lines[3], ""].join("\n");
    assert!(matches!(
        read_blocks(without_one.as_bytes()),
        Err(BlockFileError::Changed { .. })
    ));
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(matches!(
        read_blocks(newer.as_bytes()),
        Err(BlockFileError::Version { found: 2, known: 1 })
    ));
}
