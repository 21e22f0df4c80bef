//! Questions about sessions and the shots of one gun or session.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    Judgement, Record, RecordHash, SessionEnded, SessionEvent, SessionOutcome, Shot, ShotIdentity,
};
use meso_units::{ClinicId, Epoch, GunSerial, SessionId, ShotCounter, Timestamp};
use rusqlite::{Row, params};

use super::{Reader, cell, count};
use crate::commit::{OpenSegment, SessionCounts, SessionRow, StoredShot};
use crate::extent::Runs;
use crate::shelf::{self, BlockSpan, ShelvedShot};
use crate::shot_row::{bits, from_bits};
use crate::{StoreError, pack};

/// The place in the list of sessions after which the next page begins: time of opening, arrival.
pub type SessionCursor = (i64, i64);

/// The place in the list of a session's shots after which the next page begins: time, arrival.
pub type ShotCursor = (i64, i64);

/// What a seal is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealParts {
    /// Hashes of the session's events in the order of arrival.
    pub event_hashes: Vec<RecordHash>,
    /// Hashes of its stored shots in any order; without those that it claims.
    pub shot_hashes: Vec<(ShotIdentity, RecordHash)>,
    /// What the session adds up to.
    pub counts: SessionCounts,
}

const COUNTS: &str = "e.shot_count + e.claimed_shot_count,
 e.patient_shot_count + e.claimed_patient_shot_count, e.volume_nl + e.claimed_volume_nl,
 e.failed_count + e.claimed_failed_count, e.soft_count + e.claimed_soft_count,
 e.hard_count + e.claimed_hard_count, e.not_checkable_count + e.claimed_not_checkable_count";

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

/// Blocks whose shots are read in one go while a page fills.
const BLOCKS_PER_GO: usize = 64;

/// Blocks in an order in which a later one has no shot before its own start: the shots of a page
/// are complete once those before the next block's start are enough.
struct Ordered<K> {
    spans: Vec<(K, BlockSpan)>,
}

