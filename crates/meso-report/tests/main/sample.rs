//! A small clinic: two guns, one session, one gap, and a log over it.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, Bound, CheckItem, Checklist, CommitEntry, Component,
    Delivery, Finding as RuleFinding, Gap, GapReason, GapState, GunPosition, Judgement,
    LedgerEntry, LedgerEntryKind, Needle, Purpose, PurposeDecidedBy, Quantity, Record, RecordBlock,
    Rule, SegmentOpened, SessionEnded, SessionEvent, SessionOpened, SessionOutcome, Severity, Shot,
    ShotFlags, ShotIdentity, Source, Sourced, Stream, SyringeLoad, Technique,
};
use meso_ledger::{Checkpoint, Frontier, LogKey, prove_inclusion};
use meso_report::{AlertFacts, BlockFacts, CommitFacts, Facts, Selection, WatermarkFacts};
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GaugePascals, GunSerial, GunTick,
    JournalIncarnation, LibraryVersion, Micrometres, Microseconds, Nanolitres, NeedleCount,
    OperatorId, PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter, ShotsPerMinute,
    Timestamp, Uncertainty,
};
use sha2::{Digest as _, Sha256};

pub(crate) const ORIGIN: &str = "mesofleet.example/clinic-one";
pub(crate) const EPOCH: Epoch = Epoch(0xfeed_0000_0000_0001);
const SESSION: SessionId = SessionId::from_bytes([0x5e; 16]);
const SEGMENT: SegmentId = SegmentId::from_bytes([0x59; 16]);

pub(crate) fn key() -> LogKey {
    LogKey::from_seed(ORIGIN, &[42; 32]).unwrap()
}

pub(crate) fn gun(name: &str) -> GunSerial {
    GunSerial::parse(name).unwrap()
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_700_000_000_000_000_000 + second * 1_000_000_000).unwrap()
}

/// A shot whose fields are all present for some counters and all absent for others.
pub(crate) fn shot(name: &str, counter: u32) -> Shot {
    let known = counter % 4 != 3;
    let depth = |um| Micrometres::new(um).unwrap();
    let volume = |nl| Nanolitres::new(nl).unwrap();
    let operator = OperatorId::parse("op-7").unwrap();
    Shot {
        identity: ShotIdentity {
            gun: gun(name),
            epoch: EPOCH,
            counter: ShotCounter(counter),
        },
        at: at(counter.into()).saturating_add_ns(i64::from(counter)),
        uncertainty: if known {
            Uncertainty::Within(1_500_000)
        } else {
            Uncertainty::Unbounded
        },
        clock_segment: ClockSegment(2),
        gun_tick: GunTick::new(5_000_000 + u64::from(counter) * 111_111).unwrap(),
        needle_depth: Quantity {
            set: known.then(|| depth(4_000)),
            actual: known.then(|| Sourced::sensed(depth(3_990 + counter % 1_000))),
        },
        volume: Quantity {
            set: Some(volume(20_000)),
            actual: known.then(|| Sourced {
                value: volume(19_000 + u64::from(counter)),
                source: Source::Typed(operator),
            }),
        },
        interval: (counter > 1).then(|| Microseconds::new(111_111).unwrap()),
        frequency_set: known.then(|| ShotsPerMinute::new(540).unwrap()),
        needles_working: known.then(|| Sourced {
            value: NeedleCount::new(5).unwrap(),
            source: Source::Computed(meso_domain::Derivation::MountedHead),
        }),
        pressure: known.then(|| GaugePascals::new(-20_000).unwrap()),
        flags: if known {
            ShotFlags::NONE
        } else {
            ShotFlags::OCCLUSION.union(ShotFlags::AIR)
        },
        purpose: if counter == 1 {
            Purpose::Prime
        } else {
            Purpose::Patient
        },
        purpose_decided_by: PurposeDecidedBy::DriverRule,
        segment: (counter > 1).then_some(SEGMENT),
        library: known.then_some(LibraryVersion(3)),
    }
}

fn judgement(shot: &Shot) -> Judgement {
    let deep = RuleFinding {
        rule: Rule::NeedleDepth,
        severity: Severity::Hard,
        bound: Some(Bound::Maximum),
        value: 4_001,
        limit: 4_000,
        reason: None,
    };
    let findings = if shot.identity.counter.get().is_multiple_of(5) {
        vec![deep]
    } else {
        Vec::new()
    };
    Judgement {
        library: shot.library,
        engine: 1,
        facts_digest: [9; 32],
        findings,
    }
}

