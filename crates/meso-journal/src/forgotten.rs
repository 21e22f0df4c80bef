//! What was in blocks that the journal has forgotten: enough to name what is missing, should a
//! store that lost its data ask for them again.

use meso_delivery::Range;
use meso_domain::Stream;
use meso_units::{BlockNumber, Epoch};
use rusqlite::Connection;

use crate::JournalError;
use crate::error::During;
use crate::held::{self, Kind};
use crate::schema::known_stream_id;

/// Shots of a gun that were in blocks which the journal has forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForgottenShots {
    /// Their epoch.
    pub epoch: Epoch,
    /// Their counters.
    pub counters: Range,
}

/// Takes note of the blocks of a stream from `first` to `last` before they are forgotten.
pub(crate) fn note(
    connection: &Connection,
    stream: i64,
    first: i64,
    last: i64,
) -> Result<(), JournalError> {
    connection
        .execute(
            "INSERT INTO forgotten (stream, epoch, first_block, last_block, first, last)
             SELECT ?1, r.epoch, ?2, ?3, min(r.counter), max(r.counter)
             FROM records r WHERE r.stream = ?1 AND r.counter IS NOT NULL AND r.sequence <=
             (SELECT last_sequence FROM blocks WHERE stream = ?1 AND number = ?3)
             GROUP BY r.epoch
             ON CONFLICT (stream, epoch) DO UPDATE SET
             first_block = min(first_block, excluded.first_block),
             last_block = max(last_block, excluded.last_block),
             first = min(first, excluded.first), last = max(last, excluded.last)",
            (stream, first, last),
        )
        .during("note what is forgotten")?;
    Ok(())
}

/// The shots of every forgotten block around this one; empty where none was forgotten there.
pub(crate) fn shots(
    connection: &Connection,
    stream: &Stream,
    number: BlockNumber,
) -> Result<Vec<ForgottenShots>, JournalError> {
    let Some(id) = known_stream_id(connection, stream)? else {
        return Ok(Vec::new());
    };
    let rows: Vec<(i64, i64, i64)> = connection
        .prepare_cached(
            "SELECT epoch, first, last FROM forgotten
             WHERE stream = ?1 AND ?2 BETWEEN first_block AND last_block",
        )
        .and_then(|mut statement| {
            let key = (id, number.get().cast_signed());
            statement.query_map(key, |row| row.try_into())?.collect()
        })
        .during("find what is forgotten")?;
    let mut shots = Vec::new();
    for (epoch, first, last) in rows {
        let epoch = Epoch(epoch.cast_unsigned());
        let (first, last) = (first.cast_unsigned(), last.cast_unsigned());
        // Between them there may be gaps, which have names of their own.
        for held in held::ranges(connection, id, epoch, Some(Kind::Shot))?.ranges() {
            let counters = Range {
                first: held.first.max(first),
                last: held.last.min(last),
            };
            if counters.first <= counters.last {
                shots.push(ForgottenShots { epoch, counters });
            }
        }
    }
    Ok(shots)
}

#[cfg(test)]
mod tests {
    use meso_delivery::Watermark;
    use meso_domain::{Gap, GapReason, GapState, Judgement, Record, Shot};
    use meso_testkit::samples::bare_shot;
    use meso_units::{
        ClinicId, ClockSegment, DriverId, GunSerial, GunTick, JournalIncarnation, ShotCounter,
        Timestamp,
    };

    use super::*;
    use crate::append::append;
    use crate::blocks::{seal, set_watermark};
    use crate::retention::{Retention, prune};
    use crate::{Batch, Identity, NewRecord, Outcome, schema};

    const EPOCH: Epoch = Epoch(9);

    fn gun() -> GunSerial {
        GunSerial::parse("GUN-1").unwrap()
    }

    fn identity() -> Identity {
        Identity {
            clinic: ClinicId::parse("riverside").unwrap(),
            driver: DriverId::parse("room-1").unwrap(),
        }
    }

