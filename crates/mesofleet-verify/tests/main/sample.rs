//! A report of five shots.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    BlockHeader, BlockPlace, CommitEntry, Judgement, Purpose, PurposeDecidedBy, Quantity, Record,
    RecordBlock, Shot, ShotFlags, ShotIdentity, Sourced, Stream,
};
use meso_ledger::{Checkpoint, Frontier, LogKey};
use meso_report::{BlockFacts, CommitFacts, Facts, Selection, build};
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick, JournalIncarnation,
    Micrometres, Nanolitres, ShotCounter, Timestamp, Uncertainty,
};

const ORIGIN: &str = "mesofleet.example/verify";

pub(crate) fn key() -> LogKey {
    LogKey::from_seed(ORIGIN, &[8; 32]).unwrap()
}

fn shot(counter: u32) -> Shot {
    Shot {
        identity: ShotIdentity {
            gun: GunSerial::parse("GUN-7").unwrap(),
            epoch: Epoch(0x77),
            counter: ShotCounter(counter),
        },
        at: Timestamp::from_unix_ns(1_700_000_000_000_000_000 + i64::from(counter)).unwrap(),
        uncertainty: Uncertainty::Within(1_000_000),
        clock_segment: ClockSegment(1),
        gun_tick: GunTick::new(u64::from(counter)).unwrap(),
        needle_depth: Quantity {
            set: None,
            actual: Some(Sourced::sensed(Micrometres::new(3_000 + counter).unwrap())),
        },
        volume: Quantity {
            set: None,
            actual: Some(Sourced::sensed(Nanolitres::new(20_000).unwrap())),
        },
        interval: None,
        frequency_set: None,
        needles_working: None,
        pressure: None,
        flags: ShotFlags::NONE,
        purpose: Purpose::Patient,
        purpose_decided_by: PurposeDecidedBy::Gun,
        segment: None,
        library: None,
    }
}

fn block() -> RecordBlock {
    let shots: Vec<Record> = (1..=5).map(|counter| Record::Shot(shot(counter))).collect();
    let verdict = Judgement {
        library: None,
        engine: 1,
        facts_digest: [0; 32],
        findings: Vec::new(),
    };
    let header = BlockHeader {
        clinic: ClinicId::parse("clinic-one").unwrap(),
        place: BlockPlace {
            driver: DriverId::parse("room-a").unwrap(),
            incarnation: JournalIncarnation(1),
            stream: Stream::Gun(GunSerial::parse("GUN-7").unwrap()),
            number: BlockNumber(1),
        },
        previous: None,
        epoch: Some(Epoch(0x77)),
        session: None,
        record_count: 0,
        sealed_at: Timestamp::from_unix_ns(1_700_000_001_000_000_000).unwrap(),
        judgements_digest: [0; 32],
    };
    RecordBlock::seal(header, shots, vec![verdict; 5]).unwrap()
}

/// The bytes of the report.
pub(crate) fn bundle() -> Vec<u8> {
    let block = block();
    let at = block.header().sealed_at;
    let entry = CommitEntry {
        at,
        blocks: vec![block.hash()],
        entries: Vec::new(),
    };
    let entry = entry.canonical_bytes();
    let mut tree = Frontier::EMPTY;
    tree.append(&entry).unwrap();
    let facts = Facts {
        generated_at: at,
        demo: true,
        selection: Selection::whole_log(ClinicId::parse("clinic-one").unwrap()),
        blocks: vec![BlockFacts::whole(&block)],
        commits: vec![CommitFacts {
            leaf: 0,
            entry,
            proof: Vec::new(),
        }],
        gaps: Vec::new(),
        alerts: Vec::new(),
        watermarks: Vec::new(),
        checkpoint: Checkpoint::new(ORIGIN, 1, tree.root())
            .unwrap()
            .sign(&key()),
    };
    build(&facts, &key()).unwrap()
}

/// The report with one text replaced in one of its files.
pub(crate) fn bundle_with(name: &str, old: &str, new: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bundle())).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.insert(entry.name().unwrap().into_owned(), text);
    }
    let text = files.get_mut(name).unwrap();
    assert!(text.contains(old), "{text}");
    *text = text.replacen(old, new, 1);
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer
            .start_file(name.as_str(), zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
