//! The connection that writes.

mod aside;
mod beside;
mod claim;
mod claimed;
mod disk;
mod ledger;
mod merges;
mod refill;
mod rows;
mod sums;
mod transact;
mod treated;

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use meso_delivery::StreamKey;
use meso_domain::canonical::Canonical as _;
use meso_domain::{Judgement, Record, Shot, ShotIdentity, Stream};
use meso_units::{GunSerial, Timestamp};
use rusqlite::{Connection, Transaction, params};

use crate::commit::{Commit, LogCommit, NewBlock, SealedSession, ShotFate, Unlogged};
use crate::error::During as _;
use crate::read::Reader;
use crate::shelf::{self, FreshBlock, FreshShot, Shelf};
use crate::shot_row::{self, Place, bits};
use crate::{LostBlock, StoreError, pack};
pub use aside::{QUARANTINE_BYTES_ROWS_MAX, QUARANTINE_ROWS_MAX, QUARANTINE_SMALL_BYTES_MAX};
pub(crate) use aside::{insert_quarantined, quarantine_room};
pub(crate) use beside::insert_entry;
use beside::write_beside;
use claim::Claim;
use rows::{gun_row, insert_other_copies, stream_row};
use sums::Sums;
pub(crate) use transact::{durably, unhurried};

/// Makes commits durable. There is one for each store.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    names: Names,
    shelf: Arc<dyn Shelf>,
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

/// Row numbers of names and the like, so that a commit need not look them up.
#[derive(Debug, Default)]
struct Names {
    guns: HashMap<GunSerial, i64>,
    streams: HashMap<StreamKey, i64>,
    spans: HashMap<i64, Spans>,
    /// The number of the next shot; unknown until the first is stored.
    next_shot: Option<i64>,
    /// Whether shots leave the registry's file.
    is_elsewhere: bool,
}

/// How wide the widest block of a gun is.
#[derive(Clone, Copy, Debug, Default)]
struct Spans {
    ns_max: i64,
    counter_max: i64,
}

impl Writer {
    pub(crate) fn new(connection: Connection, lock: File, shelf: Arc<dyn Shelf>) -> Writer {
        Writer {
            connection,
            _lock: lock,
            names: Names::fresh(&*shelf),
            shelf,
        }
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads what this connection sees.
    pub fn read(&self) -> Reader<'_> {
        Reader::new(&self.connection, &*self.shelf)
    }

    /// Makes blocks and what follows from them durable: first in one transaction of the registry's
    /// file, then, where shots are kept elsewhere, there.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. Either nothing of the commit is then stored, or all of it lies in the
    /// registry's file and waits for [`Writer::settle`]: call that before anything else.
    pub fn store(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.register(commit)?;
        self.settle()
    }

    /// As [`Writer::store`], but where shots are kept elsewhere it does not wait for that: the shots
    /// are durable in the registry's file, are read there, and are on their way, some commits of
    /// them at most. So a backlog keeps the other store busy while the next commit is decided.
    /// [`Writer::settle`] waits for the last.
    ///
    /// # Errors
    ///
    /// As [`Writer::store`], also where what an earlier call began has failed.
    pub fn store_ahead(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let fresh = self.register(commit)?;
        self.shelf.advance(&self.connection, &fresh)
    }

