//! What a start reads back.

use meso_delivery::{Sender, StreamPosition, UnsettledBlock};
use meso_domain::canonical::Canonical;
use meso_domain::{BlockHash, BlockHeader, Shot, Stream};
use meso_units::JournalIncarnation;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::blocks::{context_of, head, watermark};
use crate::error::During;
use crate::schema::streams;
use crate::{GunRecovery, JournalError, Position, Recovery, StreamExtent, Unsealed, held};

/// Reads everything.
pub(crate) fn recovery(
    connection: &Connection,
    incarnation: JournalIncarnation,
) -> Result<Recovery, JournalError> {
    Ok(Recovery {
        incarnation,
        positions: positions(connection)?,
        extents: extents(connection)?,
        unsealed: unsealed(connection)?,
        guns: guns(connection)?,
    })
}

/// Where every stream stands.
pub(crate) fn positions(connection: &Connection) -> Result<Vec<StreamPosition>, JournalError> {
    let mut positions = Vec::new();
    for (id, stream) in streams(connection)? {
        let watermark = watermark(connection, id)?;
        let settled_to = watermark.as_ref().map_or(0, |watermark| watermark.to);
        positions.push(StreamPosition {
            stream,
            newest: head(connection, id)?.number,
            unsettled: blocks_after(connection, id, settled_to)?,
            watermark,
        });
    }
    Ok(positions)
}

/// The newest blocks above a number.
fn blocks_after(
    connection: &Connection,
    id: i64,
    number: u64,
) -> Result<Vec<UnsettledBlock>, JournalError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT header, hash FROM blocks WHERE stream = ?1 AND number > ?2
             ORDER BY number DESC LIMIT ?3",
        )
        .during("list unsettled blocks")?;
    let count_max = i64::try_from(Sender::WAITING_MAX).unwrap_or(i64::MAX);
    let mut rows = statement
        .query((id, number.cast_signed(), count_max))
        .during("list unsettled blocks")?;
    let mut blocks = Vec::new();
    while let Some(row) = rows.next().during("list unsettled blocks")? {
        blocks.push(unsettled(row)?);
    }
    Ok(blocks)
}

fn unsettled(row: &Row<'_>) -> Result<UnsettledBlock, JournalError> {
    let during = "read an unsettled block";
    let header = row.get_ref(0).and_then(|value| Ok(value.as_blob()?));
    let header = BlockHeader::from_canonical(header.during(during)?)?;
    Ok(UnsettledBlock {
        number: header.place.number.get(),
        hash: BlockHash(row.get(1).during(during)?),
        sealed_at: header.sealed_at,
    })
}

/// How many records every stream has had, and how many of them are settled.
fn extents(connection: &Connection) -> Result<Vec<StreamExtent>, JournalError> {
    let mut extents = Vec::new();
    for (id, stream) in streams(connection)? {
        let (newest, settled): (i64, i64) = connection
            .prepare_cached(
                "SELECT (SELECT coalesce(max(sequence), 0) FROM records WHERE stream = ?1),
                 (SELECT coalesce(max(last_sequence), 0) FROM blocks WHERE stream = ?1
                  AND number <= (SELECT settled_to FROM watermarks WHERE stream = ?1))",
            )
            .and_then(|mut s| s.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))))
            .during("measure its streams")?;
        extents.push(StreamExtent {
            stream,
            newest_sequence: newest.cast_unsigned(),
            settled_sequence: settled.cast_unsigned(),
        });
    }
    Ok(extents)
}

/// Every record that is in no block yet.
fn unsealed(connection: &Connection) -> Result<Vec<Unsealed>, JournalError> {
    let mut unsealed = Vec::new();
    for (id, stream) in streams(connection)? {
        let head = head(connection, id)?;
        let mut statement = connection
            .prepare_cached(
                "SELECT sequence, epoch, session FROM records
                 WHERE stream = ?1 AND sequence > ?2 ORDER BY sequence",
            )
            .during("list unsealed records")?;
        let rows = statement
            .query_map((id, head.last_sequence), |row| {
                Ok((row.get::<_, i64>(0)?, context_of(row, 1, 2)?))
            })
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .during("list unsealed records")?;
        unsealed.extend(rows.into_iter().map(|(sequence, context)| Unsealed {
            stream: stream.clone(),
            sequence: sequence.cast_unsigned(),
            context,
        }));
    }
    Ok(unsealed)
}

fn guns(connection: &Connection) -> Result<Vec<GunRecovery>, JournalError> {
    let mut guns = Vec::new();
    for (id, stream) in streams(connection)? {
        let Stream::Gun(gun) = stream else { continue };
        for epoch in held::epochs(connection, id)? {
            let newest: Option<Vec<u8>> = connection
                .prepare_cached(
                    "SELECT body FROM records WHERE stream = ?1 AND epoch = ?2
                     AND counter IS NOT NULL ORDER BY counter DESC LIMIT 1",
                )
                .and_then(|mut s| {
                    s.query_row((id, epoch.get().cast_signed()), |row| row.get(0))
                        .optional()
                })
                .during("find the newest shot of a gun")?;
            let newest = newest.map(|body| Shot::from_canonical(&body)).transpose()?;
            guns.push(GunRecovery {
                position: Position {
                    gun: gun.clone(),
                    epoch,
                    contiguous: held::contiguous(connection, id, epoch)?,
                },
                newest_at: newest.map(|shot| shot.at),
            });
        }
    }
    Ok(guns)
}