impl<K: Ord + Copy> Ordered<K> {
    /// The first `limit` shots for which `key` gives something, by that.
    fn page(
        self,
        reader: &Reader<'_>,
        limit: u32,
        key: impl Fn(&ShelvedShot) -> Option<(K, i64)>,
    ) -> Result<Vec<(i64, ShelvedShot)>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut page: Vec<((K, i64), i64, ShelvedShot)> = Vec::new();
        let mut left = self.spans.into_iter().peekable();
        while left.peek().is_some() {
            let go: Vec<BlockSpan> = left
                .by_ref()
                .take(BLOCKS_PER_GO)
                .map(|(_, span)| span)
                .collect();
            for (span, shots) in go.iter().zip(reader.take(&go)?) {
                let keyed = shots.into_iter();
                page.extend(keyed.filter_map(|shot| Some((key(&shot)?, span.row, shot))));
            }
            let Some((next, _)) = left.peek() else { break };
            let certain = page.iter().filter(|((key, _), ..)| key < next).count();
            if certain >= limit {
                break;
            }
        }
        page.sort_unstable_by_key(|(key, ..)| *key);
        page.truncate(limit);
        Ok(page.into_iter().map(|(_, row, shot)| (row, shot)).collect())
    }
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
        let mut newest = BTreeMap::new();
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
        let (at, arrival) = after.unwrap_or((-1, -1));
        let values = params![session.as_bytes(), at];
        let spans = self.spans(
            "read shots of a session",
            "b.session = (SELECT id FROM sessions WHERE session = ?1) AND b.shots_to_ns >= ?2
             ORDER BY b.shots_from_ns",
            values,
        )?;
        let ordered = Ordered {
            spans: spans.into_iter().map(|span| (span.from_ns, span)).collect(),
        };
        let page = ordered.page(self, limit, |shelved| {
            let key = (shelved.shot.at.unix_ns(), shelved.arrival);
            (key > (at, arrival)).then_some(key)
        })?;
        self.with_verdicts(page)
    }

    /// The newest stored shots of a gun in the order of arrival, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn recent_shots(&self, gun: &GunSerial, limit: u32) -> Result<Vec<StoredShot>, StoreError> {
        // Each block with shots has at least one, so so many blocks are enough.
        let spans = self.spans(
            "read shots of a gun",
            "b.gun = (SELECT id FROM guns WHERE serial = ?1) ORDER BY b.id DESC LIMIT ?2",
            params![gun.as_str(), limit],
        )?;
        // Arrivals count upwards from block to block: the next block has the smaller ones.
        let newest_first = |span: &BlockSpan| Reverse(span.arrival_last());
        let ordered = Ordered {
            spans: spans
                .into_iter()
                .map(|span| (newest_first(&span), span))
                .collect(),
        };
        let page = ordered.page(self, limit, |shelved| Some((Reverse(shelved.arrival), 0)))?;
        self.with_verdicts(page)
    }

    /// Shots of blocks with session and verdict.
    fn with_verdicts(&self, shots: Vec<(i64, ShelvedShot)>) -> Result<Vec<StoredShot>, StoreError> {
        let sessions = "SELECT e.session FROM blocks b JOIN sessions e ON e.id = b.session
            WHERE b.id = ?1";
        let verdicts = "SELECT judgement FROM verdicts WHERE shot = ?1";
        let mut session_of: BTreeMap<i64, Option<SessionId>> = BTreeMap::new();
        let mut stored = Vec::with_capacity(shots.len());
        for (block, shelved) in shots {
            let session = match session_of.get(&block) {
                Some(session) => *session,
                None => {
                    let session = self.one("find a session", sessions, [block], |row| {
                        Ok(SessionId::from_bytes(cell(row, 0)?))
                    })?;
                    session_of.insert(block, session);
                    session
                }
            };
            let verdict = self.one("read a verdict", verdicts, [shelved.arrival], |row| {
                Ok(Judgement::from_canonical(&cell::<Vec<u8>>(row, 0)?)?)
            })?;
            stored.push(StoredShot {
                arrival: shelved.arrival,
                shot: shelved.shot,
                session,
                verdict,
            });
        }
        Ok(stored)
    }

    /// The shots of a gun and epoch, in the order of their counters, from one counter on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn shots_from(&self, first: &ShotIdentity, limit: u32) -> Result<Vec<Shot>, StoreError> {
        let spans = self.spans(
            "read shots of a gun",
            "b.gun = (SELECT id FROM guns WHERE serial = ?1) AND b.epoch = ?2
             AND b.last_counter >= ?3 ORDER BY b.first_counter",
            params![
                first.gun.as_str(),
                bits(first.epoch.get()),
                first.counter.get()
            ],
        )?;
        let start = |span: &BlockSpan| span.runs.shots().map(|(_, counter)| counter).min();
        let ordered = Ordered {
            spans: spans
                .into_iter()
                .map(|span| (start(&span).unwrap_or(0), span))
                .collect(),
        };
        let page = ordered.page(self, limit, |shelved| {
            let counter = shelved.shot.identity.counter;
            (counter >= first.counter).then_some((counter.get(), 0))
        })?;
        Ok(page.into_iter().map(|(_, shelved)| shelved.shot).collect())
    }

    /// One shot.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn shot(&self, identity: &ShotIdentity) -> Result<Option<Shot>, StoreError> {
        let Some(span) = self.block_of(identity)? else {
            return Ok(None);
        };
        let shots = self.take(&[span])?.into_iter().flatten();
        let mut same = shots.filter(|shelved| shelved.shot.identity == *identity);
        Ok(same.next().map(|shelved| shelved.shot))
    }

    /// The block under which a shot is stored.
    pub(crate) fn block_of(
        &self,
        identity: &ShotIdentity,
    ) -> Result<Option<BlockSpan>, StoreError> {
        let counter = identity.counter.get();
        let mut spans = self.spans(
            "find a shot",
            "g.serial = ?1 AND b.epoch = ?2 AND b.first_counter <= ?3
             AND b.last_counter BETWEEN ?3 AND ?3 + g.span_counter_max",
            params![identity.gun.as_str(), bits(identity.epoch.get()), counter],
        )?;
        spans.retain(|span| span.runs.shots().any(|(_, other)| other == counter));
        Ok(spans.pop())
    }

    /// Whether a shot of a block lies in the store's own file.
    pub(crate) fn is_in_file(
        &self,
        span: &BlockSpan,
        identity: &ShotIdentity,
    ) -> Result<bool, StoreError> {
        let shots = shelf::kept(self.connection, span)?;
        Ok(shots
            .iter()
            .any(|shelved| shelved.shot.identity == *identity))
    }

    /// What the seal of a session is made from.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn seal_parts(&self, session: SessionId) -> Result<SealParts, StoreError> {
        let id = session.as_bytes();
        let hash = |row: &Row<'_>| Ok(RecordHash(cell(row, 0)?));
        let events = "SELECT substr(y.record_hashes, r.position * 32 + 1, 32) FROM records r
            JOIN block_bodies y ON y.block = r.block JOIN sessions e ON e.id = r.session
            WHERE e.session = ?1 AND r.kind = 2 ORDER BY r.id";
        let shots = "SELECT g.serial, b.epoch, b.runs, y.record_hashes FROM sessions e
            JOIN blocks b ON b.session = e.id AND b.first_shot IS NOT NULL
            JOIN block_bodies y ON y.block = b.id
            JOIN guns g ON g.id = b.gun WHERE e.session = ?1";
        let event_hashes = self.all("read events of a seal", events, [id], hash)?;
        let shots = self.all("read shots of a seal", shots, [id], hashes_of_shots)?;
        let counts = self.session(session)?.map(|row| row.counts);
        Ok(SealParts {
            event_hashes,
            shot_hashes: shots.into_iter().flatten().collect(),
            counts: counts.unwrap_or_default(),
        })
    }
}

/// The stored shots of a block with their hashes.
fn hashes_of_shots(row: &Row<'_>) -> Result<Vec<(ShotIdentity, RecordHash)>, StoreError> {
    let gun = GunSerial::parse(&cell::<String>(row, 0)?)?;
    let epoch = Epoch(from_bits(cell(row, 1)?));
    let runs = Runs::unpack(&cell::<Vec<u8>>(row, 2)?)?;
    let hashes = pack::read_hashes(&cell::<Vec<u8>>(row, 3)?)?;
    let one = |(position, counter): (usize, u32)| {
        let hash = hashes.get(position);
        let hash = hash.ok_or_else(|| StoreError::damaged("a block", "a hash is missing"))?;
        let identity = ShotIdentity {
            gun: gun.clone(),
            epoch,
            counter: ShotCounter(counter),
        };
        Ok((identity, *hash))
    };
    runs.shots().map(one).collect()
}
