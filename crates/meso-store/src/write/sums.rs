//! What is summed up beside the records: sessions, days, guns.

use std::collections::BTreeMap;

use meso_domain::{
    BlockHeader, Delivery, Judgement, Said, SegmentOpened, SessionEnded, SessionEvent,
    SessionOpened, SessionSeal, Shot,
};
use meso_units::SessionId;
use rusqlite::{Statement, ToSql, Transaction, params};

use super::beside::{NOT_UNDER_PROTOCOL, change_tally};
use super::claimed::insert_claim;
use crate::StoreError;
use crate::commit::{DayRow, NewBlock, SessionCounts};
use crate::error::During as _;
use crate::shot_row::bits;

const DAY_S: i64 = 86_400;
const SECOND_NS: i64 = 1_000_000_000;

/// The sums of one commit, written at its end.
#[derive(Debug, Default)]
pub(super) struct Sums {
    sessions: BTreeMap<i64, SessionCounts>,
    days: BTreeMap<(String, i64), DayRow>,
    guns: BTreeMap<i64, u64>,
    /// Patient shots outside of any session.
    without_session_count: u64,
}

/// The clinic's day of a moment, counted from 1970-01-01.
fn day_of(at_ns: i64, utc_offset_s: i64) -> i64 {
    (at_ns.div_euclid(SECOND_NS) + utc_offset_s).div_euclid(DAY_S)
}

impl Sums {
    /// Counts a shot that is stored for the first time.
    pub(super) fn count(
        &mut self,
        block: &NewBlock,
        gun: i64,
        session: Option<i64>,
        shot: &Shot,
        verdict: &Judgement,
    ) {
        let delta = SessionCounts::of(shot, verdict.worst());
        *self.guns.entry(gun).or_default() += 1;
        let key = (
            block.block.header().clinic.as_str().to_owned(),
            day_of(shot.at.unix_ns(), block.utc_offset_s.into()),
        );
        let day = self.days.entry(key).or_default();
        day.all_shot_count += 1;
        day.shot_count += delta.patient_shot_count;
        day.volume_nl = day.volume_nl.saturating_add(delta.volume_nl);
        day.soft_count += delta.soft_count;
        day.hard_count += delta.hard_count;
        if let Some(session) = session {
            self.sessions.entry(session).or_default().add(&delta);
        } else {
            self.without_session_count += delta.patient_shot_count;
        }
    }

    pub(super) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        for (gun, count) in &self.guns {
            transaction
                .prepare_cached("UPDATE guns SET shot_count = shot_count + ?2 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![gun, bits(*count)]))
                .during("sum up a gun")?;
        }
        for (session, counts) in &self.sessions {
            add_session(transaction, *session, counts)?;
        }
        for ((clinic, day), sum) in &self.days {
            add_day(transaction, clinic, *day, sum)?;
        }
        let count = i64::try_from(self.without_session_count).unwrap_or(i64::MAX);
        change_tally(transaction, NOT_UNDER_PROTOCOL, count)
    }
}

fn add_session(
    transaction: &Transaction<'_>,
    session: i64,
    counts: &SessionCounts,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE sessions SET shot_count = shot_count + ?2,
             patient_shot_count = patient_shot_count + ?3, volume_nl = volume_nl + ?4,
             failed_count = failed_count + ?5, soft_count = soft_count + ?6,
             hard_count = hard_count + ?7, not_checkable_count = not_checkable_count + ?8
             WHERE id = ?1",
        )
        .and_then(|mut statement| bind_counts(&mut statement, session, counts))
        .during("sum up a session")?;
    Ok(())
}

/// Runs a statement on a session and its counts, in the order of [`SessionCounts`].
pub(super) fn bind_counts(
    statement: &mut Statement<'_>,
    session: impl ToSql,
    counts: &SessionCounts,
) -> rusqlite::Result<usize> {
    statement.execute(params![
        session,
        bits(counts.shot_count),
        bits(counts.patient_shot_count),
        bits(counts.volume_nl),
        bits(counts.failed_count),
        bits(counts.soft_count),
        bits(counts.hard_count),
        bits(counts.not_checkable_count),
    ])
}

fn add_day(
    transaction: &Transaction<'_>,
    clinic: &str,
    day: i64,
    sum: &DayRow,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO days (clinic, day, session_count, clean_session_count, all_shot_count,
             shot_count, volume_nl, soft_count, hard_count) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)
             ON CONFLICT (day, clinic) DO UPDATE SET
             session_count = session_count + excluded.session_count,
             clean_session_count = clean_session_count + excluded.clean_session_count,
             all_shot_count = all_shot_count + excluded.all_shot_count,
             shot_count = shot_count + excluded.shot_count,
             volume_nl = volume_nl + excluded.volume_nl,
             soft_count = soft_count + excluded.soft_count,
             hard_count = hard_count + excluded.hard_count",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                clinic,
                day,
                bits(sum.session_count),
                bits(sum.clean_session_count),
                bits(sum.all_shot_count),
                bits(sum.shot_count),
                bits(sum.volume_nl),
                bits(sum.soft_count),
                bits(sum.hard_count),
            ])
        })
        .during("sum up a day")?;
    Ok(())
}

