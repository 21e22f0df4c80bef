//! Opening the file, and the connections on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::During as _;
use crate::influx::{InfluxOptions, InfluxShelf};
use crate::shelf::{Embedded, Shelf};
use crate::{Reader, StoreError, StorePlace, Writer};

/// The layout that this program writes.
const LAYOUT: i64 = 9;

/// The layout of `schema.sql`, with which a new store begins.
const LAYOUT_OF_SCHEMA: i64 = 5;

/// What makes each layout the next one, from the oldest that is known on. A new store takes the steps
/// from its own on.
const STEPS: [(i64, &str); 5] = [
    (
        4,
        "CREATE TABLE outbox (channel TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
         PRAGMA user_version = 5;",
    ),
    (5, include_str!("courses.sql")),
    (6, include_str!("merges.sql")),
    (7, include_str!("stretches.sql")),
    (8, include_str!("lost.sql")),
];

/// Where shots are that lie in the file itself.
const EMBEDDED: &str = "its own file";

/// Page cache of the writer in KiB.
const WRITER_CACHE_KIB: i64 = 8 * 1024;

/// Page cache of a reader in KiB.
const READER_CACHE_KIB: i64 = 2 * 1024;

/// How long a connection waits for another one's lock before the operation fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reading connections that are kept when nobody reads; more are opened and closed as needed, and
/// how many there can be at once is limited by those who ask.
pub const READERS_IDLE_MAX: usize = 3;

/// The store, opened.
#[derive(Debug)]
pub struct Store {
    /// The one connection that writes.
    pub writer: Writer,
    /// Connections that read.
    pub readers: Readers,
    /// Random number of this life of the store; a restored backup keeps the old one, a new file
    /// has a new one.
    pub incarnation: u64,
}

impl Store {
    /// Opens a store, or makes a new one whose incarnation is `new_incarnation`, for its owner's
    /// eyes only. Nobody else can open it until its writer is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when the file cannot be used, [`StoreError::InUse`] when another
    /// process has it, [`StoreError::Layout`] when it was
    /// written by another version.
    pub fn open(path: &Path, new_incarnation: u64) -> Result<Store, StoreError> {
        Store::open_with(path, new_incarnation, EMBEDDED, || Ok(Arc::new(Embedded)))
    }

    /// Opens a store whose shots are kept in an InfluxDB, or makes a new one; everything else
    /// about them is in the file.
    ///
    /// The InfluxDB need not be there yet: it is spoken to when shots are written or read.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; [`StoreError::OtherShelf`] when the store keeps its shots elsewhere.
    pub fn open_on_influx(
        path: &Path,
        new_incarnation: u64,
        options: &InfluxOptions,
    ) -> Result<Store, StoreError> {
        let name = influx_name(options);
        Store::open_with(path, new_incarnation, &name, || {
            Ok(Arc::new(InfluxShelf::start(path, options)?))
        })
    }

    fn open_with(
        path: &Path,
        new_incarnation: u64,
        shelf_name: &str,
        shelf: impl FnOnce() -> Result<Arc<dyn Shelf>, StoreError>,
    ) -> Result<Store, StoreError> {
        let lock = lock(path)?;
        // Before SQLite makes it: its other files take the mode of this one.
        drop(private_file(path)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|source| open_error(path, source))?;
        prepare(&connection, WRITER_CACHE_KIB)?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .map_err(|source| open_error(path, source))?;
        migrate(&connection, new_incarnation, shelf_name)?;
        check_shelf(&connection, path, shelf_name)?;
        let shelf = shelf()?;
        let incarnation = connection
            .query_row(
                "SELECT value FROM meta WHERE key = 'incarnation'",
                [],
                |row| row.get::<_, [u8; 8]>(0),
            )
            .during("read the life of the store")?;
        Ok(Store {
            writer: Writer::new(connection, lock, Arc::clone(&shelf)),
            readers: Readers {
                path: path.to_owned(),
                shelf,
                idle: Mutex::new(Vec::new()),
            },
            incarnation: u64::from_le_bytes(incarnation),
        })
    }
}

fn open_error(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        source: Box::new(source),
    }
}

