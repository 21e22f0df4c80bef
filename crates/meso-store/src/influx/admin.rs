//! Setting an InfluxDB up, and looking whether it serves.

use super::client::WriteHalf;
use super::line::Lines;
use super::options::InfluxOptions;
use super::query::{ReadHalf, name};
use crate::{Readers, StoreError};

/// The measurement that a check writes to; it holds nothing but the checks.
const PROBE: &str = "mesofleet_probe";

/// What came of setting an InfluxDB up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitOutcome {
    /// The bucket was there.
    WasThere,
    /// The bucket was made.
    Made,
}

/// The time of one question: what 3 Core answers at most.
const WINDOW_NS: i64 = 72 * 3_600 * 1_000_000_000;

/// What a look at an InfluxDB found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InfluxReport {
    /// How many points of shots the bucket holds in the time of the history, whoever wrote them.
    pub shot_points: u64,
}

/// Makes the bucket where the server lets us (1.x: a database), and writes one point to see that
/// shots would be taken.
///
/// # Errors
///
/// [`StoreError::Influx`] where the server cannot be reached, or the bucket has to be made by hand.
pub fn prepare_influx(options: &InfluxOptions) -> Result<InitOutcome, StoreError> {
    if probe(options).is_ok() {
        return Ok(InitOutcome::WasThere);
    }
    let reader = ReadHalf::new(options);
    // 2.x and 3 answer that they do not know the statement; the probe then says what is missing.
    let made = reader.tell(&format!("CREATE DATABASE {}", name(options.bucket())));
    match (probe(options), made) {
        (Ok(()), _) => Ok(InitOutcome::Made),
        (Err(error), Ok(_)) => Err(error),
        (Err(error), Err(_)) => Err(match error {
            StoreError::Influx { what, detail } => StoreError::Influx {
                what,
                detail: format!(
                    "{detail}; on 2.x make the bucket with `influx bucket create -n {}`, on 3 with \
                     `influxdb3 create database {}`",
                    options.bucket(),
                    options.bucket()
                ),
            },
            other => other,
        }),
    }
}

/// Whether the server takes a point and gives it back, and what it holds of the time of a history.
///
/// # Errors
///
/// [`StoreError::Influx`] saying what it does not do.
pub fn inspect_influx(
    options: &InfluxOptions,
    history: &Readers,
) -> Result<InfluxReport, StoreError> {
    probe(options)?;
    let reader = ReadHalf::new(options);
    let mut shot_points = 0;
    let Some((mut from_ns, last_ns)) = history.with(|reader| reader.shots_between_ns())? else {
        return Ok(InfluxReport { shot_points });
    };
    while from_ns <= last_ns {
        let to_ns = from_ns.saturating_add(WINDOW_NS - 1);
        let question = format!(
            "SELECT count(\"counter\") FROM {} WHERE time >= {from_ns} AND time <= {to_ns}",
            name(super::point::SHOT)
        );
        let answer = reader.ask(&question)?;
        let record = answer.iter().flat_map(|series| series.records()).next();
        let count = match record {
            Some(record) => record.integer("count")?,
            None => None,
        };
        shot_points += count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let Some(next_ns) = to_ns.checked_add(1) else {
            break;
        };
        from_ns = next_ns;
    }
    Ok(InfluxReport { shot_points })
}

fn probe(options: &InfluxOptions) -> Result<(), StoreError> {
    let mut lines = Lines::default();
    let written = lines
        .begin(PROBE)
        .tag("from", "check")
        .integer("value", 1)
        .at(0);
    written.map_err(|error| options.error("took no points", error))?;
    let refused = WriteHalf::start(options, None)?.write(lines)?;
    if let Some(line) = refused.first() {
        return Err(options.error("took no points", &line.reason));
    }
    let question = format!("SELECT \"value\" FROM {} WHERE time = 0", name(PROBE));
    let series = ReadHalf::new(options).ask(&question)?;
    let found = series.iter().flat_map(|series| series.records()).count();
    match found {
        0 => Err(options.error("did not give back", "a point that it had taken")),
        _ => Ok(()),
    }
}
