//! Questions of the board: guns, alerts, days, numbers at a glance.

use meso_domain::Severity;
use meso_units::{GunSerial, SessionId, Timestamp};
use rusqlite::{Row, params};

use super::{Reader, cell, count};
use crate::StoreError;
use crate::commit::{AlertRow, DayRow, OutboxRow, QuarantineRow, Quarantined, Totals, TrackRow};
use crate::shot_row::from_bits;

/// Which alerts are wanted; an absent field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertSelection {
    /// Only this state: `open`, `acknowledged`, `latched`, `resolved` or `merged`.
    pub state: Option<&'static str>,
    /// Only this gun.
    pub gun: Option<GunSerial>,
    /// Only this session.
    pub session: Option<SessionId>,
    /// Only those after this one in the list, by time of opening and id.
    pub after: Option<(Timestamp, String)>,
}

impl Reader<'_> {
    /// Numbers at a glance.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        let sql = "SELECT (SELECT coalesce(sum(shot_count), 0) FROM guns),
            (SELECT coalesce(max(id), 0) FROM blocks),
            (SELECT coalesce(sum(value), 0) FROM tallies WHERE name = 'blocks_again'),
            (SELECT coalesce(sum(value), 0) FROM tallies WHERE name = 'shots_again'),
            (SELECT count(*) FROM quarantine),
            (SELECT count(*) FROM sessions WHERE sealed_at_ns IS NULL
              AND opened_at_ns IS NOT NULL AND ended_at_ns IS NULL),
            (SELECT count(*) FROM sessions WHERE sealed_at_ns IS NULL
              AND ended_at_ns IS NOT NULL),
            (SELECT count(*) FROM alerts WHERE state NOT IN ('resolved', 'merged') AND severity = 3),
            (SELECT count(*) FROM alerts WHERE state NOT IN ('resolved', 'merged') AND severity = 2),
            (SELECT coalesce(max(leaf) + 1, 0) FROM leaves),
            (SELECT coalesce(sum(value), 0) FROM tallies WHERE name = 'not_under_protocol')";
        let totals = self.one("read the totals", sql, [], |row| {
            Ok(Totals {
                shot_count: count(row, 0)?,
                block_count: count(row, 1)?,
                blocks_again_count: count(row, 2)?,
                shots_again_count: count(row, 3)?,
                quarantined_count: count(row, 4)?,
                open_session_count: count(row, 5)?,
                unsealed_session_count: count(row, 6)?,
                open_hard_alert_count: count(row, 7)?,
                open_soft_alert_count: count(row, 8)?,
                leaf_count: count(row, 9)?,
                not_under_protocol_count: count(row, 10)?,
            })
        })?;
        Ok(totals.unwrap_or_default())
    }

    /// The times of the first and the last stored shot, in ns since 1970; `None` without any.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub(crate) fn shots_between_ns(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = "SELECT min(shots_from_ns), max(shots_to_ns) FROM blocks
            WHERE first_shot IS NOT NULL";
        let times = self.one("find first and last shot", sql, [], |row| {
            let (from_ns, to_ns): (Option<i64>, Option<i64>) = (cell(row, 0)?, cell(row, 1)?);
            Ok(from_ns.zip(to_ns))
        })?;
        Ok(times.flatten())
    }

    /// How many sessions have opened.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be counted.
    pub fn session_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM sessions WHERE opened_at_ns IS NOT NULL";
        let counted = self.one("count sessions", sql, [], |row| count(row, 0))?;
        Ok(counted.unwrap_or(0))
    }

    /// Every gun with a stored shot, and how many it has.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn guns(&self) -> Result<Vec<(GunSerial, u64)>, StoreError> {
        let sql = "SELECT serial, shot_count FROM guns ORDER BY serial";
        self.all("read the guns", sql, [], |row| {
            Ok((GunSerial::parse(&cell::<String>(row, 0)?)?, count(row, 1)?))
        })
    }

    /// Alerts, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn alerts(
        &self,
        selection: &AlertSelection,
        limit: u32,
    ) -> Result<Vec<AlertRow>, StoreError> {
        let sql = "SELECT id, state, severity, gun, session, opened_at_ns, body FROM alerts
            WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR gun = ?2)
              AND (?3 IS NULL OR session = ?3)
              AND (?4 IS NULL OR (opened_at_ns, id) < (?4, ?5))
            ORDER BY opened_at_ns DESC, id DESC LIMIT ?6";
        let after = selection.after.as_ref();
        let values = params![
            selection.state,
            selection.gun.as_ref().map(GunSerial::as_str),
            selection
                .session
                .as_ref()
                .map(|id| id.as_bytes().as_slice()),
            after.map(|(at, _)| at.unix_ns()),
            after.map(|(_, id)| id),
            limit,
        ];
        self.all("read alerts", sql, values, read_alert)
    }

    /// Every alert that is not resolved.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn unresolved_alerts(&self) -> Result<Vec<AlertRow>, StoreError> {
        let sql = "SELECT id, state, severity, gun, session, opened_at_ns, body FROM alerts
            WHERE state <> 'resolved' AND state <> 'merged' ORDER BY id";
        self.all("read alerts", sql, [], read_alert)
    }

    /// One alert.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn alert(&self, id: &str) -> Result<Option<AlertRow>, StoreError> {
        let sql = "SELECT id, state, severity, gun, session, opened_at_ns, body FROM alerts
            WHERE id = ?1";
        self.one("read an alert", sql, [id], read_alert)
    }

    /// What the alert machine remembered, the newest `limit` by time of the last shot.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn tracks(&self, limit: u32) -> Result<Vec<TrackRow>, StoreError> {
        let sql = "SELECT gun, session, active_at_ns, body FROM alert_tracks
            ORDER BY active_at_ns DESC LIMIT ?1";
        self.all("read what is remembered of alerts", sql, [limit], |row| {
            let session: Vec<u8> = cell(row, 1)?;
            Ok(TrackRow {
                gun: GunSerial::parse(&cell::<String>(row, 0)?)?,
                session: session.try_into().ok().map(SessionId::from_bytes),
                active_at: Timestamp::from_unix_ns(cell(row, 2)?)?,
                body: cell(row, 3)?,
            })
        })
    }

    /// What waits to be told, by channel; also by channels that are not configured any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn outbox(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = "SELECT channel, body FROM outbox ORDER BY channel";
        self.all("read what waits to be told", sql, [], |row| {
            Ok(OutboxRow {
                channel: cell(row, 0)?,
                body: cell(row, 1)?,
            })
        })
    }

    /// The days from `first_day` on, all clinics together, oldest first; days without anything
    /// are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn days(&self, first_day: i64) -> Result<Vec<DayRow>, StoreError> {
        let sql = "SELECT day, sum(session_count), sum(clean_session_count), sum(all_shot_count),
            sum(shot_count), sum(volume_nl), sum(soft_count), sum(hard_count)
            FROM days WHERE day >= ?1 GROUP BY day ORDER BY day";
        self.all("read days", sql, [first_day], |row| {
            Ok(DayRow {
                day: cell(row, 0)?,
                session_count: count(row, 1)?,
                clean_session_count: count(row, 2)?,
                all_shot_count: count(row, 3)?,
                shot_count: count(row, 4)?,
                volume_nl: count(row, 5)?,
                soft_count: count(row, 6)?,
                hard_count: count(row, 7)?,
            })
        })
    }

    /// The newest things in quarantine, and how often each was seen.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn quarantined(&self, limit: u32) -> Result<Vec<(Quarantined, u64)>, StoreError> {
        let kept = self.quarantine(limit)?.into_iter();
        Ok(kept.map(|row| (row.quarantined, row.seen_count)).collect())
    }

    /// The newest things in quarantine with all that is known of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn quarantine(&self, limit: u32) -> Result<Vec<QuarantineRow>, StoreError> {
        let sql = "SELECT digest, source, reason, coalesce(bytes, x''), first_at_ns, seen_count,
            bytes IS NOT NULL, released_at_ns FROM quarantine ORDER BY id DESC LIMIT ?1";
        self.all("read the quarantine", sql, [limit], |row| {
            let released: Option<i64> = cell(row, 7)?;
            Ok(QuarantineRow {
                quarantined: Quarantined {
                    digest: cell(row, 0)?,
                    source: cell(row, 1)?,
                    reason: cell(row, 2)?,
                    bytes: cell(row, 3)?,
                    at: Timestamp::from_unix_ns(cell(row, 4)?)?,
                },
                seen_count: from_bits(cell(row, 5)?),
                has_bytes: cell(row, 6)?,
                released_at: released.map(Timestamp::from_unix_ns).transpose()?,
            })
        })
    }
}

fn read_alert(row: &Row<'_>) -> Result<AlertRow, StoreError> {
    Ok(AlertRow {
        id: cell(row, 0)?,
        state: cell(row, 1)?,
        severity: Severity::from_code(cell(row, 2)?)?,
        gun: match cell::<String>(row, 3)?.as_str() {
            "" => None,
            gun => Some(GunSerial::parse(gun)?),
        },
        session: cell::<Option<[u8; 16]>>(row, 4)?.map(SessionId::from_bytes),
        opened_at: Timestamp::from_unix_ns(cell(row, 5)?)?,
        body: cell(row, 6)?,
    })
}
