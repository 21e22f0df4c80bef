//! The file's layout, version 1.
//!
//! Numbers of 64 bits without a sign are kept as the same bits with one. Streams have small
//! numbers of their own, so that a row does not repeat a name.

use std::path::Path;

use meso_domain::Stream;
use meso_units::JournalIncarnation;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};

use crate::error::During;
use crate::{Identity, JournalError};

/// The layout that this program writes.
pub(crate) const FORMAT: i64 = 1;

/// Pages of 4 KiB that SQLite may keep in memory: 1 MiB, since the whole driver has 24.
const CACHE_KIB: i64 = 1_024;

/// Prepared statements that are kept: all that there are, so that none is prepared twice.
const STATEMENTS_KEPT_MAX: usize = 64;

/// How long another reader, such as a person with the sqlite3 tool, may hold the file.
const BUSY_TIMEOUT_MS: i64 = 2_000;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS records (
    stream INTEGER NOT NULL, sequence INTEGER NOT NULL,
    body BLOB NOT NULL, judgement BLOB,
    epoch INTEGER, counter INTEGER, session BLOB,
    PRIMARY KEY (stream, sequence)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS records_by_shot
    ON records (stream, epoch, counter) WHERE counter IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_by_session
    ON records (session) WHERE session IS NOT NULL;
CREATE TABLE IF NOT EXISTS held (
    stream INTEGER NOT NULL, epoch INTEGER NOT NULL, kind INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (stream, epoch, kind, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    stream INTEGER NOT NULL, number INTEGER NOT NULL, header BLOB NOT NULL, hash BLOB NOT NULL,
    first_sequence INTEGER NOT NULL, last_sequence INTEGER NOT NULL,
    PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watermarks (
    stream INTEGER PRIMARY KEY, settled_to INTEGER NOT NULL, ranges TEXT NOT NULL,
    store INTEGER NOT NULL, ingest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS settled_at (
    stream INTEGER NOT NULL, settled_to INTEGER NOT NULL, at_ns INTEGER NOT NULL,
    PRIMARY KEY (stream, settled_to)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgotten (
    stream INTEGER NOT NULL, epoch INTEGER NOT NULL,
    first_block INTEGER NOT NULL, last_block INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (stream, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, gun TEXT, epoch INTEGER, counter INTEGER,
    reason TEXT NOT NULL, bytes BLOB NOT NULL);
";

/// Opens or makes the file and checks whose it is.
pub(crate) fn open(
    path: &Path,
    identity: &Identity,
    new_incarnation: JournalIncarnation,
) -> Result<(Connection, JournalIncarnation), JournalError> {
    let connection = Connection::open(path).during("open its file")?;
    // Else a statement is compiled anew whenever another value is bound to it, which is for
    // statistics that nobody gathers here, and was half of what an append cost.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .during("keep its statements")?;
    for (name, value) in [
        ("journal_mode", "WAL".to_owned()),
        ("synchronous", "FULL".to_owned()),
        ("cache_size", (-CACHE_KIB).to_string()),
        ("mmap_size", "0".to_owned()),
        ("busy_timeout", BUSY_TIMEOUT_MS.to_string()),
    ] {
        connection
            .pragma_update_and_check(None, name, &value, |_| Ok(()))
            .or_else(accept_silence)
            .during("set up its file")?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    connection.execute_batch(TABLES).during("make its tables")?;
    let incarnation = identify(&connection, identity, new_incarnation)?;
    Ok((connection, incarnation))
}

/// Some settings answer with the value, some with nothing.
fn accept_silence(error: rusqlite::Error) -> Result<(), rusqlite::Error> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}

fn identify(
    connection: &Connection,
    identity: &Identity,
    new_incarnation: JournalIncarnation,
) -> Result<JournalIncarnation, JournalError> {
    let format = i64::from_le_bytes(fixed(&value_or(
        connection,
        "format",
        &FORMAT.to_le_bytes(),
    )?));
    if format != FORMAT {
        return Err(JournalError::Format {
            found: format,
            known: FORMAT,
        });
    }
    let wanted = format!("{}/{}", identity.clinic, identity.driver);
    let found = value_or(connection, "owner", wanted.as_bytes())?;
    if found != wanted.as_bytes() {
        return Err(JournalError::Stranger {
            found: String::from_utf8_lossy(&found).into_owned(),
            wanted,
        });
    }
    let incarnation = value_or(
        connection,
        "incarnation",
        &new_incarnation.get().to_le_bytes(),
    )?;
    Ok(JournalIncarnation(u64::from_le_bytes(fixed(&incarnation))))
}

/// Writes which life of the journal this is.
pub(crate) fn set_incarnation(
    connection: &Connection,
    incarnation: JournalIncarnation,
) -> Result<(), JournalError> {
    set_value(connection, "incarnation", &incarnation.get().to_le_bytes())
}

/// Reads a named value, and writes it first where there is none.
fn value_or(connection: &Connection, name: &str, new: &[u8]) -> Result<Vec<u8>, JournalError> {
    connection
        .execute(
            "INSERT OR IGNORE INTO meta (name, value) VALUES (?1, ?2)",
            (name, new),
        )
        .during("write its identity")?;
    Ok(value(connection, name)?.unwrap_or_default())
}

/// Reads a named value.
pub(crate) fn value(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
    connection
        .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()
        .during("read a value")
}

/// Reads every named value whose name begins like this, by the rest of its name.
pub(crate) fn values_under(
    connection: &Connection,
    prefix: &str,
) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
    let mut statement = connection
        .prepare(
            "SELECT substr(name, length(?1) + 1), value FROM meta
             WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
        )
        .during("read values")?;
    statement
        .query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .during("read values")
}

/// Writes a named value.
pub(crate) fn set_value(
    connection: &Connection,
    name: &str,
    bytes: &[u8],
) -> Result<(), JournalError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute((name, bytes)))
        .during("write a value")?;
    Ok(())
}

/// Bytes of a fixed length; shorter ones are followed by zeros.
pub(crate) fn fixed(bytes: &[u8]) -> [u8; 8] {
    let mut fixed = [0; 8];
    let length = bytes.len().min(8);
    fixed[..length].copy_from_slice(&bytes[..length]);
    fixed
}

/// The number of a stream, made where it is new.
pub(crate) fn stream_id(connection: &Connection, stream: &Stream) -> Result<i64, JournalError> {
    if let Some(id) = known_stream_id(connection, stream)? {
        return Ok(id);
    }
    connection
        .execute(
            "INSERT INTO streams (name) VALUES (?1)",
            [stream.to_string()],
        )
        .during("add a stream")?;
    Ok(connection.last_insert_rowid())
}

/// The number of a stream that is there.
pub(crate) fn known_stream_id(
    connection: &Connection,
    stream: &Stream,
) -> Result<Option<i64>, JournalError> {
    connection
        .prepare_cached("SELECT id FROM streams WHERE name = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([stream.to_string()], |row| row.get(0))
                .optional()
        })
        .during("find a stream")
}

/// Every stream with its number.
pub(crate) fn streams(connection: &Connection) -> Result<Vec<(i64, Stream)>, JournalError> {
    let mut statement = connection
        .prepare("SELECT id, name FROM streams ORDER BY id")
        .during("list its streams")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .and_then(Iterator::collect::<Result<Vec<(i64, String)>, _>>)
        .during("list its streams")?;
    rows.into_iter()
        .map(|(id, name)| Ok((id, Stream::parse(&name)?)))
        .collect()
}
