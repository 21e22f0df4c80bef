//! What one commit of the ingest writes into the ledger: one leaf.

use meso_units::Timestamp;

use crate::block::BlockHash;
use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder, coded};

/// What else than blocks the ledger commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LedgerEntryKind {
    /// A session's seal.
    SessionSeal,
    /// A gap that was declared.
    DeclaredGap,
    /// An alert changed its state.
    AlertTransition,
    /// A release of the protocol library came into force.
    LibraryRelease,
    /// A record went into quarantine.
    Quarantine,
    /// A person said that a room never comes back.
    RoomRetired,
}

coded!(LedgerEntryKind, "ledger entry kind",
    SessionSeal = 1, "session seal";
    DeclaredGap = 2, "declared gap";
    AlertTransition = 3, "alert transition";
    LibraryRelease = 4, "library release";
    Quarantine = 5, "quarantine";
    RoomRetired = 6, "room retired";
);

/// Something else than a block that the ledger commits to, by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LedgerEntry {
    /// What it is.
    pub kind: LedgerEntryKind,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
}

/// One leaf of the ledger: everything that one commit made durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommitEntry {
    /// When the ingest committed.
    pub at: Timestamp,
    /// The blocks, by hash, in the order of their arrival.
    pub blocks: Vec<BlockHash>,
    /// Everything else.
    pub entries: Vec<LedgerEntry>,
}

impl CommitEntry {
    /// The most blocks of one commit: keeps the leaf under 64 KiB; more go into the next commit.
    pub const BLOCK_COUNT_MAX: usize = 1_024;
    /// The most other entries of one commit, for the same reason.
    pub const ENTRY_COUNT_MAX: usize = 512;
}

impl Canonical for CommitEntry {
    const KIND: u8 = 17;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.timestamp(self.at);
        encoder.list(&self.blocks, |e, hash| e.fixed(&hash.0));
        encoder.list(&self.entries, |e, entry| {
            e.u8(entry.kind.code());
            e.fixed(&entry.digest);
        });
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<CommitEntry, CanonicalError> {
        Ok(CommitEntry {
            at: decoder.timestamp()?,
            blocks: decoder.list("blocks", |d| Ok(BlockHash(d.fixed()?)))?,
            entries: decoder.list("entries", |d| {
                Ok(LedgerEntry {
                    kind: LedgerEntryKind::from_code(d.u8()?)?,
                    digest: d.fixed()?,
                })
            })?,
        })
    }
}
