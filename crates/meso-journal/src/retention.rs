//! What is settled is kept for a while: a store that was put back from a backup asks for it again.

use std::time::Duration;

use meso_domain::Stream;
use meso_units::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::blocks::{head, used_bytes, watermark};
use crate::error::During;
use crate::schema::{known_stream_id, streams};
use crate::{JournalError, forgotten};

/// The size in bytes above which settled blocks of guns are forgotten, oldest first, once they have
/// their least age: about 500,000 shots. What is not settled does not count, nor does what the room's
/// stream holds; neither is ever forgotten.
pub const SETTLED_BYTES_MAX: i64 = 256 * 1024 * 1024;

/// The size in bytes above which settled blocks of guns are forgotten whatever their age: about two
/// million shots.
pub const SETTLED_BYTES_CEILING: i64 = 1024 * 1024 * 1024;

/// Settled blocks that are forgotten in one go, so that writing never waits long.
const PRUNED_AT_ONCE_MAX: i64 = 256;

/// How often it is noted how far a stream is settled, in ns: once an hour. So blocks are kept for up
/// to an hour more than their least age.
const NOTED_EVERY_NS: i64 = 3_600 * 1_000_000_000;

/// How much of what is settled is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) bytes_max: i64,
    pub(crate) bytes_ceiling: i64,
    pub(crate) least_age: Duration,
}

impl Retention {
    pub(crate) const fn of_age(least_age: Duration) -> Retention {
        Retention {
            bytes_max: SETTLED_BYTES_MAX,
            bytes_ceiling: SETTLED_BYTES_CEILING,
            least_age,
        }
    }
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    pub(crate) block_count: usize,
    /// Whether there was too much to keep all of it for its least age.
    pub(crate) is_early: bool,
}

/// Takes note of how far a stream is settled by now.
pub(crate) fn note_settled(
    connection: &Connection,
    stream: &Stream,
    settled_to: u64,
    now: Timestamp,
) -> Result<(), JournalError> {
    // The room's stream is kept whole.
    let id = match stream {
        Stream::Room => None,
        Stream::Gun(_) => known_stream_id(connection, stream)?,
    };
    let Some(id) = id else {
        return Ok(());
    };
    let what = "note what is settled";
    let settled_to = settled_to.cast_signed();
    // A store that was put back holds less: what it gets again is as young as that.
    connection
        .prepare_cached("DELETE FROM settled_at WHERE stream = ?1 AND settled_to > ?2")
        .and_then(|mut statement| statement.execute((id, settled_to)))
        .during(what)?;
    let last: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT settled_to, at_ns FROM settled_at WHERE stream = ?1
             ORDER BY settled_to DESC LIMIT 1",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            statement.query_row([id], read).optional()
        })
        .during(what)?;
    let now_ns = now.unix_ns();
    let is_due = last.is_none_or(|(to, at_ns)| {
        let is_later = now_ns.saturating_sub(at_ns) >= NOTED_EVERY_NS || now_ns < at_ns;
        to < settled_to && is_later
    });
    // From what a clock shows that was never set no age is counted.
    if is_due && settled_to > 0 && now >= Timestamp::PLAUSIBLE_FROM {
        connection
            .prepare_cached(
                "INSERT INTO settled_at (stream, settled_to, at_ns) VALUES (?1, ?2, ?3)",
            )
            .and_then(|mut statement| statement.execute((id, settled_to, now_ns)))
            .during(what)?;
    }
    Ok(())
}

