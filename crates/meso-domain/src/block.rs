//! The record block: the unit of transport and of evidence.

use core::fmt;

use meso_units::{
    BlockNumber, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, Partition, SessionId,
    Timestamp, UnitError,
};

use crate::canonical::{
    Canonical, CanonicalError, Decoder, Encoder, LIST_LENGTH_MAX, RecordHash, sha256,
};
use crate::{Judgement, Record};

const BLOCK_HASH_DOMAIN: &[u8] = b"mesofleet/block/v1\0";
const JUDGEMENTS_DOMAIN: &[u8] = b"mesofleet/judgements/v1\0";

/// One ordered line of blocks at a driver: one for each gun, and one for the room's own events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Shots and gaps of one gun.
    Gun(GunSerial),
    /// Session events and amendments of the room.
    Room,
}

impl Stream {
    /// Reads `room` or a serial number. The two cannot collide: serial numbers have no lower case.
    ///
    /// # Errors
    ///
    /// [`UnitError::NotAnIdentifier`] for anything else.
    pub fn parse(text: &str) -> Result<Stream, UnitError> {
        if text == "room" {
            return Ok(Stream::Room);
        }
        GunSerial::parse(text).map(Stream::Gun)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stream::Gun(gun) => f.write_str(gun.as_str()),
            Stream::Room => f.write_str("room"),
        }
    }
}

/// The partition of a stream: the first two bytes of SHA-256 of its name, modulo `count`.
///
/// # Panics
///
/// Never: a `count` of zero is read as one.
pub fn partition_of(stream: &Stream, count: u16) -> Partition {
    let digest = sha256(&[stream.to_string().as_bytes()]);
    Partition(u16::from_be_bytes([digest[0], digest[1]]) % count.max(1))
}

/// Which block: the number counts within driver, journal incarnation and stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockPlace {
    /// The driver.
    pub driver: DriverId,
    /// The life of its journal.
    pub incarnation: JournalIncarnation,
    /// The stream.
    pub stream: Stream,
    /// The number; the first is 1.
    pub number: BlockNumber,
}

impl fmt::Display for BlockPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "block {} of {} at driver {} (journal {:016x})",
            self.number,
            self.stream,
            self.driver,
            self.incarnation.get()
        )
    }
}

/// The hash of a block: SHA-256 of the header's canonical bytes and the hash of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockHash(pub [u8; 32]);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a block says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockHeader {
    /// The clinic.
    pub clinic: ClinicId,
    /// Which block.
    pub place: BlockPlace,
    /// The block before it in the same stream; `None` only for number 1.
    pub previous: Option<BlockHash>,
    /// The epoch of its shots; `None` in the room's stream.
    pub epoch: Option<Epoch>,
    /// The session of its records; `None` for records outside any session.
    pub session: Option<SessionId>,
    /// How many records.
    pub record_count: u16,
    /// When the driver sealed it.
    pub sealed_at: Timestamp,
    /// Commits to the edge's verdicts, so that they cannot be changed on the way either.
    pub judgements_digest: [u8; 32],
}

impl BlockHeader {
    /// The block hash over this header and the hashes of its records, in their order.
    pub fn block_hash(&self, records: &[RecordHash]) -> BlockHash {
        let header = self.canonical_bytes();
        let mut parts: Vec<&[u8]> = vec![BLOCK_HASH_DOMAIN, &header];
        parts.extend(records.iter().map(|hash| hash.0.as_slice()));
        BlockHash(sha256(&parts))
    }
}

impl Canonical for BlockHeader {
    const KIND: u8 = 16;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.text(self.clinic.as_str());
        encoder.text(self.place.driver.as_str());
        encoder.u64(self.place.incarnation.get());
        encoder.text(&self.place.stream.to_string());
        encoder.u64(self.place.number.get());
        encoder.option(self.previous.as_ref(), |e, hash| e.fixed(&hash.0));
        encoder.option(self.epoch.as_ref(), |e, epoch| e.u64(epoch.get()));
        encoder.option(self.session.as_ref(), |e, session| {
            e.fixed(session.as_bytes())
        });
        encoder.u16(self.record_count);
        encoder.timestamp(self.sealed_at);
        encoder.fixed(&self.judgements_digest);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<BlockHeader, CanonicalError> {
        Ok(BlockHeader {
            clinic: ClinicId::parse(decoder.text("clinic")?)?,
            place: BlockPlace {
                driver: DriverId::parse(decoder.text("driver")?)?,
                incarnation: JournalIncarnation(decoder.u64()?),
                stream: Stream::parse(decoder.text("stream")?)?,
                number: BlockNumber(decoder.u64()?),
            },
            previous: decoder.option(|d| Ok(BlockHash(d.fixed()?)))?,
            epoch: decoder.option(|d| Ok(Epoch(d.u64()?)))?,
            session: decoder.option(|d| Ok(SessionId::from_bytes(d.fixed()?)))?,
            record_count: decoder.u16()?,
            sealed_at: decoder.timestamp()?,
            judgements_digest: decoder.fixed()?,
        })
    }
}

