//! How far the ingest has stored a stream.

use meso_units::{BlockNumber, JournalIncarnation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json_id::{hex_u64, parse_u64};
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
            signature: None,
        }
    }

    /// The text that the ingest signs: everything that is said, and under which topic, so that no
    /// other stream, driver or store can be served with it.
    pub fn signed_text(&self, topic: &str) -> String {
        let range = |range: &NumberRange| format!(" {}-{}", range.first, range.last);
        let ranges: String = self.settled_ranges.iter().map(range).collect();
        format!(
            "mesofleet watermark v{}\n{topic}\njournal {}\nstore {}\ningest {}\nsettled {}{ranges}\n",
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