    /// Gives the blocks whose shots leave the registry's file.
    fn register<'c>(&mut self, commit: &'c Commit) -> Result<Vec<FreshBlock<'c>>, StoreError> {
        let done = self.in_transaction(|transaction, names| store(transaction, names, commit));
        if done.is_err() {
            // Row numbers given in a transaction that was undone mean nothing.
            self.names = Names::fresh(&*self.shelf);
        }
        done
    }

    /// As [`Writer::settle`], but it gives up waiting for answers to writes after a moment; says whether
    /// there is more to wait for. So whoever has nothing else to do can bring shots to where they are
    /// kept and still turn to the next commit at once. Only a block of which a part is sent again is
    /// read back first.
    ///
    /// # Errors
    ///
    /// As [`Writer::settle`].
    pub fn settle_some(&self) -> Result<bool, StoreError> {
        self.shelf.settle_some(&self.connection)
    }

    /// Brings what an earlier commit left in the registry's file to where shots are kept.
    ///
    /// # Errors
    ///
    /// [`StoreError`] while that cannot be reached; what is not there yet stays where it is.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.shelf.settle(&self.connection)
    }

    /// Sends shots of a block again that the store they are kept in has refused; says whether it
    /// has them now. `false` also where the shot lies where it should.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the shot is not stored, or the other store cannot be reached.
    pub fn send_again(&self, identity: &ShotIdentity) -> Result<bool, StoreError> {
        let reader = self.read();
        let Some(block) = reader.block_of(identity)? else {
            let detail = format!("{identity} is not stored");
            return Err(StoreError::damaged("the quarantine", detail));
        };
        let kept = |reader: &Reader<'_>| reader.is_in_file(&block, identity);
        if !self.shelf.is_elsewhere() || !kept(&reader)? {
            return Ok(false);
        }
        durably(&self.connection, |transaction| {
            shelf::stage_kept(transaction, &block)
        })?;
        self.settle()?;
        Ok(!kept(&reader)?)
    }

    /// Notes that something left the quarantine, and when. Its bytes lie where they belong by then,
    /// and make room for others.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is then noted.
    pub fn note_released(&mut self, digest: [u8; 32], at: Timestamp) -> Result<(), StoreError> {
        self.in_transaction(|transaction, _| {
            transaction
                .execute(
                    "UPDATE quarantine SET released_at_ns = ?2, bytes = NULL WHERE digest = ?1",
                    params![digest, at.unix_ns()],
                )
                .during("note a release")?;
            Ok(())
        })
    }

    /// Seals sessions, in one transaction; one that is sealed already is left alone. It survives a
    /// power cut once [`Writer::log`] has logged it: until then all of it may be gone, and is made
    /// anew from what is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is then sealed.
    pub fn seal(&mut self, sealed: &[SealedSession]) -> Result<(), StoreError> {
        unhurried(&self.connection, |transaction| {
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

    /// Notes blocks that lack shots: these are missing from now on, and are wanted once more.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is then noted.
    pub fn note_lost(&mut self, lost: &[LostBlock]) -> Result<(), StoreError> {
        let mut receiver = self.read().receiver()?;
        for shot in lost.iter().flat_map(LostBlock::missing) {
            receiver.forget_shot(&shot);
        }
        let changes = receiver.take_changes();
        self.in_transaction(|transaction, _| refill::note_lost(transaction, lost, &changes))
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
        let names = &mut self.names;
        durably(&self.connection, |transaction| work(transaction, names))
    }
}

impl Names {
    fn fresh(shelf: &dyn Shelf) -> Names {
        Names {
            is_elsewhere: shelf.is_elsewhere(),
            ..Names::default()
        }
    }
}

fn store<'c>(
    transaction: &Transaction<'_>,
    names: &mut Names,
    commit: &'c Commit,
) -> Result<Vec<FreshBlock<'c>>, StoreError> {
    let mut sums = Sums::default();
    let mut fresh = Vec::new();
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
        fresh.extend(store_block(transaction, names, &mut sums, block)?);
    }
    refill::refill(transaction, &commit.refills)?;
    sums.write(transaction)?;
    write_beside(transaction, commit)?;
    Ok(fresh)
}

/// A shot of a block that is to be stored.
struct Stored<'b> {
    position: usize,
    shot: &'b Shot,
    edge: &'b Judgement,
    verdict: &'b Judgement,
}

/// Gives it where its shots leave the registry's file.
fn store_block<'c>(
    transaction: &Transaction<'_>,
    names: &mut Names,
    sums: &mut Sums,
    new: &'c NewBlock,
) -> Result<Option<FreshBlock<'c>>, StoreError> {
    let header = new.block.header();
    let key = StreamKey::from(&header.place);
    let stream = stream_row(transaction, names, &header.clinic, &key)?;
    let session = match header.session {
        Some(id) => Some(sums::session_row(transaction, header, id)?),
        None => None,
    };
    let stored = stored_shots(new);
    let gun = match &header.place.stream {
        Stream::Gun(serial) => Some(gun_row(transaction, names, serial)?),
        Stream::Room => None,
    };
    let claim = match gun {
        Some(gun) => claim::claim(transaction, names, header, gun, &stored)?,
        None => None,
    };
    let block = insert_block(transaction, new, stream, gun, session, claim.as_ref())?;
    for (position, record) in new.block.records().iter().enumerate() {
        if record.as_shot().is_none() {
            insert_record(transaction, block, position, record, session)?;
        }
    }
    insert_other_copies(transaction, block, new)?;
    let (Some(gun), Some(claim)) = (gun, claim) else {
        return Ok(None);
    };
    for (id, stored) in (claim.first_shot..).zip(&stored) {
        insert_verdict(transaction, id, stored)?;
        sums.count(new, gun, session, stored.shot, stored.verdict);
    }
    let shots = (claim.first_shot..).zip(&stored).map(|(id, stored)| {
        let place = Place {
            id,
            block,
            position: stored.position,
            gun,
        };
        (place, stored.shot)
    });
    if !names.is_elsewhere {
        insert_shots(transaction, shots)?;
        return Ok(None);
    }
    let staged = shots.map(|(place, shot)| (place.position, shot));
    shelf::stage(transaction, block, staged)?;
    let fresh = stored.iter().map(|stored| FreshShot {
        position: stored.position,
        shot: stored.shot,
        worst: stored.verdict.worst(),
    });
    Ok(Some(FreshBlock {
        row: block,
        shots: fresh.collect(),
    }))
}