/// Forgets the oldest settled blocks of the guns while they come to more than is to be kept. The
/// newest block of a stream stays, since the next one names its hash, and so does the whole stream of
/// the room, since sessions are rebuilt from it.
pub(crate) fn prune(
    connection: &Connection,
    retention: &Retention,
    now: Timestamp,
) -> Result<Pruned, JournalError> {
    let settled_bytes = settled_bytes(connection)?;
    if settled_bytes <= retention.bytes_max {
        return Ok(Pruned::default());
    }
    let is_early = settled_bytes > retention.bytes_ceiling;
    let mut pruned = Pruned::default();
    for (id, stream) in streams(connection)? {
        if stream == Stream::Room {
            continue;
        }
        let settled = settled_last(connection, id)?;
        let old = old_last(connection, id, retention.least_age, now)?;
        let last = if is_early { settled } else { settled.min(old) };
        let block_count = prune_stream(connection, id, last)?;
        pruned.is_early |= block_count > 0 && last > old;
        pruned.block_count += block_count;
    }
    Ok(pruned)
}

/// The last block of a stream that may be forgotten because it is settled; 0 for none.
fn settled_last(connection: &Connection, id: i64) -> Result<i64, JournalError> {
    let newest = head(connection, id)?.number;
    let settled_to = watermark(connection, id)?.map_or(0, |watermark| watermark.to);
    Ok(settled_to.min(newest.saturating_sub(1)).cast_signed())
}

/// The last block of a stream that has been settled for that long; 0 for none.
fn old_last(
    connection: &Connection,
    id: i64,
    least_age: Duration,
    now: Timestamp,
) -> Result<i64, JournalError> {
    if least_age.is_zero() {
        return Ok(i64::MAX);
    }
    let age_ns = i64::try_from(least_age.as_nanos()).unwrap_or(i64::MAX);
    let before_ns = now.unix_ns().saturating_sub(age_ns);
    connection
        .query_row(
            "SELECT coalesce(max(settled_to), 0) FROM settled_at WHERE stream = ?1 AND at_ns <= ?2",
            (id, before_ns),
            |row| row.get(0),
        )
        .during("find what was settled long ago")
}

fn prune_stream(connection: &Connection, id: i64, last: i64) -> Result<usize, JournalError> {
    let oldest: Option<i64> = connection
        .query_row(
            "SELECT min(number) FROM blocks WHERE stream = ?1",
            [id],
            |row| row.get(0),
        )
        .during("find old blocks")?;
    let Some(oldest) = oldest.filter(|oldest| *oldest <= last) else {
        return Ok(0);
    };
    let last = last.min(oldest + PRUNED_AT_ONCE_MAX - 1);
    forgotten::note(connection, id, oldest, last)?;
    connection
        .execute(
            "DELETE FROM records WHERE stream = ?1 AND sequence <= (SELECT last_sequence FROM
             blocks WHERE stream = ?1 AND number = ?2)",
            (id, last),
        )
        .during("forget old records")?;
    // Of when they were settled, the last word goes on for those that are left.
    connection
        .execute(
            "DELETE FROM settled_at WHERE stream = ?1 AND settled_to <= ?2",
            (id, last),
        )
        .during("forget when old blocks were settled")?;
    connection
        .execute(
            "DELETE FROM blocks WHERE stream = ?1 AND number <= ?2",
            (id, last),
        )
        .during("forget old blocks")
}

/// What the settled blocks of guns take of the file: the share that their records have of all. A shot
/// is about as long as another, and to add up each would read the whole file.
pub(crate) fn settled_bytes(connection: &Connection) -> Result<i64, JournalError> {
    let (mut settled, mut all) = (0, 0);
    for (id, stream) in streams(connection)? {
        let (first, last) = sequences(connection, id)?;
        all += last - first + 1;
        if stream != Stream::Room {
            let settled_last = settled_last(connection, id)?;
            let settled_sequence: Option<i64> = connection
                .prepare_cached(
                    "SELECT last_sequence FROM blocks WHERE stream = ?1 AND number <= ?2
                     ORDER BY number DESC LIMIT 1",
                )
                .and_then(|mut statement| {
                    let key = (id, settled_last);
                    statement.query_row(key, |row| row.get(0)).optional()
                })
                .during("measure what is settled")?;
            settled += settled_sequence.map_or(0, |sequence| sequence - first + 1);
        }
    }
    let share = i128::from(used_bytes(connection)?) * i128::from(settled) / i128::from(all.max(1));
    Ok(i64::try_from(share).unwrap_or(i64::MAX))
}

