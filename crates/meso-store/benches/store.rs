//! How the embedded store behaves as it grows: `cargo xtask bench store` runs it in release mode.
//!
//! `store grow MILLIONS` fills an empty store and prints the rate of each million;
//! `store start MILLIONS` fills one, closes it, and prints how long it takes until it is open again
//! with everything that an ingest needs to go on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run says so by a panic"
)]

#[path = "../tests/samples/mod.rs"]
mod samples;

use std::time::{Duration, Instant};

use meso_delivery::Receiver;
use meso_domain::canonical::Canonical as _;
use meso_domain::{BlockHash, CommitEntry, RecordBlock, Shot, ShotIdentity};
use meso_ledger::Frontier;
use meso_store::{LeafRow, LogCommit, Store, Writer};
use meso_units::{GunSerial, ShotCounter, Timestamp};
use samples::{commit_of, sample_shot};

/// Guns that fire by turns: each million is spread over all of them.
const GUN_COUNT: u32 = 200;

/// Shots of a block.
const SHOTS_PER_BLOCK: u32 = 64;

/// Blocks of a commit, as a backlog has them.
const BLOCKS_PER_COMMIT: u32 = 256;

/// Makes the blocks of a fleet, gun by gun in turns.
struct Fleet {
    guns: Vec<(GunSerial, u64, Option<BlockHash>)>,
    next: usize,
}

impl Fleet {
    fn new() -> Fleet {
        let gun = |n| (GunSerial::parse(&format!("GUN-{n:05}")).unwrap(), 0, None);
        Fleet {
            guns: (0..GUN_COUNT).map(gun).collect(),
            next: 0,
        }
    }

    fn block(&mut self) -> RecordBlock {
        let gun_number = self.next;
        self.next = (self.next + 1) % self.guns.len();
        let (serial, number, previous) = &mut self.guns[gun_number];
        let first = u32::try_from(*number).unwrap() * SHOTS_PER_BLOCK;
        let shots = (first + 1..=first + SHOTS_PER_BLOCK).map(|counter| {
            let shot = sample_shot(counter);
            Shot {
                identity: ShotIdentity {
                    gun: serial.clone(),
                    counter: ShotCounter(counter),
                    ..shot.identity
                },
                ..shot
            }
        });
        *number += 1;
        let block = samples::chained_block(*number, *previous, shots.collect());
        *previous = Some(block.hash());
        block
    }
}

/// Time by the clock, and time that this thread had a processor, in our code and in the kernel: on
/// a busy computer only our part of it says much.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    user: Duration,
    kernel: Duration,
}

/// How long this thread has had a processor, in our code and in the kernel, in steps of 10 ms.
fn processor() -> (Duration, Duration) {
    let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, fields) = text.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    // proc(5): fields 14 and 15, in ticks of a hundredth of a second; the first here is field 3.
    let ticks =
        |field: usize| Duration::from_millis(10 * fields[field - 3].parse::<u64>().unwrap());
    (ticks(14), ticks(15))
}

/// Stores and logs so many shots as an ingest does; gives the time that the store took.
fn fill(writer: &mut Writer, fleet: &mut Fleet, receiver: &mut Receiver, shots: u32) -> Spent {
    let mut spent = Spent::default();
    let mut left = shots;
    let mut frontier = Frontier::load(writer.read().leaf_count().unwrap(), &writer.read()).unwrap();
    while left > 0 {
        // Made before, so that only the store is measured.
        let blocks: Vec<RecordBlock> = (0..BLOCKS_PER_COMMIT).map(|_| fleet.block()).collect();
        left = left.saturating_sub(BLOCKS_PER_COMMIT * SHOTS_PER_BLOCK);
        for block in &blocks {
            receiver.settle(block.header(), block.hash());
            for (shot, _) in block.shots() {
                receiver.record_shot(&shot.identity);
            }
        }
        let commit = commit_of(blocks);
        let (begun, had) = (Instant::now(), processor());
        writer.store(&commit).unwrap();
        let unlogged = writer.unlogged(1_024, 512).unwrap();
        let entry = CommitEntry {
            at: Timestamp::UNIX_EPOCH,
            blocks: unlogged.blocks.iter().map(|(_, hash)| *hash).collect(),
            entries: Vec::new(),
        };
        let bytes = entry.canonical_bytes();
        let appended = frontier.append(&bytes).unwrap();
        let leaf = LeafRow {
            leaf: appended.index,
            bytes,
            blocks: unlogged.blocks.iter().map(|(row, _)| *row).collect(),
            entries: Vec::new(),
        };
        let log = LogCommit {
            leaves: vec![leaf],
            hashes: appended.hashes,
            checkpoint: Some("note".to_owned()),
            changes: receiver.take_changes(),
        };
        writer.log(&log).unwrap();
        spent.wall += begun.elapsed();
        let (user, kernel) = processor();
        spent.user += user - had.0;
        spent.kernel += kernel - had.1;
    }
    spent
}

fn grow(millions: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    let mut store = Store::open(&path, 1).unwrap();
    let (mut fleet, mut receiver) = (Fleet::new(), Receiver::default());
    for million in 1..=millions {
        let spent = fill(&mut store.writer, &mut fleet, &mut receiver, 1_000_000);
        let file = std::fs::metadata(&path).unwrap().len() / 1_000_000;
        let rate = 1_000_000.0 / spent.wall.as_secs_f64();
        let (user, kernel) = (spent.user.as_secs_f64(), spent.kernel.as_secs_f64());
        println!(
            "million {million}: {rate:.0} shots/s; a shot takes {user:.2} µs of processor in our \
             code and {kernel:.2} µs in the kernel; file {file} MB"
        );
    }
}

fn start(millions: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    let mut store = Store::open(&path, 1).unwrap();
    let (mut fleet, mut receiver) = (Fleet::new(), Receiver::default());
    fill(
        &mut store.writer,
        &mut fleet,
        &mut receiver,
        millions * 1_000_000,
    );
    drop(store);
    for round in 1..=3 {
        let begun = Instant::now();
        let store = Store::open(&path, 1).unwrap();
        let reader = store.writer.read();
        let recalled = reader.receiver().unwrap();
        let unlogged = reader.unlogged(4_096, 512).unwrap();
        let frontier = Frontier::load(reader.leaf_count().unwrap(), &reader).unwrap();
        let sessions = reader.unsealed_sessions().unwrap();
        let totals = reader.totals().unwrap();
        let spent = begun.elapsed();
        assert!(recalled == receiver && unlogged.blocks.is_empty());
        println!(
            "start {round}: {:.3} s with {} shots, {} blocks, {} leaves, {} open sessions",
            spent.as_secs_f64(),
            totals.shot_count,
            totals.block_count,
            frontier.size(),
            sessions.len()
        );
    }
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let millions = |default| words.get(1).map_or(default, |word| word.parse().unwrap());
    match words.first().map(String::as_str) {
        Some("grow") => grow(millions(5)),
        Some("start") => start(millions(10)),
        _ => {
            grow(millions(5));
            start(millions(10));
        }
    }
}
