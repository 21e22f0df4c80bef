//! Writing a batch.

use meso_delivery::Range;
use meso_domain::canonical::Canonical;
use meso_domain::{Gap, GapReason, GapState, PurposeDecidedBy, Record, Shot, Stream};
use meso_units::{Epoch, GunSerial, ShotCounter};
use rusqlite::{Connection, OptionalExtension};

use crate::error::During;
use crate::held::{self, Kind};
use crate::schema::{known_stream_id, set_value, stream_id};
use crate::{Batch, Committed, JournalError, NewRecord, Outcome, Position, QuarantinedFrame};

/// Frames that are kept in quarantine; the oldest are dropped beyond that, with a warning.
const QUARANTINE_ROWS_MAX: i64 = 10_000;

/// The longest frame that is kept whole; of a longer one the beginning is kept. A link frame has
/// at most 254 bytes.
const QUARANTINE_BYTES_MAX: usize = 4_096;

/// Writes everything of a batch; the caller commits.
pub(crate) fn append(connection: &Connection, batch: &Batch) -> Result<Committed, JournalError> {
    let mut committed = Committed::default();
    let mut touched: Vec<(GunSerial, Epoch)> = Vec::new();
    for frame in &batch.quarantined {
        quarantine(connection, frame)?;
    }
    for new in &batch.records {
        committed.outcomes.push(append_record(connection, new)?);
        if let Some(key) = gun_and_epoch(&new.record)
            && !touched.contains(&key)
        {
            touched.push(key);
        }
    }
    for (name, bytes) in &batch.values {
        set_value(connection, name, bytes)?;
    }
    for (gun, epoch) in touched {
        let contiguous = match known_stream_id(connection, &Stream::Gun(gun.clone()))? {
            Some(stream) => held::contiguous(connection, stream, epoch)?,
            None => ShotCounter(0),
        };
        committed.positions.push(Position {
            gun,
            epoch,
            contiguous,
        });
    }
    Ok(committed)
}

fn gun_and_epoch(record: &Record) -> Option<(GunSerial, Epoch)> {
    match record {
        Record::Shot(shot) => Some((shot.identity.gun.clone(), shot.identity.epoch)),
        Record::Gap(gap) => Some((gap.gun.clone(), gap.epoch)),
        Record::Session(_)
        | Record::Amendment(_)
        | Record::Custody(_)
        | Record::Interlock(_)
        | Record::Patient(_) => None,
    }
}

fn append_record(connection: &Connection, new: &NewRecord) -> Result<Outcome, JournalError> {
    let stream = stream_id(connection, &new.stream)?;
    match &new.record {
        Record::Shot(shot) => append_shot(connection, stream, new, shot),
        Record::Gap(gap) => append_gap(connection, stream, new, gap),
        Record::Custody(custody) => insert(connection, stream, new, Some(custody.epoch), None),
        Record::Session(_) | Record::Amendment(_) | Record::Interlock(_) | Record::Patient(_) => {
            insert(connection, stream, new, None, None)
        }
    }
}

fn append_shot(
    connection: &Connection,
    stream: i64,
    new: &NewRecord,
    shot: &Shot,
) -> Result<Outcome, JournalError> {
    let (epoch, counter) = (shot.identity.epoch, shot.identity.counter);
    if let Some(recorded) = recorded_shot(connection, stream, epoch, counter)? {
        if is_same_shot(&recorded, shot) {
            return Ok(Outcome::Known);
        }
        let frame = QuarantinedFrame {
            at: shot.at,
            gun: Some(shot.identity.gun.clone()),
            shot: Some((epoch, counter)),
            reason: format!("{} came again with other measured values", shot.identity),
            bytes: new.record.canonical_bytes(),
        };
        quarantine(connection, &frame)?;
        return Ok(Outcome::Conflict);
    }
    let number = u64::from(counter.get());
    let recorded = held::ranges(connection, stream, epoch, Some(Kind::Shot))?;
    if recorded.contains(number) {
        // Its row was pruned after the ingest had settled it.
        return Ok(Outcome::Known);
    }
    let range = Range {
        first: number,
        last: number,
    };
    held::add(connection, stream, epoch, Kind::Shot, range)?;
    insert(connection, stream, new, Some(epoch), Some(counter))
}

