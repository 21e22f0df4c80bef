//! What can be wrong with a log, a proof or a signature.

use crate::hash::{Hash, HashKey};

/// Why an entry, a proof, a checkpoint or a key was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The entry does not fit into an entry bundle of the public format.
    #[error("log entry of {length} bytes is above the limit of {length_max} bytes")]
    EntryTooLong {
        /// Length of the entry, in bytes.
        length: usize,
        /// The limit, in bytes.
        length_max: usize,
    },
    /// The log cannot take another leaf.
    #[error("log is full: it holds the limit of {leaves_max} leaves")]
    LogFull {
        /// The limit.
        leaves_max: u64,
    },
    /// The leaf is not in a tree of that size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    LeafOutsideTree {
        /// The leaf.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// A tree does not shrink.
    #[error("a tree of {new_size} leaves cannot come after one of {old_size}: logs only grow")]
    TreeShrinks {
        /// Leaves of the older tree.
        old_size: u64,
        /// Leaves of the newer tree.
        new_size: u64,
    },
    /// The number of stored hashes is not the number that a tree of that size has at its edge.
    #[error("the edge of a tree of {size} leaves has {wanted} hashes, not {given}")]
    WrongEdge {
        /// Leaves of the tree.
        size: u64,
        /// Hashes that belong there.
        wanted: usize,
        /// Hashes that were given.
        given: usize,
    },
    /// The proof has the wrong number of hashes for its leaf and tree.
    #[error("proof has {given} hashes, {wanted} belong there")]
    WrongProofLength {
        /// Hashes that were given.
        given: usize,
        /// Hashes that belong there.
        wanted: usize,
    },
    /// The proof leads to another root.
    #[error("proof leads to root {computed}, the tree has root {expected}")]
    RootMismatch {
        /// The root that the proof leads to.
        computed: Hash,
        /// The root of the tree.
        expected: Hash,
    },
    /// The text is not a hash.
    #[error("{text:?} is not a hash: {rule}")]
    NotAHash {
        /// The text, shortened.
        text: String,
        /// What a hash looks like.
        rule: &'static str,
    },
    /// The text is not a key name.
    #[error(
        "{name:?} is not a key name: 1 to {length_max} bytes without white space, '+' or control \
         characters"
    )]
    NotAKeyName {
        /// The name, shortened.
        name: String,
        /// The limit, in bytes.
        length_max: usize,
    },
    /// The text is not the public key of a log.
    #[error("log key text cannot be read: {rule}")]
    NotAVerifierKey {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The text is not a signed note.
    #[error("signed note cannot be read: {rule}")]
    NotASignedNote {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The text is not a checkpoint.
    #[error("checkpoint cannot be read: {rule}")]
    NotACheckpoint {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// No signature of the note is by the wanted key.
    #[error("the note carries no signature by {name} ({key_id:08x})")]
    NotSignedBy {
        /// Name of the wanted key.
        name: String,
        /// Its short id.
        key_id: u32,
    },
    /// The signature by the wanted key is not over this text.
    #[error("the signature by {name} ({key_id:08x}) does not match the text")]
    SignatureMismatch {
        /// Name of the key.
        name: String,
        /// Its short id.
        key_id: u32,
    },
}

/// Why a proof could not be made from stored hashes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError<E: std::error::Error + 'static> {
    /// The question itself is wrong.
    #[error(transparent)]
    Ledger(LedgerError),
    /// The storage failed.
    #[error("stored hashes of the log cannot be read")]
    Storage {
        /// What the storage said.
        #[source]
        source: E,
    },
    /// The storage does not hold a hash that a tree of this size must have.
    #[error("stored hash of level {}, index {} is missing", key.level, key.index)]
    Missing {
        /// The hash that was asked for.
        key: HashKey,
    },
}

impl<E: std::error::Error + 'static> From<LedgerError> for ReadError<E> {
    fn from(error: LedgerError) -> ReadError<E> {
        ReadError::Ledger(error)
    }
}

/// The first 64 characters of a text that a message quotes.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