/// Locks a store against a second writer, which would fork its ledger; the lock ends with the
/// file, and so with the process. The file is never removed: there could otherwise be locks on two
/// files of that name.
fn lock(store: &Path) -> Result<File, StoreError> {
    let mut path = store.as_os_str().to_owned();
    path.push(".lock");
    let file = private_file(Path::new(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: store.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(open_error(store, error)),
    }
}

/// Opens a file, or makes it, and takes it away from everybody but its owner.
pub(crate) fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options
        .open(path)
        .map_err(|error| open_error(path, error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // One that an earlier version made may be open to others.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .map_err(|error| open_error(path, error))?;
    }
    Ok(file)
}

fn prepare(connection: &Connection, cache_kib: i64) -> Result<(), StoreError> {
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .during("set its patience")?;
    connection.set_prepared_statement_cache_capacity(64);
    // Else a statement is compiled anew whenever another value is bound to it, for statistics that
    // nobody gathers here.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .during("keep its statements")?;
    connection
        .execute_batch(&format!(
            "PRAGMA cache_size = -{cache_kib}; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
        ))
        .during("set its cache")
}

/// The address may change, and with it nothing else.
fn influx_name(options: &InfluxOptions) -> String {
    format!("influx {}/{}", options.org(), options.bucket())
}

/// How the file of a store names where its shots are.
pub(crate) fn name_shelf(place: &StorePlace) -> String {
    match place {
        StorePlace::Embedded { .. } => EMBEDDED.to_owned(),
        StorePlace::Influx { options, .. } => influx_name(options),
    }
}

fn check_shelf(connection: &Connection, path: &Path, asked: &str) -> Result<(), StoreError> {
    let found = shelf_name_of(connection)?;
    if found == asked {
        return Ok(());
    }
    Err(StoreError::OtherShelf {
        path: path.to_owned(),
        found,
        asked: asked.to_owned(),
    })
}

/// Where the shots of an opened store are.
fn shelf_name_of(connection: &Connection) -> Result<String, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = 'shelf'";
    let name: Vec<u8> = connection
        .query_row(sql, [], |row| row.get(0))
        .during("say where its shots are")?;
    String::from_utf8(name).map_err(|error| StoreError::damaged("where shots are", error))
}

fn migrate(
    connection: &Connection,
    new_incarnation: u64,
    shelf_name: &str,
) -> Result<(), StoreError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .during("say its layout")?;
    if found == LAYOUT {
        return Ok(());
    }
    let is_known = STEPS.iter().any(|(layout, _)| *layout == found);
    let batch = match found {
        0 => format!(
            "{} INSERT INTO meta VALUES ('incarnation', x'{}'), ('shelf', x'{}'); {}",
            include_str!("schema.sql"),
            hex(&new_incarnation.to_le_bytes()),
            hex(shelf_name.as_bytes()),
            steps_from(LAYOUT_OF_SCHEMA),
        ),
        found if is_known => steps_from(found),
        found => {
            return Err(StoreError::Layout {
                found,
                known: LAYOUT,
            });
        }
    };
    connection
        .execute_batch(&format!("BEGIN; {batch} COMMIT;"))
        .during("lay out its tables")
}

fn steps_from(first: i64) -> String {
    let steps = STEPS.iter().filter(|(layout, _)| *layout >= first);
    steps.map(|(_, sql)| *sql).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl StorePlace {
    /// Connections that only read, beside a server that may have the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when there is no store, [`StoreError::Layout`] or
    /// [`StoreError::OtherShelf`] when it is another than it is taken for.
    pub fn read(&self) -> Result<Readers, StoreError> {
        let shelf: Arc<dyn Shelf> = match self {
            StorePlace::Embedded { .. } => Arc::new(Embedded),
            StorePlace::Influx { path, options } => Arc::new(InfluxShelf::start(path, options)?),
        };
        let readers = Readers {
            path: self.path().to_owned(),
            shelf,
            idle: Mutex::new(Vec::new()),
        };
        let connection = readers.take()?;
        let found: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .during("say its layout")?;
        if found != LAYOUT {
            return Err(StoreError::Layout {
                found,
                known: LAYOUT,
            });
        }
        check_shelf(&connection, self.path(), &name_shelf(self))?;
        Ok(readers)
    }
}

/// Connections that read, each from a consistent snapshot.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    shelf: Arc<dyn Shelf>,
    /// A std lock: it is held only to take or give back a connection.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Runs `ask` on one consistent snapshot of the store.
    ///
    /// # Errors
    ///
    /// Whatever `ask` says, or [`StoreError`] when no connection can be had.
    pub fn with<T, E: From<StoreError>>(
        &self,
        ask: impl FnOnce(&Reader<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.take()?;
        let answer = snapshot(&connection, &*self.shelf, ask);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_IDLE_MAX {
            idle.push(connection);
        }
        answer
    }

    /// How many writes are on their way to where the store keeps its shots; those included for whose
    /// answer nobody waits after an error. None where that is the file itself.
    pub fn writes_under_way(&self) -> usize {
        self.shelf.under_way_count()
    }

    /// How many blocks were found to lack shots since the start, by whoever read them; each counts
    /// once.
    pub fn lacking_count(&self) -> u64 {
        self.shelf.lacking_count()
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)
            .map_err(|source| open_error(&self.path, source))?;
        prepare(&connection, READER_CACHE_KIB)?;
        Ok(connection)
    }
}

fn snapshot<T, E: From<StoreError>>(
    connection: &Connection,
    shelf: &dyn Shelf,
    ask: impl FnOnce(&Reader<'_>) -> Result<T, E>,
) -> Result<T, E> {
    // A read transaction: every question of one answer sees the same state.
    let transaction = connection
        .unchecked_transaction()
        .during("begin to read")
        .map_err(E::from)?;
    let answer = ask(&Reader::new(&transaction, shelf));
    // Nothing was written, so whether this ends by commit or by rollback is the same.
    drop(transaction);
    answer
}
