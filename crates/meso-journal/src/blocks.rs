//! Sealing and reading blocks, and how far they are settled.

use meso_delivery::{CutContext, Range, Watermark};
use meso_domain::canonical::Canonical;
use meso_domain::{BlockHash, BlockHeader, BlockPlace, Judgement, Record, RecordBlock, Stream};
use meso_units::{BlockNumber, Epoch, JournalIncarnation, SessionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::During;
use crate::schema::known_stream_id;
use crate::{Identity, JournalError, SealedBlock};

/// The newest block of a stream.
pub(crate) struct Head {
    pub(crate) number: u64,
    hash: Option<BlockHash>,
    pub(crate) last_sequence: i64,
}

/// A record as it lies in its row.
struct RecordRow {
    sequence: i64,
    record: Record,
    judgement: Option<Judgement>,
    context: CutContext,
}

/// Seals every record of a stream up to `last_sequence` that is in no block yet; `None` where
/// there is none.
pub(crate) fn seal(
    connection: &Connection,
    identity: &Identity,
    incarnation: JournalIncarnation,
    stream: &Stream,
    last_sequence: u64,
    sealed_at: Timestamp,
) -> Result<Option<SealedBlock>, JournalError> {
    let Some(id) = known_stream_id(connection, stream)? else {
        return Ok(None);
    };
    let head = head(connection, id)?;
    let rows = records_between(
        connection,
        id,
        head.last_sequence + 1,
        last_sequence.cast_signed(),
    )?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(None);
    };
    let (first_sequence, last_sequence) = (first.sequence, last.sequence);
    let context = first.context;
    if rows
        .iter()
        .any(|row| row.context.session != context.session)
    {
        return Err(JournalError::Sessions {
            stream: stream.clone(),
        });
    }
    let number = BlockNumber(head.number + 1);
    let header = BlockHeader {
        clinic: identity.clinic.clone(),
        place: BlockPlace {
            driver: identity.driver.clone(),
            incarnation,
            stream: stream.clone(),
            number,
        },
        previous: head.hash,
        epoch: context.epoch,
        session: context.session,
        record_count: 0,
        sealed_at,
        judgements_digest: [0; 32],
    };
    let (records, judgements) = taken_apart(rows);
    let block =
        RecordBlock::seal(header, records, judgements).map_err(|source| JournalError::Block {
            stream: stream.clone(),
            source,
        })?;
    insert(connection, id, &block, (first_sequence, last_sequence))?;
    Ok(Some(SealedBlock {
        stream: stream.clone(),
        number,
        hash: block.hash(),
        sealed_at,
        last_sequence: last_sequence.cast_unsigned(),
    }))
}

fn insert(
    connection: &Connection,
    id: i64,
    block: &RecordBlock,
    (first_sequence, last_sequence): (i64, i64),
) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "INSERT INTO blocks (stream, number, header, hash, first_sequence, last_sequence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            statement.execute((
                id,
                block.header().place.number.get().cast_signed(),
                block.header().canonical_bytes(),
                block.hash().0,
                first_sequence,
                last_sequence,
            ))
        })
        .during("write a block")?;
    Ok(())
}

/// Reads a block, byte for byte as it was sealed; `None` where it is not here (any more).
pub(crate) fn load(
    connection: &Connection,
    stream: &Stream,
    number: BlockNumber,
) -> Result<Option<RecordBlock>, JournalError> {
    let Some(id) = known_stream_id(connection, stream)? else {
        return Ok(None);
    };
    let row: Option<(Vec<u8>, i64, i64)> = connection
        .prepare_cached(
            "SELECT header, first_sequence, last_sequence FROM blocks
             WHERE stream = ?1 AND number = ?2",
        )
        .and_then(|mut statement| {
            statement
                .query_row((id, number.get().cast_signed()), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()
        })
        .during("read a block")?;
    let Some((header, first, last)) = row else {
        return Ok(None);
    };
    let rows = records_between(connection, id, first, last)?;
    let (records, judgements) = taken_apart(rows);
    RecordBlock::from_parts(BlockHeader::from_canonical(&header)?, records, judgements)
        .map(Some)
        .map_err(|source| JournalError::Block {
            stream: stream.clone(),
            source,
        })
}

/// Keeps how far the ingest is.
pub(crate) fn set_watermark(
    connection: &Connection,
    stream: &Stream,
    watermark: &Watermark,
) -> Result<(), JournalError> {
    let Some(id) = known_stream_id(connection, stream)? else {
        return Ok(());
    };
    let ranges: Vec<String> = watermark
        .ranges
        .iter()
        .map(|range| format!("{}-{}", range.first, range.last))
        .collect();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO watermarks (stream, settled_to, ranges, store, ingest)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut statement| {
            statement.execute((
                id,
                watermark.to.cast_signed(),
                ranges.join(","),
                watermark.store.cast_signed(),
                watermark.ingest.cast_signed(),
            ))
        })
        .during("keep a watermark")?;
    Ok(())
}

