//! Transactions, by whether they wait for the disk.

use rusqlite::{Connection, Transaction};

use crate::StoreError;
use crate::error::During as _;

/// Does work in a transaction that survives a power cut.
pub(crate) fn durably<T>(
    connection: &Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    transact(connection, "FULL", work)
}

/// Does work in a transaction that survives a power cut only with the next durable one: of two waits
/// for the disk one is saved. Transactions go to the disk in their order, so that none is there
/// without those before it.
pub(crate) fn unhurried<T>(
    connection: &Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    transact(connection, "NORMAL", work)
}

/// In a write-ahead log SQLite waits for the disk at each commit under `FULL`, and under `NORMAL`
/// only before it moves the log into the file.
fn transact<T>(
    connection: &Connection,
    synchronous: &str,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection
        .pragma_update(None, "synchronous", synchronous)
        .during("set when to wait for the disk")?;
    let transaction = connection.unchecked_transaction();
    let transaction = transaction.during("begin to write")?;
    let done = work(&transaction)?;
    transaction.commit().during("make a commit durable")?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durable_transaction_waits_for_the_disk_whatever_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("file.sqlite")).unwrap();
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .unwrap();
        let level = |transaction: &Transaction<'_>| {
            let ask = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            Ok(transaction
                .pragma_query_value(None, "synchronous", ask)
                .unwrap())
        };
        let (normal, full) = (1, 2);
        assert_eq!(unhurried(&connection, level).unwrap(), normal);
        assert_eq!(durably(&connection, level).unwrap(), full);
        let failed = unhurried(&connection, |_| {
            Err::<(), _>(StoreError::damaged("a test", "asked to fail"))
        });
        assert!(failed.is_err());
        assert_eq!(durably(&connection, level).unwrap(), full);
    }
}
