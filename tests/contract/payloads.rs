//! One payload of each kind, of version 1. **Do not change what is pinned here**: a payload that
//! changes needs a new version beside this one.

use meso_contract::room::RoomInterlockBody;
use meso_contract::{
    BlockMessage, DriverStatusMessage, GunAlertBody, GunAlertsMessage, GunStatusMessage,
    HeldMessage, LibraryMessage, LinksMessage, NumberRange, NumberedHash, PAYLOAD_VERSION,
    PatientBody, PatientsMessage, SuccessorMessage, WantedMessage, WatermarkMessage,
};
use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, Custody, EarlierSession, Record, RecordBlock, SessionEvent,
    Stream,
};
use meso_ledger::{LogKey, sign_note};
use meso_units::{
    Epoch, GunSerial, JournalIncarnation, Nanolitres, PatientCommitment, ProtocolId, SessionId,
    ShotCounter,
};

use crate::samples::{
    at, sample_amendment, sample_ended, sample_gap, sample_header, sample_interlock,
    sample_judgement, sample_merged, sample_opened, sample_segment, sample_shot,
};
use crate::statement_samples;

/// A payload as it goes over the bus.
pub(crate) struct Payload {
    /// The name of its schema.
    pub(crate) schema: &'static str,
    /// The name of the file that pins it, without its ending.
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

fn payload(schema: &'static str, name: &'static str, bytes: Vec<u8>) -> Payload {
    let text = String::from_utf8(bytes).unwrap();
    Payload { schema, name, text }
}

fn shots() -> RecordBlock {
    let records = vec![Record::Shot(sample_shot(7)), Record::Gap(sample_gap())];
    RecordBlock::seal(sample_header(), records, vec![sample_judgement()]).unwrap()
}

/// Everything that is no shot.
fn session() -> RecordBlock {
    let session = SessionId::from_bytes([0x11; 16]);
    let header = BlockHeader {
        place: BlockPlace {
            stream: Stream::Room,
            ..sample_header().place
        },
        epoch: None,
        ..sample_header()
    };
    let paused = SessionEvent::Paused {
        session,
        at: at(1_795_000_100_000_000_000),
    };
    let resumed = SessionEvent::Resumed {
        session,
        at: at(1_795_000_200_000_000_000),
    };
    let mut records: Vec<Record> = [
        sample_opened(),
        sample_segment(),
        paused,
        resumed,
        sample_ended(),
    ]
    .map(Record::Session)
    .into();
    records.push(Record::Amendment(sample_amendment()));
    RecordBlock::seal(header, records, Vec::new()).unwrap()
}

/// One statement of each kind.
fn statements() -> RecordBlock {
    let header = BlockHeader {
        place: BlockPlace {
            stream: Stream::Room,
            ..sample_header().place
        },
        epoch: None,
        ..sample_header()
    };
    let records = statement_samples::all().into_iter().map(Record::Session);
    RecordBlock::seal(header, records.collect(), Vec::new()).unwrap()
}

fn watermark() -> WatermarkMessage {
    let mut mark = WatermarkMessage::new(JournalIncarnation(0x0a0b_0c0d_0e0f_0001), 7, 9);
    mark.settled_to = 12;
    mark.settled_ranges.push(NumberRange {
        first: 14,
        last: 15,
    });
    mark
}

/// Who has a gun, and since which shot.
fn custody() -> RecordBlock {
    let header = BlockHeader {
        session: None,
        ..sample_header()
    };
    let custody = Custody {
        gun: GunSerial::parse("GUN-0001").unwrap(),
        epoch: sample_header().epoch.unwrap(),
        first: ShotCounter(43),
        newest: ShotCounter(57),
        at: at(1_795_000_000_000_000_000),
    };
    RecordBlock::seal(header, vec![Record::Custody(custody)], Vec::new()).unwrap()
}

/// A hand at STOP, in a session.
fn interlock() -> RecordBlock {
    let event = sample_interlock();
    let header = BlockHeader {
        place: BlockPlace {
            stream: Stream::Room,
            ..sample_header().place
        },
        epoch: None,
        session: event.session,
        ..sample_header()
    };
    RecordBlock::seal(header, vec![Record::Interlock(event)], Vec::new()).unwrap()
}

/// Two ids turned out to be the same patient's.
fn merged() -> RecordBlock {
    let header = BlockHeader {
        place: BlockPlace {
            stream: Stream::Room,
            ..sample_header().place
        },
        epoch: None,
        session: None,
        ..sample_header()
    };
    let merged = Record::Patient(sample_merged());
    RecordBlock::seal(header, vec![merged], Vec::new()).unwrap()
}

fn links() -> LinksMessage {
    LinksMessage::new(3, "00112233445566ff", &[0x5a; 48])
}

/// A watermark as an ingest says it: by hashes, and signed.
fn signed_watermark() -> WatermarkMessage {
    let mut mark = watermark();
    mark.settled_hashes = vec![
        NumberedHash::new(12, &BlockHash([0x12; 32])),
        NumberedHash::new(15, &BlockHash([0x15; 32])),
    ];
    let key = LogKey::from_seed("example.org/log", &[7; 32]).unwrap();
    let topic = "mesofleet/v1/riverside/room-1/watermark/GUN-0001";
    let note = sign_note(&mark.signed_text(topic), &key).unwrap();
    mark.signature = note.lines().last().map(str::to_owned);
    mark
}

fn wanted() -> WantedMessage {
    let ranges = vec![NumberRange { first: 3, last: 5 }];
    WantedMessage::new(JournalIncarnation(7), Epoch(9), ranges)
}

fn held() -> HeldMessage {
    let ranges = vec![NumberRange { first: 4, last: 4 }];
    HeldMessage::new(JournalIncarnation(7), Epoch(9), ranges, Some(Epoch(10)))
}

fn driver_status() -> DriverStatusMessage {
    DriverStatusMessage {
        version: PAYLOAD_VERSION,
        online: true,
        program_version: "0.1.0".to_owned(),
        incarnation: "0a0b0c0d0e0f0001".to_owned(),
        start_id: "00000000000000ff".to_owned(),
        journal_problem: None,
    }
}

fn successor() -> SuccessorMessage {
    SuccessorMessage {
        version: PAYLOAD_VERSION,
        incarnation: "0a0b0c0d0e0f0002".to_owned(),
        replaced: vec!["0a0b0c0d0e0f0001".to_owned()],
    }
}

fn gun_status() -> GunStatusMessage {
    GunStatusMessage {
        version: PAYLOAD_VERSION,
        attached: true,
        at_ms: 1_795_000_000_123,
        model: "Example 3".to_owned(),
        firmware: "1.2.3".to_owned(),
        battery_percent: Some(87),
        journalled_counter: 42,
        backlog_shots: 3,
        bad_frames: 1,
        skipped_bytes: 17,
        quarantined_frames: 0,
        inhibited: true,
        completeness: Some("authenticated counter".to_owned()),
        interlock: Some(RoomInterlockBody {
            state: "failed".to_owned(),
            cause: "needle depth beyond its limit".to_owned(),
            problem: Some("the gun did not answer".to_owned()),
        }),
        clock_drift_ppm: Some(-12),
        clock_trusted: None,
        library_version: None,
    }
}

/// A gun's status with what later drivers say of their room.
fn gun_status_of_room() -> GunStatusMessage {
    GunStatusMessage {
        clock_trusted: Some(true),
        library_version: Some(7),
        ..gun_status()
    }
}

fn gun_alerts() -> GunAlertsMessage {
    let alert = GunAlertBody {
        id: "0123456789abcdef".to_owned(),
        rule: "needle depth".to_owned(),
        severity: "hard".to_owned(),
        state: "open".to_owned(),
        session: None,
        shot_count: 12,
        worst_value: 10_800,
        limit: 10_000,
        unit: "µm".to_owned(),
        text: "needle depth 10800 µm over 10000 µm: stop and set the depth again".to_owned(),
        opened_at_ms: 1_795_000_000_123,
    };
    GunAlertsMessage {
        version: PAYLOAD_VERSION,
        alerts: vec![alert],
        more_count: 2,
    }
}

fn library() -> LibraryMessage {
    LibraryMessage {
        version: PAYLOAD_VERSION,
        release: "version = 1\n".to_owned(),
        signatures: vec![("aa".repeat(32), "bb".repeat(64))],
        signer_lists: Vec::new(),
    }
}

fn patients() -> PatientsMessage {
    let earlier = EarlierSession {
        session: SessionId::from_bytes([0x11; 16]),
        opened_at: at(1_795_000_000_000_000_000),
        day: 20_775,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        volume: Nanolitres::new(1_840_000).unwrap(),
        zones: ["cheek".to_owned(), "forehead".to_owned()].into(),
        drugs: ["hyaluronic acid".to_owned()].into(),
        is_cut: false,
    };
    let patient = PatientCommitment::from_bytes([0x21; 32]);
    PatientsMessage::new(8, vec![PatientBody::new(&patient, &[earlier])])
}

/// Every kind of payload.
pub(crate) fn all() -> Vec<Payload> {
    let block = |block: &RecordBlock| BlockMessage::encode(block).unwrap();
    vec![
        payload("BlockMessage", "shots", block(&shots())),
        payload("BlockMessage", "session", block(&session())),
        payload("BlockMessage", "statements", block(&statements())),
        payload(
            "WatermarkMessage",
            "watermark",
            watermark().encode().unwrap(),
        ),
        payload("BlockMessage", "custody", block(&custody())),
        payload("BlockMessage", "interlock", block(&interlock())),
        payload("BlockMessage", "merged", block(&merged())),
        payload(
            "WatermarkMessage",
            "signed_watermark",
            signed_watermark().encode().unwrap(),
        ),
        payload("WantedMessage", "wanted", wanted().encode().unwrap()),
        payload("HeldMessage", "held", held().encode().unwrap()),
        payload(
            "DriverStatusMessage",
            "status",
            driver_status().encode().unwrap(),
        ),
        payload(
            "SuccessorMessage",
            "successor",
            successor().encode().unwrap(),
        ),
        payload("GunStatusMessage", "gun", gun_status().encode().unwrap()),
        payload(
            "GunStatusMessage",
            "gun_of_room",
            gun_status_of_room().encode().unwrap(),
        ),
        payload(
            "GunAlertsMessage",
            "gun_alerts",
            gun_alerts().encode().unwrap(),
        ),
        payload("LibraryMessage", "library", library().encode().unwrap()),
        payload("PatientsMessage", "patients", patients().encode().unwrap()),
        payload("LinksMessage", "links", links().encode().unwrap()),
    ]
}

#[test]
fn the_bytes_of_every_payload_are_those_of_the_first_day() {
    for Payload { name, text, .. } in all() {
        let file = format!("tests/contract/v01/{name}.json");
        let pinned = std::fs::read_to_string(meso_tests::root().join(&file)).unwrap();
        assert_eq!(text, pinned.trim_end(), "{file}");
    }
}

#[test]
fn every_pinned_payload_is_still_read_as_what_it_was() {
    let read = |name: &str| {
        let file = format!("tests/contract/v01/{name}.json");
        std::fs::read(meso_tests::root().join(file)).unwrap()
    };
    assert_eq!(BlockMessage::decode(&read("shots")).unwrap(), shots());
    assert_eq!(BlockMessage::decode(&read("session")).unwrap(), session());
    assert_eq!(
        WatermarkMessage::decode(&read("watermark")).unwrap(),
        watermark()
    );
    assert_eq!(BlockMessage::decode(&read("custody")).unwrap(), custody());
    assert_eq!(
        BlockMessage::decode(&read("interlock")).unwrap(),
        interlock()
    );
    assert_eq!(BlockMessage::decode(&read("merged")).unwrap(), merged());
    assert_eq!(LinksMessage::decode(&read("links")).unwrap(), links());
    assert_eq!(
        WatermarkMessage::decode(&read("signed_watermark")).unwrap(),
        signed_watermark()
    );
    assert_eq!(WantedMessage::decode(&read("wanted")).unwrap(), wanted());
    assert_eq!(HeldMessage::decode(&read("held")).unwrap(), held());
    assert_eq!(
        DriverStatusMessage::decode(&read("status")).unwrap(),
        driver_status()
    );
    assert_eq!(
        SuccessorMessage::decode(&read("successor")).unwrap(),
        successor()
    );
    assert_eq!(
        GunStatusMessage::decode(&read("gun")).unwrap(),
        gun_status()
    );
    assert_eq!(LibraryMessage::decode(&read("library")).unwrap(), library());
    assert_eq!(
        PatientsMessage::decode(&read("patients")).unwrap(),
        patients()
    );
}
