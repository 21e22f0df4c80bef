//! Whole stores: looked through, and moved from one place to another.
//!
//! A copy is proven by the records themselves: the canonical hash of every record is computed anew
//! from what each of the two stores gives back.

use std::path::PathBuf;

use meso_domain::{BlockHash, RecordHash};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::commit::{BlockRef, LoadedRecord};
use crate::error::During as _;
use crate::open::{Readers, name_shelf};
use crate::read::Reader;
use crate::shelf::{self, BlockSpan, ShelvedShot};
use crate::shot_row::Place;
use crate::write::{durably, insert_shots};
use crate::{Store, StoreError, StorePlace};

/// Blocks that are looked at before progress is told.
pub(crate) const BLOCKS_PER_GO: i64 = 512;

/// Under this name a copy that is not whole says of what it is one.
const ORIGIN_KEY: &str = "copy_of";

/// Under this name it says from which block on its shots are not where they belong.
const FIRST_MISSING_KEY: &str = "copy_from";

/// Wrong blocks that are spelt out; more of them would only hide the first.
const WRONG_SHOWN_MAX: usize = 10;

/// How far a long piece of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Blocks that are done.
    pub done: u64,
    /// Blocks in all.
    pub total: u64,
}

/// What a look through a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Blocks.
    pub block_count: u64,
    /// Shots of these.
    pub shot_count: u64,
    /// Blocks of which a record is missing or is not what its hash says.
    pub wrong_count: u64,
    /// The first of these, in words.
    pub wrong: Vec<String>,
    /// SHA-256 over the hashes of all blocks and of all their records as they were read, in the
    /// order of arrival: equal for equal histories, wherever they are kept.
    pub digest: [u8; 32],
    /// Leaves of the ledger.
    pub leaf_count: u64,
}

impl Inspection {
    /// Whether every record is there and is what its hash says.
    pub const fn is_sound(&self) -> bool {
        self.wrong_count == 0
    }
}

/// Reads every block and compares each record with its hash. A server may go on writing meanwhile;
/// what is stored after the start is left out.
///
/// # Errors
///
/// [`StoreError`] when the store cannot be read at all.
pub fn inspect(
    readers: &Readers,
    mut tell: impl FnMut(Progress),
) -> Result<Inspection, StoreError> {
    let totals = readers.with(|reader| reader.totals())?;
    let mut inspection = Inspection {
        leaf_count: totals.leaf_count,
        ..Inspection::default()
    };
    let mut digest = Sha256::new();
    let last = i64::try_from(totals.block_count).unwrap_or(i64::MAX);
    let mut first = 1;
    while first <= last {
        let end = first
            .saturating_add(BLOCKS_PER_GO)
            .min(last.saturating_add(1));
        readers.with(|reader| {
            for row in reader.blocks_between(first, end)? {
                inspect_block(reader, row, &mut inspection, &mut digest)?;
            }
            Ok::<(), StoreError>(())
        })?;
        first = end;
        tell(Progress {
            step: "checking",
            done: u64::try_from(first - 1).unwrap_or(0),
            total: totals.block_count,
        });
    }
    inspection.digest = digest.finalize().into();
    Ok(inspection)
}