    fn shot(counter: u32) -> NewRecord {
        let record = Record::Shot(Shot {
            clock_segment: ClockSegment(1),
            ..bare_shot(
                gun(),
                EPOCH,
                counter,
                GunTick::new(u64::from(counter)).unwrap(),
            )
        });
        NewRecord {
            stream: Stream::Gun(gun()),
            record,
            judgement: Some(Judgement {
                library: None,
                engine: 1,
                facts_digest: [3; 32],
                findings: Vec::new(),
            }),
            session: None,
        }
    }

    fn gap(first: u64, last: u64, reason: GapReason) -> NewRecord {
        let counter = |number| ShotCounter(u32::try_from(number).unwrap());
        NewRecord {
            stream: Stream::Gun(gun()),
            record: Record::Gap(Gap {
                gun: gun(),
                epoch: EPOCH,
                first: counter(first),
                last: Some(counter(last)),
                state: GapState::Declared,
                reason,
                at: Timestamp::UNIX_EPOCH,
            }),
            judgement: None,
            session: None,
        }
    }

    fn outcomes(connection: &Connection, records: Vec<NewRecord>) -> Vec<Outcome> {
        let batch = Batch {
            records,
            ..Batch::default()
        };
        append(connection, &batch).unwrap().outcomes
    }

    #[test]
    fn forgotten_shots_can_be_named_and_are_declared_once() {
        let folder = tempfile::tempdir().unwrap();
        let identity = identity();
        let life = JournalIncarnation(1);
        let path = folder.path().join("journal");
        let (connection, _) = schema::open(&path, &identity, life).unwrap();
        let stream = Stream::Gun(gun());
        // Three blocks: shots 1 to 3, a gap of two and shot 6, shot 7.
        let parts = [
            vec![shot(1), shot(2), shot(3)],
            vec![gap(4, 5, GapReason::RingOverflow), shot(6)],
            vec![shot(7)],
        ];
        for (part, last) in parts.into_iter().zip([3, 5, 6]) {
            outcomes(&connection, part);
            let at = Timestamp::UNIX_EPOCH;
            seal(&connection, &identity, life, &stream, last, at).unwrap();
        }
        let settled = Watermark {
            to: 3,
            ranges: Vec::new(),
            blocks: Vec::new(),
            store: 1,
            ingest: 1,
        };
        set_watermark(&connection, &stream, &settled).unwrap();
        let nothing = Retention {
            bytes_max: 0,
            ..Retention::of_age(std::time::Duration::ZERO)
        };
        let pruned = prune(&connection, &nothing, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(pruned.block_count, 2);
        let named = shots(&connection, &stream, BlockNumber(2)).unwrap();
        let ranges: Vec<_> = named
            .iter()
            .map(|it| (it.counters.first, it.counters.last))
            .collect();
        assert_eq!(ranges, [(1, 3), (6, 6)], "the gap has its name already");
        let held = shots(&connection, &stream, BlockNumber(3)).unwrap();
        assert_eq!(held, [], "block 3 is here");
        let declare = || {
            let gaps = ranges.iter().map(|(a, b)| gap(*a, *b, GapReason::Unknown));
            outcomes(&connection, gaps.collect())
        };
        let recorded = |sequence| Outcome::Recorded { sequence };
        assert_eq!(declare(), [recorded(7), recorded(8)]);
        assert_eq!(declare(), [Outcome::Known, Outcome::Known]);
    }

    #[test]
    fn a_shot_that_is_held_is_no_gap_for_any_other_reason() {
        let folder = tempfile::tempdir().unwrap();
        let identity = identity();
        let path = folder.path().join("journal");
        let (connection, _) = schema::open(&path, &identity, JournalIncarnation(1)).unwrap();
        outcomes(&connection, vec![shot(1)]);
        let gaps = vec![gap(1, 1, GapReason::RingOverflow)];
        assert_eq!(outcomes(&connection, gaps), [Outcome::Known]);
    }
}
