//! Looking at a journal without touching it, also while a driver writes to it.

use std::path::{Path, PathBuf};

use meso_delivery::{Range, StreamPosition};
use meso_domain::canonical::Canonical;
use meso_domain::{Gap, RecordBlock, Stream};
use meso_units::{BlockNumber, Epoch, GunSerial, JournalIncarnation, ShotCounter, Timestamp};
use rusqlite::{Connection, OpenFlags};

use crate::error::During;
use crate::held::{self, Kind};
use crate::open::FILE_NAME;
use crate::schema::{self, FORMAT, fixed, streams};
use crate::{JournalError, QuarantinedFrame, blocks, recovery, retention};

/// How long a look waits for the writer's lock; a writer never waits for a look.
const BUSY_TIMEOUT_MS: i64 = 2_000;

/// A journal opened for reading; everything that it says is of one moment, that of the opening.
///
/// The driver may go on writing meanwhile. Close it soon: while it is open, the driver's
/// write-ahead log cannot be folded into the file.
#[derive(Debug)]
pub struct JournalView {
    connection: Connection,
    path: PathBuf,
    owner: String,
    incarnation: JournalIncarnation,
}

/// How large a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSize {
    /// The file, in bytes.
    pub file_bytes: u64,
    /// Its write-ahead log, in bytes.
    pub log_bytes: u64,
    /// What of the file is in use, in bytes; the rest is written again before the file grows.
    pub used_bytes: u64,
    /// What settled blocks of guns take of that, in bytes.
    pub settled_bytes: u64,
}

/// How one stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamView {
    /// Stream, newest block and watermark.
    pub position: StreamPosition,
    /// The oldest block that is still here; `None` for none.
    pub oldest_block: Option<BlockNumber>,
    /// Records that are here.
    pub record_count: u64,
    /// Records that are in no block yet.
    pub unsealed_count: u64,
    /// Sealed blocks that the ingest has not settled.
    pub unsettled_blocks: Vec<Range>,
}

/// What is held of one gun and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochView {
    /// The gun.
    pub gun: GunSerial,
    /// Its epoch.
    pub epoch: Epoch,
    /// Every counter up to here is a shot in the journal or a gap with a name; 0 for none.
    pub contiguous: ShotCounter,
    /// Counters whose shots were recorded.
    pub shots: Vec<Range>,
    /// Counters that a declared gap names.
    pub gaps: Vec<Range>,
    /// Counters below the newest that are neither: still awaited from the gun.
    pub missing: Vec<Range>,
}

impl JournalView {
    /// Opens the journal of a data folder for reading; makes nothing.
    ///
    /// # Errors
    ///
    /// [`JournalError::Absent`] where there is none, [`JournalError::Format`], or what SQLite
    /// says.
    pub fn open(folder: &Path) -> Result<JournalView, JournalError> {
        let path = folder.join(FILE_NAME);
        if !path.is_file() {
            return Err(JournalError::Absent { path });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).during("open its file")?;
        connection
            .pragma_update_and_check(None, "busy_timeout", BUSY_TIMEOUT_MS, |_| Ok(()))
            .and_then(|()| connection.execute_batch("BEGIN"))
            .during("begin to read")?;
        let number = |name| -> Result<Option<[u8; 8]>, JournalError> {
            Ok(schema::value(&connection, name)?.map(|bytes| fixed(&bytes)))
        };
        let format = number("format")?.map_or(0, i64::from_le_bytes);
        if format != FORMAT {
            return Err(JournalError::Format {
                found: format,
                known: FORMAT,
            });
        }
        let incarnation = number("incarnation")?.map_or(0, u64::from_le_bytes);
        let owner = schema::value(&connection, "owner")?.unwrap_or_default();
        Ok(JournalView {
            owner: String::from_utf8_lossy(&owner).into_owned(),
            incarnation: JournalIncarnation(incarnation),
            connection,
            path,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose journal it is: `clinic/driver`.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The life of the journal that block numbers belong to.
    pub const fn incarnation(&self) -> JournalIncarnation {
        self.incarnation
    }

    /// How large it is.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn size(&self) -> Result<JournalSize, JournalError> {
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        Ok(JournalSize {
            file_bytes: length(&self.path),
            log_bytes: length(Path::new(&log)),
            used_bytes: blocks::used_bytes(&self.connection)?.cast_unsigned(),
            settled_bytes: retention::settled_bytes(&self.connection)?.cast_unsigned(),
        })
    }

    /// How every stream stands.
    ///
    /// # Errors
    ///
    /// What SQLite says, or a name that does not decode.
    pub fn streams(&self) -> Result<Vec<StreamView>, JournalError> {
        let ids = streams(&self.connection)?;
        recovery::positions(&self.connection)?
            .into_iter()
            .zip(ids)
            .map(|(position, (id, _))| self.stream(id, position))
            .collect()
    }

    fn stream(&self, id: i64, position: StreamPosition) -> Result<StreamView, JournalError> {
        let (oldest, records, unsealed): (Option<i64>, i64, i64) = self
            .connection
            .prepare_cached(
                "SELECT (SELECT min(number) FROM blocks WHERE stream = ?1),
                 (SELECT count(*) FROM records WHERE stream = ?1),
                 (SELECT count(*) FROM records WHERE stream = ?1 AND sequence >
                  (SELECT coalesce(max(last_sequence), 0) FROM blocks WHERE stream = ?1))",
            )
            .and_then(|mut statement| {
                statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            })
            .during("measure its streams")?;
        Ok(StreamView {
            oldest_block: oldest.map(|oldest| BlockNumber(oldest.cast_unsigned())),
            record_count: records.cast_unsigned(),
            unsealed_count: unsealed.cast_unsigned(),
            unsettled_blocks: unsettled(&position),
            position,
        })
    }

    /// What is held of every gun and epoch.
    ///
    /// # Errors
    ///
    /// What SQLite says, or a name that does not decode.
    pub fn epochs(&self) -> Result<Vec<EpochView>, JournalError> {
        let mut epochs = Vec::new();
        for (id, stream) in streams(&self.connection)? {
            let Stream::Gun(gun) = stream else { continue };
            for epoch in held::epochs(&self.connection, id)? {
                let ranges = |kind| held::ranges(&self.connection, id, epoch, kind);
                let all = ranges(None)?;
                let newest = all.highest().unwrap_or(0);
                epochs.push(EpochView {
                    gun: gun.clone(),
                    epoch,
                    contiguous: held::contiguous(&self.connection, id, epoch)?,
                    shots: ranges(Some(Kind::Shot))?.ranges().collect(),
                    gaps: ranges(Some(Kind::Gap))?.ranges().collect(),
                    missing: all.missing_between(1, newest),
                });
            }
        }
        Ok(epochs)
    }

    /// The newest gaps that are still here, at most `count_max`, oldest first.
    ///
    /// # Errors
    ///
    /// What SQLite says, or a record that does not decode.
    pub fn gaps(&self, count_max: u32) -> Result<Vec<Gap>, JournalError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT body FROM records WHERE epoch IS NOT NULL AND counter IS NULL
                 AND substr(body, 1, 1) = ?1 ORDER BY sequence DESC LIMIT ?2",
            )
            .during("list its gaps")?;
        let bodies = statement
            .query_map(([Gap::KIND], count_max), |row| row.get(0))
            .and_then(Iterator::collect::<Result<Vec<Vec<u8>>, _>>)
            .during("list its gaps")?;
        let decode = |body: &Vec<u8>| Ok(Gap::from_canonical(body)?);
        bodies.iter().rev().map(decode).collect()
    }

