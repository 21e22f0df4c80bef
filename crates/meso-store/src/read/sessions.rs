//! Questions about sessions and the shots of one gun or session.

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    Judgement, Record, RecordHash, SessionEnded, SessionEvent, SessionOutcome, Shot, ShotIdentity,
};
use meso_units::{ClinicId, GunSerial, SessionId, Timestamp};
use rusqlite::{Row, params};

use super::{Reader, cell, count};
use crate::StoreError;
use crate::commit::{OpenSegment, SessionCounts, SessionRow, StoredShot};
use crate::shot_row::{self, COLUMN_COUNT, COLUMNS, bits};

/// The place in the list of sessions after which the next page begins: time of opening, arrival.
pub type SessionCursor = (i64, i64);

/// The place in the list of a session's shots after which the next page begins: time, arrival.
pub type ShotCursor = (i64, i64);

/// What a seal is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealParts {
    /// Hashes of the session's events in the order of arrival, then those of its stored shots in
    /// the order of gun, epoch and counter.
    pub record_hashes: Vec<RecordHash>,
    /// What the session adds up to.
    pub counts: SessionCounts,
}

const COUNTS: &str = "e.shot_count, e.patient_shot_count, e.volume_nl, e.failed_count,
 e.soft_count, e.hard_count, e.not_checkable_count";

fn session_sql(condition: &str) -> String {
    format!(
        "SELECT e.id, e.session, e.clinic, e.driver, e.protocol, e.operator, e.library, e.demo,
         e.opened_at_ns, e.ended_at_ns, e.outcome, e.sealed_at_ns, {COUNTS} FROM sessions e
         WHERE {condition}"
    )
}

fn read_counts(row: &Row<'_>, first: usize) -> Result<SessionCounts, StoreError> {
    Ok(SessionCounts {
        shot_count: count(row, first)?,
        patient_shot_count: count(row, first + 1)?,
        volume_nl: count(row, first + 2)?,
        failed_count: count(row, first + 3)?,
        soft_count: count(row, first + 4)?,
        hard_count: count(row, first + 5)?,
        not_checkable_count: count(row, first + 6)?,
    })
}

fn read_session(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let time = |index| -> Result<Option<Timestamp>, StoreError> {
        let ns: Option<i64> = cell(row, index)?;
        Ok(ns.map(Timestamp::from_unix_ns).transpose()?)
    };
    let outcome: Option<u8> = cell(row, 10)?;
    Ok(SessionRow {
        arrival: cell(row, 0)?,
        session: SessionId::from_bytes(cell(row, 1)?),
        clinic: ClinicId::parse(&cell::<String>(row, 2)?)?,
        driver: cell(row, 3)?,
        protocol: cell(row, 4)?,
        operator: cell(row, 5)?,
        library: cell(row, 6)?,
        demo: cell::<Option<bool>>(row, 7)?.unwrap_or(false),
        opened_at: time(8)?,
        ended_at: time(9)?,
        outcome: outcome.map(SessionOutcome::from_code).transpose()?,
        sealed_at: time(11)?,
        counts: read_counts(row, 12)?,
        guns: Vec::new(),
        zones: Vec::new(),
    })
}

/// The shots `s` of the blocks `b`, with session and verdict behind the shot's own columns.
fn shot_sql(blocks: &str, rest: &str) -> String {
    format!(
        "SELECT {COLUMNS}, s.id, e.session, v.judgement FROM {blocks}
         JOIN shots s ON s.id BETWEEN b.first_shot AND b.last_shot
         JOIN guns g ON g.id = s.gun LEFT JOIN sessions e ON e.id = b.session
         LEFT JOIN verdicts v ON v.shot = s.id {rest}"
    )
}

