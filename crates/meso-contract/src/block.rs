//! A record block as JSON.

use std::borrow::Cow;

use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, Bound, Custody, Finding, Gap, GapReason, GapState,
    InterlockChange, InterlockEvent, Judgement, NotCheckable, Record, RecordBlock, Rule, Severity,
    Shot, Stream,
};
use meso_units::{
    BlockNumber, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, LibraryVersion,
    OperatorId, SessionId, ShotCounter,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::word;
use crate::json_id::{hex_of, hex_u64, parse_bytes, parse_u64};
use crate::links::PatientMergedBody;
use crate::session::{AmendmentBody, SessionEventBody};
use crate::shot::parse_at;
use crate::topics::PAYLOAD_BYTES_MAX;
use crate::{PAYLOAD_VERSION, PayloadError, ShotBody};

/// A sealed record block on its way from a driver to the ingest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockMessage<'a> {
    /// [`PAYLOAD_VERSION`].
    pub version: u16,
    /// The hash of the block, 64 hexadecimal digits: what changes on the way is refused.
    pub hash: String,
    /// What the block says of itself.
    pub header: HeaderBody,
    /// Its records, in order.
    #[serde(borrow)]
    pub records: Vec<RecordBody<'a>>,
    /// The edge's verdicts, one for each shot.
    #[serde(borrow)]
    pub judgements: Vec<JudgementBody<'a>>,
}

/// The header of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderBody {
    /// The clinic.
    pub clinic: String,
    /// The driver.
    pub driver: String,
    /// Life of the journal, 16 hexadecimal digits.
    pub incarnation: String,
    /// `room` or a serial number.
    pub stream: String,
    /// Number within driver, incarnation and stream, from 1.
    pub number: u64,
    /// Hash of the block before, 64 hexadecimal digits; absent for number 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<String>,
    /// Epoch of its shots, 16 hexadecimal digits; absent in the room's stream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<String>,
    /// Session of its records, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
    /// How many records.
    pub record_count: u16,
    /// When it was sealed, nanoseconds since 1970 as text.
    pub sealed_at_ns: String,
    /// Commitment to the verdicts, 64 hexadecimal digits.
    pub judgements_digest: String,
}

/// A record of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RecordBody<'a> {
    /// A shot.
    #[serde(borrow)]
    Shot(ShotBody<'a>),
    /// An event of a session.
    Session(SessionEventBody),
    /// A hole.
    Gap(GapBody),
    /// A correction.
    Amendment(AmendmentBody),
    /// A driver has a gun.
    Custody(CustodyBody),
    /// A gun was told to fire no more, or let go on.
    Interlock(InterlockEventBody),
    /// Two ids are the same patient's.
    Patient(PatientMergedBody),
}

/// A named hole in the counters of a gun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GapBody {
    /// The gun.
    pub gun: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// First missing counter.
    pub first: u32,
    /// Last missing counter; absent for "count unknown".
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<u32>,
    /// `awaited`, `declared` or `filled later`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// When it was found, nanoseconds since 1970 as text.
    pub at_ns: String,
}

/// From which counter on the driver of the block has a gun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustodyBody {
    /// The gun.
    pub gun: String,
    /// Epoch, 16 hexadecimal digits.
    pub epoch: String,
    /// First counter that nobody had acknowledged before.
    pub first: u32,
    /// How far the gun had counted; 0 for none.
    pub newest: u32,
    /// When it greeted, nanoseconds since 1970 as text.
    pub at_ns: String,
}

/// A gun was told to fire no more, or let go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterlockEventBody {
    /// The gun.
    pub gun: String,
    /// The session that it worked in, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
    /// When, nanoseconds since 1970 as text.
    pub at_ns: String,
    /// `stopped by hand`, `stopped by a breach`, `resumed` or `cannot be stopped`.
    pub change: String,
    /// Who; absent where no person did, or nobody was signed in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// Why, in words; empty where nobody said.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
}

/// A verdict on one shot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgementBody<'a> {
    /// Release of the protocol library.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub library_version: Option<u32>,
    /// Version of the limit engine.
    pub engine: u16,
    /// Digest of the facts known, 64 hexadecimal digits.
    #[serde(borrow)]
    pub facts_digest: Cow<'a, str>,
    /// Rules that did not simply pass.
    pub findings: Vec<FindingBody>,
}