fn append_gap(
    connection: &Connection,
    stream: i64,
    new: &NewRecord,
    gap: &Gap,
) -> Result<Outcome, JournalError> {
    if let Some(last) = gap.last {
        let range = Range {
            first: gap.first.get().into(),
            last: last.get().into(),
        };
        // Shots that were held, and that nobody has any more, are a gap all the same.
        let of_kind = (gap.reason == GapReason::Unknown && gap.state == GapState::Declared)
            .then_some(Kind::Gap);
        let held = held::ranges(connection, stream, gap.epoch, of_kind)?;
        if held.missing_between(range.first, range.last).is_empty() {
            return Ok(Outcome::Known);
        }
        held::add(connection, stream, gap.epoch, Kind::Gap, range)?;
    }
    insert(connection, stream, new, Some(gap.epoch), None)
}

fn insert(
    connection: &Connection,
    stream: i64,
    new: &NewRecord,
    epoch: Option<Epoch>,
    counter: Option<ShotCounter>,
) -> Result<Outcome, JournalError> {
    let last: i64 = connection
        .prepare_cached("SELECT coalesce(max(sequence), 0) FROM records WHERE stream = ?1")
        .and_then(|mut statement| statement.query_row([stream], |row| row.get(0)))
        .during("number a record")?;
    let sequence = last + 1;
    connection
        .prepare_cached(
            "INSERT INTO records (stream, sequence, body, judgement, epoch, counter, session)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut statement| {
            statement.execute((
                stream,
                sequence,
                new.record.canonical_bytes(),
                new.judgement.as_ref().map(Canonical::canonical_bytes),
                epoch.map(|epoch| epoch.get().cast_signed()),
                counter.map(ShotCounter::get),
                new.session.map(|session| *session.as_bytes()),
            ))
        })
        .during("write a record")?;
    Ok(Outcome::Recorded {
        sequence: sequence.cast_unsigned(),
    })
}

fn recorded_shot(
    connection: &Connection,
    stream: i64,
    epoch: Epoch,
    counter: ShotCounter,
) -> Result<Option<Shot>, JournalError> {
    let body: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT body FROM records WHERE stream = ?1 AND epoch = ?2 AND counter = ?3",
        )
        .and_then(|mut statement| {
            let key = (stream, epoch.get().cast_signed(), counter.get());
            statement.query_row(key, |row| row.get(0)).optional()
        })
        .during("find a shot")?;
    Ok(body.map(|body| Shot::from_canonical(&body)).transpose()?)
}

/// Whether two shots say the same where the gun speaks; what a driver added may differ.
pub fn is_same_shot(recorded: &Shot, new: &Shot) -> bool {
    let mut same = new.clone();
    same.at = recorded.at;
    same.uncertainty = recorded.uncertainty;
    same.clock_segment = recorded.clock_segment;
    same.segment = recorded.segment;
    same.library = recorded.library;
    if same.purpose_decided_by != PurposeDecidedBy::Gun {
        same.purpose = recorded.purpose;
        same.purpose_decided_by = recorded.purpose_decided_by;
    }
    same == *recorded
}

/// Keeps a frame. One with a number that is here already, for the same reason and with the same
/// bytes, is not kept twice: a gun may be read again and again.
fn quarantine(connection: &Connection, frame: &QuarantinedFrame) -> Result<(), JournalError> {
    let kept = frame.bytes.len().min(QUARANTINE_BYTES_MAX);
    connection
        .prepare_cached(
            "INSERT INTO quarantine (at_ns, gun, epoch, counter, reason, bytes)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?4 IS NULL OR NOT EXISTS (SELECT 1
             FROM quarantine WHERE counter = ?4 AND epoch = ?3 AND gun = ?2 AND reason = ?5
             AND bytes = ?6)",
        )
        .and_then(|mut statement| {
            statement.execute((
                frame.at.unix_ns(),
                frame.gun.as_ref().map(GunSerial::as_str),
                frame.shot.map(|(epoch, _)| epoch.get().cast_signed()),
                frame.shot.map(|(_, counter)| counter.get()),
                &frame.reason,
                &frame.bytes[..kept],
            ))
        })
        .during("keep a frame in quarantine")?;
    let dropped = connection
        .prepare_cached("DELETE FROM quarantine WHERE id <= last_insert_rowid() - ?1")
        .and_then(|mut statement| statement.execute([QUARANTINE_ROWS_MAX]))
        .during("prune the quarantine")?;
    if dropped > 0 {
        tracing::warn!(
            dropped,
            "the quarantine is full: its oldest frames were dropped"
        );
    }
    Ok(())
}
