//! A new life of a journal: what it holds is sealed anew, under numbers that nobody has given.

use meso_delivery::{CutLimits, Cutter};
use meso_domain::Stream;
use meso_units::{JournalIncarnation, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use crate::blocks::{context_of, seal};
use crate::error::During;
use crate::schema::{set_incarnation, streams};
use crate::{Identity, JournalError};

/// Forgets blocks, watermarks and what of the blocks is forgotten already, all of which go by
/// numbers of the old life, and seals every record that is here once more. Which shots were here
/// and are forgotten is still known by their counters.
pub(crate) fn begin(
    connection: &mut Connection,
    identity: &Identity,
    incarnation: JournalIncarnation,
    sealed_at: Timestamp,
) -> Result<(), JournalError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .during("begin a new life")?;
    transaction
        .execute_batch(
            "DELETE FROM blocks; DELETE FROM watermarks; DELETE FROM settled_at;
             DELETE FROM forgotten",
        )
        .during("begin a new life")?;
    set_incarnation(&transaction, incarnation)?;
    for (id, stream) in streams(&transaction)? {
        for last in cuts(&transaction, id, &stream)? {
            seal(
                &transaction,
                identity,
                incarnation,
                &stream,
                last,
                sealed_at,
            )?;
        }
    }
    transaction.commit().during("begin a new life")
}

/// The last record of each block-to-be.
fn cuts(connection: &Connection, id: i64, stream: &Stream) -> Result<Vec<u64>, JournalError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT sequence, epoch, session FROM records WHERE stream = ?1 ORDER BY sequence",
        )
        .during("seal anew")?;
    let records = statement
        .query_map([id], |row| {
            let sequence: i64 = row.get(0)?;
            Ok((sequence.cast_unsigned(), context_of(row, 1, 2)?))
        })
        .during("seal anew")?;
    Cutter::cuts(CutLimits::anew(stream), records).during("seal anew")
}