/// The first and the last record of a stream; the last is below the first where there is none.
fn sequences(connection: &Connection, id: i64) -> Result<(i64, i64), JournalError> {
    connection
        .prepare_cached(
            "SELECT (SELECT coalesce(min(sequence), 1) FROM records WHERE stream = ?1),
             (SELECT coalesce(max(sequence), 0) FROM records WHERE stream = ?1)",
        )
        .and_then(|mut statement| statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))))
        .during("measure its records")
}

#[cfg(test)]
mod tests {
    use meso_delivery::Watermark;
    use meso_domain::{Gap, GapReason, GapState, Record};
    use meso_units::{
        BlockNumber, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, ShotCounter,
    };

    use super::*;
    use crate::append::append;
    use crate::blocks::{load, seal, set_watermark};
    use crate::{Batch, Identity, NewRecord, schema};

    /// Nothing is to be kept that need not be.
    const NOTHING: Retention = Retention {
        bytes_max: 0,
        bytes_ceiling: i64::MAX,
        least_age: Duration::ZERO,
    };

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    fn hour(hours: i64) -> Timestamp {
        Timestamp::PLAUSIBLE_FROM.saturating_add_ns(hours * NOTED_EVERY_NS)
    }

    fn settled(to: u64) -> Watermark {
        Watermark {
            to,
            ranges: Vec::new(),
            blocks: Vec::new(),
            store: 1,
            ingest: 1,
        }
    }

    fn pruned(connection: &Connection, retention: &Retention, now: Timestamp) -> usize {
        prune(connection, retention, now).unwrap().block_count
    }

    /// A journal of so many blocks, each of one record.
    struct Bench {
        connection: Connection,
        identity: Identity,
        count: u32,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new(count: u32) -> Bench {
            let folder = tempfile::tempdir().unwrap();
            let identity = Identity {
                clinic: ClinicId::parse("riverside").unwrap(),
                driver: DriverId::parse("room-1").unwrap(),
            };
            let path = folder.path().join("journal");
            let (connection, _) = schema::open(&path, &identity, JournalIncarnation(1)).unwrap();
            let mut bench = Bench {
                connection,
                identity,
                count: 0,
                _folder: folder,
            };
            (0..count).for_each(|_| bench.seal());
            bench
        }

        fn seal(&mut self) {
            self.count += 1;
            block_of_one_gap(&self.connection, &self.identity, self.count);
        }

        fn settle(&self, to: u64, now: Timestamp) {
            set_watermark(&self.connection, &stream(), &settled(to)).unwrap();
            note_settled(&self.connection, &stream(), to, now).unwrap();
        }

        fn holds(&self, number: u64) -> bool {
            let block = load(&self.connection, &stream(), BlockNumber(number));
            block.unwrap().is_some()
        }
    }

    fn stream() -> Stream {
        Stream::parse("GUN-1").unwrap()
    }

    fn block_of_one_gap(connection: &Connection, identity: &Identity, counter: u32) {
        let gun = GunSerial::parse("GUN-1").unwrap();
        let stream = Stream::Gun(gun.clone());
        let record = Record::Gap(Gap {
            gun,
            epoch: Epoch(1),
            first: ShotCounter(counter),
            last: Some(ShotCounter(counter)),
            state: GapState::Declared,
            reason: GapReason::RingOverflow,
            at: Timestamp::UNIX_EPOCH,
        });
        let batch = Batch {
            records: vec![NewRecord {
                stream: stream.clone(),
                record,
                judgement: None,
                session: None,
            }],
            ..Batch::default()
        };
        append(connection, &batch).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let incarnation = JournalIncarnation(1);
        seal(
            connection,
            identity,
            incarnation,
            &stream,
            u64::from(counter),
            at,
        )
        .unwrap();
    }