fn inspect_block(
    reader: &Reader<'_>,
    (row, hash): (BlockRef, BlockHash),
    inspection: &mut Inspection,
    digest: &mut Sha256,
) -> Result<(), StoreError> {
    inspection.block_count += 1;
    digest.update(hash.0);
    let mut is_wrong = |what: String| {
        inspection.wrong_count += 1;
        if inspection.wrong.len() < WRONG_SHOWN_MAX {
            inspection.wrong.push(what);
        }
    };
    let loaded = match reader.load_block(row) {
        Ok(loaded) => loaded,
        Err(error @ (StoreError::Damaged { .. } | StoreError::Missing { .. })) => {
            is_wrong(error.to_string());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let place = &loaded.header.place;
    let hashes: Vec<RecordHash> = loaded.records.iter().map(|(hash, _)| *hash).collect();
    if loaded.header.block_hash(&hashes) != hash {
        is_wrong(format!("{place} is not what its hash says"));
    }
    let is_gone =
        |(_, record): &&(RecordHash, LoadedRecord)| matches!(record, LoadedRecord::Lost(_));
    let gone_count = loaded.records.iter().filter(is_gone).count();
    if gone_count > 0 {
        is_wrong(format!(
            "{place} lacks {gone_count} shots; the server has rooms send them again, and names \
             what none of them has"
        ));
    }
    let mut shot_count = 0;
    for (position, (hash, record)) in loaded.records.iter().enumerate() {
        let LoadedRecord::Stored(record) = record else {
            continue;
        };
        let found = record.hash();
        digest.update(found.0);
        if found != *hash {
            is_wrong(format!(
                "record {position} of {place} is not what its hash says"
            ));
        }
        shot_count += u64::from(record.as_shot().is_some());
    }
    inspection.shot_count += shot_count;
    Ok(())
}

/// Copies a store: file, ledger and every shot. The source stays as it is; nobody may write to it
/// meanwhile. The copy is the same life of the store, so only one of the two may go on.
///
/// The copy is made beside its place under another name and takes its name only when it is whole
/// and proven equal. One that was interrupted is gone on with, where the source has not changed
/// since; else it begins again.
///
/// # Errors
///
/// [`StoreError::Exists`] when there is a store already, [`StoreError::CopyDiffers`] when the two
/// are not equal, [`StoreError`] when either cannot be used.
pub fn copy_store(
    from: &StorePlace,
    to: &StorePlace,
    mut tell: impl FnMut(Progress),
) -> Result<Inspection, StoreError> {
    if to.path().exists() {
        return Err(StoreError::Exists {
            path: to.path().to_owned(),
        });
    }
    let source = from.open(0)?;
    source.writer.settle()?;
    let part = part_path(to);
    let origin = origin_of(&source, to)?;
    let mut first = first_missing(&part, &origin);
    if first.is_none() {
        for stale in [part.clone(), beside(&part, "-wal"), beside(&part, "-shm")] {
            // What is left of another copy; where there is none, there is nothing to remove.
            let _ = std::fs::remove_file(stale);
        }
        copy_file(&source, &part, to, &origin)?;
        first = Some(1);
    }
    let copied = {
        let target = to.at(part.clone()).open(0)?;
        target.writer.settle()?;
        let is_elsewhere = matches!(to, StorePlace::Influx { .. });
        let first = first.unwrap_or(1);
        copy_shots(&source, &target, first, is_elsewhere, &mut tell)?;
        let before = inspect(&source.readers, &mut tell)?;
        let after = inspect(&target.readers, &mut tell)?;
        if before != after || !after.is_sound() {
            return Err(StoreError::CopyDiffers {
                wrong: after
                    .wrong
                    .into_iter()
                    .chain(before.wrong)
                    .take(3)
                    .collect(),
            });
        }
        finish_file(&target)?;
        after
    };
    rename(&part, to)?;
    Ok(copied)
}

fn beside(path: &std::path::Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn part_path(place: &StorePlace) -> PathBuf {
    beside(place.path(), ".part")
}

fn rename(part: &std::path::Path, to: &StorePlace) -> Result<(), StoreError> {
    let cannot = |source: std::io::Error| StoreError::Open {
        path: to.path().to_owned(),
        source: Box::new(source),
    };
    // The log of a closed store is empty; its lock file belongs to the other name.
    for rest in ["-wal", "-shm", ".lock"] {
        let _ = std::fs::remove_file(beside(part, rest));
    }
    std::fs::rename(part, to.path()).map_err(cannot)?;
    let folder = to.path().parent().unwrap_or(std::path::Path::new("."));
    let folder = if folder.as_os_str().is_empty() {
        std::path::Path::new(".")
    } else {
        folder
    };
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(cannot)
}

/// Which state of which store a copy is made of, and where its shots go.
fn origin_of(source: &Store, to: &StorePlace) -> Result<String, StoreError> {
    let (totals, checkpoint) = source
        .readers
        .with(|reader| Ok::<_, StoreError>((reader.totals()?, reader.checkpoint()?)))?;
    Ok(format!(
        "{:016x} {} blocks {} shots to {}\n{}",
        source.incarnation,
        totals.block_count,
        totals.shot_count,
        name_shelf(to),
        checkpoint.unwrap_or_default()
    ))
}

/// The first block that an interrupted copy of that origin lacks; `None` where there is none that
/// can be gone on with.
fn first_missing(part: &std::path::Path, origin: &str) -> Option<i64> {
    if !part.is_file() {
        return None;
    }
    let file = Connection::open(part).ok()?;
    let value = |key: &str| {
        file.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get::<_, Vec<u8>>(0)
        })
        .ok()
    };
    let is_of_it = value(ORIGIN_KEY)? == origin.as_bytes();
    let first = i64::from_le_bytes(value(FIRST_MISSING_KEY)?.try_into().ok()?);
    is_of_it.then_some(first)
}

/// Takes out of a copy what only its making needed.
fn finish_file(target: &Store) -> Result<(), StoreError> {
    target
        .writer
        .connection()
        .execute(
            "DELETE FROM meta WHERE key IN (?1, ?2)",
            [ORIGIN_KEY, FIRST_MISSING_KEY],
        )
        .during("finish a copy")?;
    Ok(())
}

fn set_meta(file: &Connection, key: &str, value: &[u8]) -> Result<(), StoreError> {
    file.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
        (key, value),
    )
    .during("note how far a copy is")?;
    Ok(())
}

