//! The connection that writes.

mod beside;
mod ledger;
mod sums;

use std::collections::HashMap;
use std::fs::File;

use meso_delivery::StreamKey;
use meso_domain::canonical::Canonical as _;
use meso_domain::{Judgement, Record, Shot, Stream};
use meso_units::{ClinicId, GunSerial};
use rusqlite::{Connection, Transaction, params};

use crate::commit::{Commit, LogCommit, NewBlock, SealedSession, ShotFate, Unlogged};
use crate::error::During as _;
use crate::read::Reader;
use crate::shot_row::{self, Place, bits};
use crate::{StoreError, pack};
use beside::{insert_entry, insert_quarantined, replace_track, upsert_alert};
use sums::Sums;

/// Things in quarantine; of further ones only the tally `quarantine_full` counts, and the ledger
/// entry that names their digest stays.
pub const QUARANTINE_ROWS_MAX: i64 = 100_000;

/// Quarantined things whose bytes are kept, at most 256 KiB each; of further ones only the digest,
/// the reason and the count are kept.
pub const QUARANTINE_BYTES_ROWS_MAX: i64 = 1_000;

/// Makes commits durable. There is one for each store.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    names: Names,
    /// Held for as long as the connection, and dropped after it.
    _lock: File,
}

impl Drop for Writer {
    /// Moves what is left in the write-ahead log into the file, so that a copy of the one file is
    /// whole. Failing costs nothing: the next start reads the log.
    fn drop(&mut self) {
        let _ = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

/// Row numbers of names, so that a commit need not look them up.
#[derive(Debug, Default)]
struct Names {
    guns: HashMap<GunSerial, i64>,
    streams: HashMap<StreamKey, i64>,
}

impl Writer {
    pub(crate) fn new(connection: Connection, lock: File) -> Writer {
        Writer {
            connection,
            _lock: lock,
            names: Names::default(),
        }
    }

    /// Reads what this connection sees.
    pub fn read(&self) -> Reader<'_> {
        Reader::new(&self.connection)
    }

    /// Makes blocks and what follows from them durable, in one transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing of the commit is then stored.
    pub fn store(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let done = self.in_transaction(|transaction, names| store(transaction, names, commit));
        if done.is_err() {
            // Row numbers given in a transaction that was undone mean nothing.
            self.names = Names::default();
        }
        done
    }

    /// Seals sessions, in one transaction; one that is sealed already is left alone.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is then sealed.
    pub fn seal(&mut self, sealed: &[SealedSession]) -> Result<(), StoreError> {
        self.in_transaction(|transaction, _| {
            for session in sealed {
                if sums::seal_session(transaction, &session.seal)? {
                    insert_entry(transaction, &session.entry)?;
                }
            }
            Ok(())
        })
    }

    /// Makes ledger leaves, their checkpoint and the receiver's progress durable, in one
    /// transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing of it is then stored.
    pub fn log(&mut self, commit: &LogCommit) -> Result<(), StoreError> {
        self.in_transaction(|transaction, _| ledger::log(transaction, commit))
    }

    /// What is stored and not logged, oldest first, at most so many blocks and entries.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn unlogged(&self, blocks_max: usize, entries_max: usize) -> Result<Unlogged, StoreError> {
        self.read().unlogged(blocks_max, entries_max)
    }

    fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Names) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.connection.transaction().during("begin to write")?;
        let done = work(&transaction, &mut self.names)?;
        transaction.commit().during("make a commit durable")?;
        Ok(done)
    }
}

fn store(
    transaction: &Transaction<'_>,
    names: &mut Names,
    commit: &Commit,
) -> Result<(), StoreError> {
    let mut sums = Sums::default();
    // Events first: shots of the same commit are then summed under a session that is known.
    for block in &commit.blocks {
        let header = block.block.header();
        for record in block.block.records() {
            if let Record::Session(event) = record {
                sums::apply_event(transaction, header, event)?;
            }
        }
    }
    for block in &commit.blocks {
        store_block(transaction, names, &mut sums, block)?;
    }
    sums.write(transaction)?;
    for alert in &commit.alerts {
        upsert_alert(transaction, alert)?;
    }
    for track in &commit.tracks {
        replace_track(transaction, track)?;
    }
    for entry in &commit.entries {
        insert_entry(transaction, entry)?;
    }
    for quarantined in &commit.quarantined {
        insert_quarantined(transaction, quarantined)?;
    }
    add_tally(transaction, "blocks_again", commit.blocks_again_count)?;
    add_tally(transaction, "shots_again", commit.shots_again_count)
}

fn add_tally(transaction: &Transaction<'_>, name: &str, count: u64) -> Result<(), StoreError> {
    if count == 0 {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT INTO tallies VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        )
        .and_then(|mut statement| statement.execute(params![name, bits(count)]))
        .during("count")?;
    Ok(())
}