pub(crate) fn used_bytes(connection: &Connection) -> Result<i64, JournalError> {
    let pragma = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .during("measure its file")
    };
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

pub(crate) fn head(connection: &Connection, id: i64) -> Result<Head, JournalError> {
    let head = connection
        .prepare_cached(
            "SELECT number, hash, last_sequence FROM blocks WHERE stream = ?1
             ORDER BY number DESC LIMIT 1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([id], |row| {
                    Ok(Head {
                        number: row.get::<_, i64>(0)?.cast_unsigned(),
                        hash: Some(BlockHash(row.get(1)?)),
                        last_sequence: row.get(2)?,
                    })
                })
                .optional()
        })
        .during("find the newest block")?;
    Ok(head.unwrap_or(Head {
        number: 0,
        hash: None,
        last_sequence: 0,
    }))
}

pub(crate) fn watermark(
    connection: &Connection,
    id: i64,
) -> Result<Option<Watermark>, JournalError> {
    connection
        .prepare_cached(
            "SELECT settled_to, ranges, store, ingest FROM watermarks WHERE stream = ?1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([id], |row| {
                    Ok(Watermark {
                        to: row.get::<_, i64>(0)?.cast_unsigned(),
                        ranges: parse_ranges(&row.get::<_, String>(1)?),
                        blocks: Vec::new(),
                        store: row.get::<_, i64>(2)?.cast_unsigned(),
                        ingest: row.get::<_, i64>(3)?.cast_unsigned(),
                    })
                })
                .optional()
        })
        .during("read a watermark")
}

/// What does not parse is left out: its blocks are sent again, which harms nothing.
fn parse_ranges(text: &str) -> Vec<Range> {
    let parse = |range: &str| {
        let (first, last) = range.split_once('-')?;
        Some(Range {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        })
    };
    text.split(',').filter_map(parse).collect()
}

fn records_between(
    connection: &Connection,
    id: i64,
    first: i64,
    last: i64,
) -> Result<Vec<RecordRow>, JournalError> {
    let what = "read records";
    let mut statement = connection
        .prepare_cached(
            "SELECT sequence, body, judgement, epoch, session FROM records
             WHERE stream = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY sequence",
        )
        .during(what)?;
    let mut rows = statement.query((id, first, last)).during(what)?;
    let mut records = Vec::with_capacity(RecordBlock::RECORD_COUNT_MAX);
    while let Some(row) = rows.next().during(what)? {
        let bytes = |index| {
            row.get_ref(index)
                .and_then(|value| Ok(value.as_blob_or_null()?))
        };
        let judgement = bytes(2).during(what)?.map(Judgement::from_canonical);
        records.push(RecordRow {
            sequence: row.get(0).during(what)?,
            record: Record::from_canonical(bytes(1).during(what)?.unwrap_or_default())?,
            judgement: judgement.transpose()?,
            context: context_of(row, 3, 4).during(what)?,
        });
    }
    Ok(records)
}

fn taken_apart(rows: Vec<RecordRow>) -> (Vec<Record>, Vec<Judgement>) {
    let parts = rows.into_iter().map(|row| (row.record, row.judgement));
    let (records, judgements): (Vec<Record>, Vec<Option<Judgement>>) = parts.unzip();
    (records, judgements.into_iter().flatten().collect())
}

pub(crate) fn context_of(
    row: &Row<'_>,
    epoch: usize,
    session: usize,
) -> rusqlite::Result<CutContext> {
    let epoch: Option<i64> = row.get(epoch)?;
    let session: Option<[u8; 16]> = row.get(session)?;
    Ok(CutContext {
        epoch: epoch.map(|epoch| Epoch(epoch.cast_unsigned())),
        session: session.map(SessionId::from_bytes),
    })
}