    /// Every named value whose name begins like this, by the rest of its name.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn values_under(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        schema::values_under(&self.connection, prefix)
    }

    /// How many frames are in quarantine.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn quarantine_count(&self) -> Result<u64, JournalError> {
        self.connection
            .query_row("SELECT count(*) FROM quarantine", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(i64::cast_unsigned)
            .during("count its quarantine")
    }

    /// The newest frames in quarantine, at most `count_max`, oldest first.
    ///
    /// # Errors
    ///
    /// What SQLite says, or a serial number or time that does not decode.
    pub fn quarantine(&self, count_max: u32) -> Result<Vec<QuarantinedFrame>, JournalError> {
        type Row = (
            i64,
            Option<String>,
            Option<i64>,
            Option<u32>,
            String,
            Vec<u8>,
        );
        let rows: Vec<Row> = self
            .connection
            .prepare(
                "SELECT at_ns, gun, epoch, counter, reason, bytes FROM quarantine
                 ORDER BY id DESC LIMIT ?1",
            )
            .and_then(|mut statement| {
                statement
                    .query_map([count_max], |row| row.try_into())?
                    .collect()
            })
            .during("list its quarantine")?;
        let decode = |(at_ns, gun, epoch, counter, reason, bytes): Row| {
            let epoch = epoch.map(|epoch| Epoch(epoch.cast_unsigned()));
            Ok(QuarantinedFrame {
                at: Timestamp::from_unix_ns(at_ns)?,
                gun: gun.map(|gun| GunSerial::parse(&gun)).transpose()?,
                shot: epoch.zip(counter.map(ShotCounter)),
                reason,
                bytes,
            })
        };
        rows.into_iter().rev().map(decode).collect()
    }

    /// Reads a block as it was sealed; `None` where it is not here (any more).
    ///
    /// # Errors
    ///
    /// What SQLite says, or a block that does not decode.
    pub fn block(
        &self,
        stream: &Stream,
        number: BlockNumber,
    ) -> Result<Option<RecordBlock>, JournalError> {
        blocks::load(&self.connection, stream, number)
    }
}

/// The sealed blocks that the watermark does not cover.
fn unsettled(position: &StreamPosition) -> Vec<Range> {
    let mut next = position.watermark.as_ref().map_or(1, |mark| mark.to + 1);
    let mut open = Vec::new();
    let beyond = position.watermark.iter().flat_map(|mark| &mark.ranges);
    for range in beyond {
        if range.first > next {
            open.push(Range {
                first: next,
                last: range.first - 1,
            });
        }
        next = next.max(range.last.saturating_add(1));
    }
    if next <= position.newest {
        open.push(Range {
            first: next,
            last: position.newest,
        });
    }
    open
}
