//! Leaves, hashes and the receiver's progress.

use meso_delivery::{CountersCheckpoint, StreamCheckpoint};
use rusqlite::{Transaction, params};

use super::refill::forget_back;
use crate::commit::{BlockRef, EntryRef, LogCommit};
use crate::error::During as _;
use crate::shot_row::bits;
use crate::{StoreError, pack};

/// Writes what the ledger step makes durable.
pub(super) fn log(transaction: &Transaction<'_>, commit: &LogCommit) -> Result<(), StoreError> {
    for leaf in &commit.leaves {
        let number = bits(leaf.leaf);
        transaction
            .prepare_cached("INSERT INTO leaves VALUES (?1, ?2)")
            .and_then(|mut statement| statement.execute(params![number, leaf.bytes]))
            .during("write a leaf")?;
        for BlockRef(block) in &leaf.blocks {
            transaction
                .prepare_cached("UPDATE blocks SET leaf = ?2 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![block, number]))
                .during("log a block")?;
        }
        for EntryRef(entry) in &leaf.entries {
            transaction
                .prepare_cached("UPDATE entries SET leaf = ?2 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![entry, number]))
                .during("log an entry")?;
        }
    }
    for (key, hash) in &commit.hashes {
        transaction
            .prepare_cached("INSERT INTO hashes VALUES (?1, ?2, ?3)")
            .and_then(|mut s| s.execute(params![key.level, bits(key.index), hash.as_bytes()]))
            .during("write a hash of the ledger")?;
    }
    if let Some(note) = &commit.checkpoint {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?1)")
            .and_then(|mut statement| statement.execute([note.as_bytes()]))
            .during("write the checkpoint")?;
    }
    for stream in &commit.changes.streams {
        write_stream(transaction, stream)?;
    }
    for counters in &commit.changes.counters {
        write_counters(transaction, counters)?;
    }
    forget_back(transaction)
}

fn write_stream(
    transaction: &Transaction<'_>,
    stream: &StreamCheckpoint,
) -> Result<(), StoreError> {
    // The clinic is unknown where a stream holds nothing but refused places.
    transaction
        .prepare_cached(
            "INSERT INTO streams (clinic, driver, incarnation, stream, settled, head_number,
             head_hash, expected) VALUES ('', ?1,?2,?3,?4,?5,?6,?7)
             ON CONFLICT (driver, incarnation, stream) DO UPDATE SET settled = excluded.settled,
             head_number = excluded.head_number, head_hash = excluded.head_hash,
             expected = excluded.expected",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                stream.key.driver.as_str(),
                bits(stream.key.incarnation.get()),
                stream.key.stream.to_string(),
                pack::ranges(&stream.settled),
                stream.head.map(|(number, _)| bits(number)),
                stream.head.map(|(_, hash)| hash.0),
                pack::expected(&stream.expected),
            ])
        })
        .during("write the progress of a stream")?;
    Ok(())
}

pub(super) fn write_counters(
    transaction: &Transaction<'_>,
    counters: &CountersCheckpoint,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO counters VALUES (?1,?2,?3,?4,?5,?6,?7)")
        .and_then(|mut statement| {
            statement.execute(params![
                counters.gun.as_str(),
                bits(counters.epoch.get()),
                pack::ranges(&counters.held),
                pack::ranges(&counters.declared),
                counters.open_ended_from.map(bits),
                bits(counters.known_to),
                pack::custody(&counters.custody),
            ])
        })
        .during("write the counters of a gun")?;
    Ok(())
}