/// The shots of a block that are stored under it.
fn stored_shots(new: &NewBlock) -> Vec<Stored<'_>> {
    let records = new.block.records().iter().enumerate();
    let shots = records.filter_map(|(position, record)| Some((position, record.as_shot()?)));
    let judged = new.block.judgements().iter().zip(&new.fates);
    shots
        .zip(judged)
        .filter_map(|((position, shot), (edge, fate))| match fate {
            ShotFate::Store(verdict) => Some(Stored {
                position,
                shot,
                edge,
                verdict,
            }),
            ShotFate::OtherCopyStored => None,
        })
        .collect()
}

fn insert_block(
    transaction: &Transaction<'_>,
    new: &NewBlock,
    stream: i64,
    gun: Option<i64>,
    session: Option<i64>,
    claim: Option<&Claim>,
) -> Result<i64, StoreError> {
    let header = new.block.header();
    let times = || new.block.records().iter().map(record_at_ns);
    let extent = claim.map(|claim| &claim.extent);
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO blocks (stream, number, hash, gun, session, first_at_ns, last_at_ns,
             first_shot, last_shot, runs, epoch, first_counter, last_counter, shots_from_ns,
             shots_to_ns, slot, slot_count, utc_offset_s, stretches)
             VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
        )
        .during("prepare to write a block")?;
    let block = statement
        .insert(params![
            stream,
            bits(header.place.number.get()),
            new.hash.0,
            gun,
            session,
            times().min(),
            times().max(),
            claim.map(|claim| claim.first_shot),
            claim.map(|claim| claim.last_shot),
            extent.map(|extent| extent.runs.pack()),
            claim.map(|claim| bits(claim.epoch)),
            extent.map(|extent| extent.first_counter),
            extent.map(|extent| extent.last_counter),
            extent.map(|extent| extent.from_ns),
            extent.map(|extent| extent.to_ns),
            claim.map(|claim| claim.slot),
            extent.map(|extent| extent.slot_count),
            new.utc_offset_s,
            extent.and_then(|extent| extent.stretches.pack()),
        ])
        .during("write a block")?;
    transaction
        .prepare_cached("INSERT INTO block_bodies VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| {
            statement.execute(params![
                block,
                header.canonical_bytes(),
                pack::hashes(new.block.record_hashes()),
                pack::judgements(new.block.judgements()),
            ])
        })
        .during("write a block")?;
    Ok(block)
}

fn record_at_ns(record: &Record) -> i64 {
    match record {
        Record::Shot(shot) => shot.at.unix_ns(),
        Record::Session(event) => event.at().unix_ns(),
        Record::Gap(gap) => gap.at.unix_ns(),
        Record::Amendment(amendment) => amendment.at.unix_ns(),
        Record::Custody(custody) => custody.at.unix_ns(),
        Record::Interlock(event) => event.at.unix_ns(),
        Record::Patient(merged) => merged.at.unix_ns(),
    }
}

/// Writes shots into the file itself.
pub(crate) fn insert_shots<'s>(
    transaction: &Connection,
    shots: impl Iterator<Item = (Place, &'s Shot)>,
) -> Result<(), StoreError> {
    let mut statement = transaction
        .prepare_cached(shot_row::INSERT)
        .during("prepare to write a shot")?;
    for (place, shot) in shots {
        shot_row::insert(&mut statement, &place, shot)?;
    }
    Ok(())
}

fn insert_verdict(
    transaction: &Transaction<'_>,
    shot: i64,
    stored: &Stored<'_>,
) -> Result<(), StoreError> {
    let verdict = stored.verdict;
    if verdict.findings.is_empty() && verdict == stored.edge {
        return Ok(());
    }
    transaction
        .prepare_cached("INSERT INTO verdicts VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| {
            let worst = verdict.worst().map(meso_domain::Severity::code);
            statement.execute(params![shot, worst, verdict.canonical_bytes()])
        })
        .during("write a verdict")?;
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