/// Why records are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// A block has 1 to [`RecordBlock::RECORD_COUNT_MAX`] records.
    #[error("{count} records are not a block: it has 1 to {max}")]
    RecordCount {
        /// How many were given.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The header says another number of records.
    #[error("{place} says {said} records and has {found}")]
    CountDiffers {
        /// The block.
        place: BlockPlace,
        /// What the header says.
        said: u16,
        /// What it has.
        found: usize,
    },
    /// A record belongs to another gun, epoch or stream.
    #[error("record {index} of {place} does not belong into it")]
    Stranger {
        /// The block.
        place: BlockPlace,
        /// The index of the record.
        index: usize,
    },
    /// The verdicts are not those that the header commits to, or there is not one for each shot.
    #[error("the verdicts of {place} are not those that its header commits to")]
    JudgementsDiffer {
        /// The block.
        place: BlockPlace,
    },
    /// Only block number 1 has no predecessor.
    #[error("{place} has no predecessor, or number 1 has one")]
    Predecessor {
        /// The block.
        place: BlockPlace,
    },
}

/// Records that travel, and are proven, together. Once sealed it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordBlock {
    header: BlockHeader,
    records: Vec<Record>,
    judgements: Vec<Judgement>,
    /// Kept, because everybody who holds a block needs them, and they cost the most of it.
    record_hashes: Vec<RecordHash>,
}

impl RecordBlock {
    /// The most records of a block: keeps its JSON under 256 KiB; a longer run is sealed in parts.
    pub const RECORD_COUNT_MAX: usize = 64;

    /// Seals records: fills in count and verdict digest.
    ///
    /// `judgements` holds one verdict for each shot, in the order of the shots.
    ///
    /// # Errors
    ///
    /// [`BlockError`] when the records do not belong together.
    pub fn seal(
        mut header: BlockHeader,
        records: Vec<Record>,
        judgements: Vec<Judgement>,
    ) -> Result<RecordBlock, BlockError> {
        header.record_count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        header.judgements_digest = judgements_digest(&judgements);
        RecordBlock::from_parts(header, records, judgements)
    }

    /// Puts a sealed block together again and checks every commitment in its header.
    ///
    /// # Errors
    ///
    /// [`BlockError`] when header, records and verdicts do not fit each other.
    pub fn from_parts(
        header: BlockHeader,
        records: Vec<Record>,
        judgements: Vec<Judgement>,
    ) -> Result<RecordBlock, BlockError> {
        let place = || header.place.clone();
        if records.is_empty() || records.len() > RecordBlock::RECORD_COUNT_MAX {
            let max = RecordBlock::RECORD_COUNT_MAX.min(LIST_LENGTH_MAX);
            return Err(BlockError::RecordCount {
                count: records.len(),
                max,
            });
        }
        if usize::from(header.record_count) != records.len() {
            return Err(BlockError::CountDiffers {
                place: place(),
                said: header.record_count,
                found: records.len(),
            });
        }
        if (header.place.number.get() == 1) != header.previous.is_none() {
            return Err(BlockError::Predecessor { place: place() });
        }
        if let Some(index) = records.iter().position(|record| !belongs(&header, record)) {
            return Err(BlockError::Stranger {
                place: place(),
                index,
            });
        }
        let shots = records
            .iter()
            .filter(|record| record.as_shot().is_some())
            .count();
        if shots != judgements.len() || judgements_digest(&judgements) != header.judgements_digest {
            return Err(BlockError::JudgementsDiffer { place: place() });
        }
        Ok(RecordBlock {
            record_hashes: records.iter().map(Record::hash).collect(),
            header,
            records,
            judgements,
        })
    }

    /// What the block says of itself.
    pub const fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// Its records, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The edge's verdicts, one for each shot, in the order of the shots.
    pub fn judgements(&self) -> &[Judgement] {
        &self.judgements
    }

    /// Its shots, each with the edge's verdict.
    pub fn shots(&self) -> impl Iterator<Item = (&crate::Shot, &Judgement)> {
        self.records
            .iter()
            .filter_map(Record::as_shot)
            .zip(&self.judgements)
    }

    /// The hash of each record, in order.
    pub fn record_hashes(&self) -> &[RecordHash] {
        &self.record_hashes
    }

    /// The hash of the block.
    pub fn hash(&self) -> BlockHash {
        self.header.block_hash(&self.record_hashes)
    }
}

/// What [`BlockHeader::judgements_digest`] commits to: the verdicts of a block, in order.
pub fn judgements_digest(judgements: &[Judgement]) -> [u8; 32] {
    let bytes: Vec<Vec<u8>> = judgements.iter().map(Canonical::canonical_bytes).collect();
    let mut parts: Vec<&[u8]> = vec![JUDGEMENTS_DOMAIN];
    parts.extend(bytes.iter().map(Vec::as_slice));
    sha256(&parts)
}

fn belongs(header: &BlockHeader, record: &Record) -> bool {
    let same = |gun: &GunSerial, epoch: Epoch| {
        header.place.stream == Stream::Gun(gun.clone()) && header.epoch == Some(epoch)
    };
    match record {
        Record::Shot(shot) => same(&shot.identity.gun, shot.identity.epoch),
        Record::Gap(gap) => same(&gap.gun, gap.epoch),
        Record::Custody(custody) => same(&custody.gun, custody.epoch),
        Record::Session(event) => {
            header.place.stream == Stream::Room && header.session == Some(event.session())
        }
        Record::Interlock(event) => {
            header.place.stream == Stream::Room && header.session == event.session
        }
        // What it says of a patient is of no one session.
        Record::Patient(_) => header.place.stream == Stream::Room && header.session.is_none(),
        Record::Amendment(_) => header.place.stream == Stream::Room,
    }
}