/// One rule that did not simply pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingBody {
    /// The rule.
    pub rule: String,
    /// `soft`, `hard` or `not checkable`.
    pub severity: String,
    /// `minimum` or `maximum`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound: Option<String>,
    /// The value judged, in the unit of the rule.
    pub value: i64,
    /// The limit passed, in the same unit.
    pub limit: i64,
    /// Why it could not be judged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl BlockMessage<'_> {
    /// Writes the payload; the same block always gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`PayloadError::TooLarge`] above [`PAYLOAD_BYTES_MAX`].
    pub fn encode(block: &RecordBlock) -> Result<Vec<u8>, PayloadError> {
        let bytes = crate::json::encode(&BlockMessage::from(block))?;
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(PayloadError::TooLarge {
                length: bytes.len(),
                max: PAYLOAD_BYTES_MAX,
            });
        }
        Ok(bytes)
    }

    /// Reads a payload and checks every commitment of the block.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] naming what is wrong; the caller keeps the bytes in quarantine.
    pub fn decode(bytes: &[u8]) -> Result<RecordBlock, PayloadError> {
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(PayloadError::TooLarge {
                length: bytes.len(),
                max: PAYLOAD_BYTES_MAX,
            });
        }
        let message: BlockMessage =
            crate::json::decode(bytes, |message: &BlockMessage<'_>| message.version)?;
        let header = BlockHeader::try_from(&message.header)?;
        let records = message
            .records
            .iter()
            .map(Record::try_from)
            .collect::<Result<_, _>>()?;
        let judgements = message
            .judgements
            .iter()
            .map(Judgement::try_from)
            .collect::<Result<_, _>>()?;
        let block = RecordBlock::from_parts(header, records, judgements)?;
        let (said, found) = (BlockHash(parse_bytes("hash", &message.hash)?), block.hash());
        if said != found {
            return Err(PayloadError::HashDiffers { said, found });
        }
        Ok(block)
    }
}

impl<'a> From<&'a RecordBlock> for BlockMessage<'a> {
    fn from(block: &'a RecordBlock) -> BlockMessage<'a> {
        BlockMessage {
            version: PAYLOAD_VERSION,
            hash: block.hash().to_string(),
            header: HeaderBody::from(block.header()),
            records: block.records().iter().map(RecordBody::from).collect(),
            judgements: block.judgements().iter().map(JudgementBody::from).collect(),
        }
    }
}

impl From<&BlockHeader> for HeaderBody {
    fn from(header: &BlockHeader) -> HeaderBody {
        HeaderBody {
            clinic: header.clinic.to_string(),
            driver: header.place.driver.to_string(),
            incarnation: hex_u64(header.place.incarnation.get()),
            stream: header.place.stream.to_string(),
            number: header.place.number.get(),
            previous: header.previous.map(|hash| hash.to_string()),
            epoch: header.epoch.map(|epoch| hex_u64(epoch.get())),
            session: header.session.map(|session| session.to_string()),
            record_count: header.record_count,
            sealed_at_ns: header.sealed_at.unix_ns().to_string(),
            judgements_digest: hex_of(&header.judgements_digest),
        }
    }
}

impl TryFrom<&HeaderBody> for BlockHeader {
    type Error = PayloadError;

    fn try_from(body: &HeaderBody) -> Result<BlockHeader, PayloadError> {
        Ok(BlockHeader {
            clinic: ClinicId::parse(&body.clinic)?,
            place: BlockPlace {
                driver: DriverId::parse(&body.driver)?,
                incarnation: JournalIncarnation(parse_u64("incarnation", &body.incarnation)?),
                stream: Stream::parse(&body.stream)?,
                number: BlockNumber(body.number),
            },
            previous: body
                .previous
                .as_deref()
                .map(|text| parse_bytes("previous", text).map(BlockHash))
                .transpose()?,
            epoch: body
                .epoch
                .as_deref()
                .map(|t| parse_u64("epoch", t).map(Epoch))
                .transpose()?,
            session: body.session.as_deref().map(SessionId::parse).transpose()?,
            record_count: body.record_count,
            sealed_at: parse_at("sealed_at_ns", &body.sealed_at_ns)?,
            judgements_digest: parse_bytes("judgements_digest", &body.judgements_digest)?,
        })
    }
}

impl<'a> From<&'a Record> for RecordBody<'a> {
    fn from(record: &'a Record) -> RecordBody<'a> {
        match record {
            Record::Shot(shot) => RecordBody::Shot(shot.into()),
            Record::Session(event) => RecordBody::Session(event.into()),
            Record::Gap(gap) => RecordBody::Gap(gap.into()),
            Record::Amendment(amendment) => RecordBody::Amendment(amendment.into()),
            Record::Custody(custody) => RecordBody::Custody(custody.into()),
            Record::Interlock(event) => RecordBody::Interlock(event.into()),
            Record::Patient(merged) => RecordBody::Patient(merged.into()),
        }
    }
}

impl TryFrom<&RecordBody<'_>> for Record {
    type Error = PayloadError;

    fn try_from(body: &RecordBody<'_>) -> Result<Record, PayloadError> {
        Ok(match body {
            RecordBody::Shot(shot) => Record::Shot(Shot::try_from(shot)?),
            RecordBody::Session(event) => Record::Session(event.try_into()?),
            RecordBody::Gap(gap) => Record::Gap(gap.try_into()?),
            RecordBody::Amendment(amendment) => Record::Amendment(amendment.try_into()?),
            RecordBody::Custody(custody) => Record::Custody(custody.try_into()?),
            RecordBody::Interlock(event) => Record::Interlock(event.try_into()?),
            RecordBody::Patient(merged) => Record::Patient(merged.try_into()?),
        })
    }
}