/// The row of a session; made where this is its first record.
pub(super) fn session_row(
    transaction: &Transaction<'_>,
    header: &BlockHeader,
    session: SessionId,
) -> Result<i64, StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO sessions (session, clinic, driver) VALUES (?1, ?2, ?3)
             ON CONFLICT (session) DO UPDATE SET session = session RETURNING id",
        )
        .and_then(|mut statement| {
            let values = params![
                session.as_bytes(),
                header.clinic.as_str(),
                header.place.driver.as_str()
            ];
            statement.query_row(values, |row| row.get(0))
        })
        .during("write a session")
}

/// Writes what an event says of its session. The first of each kind wins, so an event that comes
/// again changes nothing.
pub(super) fn apply_event(
    transaction: &Transaction<'_>,
    header: &BlockHeader,
    event: &SessionEvent,
) -> Result<(), StoreError> {
    let row = session_row(transaction, header, event.session())?;
    match event {
        SessionEvent::Opened(opened) => open_session(transaction, row, opened),
        SessionEvent::SegmentOpened(segment) => open_segment(transaction, row, segment),
        SessionEvent::Ended(ended) => end_session(transaction, row, ended),
        SessionEvent::Stated(statement) => match &statement.said {
            Said::Claim(claim) => insert_claim(transaction, statement, claim),
            _ => Ok(()),
        },
        SessionEvent::Paused { .. } | SessionEvent::Resumed { .. } => Ok(()),
    }
}

fn open_session(
    transaction: &Transaction<'_>,
    row: i64,
    opened: &SessionOpened,
) -> Result<(), StoreError> {
    let changed = transaction
        .prepare_cached(
            "UPDATE sessions SET clinic = ?2, driver = ?3, protocol = ?4, operator = ?5,
             library = ?6, demo = ?7, utc_offset_s = ?8, opened_at_ns = ?9
             WHERE id = ?1 AND opened_at_ns IS NULL",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                row,
                opened.clinic.as_str(),
                opened.room.as_str(),
                opened.protocol.as_str(),
                opened.operator.as_str(),
                opened.library.get(),
                opened.demo,
                opened.utc_offset_s,
                opened.at.unix_ns(),
            ])
        })
        .during("open a session")?;
    if changed == 0 {
        return Ok(());
    }
    let day = day_of(opened.at.unix_ns(), opened.utc_offset_s.into());
    let sum = DayRow {
        session_count: 1,
        ..DayRow::default()
    };
    add_day(transaction, opened.clinic.as_str(), day, &sum)
}

fn open_segment(
    transaction: &Transaction<'_>,
    row: i64,
    segment: &SegmentOpened,
) -> Result<(), StoreError> {
    let gun = match &segment.delivery {
        Delivery::Gun(gun) => Some(gun.as_str()),
        Delivery::ManualSyringe => None,
    };
    transaction
        .prepare_cached("INSERT OR IGNORE INTO segments VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut statement| {
            statement.execute(params![
                segment.segment.as_bytes(),
                row,
                gun,
                segment.zone,
                segment.at.unix_ns(),
            ])
        })
        .during("open a segment")?;
    Ok(())
}

fn end_session(
    transaction: &Transaction<'_>,
    row: i64,
    ended: &SessionEnded,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE sessions SET ended_at_ns = ?2, outcome = ?3
             WHERE id = ?1 AND ended_at_ns IS NULL",
        )
        .and_then(|mut statement| {
            statement.execute(params![row, ended.at.unix_ns(), ended.outcome.code()])
        })
        .during("end a session")?;
    Ok(())
}

/// Marks a session as sealed; `false` where it is unknown or was sealed before.
pub(super) fn seal_session(
    transaction: &Transaction<'_>,
    seal: &SessionSeal,
) -> Result<bool, StoreError> {
    use rusqlite::OptionalExtension as _;
    let sealed = transaction
        .prepare_cached(
            "UPDATE sessions SET sealed_at_ns = ?2 WHERE session = ?1 AND sealed_at_ns IS NULL
             RETURNING clinic, hard_count + claimed_hard_count, coalesce(opened_at_ns, 0), utc_offset_s",
        )
        .and_then(|mut statement| {
            let values = params![seal.session.as_bytes(), seal.at.unix_ns()];
            statement
                .query_row(values, |row| {
                    let clinic: String = row.get(0)?;
                    let hard_count: i64 = row.get(1)?;
                    let opened_at_ns: i64 = row.get(2)?;
                    let utc_offset_s: i64 = row.get(3)?;
                    Ok((clinic, hard_count, day_of(opened_at_ns, utc_offset_s)))
                })
                .optional()
        })
        .during("seal a session")?;
    let Some((clinic, hard_count, day)) = sealed else {
        return Ok(false);
    };
    if hard_count == 0 {
        let sum = DayRow {
            clean_session_count: 1,
            ..DayRow::default()
        };
        add_day(transaction, &clinic, day, &sum)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_the_midnight_of_the_clinic() {
        let noon_ns = 12 * 3_600 * SECOND_NS;
        assert_eq!(day_of(noon_ns, 0), 0);
        assert_eq!(day_of(noon_ns, 12 * 3_600), 1);
        assert_eq!(day_of(noon_ns, -13 * 3_600), -1);
    }
}
