//! The embedded store: shots, sessions, alerts, quarantine and the ledger's hashes in one SQLite
//! file.
//!
//! One [`Writer`] makes commits durable (write-ahead log, full synchronisation); a few
//! [`Readers`] answer pages and reports from consistent snapshots beside it. A commit has two
//! steps, each one transaction: [`Writer::store`] takes blocks and what follows from them,
//! [`Writer::log`] the ledger leaf over them and how far the receiver is. What was stored and not
//! logged when the power failed is found again by [`Writer::unlogged`].
//!
//! It does **not** decide: whether a block is new, what a shot is worth and when a session is
//! sealed is told to it. It has no clock. A shot is kept as columns of its sealed fields, from
//! which its canonical bytes come out unchanged; verdicts and sums lie beside, never in it.
//!
//! Read first: [`Writer`], [`Commit`], [`Reader`].
//!
//! ```
//! use meso_store::{Commit, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let mut store = Store::open(&folder.path().join("fleet.sqlite"), 42)?;
//! store.writer.store(&Commit { blocks_again_count: 1, ..Commit::default() })?;
//! let totals = store.readers.with(|reader| reader.totals())?;
//! assert_eq!((totals.shot_count, totals.blocks_again_count), (0, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod commit;
mod copy;
mod error;
mod extent;
mod influx;
mod lost;
mod open;
mod pack;
mod place;
mod read;
mod shelf;
mod shot_row;
mod write;

pub use commit::{
    AlertRow, BlockRef, ClaimRow, Commit, DayRow, EntryRef, InQuarantine, LeafRow, LoadedBlock,
    LoadedRecord, LogCommit, NewBlock, NewEntry, OpenSegment, OutboxRow, QuarantineRoom,
    QuarantineRow, Quarantined, SealedSession, SessionCounts, SessionRow, ShotFate, StoredShot,
    Totals, TrackRow, TreatedRow, Unlogged,
};
pub use copy::{Inspection, Progress, copy_store, inspect};
pub use error::StoreError;
pub use influx::{
    InfluxOptions, InfluxReport, InfluxToken, InitOutcome, inspect_influx, prepare_influx,
};
pub use lost::{LostBlock, find_lost};
pub use open::{READERS_IDLE_MAX, Readers, Store};
pub use place::StorePlace;
pub use read::{AlertSelection, BlockSelection, Reader, SealParts, SessionCursor, ShotCursor};
pub use write::{
    QUARANTINE_BYTES_ROWS_MAX, QUARANTINE_ROWS_MAX, QUARANTINE_SMALL_BYTES_MAX, Writer,
};