impl From<&Gap> for GapBody {
    fn from(gap: &Gap) -> GapBody {
        GapBody {
            gun: gap.gun.to_string(),
            epoch: hex_u64(gap.epoch.get()),
            first: gap.first.get(),
            last: gap.last.map(ShotCounter::get),
            state: gap.state.to_string(),
            reason: gap.reason.to_string(),
            at_ns: gap.at.unix_ns().to_string(),
        }
    }
}

impl TryFrom<&GapBody> for Gap {
    type Error = PayloadError;

    fn try_from(body: &GapBody) -> Result<Gap, PayloadError> {
        Ok(Gap {
            gun: GunSerial::parse(&body.gun)?,
            epoch: Epoch(parse_u64("epoch", &body.epoch)?),
            first: ShotCounter(body.first),
            last: body.last.map(ShotCounter),
            state: word("state", &body.state, GapState::parse)?,
            reason: word("reason", &body.reason, GapReason::parse)?,
            at: parse_at("at_ns", &body.at_ns)?,
        })
    }
}

impl From<&Custody> for CustodyBody {
    fn from(custody: &Custody) -> CustodyBody {
        CustodyBody {
            gun: custody.gun.to_string(),
            epoch: hex_u64(custody.epoch.get()),
            first: custody.first.get(),
            newest: custody.newest.get(),
            at_ns: custody.at.unix_ns().to_string(),
        }
    }
}

impl TryFrom<&CustodyBody> for Custody {
    type Error = PayloadError;

    fn try_from(body: &CustodyBody) -> Result<Custody, PayloadError> {
        Ok(Custody {
            gun: GunSerial::parse(&body.gun)?,
            epoch: Epoch(parse_u64("epoch", &body.epoch)?),
            first: ShotCounter(body.first),
            newest: ShotCounter(body.newest),
            at: parse_at("at_ns", &body.at_ns)?,
        })
    }
}

impl From<&InterlockEvent> for InterlockEventBody {
    fn from(event: &InterlockEvent) -> InterlockEventBody {
        InterlockEventBody {
            gun: event.gun.to_string(),
            session: event.session.map(|session| session.to_string()),
            at_ns: event.at.unix_ns().to_string(),
            change: event.change.to_string(),
            by: event.by.as_ref().map(ToString::to_string),
            reason: event.reason.clone(),
        }
    }
}

impl TryFrom<&InterlockEventBody> for InterlockEvent {
    type Error = PayloadError;

    fn try_from(body: &InterlockEventBody) -> Result<InterlockEvent, PayloadError> {
        Ok(InterlockEvent {
            gun: GunSerial::parse(&body.gun)?,
            session: body.session.as_deref().map(SessionId::parse).transpose()?,
            at: parse_at("at_ns", &body.at_ns)?,
            change: word("change", &body.change, InterlockChange::parse)?,
            by: body.by.as_deref().map(OperatorId::parse).transpose()?,
            reason: body.reason.clone(),
        })
    }
}

impl From<&Judgement> for JudgementBody<'_> {
    fn from(judgement: &Judgement) -> Self {
        JudgementBody {
            library_version: judgement.library.map(LibraryVersion::get),
            engine: judgement.engine,
            facts_digest: hex_of(&judgement.facts_digest).into(),
            findings: judgement.findings.iter().map(FindingBody::from).collect(),
        }
    }
}

impl TryFrom<&JudgementBody<'_>> for Judgement {
    type Error = PayloadError;

    fn try_from(body: &JudgementBody<'_>) -> Result<Judgement, PayloadError> {
        Ok(Judgement {
            library: body.library_version.map(LibraryVersion),
            engine: body.engine,
            facts_digest: parse_bytes("facts_digest", &body.facts_digest)?,
            findings: body
                .findings
                .iter()
                .map(Finding::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Finding> for FindingBody {
    fn from(finding: &Finding) -> FindingBody {
        FindingBody {
            rule: finding.rule.to_string(),
            severity: finding.severity.to_string(),
            bound: finding.bound.map(|bound| bound.to_string()),
            value: finding.value,
            limit: finding.limit,
            reason: finding.reason.map(|reason| reason.to_string()),
        }
    }
}

impl TryFrom<&FindingBody> for Finding {
    type Error = PayloadError;

    fn try_from(body: &FindingBody) -> Result<Finding, PayloadError> {
        Ok(Finding {
            rule: word("rule", &body.rule, Rule::parse)?,
            severity: word("severity", &body.severity, Severity::parse)?,
            bound: body
                .bound
                .as_deref()
                .map(|t| word("bound", t, Bound::parse))
                .transpose()?,
            value: body.value,
            limit: body.limit,
            reason: body
                .reason
                .as_deref()
                .map(|t| word("reason", t, NotCheckable::parse))
                .transpose()?,
        })
    }
}
