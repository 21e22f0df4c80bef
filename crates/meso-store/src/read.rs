//! What can be asked of the store.

mod claims;
mod evidence;
mod fleet;
mod lost;
mod sessions;
mod treated;

use rusqlite::{Connection, Params, Row};

use crate::StoreError;
use crate::error::During as _;
use crate::shelf::{self, BlockSpan, Shelf, ShelvedShot};

pub use evidence::BlockSelection;
pub use fleet::AlertSelection;
pub use sessions::{SealParts, SessionCursor, ShotCursor};

/// Reads from one connection; every list has a limit that the caller gives.
#[derive(Debug)]
pub struct Reader<'c> {
    connection: &'c Connection,
    shelf: &'c dyn Shelf,
}

impl<'c> Reader<'c> {
    pub(crate) const fn new(connection: &'c Connection, shelf: &'c dyn Shelf) -> Reader<'c> {
        Reader { connection, shelf }
    }

    /// Blocks with shots: `rest` is the condition and the order.
    fn spans(
        &self,
        what: &'static str,
        rest: &str,
        values: impl Params,
    ) -> Result<Vec<BlockSpan>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE {rest}",
            BlockSpan::COLUMNS,
            BlockSpan::TABLES
        );
        self.all(what, &sql, values, BlockSpan::read)
    }

    /// The blocks with shots among some rows.
    pub(crate) fn spans_between(&self, first: i64, end: i64) -> Result<Vec<BlockSpan>, StoreError> {
        let rest = "b.id >= ?1 AND b.id < ?2 ORDER BY b.id";
        self.spans("read blocks", rest, [first, end])
    }

    /// The stored shots of blocks, in the order of the blocks.
    pub(crate) fn take(&self, spans: &[BlockSpan]) -> Result<Vec<Vec<ShelvedShot>>, StoreError> {
        shelf::take(self.connection, self.shelf, spans)
    }

    fn all<T>(
        &self,
        what: &'static str,
        sql: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).during(what)?;
        let mut rows = statement.query(values).during(what)?;
        let mut items = Vec::new();
        while let Some(row) = rows.next().during(what)? {
            items.push(read(row)?);
        }
        Ok(items)
    }

    fn one<T>(
        &self,
        what: &'static str,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.all(what, sql, values, read)?.pop())
    }
}

/// Reads a cell and names what was tried.
fn cell<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    row.get(index).during("read a cell")
}

/// Reads a count.
fn count(row: &Row<'_>, index: usize) -> Result<u64, StoreError> {
    let raw: i64 = cell(row, index)?;
    u64::try_from(raw).map_err(|_| StoreError::damaged("a count", raw))
}
