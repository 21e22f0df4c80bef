//! How far the ingest has stored a stream.

use meso_domain::BlockHash;
use meso_units::{BlockNumber, JournalIncarnation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json_id::{hex_u64, parse_bytes, parse_u64};
use crate::{PAYLOAD_VERSION, PayloadError};

/// An inclusive range of block numbers or counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberRange {
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

/// A block of a stream by number and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberedHash {
    /// Its number.
    pub number: u64,
    /// Its hash, 64 lower-case hexadecimal digits.
    pub hash: String,
}

impl NumberedHash {
    /// Names a block.
    pub fn new(number: u64, hash: &BlockHash) -> NumberedHash {
        NumberedHash {
            number,
            hash: hash.to_string(),
        }
    }

    /// The hash.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] when the text is not 64 hexadecimal digits.
    pub fn block_hash(&self) -> Result<BlockHash, PayloadError> {
        parse_bytes("hash", &self.hash).map(BlockHash)
    }
}

/// Says that blocks are durable in store and ledger: only now may the journal forget them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WatermarkMessage {
    /// [`PAYLOAD_VERSION`].
    pub version: u16,
    /// Life of the journal that the numbers belong to, 16 hexadecimal digits.
    pub incarnation: String,
    /// Life of the store, 16 hexadecimal digits; another one may ask for old blocks again.
    pub store_incarnation: String,
    /// Life of the ingest process, 16 hexadecimal digits; another one makes drivers resend.
    pub ingest_incarnation: String,
    /// Every block up to this number is settled; 0 for none.
    pub settled_to: u64,
    /// Settled blocks beyond that, at most [`WatermarkMessage::RANGE_COUNT_MAX`] ranges.
    pub settled_ranges: Vec<NumberRange>,
    /// Which blocks they are: of each run of settled numbers the highest block whose hash is known,
    /// at most one more than there are ranges. Each block names the hash of the one before it, so
    /// one hash says of a whole run that it is the driver's own; a driver whose block of that
    /// number is another one, or who has none, has an older copy of its journal.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub settled_hashes: Vec<NumberedHash>,
    /// The signature line of the ingest's key under [`WatermarkMessage::signed_text`], as a C2SP
    /// signed note has it; absent where nobody signed. A driver that knows the key takes no other.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature: Option<String>,
}

impl WatermarkMessage {
    /// The most ranges of one message; blocks beyond them are simply sent again.
    pub const RANGE_COUNT_MAX: usize = 64;

    /// Begins a watermark with nothing settled.
    pub fn new(incarnation: JournalIncarnation, store: u64, ingest: u64) -> WatermarkMessage {
        WatermarkMessage {
            version: PAYLOAD_VERSION,
            incarnation: hex_u64(incarnation.get()),
            store_incarnation: hex_u64(store),
            ingest_incarnation: hex_u64(ingest),
            settled_to: 0,
            settled_ranges: Vec::new(),
            settled_hashes: Vec::new(),
            signature: None,
        }
    }

    /// The text that the ingest signs: everything that is said, and under which topic, so that no
    /// other stream, driver or store can be served with it.
    pub fn signed_text(&self, topic: &str) -> String {
        let range = |range: &NumberRange| format!(" {}-{}", range.first, range.last);
        let ranges: String = self.settled_ranges.iter().map(range).collect();
        let block = |block: &NumberedHash| format!("block {} {}\n", block.number, block.hash);
        let blocks: String = self.settled_hashes.iter().map(block).collect();
        format!(
            "mesofleet watermark v{}\n{topic}\njournal {}\nstore {}\ningest {}\nsettled {}{ranges}\n{blocks}",
            self.version,
            self.incarnation,
            self.store_incarnation,
            self.ingest_incarnation,
            self.settled_to,
        )
    }

    fn check(&self) -> Result<(), PayloadError> {
        self.journal_incarnation()?;
        parse_u64("store_incarnation", &self.store_incarnation)?;
        parse_u64("ingest_incarnation", &self.ingest_incarnation)?;
        for block in &self.settled_hashes {
            block.block_hash()?;
        }
        Ok(())
    }

    /// The life of the journal.
    ///
    /// # Errors
    ///
    /// [`PayloadError::UnknownWord`] when the text is not 16 hexadecimal digits.
    pub fn journal_incarnation(&self) -> Result<JournalIncarnation, PayloadError> {
        parse_u64("incarnation", &self.incarnation).map(JournalIncarnation)
    }

    /// Whether a block is settled.
    pub fn covers(&self, number: BlockNumber) -> bool {
        let number = number.get();
        number <= self.settled_to
            || self
                .settled_ranges
                .iter()
                .any(|r| r.first <= number && number <= r.last)
    }
}
crate::json::json_message!(WatermarkMessage checked by WatermarkMessage::check);
