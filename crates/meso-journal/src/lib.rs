//! The driver's durable journal: a gun may forget a shot only after this has it on the disk.
//!
//! One SQLite file (write-ahead log, full synchronisation) belongs to one thread. Requests that
//! wait together are committed together, and an answer comes only after the disk has everything.
//! What is in the journal: records in the order of their stream, the blocks that they were sealed
//! into, what the ingest has settled, and frames in quarantine with their bytes.
//!
//! [`JournalView`] looks at it from another process, also while a driver writes, and changes
//! nothing.
//!
//! It is **not** a store for questions: it is read by block number, and once after a start. It
//! decides nothing about sessions or limits, and it opens no connection.
//!
//! Read first: [`OpenedJournal`], [`Journal`], [`Batch`], [`JournalView`].
//!
//! ```
//! use meso_journal::{Batch, Identity, OpenedJournal};
//! use meso_units::{ClinicId, DriverId, JournalIncarnation};
//!
//! let folder = tempfile::tempdir()?;
//! let identity = Identity {
//!     clinic: ClinicId::parse("riverside")?,
//!     driver: DriverId::parse("room-1")?,
//! };
//! let opened = OpenedJournal::open(folder.path(), identity, JournalIncarnation(7))?;
//! assert!(opened.recovery().positions.is_empty());
//! let journal = opened.start()?;
//! journal.append(Batch::default(), |committed| assert!(committed.is_ok()));
//! journal.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anew;
mod append;
mod blocks;
mod error;
mod forgotten;
mod guard;
mod held;
mod model;
mod open;
mod platform;
mod recovery;
mod retention;
mod schema;
mod view;
mod wanted;
mod writer;

pub use append::is_same_shot;
pub use error::{JournalError, Unwritable};
pub use forgotten::ForgottenShots;
pub use guard::{make_folder, try_disk};
pub use model::{
    Batch, Committed, GunRecovery, Identity, NewRecord, Outcome, Position, QuarantinedFrame,
    Recovery, SealedBlock, StreamExtent, Unsealed,
};
pub use open::OpenedJournal;
pub use retention::{SETTLED_BYTES_CEILING, SETTLED_BYTES_MAX};
pub use view::{EpochView, JournalSize, JournalView, StreamView};
pub use wanted::Found;
pub use writer::Journal;