pub(crate) fn gap(name: &str, first: u32, last: u32, state: GapState) -> Gap {
    Gap {
        gun: gun(name),
        epoch: EPOCH,
        first: ShotCounter(first),
        last: Some(ShotCounter(last)),
        state,
        reason: GapReason::RingOverflow,
        at: at(500),
    }
}

/// Seals the blocks of one driver, each stream linked to its predecessor.
#[derive(Default)]
pub(crate) struct Room {
    pub(crate) blocks: Vec<RecordBlock>,
    last: BTreeMap<Stream, (u64, BlockHash)>,
}

impl Room {
    pub(crate) fn seal(&mut self, stream: Stream, session: Option<SessionId>, records: &[Record]) {
        let (number, previous) = match self.last.get(&stream) {
            Some((number, hash)) => (number + 1, Some(*hash)),
            None => (1, None),
        };
        let header = BlockHeader {
            clinic: ClinicId::parse("clinic-one").unwrap(),
            place: BlockPlace {
                driver: DriverId::parse("room-a").unwrap(),
                incarnation: JournalIncarnation(0xabc),
                stream: stream.clone(),
                number: BlockNumber(number),
            },
            previous,
            epoch: matches!(stream, Stream::Gun(_)).then_some(EPOCH),
            session,
            record_count: 0,
            sealed_at: at(600),
            judgements_digest: [0; 32],
        };
        let judgements = records
            .iter()
            .filter_map(Record::as_shot)
            .map(judgement)
            .collect();
        let block = RecordBlock::seal(header, records.to_vec(), judgements).unwrap();
        self.last.insert(stream, (number, block.hash()));
        self.blocks.push(block);
    }

    pub(crate) fn shots(&mut self, name: &str, counters: core::ops::RangeInclusive<u32>) {
        let records: Vec<Record> = counters.map(|n| Record::Shot(shot(name, n))).collect();
        for part in records.chunks(6) {
            self.seal(Stream::Gun(gun(name)), Some(SESSION), part);
        }
    }
}

/// Facts whose log commits to the blocks, two of them in each commit.
pub(crate) fn facts_of(blocks: Vec<BlockFacts>, gaps: Vec<Gap>) -> Facts {
    let hashes: Vec<BlockHash> = blocks.iter().map(hash_of).collect();
    let mut entries: Vec<CommitEntry> = hashes
        .chunks(2)
        .map(|pair| CommitEntry {
            at: at(700),
            blocks: pair.to_vec(),
            entries: Vec::new(),
        })
        .collect();
    let ingest_gaps = gaps.iter().filter(|gap| gap.state == GapState::Declared);
    entries.push(CommitEntry {
        at: at(701),
        blocks: Vec::new(),
        entries: ingest_gaps
            .map(|gap| LedgerEntry {
                kind: LedgerEntryKind::DeclaredGap,
                digest: Sha256::digest(gap.canonical_bytes()).into(),
            })
            .collect(),
    });
    let (mut tree, mut stored) = (Frontier::EMPTY, BTreeMap::new());
    let entries: Vec<Vec<u8>> = entries.iter().map(CommitEntry::canonical_bytes).collect();
    for entry in &entries {
        stored.extend(tree.append(entry).unwrap().hashes);
    }
    let commits = entries
        .into_iter()
        .enumerate()
        .map(|(leaf, entry)| CommitFacts {
            leaf: leaf as u64,
            entry,
            proof: prove_inclusion(leaf as u64, tree.size(), &stored).unwrap(),
        });
    let checkpoint = Checkpoint::new(ORIGIN, tree.size(), tree.root()).unwrap();
    Facts {
        generated_at: at(800),
        demo: true,
        selection: Selection::whole_log(ClinicId::parse("clinic-one").unwrap()),
        commits: commits.collect(),
        blocks,
        gaps,
        alerts: vec![alert()],
        watermarks: vec![WatermarkFacts {
            driver: DriverId::parse("room-a").unwrap(),
            incarnation: JournalIncarnation(0xabc),
            stream: Stream::Gun(gun("GUN-A1")),
            settled_to: BlockNumber(4),
        }],
        checkpoint: checkpoint.sign(&key()),
    }
}

fn hash_of(block: &BlockFacts) -> BlockHash {
    let hashes: Vec<_> = block
        .records
        .iter()
        .map(|record| match record {
            meso_report::RecordFact::Included(record) => record.hash(),
            meso_report::RecordFact::Withheld { hash, .. } => *hash,
        })
        .collect();
    block.header.block_hash(&hashes)
}

fn alert() -> AlertFacts {
    AlertFacts {
        id: "needle-depth/GUN-A1/1".to_owned(),
        rule: Rule::NeedleDepth,
        severity: Severity::Hard,
        gun: Some(gun("GUN-A1")),
        session: Some(SESSION),
        state: "open".to_owned(),
        opened_at: at(5),
        changed_at: at(20),
        shot_count: 4,
        text: "needle depth above the maximum, 4 shots".to_owned(),
    }
}