    #[test]
    fn only_settled_blocks_are_forgotten_and_never_the_newest() {
        let mut bench = Bench::new(6);
        let now = hour(0);
        assert_eq!(
            pruned(&bench.connection, &NOTHING, now),
            0,
            "none is settled"
        );
        bench.settle(4, now);
        let there_is_room = Retention::of_age(Duration::ZERO);
        assert_eq!(pruned(&bench.connection, &there_is_room, now), 0);
        assert_eq!(pruned(&bench.connection, &NOTHING, now), 4);
        assert!(!bench.holds(4) && bench.holds(5) && bench.holds(6));
        let lost = forgotten::shots(&bench.connection, &stream(), BlockNumber(3)).unwrap();
        assert_eq!(lost, [], "gaps are no shots");
        bench.settle(6, now);
        pruned(&bench.connection, &NOTHING, now);
        assert!(!bench.holds(5) && bench.holds(6));
        bench.seal();
        assert!(bench.holds(7), "the chain goes on from the newest block");
    }

    #[test]
    fn a_backlog_does_not_take_the_room_of_what_is_settled() {
        let bench = Bench::new(200);
        bench.settle(10, hour(0));
        let whole = used_bytes(&bench.connection).unwrap();
        let part = settled_bytes(&bench.connection).unwrap();
        assert_eq!(part, whole / 20);
        let retention = |bytes_max| Retention {
            bytes_max,
            ..NOTHING
        };
        assert_eq!(pruned(&bench.connection, &retention(part), hour(0)), 0);
        assert_eq!(pruned(&bench.connection, &retention(part - 1), hour(0)), 10);
    }

    #[test]
    fn what_was_settled_is_kept_for_its_least_age_however_long_it_had_waited() {
        let bench = Bench::new(100);
        let retention = Retention {
            least_age: DAY,
            ..NOTHING
        };
        bench.settle(40, hour(0));
        bench.settle(60, hour(5));
        assert_eq!(pruned(&bench.connection, &retention, hour(23)), 0);
        assert_eq!(pruned(&bench.connection, &retention, hour(24)), 40);
        assert_eq!(pruned(&bench.connection, &retention, hour(28)), 0);
        assert_eq!(pruned(&bench.connection, &retention, hour(29)), 20);
        assert!(!bench.holds(60) && bench.holds(61));
    }

    #[test]
    fn what_a_store_that_was_put_back_gets_again_is_young_again() {
        let bench = Bench::new(100);
        let retention = Retention {
            least_age: DAY,
            ..NOTHING
        };
        bench.settle(60, hour(0));
        bench.settle(20, hour(30));
        bench.settle(60, hour(31));
        assert_eq!(pruned(&bench.connection, &retention, hour(54)), 20);
        assert_eq!(pruned(&bench.connection, &retention, hour(55)), 40);
    }

    #[test]
    fn above_the_ceiling_no_age_protects_and_that_is_said() {
        let bench = Bench::new(100);
        bench.settle(60, hour(0));
        let part = settled_bytes(&bench.connection).unwrap();
        let retention = |bytes_ceiling| Retention {
            bytes_ceiling,
            least_age: DAY,
            ..NOTHING
        };
        let kept = prune(&bench.connection, &retention(part), hour(1)).unwrap();
        assert_eq!(kept, Pruned::default());
        let gone = prune(&bench.connection, &retention(part - 1), hour(1)).unwrap();
        let early = Pruned {
            block_count: 60,
            is_early: true,
        };
        assert_eq!(gone, early);
    }

    #[test]
    fn no_age_is_counted_from_a_clock_that_was_never_set() {
        let bench = Bench::new(100);
        let retention = Retention {
            least_age: DAY,
            ..NOTHING
        };
        bench.settle(60, Timestamp::UNIX_EPOCH);
        assert_eq!(pruned(&bench.connection, &retention, hour(100)), 0);
        bench.settle(61, hour(100));
        assert_eq!(pruned(&bench.connection, &retention, hour(124)), 61);
    }
}
