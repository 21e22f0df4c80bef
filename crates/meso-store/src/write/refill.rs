//! Shots that are gone from where they were kept: noted, and taken again.

use std::collections::{BTreeMap, BTreeSet};

use meso_delivery::Changes;
use meso_domain::{Record, Shot};
use rusqlite::{Transaction, params};

use super::ledger::write_counters;
use crate::error::During as _;
use crate::read::Reader;
use crate::shelf::{self, BlockSpan, Embedded};
use crate::{LostBlock, StoreError};

/// Notes blocks that lack shots, and with that what the receiver holds no more.
pub(super) fn note_lost(
    transaction: &Transaction<'_>,
    lost: &[LostBlock],
    changes: &Changes,
) -> Result<(), StoreError> {
    for block in lost {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO lost (block, missing) VALUES (?1, ?2)")
            .and_then(|mut statement| statement.execute(params![block.row(), block.runs().pack()]))
            .during("note a block that lacks shots")?;
    }
    for counters in &changes.counters {
        write_counters(transaction, counters)?;
    }
    Ok(())
}

/// Takes shots again. They wait in the registry's file until their block lacks none, and go to where
/// they were.
pub(super) fn refill(transaction: &Transaction<'_>, shots: &[Shot]) -> Result<(), StoreError> {
    let reader = Reader::new(transaction, &Embedded);
    let mut homes: BTreeMap<i64, (BlockSpan, BTreeMap<usize, Shot>)> = BTreeMap::new();
    for shot in shots {
        let home = reader.lost_home(&shot.identity)?;
        let hash = Record::Shot(shot.clone()).hash();
        let Some(home) = home.filter(|home| home.hash == hash) else {
            let detail = format!("{} is not missing, or is another one", shot.identity);
            return Err(StoreError::damaged("what is to be taken again", detail));
        };
        let (_, came) = homes
            .entry(home.span.row)
            .or_insert((home.span, BTreeMap::new()));
        came.insert(home.position, shot.clone());
    }
    for (row, (span, mut came)) in homes {
        for shelved in shelf::staged(transaction, &span)? {
            came.insert(shelved.position, shelved.shot);
        }
        shelf::stage(
            transaction,
            row,
            came.iter().map(|(position, shot)| (*position, shot)),
        )?;
        let came: BTreeSet<usize> = came.into_keys().collect();
        let missing = reader.lost_runs(row)?.unwrap_or_default();
        if missing
            .shots()
            .all(|(position, _)| came.contains(&position))
        {
            transaction
                .prepare_cached("UPDATE lost SET is_back = 1 WHERE block = ?1")
                .and_then(|mut statement| statement.execute([row]))
                .during("note a block that is back")?;
        }
    }
    Ok(())
}

/// Forgets blocks that are back, with the progress that says so.
pub(super) fn forget_back(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction
        .prepare_cached("DELETE FROM lost WHERE is_back")
        .and_then(|mut statement| statement.execute([]))
        .during("forget blocks that are back")?;
    Ok(())
}
