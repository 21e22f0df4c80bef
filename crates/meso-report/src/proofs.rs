//! `proofs.json`: headers, record hashes, verdicts, commit entries and inclusion proofs.

use serde::{Deserialize, Serialize};

/// The number that every JSON file of this format carries.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofsFile {
    pub(crate) version: u32,
    pub(crate) commits: Vec<CommitProof>,
    pub(crate) blocks: Vec<BlockProof>,
}

/// One leaf of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommitProof {
    pub(crate) leaf: u64,
    /// Canonical bytes of the commit entry, in hexadecimal.
    pub(crate) entry: String,
    /// Hashes from the leaf upward, in hexadecimal.
    pub(crate) proof: Vec<String>,
}

/// One record block.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockProof {
    /// The block in words, for people.
    pub(crate) block: String,
    /// The leaf that lists its hash.
    pub(crate) leaf: u64,
    /// Canonical bytes of the header, in hexadecimal.
    pub(crate) header: String,
    pub(crate) records: Vec<RecordProof>,
    /// Canonical bytes of each verdict, in hexadecimal, or `null` where they are not kept.
    pub(crate) judgements: Option<Vec<String>>,
}

/// One record of a block.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordProof {
    pub(crate) hash: String,
    /// The counter, if it is a shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shot: Option<u32>,
    /// Why the record is not in the report, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) withheld: Option<String>,
}
