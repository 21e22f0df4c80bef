//! The rows that others point at: guns and streams, each written once and then known.

use meso_delivery::StreamKey;
use meso_units::{ClinicId, GunSerial};
use rusqlite::{Transaction, params};

use super::{Names, Spans};
use crate::StoreError;
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