/// Two guns of 20 and 12 shots, a gap of the driver and one of the ingest, one session.
pub(crate) fn sample_facts() -> Facts {
    let mut room = Room::default();
    room.seal(
        Stream::Room,
        Some(SESSION),
        &[Record::Session(opened()), Record::Session(segment())],
    );
    room.shots("GUN-A1", 1..=20);
    room.shots("GUN-B2", 1..=7);
    let hole = Record::Gap(gap("GUN-B2", 8, 10, GapState::Declared));
    room.seal(Stream::Gun(gun("GUN-B2")), None, &[hole]);
    room.shots("GUN-B2", 11..=13);
    room.shots("GUN-B2", 15..=16);
    room.seal(Stream::Room, Some(SESSION), &[Record::Session(ended(20))]);
    let blocks = room.blocks.iter().map(BlockFacts::whole).collect();
    facts_of(blocks, vec![gap("GUN-B2", 14, 14, GapState::Declared)])
}

pub(crate) fn ended(last: u32) -> SessionEvent {
    SessionEvent::Ended(SessionEnded {
        session: SESSION,
        at: at(90),
        outcome: SessionOutcome::Completed,
        last_counters: vec![GunPosition {
            gun: gun("GUN-A1"),
            epoch: EPOCH,
            counter: ShotCounter(last),
            is_away: false,
        }],
    })
}

fn opened() -> SessionEvent {
    SessionEvent::Opened(SessionOpened {
        session: SESSION,
        at: at(0),
        clinic: ClinicId::parse("clinic-one").unwrap(),
        room: DriverId::parse("room-a").unwrap(),
        time_zone: "Europe/Paris".to_owned(),
        utc_offset_s: 3_600,
        patient: PatientCommitment::from_bytes([3; 32]),
        screening_digest: None,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        library: LibraryVersion(3),
        operator: OperatorId::parse("op-7").unwrap(),
        checklist: Checklist {
            screening: CheckItem::Done(None),
            consent: CheckItem::Done(Some("form 12".to_owned())),
            asepsis: CheckItem::Done(None),
            emergency_kit: CheckItem::Skipped("it is in the room next door".to_owned()),
        },
        demo: true,
    })
}

fn segment() -> SessionEvent {
    SessionEvent::SegmentOpened(SegmentOpened {
        segment: SEGMENT,
        session: SESSION,
        at: at(1),
        delivery: Delivery::Gun(gun("GUN-A1")),
        zone: "cheek".to_owned(),
        technique: Technique::Nappage,
        protocol: ProtocolId::parse("mesolift-face").unwrap(),
        library: LibraryVersion(3),
        course_phase: Some(1),
        syringe: SyringeLoad {
            components: vec![Component {
                name: "hyaluronic acid".to_owned(),
                concentration: "10 mg/ml".to_owned(),
                lot: "L-1".to_owned(),
            }],
            ready_made: true,
            prepared_by: OperatorId::parse("op-7").unwrap(),
            loaded: Nanolitres::new(5_000_000).unwrap(),
            dead_volume: Nanolitres::new(100_000).unwrap(),
        },
        needle: Needle {
            length: Micrometres::new(4_000).unwrap(),
            gauge: 32,
            count: 5,
            lot: "N-9".to_owned(),
        },
        operator: OperatorId::parse("op-7").unwrap(),
        reason: String::new(),
    })
}

/// The files of a bundle.
pub(crate) fn unzip(bundle: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bundle)).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(name, content);
    }
    files
}

/// A bundle of these files.
pub(crate) fn rezip(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(name.as_str(), zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The files with a manifest made to fit them, signed with the key of the log: what somebody who
/// holds the key, but cannot change the log, could do.
pub(crate) fn resign(files: &mut BTreeMap<String, Vec<u8>>) {
    let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    for file in manifest["files"].as_array_mut().unwrap() {
        let content = &files[file["name"].as_str().unwrap()];
        file["bytes"] = content.len().into();
        let digest: [u8; 32] = Sha256::digest(content).into();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        file["sha256"] = digest.into();
    }
    let manifest = manifest.to_string().into_bytes();
    let digest: [u8; 32] = Sha256::digest(&manifest).into();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("mesofleet report v1\nsha256 {digest}\n");
    let note = meso_ledger::sign_note(&text, &key()).unwrap();
    files.insert("manifest.json".to_owned(), manifest);
    files.insert("manifest.note".to_owned(), note.into_bytes());
}