fn store_block(
    transaction: &Transaction<'_>,
    names: &mut Names,
    sums: &mut Sums,
    new: &NewBlock,
) -> Result<(), StoreError> {
    let header = new.block.header();
    let stream = stream_row(
        transaction,
        names,
        &header.clinic,
        &StreamKey::from(&header.place),
    )?;
    let gun = match &header.place.stream {
        Stream::Gun(serial) => Some(gun_row(transaction, names, serial)?),
        Stream::Room => None,
    };
    let session = match header.session {
        Some(id) => Some(sums::session_row(transaction, header, id)?),
        None => None,
    };
    let block = insert_block(
        transaction,
        new,
        stream,
        gun,
        session.as_ref().map(|s| s.row),
    )?;
    let mut inserted = Vec::new();
    let mut judged = new.block.judgements().iter().zip(&new.fates);
    for (position, record) in new.block.records().iter().enumerate() {
        let Record::Shot(shot) = record else {
            insert_record(
                transaction,
                block,
                position,
                record,
                session.as_ref().map(|s| s.row),
            )?;
            continue;
        };
        let (Some(gun), Some((edge, fate))) = (gun, judged.next()) else {
            continue;
        };
        let ShotFate::Store(verdict) = fate else {
            insert_other_copy(transaction, block, position, shot)?;
            continue;
        };
        let place = Place {
            block,
            position,
            gun,
        };
        let row = insert_shot(transaction, &place, shot, edge, verdict)?;
        inserted.push(row);
        sums.count(header, gun, session.as_ref(), shot, verdict);
    }
    set_shot_range(transaction, block, &inserted)
}

fn insert_block(
    transaction: &Transaction<'_>,
    new: &NewBlock,
    stream: i64,
    gun: Option<i64>,
    session: Option<i64>,
) -> Result<i64, StoreError> {
    let header = new.block.header();
    let times = || new.block.records().iter().map(record_at_ns);
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO blocks (stream, number, hash, header, record_hashes, judgements, gun,
             session, first_at_ns, last_at_ns) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
        )
        .during("prepare to write a block")?;
    statement
        .insert(params![
            stream,
            bits(header.place.number.get()),
            new.hash.0,
            header.canonical_bytes(),
            pack::hashes(&new.record_hashes),
            pack::judgements(new.block.judgements()),
            gun,
            session,
            times().min(),
            times().max(),
        ])
        .during("write a block")
}

fn record_at_ns(record: &Record) -> i64 {
    match record {
        Record::Shot(shot) => shot.at.unix_ns(),
        Record::Session(event) => event.at().unix_ns(),
        Record::Gap(gap) => gap.at.unix_ns(),
        Record::Amendment(amendment) => amendment.at.unix_ns(),
    }
}

fn set_shot_range(
    transaction: &Transaction<'_>,
    block: i64,
    inserted: &[i64],
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (inserted.first(), inserted.last()) else {
        return Ok(());
    };
    transaction
        .prepare_cached("UPDATE blocks SET first_shot = ?2, last_shot = ?3 WHERE id = ?1")
        .and_then(|mut statement| statement.execute(params![block, first, last]))
        .during("write the range of a block")?;
    Ok(())
}

fn insert_shot(
    transaction: &Transaction<'_>,
    place: &Place,
    shot: &Shot,
    edge: &Judgement,
    verdict: &Judgement,
) -> Result<i64, StoreError> {
    let mut statement = transaction
        .prepare_cached(shot_row::INSERT)
        .during("prepare to write a shot")?;
    shot_row::insert(&mut statement, place, shot)?;
    let row = transaction.last_insert_rowid();
    if verdict.findings.is_empty() && verdict == edge {
        return Ok(row);
    }
    transaction
        .prepare_cached("INSERT INTO verdicts VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| {
            let worst = verdict.worst().map(meso_domain::Severity::code);
            statement.execute(params![row, worst, verdict.canonical_bytes()])
        })
        .during("write a verdict")?;
    Ok(row)
}

fn insert_other_copy(
    transaction: &Transaction<'_>,
    block: i64,
    position: usize,
    shot: &Shot,
) -> Result<(), StoreError> {
    let counter = shot.identity.counter.get();
    transaction
        .prepare_cached("INSERT INTO other_copies VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute(params![block, position as i64, counter]))
        .during("note another copy of a shot")?;
    Ok(())
}

fn insert_record(
    transaction: &Transaction<'_>,
    block: i64,
    position: usize,
    record: &Record,
    session: Option<i64>,
) -> Result<(), StoreError> {
    let bytes = record.canonical_bytes();
    let kind = bytes.first().copied();
    transaction
        .prepare_cached(
            "INSERT INTO records (block, position, kind, session, bytes) VALUES (?1,?2,?3,?4,?5)",
        )
        .and_then(|mut s| s.execute(params![block, position as i64, kind, session, bytes]))
        .during("write a record")?;
    Ok(())
}

fn gun_row(
    transaction: &Transaction<'_>,
    names: &mut Names,
    serial: &GunSerial,
) -> Result<i64, StoreError> {
    if let Some(row) = names.guns.get(serial) {
        return Ok(*row);
    }
    let row = transaction
        .prepare_cached(
            "INSERT INTO guns (serial) VALUES (?1)
             ON CONFLICT (serial) DO UPDATE SET serial = serial RETURNING id",
        )
        .and_then(|mut statement| statement.query_row([serial.as_str()], |row| row.get(0)))
        .during("write a gun")?;
    names.guns.insert(serial.clone(), row);
    Ok(row)
}

fn stream_row(
    transaction: &Transaction<'_>,
    names: &mut Names,
    clinic: &ClinicId,
    key: &StreamKey,
) -> Result<i64, StoreError> {
    if let Some(row) = names.streams.get(key) {
        return Ok(*row);
    }
    let row = transaction
        .prepare_cached(
            "INSERT INTO streams (clinic, driver, incarnation, stream) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (driver, incarnation, stream) DO UPDATE SET clinic = excluded.clinic RETURNING id",
        )
        .and_then(|mut statement| {
            let values = params![
                clinic.as_str(),
                key.driver.as_str(),
                bits(key.incarnation.get()),
                key.stream.to_string()
            ];
            statement.query_row(values, |row| row.get(0))
        })
        .during("write a stream")?;
    names.streams.insert(key.clone(), row);
    Ok(row)
}
