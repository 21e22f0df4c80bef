//! MQTT payloads of version 1. **Do not change this test.**
//!
//! Drivers in treatment rooms are updated later than servers, and the other way round. A payload
//! that changes needs a new version beside this one.

use meso_contract::{BlockMessage, NumberRange, ShotBody, WatermarkMessage};
use meso_domain::{
    BlockHeader, BlockPlace, Bound, Finding, Judgement, Purpose, PurposeDecidedBy, Quantity,
    Record, RecordBlock, Rule, Severity, Shot, ShotFlags, ShotIdentity, Sourced, Stream,
};
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GaugePascals, GunSerial, GunTick,
    JournalIncarnation, LibraryVersion, Micrometres, Microseconds, Nanolitres, NeedleCount,
    SegmentId, SessionId, ShotCounter, ShotsPerMinute, Timestamp, Uncertainty,
};

fn sample_shot() -> Shot {
    Shot {
        identity: ShotIdentity {
            gun: GunSerial::parse("GUN-0001").unwrap(),
            epoch: Epoch(0x0102_0304_0506_0708),
            counter: ShotCounter(42),
        },
        at: Timestamp::from_unix_ns(1_795_000_000_123_456_789).unwrap(),
        uncertainty: Uncertainty::Within(850_000),
        clock_segment: ClockSegment(3),
        gun_tick: GunTick::new(12_345_678).unwrap(),
        needle_depth: Quantity {
            set: Some(Micrometres::new(2_000).unwrap()),
            actual: Some(Sourced::sensed(Micrometres::new(10_800).unwrap())),
        },
        volume: Quantity {
            set: Some(Nanolitres::new(20_000).unwrap()),
            actual: Some(Sourced::sensed(Nanolitres::new(20_412).unwrap())),
        },
        interval: Some(Microseconds::new(142_857).unwrap()),
        frequency_set: Some(ShotsPerMinute::new(420).unwrap()),
        needles_working: Some(Sourced::sensed(NeedleCount::new(1).unwrap())),
        pressure: Some(GaugePascals::new(-42_000).unwrap()),
        flags: ShotFlags::NONE,
        purpose: Purpose::Patient,
        purpose_decided_by: PurposeDecidedBy::Gun,
        segment: Some(SegmentId::from_bytes([0x22; 16])),
        library: Some(LibraryVersion(1)),
    }
}

fn sample_block() -> RecordBlock {
    let shot = sample_shot();
    let header = BlockHeader {
        clinic: ClinicId::parse("riverside").unwrap(),
        place: BlockPlace {
            driver: DriverId::parse("room-1").unwrap(),
            incarnation: JournalIncarnation(0x0a0b_0c0d_0e0f_0001),
            stream: Stream::Gun(shot.identity.gun.clone()),
            number: BlockNumber(1),
        },
        previous: None,
        epoch: Some(shot.identity.epoch),
        session: Some(SessionId::from_bytes([0x11; 16])),
        record_count: 0,
        sealed_at: Timestamp::from_unix_ns(1_795_000_000_600_000_000).unwrap(),
        judgements_digest: [0; 32],
    };
    let judgement = Judgement {
        library: Some(LibraryVersion(1)),
        engine: 1,
        facts_digest: [0x66; 32],
        findings: vec![Finding {
            rule: Rule::NeedleDepth,
            severity: Severity::Hard,
            bound: Some(Bound::Maximum),
            value: 10_800,
            limit: 10_000,
            reason: None,
        }],
    };
    RecordBlock::seal(header, vec![Record::Shot(shot)], vec![judgement]).unwrap()
}

#[test]
fn the_payload_of_a_block_is_pinned() {
    let payload = String::from_utf8(BlockMessage::encode(&sample_block()).unwrap()).unwrap();
    assert_eq!(payload, include_str!("v01_block.json").trim_end());
    assert_eq!(
        BlockMessage::decode(payload.as_bytes()).unwrap(),
        sample_block()
    );
}

#[test]
fn a_shot_that_says_less_leaves_fields_out_and_never_says_zero() {
    let shot = Shot {
        uncertainty: Uncertainty::Unbounded,
        needle_depth: Quantity::UNKNOWN,
        volume: Quantity::UNKNOWN,
        interval: None,
        frequency_set: None,
        needles_working: None,
        pressure: None,
        segment: None,
        library: None,
        ..sample_shot()
    };
    let body = serde_json::to_string(&ShotBody::from(&shot)).unwrap();
    assert_eq!(
        body,
        "{\"gun\":\"GUN-0001\",\"epoch\":\"0102030405060708\",\"counter\":42,\
         \"at_ns\":\"1795000000123456789\",\"clock_segment\":3,\"gun_tick_us\":12345678,\
         \"flags\":0,\"purpose\":\"patient\",\"purpose_decided_by\":\"gun\"}"
    );
    assert_eq!(
        Shot::try_from(&serde_json::from_str::<ShotBody>(&body).unwrap()).unwrap(),
        shot
    );
}

#[test]
fn the_payload_of_a_watermark_is_pinned() {
    let mut mark = WatermarkMessage::new(JournalIncarnation(0x0a0b_0c0d_0e0f_0001), 7, 9);
    mark.settled_to = 12;
    mark.settled_ranges.push(NumberRange {
        first: 14,
        last: 15,
    });
    assert_eq!(
        String::from_utf8(mark.encode().unwrap()).unwrap(),
        "{\"version\":1,\"incarnation\":\"0a0b0c0d0e0f0001\",\
         \"store_incarnation\":\"0000000000000007\",\"ingest_incarnation\":\"0000000000000009\",\
         \"settled_to\":12,\"settled_ranges\":[{\"first\":14,\"last\":15}]}"
    );
}