fn copy_file(
    source: &Store,
    part: &std::path::Path,
    to: &StorePlace,
    origin: &str,
) -> Result<(), StoreError> {
    let what = "copy its file";
    let name = part.to_str().ok_or_else(|| StoreError::Open {
        path: part.to_owned(),
        source: "the path is no text".into(),
    })?;
    source
        .writer
        .connection()
        .execute("VACUUM INTO ?1", [name])
        .during(what)?;
    let target = Connection::open(part).during(what)?;
    target
        .execute(
            "UPDATE meta SET value = ?1 WHERE key = 'shelf'",
            [name_shelf(to).as_bytes()],
        )
        .during(what)?;
    set_meta(&target, ORIGIN_KEY, origin.as_bytes())?;
    // Last, so that a copy of half a file is none to go on with.
    set_meta(&target, FIRST_MISSING_KEY, &1_i64.to_le_bytes())
}

/// Brings the shots of every block from `first` on to where the target keeps them.
fn copy_shots(
    source: &Store,
    target: &Store,
    mut first: i64,
    is_elsewhere: bool,
    tell: &mut impl FnMut(Progress),
) -> Result<(), StoreError> {
    let total = source.readers.with(|reader| reader.totals())?.block_count;
    let last = i64::try_from(total).unwrap_or(i64::MAX);
    while first <= last {
        let end = first
            .saturating_add(BLOCKS_PER_GO)
            .min(last.saturating_add(1));
        let (spans, shots) = source.readers.with(|reader| {
            let spans = reader.spans_between(first, end)?;
            let shots = reader.take(&spans)?;
            Ok::<_, StoreError>((spans, shots))
        })?;
        let registry = target.writer.connection();
        durably(registry, |transaction| {
            // Those before are where they belong; these may come once more.
            set_meta(transaction, FIRST_MISSING_KEY, &first.to_le_bytes())?;
            for (span, shots) in spans.iter().zip(shots) {
                place_shots(transaction, span, &shots, is_elsewhere)?;
            }
            Ok(())
        })?;
        target.writer.settle()?;
        first = end;
        tell(Progress {
            step: "copying",
            done: u64::try_from(first - 1).unwrap_or(0),
            total,
        });
    }
    Ok(())
}

/// Puts the shots of a block where the target wants them in its own file.
fn place_shots(
    transaction: &Connection,
    span: &BlockSpan,
    shots: &[ShelvedShot],
    is_elsewhere: bool,
) -> Result<(), StoreError> {
    if is_elsewhere {
        let all = shots
            .iter()
            .map(|shelved| (shelved.position, &shelved.shot));
        shelf::stage(transaction, span.row, all)?;
        transaction
            .prepare_cached("DELETE FROM shots WHERE id BETWEEN ?1 AND ?2")
            .and_then(|mut statement| statement.execute([span.first_shot, span.arrival_last()]))
            .during("take shots out of a copy")?;
        return Ok(());
    }
    let here: Vec<i64> = shelf::kept(transaction, span)?
        .iter()
        .map(|shelved| shelved.arrival)
        .collect();
    let gun = shelf::gun_of(transaction, span.row)?;
    let absent = shots
        .iter()
        .filter(|shelved| !here.contains(&shelved.arrival));
    let placed = absent.map(|shelved| {
        let place = Place {
            id: shelved.arrival,
            block: span.row,
            position: shelved.position,
            gun,
        };
        (place, &shelved.shot)
    });
    insert_shots(transaction, placed)
}
