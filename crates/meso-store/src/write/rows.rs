//! The rows that others point at: guns and streams, each written once and then known; and those
//! that point at shots of which another copy is stored.

use meso_delivery::StreamKey;
use meso_domain::Shot;
use meso_units::{ClinicId, GunSerial};
use rusqlite::{Transaction, params};

use super::{Names, Spans};
use crate::StoreError;
use crate::commit::{NewBlock, ShotFate};
use crate::error::During as _;
use crate::shot_row::bits;

/// The row of a gun, which is made where it is new.
pub(super) fn gun_row(
    transaction: &Transaction<'_>,
    names: &mut Names,
    serial: &GunSerial,
) -> Result<i64, StoreError> {
    if let Some(row) = names.guns.get(serial) {
        return Ok(*row);
    }
    let (row, spans) = transaction
        .prepare_cached(
            "INSERT INTO guns (serial) VALUES (?1)
             ON CONFLICT (serial) DO UPDATE SET serial = serial
             RETURNING id, span_ns_max, span_counter_max",
        )
        .and_then(|mut statement| {
            statement.query_row([serial.as_str()], |row| {
                let spans = Spans {
                    ns_max: row.get(1)?,
                    counter_max: row.get(2)?,
                };
                Ok((row.get(0)?, spans))
            })
        })
        .during("write a gun")?;
    names.guns.insert(serial.clone(), row);
    names.spans.insert(row, spans);
    Ok(row)
}

/// The row of a stream of blocks, which is made where it is new.
pub(super) fn stream_row(
    transaction: &Transaction<'_>,
    names: &mut Names,
    clinic: &ClinicId,
    key: &StreamKey,
) -> Result<i64, StoreError> {
    if let Some(row) = names.streams.get(key) {
        return Ok(*row);
    }
    let row = transaction
        .prepare_cached(
            "INSERT INTO streams (clinic, driver, incarnation, stream) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (driver, incarnation, stream) DO UPDATE SET clinic = excluded.clinic RETURNING id",
        )
        .and_then(|mut statement| {
            let values = params![
                clinic.as_str(),
                key.driver.as_str(),
                bits(key.incarnation.get()),
                key.stream.to_string()
            ];
            statement.query_row(values, |row| row.get(0))
        })
        .during("write a stream")?;
    names.streams.insert(key.clone(), row);
    Ok(row)
}

pub(super) fn insert_other_copies(
    transaction: &Transaction<'_>,
    block: i64,
    new: &NewBlock,
) -> Result<(), StoreError> {
    let records = new.block.records().iter().enumerate();
    let shots = records.filter_map(|(position, record)| Some((position, record.as_shot()?)));
    for ((position, shot), fate) in shots.zip(&new.fates) {
        if matches!(fate, ShotFate::OtherCopyStored) {
            insert_other_copy(transaction, block, position, shot)?;
        }
    }
    Ok(())
}

fn insert_other_copy(
    transaction: &Transaction<'_>,
    block: i64,
    position: usize,
    shot: &Shot,
) -> Result<(), StoreError> {
    let counter = shot.identity.counter.get();
    transaction
        .prepare_cached("INSERT INTO other_copies VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute(params![block, position as i64, counter]))
        .during("note another copy of a shot")?;
    Ok(())
}