fn read_stored_shot(row: &Row<'_>) -> Result<StoredShot, StoreError> {
    let session: Option<[u8; 16]> = cell(row, COLUMN_COUNT + 1)?;
    let verdict: Option<Vec<u8>> = cell(row, COLUMN_COUNT + 2)?;
    let verdict = verdict.map(|bytes| Judgement::from_canonical(&bytes));
    Ok(StoredShot {
        arrival: cell(row, COLUMN_COUNT)?,
        shot: shot_row::read(row)?,
        session: session.map(SessionId::from_bytes),
        verdict: verdict.transpose()?,
    })
}

impl Reader<'_> {
    /// Sessions whose opening has arrived, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn sessions(
        &self,
        after: Option<SessionCursor>,
        limit: u32,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let sql = session_sql(
            "e.opened_at_ns IS NOT NULL AND (e.opened_at_ns, e.id) < (?1, ?2)
             ORDER BY e.opened_at_ns DESC, e.id DESC LIMIT ?3",
        );
        let (at, arrival) = after.unwrap_or((i64::MAX, i64::MAX));
        let values = params![at, arrival, limit];
        let rows = self.all("read sessions", &sql, values, read_session)?;
        rows.into_iter()
            .map(|row| self.with_segments(row))
            .collect()
    }

    /// One session.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn session(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let sql = session_sql("e.session = ?1");
        let row = self.one("read a session", &sql, [session.as_bytes()], read_session)?;
        row.map(|row| self.with_segments(row)).transpose()
    }

    /// Every session that is not sealed, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn unsealed_sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        let sql = session_sql("e.sealed_at_ns IS NULL ORDER BY e.id");
        let rows = self.all("read sessions", &sql, [], read_session)?;
        rows.into_iter()
            .map(|row| self.with_segments(row))
            .collect()
    }

    fn with_segments(&self, mut session: SessionRow) -> Result<SessionRow, StoreError> {
        let sql =
            "SELECT gun, zone FROM segments WHERE session = ?1 ORDER BY opened_at_ns, segment";
        let segments = self.all("read segments", sql, [session.arrival], |row| {
            Ok((cell::<Option<String>>(row, 0)?, cell::<String>(row, 1)?))
        })?;
        for (gun, zone) in segments {
            session
                .guns
                .extend(gun.filter(|gun| !session.guns.contains(gun)));
            if !session.zones.contains(&zone) {
                session.zones.push(zone);
            }
        }
        Ok(session)
    }

    /// The newest segment of each gun in a session that has not ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn open_segments(&self) -> Result<Vec<OpenSegment>, StoreError> {
        let sql = format!(
            // A cross join keeps the few open sessions on the outside.
            "SELECT p.gun, e.session, e.protocol, p.zone, {COUNTS} FROM sessions e
             CROSS JOIN segments p ON p.session = e.id
             WHERE e.sealed_at_ns IS NULL AND e.ended_at_ns IS NULL AND p.gun IS NOT NULL
             ORDER BY p.opened_at_ns"
        );
        let mut newest = std::collections::BTreeMap::new();
        let segments = self.all("read open segments", &sql, [], |row| {
            Ok(OpenSegment {
                gun: cell(row, 0)?,
                session: SessionId::from_bytes(cell(row, 1)?),
                protocol: cell(row, 2)?,
                zone: cell(row, 3)?,
                counts: read_counts(row, 4)?,
            })
        })?;
        for segment in segments {
            newest.insert(segment.gun.clone(), segment);
        }
        Ok(newest.into_values().collect())
    }

    /// The events of a session in the order of arrival.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn session_events(&self, session: SessionId) -> Result<Vec<SessionEvent>, StoreError> {
        let sql = "SELECT r.bytes FROM records r JOIN sessions e ON e.id = r.session
            WHERE e.session = ?1 ORDER BY r.id";
        let records = self.all("read session events", sql, [session.as_bytes()], |row| {
            Ok(Record::from_canonical(&cell::<Vec<u8>>(row, 0)?)?)
        })?;
        Ok(records
            .into_iter()
            .filter_map(|record| match record {
                Record::Session(event) => Some(event),
                _ => None,
            })
            .collect())
    }

    /// How a session ended, if it did.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn session_end(&self, session: SessionId) -> Result<Option<SessionEnded>, StoreError> {
        let events = self.session_events(session)?;
        Ok(events.into_iter().find_map(|event| match event {
            SessionEvent::Ended(ended) => Some(ended),
            _ => None,
        }))
    }

    /// Shots of a session, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn session_shots(
        &self,
        session: SessionId,
        after: Option<ShotCursor>,
        limit: u32,
    ) -> Result<Vec<StoredShot>, StoreError> {
        let sql = shot_sql(
            "blocks b",
            "WHERE b.session = (SELECT id FROM sessions WHERE session = ?1)
             AND (s.at_ns, s.id) > (?2, ?3) ORDER BY s.at_ns, s.id LIMIT ?4",
        );
        let (at, arrival) = after.unwrap_or((-1, -1));
        let values = params![session.as_bytes(), at, arrival, limit];
        self.all("read shots of a session", &sql, values, read_stored_shot)
    }

    /// The newest stored shots of a gun in the order of arrival, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn recent_shots(&self, gun: &GunSerial, limit: u32) -> Result<Vec<StoredShot>, StoreError> {
        // Each block with shots has at least one, so so many blocks are enough.
        let sql = shot_sql(
            "(SELECT * FROM blocks WHERE first_shot IS NOT NULL
              AND gun = (SELECT id FROM guns WHERE serial = ?1) ORDER BY id DESC LIMIT ?2) b",
            "ORDER BY s.id DESC LIMIT ?2",
        );
        let values = params![gun.as_str(), limit];
        self.all("read shots of a gun", &sql, values, read_stored_shot)
    }

    /// The shots of a gun and epoch, in the order of their counters, from one counter on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn shots_from(&self, first: &ShotIdentity, limit: u32) -> Result<Vec<Shot>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM shots s JOIN guns g ON g.id = s.gun
             WHERE s.gun = (SELECT id FROM guns WHERE serial = ?1) AND s.epoch = ?2
             AND s.counter >= ?3 ORDER BY s.counter LIMIT ?4"
        );
        let values = params![
            first.gun.as_str(),
            bits(first.epoch.get()),
            first.counter.get(),
            limit
        ];
        self.all("read shots of a gun", &sql, values, shot_row::read)
    }

    /// One shot.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn shot(&self, identity: &ShotIdentity) -> Result<Option<Shot>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM shots s JOIN guns g ON g.id = s.gun
             WHERE s.gun = (SELECT id FROM guns WHERE serial = ?1) AND s.epoch = ?2
             AND s.counter = ?3"
        );
        let values = params![
            identity.gun.as_str(),
            bits(identity.epoch.get()),
            identity.counter.get()
        ];
        self.one("read a shot", &sql, values, shot_row::read)
    }

    /// What the seal of a session is made from.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn seal_parts(&self, session: SessionId) -> Result<SealParts, StoreError> {
        let id = session.as_bytes();
        let hash = |row: &Row<'_>| Ok(RecordHash(cell(row, 0)?));
        let events = "SELECT substr(b.record_hashes, r.position * 32 + 1, 32) FROM records r
            JOIN blocks b ON b.id = r.block JOIN sessions e ON e.id = r.session
            WHERE e.session = ?1 AND r.kind = 2 ORDER BY r.id";
        let shots = "SELECT substr(b.record_hashes, s.position * 32 + 1, 32) FROM sessions e
            JOIN blocks b ON b.session = e.id
            JOIN shots s ON s.id BETWEEN b.first_shot AND b.last_shot
            JOIN guns g ON g.id = s.gun
            WHERE e.session = ?1 ORDER BY g.serial, s.epoch, s.counter";
        let mut record_hashes = self.all("read events of a seal", events, [id], hash)?;
        record_hashes.extend(self.all("read shots of a seal", shots, [id], hash)?);
        let counts = self.session(session)?.map(|row| row.counts);
        Ok(SealParts {
            record_hashes,
            counts: counts.unwrap_or_default(),
        })
    }
}
